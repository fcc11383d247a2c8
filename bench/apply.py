"""How fast one core decodes, applies and stores records of posts: the rules and the view, without log and network.

    python bench/apply.py [--seconds 5] [--queues 50] [--payload 898]

Prints one JSON line for each number of queues.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from coterie.ids import PublicKey, QueueId
from coterie.server.rules.record import AnyOperation, HubUp, LogOpened, OpenQueue, Post, Record, encode_record
from coterie.server.view import View
from coterie.wire.queues import QueuePurpose

RECORD_BYTES = 64 * 1024
START_MS = 1_700_000_000_000


class Hub:
    """Makes the records of one hub, a millisecond apart."""

    def __init__(self) -> None:
        self.n = 0

    def record(self, *operations: AnyOperation) -> bytes:
        self.n += 1
        return encode_record(Record(bytes(16), b"\1" * 16, self.n, START_MS + self.n, 1, 0, b"", list(operations)))


def queue_id(number: int) -> QueueId:
    # spread, as real ids are
    return QueueId((number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big") * 4)


def posts(hub: Hub, queues: int, payload: int) -> Iterator[tuple[int, bytes]]:
    """Endless records of about 64 KiB: (posts in it, record)."""
    each = RECORD_BYTES // (payload + 64)
    sent = 0
    while True:
        batch = [
            Post(queue_id((sent + i) * 7919 % queues), 0, os.urandom(16), os.urandom(payload)) for i in range(each)
        ]
        sent += each
        yield each, hub.record(*batch)


def measure(queues: int, payload: int, seconds: float) -> dict[str, float | int | str]:
    with tempfile.TemporaryDirectory() as folder:
        view = View(Path(folder) / "view.db")
        checkpointer = view.checkpointer()
        hub = Hub()
        view.apply(
            1,
            hub.record(
                HubUp(bytes(16), b"\1" * 16, 1, b""), LogOpened(bytes(16), PublicKey(bytes(32)), PublicKey(bytes(32)))
            ),
        )
        for start in range(0, queues, 1000):
            opened = [
                OpenQueue(queue_id(number), QueuePurpose.ROOM, b"p" * 32, b"r" * 32, b"", 0, 86_400 * 365)
                for number in range(start, min(start + 1000, queues))
            ]
            view.apply(view.position + 1, hub.record(*opened))
        stored = records = 0
        spent = cpu = 0.0
        made = posts(hub, queues, payload)
        while spent < seconds:
            count, record = next(made)
            began, began_cpu = time.perf_counter(), time.process_time()
            applied = view.apply(view.position + 1, record)
            spent += time.perf_counter() - began
            cpu += time.process_time() - began_cpu
            assert not applied.faults
            stored += count
            records += 1
            if records % 200 == 0:
                checkpointer.checkpoint()
        wal = view.wal_bytes()
        checkpointer.close()
        view.close()
    return {
        "bench": "apply",
        "queues": queues,
        "payload": payload,
        "posts_per_s": round(stored / spent),
        "posts_per_cpu_s": round(stored / cpu),
        "us_per_record": round(spent / records * 1e6),
        "wal_mib": round(wal / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--queues", type=int, nargs="+", default=[50, 100_000])
    parser.add_argument("--payload", type=int, default=898)
    options = parser.parse_args()
    for queues in options.queues:
        print(json.dumps(measure(queues, options.payload, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
