"""`serve`: everything a server is, put together, from a data folder to a graceful end (docs/guide/operators.md)."""

import asyncio
import contextlib
import errno
import os
import resource
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

import coterie
from coterie.errors import CallerError, DeviceError
from coterie.server import events
from coterie.server.blobs import Blobs
from coterie.server.certificate import ServerCertificate, given_certificate, own_certificate, tls_context
from coterie.server.connection import HANDSHAKE_SECONDS, DeviceConnection
from coterie.server.engine import Engine, EngineAddress, engine_binary
from coterie.server.folder import DataFolder, write_durably
from coterie.server.garbage import rare_collections
from coterie.server.hub import Hub, HubIdentity
from coterie.server.keys import ServerKeys, load_keys
from coterie.server.log import STREAM, Log, LogEnds, LogUnavailable
from coterie.server.status import StatusFacts, answering_status
from coterie.server.upkeep import Upkeep
from coterie.server.view import StorageFailed, View, ViewDamaged, delete_view
from coterie.trust.address import Address, parse_address
from coterie.trust.invite import FoundLink
from coterie.wire.limits import FRAME_BYTES

CLOCK_BEHIND_MS: Final = 5 * 60 * 1000
CLOCK_AHEAD_MS: Final = 30 * 86_400 * 1000
PING_SECONDS: Final = 25
OWN_ENGINE_SECONDS: Final = 60.0
GIVEN_ENGINE_SECONDS: Final = 3.0
_OPEN_AGAIN_SECONDS: Final = 0.2
_KEPT_PORTS: Final = range(20_000, 32_000)
_PORT_TRIES: Final = 50
MOST_UNPROVEN: Final = 2_000
_READ_BUFFER: Final = 2 * 1024
"""The least picows takes; it grows with what arrives."""
_STORE_ID_BYTES: Final = 16


class ClockBehind(CallerError):
    code = "clock_behind"


class LogLost(CallerError):
    code = "log_lost"


class CannotListen(CallerError):
    code = "cannot_listen"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


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
        _allow_many_connections()
        loop = asyncio.get_running_loop()
        stack.callback(loop.set_exception_handler, loop.get_exception_handler())
        loop.set_exception_handler(events.loop_fault)
        folder = DataFolder(config.data)
        stack.callback(folder.close)
        keys = load_keys(folder)
        certificate = _certificate(config, folder)
        host, port = _where(config, folder)
        addresses = tuple(parse_address(text) for text in config.addresses) or (parse_address(f"{host}:{port}"),)
        ended = stop or _ended_by_signal()

        engine: Engine | None = None
        if config.nats is None:
            engine = Engine(folder.folder("engine"), engine_binary(config.engine_binary))
            await engine.start()
            stack.push_async_callback(engine.stop)
            log = Log(engine.address)
        else:
            log = Log(_fixed(EngineAddress(config.nats)), config.stream, config.replicas)
        stack.push_async_callback(log.close)
        ends = await _opened(log, OWN_ENGINE_SECONDS if engine is not None else GIVEN_ENGINE_SECONDS)
        view = await _fitting_view(config.data / "view.db", log, ends)
        stack.callback(view.close)

        blobs = Blobs(folder.folder("parts"), folder.folder("blobs"), config.blobs)
        identity = HubIdentity(
            keys,
            certificate.spki_hash,
            tuple(address.text for address in addresses),
            await blobs.identity(os.urandom(_STORE_ID_BYTES)),
            alone=engine is not None,
        )
        hub = Hub(identity, view, log, blobs, config.clock)
        stack.callback(hub.close)
        tail = asyncio.create_task(hub.follow_log())
        appending = asyncio.create_task(hub.append_for_ever())
        stack.push_async_callback(_cancel, tail, appending)
        await _unless_failed(tail, hub.reached(ends.last))
        _check_clock(view, ends, config.clock())
        await _unless_failed(tail, hub.come_up())

        upkeep = Upkeep(hub, blobs, config.data, engine.start_again if engine else None)
        keeping = asyncio.create_task(upkeep.run())
        stack.push_async_callback(_cancel, keeping)
        server = await _listen(hub, certificate, host, port)
        started = time.monotonic()
        url = f"wss://{Address(host.strip('[]'), port).text}"

        def facts() -> StatusFacts:
            return _facts(hub, engine, url, started, config.data)

        await stack.enter_async_context(answering_status(config.data, facts))
        stack.enter_context(rare_collections())
        events.tell("server.ready", port=port, position=view.position, engine=engine.version if engine else "external")
        on_ready(Ready(url, _founding_link(hub, keys, addresses), port))
        try:
            await _until_ended(ended, tail, keeping, appending)
        finally:
            server.close()
            hub.sessions.close_all()
            if not tail.done():
                await hub.go_down()
            events.tell("server.stopped", position=view.position)


def _allow_many_connections() -> None:
    """A connection is a file; the soft limit of a shell is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _certificate(config: ServeConfig, folder: DataFolder) -> ServerCertificate:
    """Raises BadCertificate, CallerError."""
    if config.cert is not None and config.key is not None:
        return given_certificate(config.cert, config.key)
    if config.cert is not None or config.key is not None:
        raise CallerError("--cert and --key belong together", "give both or neither")
    return own_certificate(folder.root, datetime.now(UTC))


def _where(config: ServeConfig, folder: DataFolder) -> tuple[str, int]:
    """Host and port to listen on. Raises CallerError."""
    host, colon, port = config.listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise CallerError(f"{config.listen} is no place to listen at", "write HOST:PORT, for instance 127.0.0.1:4430")
    if int(port):
        return host, int(port)
    kept = folder.root / "port"
    if kept.exists() and kept.read_text().strip().isdigit():
        return host, int(kept.read_text())
    chosen = _free_port(host)
    write_durably(kept, f"{chosen}\n".encode())
    return host, chosen


def _free_port(host: str) -> int:
    """One that will be free at the next start too: below those that the system lends to outgoing connections.
    Raises CannotListen."""
    bare = host.strip("[]")
    for _ in range(_PORT_TRIES):
        port = secrets.choice(_KEPT_PORTS)
        with socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET) as probe:
            try:
                probe.bind((bare, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise CannotListen(
                    f"cannot listen on {host}: {error.strerror}", "give --listen an address of this machine"
                ) from None
        return port
    raise CannotListen(f"no port is free on {host}", "give --listen a port")


async def _opened(log: Log, patience: float) -> LogEnds:
    """An engine that just started, or lost its leader, needs a moment. Raises LogUnavailable, LogMisconfigured."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            return await log.open()
        except LogUnavailable as error:
            if loop.time() > deadline:
                raise
            events.warn("log.not_open_yet", why=error.fact)
            await asyncio.sleep(_OPEN_AGAIN_SECONDS)


def _fixed(address: EngineAddress) -> Callable[[], Any]:
    async def given() -> EngineAddress:
        return address

    return given


async def _fitting_view(path: Path, log: Log, ends: LogEnds) -> View:
    """The view if it belongs to this log, else an empty one, to be built anew. Raises LogLost, StorageFailed."""
    try:
        view = View(path)
    except ViewDamaged as error:
        events.warn("view.rebuilt", why=error.code)
        delete_view(path)
        return View(path)
    if view.position and ends.last == 0:
        view.close()
        raise LogLost(
            "the log is empty, but this server has served one", "restore the engine's store, or give an empty --data"
        )
    if view.position <= ends.last and view.fits(await log.record(view.position) if view.position else None):
        return view
    events.warn("view.rebuilt", why="it does not fit the log", position=view.position, log_last=ends.last)
    view.close()
    delete_view(path)
    return View(path)


def _check_clock(view: View, ends: LogEnds, now: int) -> None:
    """Raises ClockBehind. The log's time is the highest that any record gave."""
    ahead = now - view.time
    if view.time and ahead < -CLOCK_BEHIND_MS:
        raise ClockBehind(
            f"this machine's clock is {-ahead // 60_000} minutes behind the log", "set the clock and start again"
        )
    if view.time and ahead > CLOCK_AHEAD_MS:
        events.warn("clock.far_ahead", days=ahead // 86_400_000, records=ends.last)


async def _listen(hub: Hub, certificate: ServerCertificate, host: str, port: int) -> asyncio.Server:
    """Raises CannotListen, BadCertificate."""

    def answer(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(404), None)
        if hub.sessions.unproven >= MOST_UNPROVEN:
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(503), None)
        return DeviceConnection(hub)

    try:
        return await ws_create_server(
            answer,
            host.strip("[]"),
            port,
            ssl=tls_context(certificate),
            backlog=1024,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=1.0,
            use_aiofastnet=False,  # as fast here, and 15 KiB more a connection (docs/decisions/picows.md)
            max_frame_size=FRAME_BYTES,
            read_buffer_init_size=_READ_BUFFER,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING_SECONDS,
            auto_ping_reply_timeout=PING_SECONDS,
            logger_name="server",
        )
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}", "is another server there?") from None


def _founding_link(hub: Hub, keys: ServerKeys, addresses: tuple[Address, ...]) -> str | None:
    log = hub.view.log
    if hub.view.register is not None or log is None or log.founding_key != keys.founding.public:
        return None
    return FoundLink(addresses, keys.service.public, keys.founding_seed).text


def _ended_by_signal() -> asyncio.Event:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


async def _unless_failed(tail: asyncio.Task[None], work: Any) -> None:
    """Wait for `work`, or raise what ended the tail."""
    working = asyncio.ensure_future(work)
    await asyncio.wait((working, tail), return_when=asyncio.FIRST_COMPLETED)
    if tail.done():
        working.cancel()
        tail.result()
        raise DeviceError("the log's tail ended", "start the server again")
    working.result()


async def _until_ended(ended: asyncio.Event, *running: asyncio.Task[None]) -> None:
    """Raises what one of the tasks raised."""
    waiting = asyncio.ensure_future(ended.wait())
    try:
        done, _ = await asyncio.wait((waiting, *running), return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            task.result()
    finally:
        waiting.cancel()


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, StorageFailed):
            events.fault("server.failed", outcome)


def _facts(hub: Hub, engine: Engine | None, url: str, started: float, data: Path) -> StatusFacts:
    view = hub.view
    register = view.register
    return {
        "version": coterie.__version__,
        "pid": os.getpid(),
        "url": url,
        "uptime_s": round(time.monotonic() - started, 1),
        "coterie": register.coterie.hex() if register else None,
        "register_seq": register.head.seq if register else 0,
        "log": {
            "position": view.position,
            "time": datetime.fromtimestamp(view.time / 1000, UTC).isoformat(),
            "digest": view.digest.hex(),
            "stalled": hub.stalled,
        },
        "engine": {
            "embedded": engine is not None,
            "version": engine.version if engine else None,
            "restarts": engine.restarts if engine else None,
            "pid": engine.pid if engine else None,
        },
        "connections": len(hub.sessions.connections),
        "operations": hub.operations_applied,
        "waiting_bytes": hub.intake.waiting_bytes,
        "disk_room": hub.disk_room,
        "disk_free_mib": shutil.disk_usage(data).free // 2**20,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 2**20),
    }
