"""`coterie invite …`: the links by which others come in."""

from typing import Annotated, Literal

import typer

from coterie.cli.ask import answer, answer_one
from coterie.cli.durations import seconds_of, seconds_or_forever
from coterie.cli.options import Here, device_command
from coterie.cli.people import local_time, show_invites

invites = typer.Typer(help="Invite people: each link lets one person in, once.")


def create(
    here: Here,
    role: Annotated[
        Literal["steward", "member", "guest", "bot"], typer.Option("--role", help="What the newcomer may do.")
    ] = "member",
    seat: Annotated[
        str, typer.Option("--seat", metavar="TIME", help="How long the membership lasts: 180d, 12h, 2w, forever.")
    ] = "180d",
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="How long the link can be used: 7d, 12h, 30m.")
    ] = "7d",
    qr: Annotated[bool, typer.Option("--qr", help="Show the link as a QR code in the terminal.")] = False,
) -> None:
    """Make an invite link for one person.

    Give it to them in a way that only they can read: whoever uses it first is in, under your name.

    Example:
      coterie invite create --seat 90d --qr
    """
    row = answer_one(
        here,
        "invite create",
        role=role,
        seat_seconds=seconds_or_forever(seat),
        expires_seconds=seconds_of(expires),
    )
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(str(row["link"]))
    if qr:
        typer.echo(qr_of(str(row["link"])), err=here.as_json)
    if not here.as_json:
        typer.echo(f"for one {role}, until {local_time(row['expires_at'])}", err=True)


def list_(here: Here) -> None:
    """List the invites: open, spent, revoked and expired.

    Example:
      coterie invite list
    """
    rows = answer(here, "invite list")
    if here.as_json:
        for row in rows:
            here.output.row(row)
    else:
        show_invites(here.output, rows)


def revoke(
    here: Here, invite: Annotated[str, typer.Argument(metavar="ID", help="The invite's id, or 6 characters of it.")]
) -> None:
    """Make an invite that nobody has used worthless.

    Example:
      coterie invite revoke 3f9a2c
    """
    row = answer_one(here, "invite revoke", invite=invite)
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(f"the invite {str(row['invite'])[:12]} is revoked")


def qr_of(link: str) -> str:
    import io

    import segno

    drawing = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(drawing, compact=True)
    return drawing.getvalue()


def add_to(app: typer.Typer) -> None:
    invites.command("create")(device_command(create))
    invites.command("list")(device_command(list_))
    invites.command("revoke")(device_command(revoke))
    app.add_typer(invites, name="invite")
