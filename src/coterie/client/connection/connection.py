"""One open connection: requests with their replies, pushes, and the end with its reason.

Requests are pipelined: they go out in the order of the calls, and each gets its own answer. Nothing is retried here.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, overload

import coterie.wire.frames as f
from coterie.client.connection.errors import (
    ConnectionLost,
    MalformedAnswer,
    ServerUnavailable,
    ServerUnreachable,
    WrongServer,
    error_of,
)
from coterie.client.connection.handshake import Proof, shake_hands
from coterie.client.connection.link import Answer, Link, dial
from coterie.client.connection.pushes import Pushes, TooMuchPushed
from coterie.client.connection.replies import REPLIES
from coterie.errors import CoterieError, OfflineError, PeerError
from coterie.ids import CoterieId, PublicKey
from coterie.wire.codec import encode_frame
from coterie.wire.limits import FRAME_BYTES

OPEN_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 30.0
MOST_PIPELINED: Final = 64


@dataclass(frozen=True)
class _Waiting:
    request: f.Request
    reply: "asyncio.Future[f.Reply]"


class Connection:
    """Made by `open`. `ready` is what the hub said; `position` its newest log position, to hand back next time;
    `pushes` what it pushes, in order; `closed` is set at the end, and `reason` then says why."""

    def __init__(self, link: Link, address: str, ready: f.Ready) -> None:
        self.address = address
        self.ready = ready
        self.position = ready.position
        self.pushes = Pushes()
        self.closed = asyncio.Event()
        self.reason: CoterieError | None = None
        self._link = link
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Waiting] = {}
        self._window = asyncio.Semaphore(max(1, min(MOST_PIPELINED, ready.limits.waiting_operations)))
        link.deliver_to(self._receive, self._ended)

    @classmethod
    async def open(
        cls,
        addresses: Sequence[str],
        service_key: PublicKey,
        coterie: CoterieId,
        who: Proof,
        *,
        position: bytes = b"",
        within: float = OPEN_SECONDS,
    ) -> Self:
        """Try the addresses (`HOST:PORT`) in turn, `within` seconds each; the first hub that proves the service key
        and takes the proof is it.

        Raises at once StoreWasCopied and ServerRefused (the typed refusals): no other hub would answer otherwise.
        When no address is left: WrongServer or MalformedAnswer if one was, else ServerUnavailable if one said so, else
        ServerUnreachable.
        """
        failures: list[CoterieError] = []
        for address in addresses:
            try:
                return await cls._open_one(address, service_key, coterie, who, position, within)
            except (OfflineError, WrongServer, MalformedAnswer) as failure:
                failures.append(failure)
        loudest = min(failures, key=_loudness, default=None)
        if loudest is not None and _loudness(loudest) < _SILENT:
            raise loudest
        facts = "; ".join(failure.fact for failure in failures) or "no address is known"
        raise ServerUnreachable(f"the server is not to be reached: {facts}", "what is queued goes out later")

    @classmethod
    async def _open_one(
        cls, address: str, service_key: PublicKey, coterie: CoterieId, who: Proof, position: bytes, within: float
    ) -> Self:
        try:
            async with asyncio.timeout(within):
                link = await dial(address)
                try:
                    ready = await shake_hands(link, address, service_key, coterie, who, position, os.urandom(32))
                except BaseException:
                    link.end(ConnectionLost("the handshake failed"))
                    raise
        except TimeoutError:
            raise ServerUnreachable(f"{address} did not answer within {within:.0f} s") from None
        return cls(link, address, ready)

    @overload
    async def request(self, make: Callable[..., f.OpenQueue], /, **fields: Any) -> f.Opened: ...

    @overload
    async def request(self, make: Callable[..., f.Post], /, **fields: Any) -> f.Posted | f.Stale: ...

    @overload
    async def request(self, make: Callable[..., f.Advance], /, **fields: Any) -> f.Advanced | f.Conflict: ...

    @overload
    async def request(self, make: Callable[..., f.Read], /, **fields: Any) -> f.Entries | f.Behind: ...

    @overload
    async def request(self, make: Callable[..., f.Follow], /, **fields: Any) -> f.Following | f.Behind: ...

    @overload
    async def request(
        self, make: Callable[..., f.Unfollow | f.CloseQueue | f.PutPacket | f.PacketDone], /, **fields: Any
    ) -> f.Done: ...

    @overload
    async def request(self, make: Callable[..., f.PutKeyPackages | f.KeyPackageStock], /, **fields: Any) -> f.Stock: ...

    @overload
    async def request(self, make: Callable[..., f.ClaimKeyPackage], /, **fields: Any) -> f.Claimed: ...

    @overload
    async def request(self, make: Callable[..., f.GetBundles], /, **fields: Any) -> f.Bundles: ...

    @overload
    async def request(self, make: Callable[..., f.PutBlob], /, **fields: Any) -> f.BlobHas: ...

    @overload
    async def request(self, make: Callable[..., f.GetBlob], /, **fields: Any) -> f.BlobChunk: ...

    @overload
    async def request(
        self, make: Callable[..., f.RegisterAppend], /, **fields: Any
    ) -> f.Appended | f.RegisterMoved: ...

    @overload
    async def request(self, make: Callable[..., f.RegisterRead], /, **fields: Any) -> f.RegisterEntries: ...

    @overload
    async def request(self, make: Callable[..., f.GetPacket], /, **fields: Any) -> f.Packet: ...

    async def request(self, make: Callable[..., f.Request], /, **fields: Any) -> f.Reply:
        """Send `make(number, **fields)` and return its reply: `await c.request(Post, queue=…, …)`, or with a function
        of the number. At most as many as the hub takes are out at once; further calls wait their turn.

        Raises ServerRefused or ServerUnavailable (an `Error` frame), and the reason of the connection's end
        (ConnectionLost, MalformedAnswer, Superseded). No answer in 30 s ends the connection. A request that does not
        fit a frame is a ValueError, and nothing was sent.
        """
        request = make(next(self._numbers), **fields)
        encoded = encode_frame(request)
        if len(encoded) > FRAME_BYTES:
            raise ValueError(f"a request of {len(encoded)} bytes; the most is {FRAME_BYTES}")
        await self._window.acquire()
        if self.reason is not None:
            # wake the next who waits: it is told the same
            self._window.release()
            raise self.reason
        reply: asyncio.Future[f.Reply] = asyncio.get_running_loop().create_future()
        self._pending[request.id] = _Waiting(request, reply)
        self._link.send(encoded)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await reply
        except TimeoutError:
            lost = ConnectionLost(f"the server did not answer a request for {REQUEST_SECONDS:.0f} s")
            self._link.end(lost)
            raise lost from None

    async def close(self) -> None:
        """End it; requests still waiting raise ConnectionLost. Again: nothing."""
        self._link.end(ConnectionLost("the connection was closed"))
        await self._link.ended()

    def _receive(self, answer: Answer, size: int) -> None:
        match answer:
            case f.Error(id=0):
                self._link.end(error_of(answer))
            case f.Position():
                self.position = answer.position
            case f.Pushed() | f.FollowEnded() | f.RegisterPushed():
                try:
                    self.pushes.put(answer, size)
                except TooMuchPushed:
                    self._link.end(ConnectionLost("the server pushes more than this device can take in"))
            case f.Challenge() | f.Ready() | f.StoreCopied():
                self._link.end(MalformedAnswer(f"{type(answer).__name__} after the handshake"))
            case _:
                self._reply(answer)

    def _reply(self, reply: f.Reply) -> None:
        waiting = self._pending.get(reply.id)
        if waiting is None or not isinstance(reply, (f.Error, *REPLIES[type(waiting.request)])):
            self._link.end(MalformedAnswer(f"{type(reply).__name__} answers no request"))
            return
        del self._pending[reply.id]
        self._window.release()
        if isinstance(waiting.request, f.Follow) and isinstance(reply, f.Following):
            self.pushes.followed_again(waiting.request.queue)
        if waiting.reply.done():
            return  # who asked was cancelled
        if isinstance(reply, f.Error):
            waiting.reply.set_exception(error_of(reply))
        else:
            waiting.reply.set_result(reply)

    def _ended(self, reason: CoterieError) -> None:
        self.reason = reason
        self.closed.set()
        self.pushes.close()
        for waiting in self._pending.values():
            if not waiting.reply.done():
                waiting.reply.set_exception(reason)
        self._pending.clear()
        self._window.release()


_SILENT: Final = 2


def _loudness(failure: CoterieError) -> int:
    """Which of several failures people should hear of: the lowest."""
    match failure:
        case PeerError():
            return 0
        case ServerUnavailable():
            return 1
        case _:
            return _SILENT
