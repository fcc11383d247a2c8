"""A coterie for the tests of `group`: real registers from real entries, and leaves as MLS would show them.

Ada founded it; Bo, Cy and Di are members, Gus is a guest. Randomness is fixed; nothing else is faked.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cache

from immutables import Map

from coterie.group.commit import ADD, CONTEXT, REMOVE, Commit
from coterie.group.context import RoomContext, encode_context, new_context, with_admins
from coterie.group.credential import RawLeaf, encode_credential
from coterie.group.judge import RoomState
from coterie.group.roster import Roster
from coterie.group.suites import Suite
from coterie.ids import CoterieKey, DeviceId, EntryHash, InviteId, MemberId, RoomId, Seed
from coterie.trust import author
from coterie.trust.apply import apply
from coterie.trust.author import NewMemberKeys
from coterie.trust.keys import SigningKey, device_id, member_id
from coterie.trust.kinds import Role
from coterie.trust.register import Device, Register

NOW = 1_790_000_000_000
DAY = 86_400_000
ROOM = RoomId(b"R" * 16)


def seed(name: str) -> Seed:
    return Seed(hashlib.sha256(name.encode()).digest())


def key(name: str) -> SigningKey:
    return SigningKey(seed(name))


def nonce(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:12]


@dataclass(frozen=True)
class Person:
    """A member with one device. `leaf_seed` is what an MLS client is given."""

    name: str

    @property
    def keys(self) -> NewMemberKeys:
        return NewMemberKeys(key(f"{self.name} identity"), key(f"{self.name} device"), key(f"{self.name} leaf"))

    @property
    def leaf_seed(self) -> bytes:
        return bytes(seed(f"{self.name} leaf"))

    @property
    def device_key(self) -> SigningKey:
        return self.keys.device

    @property
    def member(self) -> MemberId:
        return member_id(self.keys.identity.public)

    @property
    def device(self) -> DeviceId:
        return device_id(self.keys.device.public)

    def leaf(self, index: int) -> RawLeaf:
        return RawLeaf(index, encode_credential(register().coterie, self.member, self.device), self.keys.leaf.public)


ADA, BO, CY, DI, GUS = (Person(name) for name in ("Ada", "Bo", "Cy", "Di", "Gus"))
ROLES = {BO: Role.MEMBER, CY: Role.MEMBER, DI: Role.MEMBER, GUS: Role.GUEST}
COTERIE_KEY = CoterieKey(bytes(range(32)))


@cache
def register() -> Register:
    """All five in force."""
    founded = author.found(
        key("founding"),
        key("service").public,
        ADA.keys,
        coterie_key=COTERIE_KEY,
        coterie_name="Lighthouse",
        name="Ada",
        now_ms=NOW,
        nonce=nonce("founded"),
    )
    state = apply(None, founded)
    for person, role in ROLES.items():
        invited = author.issue_invite(
            state,
            ADA.device_key,
            key(f"{person.name} invite"),
            role=role,
            expires_at=NOW + DAY,
            coterie_key=COTERIE_KEY,
            now_ms=NOW,
            nonce=nonce(person.name),
        )
        state = apply(state, invited)
        invite = InviteId(hashlib.sha256(invited).digest())
        state = apply(state, author.join(state, invite, key(f"{person.name} invite"), person.keys, now_ms=NOW))
    return state


def without(person: Person, state: Register | None = None) -> Register:
    """The register after Ada removed this member."""
    before = state or register()
    return apply(before, author.remove_member(before, ADA.device_key, person.member, now_ms=NOW))


def without_device(person: Person) -> Register:
    """The register after this member removed their own device, the member staying."""
    before = register()
    return apply(before, author.remove_device(before, person.device_key, person.device, now_ms=NOW))


@dataclass(frozen=True)
class SecondDevice:
    """Another device of a person. `DeviceAdded` is not a kind yet, so the state is made by hand."""

    person: Person

    @property
    def device_key(self) -> SigningKey:
        return key(f"{self.person.name} second device")

    @property
    def leaf_key(self) -> SigningKey:
        return key(f"{self.person.name} second leaf")

    @property
    def device(self) -> DeviceId:
        return device_id(self.device_key.public)

    def leaf(self, index: int) -> RawLeaf:
        credential = encode_credential(register().coterie, self.person.member, self.device)
        return RawLeaf(index, credential, self.leaf_key.public)

    def registered(self, state: Register | None = None) -> Register:
        before = state or register()
        member = before.member(self.person.member)
        device = Device(self.device, member.id, self.device_key.public, self.leaf_key.public, NOW)
        return replace(
            before,
            members=before.members.set(member.id, replace(member, devices=(*member.devices, self.device))),
            devices=before.devices.set(self.device, device),
            head=replace(before.head, seq=before.head.seq + 1, hash=EntryHash(b"\x02" * 32)),
        )


def room(*admins: Person, name: str = "Harbour") -> RoomContext:
    context = new_context(ROOM, name, ADA.member, Suite.XWING)
    return with_admins(context, frozenset(person.member for person in admins or (ADA,)))


def state_of(context: RoomContext, *leaves: RawLeaf, leaving: frozenset[MemberId] | None = frozenset()) -> RoomState:
    return RoomState(Roster.of(leaves), context, register_floor=1, leaving=leaving)


def commit_by(
    committer: RawLeaf,
    *,
    add: tuple[RawLeaf, ...] = (),
    remove: tuple[RawLeaf, ...] = (),
    context: RoomContext | None = None,
    path: bool = True,
) -> Commit:
    """As MLS would show it."""
    proposals = (REMOVE,) * len(remove) + (ADD,) * len(add) + ((CONTEXT,) if context else ())
    return Commit(
        committer=committer,
        proposals=proposals,
        added=add,
        removed=remove,
        updated=(committer,) if path else (),
        extension=encode_context(context) if context else None,
        has_path=path,
    )


def forget(state: Register, person: Person) -> Register:
    """A register in which this person never was, as another coterie's server would tell it."""
    return replace(state, devices=Map({id: device for id, device in state.devices.items() if id != person.device}))
