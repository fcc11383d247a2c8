"""The bench harness measures what it says: every message arrives, and each line is JSON of the fixed shape."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def bench(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    ended = subprocess.run(
        [sys.executable, "-m", "bench", "--folder", folder, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_pairs_of_a_second_lose_nothing_and_say_what_they_cost(tmp_path: Path) -> None:
    machine, pairs = bench(tmp_path, "pairs", "--seconds", "1", "--warm-up", "0.2")
    assert machine["bench"] == "machine"
    assert machine["cpus"] >= 1
    assert pairs["bench"] == "pairs"
    assert pairs["missing"] == 0
    assert pairs["posts_per_s"] > 0
    assert 0 < pairs["p50_ms"] <= pairs["p99_ms"]
    assert pairs["hub_rss_mib"] > 0
    assert pairs["hub_cpu_s"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_rooms_and_posts_by_the_clock_lose_nothing_either(tmp_path: Path) -> None:
    _, rooms, latency = bench(tmp_path, "rooms", "latency", "--seconds", "1", "--warm-up", "0.2")
    assert (rooms["missing"], latency["missing"]) == (0, 0)
    assert rooms["deliveries_per_s"] > 0
    assert 0 < latency["p50_ms"] <= latency["p99_ms"] <= latency["max_ms"]


def test_an_unknown_measure_is_named(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bench", "pears"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert "there is no pears" in ended.stderr
