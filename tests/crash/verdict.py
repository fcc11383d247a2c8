"""What is wrong with what the members of a room read, held against what was accepted. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Line:
    """A line of a room as a device shows it: `text` by a person, or a `notice` of who came and went. `unsent`: its own,
    from before it was removed, and nobody else's."""

    kind: str
    text: str
    unsent: bool = False


@dataclass
class Verdict:
    """Counts of what must be none, and the first of each in words."""

    lost: int = 0
    repeated: int = 0
    disordered: int = 0
    unknown: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not (self.lost or self.repeated or self.disordered or self.unknown)


def written(lines: Sequence[Line]) -> list[str]:
    return [line.text for line in lines if line.kind == "text" and not line.unsent]


def entitled(witness: Sequence[Line], name: str) -> list[str]:
    """What `name` must have read, by the lines of one who was in the room from the beginning and moved all others."""
    reads, there = [], False
    for line in witness:
        if line.kind == "text" and there:
            reads.append(line.text)
        elif line.kind == "notice" and line.text in (f"you added {name}", f"you removed {name}"):
            there = line.text == f"you added {name}"
    return reads


def judge(
    witness: Sequence[Line], others: Mapping[str, Sequence[Line]], accepted: Collection[str], perhaps: Collection[str]
) -> Verdict:
    """`accepted` must be there once, `perhaps` (asked for, not answered) once at most, nothing else at all. What its
    author is shown as unsent must be nowhere else."""
    verdict = Verdict()
    whole = written(witness)
    unsent = {line.text for lines in others.values() for line in lines if line.unsent}
    _count(verdict, "the witness", Counter(set(accepted) - unsent), whole)
    sent = sorted(unsent & set(whole))
    verdict.unknown += len(sent)
    verdict.examples += [f"{text!r} is shown as unsent and was sent" for text in sent[:1]]
    strange = sorted(set(whole) - set(accepted) - set(perhaps))
    verdict.unknown += len(strange)
    verdict.examples += [f"nobody wrote {text!r}" for text in strange[:1]]
    place = {text: at for at, text in enumerate(whole)}
    for name, lines in others.items():
        reads, must = written(lines), entitled(witness, name)
        _count(verdict, name, Counter(must), reads)
        extra = sorted(set(reads) - set(must))
        verdict.unknown += len(extra)
        verdict.examples += [f"{name} reads {text!r} and was not in the room" for text in extra[:1]]
        for one, following in pairwise(text for text in reads if text in place):
            if place[one] > place[following]:
                verdict.disordered += 1
                verdict.examples.append(f"{name} reads {following!r} after {one!r}")
    return verdict


def _count(verdict: Verdict, name: str, must: Counter[str], reads: Sequence[str]) -> None:
    have = Counter(reads)
    missing = sorted((must - have).elements())
    twice = sorted(text for text, times in have.items() if times > 1)
    verdict.lost += len(missing)
    verdict.repeated += len(twice)
    verdict.examples += [f"{name} misses {text!r}" for text in missing[:1]]
    verdict.examples += [f"{name} has {text!r} twice" for text in twice[:1]]
