"""`coterie phrase …` and `coterie server-link`: what brings a member back when their devices are lost."""

import contextlib
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from coterie.cli.ask import answer_one
from coterie.cli.options import Here, device_command
from coterie.errors import CallerError

if TYPE_CHECKING:
    from coterie.store import Unlock

ATTEMPTS: Final = 3
_CLEAR: Final = "\033[H\033[2J\033[3J"
"""The screen and what was scrolled off it."""
_LATER: Final = "warning: the recovery phrase is not written down yet. If this device is lost, so is your membership."
_HOW: Final = "hint: coterie phrase show, then coterie phrase confirm"

phrase_commands = typer.Typer(help="The recovery phrase: 24 words that bring you back when your devices are lost.")


class NoTerminal(CallerError):
    code = "usage"


def show(
    here: Here,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write it to a new FILE, for your eyes only, instead.")
    ] = None,
) -> None:
    """Show the recovery phrase, while this device still has it.

    Write it down on paper, and confirm it: then it leaves the device.

    Example:
      coterie phrase show
    """
    row = answer_one(here, "phrase show")
    words, server = _words(row["phrase"]), str(row["server"])
    if to is not None:
        from coterie.client.recovery import write_phrase_file
        from coterie.trust.phrase import Phrase
        from coterie.trust.server_link import parse_server_link_untrusted

        write_phrase_file(to, Phrase.read_untrusted(" ".join(words)), parse_server_link_untrusted(server))
        if here.as_json:
            here.output.row({"written": str(to)})
        else:
            here.output.say(f"{to} has it; keep it away from this device, then: coterie phrase confirm")
    elif here.as_json:
        here.output.row(row)
    else:
        _show_words(here, words, server)


def confirm(
    here: Here,
    phrase_file: Annotated[
        Path | None, typer.Option("--phrase-file", metavar="FILE", help="Prove it by the FILE that has it.")
    ] = None,
) -> None:
    """Prove that you have the recovery phrase. From then on it is not on this device any more.

    Three of its words are asked for.

    Example:
      coterie phrase confirm
    """
    if phrase_file is not None:
        from coterie.client.recovery import read_phrase_file

        phrase, _ = read_phrase_file(phrase_file)
        said = dict(enumerate(phrase.words, start=1))
    elif on_a_terminal():
        said = _ask_for(_three_places())
    else:
        raise NoTerminal("there is no terminal to ask on", "use --phrase-file")
    row = answer_one(here, "phrase confirm", words={str(place): word for place, word in said.items()})
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say("right; the phrase is not on this device any more")


def server_link(here: Here) -> None:
    """Print where the coterie is: with the recovery phrase, all that somebody needs to come back.

    It is no secret, and lets nobody in.

    Example:
      coterie server-link
    """
    row = answer_one(here, "server-link")
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(str(row["server"]))


# at the end of `found` and `join`


def check_phrase_options(to: Path | None, no_phrase: bool) -> None:
    """Before anything is done: a file that cannot be written would be found out too late."""
    if to is None:
        return
    if no_phrase:
        raise typer.BadParameter("--phrase-to and --no-phrase exclude each other")
    from coterie.client.recovery.phrase_file import can_be_written

    can_be_written(to)


def keep_phrase(here: Here, unlock: "Unlock", to: Path | None, *, ask: bool) -> None:
    """See to it that the person has the phrase, or is told that they do not. The membership stands already."""
    from coterie.client import Device
    from coterie.client.recovery import write_phrase_file

    with contextlib.closing(Device.open(here.home, unlock)) as device:
        if device.status().phrase_confirmed:
            return
        phrase, server = device.phrase(), device.server_link()
        if to is not None:
            write_phrase_file(to, phrase, server)
            device.confirm_phrase(dict(enumerate(phrase.words, start=1)))
        elif not (ask and not here.as_json and on_a_terminal() and _shown_and_asked(here, phrase.words, server.text)):
            typer.echo(f"{_LATER}\n{_HOW}", err=True)
        else:
            device.confirm_phrase(dict(enumerate(phrase.words, start=1)))


def _shown_and_asked(here: Here, words: Sequence[str], server: str) -> bool:
    """True once three words were given back."""
    try:
        _show_words(here, words, server)
        typer.prompt("\npress Enter when it is on paper", default="", show_default=False, prompt_suffix=" ")
        typer.echo(_CLEAR, nl=False)
        for _ in range(ATTEMPTS):
            said = _ask_for(_three_places())
            if all(words[place - 1] == word.strip().lower() for place, word in said.items()):
                here.output.say("right; the phrase is not on this device any more")
                return True
            here.output.say("that is not what was shown; look at what you wrote down")
    except typer.Abort:
        typer.echo("", err=True)
    return False


def _show_words(here: Here, words: Sequence[str], server: str) -> None:
    from coterie.trust.phrase import written_down

    here.output.say(
        "\nYour recovery phrase. It brings you back when your devices are lost, and whoever has it can take your place."
        "\nWrite it down on paper, and keep it where nobody else reads it.\n\n"
        f"{written_down(words)}\n\n"
        f"To come back you also need to know where the coterie is. This is no secret, and any member has it:\n{server}",
        lines=True,
    )


def _ask_for(places: Sequence[int]) -> dict[int, str]:
    return {place: str(typer.prompt(f"word {place} of your recovery phrase")) for place in places}


def _three_places() -> list[int]:
    from coterie.trust.phrase import LEAST_ASKED, WORDS

    return sorted(secrets.SystemRandom().sample(range(1, WORDS + 1), LEAST_ASKED))


def on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _words(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def add_to(app: typer.Typer) -> None:
    phrase_commands.command("show")(device_command(show))
    phrase_commands.command("confirm")(device_command(confirm))
    app.add_typer(phrase_commands, name="phrase")
    app.command("server-link")(device_command(server_link))
