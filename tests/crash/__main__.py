"""`python -m tests.crash [--kills 200] [--messages 20000] [--devices 6] [--seconds S] [--seed N]`: random kills under
traffic. Prints figures as JSON; exits 1 if anything was lost, repeated, out of order, unread or alarmed about."""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.crash.storm import NAMES, Plan, Storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Random kills under traffic.")
    parser.add_argument("--kills", type=int, default=200, help="of devices, server and engine (default 200)")
    parser.add_argument("--messages", type=int, default=20_000, help="accepted before it ends (default 20000)")
    parser.add_argument("--devices", type=int, default=6, choices=range(2, len(NAMES) + 1), help="default 6")
    parser.add_argument("--seconds", type=float, default=3600.0, help="end then, however far it is (default an hour)")
    parser.add_argument("--seed", type=int, default=None, help="what is done, to whom, in which order")
    parser.add_argument("--keep", type=Path, default=None, help="an empty folder to leave everything in")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    plan = Plan(given.kills, given.messages, given.devices, seed, given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(Storm(plan, given.keep or Path(folder)).run())
    print(json.dumps({"seed": seed, "whole": figures.whole, **asdict(figures)}))
    return 0 if figures.whole else 1


if __name__ == "__main__":
    sys.exit(main())
