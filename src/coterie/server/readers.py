"""Long reads of the view, beside the loop: a few read-only connections, each in one thread at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from coterie.server.view import Reader, View

READERS: Final = 2
T = TypeVar("T")


class Readers:
    def __init__(self, view: View) -> None:
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._all = [view.reader() for _ in range(READERS)]
        self._free: asyncio.Queue[Reader] = asyncio.Queue()
        for reader in self._all:
            self._free.put_nowait(reader)

    async def read(self, question: Callable[[Reader], T]) -> T:
        """What `question` says of the view as it is at some moment from now on."""
        reader = await self._free.get()
        asked = asyncio.get_running_loop().run_in_executor(self._threads, question, reader)
        try:
            return await asyncio.shield(asked)
        finally:
            # a cancelled caller must not give away a reader that its thread still uses
            asked.add_done_callback(lambda _: self._free.put_nowait(reader))

    def close(self) -> None:
        self._threads.shutdown()
        for reader in self._all:
            reader.close()
