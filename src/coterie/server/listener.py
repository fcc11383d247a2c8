"""Where a server listens, and the listening itself: TLS and WebSocket, each connection a `DeviceConnection`."""

import asyncio
import errno
import secrets
import socket
from typing import Final

from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from coterie.errors import CallerError
from coterie.server.certificate import ServerCertificate, tls_context
from coterie.server.connection import HANDSHAKE_SECONDS, DeviceConnection
from coterie.server.folder import DataFolder, write_durably
from coterie.server.hub import Hub
from coterie.wire.limits import FRAME_BYTES

PING_SECONDS: Final = 25
MOST_UNPROVEN: Final = 2_000
_KEPT_PORTS: Final = range(20_000, 32_000)
_PORT_TRIES: Final = 50
_READ_BUFFER: Final = 2 * 1024
"""The least picows takes; it grows with what arrives."""


class CannotListen(CallerError):
    code = "cannot_listen"


def where_to_listen(listen: str, folder: DataFolder) -> tuple[str, int]:
    """Host and port of `listen`, HOST:PORT. Port 0 is chosen once and kept in `folder`. Raises CallerError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise CallerError(f"{listen} is no place to listen at", "write HOST:PORT, for instance 127.0.0.1:4430")
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


async def listen(hub: Hub, certificate: ServerCertificate, host: str, port: int) -> asyncio.Server:
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
