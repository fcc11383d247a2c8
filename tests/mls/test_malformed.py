"""Whatever arrives, from the network or from a damaged disk: MlsError or nothing. Mutations repeat: they are seeded."""

import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from coterie_mls import (
    CODES,
    SUITE_XWING,
    Client,
    MlsError,
    cut_welcome,
    hpke_keypair,
    hpke_open,
    parse_key_package,
    peek,
)
from hypothesis import given
from hypothesis import strategies as st

from .device import GROUP_ID, Device, circle


def mutations(genuine: bytes, count: int) -> Iterator[bytes]:
    """Flipped, cut, doubled, spliced and overwritten copies; each differs from the genuine one."""
    chance = random.Random(len(genuine))
    while count:
        place, length = chance.randrange(len(genuine)), chance.choice([1, 1, 2, 4, 32])
        mutant = chance.choice(
            [
                genuine[:place] + bytes([genuine[place] ^ 1 << chance.randrange(8)]) + genuine[place + 1 :],
                genuine[:place] + chance.randbytes(length) + genuine[place + length :],
                genuine[:place] + b"\xff" * length + genuine[place + length :],
                genuine[:place] + genuine[place + length :],
                genuine[:place] + genuine[place : place + length] + genuine[place:],
                genuine[:place],
                genuine + chance.randbytes(length),
            ]
        )
        if mutant != genuine:
            count -= 1
            yield mutant


def survives(call: Callable[..., object], *arguments: object) -> bool:
    """Whether the call did something; MlsError with a known code is the only refusal, and `internal` is none."""
    try:
        call(*arguments)
    except MlsError as refusal:
        assert refusal.code in CODES
        assert refusal.code != "internal", refusal
        return False
    return True


@pytest.fixture(scope="module")
def scene() -> dict[str, bytes]:
    """One genuine specimen of all that is decoded."""
    ada, bo, _ = circle(3)
    package = Device(9).key_package()
    pending = ada.group.commit(add=[package.wire])
    assert pending.welcome is not None
    return {
        "key package": package.wire,
        "hash ref": package.hash_ref,
        "message": bo.group.encrypt(b"hello", b"head").wire,
        "commit": pending.wire,
        "welcome": pending.welcome,
        "tree": pending.tree,
    }


def test_mutated_key_packages(scene: dict[str, bytes]) -> None:
    for mutant in mutations(scene["key package"], 3_000):
        assert not survives(parse_key_package, mutant)


def test_mutated_envelopes(scene: dict[str, bytes]) -> None:
    for specimen in ("message", "commit", "welcome", "key package"):
        for mutant in mutations(scene[specimen], 1_000):
            survives(peek, mutant)


def test_mutated_welcomes_to_cut(scene: dict[str, bytes]) -> None:
    for mutant in mutations(scene["welcome"], 3_000):
        survives(cut_welcome, mutant, scene["hash ref"])


def test_mutated_welcomes_and_trees_to_stage() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    pending = ada.group.commit(add=[bo.key_package().wire])
    welcome, tree = pending.welcome, pending.tree
    assert welcome is not None
    for mutant in mutations(welcome, 1_000):
        assert not survives(bo.client.stage_welcome, mutant, tree)
    for mutant in mutations(tree, 1_000):
        assert not survives(bo.client.stage_welcome, welcome, mutant)
    assert survives(lambda: bo.client.stage_welcome(welcome, tree))


@pytest.mark.parametrize("specimen", ["application", "commit"])
def test_mutated_messages_to_process(specimen: str) -> None:
    ada, bo = circle(2)
    wire = ada.group.encrypt(b"hello", b"head").wire if specimen == "application" else ada.group.commit().wire
    for mutant in mutations(wire, 2_000):
        assert not survives(bo.group.process, mutant)
    assert bo.group.take_writes() == []
    assert survives(lambda: bo.group.process(wire))


def test_mutated_packages_to_add() -> None:
    ada, _ = circle(2)
    for mutant in mutations(Device(3).key_package().wire, 500):
        assert not survives(partial(ada.group.commit, add=[mutant]))
    assert not ada.group.has_pending


def test_damaged_rows() -> None:
    """A damaged store is caught at load, or later, at the latest by the other members: never by a crash."""
    ada, bo = circle(3)[:2]
    wire = ada.group.encrypt(b"hello", b"").wire
    commit = ada.group.commit().wire
    rows = dict(bo.group_rows)

    def use(key: bytes, mutant: bytes) -> None:
        damaged = {**rows, key: mutant}
        try:
            group = bo.client.load(GROUP_ID, list(damaged.items()))
        except MlsError as refusal:
            assert refusal.code in {"malformed", "not-stored"}, refusal
            return
        for call in (
            lambda: group.process(wire),
            lambda: group.merge(group.process(commit)),  # type: ignore[arg-type]  # only a commit can come back
            lambda: group.encrypt(b"", b""),
            lambda: group.commit(),
            group.tree,
            group.take_writes,
        ):
            try:
                call()
            except MlsError as refusal:
                assert refusal.code in CODES

    for key, row in rows.items():
        for mutant in mutations(row, 120):
            use(key, mutant)


def test_damaged_client_rows() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    package = bo.key_package()
    pending = ada.group.commit(add=[package.wire])
    welcome, tree = pending.welcome, pending.tree
    assert welcome is not None
    [(key, row)] = bo.client_rows.items()
    for mutant in mutations(row, 1_000):
        try:
            Client(bo.credential, bo.seed, [(key, mutant)]).stage_welcome(welcome, tree).join()
        except MlsError as refusal:
            assert refusal.code in CODES


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_everywhere(junk: bytes) -> None:
    ada, private = Device(1), hpke_keypair(bytes(32))[0]
    ada.create()
    for call in (
        lambda: parse_key_package(junk),
        lambda: peek(junk),
        lambda: cut_welcome(junk, junk),
        lambda: ada.client.stage_welcome(junk, junk),
        lambda: ada.group.process(junk),
        lambda: ada.group.commit(add=[junk]),
        lambda: hpke_open(private, b"", b"", junk),
        lambda: Client(b"", bytes(32), [(junk, junk), (junk, junk)]),
        lambda: ada.client.load(GROUP_ID, [(junk, junk)]),
    ):
        assert not survives(call)


def test_lengths_that_promise_a_gigabyte_cost_nothing() -> None:
    for head in (b"\x00\x01\x00\x02", b"\x00\x01\x00\x03\x00\x03", b"\x00\x01\x00\x05\x00\x01\x00\x03"):
        huge = head + b"\xbf\xff\xff\xff" + bytes(100)
        assert not survives(peek, huge)
        assert not survives(cut_welcome, huge, b"")
        assert not survives(parse_key_package, huge)


def test_wrong_types_are_python_errors() -> None:
    ada = Device(1, SUITE_XWING)
    ada.create()
    with pytest.raises(TypeError):
        ada.group.process("text")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(OverflowError):
        ada.group.commit(remove=[-1])
