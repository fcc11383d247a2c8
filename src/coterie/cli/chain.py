"""The chain of invites as a tree: who let whom in. Pure: rows of `members` in, rows and lines out.

A name is one's own to choose: here it stands in quotation marks, on one line, with the beginning of the member's id.
"""

from typing import Final

from coterie.cli.output import Row, harmless
from coterie.cli.people import local_time

DEEPEST_DRAWN: Final = 12
"""Further down a line is not moved in any more: one member alone can make a chain of any length."""
_ID_CHARS: Final = 8
_QUOTES: Final = str.maketrans({"“": "'", "”": "'", '"': "'"})


def chained(members: list[Row]) -> list[Row]:
    """The same rows in the tree's order, each with its `depth` (0: the founder)."""
    invited: dict[object, list[Row]] = {}
    for member in members:
        invited.setdefault(member["invited_by"], []).append(member)
    ordered: list[Row] = []
    waiting = [(member, 0) for member in reversed(invited.get(None, []))]
    while waiting:
        member, depth = waiting.pop()
        ordered.append(member | {"depth": depth})
        waiting += [(each, depth + 1) for each in reversed(invited.get(member["member"], []))]
    return ordered


def tree_lines(ordered: list[Row]) -> list[str]:
    """One line a member, as a terminal may show it."""
    return [_line(member) for member in ordered]


def quoted(name: object) -> str:
    """A name that cannot end its quotation, nor the line."""
    return f"“{' '.join(harmless(str(name)).translate(_QUOTES).split())}”" if name else "unknown name"


def _line(member: Row) -> str:
    depth = member["depth"]
    assert isinstance(depth, int)
    deep = f"({depth} deep) " if depth > DEEPEST_DRAWN else ""
    branch = "" if depth == 0 else "   " * (min(depth, DEEPEST_DRAWN) - 1) + "└─ " + deep
    who = f"{quoted(member['name'])} ({str(member['member'])[:_ID_CHARS]})"
    facts = [f"{member['role']} since {local_time(member['joined_at'])[:10]}"]
    facts += [str(member["state"])] if member["state"] != "active" else []
    facts += ["verified"] if member["verified"] else []
    return f"{branch}{who}  {', '.join(facts)}"
