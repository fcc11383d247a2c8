"""`device.lock`: held by the one process that has the device open, let go by the kernel when it dies."""

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final, Self

from coterie.client.owner.errors import DeviceOwned, SocketUnusable

FILE: Final = "device.lock"
_ASK_AGAIN_SECONDS: Final = 0.02


class DeviceLock:
    """Held from `acquire` until `release`, or as a context. The file stays; only the lock on it counts."""

    def __init__(self, descriptor: int, home: Path) -> None:
        self._descriptor: int | None = descriptor
        self.home = home

    @classmethod
    def acquire(cls, home: Path) -> Self:
        """Take the device now, or raise DeviceOwned. `home` is made if need be (0700)."""
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(home / FILE, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise SocketUnusable(f"{home / FILE}: {error.strerror}", "is the folder yours to write?") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid(os.pread(descriptor, 20, 0))
            os.close(descriptor)
            raise DeviceOwned(pid) from None
        # whose it is, for people: on a full disk nobody is told
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor, home)

    @classmethod
    async def acquire_within(cls, home: Path, seconds: float) -> Self:
        """Wait up to `seconds` for a short command of another process to end. Raises DeviceOwned."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return cls.acquire(home)
            except DeviceOwned:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    def release(self) -> None:
        """Let go. Again: nothing."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _pid(content: bytes) -> int:
    digits = content.strip()
    return int(digits) if digits.isdigit() else 0
