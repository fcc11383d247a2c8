"""What a read of a queue gives."""

from dataclasses import dataclass

from coterie.wire.frames import EpochEnd


@dataclass(frozen=True, slots=True)
class PageEntry:
    """`payload` is None if it expired; `hash` (SHA-256) then stands for it, and is empty otherwise."""

    n: int
    at: int
    payload: bytes | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What follows entry `after`: the one asked for, or the last before the token's first epoch if that is later.
    `end`: nothing more now for this token. `last` and `epoch` are the queue's present end; what the token reads ends
    with entry `token_end` (0: not yet), and `ended` says how."""

    after: int
    entries: list[PageEntry]
    end: bool
    last: int
    epoch: int
    token_end: int
    ended: EpochEnd | None


@dataclass(frozen=True, slots=True)
class Beyond:
    """`after` is past everything that this log ever had there: the queue ends at `n`, at `epoch`."""

    n: int
    epoch: int
