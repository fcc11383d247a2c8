"""A device that reads along, in a process of its own: a JSON line when each message became readable."""

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import uvloop

from coterie.client import Device, Passphrase


async def read(home: Path, passphrase: Passphrase) -> None:
    async with Device.open(home, passphrase) as device:
        running = asyncio.create_task(device.run())
        async for message in device.follow():
            print(json.dumps({"text": message.text, "at_ns": time.perf_counter_ns()}), flush=True)
        running.cancel()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(read(Path(sys.argv[1]), Passphrase(os.environ["COTERIE_PASSPHRASE"].encode())))
