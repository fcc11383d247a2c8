"""What is fuzzed: each decoder with genuine specimens and the only errors that it may raise."""

from collections.abc import Callable
from dataclasses import dataclass, field

import coterie_mls
from coterie_mls import MlsError

from coterie.content import (
    MalformedContent,
    MessageStatus,
    MimiId,
    decode_content_untrusted,
    encode_edit,
    encode_leave,
    encode_pin,
    encode_poll,
    encode_reaction,
    encode_retract,
    encode_status,
    encode_text,
    encode_vote,
)
from coterie.group import inbox_bodies
from coterie.group.context import MalformedContext, decode_context_untrusted, encode_context
from coterie.group.credential import MalformedCredential, RawLeaf, claim_untrusted
from coterie.group.entry import LARGEST_INLINE, BadEntry, decode_entry_untrusted, make_entry
from coterie.group.heads import BadHead, Head, open_head_untrusted, seal_head
from coterie.group.padding import BadPadding, pad, unpad_untrusted
from coterie.group.sealed_blob import BadBlob, BlobKey, BlobRef, open_blob_untrusted, seal_blob
from coterie.group.suites import NeedsAnotherCoterie
from coterie.ids import CoterieId, InviteId, MessageId, QueueId, RoomId
from coterie.server.rules import record as log
from coterie.trust import NewerCoterie, RegisterError, apply
from coterie.trust.address import WrongAddress, parse_address
from coterie.trust.bundle import MalformedBundle, decode_bundle_untrusted, make_bundle
from coterie.trust.entry import MalformedEntry
from coterie.trust.heads import MalformedHead, decode_head_untrusted, encode_head, sign_head
from coterie.trust.invite import BadPacket, WrongLink, open_packet_untrusted, parse_link_untrusted, seal_packet
from coterie.trust.keys import MalformedKey, public_key_untrusted
from coterie.wire import frames
from coterie.wire.codec import (
    MalformedFrame,
    decode_answer_untrusted,
    decode_greeting_untrusted,
    decode_request_untrusted,
    encode_frame,
)
from coterie.wire.queues import QueuePurpose, QueueTerms
from tests.group.real_rooms import QUEUE, RealRoom, client
from tests.group.room_people import ADA, BO, room
from tests.trust.cast import START, coterie_key, full_stage, key, seed
from tests.trust.test_invite import FOUND, JOIN

COTERIE, INVITE = CoterieId(b"\1" * 32), InviteId(b"\2" * 32)
H, K, N = b"h" * 32, b"k" * 16, b"n" * 32


class StateChanged(Exception):
    """A refused message changed what it was refused by."""


@dataclass(frozen=True)
class Target:
    """`decode` takes anything. `weight`: how many inputs it gets for one of the slowest."""

    name: str
    decode: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]
    specimens: list[bytes] = field(repr=False)
    weight: int = 100


def targets() -> list[Target]:
    """All of them, with specimens made now."""
    return [*_wire(), *_log(), *_trust(), *_content(), *_group(), *_mls()]


def _wire() -> list[Target]:
    terms = QueueTerms(QueuePurpose.ROOM, H, H, b"", K)
    head = frames.SignedHead(0, 3, H, b"s" * 64)
    limits = frames.Limits(1, 2, 3, 4, 5, 6)
    delivery = frames.Delivery(QueueId(H), H, 1, K, b"welcome", [])
    greetings = [
        frames.Hello([1], COTERIE, N),
        frames.Prove(K, b"s" * 64, 7, b"p"),  # type: ignore[arg-type]  # ids are bytes underneath
        frames.ProveInvite(INVITE, b"s" * 64),
        frames.ProveFounding(b"s" * 64),
    ]
    requests = [
        frames.OpenQueue(1, QueueId(H), terms, 0, 60),
        frames.Post(2, QueueId(H), H, 1, K, b"payload", [], None),
        frames.Advance(3, QueueId(H), H, 1, K, b"commit", H, H, [], [delivery]),
        frames.Read(4, QueueId(H), H, 5, 10),
        frames.Follow(5, QueueId(H), H, 5),
        frames.PutKeyPackages(6, 77, b"bundle", [b"package"], b"last", K),
        frames.GetBundles(7, [K]),  # type: ignore[list-item]
        frames.PutBlob(8, H, 100, 0, b"data"),  # type: ignore[arg-type]
        frames.RegisterAppend(9, b"entry"),
        frames.PutPacket(10, INVITE, b"packet"),
    ]
    entry = frames.QueueEntry(1, START, b"payload")
    answers = [
        frames.Challenge(1, N, key("service").public, b"s" * 64),
        frames.Ready(limits, ["a:1"], head, 0, START, b""),
        frames.Error(1, "limited", "later", 0.5),
        frames.Entries(2, 0, [entry], True, 1, 0, frames.EpochEnd(1, H, H)),
        frames.Claimed(3, b"package", b"bundle", False, START),
        frames.Pushed(QueueId(H), 0, [START, START], [b"payload", None], [b"", H]),
        frames.FollowEnded(QueueId(H), "epoch", frames.EpochEnd(1, H, H)),
        frames.RegisterPushed([b"entry"], head),
    ]
    return [
        Target("greeting", decode_greeting_untrusted, (MalformedFrame,), [encode_frame(f) for f in greetings], 1000),
        Target("request", decode_request_untrusted, (MalformedFrame,), [encode_frame(f) for f in requests], 3000),
        Target("answer", decode_answer_untrusted, (MalformedFrame,), [encode_frame(f) for f in answers], 2000),
    ]


def _log() -> list[Target]:
    operations: list[log.AnyOperation] = [
        log.Post(QueueId(H), 1, K, b"payload", [], None),
        log.Session(K, 3, K),  # type: ignore[arg-type]
        log.CloseQueue(QueueId(H)),
        log.RegisterAppend(b"entry"),
        log.PacketDone(INVITE),
    ]
    record = log.Record(K, K, 1, START, 1, 0, H, operations)
    return [Target("record", log.decode_record_untrusted, (log.MalformedRecord,), [log.encode_record(record)], 2000)]


def _trust() -> list[Target]:
    stage = full_stage()

    def link(data: bytes) -> object:
        return parse_link_untrusted(data.decode("utf-8", "surrogateescape"))

    def address(data: bytes) -> object:
        return parse_address(data.decode("utf-8", "surrogateescape"))

    def entry(data: bytes) -> object:
        return apply(stage.state, data)

    head = encode_head(sign_head(key("service"), COTERIE, 0, stage.state.head))
    bundle = make_bundle(stage.state, key("ada device"), bytes(1216), QueueId(H), b"", START)
    packet = seal_packet(seed("invite"), COTERIE, INVITE, 0, coterie_key(0), bytes(12))
    return [
        Target("entry", entry, (MalformedEntry, RegisterError, NewerCoterie), stage.entries, 500),
        Target("signed head", decode_head_untrusted, (MalformedHead,), [head], 1000),
        Target("bundle", decode_bundle_untrusted, (MalformedBundle,), [bundle], 1000),
        Target(
            "packet", lambda data: open_packet_untrusted(seed("invite"), COTERIE, INVITE, data), (BadPacket,), [packet]
        ),
        Target("link", link, (WrongLink,), [JOIN.text.encode(), FOUND.text.encode()], 500),
        Target(
            "address", address, (WrongAddress,), [b"coterie.example:4430", b"[2001:db8::7]:1", b"192.0.2.7:80"], 500
        ),
        Target("public key", public_key_untrusted, (MalformedKey,), [key("ada").public], 500),
    ]


def _content() -> list[Target]:
    message, named = MessageId(K), MimiId(b"\1" + H[1:])
    specimens = [
        encode_text(message, "good morning **Bo**"),
        encode_text(message, "مرحبا 早上好"),
        encode_leave(message),
        encode_edit(message, named, "good evening"),
        encode_retract(message, named),
        encode_reaction(message, named, "👍🏽"),
        encode_pin(message, named, pinned=True),
        encode_poll(message, "tea or coffee?", ["tea", "coffee"], many=True),
        encode_vote(message, named, [0, 1]),
        encode_status(message, [(named, MessageStatus.READ)]),
    ]
    return [Target("content", decode_content_untrusted, (MalformedContent,), specimens, 500)]


def _group() -> list[Target]:
    real = RealRoom.created()
    group = real.groups[ADA]
    blob = seal_blob(b"tree " * 1000, BlobKey(H))
    ref = BlobRef(blob.ref.id, H, len(blob.ciphertext))
    head = seal_head(group, QUEUE, Head(full_stage().state.head, 7, H), bytes(12))
    large = make_entry(group, bytes(LARGEST_INLINE + 1), BlobKey(H), bytes(12))
    welcome = inbox_bodies.Welcome(RoomId(K), K, QueueId(H), 77, 3, b"welcome", ref, 4, H)  # type: ignore[arg-type]
    bodies: list[inbox_bodies.Body] = [
        welcome,
        inbox_bodies.Base(K, 2, 3, H, []),  # type: ignore[arg-type]
        inbox_bodies.Stuck(K, 3, H, "bad-signature"),  # type: ignore[arg-type]
        inbox_bodies.HeadNotice(3, H, b""),
    ]
    # the first byte chooses the kind
    encoded = [bytes([inbox_bodies.kind_of(body)]) + inbox_bodies.encode_body(body) for body in bodies]

    def body(data: bytes) -> object:
        return inbox_bodies.decode_body_untrusted(data[0] if data else 0, data[1:])

    def leaf(data: bytes) -> object:
        return claim_untrusted(RawLeaf(0, data[:-32], data[-32:]))

    return [
        Target(
            "room context",
            lambda data: decode_context_untrusted(data, 77),
            (MalformedContext, NeedsAnotherCoterie),
            [encode_context(room())],
            500,
        ),
        Target("room entry", decode_entry_untrusted, (BadEntry,), [b"\0message", large.payload], 1000),
        Target("sealed head", lambda data: open_head_untrusted(group, QUEUE, data), (BadHead,), [head]),
        Target("sealed blob", lambda data: open_blob_untrusted(ref, data), (BadBlob,), [blob.ciphertext]),
        Target("padding", unpad_untrusted, (BadPadding,), [pad(b"x" * 20), pad(b"")], 1000),
        Target("inbox body", body, (inbox_bodies.MalformedBody,), encoded, 1000),
        Target("credential", leaf, (MalformedCredential,), [bytes(64) + bytes(32)], 500),
    ]


def _mls() -> list[Target]:
    real = RealRoom.created()
    real.join(BO)
    ada, bo = real.groups[ADA], real.groups[BO]
    newcomer = client(BO)
    package = newcomer.key_package()
    newcomer.take_writes()
    pending = RealRoom.created().groups[ADA].commit(add=[package.wire], path=False)
    whole = coterie_mls.cut_welcome(pending.welcome or b"", package.hash_ref)
    private, public = coterie_mls.hpke_keypair(bytes(32))
    commit = ada.commit(path=True).wire
    ada.discard_pending()
    messages = [ada.encrypt(b"hello", bytes(108)).wire, commit]
    before = bo.epoch_authenticator
    rows = {at: row for at, row in bo.take_writes() if row is not None}
    largest = max(rows, key=lambda at: len(rows[at]))

    def process(data: bytes) -> None:
        try:
            bo.process(data)
        finally:
            bo.rollback()
            if bo.epoch_authenticator != before:
                raise StateChanged

    def join(welcome: bytes, tree: bytes) -> None:
        try:
            newcomer.stage_welcome(welcome, tree)
        finally:
            newcomer.rollback()

    def load(data: bytes) -> object:
        return newcomer.load(bo.group_id, list({**rows, largest: data}.items()))

    refused = (MlsError,)
    return [
        Target("key package", coterie_mls.parse_key_package, refused, [package.wire], 5),
        Target("envelope", coterie_mls.peek, refused, messages, 300),
        Target("mls message", process, refused, messages, 3),
        Target("welcome", lambda data: join(data, pending.tree), refused, [whole], 3),
        Target("ratchet tree", lambda data: join(whole, data), refused, [pending.tree], 3),
        Target("stored rows", load, refused, [rows[largest]], 20),
        Target(
            "hpke",
            lambda data: coterie_mls.hpke_open(private, b"", b"", data),
            refused,
            [coterie_mls.hpke_seal(public, b"", b"", b"body")],
            5,
        ),
    ]
