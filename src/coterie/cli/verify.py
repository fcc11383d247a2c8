"""`coterie verify MEMBER`: compare safety numbers, and remember that it was done."""

import io
from pathlib import Path
from typing import Annotated, ClassVar, Final

import typer

from coterie.cli.ask import answer_one
from coterie.cli.options import Here, device_command
from coterie.cli.output import Row
from coterie.cli.people import named
from coterie.cli.room import MemberArgument
from coterie.errors import CallerError, PeerError

_LARGEST_FILE: Final = 4096


class TwoWishes(CallerError):
    code: ClassVar[str] = "usage"


class NumbersDiffer(PeerError):
    code: ClassVar[str] = "numbers_differ"


def verify(
    here: Here,
    member: MemberArgument,
    number: Annotated[
        str | None,
        typer.Option("--number", metavar="NUMBER", help="Compare with the digits or words that the other reads out."),
    ] = None,
    scan: Annotated[
        str | None,
        typer.Option(
            "--scan", metavar="TEXT", help="Compare with what a scanner read from their QR code: text, or a file of it."
        ),
    ] = None,
    mark: Annotated[bool, typer.Option("--mark", help="Remember that the numbers agree.")] = False,
    unmark: Annotated[bool, typer.Option("--unmark", help="Forget it.")] = False,
) -> None:
    """Make sure that a member is who you think: both of you see the same safety number.

    Compare digits, words or the QR code, in person or on a call, never in a message. --mark remembers that they agreed.

    Example:
      coterie verify Bo --mark
    """
    if mark and unmark:
        raise TwoWishes("--mark and --unmark contradict each other", "give one of them")
    if number is not None and scan is not None:
        raise TwoWishes("--number and --scan are two ways of one thing", "give one of them")
    shown = number if scan is None else _scanned(scan)
    row = answer_one(here, "verify", member=member, shown=shown, mark=mark, unmark=unmark)
    if row["agrees"] is False:
        raise NumbersDiffer(
            f"this is not the safety number of you and {named(row)}: nothing was marked",
            "compare once more, in person; if it differs again, tell a steward and send nothing that matters",
        )
    if here.as_json:
        here.output.row(row)
    else:
        _show(here, row)


def _show(here: Here, row: Row) -> None:
    words = str(row["words"]).split()
    here.output.say(f"safety number of you and {named(row)}")
    groups = str(row["number"]).split()
    for at in range(0, len(groups), 4):
        here.output.say(f"  {'  '.join(groups[at : at + 4])}    {'  '.join(words[at : at + 4])}")
    typer.echo(_drawn(str(row["qr"])))
    if row["agrees"]:
        here.output.say("the numbers agree")
    here.output.say("verified" if row["verified"] else "not verified: if they see the same, add --mark")


def _scanned(text: str) -> str:
    try:
        with Path(text).open("rb") as file:
            return file.read(_LARGEST_FILE).decode(errors="replace")
    except (OSError, ValueError):
        return text


def _drawn(text: str) -> str:
    import segno

    drawing = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawing, compact=True)
    return drawing.getvalue()


def add_to(app: typer.Typer) -> None:
    app.command("verify")(device_command(verify))
