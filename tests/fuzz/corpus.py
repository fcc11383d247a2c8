"""Inputs that taught the fuzzer something: for each target, one for each outcome that it ever had (tests/fuzz/corpus).

An outcome is the place in the code where an input was refused, with the error's type, or that it was taken. What meets
a new one is mutated further: so the fuzzer gets past one check after another.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.targets import Target

FOLDER: Final = Path(__file__).parent / "corpus"
REGRESSIONS: Final = Path(__file__).parent / "regressions"
LARGEST: Final = 4096
"""A kept input is small enough to look at; a larger one is used in its run only."""


@dataclass
class Corpus:
    """What one target is fed with: its genuine specimens, and what was found interesting since."""

    target: Target
    inputs: list[bytes]
    outcomes: set[str] = field(default_factory=set)

    def learn(self, outcome: str, data: bytes) -> bool:
        """True if nothing met this outcome before; `data` is then used from here on."""
        if outcome in self.outcomes:
            return False
        self.outcomes.add(outcome)
        self.inputs.append(data)
        return True

    def keep(self, data: bytes) -> None:
        """Write it into the folder of the target."""
        if len(data) <= LARGEST:
            folder = FOLDER / _slug(self.target)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{hashlib.sha256(data).hexdigest()[:12]}.bin").write_bytes(data)


def corpus_of(target: Target) -> Corpus:
    return Corpus(target, [*target.specimens, *kept(target)])


def kept(target: Target) -> list[bytes]:
    """What earlier runs kept, and what once broke the target."""
    files = [*(FOLDER / _slug(target)).glob("*.bin"), *REGRESSIONS.glob(f"{_slug(target)}-*.bin")]
    return [file.read_bytes() for file in sorted(files)]


def keep_regression(target: Target, data: bytes) -> Path:
    REGRESSIONS.mkdir(exist_ok=True)
    file = REGRESSIONS / f"{_slug(target)}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    file.write_bytes(data)
    return file


def _slug(target: Target) -> str:
    return target.name.replace(" ", "_")
