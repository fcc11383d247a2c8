"""What a hub does beside its work: checkpoints, deletes blobs that went, watches the disk and the log's progress."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obstore.exceptions import BaseError as StoreError

from coterie.server import events
from coterie.server.blobs import Blobs

if TYPE_CHECKING:
    from coterie.server.hub import Hub

LEAST_FREE_BYTES: Final = 1024**3
_PROGRESS_SECONDS: Final = 0.5
_CHECKPOINT_TICKS: Final = 4
_DISK_TICKS: Final = 4
"""Often: a busy hub and its engine write 100 MB in a second."""
_BLOB_TICKS: Final = 120
_BLOBS_AT_ONCE: Final = 200
_MEND_SECONDS: Final = 10.0
_LONGEST_MEND_SECONDS: Final = 160.0
_MEND_FREE_BYTES: Final = 16 * 1024**2


class Upkeep:
    """`mend_engine` starts an engine of our own again: after one failed write it stores nothing more, space or not."""

    def __init__(self, hub: "Hub", blobs: Blobs, folder: Path, mend_engine: Callable[[], None] | None = None) -> None:
        self._hub = hub
        self._blobs = blobs
        self._folder = folder
        self._mend_engine = mend_engine
        self._mend_in = _MEND_SECONDS
        self._stalled_for = 0.0
        self._checked = 0

    async def run(self) -> None:
        """Never returns. Raises StorageFailed: the hub must stop."""
        checkpointer = self._hub.view.checkpointer()
        try:
            self._look_at_disk()
            ticks = 0
            while True:
                await asyncio.sleep(_PROGRESS_SECONDS)
                ticks += 1
                self._hub.check_progress()
                self._look_at_log()
                if ticks % _CHECKPOINT_TICKS == 0 and self._hub.view.position != self._checked:
                    self._checked = self._hub.view.position
                    await asyncio.to_thread(checkpointer.checkpoint)
                if ticks % _DISK_TICKS == 0:
                    self._look_at_disk()
                if ticks % _BLOB_TICKS == 0:
                    await self._clear_blobs()
        finally:
            checkpointer.close()

    def _look_at_log(self) -> None:
        if not self._hub.stalled:
            self._stalled_for, self._mend_in = 0.0, _MEND_SECONDS
            return
        self._stalled_for += _PROGRESS_SECONDS
        if self._mend_engine is None or self._stalled_for < self._mend_in:
            return
        self._stalled_for, self._mend_in = 0.0, min(2 * self._mend_in, _LONGEST_MEND_SECONDS)
        if shutil.disk_usage(self._folder).free >= _MEND_FREE_BYTES:
            events.warn("engine.started_again", why="the log does not move")
            self._mend_engine()

    def _look_at_disk(self) -> None:
        """Below max(1 GiB, 1.2 × view) only what closes or removes is taken: cutting the log needs space too."""
        view = sum(file.stat().st_size for file in self._folder.glob("view.db*"))
        room = shutil.disk_usage(self._folder).free >= max(LEAST_FREE_BYTES, view * 6 // 5)
        if room != self._hub.disk_room:
            events.warn("disk.room", enough=room)
        self._hub.disk_room = room

    async def _clear_blobs(self) -> None:
        self._blobs.forget_stale_parts()
        with contextlib.suppress(StoreError, OSError):  # tried again a minute later
            await self._hub.blob_requests.delete_dropped(_BLOBS_AT_ONCE)
