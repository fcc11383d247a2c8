"""Every decoder of untrusted bytes, a few hundred mutations each; and every input that once broke or taught one."""

import random

import pytest

from tests.fuzz.attempt import TAKEN, attempt
from tests.fuzz.corpus import Corpus, corpus_of, kept
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import Target, targets

TARGETS = targets()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_decoder_takes_anything_and_raises_only_its_own_errors(target: Target) -> None:
    chance, inputs = random.Random(target.name), corpus_of(target).inputs
    for _ in range(min(500, target.weight * 10)):
        data = mutate(chance, inputs)
        assert not attempt(target, data).fault, data.hex()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_once_broke_or_taught_a_decoder_does_not_break_it(target: Target) -> None:
    for data in kept(target):
        assert not attempt(target, data).fault, data.hex()


@pytest.mark.parametrize("target", [t for t in TARGETS if t.name != "entry"], ids=lambda target: target.name)
def test_the_specimens_are_genuine(target: Target) -> None:
    """Mutations of what is refused anyway reach nothing. (Of a register, each entry applies to an earlier state.)"""
    for specimen in target.specimens:
        target.decode(specimen)


def test_what_meets_a_new_outcome_is_used_from_there_on() -> None:
    def decode(data: bytes) -> None:
        if data[:1] == b"a":
            raise ValueError

    target = Target("letters", decode, (ValueError,), [b"b"])
    corpus = Corpus(target, list(target.specimens))
    taken, refused = attempt(target, b"b"), attempt(target, b"ab")
    assert (taken.outcome, taken.fault, refused.fault) == (TAKEN, "", "")
    assert [corpus.learn(one.outcome, data) for one, data in ((taken, b"b"), (refused, b"ab"), (refused, b"ac"))] == [
        True,
        True,
        False,
    ]
    assert corpus.inputs == [b"b", b"b", b"ab"]
