"""docs/hostile.md names tests that are there, and every file of this folder but the controls."""

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parent.parent / "docs" / "hostile.md"
CONTROLS = {"hostile/test_honest.py", "hostile/test_table.py"}


def names_in(path: str) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)", (HERE.parent / path).read_text(), re.MULTILINE))


def test_every_attack_of_the_table_is_played() -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", TABLE.read_text())
    assert named
    assert [(path, test) for path, test in named if test not in names_in(path)] == []


def test_every_file_of_attacks_is_in_the_table() -> None:
    named = {path for path, _ in re.findall(r"`([\w/]+\.py)::(test_\w+)`", TABLE.read_text())}
    here = {f"hostile/{path.name}" for path in HERE.glob("test_*.py")}
    assert here - CONTROLS - named == set()
