"""A hub that is looked at a thousand times a second of CPU: `python -m bench.sampler OUT -- SERVER-ARGUMENTS`.

Writes where the main thread was: per function, in itself and with all it called, and per line. Time in C counts for the
line that called it; what the event loop does between callbacks counts for the callback that follows.
"""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from coterie.server.__main__ import main as serve

_SECONDS: Final = 0.001
_SHOWN: Final = 45


class Sampler:
    def __init__(self) -> None:
        self.samples = 0
        self._alone: Counter[str] = Counter()
        self._within: Counter[str] = Counter()
        self._lines: Counter[str] = Counter()

    def look(self, _signal: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.samples += 1
        self._lines[f"{_place(frame)}:{frame.f_lineno}"] += 1
        self._alone[_place(frame)] += 1
        self._within.update(set(_callers(frame)))

    def report(self) -> str:
        parts = [f"{self.samples} samples"]
        for title, counted in (("in itself", self._alone), ("with callees", self._within), ("by line", self._lines)):
            parts.append(f"\n{title}")
            parts += [f"{100 * count / self.samples:6.1f} %  {place}" for place, count in counted.most_common(_SHOWN)]
        return "\n".join(parts) + "\n"


def _place(frame: FrameType) -> str:
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])} {frame.f_code.co_qualname}"


def _callers(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield _place(frame)
        frame = frame.f_back


def main() -> int:
    out, _, *sys.argv[1:] = sys.argv[1:]
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.look)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS, _SECONDS)
    try:
        return serve()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(out).write_text(sampler.report())


if __name__ == "__main__":
    raise SystemExit(main())
