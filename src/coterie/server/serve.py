"""`serve`: everything a server is, put together, from a data folder to a graceful end (docs/guide/operators.md).

What is opened goes onto a stack, and closes in the opposite order: status, tasks, hub, view, log, engine, folder.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from coterie.server import events
from coterie.server.blobs import Blobs
from coterie.server.certificate import ServerCertificate, certificate_to_serve
from coterie.server.clock import check_clock, now_ms
from coterie.server.engine import Engine, EngineAddress, engine_binary
from coterie.server.facts import facts_of
from coterie.server.fitting_view import fitting_view
from coterie.server.folder import DataFolder
from coterie.server.garbage import rare_collections
from coterie.server.hub import Hub, HubIdentity
from coterie.server.keys import ServerKeys, load_keys
from coterie.server.listener import listen, where_to_listen
from coterie.server.log import STREAM, Log
from coterie.server.process import ended_by_signal, server_process
from coterie.server.running import Running
from coterie.server.status import answering_status
from coterie.server.upkeep import Upkeep
from coterie.trust.address import Address, parse_address
from coterie.trust.invite import FoundLink

OWN_ENGINE_SECONDS: Final = 60.0
GIVEN_ENGINE_SECONDS: Final = 3.0
_STORE_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """`listen` is HOST:PORT; port 0 is chosen at the first start and kept. `addresses` go into links (else `listen`).
    `nats` names a NATS server in place of the embedded engine, `blobs` an object store in place of the local folder."""

    data: Path
    listen: str
    addresses: tuple[str, ...] = ()
    nats: str | None = None
    blobs: str | None = None
    cert: Path | None = None
    key: Path | None = None
    engine_binary: Path | None = None
    stream: str = STREAM
    replicas: int = 1
    clock: Callable[[], int] = now_ms


@dataclass(frozen=True, slots=True)
class Ready:
    """`founding_link` is a secret, and None once the coterie is founded."""

    url: str
    founding_link: str | None
    port: int


async def serve(config: ServeConfig, on_ready: Callable[[Ready], None], stop: asyncio.Event | None = None) -> None:
    """Serve until SIGTERM or SIGINT, or until `stop` is set by the caller, who then handles signals.

    Raises CallerError for what the operator can mend, DeviceError when the hub had to stop; the log is whole.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(server_process())
        folder = stack.enter_context(contextlib.closing(DataFolder(config.data)))
        front = _front(config, folder)
        ended = stop or ended_by_signal()
        engine, log = await stack.enter_async_context(_open_log(config, folder))
        hub, running, tail = await stack.enter_async_context(_hub_in_force(config, folder, front, engine, log))

        server = await listen(hub, front.certificate, front.host, front.port)
        facts = partial(facts_of, hub, engine, front.url, time.monotonic(), config.data)
        await stack.enter_async_context(answering_status(config.data, facts))
        stack.enter_context(rare_collections())
        version = engine.version if engine else "external"
        events.tell("server.ready", port=front.port, position=hub.view.position, engine=version)
        on_ready(Ready(front.url, _founding_link(hub, front), front.port))
        try:
            await running.until(ended.wait())
        finally:
            server.close()
            hub.sessions.close_all()
            if not tail.done():
                await hub.go_down()
            events.tell("server.stopped", position=hub.view.position)


@dataclass(frozen=True, slots=True)
class _Front:
    """Who the server is to those outside, and where."""

    keys: ServerKeys
    certificate: ServerCertificate
    host: str
    port: int
    addresses: tuple[Address, ...]

    @property
    def url(self) -> str:
        return f"wss://{Address(self.host.strip('[]'), self.port).text}"


def _front(config: ServeConfig, folder: DataFolder) -> _Front:
    """Raises CallerError."""
    keys = load_keys(folder)
    certificate = certificate_to_serve(config.cert, config.key, folder.root)
    host, port = where_to_listen(config.listen, folder)
    addresses = tuple(parse_address(text) for text in config.addresses) or (parse_address(f"{host}:{port}"),)
    return _Front(keys, certificate, host, port, addresses)


@contextlib.asynccontextmanager
async def _open_log(config: ServeConfig, folder: DataFolder) -> AsyncIterator[tuple[Engine | None, Log]]:
    """The log, on an engine of our own unless one is given. Raises CallerError, EngineFailed, LogUnavailable."""
    async with contextlib.AsyncExitStack() as stack:
        if config.nats is None:
            engine = Engine(folder.folder("engine"), engine_binary(config.engine_binary))
            await engine.start()
            stack.push_async_callback(engine.stop)
            log = Log(engine.address)
        else:
            given = EngineAddress(config.nats)
            engine, log = None, Log(given.itself, config.stream, config.replicas)
        stack.push_async_callback(log.close)
        yield engine, log


@contextlib.asynccontextmanager
async def _hub_in_force(
    config: ServeConfig, folder: DataFolder, front: _Front, engine: Engine | None, log: Log
) -> AsyncIterator[tuple[Hub, Running, asyncio.Task[None]]]:
    """A hub that has applied the whole log and is in force in it; its tasks, and of them the one that applies."""
    async with contextlib.AsyncExitStack() as stack:
        ends = await log.open_within(OWN_ENGINE_SECONDS if engine else GIVEN_ENGINE_SECONDS)
        view = stack.enter_context(contextlib.closing(await fitting_view(config.data / "view.db", log, ends)))
        blobs = Blobs(folder.folder("parts"), folder.folder("blobs"), config.blobs)
        identity = HubIdentity(
            front.keys,
            front.certificate.spki_hash,
            tuple(address.text for address in front.addresses),
            await blobs.identity(os.urandom(_STORE_ID_BYTES)),
            alone=engine is not None,
        )
        hub = stack.enter_context(contextlib.closing(Hub(identity, view, log, blobs, config.clock)))
        running = Running()
        stack.push_async_callback(running.cancel)
        tail = running.begin(hub.follow_log())
        running.begin(hub.append_for_ever())
        await running.until(hub.reached(ends.last))
        check_clock(view, config.clock())
        await running.until(hub.come_up())
        running.begin(Upkeep(hub, blobs, config.data, engine.start_again if engine else None).run())
        yield hub, running, tail


def _founding_link(hub: Hub, front: _Front) -> str | None:
    log, keys = hub.view.log, front.keys
    if hub.view.register is not None or log is None or log.founding_key != keys.founding.public:
        return None
    return FoundLink(front.addresses, keys.service.public, keys.founding_seed).text
