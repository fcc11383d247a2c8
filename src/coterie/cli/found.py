"""`coterie found` and `coterie join`: how a device comes into being."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.options import Here, device_command
from coterie.cli.phrase import check_phrase_options, keep_phrase

if TYPE_CHECKING:
    from coterie.client.facts import Identity

LONGEST_LINK = 16 * 1024

LinkArgument = Annotated[
    str, typer.Argument(metavar="LINK", help="The whole link, or - to read it from standard input.")
]
PhraseToOption = Annotated[
    Path | None,
    typer.Option("--phrase-to", metavar="FILE", help="Write the recovery phrase to a new FILE instead of showing it."),
]
NoPhraseOption = Annotated[
    bool, typer.Option("--no-phrase", help="Leave the recovery phrase for later: coterie phrase show.")
]
AsOption = Annotated[str, typer.Option("--as", metavar="NAME", help="The name the others will see.")]


def found(
    here: Here,
    link: LinkArgument,
    coterie: Annotated[str, typer.Option("--coterie", metavar="NAME", help="What the coterie is called.")],
    name: AsOption,
    phrase_to: PhraseToOption = None,
    no_phrase: NoPhraseOption = False,
) -> None:
    """Found a coterie on a new server, and become its first member.

    The link is what `coterie serve` prints when it starts for the first time. Stopped in the middle, the same
    command goes on where it was. At the end you are shown your recovery phrase: have paper at hand.

    Example:
      coterie found coterie://chat.example.org:7443/found/… --coterie "The Gazette" --as Ada
    """
    from coterie.cli.unlock import unlock_new
    from coterie.trust.invite import expect_found, parse_link_untrusted

    link = _whole(link)
    expect_found(parse_link_untrusted(link))
    check_phrase_options(phrase_to, no_phrase)
    unlock = unlock_new(here)
    from coterie.client import Device

    identity = asyncio.run(Device.found(here.home, unlock, link, coterie, name))
    _tell(here, identity, f"{coterie} is founded, and you are {name}.", "coterie invite create")
    keep_phrase(here, unlock, phrase_to, ask=not no_phrase)


def join(
    here: Here,
    link: LinkArgument,
    name: AsOption,
    phrase_to: PhraseToOption = None,
    no_phrase: NoPhraseOption = False,
) -> None:
    """Join a coterie with an invite link.

    A link works once. Stopped in the middle, the same command goes on where it was. At the end you are shown your
    recovery phrase: have paper at hand.

    Example:
      coterie join coterie://chat.example.org:7443/join/… --as Bo
    """
    from coterie.cli.unlock import unlock_new
    from coterie.trust.invite import expect_join, parse_link_untrusted

    link = _whole(link)
    expect_join(parse_link_untrusted(link))
    check_phrase_options(phrase_to, no_phrase)
    unlock = unlock_new(here)
    from coterie.client import Device

    identity = asyncio.run(Device.join(here.home, unlock, link, name))
    _tell(here, identity, f"Welcome, {name}.", "coterie members")
    keep_phrase(here, unlock, phrase_to, ask=not no_phrase)


def _whole(link: str) -> str:
    """A link on the command line can be seen by other users of the machine: `-` keeps it away from there."""
    return sys.stdin.readline(LONGEST_LINK).strip() if link == "-" else link


def _tell(here: Here, identity: "Identity", what: str, following: str) -> None:
    from coterie.client.rows import identity_row

    row = identity_row(identity)
    if here.as_json:
        here.output.row(row)
        return
    here.output.say(f"{what}\nmember    {row['member']}\ndevice    {row['device']}\nnext      {following}", lines=True)


def add_to(app: typer.Typer) -> None:
    app.command("found")(device_command(found))
    app.command("join")(device_command(join))
