"""Inbox entries: what is signed for one place means nothing anywhere else."""

import hashlib
import random
from dataclasses import dataclass, replace

import msgspec
import pytest

from coterie.group.inbox import (
    INBOX_TTL_MS,
    BadInboxEntry,
    InboxEntryTooLarge,
    InboxRefusal,
    OpenedEntry,
    VerifiedEntry,
    open_entry_untrusted,
    seal_entry,
    seal_envelope,
    verify_entry,
)
from coterie.group.inbox_bodies import (
    BODIES,
    Base,
    Body,
    HeadNotice,
    KeyDelivery,
    KeyWanted,
    Kind,
    MalformedBody,
    Rejoin,
    Stuck,
    Succession,
    Welcome,
    decode_body_untrusted,
    encode_body,
)
from coterie.group.inbox_key import DELETE_AFTER_MS, ROTATE_AFTER_MS, InboxKey
from coterie.group.padding import BadPadding, pad, padded_size, unpad_untrusted
from coterie.group.sealed_blob import BlobRef
from coterie.ids import BlobId, CoterieId, GroupId, MemberId, QueueId, RoomId
from coterie.trust.bundle import VerifiedBundle, decode_bundle_untrusted, make_bundle, verify_bundle
from coterie.trust.keys import Purpose
from coterie.trust.register import Register
from tests.group.room_people import ADA, BO, CY, DAY, NOW, Person, forget, register, seed, without, without_device

COTERIE = register().coterie
BLOB = BlobRef(BlobId(b"b" * 32), b"k" * 32, 5000)
ROOM, GROUP, SUCCESSOR, QUEUE = RoomId(b"r" * 16), GroupId(b"g" * 16), GroupId(b"s" * 16), QueueId(b"q" * 32)
EVERY_BODY: list[Body] = [
    Welcome(ROOM, GROUP, QUEUE, 0x4D, 7, b"welcome", BLOB, 12, b"h" * 32),
    Welcome(ROOM, GROUP, QUEUE, 0x4D, 7, BLOB, BLOB, 12, b"h" * 32),
    Base(GROUP, 7, 31, b"c" * 32, [MemberId(b"m" * 16)]),
    HeadNotice(12, b"h" * 32, b""),
    KeyDelivery(3, b"K" * 32),
    KeyWanted(3),
    KeyDelivery(0, b"K" * 32),
    KeyWanted(0),
    Rejoin(ROOM, GROUP, 7),
    Stuck(GROUP, 7, b"e" * 32, "cannot-decrypt"),
    Succession(ROOM, GROUP, 7, b"e" * 32, SUCCESSOR, QUEUE),
]
WANTED = KeyWanted(3)
ID = b"i" * 16


@dataclass(frozen=True)
class Mailbox:
    """A device's inbox: its queue, its keys, the bundle that others send by."""

    owner: Person
    queue: QueueId
    keys: tuple[InboxKey, ...]

    @property
    def bundle(self) -> VerifiedBundle:
        state = register()
        made = make_bundle(state, self.owner.device_key, self.keys[0].public, self.queue, b"", NOW)
        return verify_bundle(state, decode_bundle_untrusted(made))

    def open(self, sealed: bytes) -> OpenedEntry:
        return open_entry_untrusted(COTERIE, self.owner.device, self.queue, self.keys, sealed)

    def take(
        self, sealed: bytes, state: Register | None = None, seen: frozenset[bytes] = frozenset(), at: int = NOW
    ) -> VerifiedEntry:
        return verify_entry(self.open(sealed), state or register(), seen, at)


def mailbox(owner: Person, name: str = "", queue: bytes = b"1") -> Mailbox:
    return Mailbox(owner, QueueId(queue * 32), (InboxKey(seed(f"{owner.name} inbox {name}"), NOW),))


BOS, CYS = mailbox(BO), mailbox(CY, queue=b"2")


def to(box: Mailbox, body: Body = WANTED, by: Person = ADA) -> bytes:
    return seal_entry(COTERIE, by.device_key, box.bundle, body, ID, NOW)


def refused(box: Mailbox, sealed: bytes, state: Register | None = None) -> InboxRefusal:
    with pytest.raises(BadInboxEntry) as raised:
        box.take(sealed, state)
    assert raised.value.fact and raised.value.hint
    return raised.value.refusal


@pytest.mark.parametrize("body", EVERY_BODY, ids=lambda body: type(body).__name__)
def test_each_kind_arrives_as_it_was_said(body: Body) -> None:
    entry = BOS.take(to(BOS, body))
    assert (entry.body, entry.sender, entry.member, entry.id, entry.at) == (body, ADA.device, ADA.member, ID, NOW)
    assert {kind.value for kind in Kind} == {kind.value for kind in BODIES}


def test_bodies_do_not_show_what_they_hold() -> None:
    assert repr(KeyDelivery(3, b"K" * 32)) == "KeyDelivery"
    assert "kkk" not in repr(EVERY_BODY) and "kkk" not in repr(BLOB)


# The table of misuses. Bo is a thief here: what Ada signed for Bo is offered elsewhere


def stolen(body: Body = WANTED) -> OpenedEntry:
    return BOS.open(to(BOS, body))


def resealed(entry: OpenedEntry, box: Mailbox, **changed: object) -> bytes:
    """The same signature in another envelope; `changed` fields of the header are written anew."""
    header = entry.signed
    if changed:
        header = msgspec.msgpack.encode(msgspec.structs.replace(entry.header, **changed))
    envelope = msgspec.msgpack.encode([header, entry.body, entry.signature])
    return seal_envelope(COTERIE, box.bundle, envelope)


def test_the_thieves_tools_work_on_what_is_honest() -> None:
    assert BOS.take(resealed(stolen(), BOS)).body == WANTED


def test_resealed_to_a_third_device_it_is_refused() -> None:
    assert refused(CYS, resealed(stolen(), CYS)) is InboxRefusal.OTHER_RECIPIENT


def test_resealed_to_a_third_device_under_its_name_it_is_forged() -> None:
    bundle = CYS.bundle
    key_hash = hashlib.sha256(bundle.inbox_key).digest()
    renamed = resealed(stolen(), CYS, recipient=CY.device, queue=CYS.queue, recipient_key=key_hash)
    assert refused(CYS, renamed) is InboxRefusal.FORGED


def test_resealed_to_another_queue_of_the_same_device_it_is_refused() -> None:
    elsewhere = replace(BOS, queue=QueueId(b"3" * 32))
    assert refused(elsewhere, resealed(stolen(), elsewhere)) is InboxRefusal.OTHER_QUEUE


def test_moved_to_another_queue_as_it_is_it_does_not_open() -> None:
    elsewhere = replace(BOS, queue=QueueId(b"3" * 32))
    assert refused(elsewhere, to(BOS)) is InboxRefusal.CANNOT_OPEN


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.KEY_WANTED])
def test_as_another_kind_it_is_forged(kind: Kind) -> None:
    assert refused(BOS, resealed(stolen(), BOS, kind=int(kind))) is InboxRefusal.FORGED


def test_with_another_body_it_is_forged() -> None:
    entry = replace(stolen(), body=encode_body(KeyWanted(4)))
    assert refused(BOS, resealed(entry, BOS)) is InboxRefusal.FORGED
    body_hash = hashlib.sha256(entry.body).digest()
    assert refused(BOS, resealed(entry, BOS, body_hash=body_hash)) is InboxRefusal.FORGED


def test_with_another_id_or_time_it_is_forged() -> None:
    assert refused(BOS, resealed(stolen(), BOS, id=b"j" * 16)) is InboxRefusal.FORGED
    assert refused(BOS, resealed(stolen(), BOS, at=NOW + 1)) is InboxRefusal.FORGED


def test_under_another_senders_name_it_is_forged() -> None:
    assert refused(BOS, resealed(stolen(), BOS, sender=CY.device)) is InboxRefusal.FORGED


def test_replayed_it_is_refused() -> None:
    sealed = to(BOS)
    first = BOS.take(sealed)
    with pytest.raises(BadInboxEntry) as raised:
        BOS.take(sealed, seen=frozenset({first.id}))
    assert raised.value.refusal is InboxRefusal.REPLAYED


def test_replayed_when_its_id_is_forgotten_it_is_too_old() -> None:
    sealed = to(BOS)
    assert BOS.take(sealed, at=NOW + INBOX_TTL_MS)
    with pytest.raises(BadInboxEntry) as raised:
        BOS.take(sealed, at=NOW + INBOX_TTL_MS + 1)
    assert raised.value.refusal is InboxRefusal.TOO_OLD


def test_an_entry_to_a_deleted_key_does_not_open() -> None:
    old, new = BOS.keys[0], InboxKey(seed("Bo inbox new"), NOW + ROTATE_AFTER_MS)
    sealed = to(BOS)
    rotated = replace(BOS, keys=(new, old.retired(NOW + ROTATE_AFTER_MS)))
    assert rotated.take(sealed).body == WANTED
    later = NOW + ROTATE_AFTER_MS + 31 * DAY
    kept = replace(rotated, keys=tuple(key for key in rotated.keys if not key.spent(later)))
    assert kept.keys == (new,)
    assert refused(kept, sealed) is InboxRefusal.CANNOT_OPEN


def test_an_entry_signed_for_an_old_key_is_refused_under_a_new_one() -> None:
    new = replace(BOS, keys=(InboxKey(seed("Bo inbox new"), NOW),))
    assert refused(new, resealed(stolen(), new)) is InboxRefusal.OTHER_KEY


def test_an_inbox_key_is_due_after_a_month_and_spent_a_month_later() -> None:
    key = InboxKey(seed("any"), NOW)
    assert not key.due(NOW + ROTATE_AFTER_MS - 1) and key.due(NOW + ROTATE_AFTER_MS)
    retired = key.retired(NOW + ROTATE_AFTER_MS)
    assert not retired.due(NOW + 10 * ROTATE_AFTER_MS) and not key.spent(NOW + 10 * ROTATE_AFTER_MS)
    assert not retired.spent(NOW + ROTATE_AFTER_MS + DELETE_AFTER_MS - 1)
    assert retired.spent(NOW + ROTATE_AFTER_MS + DELETE_AFTER_MS)
    assert "private" not in repr(key) and bytes(key.private).hex() not in repr(key)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (without(BO), InboxRefusal.SENDER_NOT_IN_FORCE),
        (without_device(BO), InboxRefusal.SENDER_NOT_IN_FORCE),
        (forget(register(), BO), InboxRefusal.UNKNOWN_SENDER),
    ],
)
def test_a_sender_who_is_not_in_force_is_refused(state: Register, why: InboxRefusal) -> None:
    assert refused(CYS, to(CYS, by=BO), state) is why


def test_an_entry_of_another_coterie_does_not_open() -> None:
    sealed = seal_entry(CoterieId(b"x" * 32), ADA.device_key, BOS.bundle, WANTED, ID, NOW)
    assert refused(BOS, sealed) is InboxRefusal.CANNOT_OPEN


def test_a_signature_for_another_coterie_is_forged() -> None:
    entry = stolen()
    elsewhere = ADA.device_key.sign(Purpose.INBOX, CoterieId(b"x" * 32), entry.signed)
    assert refused(BOS, resealed(replace(entry, signature=elsewhere), BOS)) is InboxRefusal.FORGED


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.INBOX])
def test_a_signature_of_any_other_purpose_is_forged(purpose: Purpose) -> None:
    entry = stolen()
    other = replace(entry, signature=ADA.device_key.sign(purpose, COTERIE, entry.signed))
    assert refused(BOS, resealed(other, BOS)) is InboxRefusal.FORGED


def signed_by_ada(kind: int, body: bytes) -> bytes:
    """What a later version, or a faulty one, might say: properly signed."""
    header = msgspec.structs.replace(stolen().header, kind=kind, body_hash=hashlib.sha256(body).digest())
    encoded = msgspec.msgpack.encode(header)
    signature = ADA.device_key.sign(Purpose.INBOX, COTERIE, encoded)
    return seal_envelope(COTERIE, BOS.bundle, msgspec.msgpack.encode([encoded, body, signature]))


def test_an_unknown_kind_is_kept_and_means_nothing() -> None:
    entry = BOS.take(signed_by_ada(4711, b"\xc1 not even MessagePack"))
    assert (entry.kind, entry.body, entry.encoded_body) == (4711, None, b"\xc1 not even MessagePack")


def test_a_known_kind_with_another_body_is_malformed() -> None:
    for body in (b"", b"\xc1", encode_body(KeyDelivery(3, b"K" * 32)), encode_body(WANTED) + b"\0"):
        assert refused(BOS, signed_by_ada(Kind.KEY_WANTED, body)) is InboxRefusal.MALFORMED


# Sizes


def test_bodies_of_like_size_are_sealed_to_one_size() -> None:
    sizes = {len(to(BOS, body)) for body in EVERY_BODY if not isinstance(body, Welcome)}
    assert len(sizes) <= 2
    assert len(to(BOS, KeyWanted(1))) == len(to(BOS, KeyWanted(2**32 - 1)))


def test_a_welcome_that_no_queue_takes_is_refused_before_it_is_sent() -> None:
    large = Welcome(ROOM, GROUP, QUEUE, 0x4D, 7, b"w" * 200 * 1024, BLOB, 12, b"h" * 32)
    with pytest.raises(InboxEntryTooLarge):
        to(BOS, large)


def test_padding_is_in_steps_and_then_padme_and_comes_off_again() -> None:
    for size in [0, 1, 251, 252, 253, 4091, 4092, 4093, 5000, 70_000, 199_999]:
        padded = pad(bytes([7]) * size)
        assert len(padded) == padded_size(size) >= size + 4
        assert unpad_untrusted(padded) == bytes([7]) * size
        if size + 4 <= 4096:
            assert len(padded) % 256 == 0
        else:
            assert len(padded) <= (size + 4) * 1.12
    assert padded_size(4093) == 4352 and padded_size(100_000) == 100_352


def test_padding_that_pad_did_not_make_is_refused() -> None:
    good = pad(b"value")
    for bad in (b"", b"\0\0", good[:-1], good + b"\0", good[:-1] + b"\1", b"\xff" * 256, good + bytes(256)):
        with pytest.raises(BadPadding):
            unpad_untrusted(bad)


# Any bytes


def test_any_bytes_are_an_entry_or_the_one_error() -> None:
    chance = random.Random(20261123)
    good = to(BOS)
    for _ in range(150):
        spoilt = bytearray(good)
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        assert refused(BOS, bytes(spoilt[: chance.choice([None, chance.randrange(len(good))])])) is (
            InboxRefusal.CANNOT_OPEN
        )
    envelope = msgspec.msgpack.encode([stolen().signed, stolen().body, stolen().signature])
    outcomes = set()
    for _ in range(300):
        inner = bytearray(envelope)
        for _ in range(chance.randrange(1, 4)):
            inner[chance.randrange(len(inner))] = chance.randrange(256)
        inner = inner if chance.random() < 0.8 else bytearray(chance.randbytes(chance.randrange(300)))
        outcomes.add(refused(BOS, seal_envelope(COTERIE, BOS.bundle, bytes(inner))))
    assert outcomes >= {InboxRefusal.MALFORMED, InboxRefusal.FORGED}


def test_any_body_decodes_strictly_or_not_at_all() -> None:
    chance = random.Random(20261123)
    for body in EVERY_BODY:
        encoded = encode_body(body)
        kind = next(kind for kind, struct in BODIES.items() if struct is type(body))
        for _ in range(400):
            spoilt = bytearray(encoded)
            for _ in range(chance.randrange(1, 4)):
                spoilt[chance.randrange(min(len(spoilt), 24))] = chance.randrange(256)
            try:
                decoded = decode_body_untrusted(kind, bytes(spoilt))
            except MalformedBody:
                continue
            assert isinstance(decoded, BODIES[kind])


def test_everybody_ranks_two_successors_alike() -> None:
    one = Succession(ROOM, GROUP, 7, b"e" * 32, SUCCESSOR, QUEUE)
    other = Succession(ROOM, GROUP, 7, b"e" * 32, GroupId(b"t" * 16), QUEUE)
    assert one.rank != other.rank and len(one.rank) == 32
    assert one.rank == Succession(ROOM, GROUP, 7, b"e" * 32, SUCCESSOR, QUEUE).rank
