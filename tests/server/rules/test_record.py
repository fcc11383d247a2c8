"""Records as bytes: what is not one is void, what is unknown in one is void alone."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coterie.server.rules.applied import RecordFate
from coterie.server.rules.outcomes import Posted, Void
from coterie.server.rules.record import (
    RECORD_BYTES,
    MalformedRecord,
    Post,
    Record,
    Unknown,
    decode_record_untrusted,
    encode_record,
    encoded_size,
)
from tests.server.rules.scene import Scene, ScriptedHub, posting, queue_named
from tests.trust.cast import START

pack = msgspec.msgpack.encode


def test_record_comes_back_as_it_was_sent() -> None:
    hub = ScriptedHub("one", "one-1")
    sent = Record(hub.id, hub.incarnation_id, 7, START, 1, 3, bytes(32), [hub.up(), posting("room", "hi")])
    assert decode_record_untrusted(encode_record(sent)) == sent


def test_size_of_an_operation_is_what_it_adds_to_a_record() -> None:
    hub = ScriptedHub("one", "one-1")
    op = posting("room", "hi" * 100)
    assert len(hub.numbered(1, START, op, op)) - len(hub.numbered(1, START, op)) == encoded_size(op)


@given(st.binary(max_size=200))
@example(b"\xdc\xff\xff")
@example(b"\x91" * 100_000)
@example(pack([b"x" * 16, b"x" * 16, 1, 2**60, 1, 0, b"", []]))
def test_any_bytes_are_a_record_or_malformed(data: bytes) -> None:
    try:
        decode_record_untrusted(data)
    except MalformedRecord:
        return


@pytest.mark.parametrize(
    "foreign",
    [
        [99, b"x"],
        [33, queue_named("room"), 0, b"key too short", b"payload"],
        [33, queue_named("room"), -1, bytes(16), b"payload"],
        [33, queue_named("room"), 0, bytes(16), b"payload", [], 1, "one field more"],
        [33],
        [],
        "text",
        None,
        {"map": 1},
    ],
    ids=str,
)
def test_operation_that_is_unknown_or_malformed_is_void_alone(scene: Scene, foreign: Any) -> None:
    scene.open("room")
    whole = scene.hub.record(scene.now, posting("room", "before"), posting("room", "after"))
    fields = msgspec.msgpack.decode(whole)
    fields[-1].insert(1, foreign)
    applied = scene.append(pack(fields))
    assert applied.outcomes == [Posted(1), Void(), Posted(2)]
    assert scene.texts("room") == ["before", "after"]


@pytest.mark.parametrize("garbage", [b"", b"\xc0", b"not a record", pack([1, 2, 3]), b"\x91" * 3000])
def test_undecodable_record_is_void_and_the_log_goes_on(scene: Scene, garbage: bytes) -> None:
    scene.open("room")
    before = scene.view.time, scene.view.digest
    scene.now += 5000
    applied = scene.append(garbage)
    assert (applied.fate, applied.outcomes) == (RecordFate.MALFORMED, [])
    assert scene.view.time == before[0]
    assert scene.view.digest != before[1]
    assert scene.send(posting("room", "still here")) == [Posted(1)]


def test_record_above_the_limit_is_void_unless_it_holds_one_operation(scene: Scene) -> None:
    scene.open("room")
    large = Post(queue_named("room"), 0, bytes(16), bytes(150 * 1024))
    again = Post(queue_named("room"), 0, bytes(15) + b"\1", bytes(150 * 1024))
    record = scene.hub.numbered(scene.hub.n + 1, scene.now, large, again)
    assert len(record) > RECORD_BYTES
    assert scene.append(record).fate is RecordFate.MALFORMED
    assert scene.send(large) == [Posted(1)]


def test_unknown_is_what_its_own_tag_decodes_to() -> None:
    record = ScriptedHub("one", "one-1").record(START, Unknown())
    assert decode_record_untrusted(record).operations == [Unknown()]


def test_repr_shows_no_payload_token_or_device() -> None:
    hub = ScriptedHub("one", "one-1")
    record = Record(hub.id, hub.incarnation_id, 1, START, 1, 0, b"", [posting("room", "secret words")])
    assert "secret" not in repr(record) + repr(record.operations) + str(record.operations[0])
