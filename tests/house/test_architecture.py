"""ARCHITECTURE.md names parts and files that are there, and lets them import what the test of the arrows lets them."""

import re
from pathlib import Path

import pytest

from tests.house.test_import_arrows import GROUND, MAY_IMPORT

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "coterie"
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
FILES = sorted(set(re.findall(r"`([\w/*.]+\.(?:pyi?|rs))`", PAGE)))


@pytest.mark.parametrize("named", FILES)
def test_a_file_that_is_named_is_there(named: str) -> None:
    if "/" in named:
        assert any(SOURCE.glob(named)) or any(ROOT.glob(named))
    else:
        assert any(SOURCE.rglob(named))


def test_the_table_of_parts_is_the_one_that_is_tested() -> None:
    table = PAGE.partition("| folder | is for |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    told = {folder: may for row in rows for folder in re.findall(r"`([\w/]+?)(?:/|\.py)`", row[0]) for may in [row[2]]}
    assert set(told) - {"server/rules"} == set(MAY_IMPORT)
    for part, may in told.items():
        real = MAY_IMPORT[part.partition("/")[0]] - GROUND
        words = set(re.findall(r"\b(?:store|group|trust|content|wire|client)\b", may.partition("; `cli/")[0]))
        assert words == real, part
