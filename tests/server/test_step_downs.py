"""Three replicas whose leader steps down under load: each device's posts stay in its order, and each has one number."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError

from coterie.server.engine import engine_binary
from coterie.wire import frames
from tests.server.device import Band, Room, Wire
from tests.server.test_crashes import read_all
from tests.serving import serving_here

pytestmark = pytest.mark.cluster
REPLICAS = 3
STEP_DOWNS = 4
AT_ONCE = 100
SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def configuration(folder: Path, number: int, port: int, routes: list[int]) -> str:
    others = ", ".join(f'"nats-route://127.0.0.1:{route}"' for route in routes)
    return f"""
        server_name: "engine-{number}"
        listen: "127.0.0.1:{port}"
        jetstream {{ store_dir: "{folder / str(number)}", sync_interval: always }}
        cluster {{ name: "engines", listen: "127.0.0.1:{routes[number]}", routes: [{others}] }}
    """


@contextlib.asynccontextmanager
async def engines(folder: Path) -> AsyncIterator[list[str]]:
    """The addresses of a cluster that has elected."""
    ports, routes = [free_port() for _ in range(REPLICAS)], [free_port() for _ in range(REPLICAS)]
    processes = []
    for number, port in enumerate(ports):
        config = folder / f"{number}.conf"
        config.write_text(configuration(folder, number, port, routes))
        with (folder / f"{number}.log").open("wb") as log:
            processes.append(
                await asyncio.create_subprocess_exec(engine_binary(), "--config", config, stdout=log, stderr=log)
            )
    addresses = [f"nats://127.0.0.1:{port}" for port in ports]
    try:
        async with asyncio.timeout(SECONDS):
            while not await ready(addresses[0]):
                pass
        yield addresses
    finally:
        for process in processes:
            process.kill()
            await process.wait()


async def ready(address: str) -> bool:
    try:
        client = await nats.connect(address, allow_reconnect=False, connect_timeout=1, max_reconnect_attempts=1)
    except (NatsError, OSError):
        return False
    try:
        answer = json.loads((await client.request("$JS.API.STREAM.NAMES", b"", timeout=1)).data)
        return "error" not in answer
    except NatsError:
        return False
    finally:
        await client.close()


async def step_down(address: str) -> None:
    """The log's leader gives up; returns when there is another."""
    client = await nats.connect(address)
    try:
        said = json.loads((await client.request("$JS.API.STREAM.LEADER.STEPDOWN.COTERIE", b"", timeout=10)).data)
        assert said.get("success"), said
        async with asyncio.timeout(SECONDS):
            leader = None
            while leader is None:
                with contextlib.suppress(NatsError):
                    info = json.loads((await client.request("$JS.API.STREAM.INFO.COTERIE", b"", timeout=2)).data)
                    leader = info.get("cluster", {}).get("leader")
    finally:
        await client.close()


async def pour(wire: Wire, room: Room, name: str, done: asyncio.Event) -> tuple[dict[bytes, int], list[int]]:
    """Posts by the hundred until `done`. The number of each, and in their order those of the posts that were not sent
    again: what was answered with `unavailable` goes once more, under its key and behind the others."""
    numbers: dict[bytes, int] = {}
    in_order: list[int] = []
    while not done.is_set():
        waiting = {os.urandom(16): b"%s %d" % (name.encode(), len(numbers) + more) for more in range(AT_ONCE)}
        first = True
        while waiting:
            sent = {key: room.post(wire, payload, key) for key, payload in waiting.items()}
            for post in sent.values():
                wire.send(post)
            for key, post in sent.items():
                reply = await wire.answer(post.id)
                if isinstance(reply, frames.Posted):
                    numbers[waiting.pop(key)] = reply.n
                    in_order += [reply.n] if first else []
            first = False
    return numbers, in_order


async def test_posts_keep_their_order_and_have_one_number_while_leaders_step_down(tmp_path: Path) -> None:
    (tmp_path / "engines").mkdir()
    async with (
        engines(tmp_path / "engines") as addresses,
        serving_here(tmp_path, nats=addresses[0], replicas=REPLICAS) as here,
    ):
        band = await Band.found(here.url, here.founding_link)
        ada = await band.founder.connect(here.url)
        bo = await (await band.join(ada)).connect(here.url)
        room = await Room.opened(ada)
        done = asyncio.Event()
        pouring = [asyncio.create_task(pour(wire, room, name, done)) for wire, name in ((ada, "ada"), (bo, "bo"))]
        for turn in range(STEP_DOWNS):
            await step_down(addresses[turn % REPLICAS])
        done.set()
        poured = await asyncio.wait_for(asyncio.gather(*pouring), SECONDS)
        stored = await read_all(ada, room)
    told = {payload: n for numbers, _ in poured for payload, n in numbers.items()}
    assert sorted(told.values()) == list(range(1, len(stored) + 1))
    assert [stored[n - 1] for n in told.values()] == list(told)
    for _, in_order in poured:
        assert len(in_order) > AT_ONCE
        assert in_order == sorted(in_order), "a device's posts are out of its order"
