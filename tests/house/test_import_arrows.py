"""Imports point downwards only (ARCHITECTURE.md, "What each part may not import")."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "coterie"
GROUND = {"ids", "errors"}
"""What every part may import, and what itself imports nothing of ours."""
MAY_IMPORT: dict[str, set[str]] = {
    "ids": set(),
    "errors": set(),
    "wire": GROUND,
    "trust": GROUND,
    "content": GROUND,
    "store": GROUND,
    "group": {"trust", "wire", *GROUND},
    "server": {"trust", "wire", *GROUND},
    "client": {"store", "group", "trust", "content", "wire", *GROUND},
    "cli": {"client", "store", "trust", "wire", *GROUND},
}
ONLY_HERE: dict[str, set[str]] = {
    "server": {"cli/serve.py", "cli/server.py"},
    "coterie_mls": {"group", "client"},
}
"""Of these, where alone they are imported besides themselves."""
PURE = {"wire", "trust", "content", "server/rules"}
NOT_PURE = {
    "aiohttp", "apsw", "asyncio", "datetime", "multiprocessing", "nats", "obstore", "os", "pathlib", "picows",
    "random", "secrets", "select", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time",
    "urllib.request", "uuid", "uvloop",
}  # fmt: skip


def files(part: str) -> list[Path]:
    found = SOURCE / part
    return sorted(found.rglob("*.py")) if found.is_dir() else [found.with_suffix(".py")]


def imports(file: Path) -> Iterator[str]:
    """Full names of the modules a file imports, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield from (f"{module}.{alias.name}" for alias in node.names) if module == "coterie" else (module,)
            case ast.ImportFrom():
                raise AssertionError(f"{file} imports relatively: write the whole name")


def part_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_stands_below_it(part: str) -> None:
    wrong = {
        (str(file.relative_to(SOURCE)), module)
        for file in files(part)
        for module in imports(file)
        if module.startswith("coterie.")
        and part_of(module) not in MAY_IMPORT[part] | {part}
        and str(file.relative_to(SOURCE)) not in ONLY_HERE.get(part_of(module), set())
    }
    assert not wrong


def test_every_part_stands_in_the_table() -> None:
    names = {path.stem for path in SOURCE.iterdir() if path.name not in ("__init__.py", "__pycache__", "py.typed")}
    assert names == set(MAY_IMPORT)


def test_mls_is_known_to_the_group_and_the_client_alone() -> None:
    knowing = {
        part for part in MAY_IMPORT for file in files(part) for module in imports(file) if module == "coterie_mls"
    }
    assert knowing <= ONLY_HERE["coterie_mls"]


@pytest.mark.parametrize("part", sorted(PURE))
def test_a_pure_part_takes_time_chance_and_bytes_from_its_caller(part: str) -> None:
    wrong = {
        (str(file.relative_to(SOURCE)), module)
        for file in files(part)
        for module in imports(file)
        if module in NOT_PURE or module.partition(".")[0] in NOT_PURE
    }
    assert not wrong
