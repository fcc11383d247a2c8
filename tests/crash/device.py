"""A device as a process: `python -m tests.crash.device HOME [COMMAND [PARAMETERS as JSON]]`.

With a command it does that one and ends. Without, it stays online and does what comes on standard input, a JSON object
a line: {"id", "command", "params"}. Answers: {"id", "row"} …, then {"id", "end"} or {"id", "error", "fact"}.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import uvloop

from coterie.client import Device, Passphrase
from coterie.client.commands import run_command
from coterie.errors import CoterieError

PASSPHRASE: Final = Passphrase(b"three rivers and a bridge")


def say(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _peak_mib() -> int:
    """The most this process itself held: what `getrusage` says may be its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


async def once(home: Path, command: str, params: dict[str, Any]) -> None:
    """The command, its rows, then what it cost."""
    began = time.monotonic()
    if command == "join":
        await Device.join(home, PASSPHRASE, params["link"], params["name"])
    else:
        async with Device.open(home, PASSPHRASE) as device:
            async for row in run_command(device, command, params):
                say(row=row)
    peak = _peak_mib()
    say(end=True, seconds=round(time.monotonic() - began, 2), peak_mib=peak)


async def answer(device: Device, asked: dict[str, Any]) -> None:
    try:
        async for row in run_command(device, asked["command"], asked["params"]):
            say(id=asked["id"], row=row)
        say(id=asked["id"], end=True)
    except CoterieError as error:
        say(id=asked["id"], error=error.code, fact=error.fact)


async def stay(home: Path) -> None:
    """Until standard input ends, or the device meets what no retry mends."""
    async with Device.open(home, PASSPHRASE) as device, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(device.run())
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        say(ready=True)
        while line := await reader.readline():
            tasks.create_task(answer(device, json.loads(line)))
        running.cancel()


def main() -> int:
    home, command, *params = [*sys.argv[1:], "", ""][:3]
    work = once(Path(home), command, json.loads(params[0] or "{}")) if command else stay(Path(home))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except CoterieError as error:
        print(f"error: {error.fact}", file=sys.stderr)
        print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
