"""A command's answer for people: one line where that will do, a table where there is more."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from coterie.cli.output import Output, Row, harmless

if TYPE_CHECKING:
    from rich.table import Table

_SHORT: Final = 12
Columns = tuple[tuple[str, str], ...]


def short(text: object) -> str:
    """The beginning of an id: enough to name it by."""
    return str(text)[:_SHORT]


def local_time(text: object) -> str:
    """A row's time in this machine's time zone; nothing for None."""
    return "" if text is None else f"{datetime.fromisoformat(str(text)).astimezone():%Y-%m-%d %H:%M}"


def named(row: Row) -> str:
    return harmless(str(row.get("name") or "unknown name"))


def show_rooms(output: Output, rooms: list[Row]) -> None:
    columns = (
        ("room", "id"),
        ("name", "name"),
        ("people", "people"),
        ("unread", "unread"),
        ("state", "state"),
        ("reason", "why"),
    )
    with_people = [room | {"people": len(list_of(room, "members"))} for room in rooms]
    _show(output, with_people, columns, "no rooms yet; coterie room new NAME makes one")


def show_members(output: Output, members: list[Row]) -> None:
    columns = (
        ("member", "id"),
        ("name", "name"),
        ("role", "role"),
        ("state", "state"),
        ("joined_at", "joined"),
        ("seat_expires_at", "seat until"),
        ("verified", "verified"),
    )
    _show(output, members, columns, "nobody")


def show_room_members(output: Output, members: list[Row]) -> None:
    columns = (("member", "id"), ("name", "name"), ("role", "role"), ("admin", "admin"))
    _show(output, members, columns, "nobody")


def show_invites(output: Output, invites: list[Row]) -> None:
    columns = (("invite", "id"), ("role", "role"), ("state", "state"), ("expires_at", "expires"))
    _show(output, invites, columns, "no invites; coterie invite create makes one")


def show_devices(output: Output, devices: list[Row]) -> None:
    columns = (("device", "id"), ("name", "whose"), ("this_device", "this one"))
    _show(output, devices, columns, "no devices")


def show_alarms(output: Output, alarms: list[Row]) -> None:
    for alarm in alarms:
        resolved = f"  (resolved {local_time(alarm['resolved_at'])})" if alarm["resolved_at"] else ""
        output.say(
            f"{alarm['alarm']}  {local_time(alarm['raised_at'])}  {alarm['fact']}{resolved}\n    {alarm['hint']}", True
        )
    if not alarms:
        output.say("no alarms")


def show_alarm(output: Output, alarm: Row) -> None:
    """The fact, what it means, what to do, and the command that ends it."""
    output.say(f"alarm {alarm['alarm']}, {local_time(alarm['raised_at'])}")
    output.say(f"\nwhat was seen\n  {alarm['fact']}\n  {alarm['hint']}", lines=True)
    output.say(f"\nwhat it means\n  {alarm['means']}", lines=True)
    steps = alarm["steps"]
    assert isinstance(steps, list)
    output.say("\nwhat to do")
    for number, step in enumerate(steps, 1):
        output.say(f"  {number}. {step}")
    if alarm["resolved_at"]:
        output.say(f"\nresolved {local_time(alarm['resolved_at'])} by {short(alarm['resolved_by'])}", lines=True)
    else:
        output.say(f"\n`coterie alarm resolve {alarm['alarm']}` says that it is dealt with", lines=True)


def show_message(output: Output, message: Row, room: str | None = None, *, ids: bool = False) -> None:
    """One line, further lines indented under it. `room` is said where messages of several come together."""
    where = f"{short(message['message'])} " if ids and message["kind"] != "notice" else ""
    where += f"[{harmless(room)}] " if room else ""
    text = harmless(_words(message), lines=True).replace("\n", "\n    ")
    if message["kind"] == "notice":
        output.say(f"{local_time(message['sent_at'])} {where}· {text}", lines=True)
        return
    marks = [word for word in ("edited", "pinned") if message.get(word)]
    marks += ["queued"] if message["state"] == "queued" else []
    marks += [f"answers {short(message['reply_to'])}"] if message.get("reply_to") else []
    marks += [f"{reaction['emoji']} {len(list_of(reaction, 'members'))}" for reaction in list_of(message, "reactions")]
    mark = f"  ({harmless(', '.join(marks))})" if marks else ""
    output.say(f"{local_time(message['sent_at'])} {where}{harmless(str(message['from']))}: {text}{mark}", lines=True)


def _words(message: Row) -> str:
    if message.get("deleted"):
        return "this message was deleted"
    if message.get("expired"):
        return "this message has expired"
    options = [
        f"\n{number}. {option['text']} ({len(list_of(option, 'members'))})"
        for number, option in enumerate(list_of(message, "options"), 1)
    ]
    return str(message["text"]) + "".join(options)


def show_status(output: Output, status: Row) -> None:
    register = status["register"]
    assert isinstance(register, dict)
    confirmed = "" if status["confirmed"] else "  (not yet confirmed by who invited you or a steward)"
    output.say(f"coterie   {status['coterie_name'] or 'unknown name'}{confirmed}")
    output.say(f"member    {status['member']}")
    output.say(f"device    {status['device']}")
    output.say(f"server    {status['server']}  {'connected' if status['connected'] else 'not connected'}")
    if status["history_only"]:
        output.say("restored  history only: come back with coterie recover to be a member's device again")
    if not status["phrase_confirmed"]:
        output.say("phrase    not written down yet: coterie phrase show, then coterie phrase confirm")
    output.say(f"outbox    {status['outbox']} waiting")
    output.say(f"register  {register['seq']}  {short(register['hash'])}")
    for room in list_of(status, "held_rooms"):
        output.say(f"held      {room['name']}: {room['reason']}")
    for alarm in list_of(status, "alarms"):
        output.say(f"alarm     {alarm['fact']}")


def list_of(row: Row, name: str) -> list[Row]:
    value = row[name]
    assert isinstance(value, list)
    return value


def _show(output: Output, rows: list[Row], columns: Columns, nothing: str) -> None:
    if not rows:
        output.say(nothing)
        return
    output.table(_table(rows, columns))


def _table(rows: list[Row], columns: Columns) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown = [column for column in columns if any(row[column[0]] not in (None, "", False) for row in rows)]
    for _, title in shown:
        table.add_column(title)
    for row in rows:
        table.add_row(*(Text(_cell(name, row[name])) for name, _ in shown))
    return table


def _cell(name: str, value: object) -> str:
    match value:
        case None if name == "name":
            return "unknown name"
        case None | False:
            return ""
        case True:
            return "yes"
        case str() if name.endswith("_at"):
            return local_time(value)
        case str() if name in ("room", "member", "invite", "device"):
            return short(value)
        case _:
            return harmless(str(value))
