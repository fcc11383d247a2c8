"""The command as a person or a program runs it: a process of its own, its words and its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "coterie.cli")
PASSPHRASE = "six words nobody puts together"
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> dict[str, Any]:
        (row,) = self.rows
        return row

    @property
    def traceback(self) -> bool:
        return "Traceback" in self.err


def environment(passphrase: str | None = PASSPHRASE) -> dict[str, str]:
    """Nothing of who runs the tests: no home, no passphrase but the one given, no colours."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR") if name in os.environ}
    given = {} if passphrase is None else {"COTERIE_PASSPHRASE": passphrase}
    return kept | given | {"NO_COLOR": "1", "COLUMNS": "100"}


def coterie(*arguments: str | Path, stdin: bytes = b"", passphrase: str | None = PASSPHRASE, **variables: str) -> Ended:
    """Run a command to its end, without a terminal to ask on."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment(passphrase) | variables,
        timeout=WAIT_SECONDS,
        start_new_session=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
