"""The malicious twin of a server, frame by frame.

It stands where a device looks for its server, holds the server's certificate and service key (the server *is* the
attacker), and passes everything on to a real hub. The handshake passes through as it is, because the certificate is
the hub's own; a `Trick` then rewrites what the device asks and what it is answered.
"""

import asyncio
import contextlib
import datetime
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

import picows

from coterie.ids import CoterieId, DeviceId, EntryHash, PublicKey, QueueId, Seed
from coterie.server.certificate import own_certificate, tls_context
from coterie.trust.heads import RegisterHead, sign_head
from coterie.trust.keys import SigningKey
from coterie.wire import frames
from coterie.wire.codec import (
    decode_answer_untrusted,
    decode_greeting_untrusted,
    decode_request_untrusted,
    encode_frame,
)
from coterie.wire.frames import Frame, Push, Reply, Request, Welcoming
from coterie.wire.limits import FRAME_BYTES

Answer = Welcoming | Reply | Push
OWN_IDS: Final = 2**40
"""Request numbers from here on are the twin's own; a device never sees their replies."""
SECONDS: Final = 20.0


class Trick:
    """What is done to one device's connections. By default: nothing."""

    def asked(self, wire: "Wire", request: Request) -> Iterable[Frame]:
        """What the hub is asked in place of `request`."""
        return (request,)

    def answered(self, wire: "Wire", answer: Answer) -> Iterable[Frame]:
        """What the device is told in place of `answer`."""
        return (answer,)


class Wire:
    """One connection of a device, and the one to the hub that belongs to it."""

    def __init__(self, twin: "Twin") -> None:
        self.twin = twin
        self.device: DeviceId | None = None
        self.requests: list[Request] = []
        self.said: list[Frame] = []
        """What the device was told."""
        self._down: picows.WSTransport | None = None
        self._up: picows.WSTransport | None = None
        self._waiting: list[bytes] = []
        self._asked: dict[int, Request] = {}
        self._numbers = itertools.count(OWN_IDS)
        self._own: dict[int, asyncio.Future[Reply]] = {}
        self._greetings = 0
        self._gone = False

    # for tricks and tests

    def say(self, *told: Frame) -> None:
        """Tell the device."""
        for frame in told:
            self.said.append(frame)
            self.say_bytes(encode_frame(frame))

    def say_bytes(self, payload: bytes) -> None:
        if self._down is not None and not self._gone:
            self._down.send(picows.WSMsgType.BINARY, payload)

    def ask(self, *asked: Frame) -> None:
        """Ask the hub, as if the device had."""
        for frame in asked:
            encoded = encode_frame(frame)
            if self._up is None:
                self._waiting.append(encoded)
            else:
                self._up.send(picows.WSMsgType.BINARY, encoded)

    async def own(self, make: Callable[[int], Request]) -> Reply:
        """A request of the twin's own, in the device's name."""
        number = next(self._numbers)
        self._own[number] = asyncio.get_running_loop().create_future()
        self.ask(make(number))
        return await asyncio.wait_for(self._own[number], SECONDS)

    def question(self, reply: Reply) -> Request | None:
        """What the device had asked."""
        return self._asked.get(reply.id)

    def hang_up(self) -> None:
        self._gone = True
        for transport in (self._down, self._up):
            if transport is not None:
                transport.disconnect(graceful=False)

    # picows, by the two sides below

    def from_device(self, payload: bytes) -> None:
        if self._greetings < 2:
            self._greetings += 1
            greeting = decode_greeting_untrusted(payload)
            if isinstance(greeting, frames.Prove):
                self.device = greeting.device
            self.twin.greetings.append(greeting)
            self.ask(greeting)
            return
        request = decode_request_untrusted(payload)
        self.requests.append(request)
        self.twin.requests.append(request)
        self._asked[request.id] = request
        self.ask(*self.twin.trick.asked(self, request))

    def from_hub(self, payload: bytes) -> None:
        answer = decode_answer_untrusted(payload)
        number = getattr(answer, "id", 0)
        if number >= OWN_IDS:
            waiting = self._own.pop(number)
            if not waiting.done():
                waiting.set_result(answer)  # type: ignore[arg-type]  # only replies have such an id
            return
        self.twin.heard.append(answer)
        self.say(*self.twin.trick.answered(self, answer))

    def connected_up(self, transport: picows.WSTransport) -> None:
        self._up = transport
        for encoded in self._waiting:
            transport.send(picows.WSMsgType.BINARY, encoded)
        self._waiting.clear()

    def connected_down(self, transport: picows.WSTransport) -> None:
        self._down = transport


class _Down(picows.WSListener):
    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.wire.connected_down(transport)
        self.wire.twin.opened(self.wire)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.BINARY:
            self.wire.from_device(frame.get_payload_as_bytes())
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            self.wire.hang_up()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.wire.hang_up()


class _Up(picows.WSListener):
    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.wire.connected_up(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.BINARY:
            self.wire.from_hub(frame.get_payload_as_bytes())
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            self.wire.hang_up()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.wire.hang_up()


class Twin:
    """Where one person looks for the server. `data` is the server's data folder, `hub` the real hub's HOST:PORT."""

    def __init__(self, data: Path, hub: str, *, context: ssl.SSLContext | None = None) -> None:
        self.hub = hub
        self.trick = Trick()
        self.wires: list[Wire] = []
        self.greetings: list[frames.Greeting] = []
        self.requests: list[Request] = []
        """Everything its devices asked, in order, …"""
        self.heard: list[Answer] = []
        """… and everything that the hub said to them, before any trick."""
        self.address = ""
        self.service = SigningKey(Seed(bytes.fromhex((data / "service.key").read_text("ascii").strip())))
        self._context = context or tls_context(own_certificate(data, datetime.datetime.now(datetime.UTC)))
        self._dialling: set[asyncio.Task[None]] = set()

    @property
    def wire(self) -> Wire:
        """The newest connection."""
        return self.wires[-1]

    def sign_head(self, coterie: CoterieId, seq: int, entry: bytes, generation: int = 0) -> frames.SignedHead:
        """A head of the register, truly signed by the service key."""
        signed = sign_head(self.service, coterie, generation, RegisterHead(seq, EntryHash(entry)))
        return frames.SignedHead(signed.generation, signed.seq, signed.hash, signed.signature)

    @property
    def public(self) -> PublicKey:
        return self.service.public

    def payloads(self, queue: QueueId) -> list[bytes]:
        """What was appended to a queue by this person's devices: messages and commits as they crossed the wire."""
        return [
            request.payload
            for request in self.requests
            if isinstance(request, (frames.Post, frames.Advance)) and request.queue == queue
        ]

    def opened(self, wire: Wire) -> None:
        self.wires.append(wire)
        task = asyncio.get_running_loop().create_task(self._dial(wire))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, wire: Wire) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            await picows.ws_connect(
                lambda: _Up(wire), f"wss://{self.hub}/", ssl_context=context, max_frame_size=FRAME_BYTES
            )
        except (OSError, picows.WSError):
            wire.hang_up()

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator["Twin"]:
        server = await picows.ws_create_server(
            lambda _: _Down(Wire(self)), "127.0.0.1", 0, ssl=self._context, max_frame_size=FRAME_BYTES
        )
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        try:
            yield self
        finally:
            server.close()
            for wire in self.wires:
                wire.hang_up()
            if self._dialling:
                await asyncio.wait(self._dialling, timeout=SECONDS)


async def eventually(happened: Callable[[], bool], changed: Callable[[], Awaitable[object]]) -> None:
    """Wait until `happened`, looking again after each `changed`."""
    async with asyncio.timeout(SECONDS):
        while not happened():
            await changed()
