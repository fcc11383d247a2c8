"""Room entries and sealed blobs: what the server holds opens for the members of the epoch only."""

import hashlib
import random

import msgspec
import pytest

from coterie.group.entry import (
    LARGEST_INLINE,
    BadEntry,
    InBlob,
    Inline,
    decode_entry_untrusted,
    make_entry,
    open_reference,
)
from coterie.group.sealed_blob import (
    CHUNK_BYTES,
    LARGEST_BLOB,
    BadBlob,
    BlobKey,
    BlobRef,
    SealedBlob,
    open_blob_untrusted,
    seal_blob,
)
from coterie.ids import BlobId
from coterie.wire.limits import PAYLOAD_BYTES
from tests.group.real_rooms import RealRoom
from tests.group.room_people import ADA, BO

KEY = BlobKey(bytes(range(32)))
NONCE = bytes(range(12))


@pytest.fixture
def two() -> RealRoom:
    both = RealRoom.created()
    both.join(BO)
    return both


def test_a_message_stands_in_its_entry_as_it_is(two: RealRoom) -> None:
    message = two.groups[ADA].encrypt(b"hello", b"").wire
    entry = make_entry(two.groups[ADA], message, KEY, NONCE)
    assert entry.payload == b"\0" + message and entry.blob is None
    assert decode_entry_untrusted(entry.payload) == Inline(message)


@pytest.mark.parametrize("size", [LARGEST_INLINE - 1, LARGEST_INLINE])
def test_the_largest_message_still_fits_its_entry(two: RealRoom, size: int) -> None:
    entry = make_entry(two.groups[ADA], b"m" * size, KEY, NONCE)
    assert entry.blob is None and len(entry.payload) <= PAYLOAD_BYTES


def test_a_larger_commit_travels_as_a_blob_that_the_other_member_opens(two: RealRoom) -> None:
    commit = random.Random(1).randbytes(LARGEST_INLINE + 1)
    entry = make_entry(two.groups[ADA], commit, KEY, NONCE)
    assert entry.blob is not None
    assert len(entry.payload) < 200 and bytes(KEY) not in entry.payload
    decoded = decode_entry_untrusted(entry.payload)
    assert isinstance(decoded, InBlob) and decoded.id == entry.blob.ref.id
    ref = open_reference(two.groups[BO], decoded)
    assert open_blob_untrusted(ref, entry.blob.ciphertext) == commit


def test_a_member_of_another_epoch_cannot_open_the_blobs_key(two: RealRoom) -> None:
    entry = make_entry(two.groups[ADA], b"m" * (LARGEST_INLINE + 1), KEY, NONCE)
    decoded = decode_entry_untrusted(entry.payload)
    assert isinstance(decoded, InBlob)
    two.spread(ADA, two.groups[ADA].commit().wire)
    with pytest.raises(BadEntry, match="key does not open"):
        open_reference(two.groups[BO], decoded)


def test_a_key_cannot_be_moved_to_another_blob(two: RealRoom) -> None:
    entry = make_entry(two.groups[ADA], b"m" * (LARGEST_INLINE + 1), KEY, NONCE)
    decoded = decode_entry_untrusted(entry.payload)
    assert isinstance(decoded, InBlob)
    with pytest.raises(BadEntry):
        open_reference(two.groups[BO], InBlob(BlobId(b"x" * 32), decoded.size, decoded.sealed_key))


@pytest.mark.parametrize("payload", [b"", b"\0", b"\1", b"\2rest", b"\xff" * 10, b"\1\x90", bytes(PAYLOAD_BYTES + 1)])
def test_an_entry_is_malformed(payload: bytes) -> None:
    with pytest.raises(BadEntry):
        decode_entry_untrusted(payload)


def test_an_unknown_form_is_refused_even_if_the_rest_would_decode() -> None:
    rest = msgspec.msgpack.encode([b"i" * 32, b"k" * 60, 70_000])
    assert isinstance(decode_entry_untrusted(b"\1" + rest), InBlob)
    with pytest.raises(BadEntry, match="unknown form"):
        decode_entry_untrusted(b"\2" + rest)


def test_a_nonce_of_another_length_is_never_used(two: RealRoom) -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        make_entry(two.groups[ADA], bytes(LARGEST_INLINE + 1), KEY, b"short")


def test_any_entry_decodes_or_raises_the_one_error() -> None:
    chance = random.Random(20261123)
    good = b"\1" + msgspec.msgpack.encode([b"i" * 32, b"k" * 60, 70_000])
    assert isinstance(decode_entry_untrusted(good), InBlob)
    refusals = 0
    for _ in range(3000):
        spoilt = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            spoilt[chance.randrange(1, len(spoilt))] = chance.randrange(256)
        try:
            decode_entry_untrusted(bytes(spoilt[: chance.choice([None, chance.randrange(len(good))])]))
        except BadEntry:
            refusals += 1
    assert refusals > 100


# Sealed blobs


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 4, CHUNK_BYTES - 3, 3 * CHUNK_BYTES, 1_400_000])
def test_a_blob_opens_as_it_was_sealed(size: int) -> None:
    content = random.Random(size).randbytes(size)
    sealed = seal_blob(content, KEY)
    assert sealed.ref.id == hashlib.sha256(sealed.ciphertext).digest() and sealed.ref.size == len(sealed.ciphertext)
    assert open_blob_untrusted(sealed.ref, sealed.ciphertext) == content
    assert len(sealed.ciphertext) <= size * 1.13 + 512


def named(ciphertext: bytes, key: bytes = bytes(KEY)) -> SealedBlob:
    """As somebody malicious would name it: the hash is right."""
    return SealedBlob(BlobRef(BlobId(hashlib.sha256(ciphertext).digest()), key, len(ciphertext)), ciphertext)


SEALED = seal_blob(b"tree" * 50_000, KEY)
STEP = CHUNK_BYTES + 16
CHUNKS = [SEALED.ciphertext[at : at + STEP] for at in range(0, len(SEALED.ciphertext), STEP)]


@pytest.mark.parametrize(
    "spoilt",
    [
        named(SEALED.ciphertext[:-1]),
        named(b"".join(CHUNKS[:-1])),
        named(b"".join([CHUNKS[1], CHUNKS[0], *CHUNKS[2:]])),
        named(b"".join([*CHUNKS, CHUNKS[-1]])),
        named(SEALED.ciphertext[:100] + b"\0" + SEALED.ciphertext[101:]),
        named(SEALED.ciphertext, b"x" * 32),
        named(b""),
        named(b"short"),
    ],
    ids=["cut", "last chunk gone", "reordered", "a chunk twice", "one byte", "other key", "empty", "short"],
)
def test_a_spoilt_blob_does_not_open_even_under_its_own_hash(spoilt: SealedBlob) -> None:
    with pytest.raises(BadBlob, match="does not open"):
        open_blob_untrusted(spoilt.ref, spoilt.ciphertext)


def test_a_blob_other_than_the_named_one_is_not_even_tried() -> None:
    other = seal_blob(b"other" * 50_000, KEY)
    for ciphertext in (other.ciphertext, SEALED.ciphertext + b"\0", b""):
        with pytest.raises(BadBlob, match="not the one"):
            open_blob_untrusted(SEALED.ref, ciphertext)


def test_a_blob_that_nobody_would_fetch_is_not_made() -> None:
    with pytest.raises(ValueError, match="more than"):
        seal_blob(bytes(LARGEST_BLOB), KEY)


def test_blobs_of_like_size_have_one_size() -> None:
    assert seal_blob(b"x" * 99_000, KEY).ref.size == seal_blob(b"x" * 100_348, BlobKey(b"k" * 32)).ref.size
