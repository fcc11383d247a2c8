"""One device's connection: bytes to frames to the hub, and back (docs/protocol/frames.md).

Every frame gets a reply or a typed error; what is not a frame closes the connection. Nothing here waits: what a peer
does not read is bounded by not reading from it.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from coterie.ids import QueueId
from coterie.server import answers, events
from coterie.server.followers import SLOW_BYTES, Follow
from coterie.server.handshake import (
    Handshake,
    HandshakeRefused,
    Proven,
    ProvenDevice,
    ProvenLinker,
    ProvenNewcomer,
    Step,
)
from coterie.server.intake import Lane
from coterie.server.rules.outcomes import Outcome
from coterie.server.websocket import wrapped
from coterie.wire.codec import MalformedFrame, decode_greeting_untrusted, decode_request_untrusted, encode_frame
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import Error, Frame

if TYPE_CHECKING:
    from coterie.server.hub import Hub

HANDSHAKE_SECONDS: Final = 8.0
_CLOSE_SECONDS: Final = 1.0


class DeviceConnection(WSListener):
    """States: greeting (the handshake's steps), proven (waits for its session), open, closed."""

    def __init__(self, hub: "Hub") -> None:
        self.hub = hub
        self.proven: Proven | None = None
        self.open = False
        self.closed = False
        self.joined = False
        """A newcomer whose `Joined` was accepted on this connection."""
        self.follows: dict[QueueId, Follow] = {}
        self.lane = Lane(self._set_reading, self._set_reading)
        self.session: tuple[int, int] | None = None
        """Where in the log its session was opened."""
        self._handshake: Handshake | None = Handshake(hub.handshake_facts)
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._writable = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._drained: asyncio.Event | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._below = transport.underlying_transport
        self._below.set_write_buffer_limits(high=SLOW_BYTES)
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._too_late)
        self.hub.sessions.connected(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.closed:
            return
        kind = frame.msg_type
        if kind == WSMsgType.BINARY and frame.fin:
            try:
                if self.open:
                    self.hub.requests.take(self, decode_request_untrusted(frame.get_payload_as_memoryview()))
                else:
                    self._greeted(frame.get_payload_as_memoryview())
            except MalformedFrame as error:
                self.refuse(ErrorCode.MALFORMED, error.fact)
        elif kind == WSMsgType.CLOSE:
            self.closed = True
            transport.send_close()
            transport.disconnect()
        elif kind not in (WSMsgType.PING, WSMsgType.PONG):
            self.refuse(ErrorCode.MALFORMED, "only whole binary messages")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed = True
        self._out.clear()
        if self._deadline is not None:
            self._deadline.cancel()
        for task in self._tasks:
            task.cancel()
        if self._drained is not None:
            self._drained.set()
        self.hub.disconnected(self)

    def pause_writing(self) -> None:
        self._writable = False
        self._set_reading()

    def resume_writing(self) -> None:
        self._writable = True
        self._set_reading()
        if self._drained is not None:
            self._drained.set()

    # Handshake

    def _greeted(self, content: memoryview) -> None:
        if self._handshake is None or self._handshake.step is Step.PROVEN:
            self.refuse(ErrorCode.MALFORMED, "a request before Ready")
            return
        try:
            taken = self._handshake.take(decode_greeting_untrusted(content))
        except HandshakeRefused as refused:
            self.refuse(refused.code, str(refused))
            return
        if isinstance(taken, Frame):
            self.send_now(taken)
        else:
            self.proven = taken
            self.hub.sessions.proven(self, taken)

    def _too_late(self) -> None:
        if not self.open:
            self.refuse(ErrorCode.MALFORMED, f"no proof within {HANDSHAKE_SECONDS:.0f} seconds")

    def opened(self, ready: Frame) -> None:
        """The handshake is over; requests are taken from here on."""
        self.open = True
        self._handshake = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.send_now(ready)

    def end_after(self, seconds: float, message: str) -> None:
        """Refuse it then, if it is still there."""
        refuse = partial(self.refuse, ErrorCode.NOT_IN_FORCE, message)
        self._deadline = asyncio.get_running_loop().call_later(seconds, refuse)

    @property
    def device(self) -> ProvenDevice | None:
        return self.proven if isinstance(self.proven, ProvenDevice) else None

    @property
    def newcomer(self) -> ProvenNewcomer | None:
        return self.proven if isinstance(self.proven, ProvenNewcomer) else None

    @property
    def linker(self) -> ProvenLinker | None:
        return self.proven if isinstance(self.proven, ProvenLinker) else None

    # Sending

    def reply(self, request: int, outcome: Outcome | None) -> None:
        """Answer an operation by what became of it."""
        self.send(answers.reply_to(request, outcome))

    def send(self, frame: Frame) -> None:
        """With the hub's next flush."""
        self.push(wrapped(encode_frame(frame)))

    def send_now(self, frame: Frame) -> None:
        self.push(wrapped(encode_frame(frame)))
        self.flush()

    def push(self, wrapped_frame: bytes) -> None:
        if self.closed:
            return
        if not self._out:
            self.hub.to_flush(self)
        self._out.append(wrapped_frame)
        self._out_bytes += len(wrapped_frame)

    def flush(self) -> None:
        out = self._out
        if out:
            self._below.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()
            self._out_bytes = 0

    def is_slow(self) -> bool:
        return not self._writable or self._out_bytes > SLOW_BYTES

    async def drained(self) -> None:
        """Returns when the peer has read enough for more to be written, or is gone."""
        while not self._writable and not self.closed:
            self._drained = asyncio.Event()
            await self._drained.wait()

    def error(self, request: int, code: ErrorCode, message: str, retry_after: float | None = None) -> None:
        self.send(Error(request, code.value, message, retry_after))

    # Ending

    def refuse(self, code: ErrorCode, message: str) -> None:
        """Say why, and close."""
        self.end_with(Error(0, code.value, message))

    def end_with(self, last: Frame) -> None:
        if self.closed:
            return
        self.send_now(last)
        self.closed = True
        self._transport.send_close(WSCloseCode.POLICY_VIOLATION)
        self._transport.disconnect()
        # a peer that does not read must not keep the socket
        asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self._transport.disconnect, False)

    def spawn(self, work: Coroutine[Any, Any, None], request: int, size: int = 0) -> None:
        """Run what answers `request` beside the connection, no longer than it. It counts as waiting until then."""
        self.hub.intake.begin(self.lane, size)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, request, size))

    def _done(self, request: int, size: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.hub.intake.end(self.lane, size)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            events.fault("request.failed", error)
            self.send(answers.internal(request))

    # Reading from the socket

    def _set_reading(self) -> None:
        if self._below.is_closing():
            return
        if self.lane.paused or not self._writable:
            self._below.pause_reading()
        else:
            self._below.resume_reading()
