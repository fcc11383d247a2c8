"""Sealed heads and tokens, from real epochs."""

import random
from dataclasses import replace

import pytest
from coterie_mls import Application

from coterie.group.exports import blob_key, head_key, post_token, read_token
from coterie.group.heads import NO_CHAIN, SEALED_HEAD_BYTES, BadHead, Head, open_head_untrusted, seal_head
from coterie.ids import EntryHash, GroupId, QueueId
from coterie.trust.heads import RegisterHead
from tests.group.real_rooms import QUEUE, RealRoom
from tests.group.room_people import ADA, BO

HEAD = Head(RegisterHead(17, EntryHash(b"\x11" * 32)), 4711, b"\x22" * 32)
NONCE = bytes(range(12))
KNOWN_HEAD = (
    "000102030405060708090a0b89fb08002917a551a6922ee2890c1f72d861a3f64065bca8f7863ed464d1b72dfd913de2f70fa089"
    "373276d865949d445ca68b56df0a9ab9309afb25b26dbcf45b5a9eefc7360ecbe6346f9e3a5efed3963358f46f3f8273093ddc6e3cb14ed5"
)


@pytest.fixture
def two() -> RealRoom:
    both = RealRoom.created()
    both.join(BO)
    return both


def test_a_head_sealed_by_one_member_opens_for_the_other(two: RealRoom) -> None:
    sealed = seal_head(two.groups[ADA], QUEUE, HEAD, NONCE)
    assert open_head_untrusted(two.groups[BO], QUEUE, sealed) == HEAD


@pytest.mark.parametrize(
    "head",
    [
        HEAD,
        Head(RegisterHead(0, EntryHash(bytes(32))), 0, NO_CHAIN),
        Head(RegisterHead(2**63 - 1, EntryHash(b"\xff" * 32)), 2**63 - 1, b"\xff" * 32),
    ],
)
def test_authenticated_data_has_one_length_and_shows_nothing_of_the_head(two: RealRoom, head: Head) -> None:
    sealed = seal_head(two.groups[ADA], QUEUE, head, NONCE)
    assert len(sealed) == SEALED_HEAD_BYTES == 108
    assert head.register.hash[:8] not in sealed
    message = two.groups[ADA].encrypt(b"hello", sealed)
    received = two.groups[BO].process(message.wire)
    assert isinstance(received, Application)
    assert open_head_untrusted(two.groups[BO], QUEUE, received.aad) == head


def test_a_head_does_not_open_in_another_epoch(two: RealRoom) -> None:
    sealed = seal_head(two.groups[ADA], QUEUE, HEAD, NONCE)
    two.spread(ADA, two.groups[ADA].commit().wire)
    with pytest.raises(BadHead):
        open_head_untrusted(two.groups[BO], QUEUE, sealed)


def test_a_head_does_not_open_in_another_group_or_queue(two: RealRoom) -> None:
    sealed = seal_head(two.groups[ADA], QUEUE, HEAD, NONCE)
    other = RealRoom.created(group_id=GroupId(b"H" * 16))
    with pytest.raises(BadHead):
        open_head_untrusted(other.groups[ADA], QUEUE, sealed)
    with pytest.raises(BadHead):
        open_head_untrusted(two.groups[BO], QueueId(b"P" * 32), sealed)


class SameKeyElsewhere:
    """An epoch with the same exporter under another name: only the binding can tell them apart."""

    def __init__(self, like: RealRoom, group_id: bytes, epoch: int) -> None:
        self._group = like.groups[ADA]
        self.group_id = group_id
        self.epoch = epoch

    def export(self, label: str, context: bytes, length: int) -> bytes:
        return self._group.export(label, context, length)


def test_a_head_is_bound_to_group_and_epoch_even_under_one_key(two: RealRoom) -> None:
    group = two.groups[ADA]
    sealed = seal_head(group, QUEUE, HEAD, NONCE)
    same = SameKeyElsewhere(two, group.group_id, group.epoch)
    assert open_head_untrusted(same, QUEUE, sealed) == HEAD
    for elsewhere in (
        SameKeyElsewhere(two, b"H" * 16, group.epoch),
        SameKeyElsewhere(two, group.group_id, group.epoch + 1),
    ):
        with pytest.raises(BadHead):
            open_head_untrusted(elsewhere, QUEUE, sealed)


def test_no_other_bytes_open(two: RealRoom) -> None:
    sealed = seal_head(two.groups[ADA], QUEUE, HEAD, NONCE)
    spoilt = [sealed[:-1], sealed + b"\0", b"", bytes(108)]
    spoilt += [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(108)]
    chance = random.Random(7)
    spoilt += [chance.randbytes(chance.choice([chance.randrange(300), 108])) for _ in range(300)]
    for bytes_ in spoilt:
        with pytest.raises(BadHead):
            open_head_untrusted(two.groups[BO], QUEUE, bytes_)


def test_a_head_of_the_wrong_size_is_never_sealed(two: RealRoom) -> None:
    for head, nonce in ((replace(HEAD, chain=b""), NONCE), (HEAD, NONCE[:-1])):
        with pytest.raises(ValueError, match="32 bytes"):
            seal_head(two.groups[ADA], QUEUE, head, nonce)


def test_tokens_agree_among_members_and_change_with_the_epoch(two: RealRoom) -> None:
    ada, bo = two.groups[ADA], two.groups[BO]
    before = (post_token(ada), read_token(ada))
    assert before == (post_token(bo), read_token(bo))
    pending = ada.commit()
    coming = (post_token(pending), read_token(pending))
    two.spread(ADA, pending.wire)
    assert coming == (post_token(bo), read_token(bo))
    assert len({*before, *coming}) == 4


def test_every_use_of_the_exporter_has_a_key_of_its_own(two: RealRoom) -> None:
    ada = two.groups[ADA]
    keys = {bytes(secret) for secret in (post_token(ada), read_token(ada), head_key(ada), blob_key(ada))}
    assert len(keys) == 4
    assert "head" not in repr(head_key(ada)) and repr(head_key(ada)) == "EpochKey(…)"


class WrittenDown:
    """An epoch whose exporter gives the bytes 00 … 1f, for the known answer."""

    group_id = b"G" * 16
    epoch = 5

    def export(self, label: str, context: bytes, length: int) -> bytes:
        assert (label, context, length) == ("coterie aad", b"", 32)
        return bytes(range(32))


def test_a_head_is_sealed_as_the_document_says() -> None:
    # docs/protocol/groups.md, "Heads", the example; the primitive is RFC 8439's
    sealed = seal_head(WrittenDown(), QUEUE, HEAD, NONCE)
    assert sealed.hex() == KNOWN_HEAD
