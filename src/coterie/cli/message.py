"""`coterie send` and `coterie read`."""

import sys
from typing import Annotated

import typer

from coterie.cli.ask import answer, answer_one, follow
from coterie.cli.exits import Exit
from coterie.cli.options import Here, device_command
from coterie.cli.output import Row
from coterie.cli.people import show_message
from coterie.cli.room import RoomArgument


def send(
    here: Here,
    room: RoomArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say, or - to read it from standard input.")],
) -> None:
    """Send a message to a room.

    Where the server cannot be reached the message is kept, goes out by itself later, and the exit code is 4.
    Text that begins with a dash stands after --.

    Example:
      coterie send Desk "the story is out"
      coterie send Desk - < draft.md
    """
    sent = answer_one(here, "send", room=room, text=_from_stdin() if text == "-" else text)
    if here.as_json:
        here.output.row(sent)
    if sent["state"] == "queued":
        typer.echo(f"queued, not sent: {sent.get('reason') or 'the server cannot be reached'}", err=True)
        raise typer.Exit(Exit.QUEUED)
    if not here.as_json:
        here.output.say("sent")


def read(
    here: Here,
    room: Annotated[
        str | None,
        typer.Argument(metavar="[ROOM]", help="The room; all of them where it is left out.", show_default=False),
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="ID", help="Only what comes after this message.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most this many.")] = None,
    live: Annotated[bool, typer.Option("--follow", help="Stay, and show what arrives, until Ctrl-C.")] = False,
    notices: Annotated[
        bool, typer.Option("--notices", help="With --json, the lines about who came and went too.")
    ] = False,
) -> None:
    """Show the messages of a room that this device has, the oldest first.

    `coterie sync` fetches what is new; with --follow that happens by itself.

    Example:
      coterie read Desk --limit 20
      coterie read --follow
    """
    params: dict[str, object] = {"room": room, "after": after, "limit": limit, "notices": notices or not here.as_json}
    names = {} if here.as_json or room is not None else _room_names(here)

    def show(message: Row) -> None:
        if here.as_json:
            here.output.row(message)
        else:
            show_message(here.output, message, names.get(message["room"], None if room else "new room"))

    if not live:
        for message in answer(here, "read", **params):
            show(message)
        return
    follow(here, show, "read", follow=True, **params)


def _room_names(here: Here) -> dict[object, str]:
    return {room["room"]: str(room["name"]) for room in answer(here, "room list")}


def _from_stdin() -> str:
    content = sys.stdin.buffer.read()
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise typer.BadParameter("what stands on standard input is not UTF-8 text", param_hint="TEXT") from None


def add_to(app: typer.Typer) -> None:
    app.command("send")(device_command(send))
    app.command("read")(device_command(read))
