"""One WebSocket in TLS 1.3, as frames: whole frames out, decoded answers in. Knows no handshake and no requests."""

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

import picows
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coterie.client.connection.errors import ConnectionLost, MalformedAnswer, ServerUnreachable
from coterie.errors import CoterieError
from coterie.wire.codec import MalformedFrame, decode_answer_untrusted
from coterie.wire.frames import Push, Reply, Welcoming
from coterie.wire.limits import FRAME_BYTES

Answer = Welcoming | Reply | Push

_PING_AFTER_SECONDS: Final = 30
_PONG_WITHIN_SECONDS: Final = 15


class Link(picows.WSListener):
    """Ends once, with a reason: `on_end` is called then. Until `deliver` is set, answers wait (the handshake takes them
    one by one with `next`)."""

    def __init__(self) -> None:
        self.reason: CoterieError | None = None
        self._transport: picows.WSTransport | None = None
        self._waiting: deque[tuple[Answer, int]] = deque()
        self._changed = asyncio.Event()
        self._deliver: Callable[[Answer, int], None] | None = None
        self._on_end: Callable[[CoterieError], None] | None = None

    @property
    def certificate(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo of the certificate as seen here. Raises MalformedAnswer."""
        if self._transport is None:
            raise MalformedAnswer("there is no connection")
        tls = self._transport.underlying_transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True)
        try:
            key = x509.load_der_x509_certificate(der).public_key()
            return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise MalformedAnswer("its certificate") from None

    def send(self, encoded: bytes) -> None:
        """Hand a frame to the socket. After the end: nothing (who waits for an answer has been told the reason)."""
        if self.reason is None and self._transport is not None:
            self._transport.send(picows.WSMsgType.BINARY, encoded)

    async def next(self) -> Answer:
        """The next answer, while nobody is delivered to. Raises the reason of the end."""
        while not self._waiting:
            if self.reason is not None:
                raise self.reason
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()[0]

    def deliver_to(self, deliver: Callable[[Answer, int], None], on_end: Callable[[CoterieError], None]) -> None:
        """From now on every answer, with its size in bytes, and the end are handed over as they come."""
        self._deliver, self._on_end = deliver, on_end
        while self._waiting and self.reason is None:
            deliver(*self._waiting.popleft())
        if self.reason is not None:
            on_end(self.reason)

    def end(self, reason: CoterieError) -> None:
        """Close, because of `reason`. Again: nothing."""
        if self.reason is not None:
            return
        self.reason = reason
        self._changed.set()
        if self._transport is not None:
            self._transport.disconnect()
        if self._on_end is not None:
            self._on_end(reason)

    async def ended(self) -> None:
        """Returns when the socket is closed."""
        if self._transport is not None:
            try:
                await self._transport.wait_disconnected()
            except (picows.WSError, OSError):
                return

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if self.reason is not None or frame.msg_type in (picows.WSMsgType.PING, picows.WSMsgType.PONG):
            return
        if frame.msg_type is picows.WSMsgType.CLOSE:
            self.end(ConnectionLost("the server closed the connection"))
        elif frame.msg_type is not picows.WSMsgType.BINARY or not frame.fin:
            self.end(MalformedAnswer("not one binary frame"))
        else:
            self._take(frame.get_payload_as_memoryview())

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.end(ConnectionLost("the connection to the server broke"))

    def _take(self, payload: memoryview) -> None:
        try:
            answer = decode_answer_untrusted(payload)
        except MalformedFrame as error:
            self.end(MalformedAnswer(error.fact))
            return
        if self._deliver is not None:
            self._deliver(answer, len(payload))
        elif len(self._waiting) >= _WAITING_ANSWERS:
            self.end(MalformedAnswer("more than the handshake's frames"))
        else:
            self._waiting.append((answer, len(payload)))
            self._changed.set()


# Between `Ready` and `deliver_to` the event loop does not turn: only what came in the same read can wait.
_WAITING_ANSWERS: Final = 1024


async def dial(address: str) -> Link:
    """Connect to `HOST:PORT`. Raises ServerUnreachable; the caller bounds the time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Who the certificate names does not matter: its key is signed over with the pinned service key (trust.prove)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _, link = await picows.ws_connect(
            Link,
            f"wss://{address}/",
            ssl_context=context,
            max_frame_size=FRAME_BYTES,
            max_redirects=0,
            enable_auto_ping=True,
            auto_ping_idle_timeout=_PING_AFTER_SECONDS,
            auto_ping_reply_timeout=_PONG_WITHIN_SECONDS,
        )
    except (OSError, picows.WSError, picows.WSInvalidURL, ValueError) as error:
        raise ServerUnreachable(f"{address} does not answer ({type(error).__name__})") from None
    # picows gives none when the server was gone again before the handshake's end
    if not isinstance(link, Link):
        raise ServerUnreachable(f"{address} does not answer (it closed the connection)")
    return link
