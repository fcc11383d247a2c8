"""`coterie alarm …`: what a person must look at, what it means, and that it is dealt with."""

from typing import Annotated

import typer

from coterie.cli.ask import answer, answer_one
from coterie.cli.options import Here, device_command
from coterie.cli.people import show_alarm, show_alarms

alarm_commands = typer.Typer(help="What a person must look at.")
AlarmArgument = Annotated[int, typer.Argument(metavar="ALARM", min=1, help="The alarm's number, as the list shows it.")]


def list_(
    here: Here, every: Annotated[bool, typer.Option("--all", help="Those that were resolved, too.")] = False
) -> None:
    """List the alarms: what must be seen by a person, and what to do about it.

    Example:
      coterie alarm list
    """
    rows = answer(here, "alarm list", resolved=every)
    if here.as_json:
        for row in rows:
            here.output.row(row)
    else:
        show_alarms(here.output, rows)


def show(here: Here, alarm: AlarmArgument) -> None:
    """Say what an alarm means and what to do about it, step by step.

    Example:
      coterie alarm show 3
    """
    row = answer_one(here, "alarm show", alarm=alarm)
    if here.as_json:
        here.output.row(row)
    else:
        show_alarm(here.output, row)


def resolve(here: Here, alarm: AlarmArgument) -> None:
    """Say that an alarm is dealt with. It stays in the list of all; if it happens again, there is a new one.

    Example:
      coterie alarm resolve 3
    """
    row = answer_one(here, "alarm resolve", alarm=alarm)
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(f"alarm {row['alarm']} is resolved")


def add_to(app: typer.Typer) -> None:
    alarm_commands.command("list")(device_command(list_))
    alarm_commands.command("show")(device_command(show))
    alarm_commands.command("resolve")(device_command(resolve))
    app.add_typer(alarm_commands, name="alarm")
