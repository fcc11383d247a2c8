"""What is printed where: JSON alone on standard output when programs ask for it, people's words otherwise.

Whatever others wrote is made harmless before a terminal sees it: no control characters, no hidden turns of direction.
"""

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, object]

_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def harmless(text: str, lines: bool = False) -> str:
    """`text` without what could move the cursor, ring, retitle a window or turn the line round.

    With `lines`, line ends and tabs stay."""
    kept = "\n\t" if lines else ""
    return "".join(
        "\ufffd"
        if character not in kept and (unicodedata.category(character) in ("Cc", "Cs") or character in _TURNS)
        else character
        for character in text
    )


class Output:
    """Where one command's answer goes."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def row(self, row: Row) -> None:
        """One JSON object on a line of its own, at once."""
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def say(self, text: str, lines: bool = False) -> None:
        """For people: on standard output, or beside the JSON on standard error."""
        typer.echo(harmless(text, lines), err=self.as_json)

    def table(self, table: "Table") -> None:
        from rich.console import Console

        Console(stderr=self.as_json).print(table)


def tell_error(fact: str, hint: str, code: str, as_json: bool) -> None:
    """`error: …` and `hint: …` on standard error; with JSON asked for, also one object on standard output."""
    typer.echo(f"{typer.style('error:', fg='red', bold=True)} {harmless(fact, lines=True)}", err=True)
    if hint:
        typer.echo(f"{typer.style('hint:', fg='yellow')} {harmless(hint, lines=True)}", err=True)
    if as_json:
        Output(as_json=True).row({"error": code, "fact": fact, "hint": hint})
