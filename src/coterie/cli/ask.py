"""Have a command done: by the process that has the device open, or here when there is none."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Final

from coterie.cli.options import Here
from coterie.cli.output import Row
from coterie.client.owner import DeviceOwned, NobodyOwns, call_owner, serve_commands

if TYPE_CHECKING:
    from coterie.client import Device
    from coterie.store import Unlock

OWNER_WAIT_SECONDS: Final = 30.0
"""How long a command waits for another short command that has the device open."""
_ASK_AGAIN_SECONDS: Final = 0.05


def answer(here: Here, name: str, /, **params: object) -> list[Row]:
    """All rows of a command that ends by itself."""
    rows: list[Row] = []
    asyncio.run(_each(_rows(here, name, params, stay_online=False), rows.append))
    return rows


def answer_one(here: Here, name: str, /, **params: object) -> Row:
    """The one row of a command that has one."""
    return answer(here, name, **params)[0]


def answer_each(here: Here, each: Callable[[Row], None], name: str, /, **params: object) -> None:
    """The rows of a command that ends by itself, as they come."""
    asyncio.run(_each(_rows(here, name, params, stay_online=False), each))


def follow(here: Here, each: Callable[[Row], None], name: str, /, **params: object) -> None:
    """Hand each row to `each` as it comes, until Ctrl-C or SIGTERM. If the device is opened for it, it stays online
    meanwhile and other commands go through this process."""
    _until_stopped(_each(_rows(here, name, params, stay_online=True), each))


def converse(
    here: Here,
    each: Callable[[Row], Awaitable[tuple[str, dict[str, object]] | None]],
    name: str,
    /,
    **params: object,
) -> None:
    """Hand each row to `each` as it comes; what it returns is a command with its values, done by the same process while
    the first goes on. The device stays online meanwhile."""

    async def talk() -> None:
        rows = _rows(here, name, params, stay_online=True)
        async for row in rows:
            following = await each(row)
            if following is not None:
                command, values = following
                async for _ in call_owner(here.home, command, values):
                    pass

    asyncio.run(talk())


def keep_online(here: Here, online: Callable[["Device"], None]) -> None:
    """Own the device until Ctrl-C or SIGTERM. `online` is called once other commands can go through this process."""

    async def own() -> None:
        opening = _Opening(here)
        while (device := await opening.attempt()) is None:
            pass
        async with device, _shared(here, device):
            online(device)
            await device.run()

    _until_stopped(own())


def _until_stopped(work: Coroutine[None, None, None]) -> None:
    """A service manager ends it as a person does: in order, and with exit code 0."""

    async def stoppable() -> None:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await task

    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(stoppable())


async def _each(rows: AsyncIterator[Row], each: Callable[[Row], None]) -> None:
    async for row in rows:
        each(row)


async def _rows(here: Here, name: str, params: dict[str, object], stay_online: bool) -> AsyncIterator[Row]:
    device = None
    opening = _Opening(here)
    while device is None:
        try:
            async for row in call_owner(here.home, name, params):
                yield row
            return
        except (NobodyOwns, NotADirectoryError, PermissionError):  # what is wrong with the folder is said on opening
            device = await opening.attempt()
    from coterie.client.commands import run_command

    async with device:
        rows = run_command(device, name, params)
        if not stay_online:
            async for row in rows:
                yield row
            return
        async with _shared(here, device), contextlib.aclosing(_while_online(device, rows)) as live:
            async for row in live:
                yield row


class _Opening:
    """Opens the device as soon as no other process has it. Asks for a passphrase once, and only if it comes to that."""

    def __init__(self, here: Here) -> None:
        from coterie.cli.unlock import unlock_known

        self._home = here.home
        self._unlock = partial(unlock_known, here)
        self._known: Unlock | None = None
        self._deadline = asyncio.get_running_loop().time() + OWNER_WAIT_SECONDS

    async def attempt(self) -> "Device | None":
        """None if another process has it: it may serve commands by now. Raises DeviceOwned when that takes too long."""
        if self._known is None:
            self._known = self._unlock()
        from coterie.client import Device

        try:
            return Device.open(self._home, self._known)
        except DeviceOwned:
            if asyncio.get_running_loop().time() > self._deadline:
                raise
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
        return None


def _shared(here: Here, device: "Device") -> contextlib.AbstractAsyncContextManager[None]:
    from coterie.client.commands import run_command

    return serve_commands(here.home, partial(run_command, device))


async def _while_online(device: "Device", rows: AsyncIterator[Row]) -> AsyncGenerator[Row, None]:
    """`rows`, with the device online. Ends with them, or raises what ends the device's run."""
    online = asyncio.ensure_future(device.run())
    try:
        while True:
            row = asyncio.ensure_future(anext(rows))
            try:
                await asyncio.wait((row, online), return_when=asyncio.FIRST_COMPLETED)
                if not row.done():
                    online.result()
                    return
                yield row.result()
            except StopAsyncIteration:
                return
            finally:
                row.cancel()
    finally:
        online.cancel()
        await asyncio.gather(online, return_exceptions=True)
