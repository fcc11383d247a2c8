"""What the demonstration plays with: real processes of the `coterie` command, each with a deadline.

Every command is a process of its own with `--json`; a server and a device that stays online are processes that go on.
All of them are ended when the stage is left, however that comes about.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")
Row = dict[str, Any]

PATIENCE_S: Final = 30.0
"""How long anything may take before the demonstration gives up."""
KEPT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""All that a command of the demonstration gets to know of who runs it."""


class CheckFailed(Exception):
    """Something did not hold; the words say what."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, its rows of JSON, its words."""

    code: int
    rows: list[Row]
    words: str

    @property
    def row(self) -> Row:
        return self.rows[0] if self.rows else {}


class Process:
    """A command that goes on: its rows as they come, its words in a file."""

    def __init__(self, command: list[str], words: Path) -> None:
        self._words = words
        with words.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._out = self._process.stdout

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def first_row(self, what: str) -> Row:
        """The first thing it says. Raises CheckFailed if that does not come."""
        ready, _, _ = select.select([self._out], [], [], PATIENCE_S)
        line = self._out.readline() if ready else b""
        if not line:
            raise CheckFailed(f"{what} said nothing; its words are in {self._words}")
        row: Row = json.loads(line)
        return row

    def lines(self) -> Iterator[bytes]:
        yield from self._out

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and wait; the exit code."""
        if number is not None and self.running:
            self.send(number)
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"{self._process.args!r} did not end") from None

    def clear(self) -> None:
        """Whatever it does, it is over after this."""
        if self.running:
            self._process.kill()
        self._process.wait()
        self._out.close()


class Stage:
    """The folder and all processes of one demonstration."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.folder = folder
        self._command = command
        self._processes: list[Process] = []
        self._frozen: int | None = None
        (folder / "passphrase").touch(mode=0o600)
        (folder / "passphrase").write_text("six words nobody puts together\n")

    def run(self, *arguments: str | Path) -> Ended:
        """One command, to its end."""
        try:
            done = subprocess.run(
                [*self._command, "--json", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                timeout=PATIENCE_S,
                check=False,
            )
            rows = [json.loads(line) for line in done.stdout.splitlines()]
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"coterie {arguments[0]} did not end within {PATIENCE_S:.0f} s") from None
        except ValueError:
            raise CheckFailed(f"coterie {' '.join(map(str, arguments))} printed something that is not JSON") from None
        return Ended(done.returncode, rows, done.stderr.decode("utf-8", "replace").strip())

    def start(self, name: str, *arguments: str | Path) -> Process:
        """One command that goes on; its words go to NAME.log."""
        process = Process([*self._command, "--json", *map(str, arguments)], self.folder / f"{name}.log")
        self._processes.append(process)
        return process

    def freeze(self, pid: int) -> None:
        """Stop a process where it stands, until `thaw`."""
        os.kill(pid, signal.SIGSTOP)
        self._frozen = pid

    def thaw(self) -> None:
        if self._frozen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._frozen, signal.SIGCONT)
            self._frozen = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.clear()
        self.thaw()


class Server:
    """`coterie serve` on one data folder."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.data = stage.folder / "server"
        self.start()

    def start(self) -> None:
        """Port 0 is chosen at the first start and kept."""
        self.process = self._stage.start("server", "serve", "--data", self.data, "--listen", "127.0.0.1:0")
        self.ready = self.process.first_row("the server")

    def status(self) -> Row:
        ended = self._stage.run("server", "status", "--data", self.data)
        if ended.code != 0:
            raise CheckFailed(f"the server does not say how it is: {ended.words}")
        return ended.row

    def holds(self, words: list[str]) -> tuple[list[str], int]:
        """Which of the words stand anywhere in its folder, and how many bytes were searched."""
        found, size = set(), 0
        for file in sorted(self.data.rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                size += len(content)
                found |= {word for word in words if word.encode() in content}
        return sorted(found), size


class Person:
    """Who uses one device, from the command line."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.name = name
        self.short = name.split()[0]
        self._stage = stage
        self._at = ("--home", stage.folder / self.short.lower(), "--passphrase-file", stage.folder / "passphrase")
        self.online: Process | None = None

    def tries(self, *arguments: str) -> Ended:
        return self._stage.run(*self._at, *arguments)

    def does(self, *arguments: str) -> list[Row]:
        """The rows of a command that must succeed."""
        ended = self.tries(*arguments)
        if ended.code != 0:
            raise CheckFailed(f"{self.short}: coterie {arguments[0]} ended with {ended.code}: {ended.words}")
        return ended.rows

    def go_online(self) -> None:
        """`coterie run`: once it has the device, the other commands go through it. They need not wait for that."""
        self.online = self._stage.start(self.short.lower(), *self._at, "run")

    def follow(self) -> "Screen":
        """`coterie read --follow`: what comes, as it comes."""
        return Screen(self._stage.start(f"{self.short.lower()}-screen", *self._at, "read", "--follow"))

    def texts(self, room: str) -> list[str]:
        """What was said in a room, as this device shows it."""
        return [row["text"] for row in self.does("read", room) if row["kind"] == "text"]


class Screen:
    """What one device shows, gathered in the background."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._rows: list[Row] = []
        self._news = threading.Condition()
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self) -> None:
        for line in self._process.lines():
            with self._news:
                self._rows.append(json.loads(line))
                self._news.notify_all()

    def wait_for(self, texts: list[str], what: str) -> list[Row]:
        """The rows, once all these texts are among them. Raises CheckFailed if they do not come."""
        with self._news:
            if not self._news.wait_for(lambda: set(texts) <= {row["text"] for row in self._rows}, PATIENCE_S):
                missing = sorted(set(texts) - {row["text"] for row in self._rows})
                raise CheckFailed(f"{what}: {', '.join(missing)} did not arrive")
            return list(self._rows)


def wait_until(ask: Callable[[], T], what: str) -> T:
    """Ask again and again until the answer is true; that answer. Raises CheckFailed when patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise CheckFailed(what)
        time.sleep(0.05)
    return answer
