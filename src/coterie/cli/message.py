"""What is said and read: `coterie send`, `reply`, `edit`, `react`, `delete`, `pin`, `poll`, `vote`, `read`."""

import sys
from typing import Annotated

import typer

from coterie.cli.ask import answer, answer_one, follow
from coterie.cli.durations import seconds_of
from coterie.cli.exits import Exit
from coterie.cli.options import Here, device_command
from coterie.cli.output import Row
from coterie.cli.people import show_message
from coterie.cli.room import RoomArgument

MessageArgument = Annotated[
    str, typer.Argument(metavar="MESSAGE", help="The message's id, or 6 characters of it: read --ids shows them.")
]
TextArgument = Annotated[str, typer.Argument(metavar="TEXT", help="What to say, or - to read it from standard input.")]


def send(
    here: Here,
    room: RoomArgument,
    text: TextArgument,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires", metavar="TIME", help="Gone everywhere after this: 1h, 7d. Otherwise as the room says."
        ),
    ] = None,
) -> None:
    """Send a message to a room.

    Where the server cannot be reached the message is kept, goes out by itself later, and the exit code is 4.
    Text that begins with a dash stands after --.

    Example:
      coterie send Desk "the story is out"
      coterie send Desk - < draft.md
    """
    seconds = None if expires is None else seconds_of(expires)
    _tell(here, answer_one(here, "send", room=room, text=_words(text), expires_seconds=seconds), "sent")


def reply(here: Here, message: MessageArgument, text: TextArgument) -> None:
    """Answer a message, in its room.

    Example:
      coterie reply 3f9a20c1 "tomorrow at nine"
    """
    _tell(here, answer_one(here, "reply", message=message, text=_words(text)), "sent")


def edit(here: Here, message: MessageArgument, text: TextArgument) -> None:
    """Put another text in the place of one of yours. Everybody sees that it was edited.

    Example:
      coterie edit 3f9a20c1 "tomorrow at ten"
    """
    _tell(here, answer_one(here, "edit", message=message, text=_words(text)), "edited")


def react(
    here: Here,
    message: MessageArgument,
    emoji: Annotated[str, typer.Argument(metavar="EMOJI", help="An emoji, or a few characters without spaces.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take your reaction back.")] = False,
) -> None:
    """React to a message.

    Example:
      coterie react 3f9a20c1 👍
    """
    said = "taken back" if remove else "sent"
    _tell(here, answer_one(here, "react", message=message, emoji=emoji, remove=remove), said)


def delete(
    here: Here,
    message: MessageArgument,
    for_me: Annotated[bool, typer.Option("--for-me", help="On this device only; nobody learns of it.")] = False,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="me", help="The same as --for-me.", show_default=False)
    ] = None,
) -> None:
    """Delete a message for everyone: one of yours, or any as an admin of the room. Who has read it has read it.

    Example:
      coterie delete 3f9a20c1
    """
    if for_ not in (None, "me"):
        raise typer.BadParameter("only me is known here", param_hint="--for")
    _tell(here, answer_one(here, "delete", message=message, for_me=for_me or for_ == "me"), "deleted")


def pin(
    here: Here,
    message: MessageArgument,
    remove: Annotated[bool, typer.Option("--remove", help="Unpin it.")] = False,
) -> None:
    """Keep a message at the top of its room, for everybody.

    Example:
      coterie pin 3f9a20c1
    """
    _tell(here, answer_one(here, "pin", message=message, remove=remove), "unpinned" if remove else "pinned")


def poll(
    here: Here,
    room: RoomArgument,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.")],
    options: Annotated[list[str], typer.Argument(metavar="OPTION...", help="What to choose among.")],
    many: Annotated[bool, typer.Option("--many", help="One may vote for more than one option.")] = False,
) -> None:
    """Ask a room to vote.

    Example:
      coterie poll Desk "Print it?" yes no "not yet"
    """
    _tell(here, answer_one(here, "poll", room=room, question=question, options=options, many=many), "sent")


def vote(
    here: Here,
    message: MessageArgument,
    options: Annotated[
        list[int] | None,
        typer.Argument(metavar="[NUMBER...]", help="The options, counted from 1; none takes your vote back."),
    ] = None,
) -> None:
    """Vote in a poll. Your last vote counts.

    Example:
      coterie vote 3f9a20c1 2
    """
    _tell(here, answer_one(here, "vote", message=message, options=options or []), "voted")


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
    ids: Annotated[bool, typer.Option("--ids", help="Show the ids by which messages are named.")] = False,
) -> None:
    """Show the messages of a room that this device has, the oldest first.

    `coterie sync` fetches what is new; with --follow that happens by itself. What is shown counts as read.

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
            show_message(here.output, message, names.get(message["room"], None if room else "new room"), ids=ids)

    if not live:
        for message in answer(here, "read", **params):
            show(message)
        return
    follow(here, show, "read", follow=True, **params)


def _room_names(here: Here) -> dict[object, str]:
    return {room["room"]: str(room["name"]) for room in answer(here, "room list")}


def _tell(here: Here, sent: Row, said: str) -> None:
    if here.as_json:
        here.output.row(sent)
    if sent["state"] == "queued":
        typer.echo(f"queued, not sent: {sent.get('reason') or 'the server cannot be reached'}", err=True)
        raise typer.Exit(Exit.QUEUED)
    if not here.as_json:
        here.output.say(said)


def _words(text: str) -> str:
    if text != "-":
        return text
    content = sys.stdin.buffer.read()
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise typer.BadParameter("what stands on standard input is not UTF-8 text", param_hint="TEXT") from None


def add_to(app: typer.Typer) -> None:
    app.command("send")(device_command(send))
    app.command("reply")(device_command(reply))
    app.command("edit")(device_command(edit))
    app.command("react")(device_command(react))
    app.command("delete")(device_command(delete))
    app.command("pin")(device_command(pin))
    app.command("poll")(device_command(poll))
    app.command("vote")(device_command(vote))
    app.command("read")(device_command(read))
