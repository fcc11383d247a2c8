"""`coterie room …`: the conversations this device is in."""

from typing import Annotated

import typer

from coterie.cli.ask import answer, answer_one
from coterie.cli.durations import seconds_of
from coterie.cli.options import Here, device_command
from coterie.cli.output import Row
from coterie.cli.people import show_room_members, show_rooms

rooms = typer.Typer(help="Rooms: make them, and say who is in them.")

RoomArgument = Annotated[
    str, typer.Argument(metavar="ROOM", help="The room's name, its id, or 6 characters of the id.")
]
MemberArgument = Annotated[
    str, typer.Argument(metavar="MEMBER", help="The member's name, id, or 6 characters of the id.")
]


def new(
    here: Here,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the room is called.")],
    members: Annotated[
        list[str] | None, typer.Option("--with", metavar="MEMBER", help="Who is in it from the start; once for each.")
    ] = None,
) -> None:
    """Open a room. Who opens it is its first admin.

    Example:
      coterie room new Desk --with Bo --with Cleo
    """
    room = answer_one(here, "room new", name=name, members=members or [])
    _tell(here, room, f"{room['name']} is open: coterie send {room['name']} hello")


def list_(here: Here) -> None:
    """List the rooms, those left and held too.

    Example:
      coterie room list
    """
    _show(here, answer(here, "room list"))


def add(here: Here, room: RoomArgument, member: MemberArgument) -> None:
    """Add a member to a room; they read what is sent from then on.

    Example:
      coterie room add Desk Cleo
    """
    _tell(here, answer_one(here, "room add", room=room, member=member), f"{member} is in {room} now")


def remove(here: Here, room: RoomArgument, member: MemberArgument) -> None:
    """Remove a member from a room; they read nothing that is sent from then on.

    Example:
      coterie room remove Desk Cleo
    """
    _tell(here, answer_one(here, "room remove", room=room, member=member), f"{member} is out of {room} now")


def leave(here: Here, room: RoomArgument) -> None:
    """Leave a room. What was received stays readable here.

    Example:
      coterie room leave Desk
    """
    _tell(here, answer_one(here, "room leave", room=room), f"you left {room}")


def members(here: Here, room: RoomArgument) -> None:
    """List who is in a room.

    Example:
      coterie room members Desk
    """
    rows = answer(here, "room members", room=room)
    if here.as_json:
        for row in rows:
            here.output.row(row)
    else:
        show_room_members(here.output, rows)


def rename(
    here: Here,
    room: RoomArgument,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The new name.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", metavar="TEXT", help="What the room is about.")] = None,
) -> None:
    """Give a room a new name, a topic, or both.

    Example:
      coterie room rename Desk "Night desk" --topic "who is on tonight"
    """
    renamed = answer_one(here, "room rename", room=room, name=name, topic=topic)
    _tell(here, renamed, f"{room} is now {renamed['name']}")


def expire(
    here: Here,
    room: RoomArgument,
    after: Annotated[str, typer.Argument(metavar="TIME", help="1h, 7d, 4w; or off.")],
) -> None:
    """Let messages that are sent from now on disappear everywhere after a time.

    Example:
      coterie room expire Desk 7d
    """
    seconds = 0 if after == "off" else seconds_of(after)
    told = f"messages in {room} stay" if after == "off" else f"messages in {room} disappear after {after}"
    _tell(here, answer_one(here, "room expire", room=room, seconds=seconds), told)


def receipts(
    here: Here, room: RoomArgument, choice: Annotated[str, typer.Argument(metavar="on|off", help="on, or off.")]
) -> None:
    """Let everybody's devices say what was received and read, or not.

    Example:
      coterie room receipts Desk on
    """
    on = _on(choice)
    told = f"receipts are sent in {room}" if on else f"no receipts are sent in {room}"
    _tell(here, answer_one(here, "room receipts", room=room, receipts=on), told)


def mute(
    here: Here,
    room: RoomArgument,
    span: Annotated[str, typer.Argument(metavar="TIME", help="8h, 7d; or off.")],
) -> None:
    """Be left alone by a room for a while. Only this device knows.

    Example:
      coterie room mute Desk 8h
    """
    seconds = 0 if span == "off" else seconds_of(span)
    _tell(here, answer_one(here, "room mute", room=room, seconds=seconds), "done")


def archive(
    here: Here,
    room: RoomArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back into sight.")] = False,
) -> None:
    """Put a room out of sight. Only this device knows.

    Example:
      coterie room archive Desk
    """
    _tell(here, answer_one(here, "room archive", room=room, archived=not undo), "done")


def notes(here: Here) -> None:
    """The room of you alone, for notes; made the first time.

    Example:
      coterie room notes
    """
    _tell(here, answer_one(here, "room notes"), "coterie send Notes TEXT")


def _on(choice: str) -> bool:
    if choice not in ("on", "off"):
        raise typer.BadParameter(f"{choice!r} is neither on nor off", param_hint="on|off")
    return choice == "on"


def successor(here: Here, room: RoomArgument) -> None:
    """Go on in a fresh group where a room is stuck for everybody: an admin's last resort.

    Name, people and history stay. `room list` says which rooms are stuck, and why.

    Example:
      coterie room successor Desk
    """
    _tell(here, answer_one(here, "room successor", room=room), f"{room} goes on in a new group")


def rejoin(here: Here, room: RoomArgument) -> None:
    """Ask the others to add this device to a room again, where it cannot follow any more.

    Example:
      coterie room rejoin Desk
    """
    _tell(here, answer_one(here, "room rejoin", room=room), f"asked the others in {room} to add this device again")


def _tell(here: Here, room: Row, words: str) -> None:
    if here.as_json:
        here.output.row(room)
    else:
        here.output.say(words)


def _show(here: Here, found: list[Row]) -> None:
    if not here.as_json:
        show_rooms(here.output, found)
        return
    for room in found:
        here.output.row(room)


def add_to(app: typer.Typer) -> None:
    for name, command in (
        ("new", device_command(new)),
        ("list", device_command(list_)),
        ("add", device_command(add)),
        ("remove", device_command(remove)),
        ("leave", device_command(leave)),
        ("members", device_command(members)),
        ("rename", device_command(rename)),
        ("expire", device_command(expire)),
        ("receipts", device_command(receipts)),
        ("mute", device_command(mute)),
        ("archive", device_command(archive)),
        ("notes", device_command(notes)),
        ("successor", device_command(successor)),
        ("rejoin", device_command(rejoin)),
    ):
        rooms.command(name)(command)
    app.add_typer(rooms, name="room")
