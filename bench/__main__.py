"""`python -m bench [NAME…] [--seconds 10] [--warm-up 3]`: JSON lines on standard output, one a measure.

Without names everything is measured. Stops by itself; with Ctrl-C at once, servers included.
"""

import argparse
import asyncio
import gc
import json
import resource
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop

from bench.conversations import crowd, latency, pairs, rooms
from bench.crate import crate
from bench.devices import cli, send
from bench.figures import Figures, Terms
from bench.idle import idle
from bench.machine import machine
from bench.raw_log import raw_log
from bench.restart import restart

MEASURES: Final[dict[str, Callable[[Terms], Awaitable[Figures | list[Figures]]]]] = {
    "log": raw_log,
    "pairs": pairs,
    "pairs-100k": crowd,
    "rooms": rooms,
    "latency": latency,
    "idle": idle,
    "restart": restart,
    "crate": crate,
    "send": send,
    "cli": cli,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Figures as JSON lines.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}; all of them if none")
    parser.add_argument("--seconds", type=float, default=10.0, help="to measure")
    parser.add_argument("--warm-up", type=float, default=3.0, help="seconds before measuring")
    parser.add_argument("--folder", type=Path, help="where servers keep their data meanwhile; else a temporary one")
    parser.add_argument("--profile", type=Path, help="write where the hub's time went to this file")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in MEASURES]
    if unknown:
        parser.error(f"there is no {unknown[0]}; there are {', '.join(MEASURES)}")
    # each connection is a descriptor here and in the server, which inherits the limit
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    _say(machine())
    for name in given.names or MEASURES:
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="coterie-bench-") as folder:
            terms = Terms(Path(folder), given.seconds, given.warm_up, given.profile)
            gc.collect()
            gc.freeze()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                figures = runner.run(_measure(name, terms))
        for line in figures if isinstance(figures, list) else [figures]:
            _say(line)


async def _measure(name: str, terms: Terms) -> Figures | list[Figures]:
    return await MEASURES[name](terms)


def _say(figures: Figures) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
