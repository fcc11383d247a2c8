"""The documents say what the product does: each command and option, links that lead somewhere, headers everywhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer import _click as click

from coterie.cli.main import build

ROOT = Path(__file__).parents[2]
COMMANDS = ROOT / "docs" / "guide" / "commands.md"
CODE = ("src", "tests", "bench", "examples", "scripts")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
EVERYWHERE = {"--help", "--json", "--home", "--passphrase-file", "--keyring"}
"""Options described once, for all commands."""


def commands(command: click.Command, name: str = "coterie") -> Iterator[tuple[str, click.Command]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, child in inner.items():
        yield from commands(child, f"{name} {word}")


ALL = dict(commands(typer.main.get_command(build())))


def section(name: str) -> str:
    """What commands.md says under the heading of one command."""
    found = re.search(rf"^### `{re.escape(name)}\b.*?(?=^##|\Z)", COMMANDS.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/guide/commands.md has no section on {name}"
    return found[0]


@pytest.mark.parametrize("name", ALL)
def test_a_command_stands_in_the_guide_with_all_its_options(name: str) -> None:
    said = section(name)
    options = {option for param in ALL[name].params for option in param.opts if option.startswith("--")} - EVERYWHERE
    assert {option for option in options if f"`{option}" not in said and f" {option}" not in said} == set()


def test_the_guide_tells_of_no_command_and_no_option_that_is_not() -> None:
    text = COMMANDS.read_text()
    told = set(re.findall(r"^### `(coterie(?: [a-z][a-z-]*)+)", text, re.MULTILINE))
    assert told == set(ALL)
    real = {option for command in ALL.values() for param in command.params for option in param.opts}
    real |= {"--help", "--version", "--install-completion", "--show-completion"}
    assert {option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)} <= real


def test_what_all_commands_take_is_described_once() -> None:
    general = COMMANDS.read_text().partition("\n### ")[0]
    assert {option for option in EVERYWHERE if f"`{option}" not in general} == set()


@pytest.mark.parametrize("name", ALL)
def test_help_teaches_with_an_example(name: str) -> None:
    words = ALL[name].help or ""
    assert f"Example:\n  {name}" in words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_in_a_document_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_a_document_named_in_the_code_exists() -> None:
    named = {
        (str(file.relative_to(ROOT)), document)
        for file in (ROOT / "src").rglob("*.py")
        for document in re.findall(r"docs/[a-z-]+/[a-z-]+\.md", file.read_text())
    }
    assert {(file, document) for file, document in named if not (ROOT / document).exists()} == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for folder in ("src", "bench", "examples", "scripts")
        for file in (ROOT / folder).rglob("*.py")
        if file.read_text().strip() and not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []


def test_a_file_stays_short_enough_to_read() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in (ROOT / "src").rglob("*.py")}
    assert {file for file, lines in lengths.items() if lines > 500} == set()


def test_no_name_says_nothing() -> None:
    empty_words = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "manager.py", "misc.py"}
    assert [str(file) for folder in CODE for file in (ROOT / folder).rglob("*.py") if file.name in empty_words] == []


def test_nothing_names_a_place_outside_of_the_repository() -> None:
    # the words are put together here so that this file does not hold them
    outside = re.compile("/" + r"work/|\.\./" + "shared|" + "/" + "root/")
    kinds = {".py", ".pyi", ".md", ".rs", ".toml", ".txt", ".in", ".sh", ""}
    found = [
        str(file.relative_to(ROOT))
        for folder in (*CODE, "docs", "crates", "requirements", ".ci")
        for file in (ROOT / folder).rglob("*")
        if file.is_file()
        and file.suffix in kinds
        and "__pycache__" not in file.parts
        and outside.search(file.read_text())
    ]
    found += [
        str(file.relative_to(ROOT))
        for file in ROOT.iterdir()
        if file.is_file() and file.suffix in kinds and outside.search(file.read_text())
    ]
    assert found == []


def test_nothing_is_left_to_be_done_later() -> None:
    marks = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    found = [
        str(file.relative_to(ROOT))
        for folder in (*CODE, "docs", "crates")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".md", ".rs"} and marks.search(file.read_text())
    ]
    assert found == []
