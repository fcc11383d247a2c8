"""What all members of a room agree on: the content of its context extension (docs/protocol/groups.md, "Context").

Canonical CBOR with small integer keys; only the canonical encoding of a value is accepted. Pure.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import cbor2

from coterie.errors import CallerError, PeerError
from coterie.group.suites import PROFILES, NeedsAnotherCoterie, Suite, meets
from coterie.ids import MemberId, RoomId

VERSION: Final = 1
LARGEST_CONTEXT: Final = 16 * 1024
LARGEST_NAME: Final = 256
"""Bytes of UTF-8. A direct room may have no name."""
LARGEST_TOPIC: Final = 2048
MOST_ADMINS: Final = 512
MOST_POLICIES: Final = 64

_VERSION, _PROFILE, _ROOM, _NAME, _TOPIC, _ADMINS, _POLICY = range(1, 8)
_LEAST_SUITE, _RECEIPTS, _EVIDENCE, _EXPIRY = range(1, 5)
_DEEPEST: Final = 8


class MalformedContext(PeerError):
    code = "malformed_context"

    def __init__(self, what: str = "the room's description is malformed") -> None:
        super().__init__(what, "the room is not joined, or the change to it is not accepted")


class BadRoomText(CallerError):
    code = "bad_room_text"


@dataclass(frozen=True, slots=True)
class Policy:
    """`receipts`: whether devices say what was read. `evidence`: whether they keep the proof of who wrote what.
    `expiry`: after so many seconds messages disappear, unless their author says otherwise; None: never.

    `unknown` are policies of later versions, kept as (key, CBOR); a negative key is critical and never gets here.
    """

    least_suite: Suite = Suite.CLASSICAL
    receipts: bool = True
    evidence: bool = False
    expiry: int | None = None
    unknown: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class RoomContext:
    """`admins` sorted, each once, never empty."""

    room: RoomId
    name: str
    topic: str
    admins: tuple[MemberId, ...]
    suite: Suite
    policy: Policy = field(default_factory=Policy)


def new_context(room: RoomId, name: str, creator: MemberId, suite: Suite, policy: Policy | None = None) -> RoomContext:
    """A room as it begins: its creator is its admin. Raises BadRoomText."""
    chosen = policy if policy is not None else Policy(least_suite=suite, receipts=False)
    return renamed(RoomContext(room, "", "", (creator,), suite, chosen), name=name)


def renamed(context: RoomContext, *, name: str | None = None, topic: str | None = None) -> RoomContext:
    """Raises BadRoomText for what no other device would accept."""
    if name is not None and not _is_name(name):
        raise BadRoomText("a room's name has at most 256 bytes and no control characters", "choose another name")
    if topic is not None and not _is_topic(topic):
        raise BadRoomText("a topic has at most 2048 bytes and no control characters but line breaks", "shorten it")
    changed = context if name is None else replace(context, name=name)
    return changed if topic is None else replace(changed, topic=topic)


def with_admins(context: RoomContext, admins: frozenset[MemberId]) -> RoomContext:
    return replace(context, admins=tuple(sorted(admins)))


def policy_change(before: Policy, after: Policy) -> str:
    """What is different now, in words; empty if it is nothing that people set."""
    words = []
    if after.expiry != before.expiry:
        words.append("messages stay" if after.expiry is None else f"messages disappear after {_span(after.expiry)}")
    if after.receipts != before.receipts:
        words.append("receipts are sent" if after.receipts else "no receipts are sent")
    return ", ".join(words)


def _span(seconds: int) -> str:
    units = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    unit, name = next((unit, name) for unit, name in units if seconds % unit == 0)
    count = seconds // unit
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def encode_context(context: RoomContext) -> bytes:
    policy: dict[int, object] = {
        _LEAST_SUITE: int(context.policy.least_suite),
        _RECEIPTS: context.policy.receipts,
        _EVIDENCE: context.policy.evidence,
    }
    if context.policy.expiry is not None:
        policy[_EXPIRY] = context.policy.expiry
    policy |= {key: cbor2.loads(value) for key, value in context.policy.unknown}
    return cbor2.dumps(
        {
            _VERSION: VERSION,
            _PROFILE: PROFILES[context.suite],
            _ROOM: bytes(context.room),
            _NAME: context.name,
            _TOPIC: context.topic,
            _ADMINS: [bytes(admin) for admin in context.admins],
            _POLICY: policy,
        },
        canonical=True,
    )


def decode_context_untrusted(encoded: bytes, suite: int) -> RoomContext:
    """The context of a group of `suite`. Raises MalformedContext; or NeedsAnotherCoterie for a version, a suite profile
    or a critical policy that this version does not know."""
    if len(encoded) > LARGEST_CONTEXT:
        raise MalformedContext
    try:
        value = cbor2.loads(encoded)
        if not _is_plain(value, _DEEPEST) or cbor2.dumps(value, canonical=True) != encoded:
            raise MalformedContext
    # a decoder of untrusted bytes: all that cbor2 raises for bad input, and OverflowError for its largest numbers
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError):
        raise MalformedContext from None
    if not isinstance(value, dict) or type(value.get(_VERSION)) is not int:
        raise MalformedContext
    if value[_VERSION] != VERSION:
        raise NeedsAnotherCoterie(f"a room of version {value[_VERSION]}")
    if value.keys() != {_VERSION, _PROFILE, _ROOM, _NAME, _TOPIC, _ADMINS, _POLICY}:
        raise MalformedContext
    known = _suite(value[_PROFILE], suite)
    policy = _policy(value[_POLICY])
    if not meets(known, policy.least_suite):
        raise MalformedContext("the room's cipher suite is weaker than its own policy allows")
    return RoomContext(
        room=_room(value[_ROOM]),
        name=_text(value[_NAME], _is_name),
        topic=_text(value[_TOPIC], _is_topic),
        admins=_admins(value[_ADMINS]),
        suite=known,
        policy=policy,
    )


def _suite(profile: object, suite: int) -> Suite:
    for known, name in PROFILES.items():
        if name == profile:
            if known != suite:
                raise MalformedContext("the room's suite profile is not that of its cipher suite")
            return known
    raise NeedsAnotherCoterie("a room of an unknown suite profile")


def _policy(value: object) -> Policy:
    if type(value) is not dict or len(value) > MOST_POLICIES or any(type(key) is not int for key in value):
        raise MalformedContext
    least, receipts, evidence = value.get(_LEAST_SUITE), value.get(_RECEIPTS), value.get(_EVIDENCE)
    if type(least) is not int or type(receipts) is not bool or type(evidence) is not bool:
        raise MalformedContext
    expiry = value.get(_EXPIRY)
    if _EXPIRY in value and (type(expiry) is not int or not 1 <= expiry < 2**32):
        raise MalformedContext
    if any(key < 0 for key in value):
        raise NeedsAnotherCoterie("a policy of this room")
    if least not in set(Suite):
        raise NeedsAnotherCoterie("the least cipher suite of this room")
    unknown = tuple(
        (key, cbor2.dumps(kept, canonical=True))
        for key, kept in sorted(value.items())
        if key not in (_LEAST_SUITE, _RECEIPTS, _EVIDENCE, _EXPIRY)
    )
    return Policy(Suite(least), receipts, evidence, expiry, unknown)


def _room(value: object) -> RoomId:
    if type(value) is not bytes or len(value) != 16:
        raise MalformedContext
    return RoomId(value)


def _admins(value: object) -> tuple[MemberId, ...]:
    if type(value) is not list or not 1 <= len(value) <= MOST_ADMINS:
        raise MalformedContext
    if any(type(admin) is not bytes or len(admin) != 16 for admin in value) or value != sorted(set(value)):
        raise MalformedContext
    return tuple(MemberId(admin) for admin in value)


def _text(value: object, allowed: Callable[[str], bool]) -> str:
    if type(value) is not str or not allowed(value):
        raise MalformedContext
    return value


def _is_name(text: str) -> bool:
    return _fits(text, LARGEST_NAME) and not any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in text)


def _is_topic(text: str) -> bool:
    return _fits(text, LARGEST_TOPIC) and not any(unicodedata.category(char) == "Cc" and char != "\n" for char in text)


def _fits(text: str, most: int) -> bool:
    # a lone surrogate cannot be encoded, so it can be in no other device's text either
    return len(text.encode("utf-8", "replace")) <= most and not any("\ud800" <= char <= "\udfff" for char in text)


def _is_plain(value: object, depth: int) -> bool:
    """Only what re-encodes to one thing: no tags, floats, sets, simple values."""
    if depth == 0:
        return False
    if type(value) is list:
        return all(_is_plain(item, depth - 1) for item in value)
    if type(value) is dict:
        return all(_is_plain(key, depth - 1) and _is_plain(item, depth - 1) for key, item in value.items())
    return value is None or type(value) in (int, bool, bytes, str)
