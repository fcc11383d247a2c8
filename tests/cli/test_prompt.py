"""A passphrase is asked for on the terminal, once to open and twice to choose, and is never shown."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import COMMAND, WAIT_SECONDS, environment

ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class Terminal:
    """A command with a terminal of its own: what it shows, and keys to press."""

    def __init__(self, *arguments: str | Path) -> None:
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, *COMMAND, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(passphrase=None),
        )

    def answer(self, question: str, line: str) -> None:
        """Wait for the question, then type."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        while question not in self.shown:
            character = self.process.stdout.read(1)
            assert character, f"ended without asking {question!r}: {self.shown}"
            self.shown += character.decode()
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def end(self) -> int:
        rest, _ = self.process.communicate(timeout=WAIT_SECONDS)
        self.shown += rest.decode()
        return self.process.returncode


@pytest.fixture
def joining(open_link: str, tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal("--home", tmp_path / "bo", "join", open_link, "--as", "Bo")
    yield terminal
    terminal.process.kill()
    terminal.process.communicate()


def test_a_new_passphrase_is_asked_twice(joining: Terminal) -> None:
    joining.answer("choose a passphrase for this device: ", "several words")
    joining.answer("once more: ", "several words")
    assert joining.end() == 4, joining.shown
    assert "several words" not in joining.shown


def test_two_different_ones_make_no_device(joining: Terminal, tmp_path: Path) -> None:
    joining.answer("choose a passphrase for this device: ", "several words")
    joining.answer("once more: ", "several wards")
    assert joining.end() == 1
    assert "the two passphrases differ" in joining.shown
    assert not (tmp_path / "bo" / "device.key").exists()


def test_an_empty_one_makes_no_device(joining: Terminal) -> None:
    joining.answer("choose a passphrase for this device: ", "")
    assert joining.end() == 1
    assert "the passphrase is empty" in joining.shown
