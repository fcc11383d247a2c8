"""The command as a person or a program runs it: a process of its own, its words and its exit code."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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


class Running:
    """A command that goes on: its lines as they come, as JSON. Killed at the end of the block if it still runs."""

    def __init__(self, *arguments: str | Path, passphrase: str | None = PASSPHRASE) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(passphrase),
            start_new_session=True,
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def row(self) -> dict[str, Any]:
        """The next line, waited for."""
        row: dict[str, Any] = json.loads(self._lines.get(timeout=WAIT_SECONDS))
        return row

    def no_more(self) -> bool:
        """Nothing came that was not asked for."""
        return self._lines.empty()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(how)
        return self.process.wait(WAIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_SECONDS)
        self._reading.join(WAIT_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Person:
    """Who uses one device."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        self.name = name

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", passphrase: str | None = PASSPHRASE) -> Ended:
        return coterie("--home", self.home, "--json", *arguments, stdin=stdin, passphrase=passphrase)

    def does(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """The rows of a command that must succeed."""
        ended = self(*arguments)
        assert ended.code == 0, (arguments, ended.out, ended.err)
        return ended.rows

    def sees(self, *arguments: str | Path) -> str:
        """What a person reads of a command that must succeed."""
        ended = coterie("--home", self.home, *arguments)
        assert ended.code == 0, (arguments, ended.out, ended.err)
        return ended.out

    def texts(self, room: str) -> list[str]:
        """What was said in a room, as far as this device has fetched it."""
        return [message["text"] for message in self.does("read", room) if message["kind"] == "text"]


class Server:
    """`coterie serve` on a data folder, at the same port each time it starts."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.start()

    def start(self) -> None:
        self.running = Running("serve", "--json", "--data", self.data, "--listen", "127.0.0.1:0")
        self.ready = self.running.row()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self.running.end()

    def kill(self) -> None:
        self.running.close()
