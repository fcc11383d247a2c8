"""What `make` offers, and that it says so."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = {"help", "setup", "demo", "test", "check", "bench", "fuzz", "system-deps", "clean"}


def make(*arguments: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=inherited, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_make_alone_lists_every_target_on_a_line_of_its_own() -> None:
    lines = make().splitlines()
    assert {line.split()[1] for line in lines} == TARGETS
    assert all(len(line.split()) > 3 for line in lines)


def test_system_packages_that_are_here_are_left_alone() -> None:
    assert make("-s", "system-deps") == ""


def test_everything_is_pinned_with_its_hash() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        requirements = re.findall(r"^[a-zA-Z0-9].*?(?=^\S|\Z)", file.read_text(), re.MULTILINE | re.DOTALL)
        assert requirements
        assert all("==" in line and "--hash=sha256:" in line for line in requirements), file


def test_what_ci_runs_is_what_make_check_runs() -> None:
    assert "make check" in (ROOT / ".ci" / "run").read_text()
    commands = make("-n", "check")
    for tool in ("ruff format --check", "ruff check", "mypy", "cargo fmt", "cargo clippy", "cargo test", "pytest"):
        assert tool in commands
