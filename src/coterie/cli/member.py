"""`coterie members`, `coterie member …` and `coterie profile …`: who belongs to the coterie."""

from typing import Annotated

import typer

from coterie.cli.ask import answer, answer_one
from coterie.cli.chain import chained, tree_lines
from coterie.cli.options import Here, device_command
from coterie.cli.people import named, show_members
from coterie.cli.room import MemberArgument

member_commands = typer.Typer(help="Members: what a founder or steward does about one.")
profile_commands = typer.Typer(help="What the others see of you.")


def members(
    here: Here, chain: Annotated[bool, typer.Option("--chain", help="As a tree: who invited whom.")] = False
) -> None:
    """List the members, those removed too.

    Example:
      coterie members
      coterie members --chain
    """
    rows = answer(here, "members")
    if chain:
        rows = chained(rows)
    if here.as_json:
        for row in rows:
            here.output.row(row)
    elif chain:
        for line in tree_lines(rows):
            here.output.say(line)
    else:
        show_members(here.output, rows)


def remove(here: Here, member: MemberArgument) -> None:
    """Remove a member from the coterie, with all their devices and from all rooms. Everybody sees who did it.

    Example:
      coterie member remove Bo
    """
    removed = answer_one(here, "member remove", member=member)
    if here.as_json:
        here.output.row(removed)
    else:
        here.output.say(f"{named(removed)} is no longer a member")


def set_(here: Here, name: Annotated[str, typer.Option("--name", metavar="NAME", help="Your new name.")]) -> None:
    """Change the name the others see.

    Example:
      coterie profile set --name "Ada L."
    """
    row = answer_one(here, "profile set", name=name)
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(f"you are {named(row)} now")


def add_to(app: typer.Typer) -> None:
    app.command("members")(device_command(members))
    member_commands.command("remove")(device_command(remove))
    profile_commands.command("set")(device_command(set_))
    app.add_typer(member_commands, name="member")
    app.add_typer(profile_commands, name="profile")
