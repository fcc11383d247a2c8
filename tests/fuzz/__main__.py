"""`python -m tests.fuzz [--seconds S] [--seed N] [--only NAME] [--grow]`: fuzz, print figures as JSON, exit 1 on a
find."""

import argparse
import json
import random
import resource
import sys
import time
from typing import Final

from tests.fuzz.attempt import attempt
from tests.fuzz.corpus import Corpus, corpus_of, keep_regression
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import targets

MOST_GROWTH_MIB: Final = 256


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Random input to every decoder.")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long in all (default 120)")
    parser.add_argument("--inputs", type=int, default=None, help="stop after so many inputs, if that comes first")
    parser.add_argument("--seed", type=int, default=None, help="repeat the run of this seed")
    parser.add_argument("--only", help="one target, by name")
    parser.add_argument("--grow", action="store_true", help="keep in tests/fuzz/corpus what meets a new outcome")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    chosen = [corpus_of(target) for target in targets() if given.only in (None, target.name)]
    if not chosen:
        parser.error(f"no target is called {given.only}")
    for corpus in chosen:
        # what is known already teaches nothing new
        for data in corpus.inputs.copy():
            corpus.outcomes.add(attempt(corpus.target, data).outcome)
    chance, counts = random.Random(seed), dict.fromkeys((corpus.target.name for corpus in chosen), 0)
    began, memory = time.monotonic(), _resident_mib()
    while time.monotonic() - began < given.seconds and sum(counts.values()) < (given.inputs or sys.maxsize):
        for corpus in chosen:
            for _ in range(corpus.target.weight):
                counts[corpus.target.name] += 1
                if not _one(corpus, chance, seed, grow=given.grow):
                    return 1
        growth = _resident_mib() - memory
        if growth > MOST_GROWTH_MIB:
            print(f"memory grew by {growth} MiB", file=sys.stderr)
            return 1
    took = round(time.monotonic() - began, 1)
    outcomes = sum(len(corpus.outcomes) for corpus in chosen)
    figures = {"inputs": sum(counts.values()), "seconds": took, "seed": seed, "outcomes": outcomes}
    print(json.dumps({**figures, "grown_mib": _resident_mib() - memory, **counts}))
    return 0


def _one(corpus: Corpus, chance: random.Random, seed: int, *, grow: bool) -> bool:
    data = mutate(chance, corpus.inputs)
    made = attempt(corpus.target, data)
    if made.fault:
        kept = keep_regression(corpus.target, data)
        print(f"{corpus.target.name}: {made.fault}\nseed {seed}; the input is kept in {kept}", file=sys.stderr)
        return False
    if corpus.learn(made.outcome, data) and grow:
        corpus.keep(data)
    return True


def _resident_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    raise SystemExit(main())
