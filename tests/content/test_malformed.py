"""Bytes of a hostile member: a typed error or content, nothing else, and never half a message."""

import random
from collections import Counter
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.content import (
    Edit,
    Leave,
    MalformedContent,
    MimiId,
    Poll,
    Reaction,
    Text,
    Unknown,
    decode_content_untrusted,
    encode_edit,
    encode_leave,
    encode_poll,
    encode_reaction,
    encode_text,
)
from coterie.ids import MessageId

ID = MessageId(b"i" * 16)
MARKDOWN = "text/markdown;variant=GFM-MIMI"
PART = [1, "", 1, MARKDOWN, b"hi"]
HASH = b"\x01" * 32
PIN, POLL, VOTE = (f"application/vnd.coterie.{noun}" for noun in ("pin", "poll", "vote"))
STATUS = "application/mimi-message-status"
ANSWERS = cbor2.dumps(["tea?", ["yes", "no"], False])
NESTED: Any = []
for _ in range(20):
    NESTED = [NESTED]


def message(**changed: object) -> bytes:
    names = ("salt", "replaces", "topic", "expires", "in_reply_to", "extensions", "part")
    fields = dict(zip(names, (ID, None, b"", None, None, {}, PART), strict=True)) | changed
    return cbor2.dumps(list(fields.values()))


MALFORMED = {
    "nothing": b"",
    "not CBOR": b"\xff",
    "cut off": encode_text(ID, "hi")[:-1],
    "bytes behind": encode_text(ID, "hi") + b"\0",
    "a map": cbor2.dumps({}),
    "a number": b"\x01",
    "six fields": cbor2.dumps([ID, None, b"", None, None, {}]),
    "a short salt": message(salt=b"short"),
    "a salt of text": message(salt="i" * 16),
    "a tagged salt": message(salt=cbor2.CBORTag(24, ID)),
    "a replaced id of 16 bytes": message(replaces=ID),
    "a reply to a number": message(in_reply_to=7),
    "a topic of 5000 bytes": message(topic=b"t" * 5000),
    "a topic of text": message(topic=""),
    "an expiry that is a number": message(expires=5),
    "an expiry beyond 32 bits": message(expires=[True, 2**32]),
    "an expiry before 1970": message(expires=[False, -1]),
    "an expiry whose flag is 1": message(expires=[1, 5]),
    "extensions in an array": message(extensions=[]),
    "no part": message(part=None),
    "an empty part": message(part=[]),
    "a disposition of text": message(part=["render", "", 1, MARKDOWN, b""]),
    "a disposition that is true": message(part=[True, "", 1, MARKDOWN, b""]),
    "a disposition of 256": message(part=[256, "", 1, MARKDOWN, b""]),
    "a language in bytes": message(part=[1, b"", 1, MARKDOWN, b""]),
    "text in a text string": message(part=[1, "", 1, MARKDOWN, "hi"]),
    "a single part of four": message(part=[1, "", 1, MARKDOWN]),
    "text that is not UTF-8": message(part=[1, "", 1, MARKDOWN, b"\xff\xfe"]),
    "a lone surrogate": message(part=[1, "", 1, MARKDOWN, b"\xed\xa0\x80"]),
    "text of 64 KiB and one": message(part=[1, "", 1, MARKDOWN, b"x" * 65_537]),
    "a reaction of 65 bytes": message(part=[2, "", 1, MARKDOWN, b"x" * 65], in_reply_to=HASH),
    "a reaction that turns the line": message(part=[2, "", 1, MARKDOWN, "\u202ex".encode()], in_reply_to=HASH),
    "a reaction of nothing": message(part=[2, "", 1, MARKDOWN, b""], in_reply_to=HASH),
    "a reaction that is hidden": message(part=[2, "", 1, MARKDOWN, "\u200d".encode()], in_reply_to=HASH),
    "a reaction of two words": message(part=[2, "", 1, MARKDOWN, b"no way"], in_reply_to=HASH),
    "a pin of 2": message(part=[0, "", 1, PIN, b"\2"], in_reply_to=HASH),
    "a poll that is text": message(part=[1, "", 1, POLL, b"tea?"]),
    "a poll of one option": message(part=[1, "", 1, POLL, cbor2.dumps(["tea?", ["yes"], False])]),
    "a poll with an option twice": message(part=[1, "", 1, POLL, cbor2.dumps(["tea?", ["a", "a"], False])]),
    "a poll of 21 options": message(part=[1, "", 1, POLL, cbor2.dumps(["?", [f"{n}" for n in range(21)], True])]),
    "a poll of numbers": message(part=[1, "", 1, POLL, cbor2.dumps(["tea?", [1, 2], False])]),
    "a poll with a question of 1025 bytes": message(part=[1, "", 1, POLL, cbor2.dumps(["é" * 513, ["a", "b"], False])]),
    "a poll whose flag is 1": message(part=[1, "", 1, POLL, cbor2.dumps(["tea?", ["a", "b"], 1])]),
    "a vote for -1": message(part=[0, "", 1, VOTE, cbor2.dumps([-1])], in_reply_to=HASH),
    "a vote for true": message(part=[0, "", 1, VOTE, cbor2.dumps([True])], in_reply_to=HASH),
    "a vote twice": message(part=[0, "", 1, VOTE, cbor2.dumps([1, 1])], in_reply_to=HASH),
    "a vote out of order": message(part=[0, "", 1, VOTE, cbor2.dumps([2, 1])], in_reply_to=HASH),
    "a report on a short id": message(part=[0, "", 1, STATUS, cbor2.dumps([[b"short", 2]])]),
    "a report without a status": message(part=[0, "", 1, STATUS, cbor2.dumps([[HASH]])]),
    "a report on 1025 messages": message(part=[0, "", 1, STATUS, cbor2.dumps([[HASH, 2]] * 1025)]),
    "129 KiB": message(part=[1, "", 1, "application/x", b"x" * 129 * 1024]),
    "twenty arrays deep": message(extensions={-1: NESTED}),
    "the same extension twice": message()[:22] + b"\xa2\x20\x01\x20\x02" + message()[23:],
    "an array without an end": b"\x9f" + message()[1:] + b"\xff",
    "an array of 2^63": b"\x9b\x7f" + b"\xff" * 7,
    "bytes of 2^63": b"\x81\x5b\x7f" + b"\xff" * 7,
    "a value that holds itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "a decimal to the power of 2^62": message()[:21] + b"\xc4\x82\x1b\x3f" + b"\xff" * 7 + b"\x01" + message()[22:],
}


def test_the_pieces_that_the_table_is_cut_from_fit() -> None:
    assert message() == encode_text(ID, "hi")
    assert message()[22:23] == b"\xa0"


@pytest.mark.parametrize("encoded", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_content_is_refused(encoded: bytes) -> None:
    with pytest.raises(MalformedContent, match="a message's content is malformed") as refused:
        decode_content_untrusted(encoded)
    assert refused.value.hint


NOT_YET = {
    "a thread": message(topic=b"t"),
    "a reply to what another hash names": message(in_reply_to=b"\x02" * 32),
    "an extension of ours": message(extensions={"coterie.poll": [1]}),
    "a tagged extension": message(extensions={-7: cbor2.CBORTag(1, 0)}),
    "an eighth field": cbor2.dumps([*cbor2.loads(message()), "new"]),
    "a reaction to nothing": message(part=[2, "", 1, MARKDOWN, b"x"]),
    "a reaction in place of another": message(part=[2, "", 1, MARKDOWN, b"x"], in_reply_to=HASH, replaces=HASH),
    "a poll in place of another": message(part=[1, "", 1, POLL, ANSWERS], replaces=HASH),
    "a pin of nothing": message(part=[0, "", 1, PIN, b"\1"]),
    "a vote in no poll": message(part=[0, "", 1, VOTE, b"\x80"]),
    "a vote that is shown": message(part=[1, "", 1, VOTE, b"\x80"], in_reply_to=HASH),
    "a report that expires": message(part=[0, "", 1, STATUS, b"\x80"], expires=[True, 1]),
    "leaving, as a reply": message(part=[0, "", 1, "application/vnd.coterie.leave", b""], in_reply_to=HASH),
    "a disposition of a later draft": message(part=[200, "", 1, MARKDOWN, b"x"]),
    "HTML": message(part=[1, "", 1, "text/html;charset=utf-8", b"<b>x"]),
    "another markdown": message(part=[1, "", 1, "text/markdown", b"x"]),
    "no body": message(part=[1, "", 0]),
    "an external part": message(part=[6, "", 2, "image/png", "https://example.org"]),
    "several parts": message(part=[1, "", 3, 0, [PART, PART]]),
    "a cardinality of a later draft": message(part=[1, "", 9, "?"]),
    "leaving, with words": message(part=[0, "", 1, "application/vnd.coterie.leave", b"bye"]),
    "leaving, as an edit": message(part=[0, "", 1, "application/vnd.coterie.leave", b""], replaces=HASH),
    "leaving, to be rendered": message(part=[1, "", 1, "application/vnd.coterie.leave", b""]),
}


@pytest.mark.parametrize("encoded", NOT_YET.values(), ids=NOT_YET.keys())
def test_what_is_not_wholly_understood_is_kept_and_not_half_shown(encoded: bytes) -> None:
    assert decode_content_untrusted(encoded) == Unknown(ID, encoded)


def test_mutations_of_real_messages_end_in_content_or_the_one_error() -> None:
    chance = random.Random(50)
    seeds = [encode_text(ID, "hello there"), encode_leave(ID), encode_reaction(ID, MimiId(HASH), "\u2764")]
    seeds += [
        encode_edit(ID, MimiId(HASH), "no"),
        encode_poll(ID, "tea?", ["yes", "no"]),
        *MALFORMED.values(),
        *NOT_YET.values(),
    ]
    seeds = [seed for seed in seeds if len(seed) < 2000]
    outcomes: Counter[type] = Counter()
    for _ in range(30_000):
        encoded = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(encoded) + 1)
            match chance.randrange(3):
                case 0:
                    encoded[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    encoded[at:at] = bytes([chance.choice((0xC0, 0xC4, 0xD8, 0xDA)), chance.randrange(256)])
                case _:
                    del encoded[at : at + chance.randint(1, 3)]
        try:
            outcomes[type(decode_content_untrusted(bytes(encoded)))] += 1
        except MalformedContent:
            outcomes[MalformedContent] += 1
    assert {Text, Leave, Reaction, Poll, Edit, Unknown, MalformedContent} <= set(outcomes), outcomes


@given(st.binary(max_size=200))
def test_any_bytes_end_in_content_or_the_one_error(encoded: bytes) -> None:
    try:
        content = decode_content_untrusted(encoded)
    except MalformedContent:
        return
    assert len(content.message) == 16


@given(st.integers(0, 2**64 - 1), st.binary(max_size=40))
def test_no_tag_has_a_meaning(tag: int, inside: bytes) -> None:
    encoded = message(extensions={-1: cbor2.CBORTag(tag, inside)})
    assert isinstance(decode_content_untrusted(encoded), Unknown)


@given(st.text(max_size=300))
def test_any_text_comes_back(text: str) -> None:
    assert decode_content_untrusted(encode_text(ID, text)) == Text(ID, text)
