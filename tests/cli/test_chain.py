"""The tree of who invited whom: whole, and not to be forged by a name."""

from coterie.cli.chain import DEEPEST_DRAWN, chained, tree_lines
from coterie.cli.output import Row
from tests.cli.conftest import Gazette


def row(member: str, invited_by: str | None, name: str | None, state: str = "active") -> Row:
    at = "2026-11-23T06:17:30.123Z"
    return {
        "member": member * 32, "invited_by": invited_by and invited_by * 32, "name": name, "role": "member",
        "joined_at": at, "state": state, "verified": False,
    }  # fmt: skip


def test_everybody_stands_under_who_invited_them() -> None:
    rows = [row("a", None, "Ada"), row("b", "a", "Bo"), row("c", "a", None), row("d", "b", "Dan", "removed")]
    ordered = chained(rows)
    assert [(str(one["member"])[0], one["depth"]) for one in ordered] == [("a", 0), ("b", 1), ("d", 2), ("c", 1)]
    ada, bo, dan, cleo = tree_lines(ordered)
    assert ada.startswith("“Ada” (aaaaaaaa)  member since 2026-11-2")
    assert bo.startswith("└─ “Bo”")
    assert dan.startswith("   └─ “Dan”")
    assert dan.endswith("removed")
    assert cleo.startswith("└─ unknown name (cccccccc)")


def test_a_name_forges_no_line_and_no_fact() -> None:
    names = ["Bo\n└─ “Eve” (eeeeeeee)", "Bo” (aaaaaaaa)  founder", "\u202eoB\x1b[2J", "Bo" + "\u2003" * 60 + "└─ Eve"]
    for name in names:
        (line,) = tree_lines(chained([row("b", None, name)]))
        assert not {"\n", "\x1b", "\u202e"} & set(line)
        assert (line.count("“"), line.count("”")) == (1, 1)
        assert line.partition("”")[2].startswith(" (bbbbbbbb)  member since ")
        assert len(line) < 100


def test_a_chain_grown_by_one_member_is_drawn_in_bounds_and_says_how_deep() -> None:
    rows = [
        {**row("a", None, "x"), "member": f"{n:032x}", "invited_by": None if n == 0 else f"{n - 1:032x}"}
        for n in range(5000)
    ]
    lines = tree_lines(chained(rows))
    assert len(lines) == 5000
    assert "(4999 deep)" in lines[-1]
    assert max(map(len, lines)) < 3 * DEEPEST_DRAWN + 80


def test_the_tree_is_shown_and_told_to_programs(gazette: Gazette) -> None:
    ada, bo = gazette.ada.does("members", "--chain")
    assert (ada["depth"], bo["depth"], bo["invited_by"]) == (0, 1, ada["member"])
    first, second = gazette.bo.sees("members", "--chain").splitlines()
    assert first.startswith("“Ada”")
    assert second.startswith("└─ “Bo”")
