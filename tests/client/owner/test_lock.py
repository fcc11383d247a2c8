"""One device, one owner: across real processes, and after they were killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coterie.client.owner import DeviceLock, DeviceOwned

HOLDER = """
import sys
from pathlib import Path
from coterie.client.owner import DeviceLock
with DeviceLock.acquire(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process_holding(home: Path) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-c", HOLDER, str(home)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_process_is_told_who_has_the_device(tmp_path: Path) -> None:
    with other_process_holding(tmp_path) as holder, pytest.raises(DeviceOwned) as owned:
        DeviceLock.acquire(tmp_path)
    assert owned.value.pid == holder.pid
    assert str(holder.pid) in owned.value.fact


def test_killed_owner_leaves_the_device_free(tmp_path: Path) -> None:
    with other_process_holding(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with DeviceLock.acquire(tmp_path):
            assert (tmp_path / "device.lock").read_text() == f"{os.getpid()}\n"


def test_lock_let_go_can_be_taken_again(tmp_path: Path) -> None:
    first = DeviceLock.acquire(tmp_path / "new" / "home")
    with pytest.raises(DeviceOwned):
        DeviceLock.acquire(tmp_path / "new" / "home")
    first.release()
    first.release()
    DeviceLock.acquire(tmp_path / "new" / "home").release()


def test_child_process_does_not_inherit_the_device(tmp_path: Path) -> None:
    with DeviceLock.acquire(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        DeviceLock.acquire(tmp_path).release()
    finally:
        child.communicate(b"\n")


async def test_short_command_waits_for_another_to_end(tmp_path: Path) -> None:
    with other_process_holding(tmp_path) as holder:
        waiting = asyncio.ensure_future(DeviceLock.acquire_within(tmp_path, 30))
        done, _ = await asyncio.wait((waiting,), timeout=0.1)
        assert not done
        assert holder.stdin is not None
        holder.stdin.close()
        (await waiting).release()


async def test_waiting_ends_with_who_has_it(tmp_path: Path) -> None:
    with other_process_holding(tmp_path) as holder, pytest.raises(DeviceOwned) as owned:
        await DeviceLock.acquire_within(tmp_path, 0.05)
    assert owned.value.pid == holder.pid
