"""A bot that repeats what people say, in every room it is in. Its passphrase is in COTERIE_PASSPHRASE.

echo_bot.py HOME LINK   the first time, with a link of `coterie invite create --role bot`
echo_bot.py HOME        from then on
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from coterie.client import Device, MessageState, Passphrase


async def echo(device: Device) -> None:
    newest = device.messages(limit=1)  # what is here already was answered before
    async for message in device.follow(after=newest[-1].message if newest else None):
        if message.kind == "text" and message.state is MessageState.RECEIVED:
            await device.send(message.room, f"{message.sender}: {message.text}")


async def main(home: Path, link: str | None = None) -> None:
    passphrase = Passphrase.of(os.environ["COTERIE_PASSPHRASE"])
    if link is not None:
        await Device.join(home, passphrase, link, "Echo")
    async with Device.open(home, passphrase) as device, asyncio.TaskGroup() as together:
        together.create_task(device.run())
        together.create_task(echo(device))
        print("listening", flush=True)


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
