"""One line of JSON a measure, and how times become figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""`bench` is the measure's name; a name says its unit."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long to warm up and to measure, and where there is room for servers. `profile`: sample the hub's Python
    stacks into this file."""

    folder: Path
    seconds: float = 10.0
    warm_up: float = 3.0
    profile: Path | None = None


def percentile(times: Sequence[float], share: float) -> float:
    """The least of `times` that `share` of them do not exceed. There must be one."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def milliseconds(times_ns: Sequence[float], share: float) -> float:
    return round(percentile(times_ns, share) / 1e6, 2)
