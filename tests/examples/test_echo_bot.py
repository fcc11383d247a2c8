"""The echo bot as a process of its own, invited and spoken to from the command line, on a real server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.terminal import PASSPHRASE, Person, Running, Server

BOT = Path(__file__).parents[2] / "examples" / "echo_bot.py"
WAIT_SECONDS = 60.0


@contextmanager
def listening(home: Path, *link: str) -> Iterator["subprocess.Popen[str]"]:
    """The bot, from its first word to Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, BOT, home, *link],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "COTERIE_PASSPHRASE": PASSPHRASE},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


def hear(screen: Running, text: str) -> None:
    """Wait until this text is shown."""
    while screen.row()["text"] != text:
        pass


def test_the_bot_repeats_what_it_is_told_and_nothing_twice(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    ada = Person(tmp_path / "ada", "Ada")
    with server.running:
        ada.does("found", server.ready["founding_link"], "--coterie", "The Gazette", "--as", "Ada")
        (invite,) = ada.does("invite", "create", "--role", "bot")
        with Running("--home", ada.home, "--json", "read", "--follow") as screen:
            with listening(tmp_path / "bot", invite["link"]):
                ada.does("room", "new", "Parrots", "--with", "Echo")
                ada.does("send", "Parrots", "polly")
                hear(screen, "Ada: polly")
            ada.does("send", "Parrots", "are you gone?")
            with listening(tmp_path / "bot"):
                hear(screen, "Ada: are you gone?")
                ada.does("send", "Parrots", "cracker")
                hear(screen, "Ada: cracker")
        said = ada.texts("Parrots")
    assert said == ["polly", "Ada: polly", "are you gone?", "Ada: are you gone?", "cracker", "Ada: cracker"]
