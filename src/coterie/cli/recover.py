"""`coterie recover`: back with the recovery phrase, on a new device."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.options import Here, device_command
from coterie.cli.people import local_time
from coterie.cli.phrase import NoTerminal, on_a_terminal
from coterie.errors import RefusedError

if TYPE_CHECKING:
    from coterie.client.recovery import Returning
    from coterie.store import Unlock
    from coterie.trust.phrase import Phrase
    from coterie.trust.server_link import ServerLink

PhraseFileOption = Annotated[
    Path | None,
    typer.Option("--phrase-file", metavar="FILE", help="Read the recovery phrase from FILE instead of asking."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Remove all your other devices without asking.")]


class NotAgreed(RefusedError):
    """Nobody said yes; nothing was done."""

    code = "not_agreed"


def recover(
    here: Here,
    where: Annotated[
        str | None,
        typer.Argument(
            metavar="LINK-OR-SERVER",
            help="The server link (any member: coterie server-link), or your old invite. With a phrase file that holds"
            " the link: nothing, or the server's new HOST:PORT.",
        ),
    ] = None,
    phrase_file: PhraseFileOption = None,
    yes: YesOption = False,
) -> None:
    """Come back with your recovery phrase: this becomes your only device, and all others are removed.

    Your rooms take the new device in as soon as others are online. What was said before comes back only from a backup.

    Example:
      coterie recover --phrase-file phrase.txt coterie://chat.example.org:7443/server/…
    """
    from coterie.cli.unlock import unlock_new

    phrase, known = given_phrase(phrase_file)
    server = _server(where, known)
    if server is not None:
        returning = asked(here, server, phrase, yes)
        come_back(here, unlock_new(here), server, phrase, returning)
        return
    from coterie.client.device import system_clock
    from coterie.client.recovery import restored_server

    unlock = unlock_new(here)
    server = restored_server(here.home, unlock, system_clock)
    come_back(here, unlock, server, phrase, asked(here, server, phrase, yes))


def asked(here: Here, server: "ServerLink", phrase: "Phrase", yes: bool) -> "Returning":
    """Who comes back, once it was said what is removed and agreed to. Raises NotAgreed, and what `look` raises."""
    from coterie.client.recovery import look

    returning = asyncio.run(look(server, phrase))
    _agree(here, returning, yes)
    return returning


def come_back(here: Here, unlock: "Unlock", server: "ServerLink", phrase: "Phrase", returning: "Returning") -> None:
    """Make the folder the member's only device, and say so."""
    from coterie.client import recovery
    from coterie.client.device import system_clock
    from coterie.client.rows import identity_row

    identity = asyncio.run(recovery.come_back(here.home, unlock, server, phrase, system_clock))
    if here.as_json:
        here.output.row(identity_row(identity) | {"removed_devices": [device.hex() for device, _ in returning.devices]})
        return
    here.output.say(
        f"Welcome back. {len(returning.devices)} of your devices are removed; this is the only one now.\n"
        "Your rooms take it in when others are online.\nnext      coterie sync",
        lines=True,
    )


def given_phrase(file: Path | None) -> "tuple[Phrase, ServerLink | None]":
    """From the file, or typed."""
    from coterie.client.recovery import read_phrase_file
    from coterie.trust.phrase import Phrase

    if file is not None:
        return read_phrase_file(file)
    if not on_a_terminal():
        raise NoTerminal("there is no terminal to ask for the phrase on", "use --phrase-file")
    return Phrase.read_untrusted(str(typer.prompt("your recovery phrase, 24 words"))), None


def _server(where: str | None, known: "ServerLink | None") -> "ServerLink | None":
    """Where to come back to, by what was given and what the phrase file says; None if neither says it."""
    from coterie.trust.address import parse_address
    from coterie.trust.server_link import parse_server_link_untrusted

    if where is None:
        return known
    if where.strip().lower().startswith("coterie:") or known is None:
        return parse_server_link_untrusted(where)
    # the file says which coterie it is, so a server elsewhere cannot be another
    return replace(known, addresses=(parse_address(where.strip()),))


def _agree(here: Here, returning: "Returning", yes: bool) -> None:
    """Said before. Raises NotAgreed."""
    if yes:
        return
    from coterie.client.rows import when

    lines = [f"  {device.hex()[:12]}  since {local_time(when(since))}" for device, since in returning.devices]
    here.output.say("Coming back removes all your other devices:\n" + "\n".join(lines), lines=True)
    if not on_a_terminal() or here.as_json:
        raise NotAgreed("nothing was done: coming back removes all your other devices", "if that is right, add --yes")
    if not typer.confirm("Remove them, and make this your only device?"):
        raise NotAgreed("nothing was done")


def add_to(app: typer.Typer) -> None:
    app.command("recover")(device_command(recover))
