"""One command of a device, killed at its nth sync; and what must be true of everybody afterwards."""

import asyncio
import json
import signal
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from coterie.client import Device, RoomState
from coterie.ids import RoomId
from tests.client.newsroom import Newsroom, texts
from tests.crash.strace import under

SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """How a command of a device ended: `code` as the system gives it, negative for a signal."""

    code: int
    out: bytes
    said: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


async def run_device(newsroom: Newsroom, name: str, command: str, params: object, injection: str | None) -> Ended:
    """The command as a process of its own; the device must be closed here."""
    before = () if injection is None else under(injection)
    process = await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        "-m",
        "tests.crash.device",
        newsroom.home(name),
        command,
        json.dumps(params),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode is not None
    return Ended(process.returncode, out, said.decode())


def assert_whole(devices: Sequence[Device], room: RoomId, accepted: Collection[str], perhaps: Collection[str]) -> None:
    """Everybody has what was accepted once, and all the same order; what may have been accepted is there once at most;
    no alarm, nothing waits, the room goes on."""
    shown = [texts(device, room) for device in devices]
    assert all(one == shown[0] for one in shown), shown
    assert len(set(shown[0])) == len(shown[0]), shown[0]
    assert set(accepted) <= set(shown[0]) <= {*accepted, *perhaps}
    for device in devices:
        assert device.alarms() == []
        assert device.status().outbox == 0
        assert (device.room(room).state, device.room(room).reason) == (RoomState.ACTIVE, "")
        assert set(device.room(room).members) == set(devices[0].room(room).members)
