"""`coterie server …`: what an operator asks a running server, on its own machine."""

from typing import TYPE_CHECKING

import typer

from coterie.cli.options import Here, plain_command
from coterie.cli.serve import DataOption

if TYPE_CHECKING:
    from coterie.server.status import StatusFacts

server_commands = typer.Typer(help="The server on this machine.")


def status(here: Here, data: DataOption) -> None:
    """Show how the server that uses a data folder is doing. Nothing about people or devices is in it.

    Example:
      coterie server status --data server
    """
    from coterie.server.status import read_status

    facts = read_status(data)
    if here.as_json:
        here.output.row(facts)
    else:
        here.output.say(_lines(facts), lines=True)


def _lines(facts: "StatusFacts", indent: str = "") -> str:
    lines = []
    for name, value in facts.items():
        label = f"{indent}{name.replace('_', ' ')}"
        lines.append(f"{label}\n{_lines(value, '  ')}" if isinstance(value, dict) else f"{label:<18}{_word(value)}")
    return "\n".join(lines)


def _word(value: object) -> str:
    words: dict[object, str] = {None: "none", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def add_to(app: typer.Typer) -> None:
    server_commands.command("status")(plain_command(status))
    app.add_typer(server_commands, name="server")
