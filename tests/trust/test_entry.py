"""The bytes of an entry: fixed for ever, read in one way or not at all."""

import hashlib

import pytest

from coterie.trust import RegisterError, apply, canonical
from coterie.trust.entry import (
    FIRST_PREV,
    LARGEST_ENTRY,
    LARGEST_PUBLIC,
    LARGEST_SEALED,
    Body,
    MalformedEntry,
    decode_entry_untrusted,
    encode_entry,
    entry_hash,
)
from tests.trust.cast import START, Stage

SIGNATURE = b"\5" * 64
FIELDS = {
    "seq": 2,
    "prev": b"\1" * 32,
    "at": START,
    "author": b"\2" * 16,
    "kind": "ProfileSet",
    "public": b"\x80",
    "sealed": b"",
}


def entry(body: object = FIELDS, signatures: object = (SIGNATURE,)) -> bytes:
    return canonical.encode([body if isinstance(body, bytes) else canonical.encode(body), signatures])


def test_entry_is_read_as_it_was_written() -> None:
    read = decode_entry_untrusted(entry())
    assert (read.seq, read.prev, read.at, read.author, read.kind) == (2, b"\1" * 32, START, b"\2" * 16, "ProfileSet")
    assert (read.signatures, read.encoded) == ((SIGNATURE,), entry())
    assert read.hash == hashlib.sha256(entry()).digest() == entry_hash(entry())
    assert encode_entry(read.body, read.signatures) == entry()


def test_unknown_kind_is_well_formed_whatever_its_public_part() -> None:
    read = decode_entry_untrusted(entry({**FIELDS, "kind": "Abdicated", "public": b"\xc1"}))
    assert (read.public, read.fields.public) == (None, b"\xc1")


BAD_BODIES: dict[str, object] = {
    "field missing": {name: value for name, value in FIELDS.items() if name != "sealed"},
    "field added": {**FIELDS, "more": 1},
    "fields in another order": dict(reversed(FIELDS.items())),
    "not a map": list(FIELDS.values()),
    "seq zero": {**FIELDS, "seq": 0},
    "seq negative": {**FIELDS, "seq": -1},
    "seq too large": {**FIELDS, "seq": 2**53},
    "seq as float": {**FIELDS, "seq": 2.0},
    "seq as text": {**FIELDS, "seq": "2"},
    "seq as bool": {**FIELDS, "seq": True},
    "seq nothing": {**FIELDS, "seq": None},
    "at negative": {**FIELDS, "at": -1},
    "at too large": {**FIELDS, "at": 2**53},
    "prev short": {**FIELDS, "prev": b"\1" * 31},
    "prev long": {**FIELDS, "prev": b"\1" * 33},
    "prev as text": {**FIELDS, "prev": "1" * 32},
    "author short": {**FIELDS, "author": b"\2" * 15},
    "author long": {**FIELDS, "author": b"\2" * 32},
    "kind empty": {**FIELDS, "kind": ""},
    "kind long": {**FIELDS, "kind": "x" * 33},
    "kind with a line break": {**FIELDS, "kind": "ProfileSet\n"},
    "kind as bytes": {**FIELDS, "kind": b"ProfileSet"},
    "kind not UTF-8": canonical.encode(FIELDS).replace(b"\xaaProfileSet", b"\xaaProfileS\xff\xff"),
    "public too large": {**FIELDS, "kind": "Abdicated", "public": bytes(LARGEST_PUBLIC + 1)},
    "sealed too large": {**FIELDS, "sealed": bytes(LARGEST_SEALED + 1)},
    "field twice": canonical.encode(FIELDS).replace(b"\x87", b"\x88", 1) + canonical.encode("seq") + b"\x03",
    "long form of a number": canonical.encode(FIELDS).replace(b"\xa3seq\x02", b"\xa3seq\xcc\x02"),
    "long form of a text": canonical.encode(FIELDS).replace(b"\xa3seq", b"\xd9\x03seq"),
    "long form of a map": b"\xde\x00\x07" + canonical.encode(FIELDS)[1:],
    "something behind": canonical.encode(FIELDS) + b"\xc0",
    "cut": canonical.encode(FIELDS)[:-1],
    "empty": b"",
    "nested deep": b"\x91" * 10_000,
}

BAD_ENTRIES: dict[str, bytes] = {
    "empty": b"",
    "not MessagePack": b"\xc1",
    "text": b"hello",
    "array of one": canonical.encode([canonical.encode(FIELDS)]),
    "array of three": canonical.encode([canonical.encode(FIELDS), [SIGNATURE], 1]),
    "map": canonical.encode({"body": canonical.encode(FIELDS), "signatures": [SIGNATURE]}),
    "body not in bytes": canonical.encode([FIELDS, [SIGNATURE]]),
    "body as text": canonical.encode(["body", [SIGNATURE]]),
    "short signature": entry(signatures=[SIGNATURE[:63]]),
    "long signature": entry(signatures=[SIGNATURE + b"\0"]),
    "nine signatures": entry(signatures=[SIGNATURE] * 9),
    "signature without a list": entry(signatures=SIGNATURE),
    "something behind": entry() + b"\0",
    "cut": entry()[:-1],
    "long form of the array": b"\xdc\x00\x02" + entry()[1:],
    "long form of the body": entry().replace(b"\xc4", b"\xc5\x00", 1),
    "nested deep": b"\x91" * LARGEST_ENTRY,
    "too large": entry() + bytes(LARGEST_ENTRY),
}


@pytest.mark.parametrize("fault", list(BAD_BODIES))
def test_malformed_body_is_refused(fault: str) -> None:
    with pytest.raises(MalformedEntry):
        decode_entry_untrusted(entry(BAD_BODIES[fault]))


@pytest.mark.parametrize("fault", list(BAD_ENTRIES))
def test_malformed_entry_is_refused(fault: str) -> None:
    with pytest.raises(MalformedEntry):
        decode_entry_untrusted(BAD_ENTRIES[fault])


def test_entry_of_the_largest_size_is_read() -> None:
    body = Body(1, FIRST_PREV, 0, b"\2" * 16, "Abdicated", bytes(LARGEST_PUBLIC), bytes(LARGEST_SEALED))
    largest = encode_entry(canonical.encode(body), (SIGNATURE,) * 8)
    assert len(largest) <= LARGEST_ENTRY
    assert decode_entry_untrusted(largest).fields == body


def test_entry_that_is_well_formed_is_not_yet_believed() -> None:
    with pytest.raises(RegisterError):
        apply(None, decode_entry_untrusted(entry()))


def test_formats_do_not_change_unnoticed(cast: Stage) -> None:
    """Fixed seeds, nonces and times: whoever changes a format changes these, and every register that exists."""
    assert [entry_hash(encoded).hex() for encoded in cast.entries[:3]] == [
        "ad83949265094db1f81d36d7381ff92d80eb84f950a517c54ca67799095dbfe3",
        "4963a975f53893b94c400598711a92e1eb90f632b47aedd61607f70935fab864",
        "4a5d4c4f5111ef4f3437fc970b4edd8dbf6d3bf2e0dbdc6410c9e7102e3f4427",
    ]
    assert cast.state.head.hash.hex() == "53cef1167bc07510e75509d96edd2cccdb0dbb59a37e45cdb0695cd08431865f"
