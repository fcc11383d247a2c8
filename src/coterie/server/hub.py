"""The hub: applies the log to its view, answers its devices by what was applied, pushes to its followers.

Everything of it runs on one loop. `view.apply` is the only writer; what is decided here follows from the log's order.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coterie.errors import CallerError, DeviceError
from coterie.ids import EntryHash, PublicKey
from coterie.server import answers, events
from coterie.server.appender import Appender
from coterie.server.blobs import BlobRequests, Blobs
from coterie.server.connection import DeviceConnection
from coterie.server.followers import Followers
from coterie.server.handshake import HandshakeFacts
from coterie.server.intake import Intake, Waiting
from coterie.server.keys import ServerKeys
from coterie.server.log import Log, LogRecord
from coterie.server.queue_reads import QueueReads
from coterie.server.rates import Rates
from coterie.server.readers import Readers
from coterie.server.requests import Requests
from coterie.server.rules import RULES_VERSION, Applied, Record, RecordFate, encode_record
from coterie.server.rules.record import AnyOperation, CloseQueue, HubDown, HubUp, LogOpened, RegisterAppend, Session
from coterie.server.sessions import Place, Sessions
from coterie.server.view import View
from coterie.server.websocket import wrapped
from coterie.trust.heads import RegisterHead, sign_head
from coterie.wire import frames
from coterie.wire.codec import encode_frame
from coterie.wire.frames import Error
from coterie.wire.limits import FRAME_BYTES

STALL_SECONDS: Final = 5.0
GOING_SECONDS: Final = 2.0
_PUSHED_REGISTER_BYTES: Final = FRAME_BYTES - 1024


class HubFenced(DeviceError):
    """Another process came up with this hub's id."""

    code = "hub_fenced"


class WrongLog(CallerError):
    code = "wrong_log"


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """`certificate` is the hash of its public key; `addresses` go into `Ready`; `alone`: the engine is this hub's own,
    so no other hub can have shown a device more than this one has."""

    keys: ServerKeys
    certificate: bytes
    addresses: tuple[str, ...]
    blob_store: bytes
    alone: bool


class Hub:
    generation: Final = 0
    """How often the log was restored."""

    def __init__(self, identity: HubIdentity, view: View, log: Log, blobs: Blobs, now_ms: Callable[[], int]) -> None:
        keys = identity.keys
        self.identity = identity
        self.view = view
        self.head = self._head()
        self.in_force = asyncio.Event()
        self.disk_room = True
        self.operations_applied = 0
        self.answering: Place = (0, 0)
        """The operation whose answer is given now, if it is a `Session`."""
        self._log = log
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._appender = Appender(log, f"_INBOX.{keys.incarnation.hex()}", self._fill_soon)
        self._next_number = 1
        self._flight: dict[int, list[Waiting]] = {}
        self._moved_at = self._loop.time()
        self._stalled = False
        self._leaving = False
        self._down = asyncio.Event()
        self._fill_planned = False
        self._flush_planned = False
        self._to_flush: list[DeviceConnection] = []
        self._progress = asyncio.Event()
        self.readers = Readers(view)
        self.rates = Rates(self._loop.time)
        self.intake = Intake(self._fill_soon)
        self.followers = Followers()
        self.sessions = Sessions(self)
        self.queue_reads = QueueReads(self)
        self.requests = Requests(self)
        self.blob_requests = BlobRequests(self, blobs)
        self.handshake_facts = HandshakeFacts(
            service=keys.service,
            certificate=identity.certificate,
            founding_key=self._founding_key,
            register=lambda: view.register,
            queue=view.queue,
            random=os.urandom,
        )

    # The log

    async def follow_log(self) -> None:
        """Apply the log for ever. Raises StorageFailed, NewerRules, HubFenced: the hub must stop."""
        async with contextlib.aclosing(self._log.tail(self.view.position)) as records:
            async for record in records:
                self._apply(record)
                self._progress.set()  # who waits now looks; who comes later waits for the next record
                self._progress.clear()

    async def append_for_ever(self) -> None:
        await self._appender.run()

    async def reached(self, position: int) -> None:
        """Returns when the view is at `position`."""
        while self.view.position < position:
            await self._progress.wait()

    async def come_up(self) -> None:
        """Put this incarnation in force, opening the log if nobody did. Returns when applied. Raises WrongLog."""
        keys = self.identity.keys
        operations: list[AnyOperation] = [HubUp(keys.hub, keys.incarnation, RULES_VERSION, self.identity.blob_store)]
        if self.view.log is None:
            operations.append(LogOpened(keys.log, keys.service.public, keys.founding.public))
        self._publish(operations, [])
        await self.in_force.wait()
        log = self.view.log
        if log is None or log.service_key != keys.service.public:
            raise WrongLog("this log belongs to another service key", "copy service.key from a hub that serves it")

    async def go_down(self) -> None:
        """Take this incarnation out of force, so that the log's time does not wait for it. Gives up after 2 s."""
        self._leaving = True
        self.in_force.clear()
        self._publish([HubDown(self.identity.keys.incarnation)], [])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOING_SECONDS):
                await self._down.wait()

    def _apply(self, record: LogRecord) -> None:
        applied = self.view.apply(record.seq, record.content)
        for fault in applied.faults:
            events.warn("rules.fault", fault=fault, seq=record.seq)
        if self.identity.keys.incarnation in applied.fenced:
            self._down.set()
            if self._leaving:
                return
            raise HubFenced("another server came up with this hub's id", "give each hub a data folder of its own")
        self._moved_at = self._loop.time()
        self.sessions.close_removed(applied)
        if applied.register:
            self.head = self._head()
        if applied.incarnation == self.identity.keys.incarnation and applied.fate is RecordFate.APPLIED:
            self._answer(applied)
        self.sessions.close_superseded(applied)
        self.followers.applied(applied)
        if applied.register:
            self._push_register(applied.register)
        self._flush_all()

    def _answer(self, applied: Applied) -> None:
        self._stalled = False
        if not self._leaving:
            self.in_force.set()
        self.operations_applied += len(applied.outcomes)
        intake = self.intake
        waitings = self._flight.pop(applied.n, ())
        if waitings:
            for index, outcome in enumerate(applied.outcomes):
                lane, size, answer, request, operation = waitings[index]
                intake.end(lane, size)
                if type(operation) is Session:
                    self.answering = (applied.seq, index)
                answer(request, outcome)
        self._appender.applied(applied.n)

    def _fill_soon(self) -> None:
        if not self._fill_planned:
            self._fill_planned = True
            self._loop.call_soon(self._fill)

    def _fill(self) -> None:
        self._fill_planned = False
        intake = self.intake
        while self.in_force.is_set() and intake.has_waiting() and self._appender.has_room(intake.gathered_bytes):
            waitings = intake.take()
            self._publish([waiting[4] for waiting in waitings], waitings)

    def _publish(self, operations: list[AnyOperation], waitings: list[Waiting]) -> None:
        keys = self.identity.keys
        number = self._next_number
        self._next_number += 1
        if not self._flight:
            self._moved_at = self._loop.time()
        self._flight[number] = waitings
        record = Record(
            keys.hub,
            keys.incarnation,
            number,
            self._now_ms(),
            RULES_VERSION,
            self.view.position,
            self.view.digest,
            operations,
        )
        self._appender.append(number, encode_record(record))

    def check_progress(self) -> None:
        """Asked twice a second: when the log has not moved for 5 s, everybody who waits is told."""
        if self._stalled or not self._flight or self._loop.time() - self._moved_at < STALL_SECONDS:
            return
        self._stalled = True
        events.warn("log.stalled", records=len(self._flight))
        given_up = [waiting for waitings in self._flight.values() for waiting in waitings]
        self._flight = {number: [] for number in self._flight}
        for lane, size, answer, request, _ in given_up + self.intake.drop_all():
            self.intake.end(lane, size)
            answer(request, None)
        self._flush_all()

    @property
    def stalled(self) -> bool:
        """The log does not move, and nothing is taken."""
        return self._stalled

    def refuses(self, operation: AnyOperation) -> Callable[[int], Error] | None:
        """Why this operation is not taken now, if so."""
        if self._stalled:
            return answers.unavailable
        if not self.disk_room and not isinstance(operation, CloseQueue | RegisterAppend | Session):
            return answers.disk_full
        return None

    # Connections

    def disconnected(self, connection: DeviceConnection) -> None:
        self.sessions.disconnected(connection)
        self.intake.forget(connection.lane)
        for follow in connection.follows.values():
            self.followers.end(follow)
        connection.follows.clear()

    def to_flush(self, connection: DeviceConnection) -> None:
        self._to_flush.append(connection)
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush_all)

    def _flush_all(self) -> None:
        self._flush_planned = False
        waiting, self._to_flush = self._to_flush, []
        for connection in waiting:
            connection.flush()

    def _push_register(self, entries: list[bytes]) -> None:
        assert self.head is not None
        parts: list[list[bytes]] = [[]]
        room = _PUSHED_REGISTER_BYTES
        for entry in entries:
            room -= len(entry) + 8
            if room < 0:
                room = _PUSHED_REGISTER_BYTES - len(entry) - 8
                parts.append([])
            parts[-1].append(entry)
        for part in parts:
            pushed = wrapped(encode_frame(frames.RegisterPushed(part, self.head)))
            for connection in self.sessions.connections:
                if connection.open and connection.linker is None:
                    connection.push(pushed)

    def close(self) -> None:
        self.readers.close()

    # Heads

    def signed_head(self, seq: int, entry_hash: bytes) -> frames.SignedHead:
        """The service key's word for it. There must be a register."""
        register = self.view.register
        assert register is not None
        service = self.identity.keys.service
        head = sign_head(service, register.coterie, self.generation, RegisterHead(seq, EntryHash(entry_hash)))
        return frames.SignedHead(head.generation, head.seq, head.hash, head.signature)

    def _head(self) -> frames.SignedHead | None:
        register = self.view.register
        return None if register is None else self.signed_head(register.head.seq, register.head.hash)

    def _founding_key(self) -> PublicKey:
        assert self.view.log is not None
        return PublicKey(self.view.log.founding_key)
