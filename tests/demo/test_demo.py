"""`make demo` as it is run: it holds, leaves nothing behind, and cannot succeed where something is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COTERIE = Path(sys.executable).with_name("coterie")
LONGEST_SECONDS = 240.0
"""Half a minute on a machine of its own; the tests' machine does other things at once."""


def demo(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Played in `folder`, where it puts all it makes."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py", *arguments],
        env=kept | {"TMPDIR": str(folder), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def lying_command(folder: Path, what_reading_prints: str) -> Path:
    """`coterie`, but what `read` prints goes through a filter first."""
    script = folder / "lying-coterie"
    script.write_text(
        "#!/bin/sh\n"
        'case " $* " in *" --follow "*) ;; *" read "*)\n'
        f"  '{COTERIE}' \"$@\" | {what_reading_prints}; exit ;;\n"
        "esac\n"
        f"exec '{COTERIE}' \"$@\"\n"
    )
    script.chmod(0o755)
    return script


def processes_of(folder: Path) -> list[str]:
    """Command lines on this machine that name the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if str(folder) in line]


def test_a_command_that_does_nothing_fails_it_and_the_folder_is_kept(tmp_path: Path) -> None:
    played = demo(tmp_path, "false")
    assert played.returncode == 1
    assert "this did not hold: the server said nothing" in played.stdout
    (kept,) = tmp_path.iterdir()
    assert f"everything is kept in {kept}" in played.stdout
    assert (kept / "server.log").exists()


@pytest.mark.slow
def test_the_demonstration_holds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    played = demo(tmp_path)
    assert played.returncode == 0, played.stdout + played.stderr
    assert re.search(r"the server was killed: \d had their answer, [1-9] had not", played.stdout)
    assert "all 9 are here, each once, in one order for both" in played.stdout
    assert "Bo keeps what he read, and has nothing of what came after" in played.stdout
    assert played.stdout.count("✓") == 20
    assert "20 checks held" in played.stdout
    assert max(map(len, played.stdout.splitlines())) <= 100
    # where the home's path is long, sockets stand in a folder of the user's own, which stays, empty
    assert [path for path in tmp_path.rglob("*") if path != tmp_path / f"coterie-{os.getuid()}"] == []
    assert processes_of(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lie", "found_out"),
    [("sed p", "repeated: "), ("sed /tonight/d", "lost: "), ("sed s/tonight/tomorrow/", "lost: ")],
    ids=["a message is shown twice", "a message is lost", "a message is another"],
)
def test_a_device_that_shows_what_is_not_so_is_found_out(tmp_path: Path, lie: str, found_out: str) -> None:
    played = demo(tmp_path, lying_command(tmp_path, lie))
    assert played.returncode == 1
    assert f"this did not hold: {found_out}" in played.stdout
    assert processes_of(tmp_path / "coterie-demo") == []
