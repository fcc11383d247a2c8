"""The judge of the runs sees what it is there to see."""

import pytest

from tests.crash.verdict import Line, Verdict, judge

WITNESS = [
    Line("notice", "you added Bo"),
    Line("text", "one"),
    Line("text", "two"),
    Line("notice", "you removed Bo"),
    Line("text", "without Bo"),
    Line("notice", "you added Bo"),
    Line("text", "three"),
]
ACCEPTED = {"one", "two", "without Bo"}
PERHAPS = {"three", "never"}


def lines(*texts: str) -> list[Line]:
    return [Line("text", text) for text in texts]


def test_member_reads_what_was_written_while_they_were_in_the_room() -> None:
    verdict = judge(WITNESS, {"Bo": lines("one", "two", "three")}, ACCEPTED, PERHAPS)
    assert verdict == Verdict()
    assert verdict.whole


@pytest.mark.parametrize(
    ("reads", "wrong"),
    [
        (["one", "three"], "lost"),
        (["one", "two", "two", "three"], "repeated"),
        (["two", "one", "three"], "disordered"),
        (["one", "two", "without Bo", "three"], "unknown"),
    ],
)
def test_each_fault_is_seen(reads: list[str], wrong: str) -> None:
    verdict = judge(WITNESS, {"Bo": lines(*reads)}, ACCEPTED, PERHAPS)
    found = {name for name in ("lost", "repeated", "disordered", "unknown") if getattr(verdict, name)}
    assert (found, verdict.whole) == ({wrong}, False)


def test_what_was_not_sent_before_its_author_was_removed_is_theirs_alone() -> None:
    reads = [*lines("one", "two", "three"), Line("text", "four", unsent=True)]
    assert judge(WITNESS, {"Bo": reads}, {*ACCEPTED, "four"}, PERHAPS).whole
    assert judge([*WITNESS, *lines("four")], {"Bo": reads}, {*ACCEPTED, "four"}, PERHAPS).unknown == 1


def test_accepted_message_that_nobody_has_is_lost() -> None:
    assert judge(WITNESS, {}, {*ACCEPTED, "four"}, PERHAPS).lost == 1


def test_message_that_nobody_wrote_is_seen() -> None:
    assert judge([*WITNESS, Line("text", "forged")], {}, ACCEPTED, PERHAPS).unknown == 1
