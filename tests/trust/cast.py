"""A coterie on a stage: people with keys of fixed seeds, entries as their devices would make them, and forged ones."""

import hashlib
from dataclasses import dataclass, field

from coterie.ids import NO_COTERIE, CoterieId, CoterieKey, DeviceId, EntryHash, InviteId, MemberId, Seed
from coterie.trust import Register, apply, author, canonical
from coterie.trust.author import NewDeviceKeys, NewMemberKeys
from coterie.trust.entry import FIRST_PREV, Body, encode_entry, entry_hash
from coterie.trust.keys import Purpose, SigningKey, device_id, member_id
from coterie.trust.kinds import PolicySet, Public, Role

START = 1_800_000_000_000
DAY = 24 * 3600 * 1000


def seed(label: str) -> Seed:
    return Seed(hashlib.sha256(b"seed " + label.encode()).digest())


def key(label: str) -> SigningKey:
    return SigningKey(seed(label))


def coterie_key(generation: int) -> CoterieKey:
    return CoterieKey(hashlib.sha256(b"coterie key %d" % generation).digest())


@dataclass(eq=False)
class Person:
    label: str

    def __post_init__(self) -> None:
        self.keys = NewMemberKeys(key(f"{self.label} identity"), key(f"{self.label} device"), key(f"{self.label} leaf"))

    @property
    def device(self) -> SigningKey:
        return self.keys.device

    @property
    def device_id(self) -> DeviceId:
        return device_id(self.keys.device.public)

    @property
    def id(self) -> MemberId:
        return member_id(self.keys.identity.public)

    def at(self, label: str) -> "Person":
        """The same person at a further device."""
        further = Person(label)
        further.keys = NewMemberKeys(self.keys.identity, further.keys.device, further.keys.leaf)
        return further

    @property
    def device_keys(self) -> NewDeviceKeys:
        return NewDeviceKeys(self.keys.device, self.keys.leaf)


Signer = tuple[Purpose, SigningKey]


@dataclass
class Draft:
    """An entry in the making, open to every fault: each field can be changed before it is signed."""

    public: Public | bytes
    author: DeviceId
    signers: list[Signer]
    seq: int
    prev: bytes
    at: int
    coterie: CoterieId
    kind: str = ""
    sealed: bytes = b""

    @property
    def body(self) -> bytes:
        public = self.public if isinstance(self.public, bytes) else canonical.encode(self.public)
        kind = self.kind or type(self.public).__name__
        return canonical.encode(Body(self.seq, self.prev, self.at, self.author, kind, public, self.sealed))

    @property
    def signatures(self) -> list[bytes]:
        return [signer.sign(purpose, self.coterie, self.body) for purpose, signer in self.signers]

    @property
    def encoded(self) -> bytes:
        return encode_entry(self.body, tuple(self.signatures))


def draft(state: Register | None, public: Public | bytes, by: DeviceId, signers: list[Signer]) -> Draft:
    if state is None:
        return Draft(public, by, signers, 1, FIRST_PREV, START, NO_COTERIE)
    return Draft(public, by, signers, state.head.seq + 1, state.head.hash, state.at, state.coterie)


def by_device(state: Register, public: Public | bytes, who: Person, *more: Signer) -> Draft:
    return draft(state, public, who.device_id, [(Purpose.ENTRY_DEVICE, who.device), *more])


@dataclass
class Stage:
    """A register and everybody in it, moved on by honest entries."""

    founder: Person
    state: Register
    entries: list[bytes]
    now: int = START
    people: dict[str, Person] = field(default_factory=dict)
    nonces: int = 0

    @classmethod
    def founded(cls, label: str = "ada", name: str = "Ada", coterie: str = "Harbour") -> "Stage":
        founder = Person(label)
        entry = author.found(
            key("founding"),
            key("service").public,
            founder.keys,
            coterie_key=coterie_key(0),
            coterie_name=coterie,
            name=name,
            now_ms=START,
            nonce=bytes(12),
        )
        return cls(founder, apply(None, entry), [entry], people={label: founder})

    @property
    def key(self) -> CoterieKey:
        return coterie_key(self.state.generation)

    def nonce(self) -> bytes:
        self.nonces += 1
        return self.nonces.to_bytes(12, "big")

    def append(self, entry: bytes) -> bytes:
        self.state = apply(self.state, entry)
        self.entries.append(entry)
        return entry

    def later(self, ms: int) -> None:
        self.now += ms

    def invite(
        self, by: Person, label: str, role: Role = Role.MEMBER, expires_at: int | None = None, seat: int | None = 3600
    ) -> InviteId:
        entry = author.issue_invite(
            self.state,
            by.device,
            key(f"invite {label}"),
            role=role,
            seat=seat,
            expires_at=self.now + 7 * DAY if expires_at is None else expires_at,
            note=f"for {label}",
            coterie_key=self.key,
            now_ms=self.now,
            nonce=self.nonce(),
        )
        return InviteId(entry_hash(self.append(entry)))

    def join(self, invite: InviteId, label: str) -> Person:
        person = Person(label)
        self.append(author.join(self.state, invite, key(f"invite {label}"), person.keys, now_ms=self.now))
        self.people[label] = person
        return person

    def welcome(self, by: Person, label: str, role: Role = Role.MEMBER) -> Person:
        return self.join(self.invite(by, label, role), label)

    def set_name(self, who: Person, name: str) -> None:
        self.append(
            author.set_profile(self.state, who.device, name, coterie_key=self.key, now_ms=self.now, nonce=self.nonce())
        )

    def revoke(self, by: Person, invite: InviteId) -> None:
        self.append(author.revoke_invite(self.state, by.device, invite, now_ms=self.now))

    def add_device(self, by: Person, label: str) -> Person:
        further = by.at(label)
        self.append(author.add_device(self.state, by.device, further.device_keys, now_ms=self.now))
        return further

    def recover(self, who: Person, label: str) -> Person:
        anew = who.at(label)
        self.append(author.recover_identity(self.state, who.keys.identity, anew.device_keys, now_ms=self.now))
        return anew

    def remove_device(self, by: Person, target: Person) -> None:
        self.append(author.remove_device(self.state, by.device, target.device_id, now_ms=self.now))

    def remove_member(self, by: Person, target: Person) -> None:
        self.append(author.remove_member(self.state, by.device, target.id, now_ms=self.now))

    def propose(self, by: Person, public: Public) -> EntryHash:
        return entry_hash(self.append(author.propose(self.state, by.device, public, now_ms=self.now)))

    def approve(self, by: Person, proposal: EntryHash) -> None:
        self.append(author.approve(self.state, by.device, proposal, now_ms=self.now))

    def set_policy(self, by: Person, policy: PolicySet) -> None:
        self.append(author.set_policy(self.state, by.device, policy, now_ms=self.now))

    def change_role(self, by: Person, target: Person, role: Role) -> None:
        self.append(author.change_role(self.state, by.device, target.id, role, now_ms=self.now))

    def renew(self, by: Person, target: Person, expires_at: int | None) -> None:
        self.append(author.renew_seat(self.state, by.device, target.id, expires_at, now_ms=self.now))

    def lapse(self, by: Person, target: Person) -> None:
        self.append(author.lapse_seat(self.state, by.device, target.id, now_ms=self.now))

    def rotate(self, by: Person) -> None:
        self.append(
            author.rotate_key(
                self.state,
                by.device,
                old_key=self.key,
                new_key=coterie_key(self.state.generation + 1),
                now_ms=self.now,
                nonce=self.nonce(),
            )
        )


def full_stage() -> Stage:
    """Two of each role but the founder, a removed member (rex), and one whose device is removed (dan)."""
    stage = Stage.founded()
    ada = stage.founder
    for label, role in [
        ("sten", Role.STEWARD),
        ("stig", Role.STEWARD),
        ("mo", Role.MEMBER),
        ("mia", Role.MEMBER),
        ("gus", Role.GUEST),
        ("gia", Role.GUEST),
        ("bo", Role.BOT),
        ("bit", Role.BOT),
        ("rex", Role.MEMBER),
        ("dan", Role.MEMBER),
    ]:
        stage.welcome(ada, label, role)
    stage.remove_member(ada, stage.people["rex"])
    stage.rotate(ada)
    stage.remove_device(stage.people["dan"], stage.people["dan"])
    stage.rotate(ada)
    return stage
