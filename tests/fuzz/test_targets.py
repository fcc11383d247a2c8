"""Every decoder of untrusted bytes, a few hundred mutations each; and every input that once broke one."""

import random

import pytest

from tests.fuzz.__main__ import REGRESSIONS, attempt
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import Target, targets

TARGETS = targets()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_decoder_takes_anything_and_raises_only_its_own_errors(target: Target) -> None:
    chance = random.Random(target.name)
    for _ in range(min(500, target.weight * 10)):
        data = mutate(chance, target.specimens)
        assert not attempt(target, data), data.hex()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_once_broke_a_decoder_does_not_again(target: Target) -> None:
    for kept in REGRESSIONS.glob(f"{target.name.replace(' ', '_')}-*.bin"):
        assert not attempt(target, kept.read_bytes()), kept.name


@pytest.mark.parametrize("target", [t for t in TARGETS if t.name != "entry"], ids=lambda target: target.name)
def test_the_specimens_are_genuine(target: Target) -> None:
    """Mutations of what is refused anyway reach nothing. (Of a register, each entry applies to an earlier state.)"""
    for specimen in target.specimens:
        target.decode(specimen)
