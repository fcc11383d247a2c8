"""The load generator's side of one connection: TLS, the handshake with a device's proof, frames. No store, no MLS.

Built to cost little beside the hub it measures; every frame is still decoded as strictly as a device does.
"""

import asyncio
import hashlib
import itertools
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from coterie.ids import CoterieId, DeviceId, PublicKey, QueueId
from coterie.trust.keys import SigningKey, device_id
from coterie.trust.prove import Channel, Prover, sign_proof, verify_challenge
from coterie.wire import frames
from coterie.wire.codec import decode_answer_untrusted, encode_frame
from coterie.wire.limits import FRAME_BYTES
from coterie.wire.queues import QueuePurpose, QueueTerms, queue_id, token_hash

ANSWER_SECONDS: Final = 60.0
WINDOW: Final = 32
"""Requests that one connection has under way when it asks for many things."""
_QUEUE_TTL_S: Final = 86_400
F = TypeVar("F", bound=frames.Frame)


class Refused(Exception):
    """The hub answered something else, or closed the connection."""


@dataclass(slots=True)
class BenchDevice:
    """A device in force, as far as a hub can tell."""

    key: SigningKey
    coterie: CoterieId
    service_key: PublicKey
    counter: int = 0

    @property
    def id(self) -> DeviceId:
        return device_id(self.key.public)

    async def connect(self, url: str) -> "Connection":
        """Proven and open. Raises Refused."""
        connection = await Connection.open(url)
        channel = await connection.challenged(self.coterie, self.service_key)
        self.counter += 1
        connection.send(frames.Prove(self.id, sign_proof(self.key, Prover.DEVICE, channel), self.counter))
        await connection.ready()
        return connection


@dataclass(frozen=True, slots=True)
class OpenedQueue:
    queue: QueueId
    post_token: bytes
    read_token: bytes


class Connection(WSListener):
    """Answers go to who asked; what a followed queue brings goes to `on_pushed`, a stored post to `on_posted`."""

    def __init__(self) -> None:
        self.on_pushed: Callable[[frames.Pushed], None] = _ignore
        self.on_posted: Callable[[frames.Posted], None] = _ignore
        self.lost = False
        self._asked: dict[int, asyncio.Future[frames.Frame]] = {}
        self._greeted: asyncio.Queue[frames.Frame | None] = asyncio.Queue()
        self._ids = itertools.count(1)
        self._closing = False

    @classmethod
    async def open(cls, url: str) -> "Connection":
        _, connection = await ws_connect(cls, url, ssl_context=_TLS, max_frame_size=FRAME_BYTES)
        assert isinstance(connection, Connection)
        return connection

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        tls = transport.underlying_transport.get_extra_info("ssl_object")
        self._certificate = _key_hash(tls.getpeercert(binary_form=True))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.BINARY:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        answer = decode_answer_untrusted(frame.get_payload_as_memoryview())
        if isinstance(answer, frames.Pushed):
            self.on_pushed(answer)
        elif isinstance(answer, frames.Posted):
            self.on_posted(answer)
        elif (asked := self._asked.pop(getattr(answer, "id", 0), None)) is not None:
            asked.set_result(answer)
        elif not isinstance(answer, frames.RegisterPushed | frames.Position):
            self._greeted.put_nowait(answer)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.lost = not self._closing
        self._greeted.put_nowait(None)
        for asked in self._asked.values():
            asked.set_exception(Refused("the connection ended"))
        self._asked.clear()

    def send(self, frame: frames.Frame) -> None:
        self._transport.send(WSMsgType.BINARY, encode_frame(frame))

    def number(self) -> int:
        return next(self._ids)

    async def ask(self, request: frames.Request, kind: type[F]) -> F:
        """Send, and wait for a reply of this kind. Raises Refused."""
        asked = asyncio.get_running_loop().create_future()
        self._asked[request.id] = asked
        self.send(request)
        reply = await asyncio.wait_for(asked, ANSWER_SECONDS)
        if not isinstance(reply, kind):
            raise Refused(f"{type(request).__name__}: {reply!r} {getattr(reply, 'message', '')}")
        return reply

    async def close(self) -> None:
        self._closing = True
        self._transport.disconnect()
        await self._transport.wait_disconnected()

    # The handshake

    async def challenged(self, coterie: CoterieId, service_key: PublicKey) -> Channel:
        """Raises Refused, ForgedSignature."""
        nonce = os.urandom(32)
        self.send(frames.Hello([1], coterie, nonce))
        challenge = await self._greeting(frames.Challenge)
        channel = Channel(nonce, challenge.nonce, self._certificate, service_key, coterie)
        verify_challenge(channel, challenge.signature)
        return channel

    async def ready(self) -> frames.Ready:
        """Raises Refused."""
        return await self._greeting(frames.Ready)

    async def _greeting(self, kind: type[F]) -> F:
        said = await asyncio.wait_for(self._greeted.get(), ANSWER_SECONDS)
        if not isinstance(said, kind):
            raise Refused(f"{said!r} {getattr(said, 'message', '')}")
        return said

    # Queues

    async def open_queue(self) -> OpenedQueue:
        """Raises Refused."""
        opened = OpenedQueue(QueueId(b""), os.urandom(32), os.urandom(32))
        terms = QueueTerms(
            QueuePurpose.ROOM, token_hash(opened.post_token), token_hash(opened.read_token), b"", os.urandom(16)
        )
        queue = queue_id(terms)
        await self.ask(frames.OpenQueue(self.number(), queue, terms, 0, _QUEUE_TTL_S), frames.Opened)
        return OpenedQueue(queue, opened.post_token, opened.read_token)

    async def open_queues(self, count: int) -> list[OpenedQueue]:
        """Raises Refused."""
        opened: list[OpenedQueue] = []
        while len(opened) < count:
            batch = min(WINDOW, count - len(opened))
            opened += await asyncio.gather(*(self.open_queue() for _ in range(batch)))
        return opened

    async def follow(self, opened: OpenedQueue) -> None:
        """From its first entry. Raises Refused."""
        await self.ask(frames.Follow(self.number(), opened.queue, opened.read_token, 0), frames.Following)


def _ignore(_answer: frames.Frame) -> None:
    """Nobody wants it yet."""


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # as a device does: the challenge's signature is over this certificate, by the pinned service key
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_TLS: Final = _tls()
_hashes: dict[bytes, bytes] = {}


def _key_hash(certificate: bytes) -> bytes:
    if certificate not in _hashes:
        key = x509.load_der_x509_certificate(certificate).public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        _hashes[certificate] = hashlib.sha256(encoded).digest()
    return _hashes[certificate]
