"""`crate`: MLS alone (coterie_mls, X-Wing), by the size of the group, without store and network. Medians."""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Final

from coterie_mls import Application, Client, Group, StagedCommit, cut_welcome

from bench.figures import Figures, Terms

SIZES: Final = (10, 100, 1_000)
MESSAGES: Final = 200
_TIMES: Final = 9
_ADDS_PER_COMMIT: Final = 35
"""As many as a frame takes."""
_GROUP_ID: Final = b"bench"
_TEXT: Final = os.urandom(500).hex().encode()


async def crate(_terms: Terms) -> list[Figures]:
    return [_measured(size) for size in SIZES]


def _measured(size: int) -> Figures:
    """In a group of `size` devices: the figures of adding one more, and of messages."""
    ours, theirs = _group(size)
    newcomer = _client(size + 1)
    package = newcomer.key_package()
    newcomer.take_writes()

    def commit() -> None:
        ours.discard_pending()
        ours.commit(add=[package.wire], path=False)

    commit_ms = _median_ms(commit)
    ours.discard_pending()
    pending = ours.commit(add=[package.wire], path=False)
    assert pending.welcome is not None
    welcome, tree, wire = cut_welcome(pending.welcome, package.hash_ref), pending.tree, pending.wire

    def process() -> None:
        theirs.rollback()
        _merge(theirs, wire)

    def join() -> None:
        newcomer.rollback()
        newcomer.stage_welcome(welcome, tree).join()

    process_ms, join_ms = _median_ms(process), _median_ms(join)
    theirs.take_writes()
    ours.merge_pending()
    ours.take_writes()
    encrypt_ms, decrypt_ms = _messages(ours, theirs)
    return {
        "bench": "crate",
        "devices": size,
        "commit_ms": commit_ms,
        "process_ms": process_ms,
        "join_ms": join_ms,
        "encrypt_ms": encrypt_ms,
        "decrypt_ms": decrypt_ms,
        "commit_bytes": len(wire),
        "welcome_bytes": len(welcome),
        "tree_bytes": len(tree),
    }


def _client(number: int) -> Client:
    return Client(b"device %d" % number, number.to_bytes(32, "big"))


def _group(size: int) -> tuple[Group, Group]:
    """The group as the device that made it has it, and as the second does."""
    ours = _client(1).create(_GROUP_ID, b"")
    second = _client(2)
    package = second.key_package()
    pending = ours.commit(add=[package.wire], path=False)
    assert pending.welcome is not None
    theirs = second.stage_welcome(pending.welcome, pending.tree).join()
    ours.merge_pending()
    for first in range(3, size + 1, _ADDS_PER_COMMIT):
        numbers = range(first, min(first + _ADDS_PER_COMMIT, size + 1))
        wire = ours.commit(add=[_client(number).key_package().wire for number in numbers], path=False).wire
        ours.merge_pending()
        _merge(theirs, wire)
    ours.take_writes()
    theirs.take_writes()
    return ours, theirs


def _merge(group: Group, wire: bytes) -> None:
    staged = group.process(wire)
    assert isinstance(staged, StagedCommit)
    group.merge(staged)


def _messages(ours: Group, theirs: Group) -> tuple[float, float]:
    """Encrypting and decrypting 1 kB, the changed rows taken each time."""
    encrypting, decrypting = [], []
    for _ in range(MESSAGES):
        began = time.perf_counter_ns()
        encrypted = ours.encrypt(_TEXT, bytes(64))
        ours.take_writes()
        between = time.perf_counter_ns()
        opened = theirs.process(encrypted.wire)
        theirs.take_writes()
        decrypting.append(time.perf_counter_ns() - between)
        encrypting.append(between - began)
        assert isinstance(opened, Application)
        assert opened.plaintext == _TEXT
    return round(median(encrypting) / 1e6, 3), round(median(decrypting) / 1e6, 3)


def _median_ms(work: Callable[[], None]) -> float:
    times = []
    for _ in range(_TIMES):
        began = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - began)
    return round(median(times) / 1e6, 2)
