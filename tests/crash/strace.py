"""A system call of another process made to kill it, to fail or to be slow, by strace: no hooks in the product.

strace counts each system call in each thread by itself. `-D` leaves the process the pid and the parent it would have.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

_STRACE: Final = shutil.which("strace")
needs_strace = pytest.mark.skipif(_STRACE is None, reason="strace is not installed (scripts/system-deps)")

SYNCS: Final = "fsync,fdatasync"


def kill_at(calls: str, nth: int) -> str:
    return f"{calls}:signal=SIGKILL:when={nth}"


def disk_full(calls: str, nth: int = 1) -> str:
    """From the nth such call on."""
    return f"{calls}:error=ENOSPC:when={nth}+"


def slowly(calls: str, milliseconds: int) -> str:
    return f"{calls}:delay_enter={milliseconds * 1000}"


def under(injection: str, *, follow: bool = True, paths: Sequence[Path] = ()) -> tuple[str, ...]:
    """What to put in front of a command. `follow`: its threads and children too. `paths`: calls on these files only."""
    assert _STRACE is not None
    calls = injection.partition(":")[0]
    # not --seccomp-bpf: strace 6.1 then injects no signals
    options = [_STRACE, "-D", *(["-f"] if follow else []), "-qqq", "-o", os.devnull]
    only = [option for path in paths for option in ("-P", str(path))]
    return (*options, *only, "-e", f"trace={calls}", "-e", f"inject={injection}")


class EngineUnderStrace:
    """A `nats-server` to be given as --engine-binary: each start takes up the injection that was armed, once."""

    def __init__(self, folder: Path, real: Path) -> None:
        folder.mkdir()
        self.binary = folder / real.name
        self._armed = folder / "armed"
        self.binary.write_text(
            "#!/bin/sh\n"
            f'if [ "$1" != --version ] && mv "{self._armed}" "{self._armed}.taken" 2>/dev/null; then\n'
            f'    exec $(cat "{self._armed}.taken") "{real}" "$@"\n'
            "fi\n"
            f'exec "{real}" "$@"\n'
        )
        self.binary.chmod(stat.S_IRWXU)

    def arm(self, injection: str, paths: Sequence[Path] = ()) -> None:
        """For the engine's next start; the one after runs as it is."""
        self._armed.write_text(" ".join(under(injection, paths=paths)))
