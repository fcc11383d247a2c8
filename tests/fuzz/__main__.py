"""`python -m tests.fuzz [--seconds S] [--seed N] [--only NAME]`: fuzz, print figures as JSON, exit 1 on a find."""

import argparse
import json
import random
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from tests.fuzz.mutate import mutate
from tests.fuzz.targets import Target, targets

REGRESSIONS: Final = Path(__file__).parent / "regressions"
SLOWEST_SECONDS: Final = 1.0
MOST_GROWTH_MIB: Final = 256
ROUND: Final = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Random input to every decoder.")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long in all (default 120)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the run of this seed")
    parser.add_argument("--only", help="one target, by name")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    chosen = [target for target in targets() if given.only in (None, target.name)]
    if not chosen:
        parser.error(f"no target is called {given.only}")
    chance, counts = random.Random(seed), dict.fromkeys((target.name for target in chosen), 0)
    began, memory = time.monotonic(), _resident_mib()
    while time.monotonic() - began < given.seconds:
        for target in chosen:
            for _ in range(target.weight * ROUND // 20):
                data = mutate(chance, target.specimens)
                found = attempt(target, data)
                counts[target.name] += 1
                if found:
                    return _report(target, data, found, seed)
        growth = _resident_mib() - memory
        if growth > MOST_GROWTH_MIB:
            print(f"memory grew by {growth} MiB", file=sys.stderr)
            return 1
    took = round(time.monotonic() - began, 1)
    grown = _resident_mib() - memory
    print(json.dumps({"inputs": sum(counts.values()), "seconds": took, "seed": seed, "grown_mib": grown, **counts}))
    return 0


def attempt(target: Target, data: bytes) -> str:
    """What is wrong with how the target took `data`; empty if nothing."""
    began = time.monotonic()
    try:
        target.decode(data)
    except target.allowed as refusal:
        if getattr(refusal, "code", "") == "internal":
            return "an internal error"
    # a fuzzer's whole duty is to see what nobody named
    except BaseException:
        if sys.exc_info()[0] is KeyboardInterrupt:
            raise
        return traceback.format_exc()
    took = time.monotonic() - began
    return f"it took {took:.1f} s" if took > SLOWEST_SECONDS else ""


def _report(target: Target, data: bytes, found: str, seed: int) -> int:
    REGRESSIONS.mkdir(exist_ok=True)
    kept = REGRESSIONS / f"{target.name.replace(' ', '_')}-{abs(hash(data)) % 10**8:08}.bin"
    kept.write_bytes(data)
    print(f"{target.name}: {found}\nseed {seed}; the input is kept in {kept}", file=sys.stderr)
    return 1


def _resident_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    raise SystemExit(main())
