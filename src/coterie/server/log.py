"""The log on JetStream: open, read from a place, follow for ever, append (docs/protocol/log.md, "Engine").

Nothing but bytes goes to the engine. What the tail brings is durable; what was appended is known to be in the log only
when the tail brings it. Stream sequences are dense, so a gap is seen, and the tail starts over behind its last record.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from coterie.errors import CallerError, DeviceError
from coterie.server import events
from coterie.server.engine import EngineAddress

STREAM: Final = "COTERIE"
HEARTBEAT_SECONDS: Final = 5
_SILENCE_SECONDS: Final = 2 * HEARTBEAT_SECONDS + 1
_REQUEST_SECONDS: Final = 10.0
_BACKOFF_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_PENDING_BYTES: Final = 64 * 1024 * 1024
_OPEN_AGAIN_SECONDS: Final = 0.2
_NOT_FOUND: Final = 404
_STREAM_NOT_FOUND: Final = 10059
_SEQUENCE_TOKEN: Final = 5
"""In `$JS.ACK.stream.consumer.delivered.SEQ.…`; newer servers put two more tokens in front of the stream."""


class LogUnavailable(DeviceError):
    """The engine cannot be reached or does not answer; trying again is right."""

    code = "log_unavailable"


class LogMisconfigured(CallerError):
    code = "log_misconfigured"


@dataclass(frozen=True, slots=True)
class LogRecord:
    seq: int
    content: bytes


@dataclass(frozen=True, slots=True)
class LogEnds:
    """The first and the last sequence number; an empty log has last = first - 1."""

    first: int
    last: int


class Log:
    """One stream. Connections come and go inside; `address` says where the engine is now."""

    def __init__(
        self, address: Callable[[], Awaitable[EngineAddress]], stream: str = STREAM, replicas: int = 1
    ) -> None:
        self._address = address
        self._stream = stream
        self._subject = f"{stream}.log"
        self._replicas = replicas
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._lost = asyncio.Event()

    async def open(self) -> LogEnds:
        """Make the stream or check that it is configured as it must be. Raises LogUnavailable, LogMisconfigured."""
        info = await self._ask(f"STREAM.INFO.{self._stream}", {})
        if info.get("error", {}).get("err_code") == _STREAM_NOT_FOUND:
            info = await self._ask(f"STREAM.CREATE.{self._stream}", self._configuration())
        if "error" in info:
            raise LogUnavailable(f"the engine does not give the log: {info['error'].get('description')}")
        wrong = [name for name, value in self._configuration().items() if info["config"].get(name) != value]
        if wrong:
            raise LogMisconfigured(
                f"the stream {self._stream} is not configured as a log: {', '.join(wrong)}",
                "see the operators' guide for its settings; nothing was changed",
            )
        return LogEnds(info["state"]["first_seq"] or 1, info["state"]["last_seq"])

    async def open_within(self, seconds: float) -> LogEnds:
        """The same; an engine that just started, or lost its leader, needs a moment."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            try:
                return await self.open()
            except LogUnavailable as error:
                if loop.time() > deadline:
                    raise
                events.warn("log.not_open_yet", why=error.fact)
                await asyncio.sleep(_OPEN_AGAIN_SECONDS)

    async def record(self, seq: int) -> bytes | None:
        """The record's bytes, from the leader; None if it is not there. Raises LogUnavailable."""
        answer = await self._ask(f"STREAM.MSG.GET.{self._stream}", {"seq": seq})
        if "error" in answer:
            if answer["error"].get("code") == _NOT_FOUND:
                return None
            raise LogUnavailable(f"the engine does not give record {seq}: {answer['error'].get('description')}")
        return base64.b64decode(answer["message"].get("data", ""))

    async def append(self, content: bytes, reply: str) -> None:
        """Send one record; the engine answers to `reply`. Returns when the bytes are on their way, which promises
        nothing. Raises LogUnavailable."""
        client = await self._connected()
        with _while_it_is_there():
            await client.publish(self._subject, content, reply=reply)

    @contextlib.asynccontextmanager
    async def answers(self, inbox: str, take: Callable[[str, bytes], None]) -> AsyncIterator[asyncio.Event]:
        """While entered, answers below `inbox` go to `take(reply, content)`; the event is set when the connection is
        lost. Raises LogUnavailable."""
        client = await self._connected()
        lost = self._lost

        async def pass_on(message: Msg) -> None:
            take(message.subject, message.data)

        with _while_it_is_there():
            subscription = await client.subscribe(f"{inbox}.*", cb=pass_on)
        try:
            yield lost
        finally:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def tail(self, after: int) -> AsyncGenerator[LogRecord, None]:
        """Every record behind `after`, in order, each once, for ever; waits out an engine that is away."""
        failures = 0
        while True:
            try:
                async with contextlib.aclosing(self._consume(after)) as records:
                    async for record in records:
                        after, failures = record.seq, 0
                        yield record
            except LogUnavailable as error:
                events.warn("log.tail_again", after=after, why=error.fact)
                await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
                failures += 1

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(NatsError, OSError):
                await client.close()

    async def _consume(self, after: int) -> AsyncGenerator[LogRecord, None]:
        """One ordered consumer, until something is amiss: LogUnavailable."""
        client = await self._connected()
        lost = self._lost
        arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        """None: the connection is lost."""
        inbox = client.new_inbox()
        with _while_it_is_there():
            subscription = await client.subscribe(inbox, cb=arrived.put, pending_bytes_limit=_PENDING_BYTES)
        losing = asyncio.ensure_future(lost.wait())
        losing.add_done_callback(lambda _: arrived.put_nowait(None))
        try:
            consumer = await self._ask(f"CONSUMER.CREATE.{self._stream}", self._consumer(inbox, after + 1))
            if "error" in consumer:
                raise LogUnavailable(f"the engine gives no consumer: {consumer['error'].get('description')}")
            while True:
                message = await _next(arrived)
                if message.headers and "Status" in message.headers:
                    await _keep_flowing(client, message, after)
                    continue
                seq = _sequence(message.reply)
                if seq != after + 1:
                    raise LogUnavailable(f"record {seq} came after {after}")
                after = seq
                yield LogRecord(seq, message.data)
        finally:
            losing.cancel()
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is not None and self._client.is_connected:
                return self._client
            address = await self._address()
            lost = asyncio.Event()

            async def closed() -> None:
                lost.set()

            async def complain(error: Exception) -> None:
                events.warn("log.connection", error=type(error).__name__)

            try:
                self._client = await nats.connect(
                    address.url,
                    user=address.user,
                    password=address.password,
                    allow_reconnect=False,  # the engine may be elsewhere by then: `address` knows
                    max_reconnect_attempts=1,  # or the first connection is tried for two minutes
                    reconnect_time_wait=0.05,
                    connect_timeout=2,
                    pending_size=_PENDING_BYTES,
                    closed_cb=closed,
                    disconnected_cb=closed,
                    error_cb=complain,
                )
            except (NatsError, OSError, TimeoutError) as error:
                raise LogUnavailable(f"the engine cannot be reached: {type(error).__name__}") from None
            self._lost = lost
            return self._client

    async def _ask(self, subject: str, question: dict[str, Any]) -> dict[str, Any]:
        client = await self._connected()
        try:
            answer = await client.request(f"$JS.API.{subject}", json.dumps(question).encode(), timeout=_REQUEST_SECONDS)
        except (NatsError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"the engine does not answer: {type(error).__name__}") from None
        said: dict[str, Any] = json.loads(answer.data)
        return said

    def _configuration(self) -> dict[str, Any]:
        return {
            "name": self._stream,
            "subjects": [self._subject],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "max_msgs": -1,
            "max_bytes": -1,
            "max_age": 0,
            "max_msgs_per_subject": -1,
            "max_msg_size": -1,
            "num_replicas": self._replicas,
            "deny_delete": True,
        }

    def _consumer(self, inbox: str, start: int) -> dict[str, Any]:
        return {
            "stream_name": self._stream,
            "config": {
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": start,
                "ack_policy": "none",
                "max_deliver": 1,
                "flow_control": True,
                "idle_heartbeat": HEARTBEAT_SECONDS * 1_000_000_000,
                "mem_storage": True,
                "num_replicas": 1,
            },
        }


@contextlib.contextmanager
def _while_it_is_there() -> Iterator[None]:
    """Raises LogUnavailable when what is asked of the engine finds it gone."""
    try:
        yield
    except (NatsError, OSError) as error:
        raise LogUnavailable(f"the engine is gone: {type(error).__name__}") from None


async def _next(arrived: asyncio.Queue[Msg | None]) -> Msg:
    """Raises LogUnavailable when the connection is lost or two heartbeats failed to come."""
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            message = await arrived.get()
    except TimeoutError:
        raise LogUnavailable("the engine went silent") from None
    if message is None:
        raise LogUnavailable("the engine went away")
    return message


async def _keep_flowing(client: Client, message: Msg, after: int) -> None:
    """Answer flow control, and check by a heartbeat that nothing was lost. Raises LogUnavailable."""
    headers = message.headers or {}
    answer_to = message.reply or headers.get("Nats-Consumer-Stalled")
    last = headers.get("Nats-Last-Stream")
    if answer_to:
        with _while_it_is_there():
            await client.publish(answer_to)
    if last is not None and int(last) > after:
        raise LogUnavailable(f"the engine sent {last} and {after} came")


def _sequence(reply: str) -> int:
    tokens = reply.split(".")
    return int(tokens[_SEQUENCE_TOKEN if len(tokens) < 10 else _SEQUENCE_TOKEN + 2])
