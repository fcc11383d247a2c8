"""SECURITY.md names the test that holds each promise; those tests exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


def names(file: Path) -> set[str]:
    """Functions and names at the top of a module, and the methods of its classes."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
    return found


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_holds_a_promise_exists(file: str, name: str) -> None:
    assert name.startswith(("test_", "Test"))
    assert name in names(ROOT / "tests" / file)


def test_every_promise_names_a_test() -> None:
    promises = PAGE.partition("\n## Promises")[2].partition("\n## Not promised")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and "held by" not in line]
    assert len(rows) > 20
    assert [row for row in rows if "::" not in row] == []
