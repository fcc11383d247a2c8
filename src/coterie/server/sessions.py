"""Which devices are connected here, from proof to end (docs/protocol/frames.md, "Sessions").

The log decides on a session: whether the device is in force, whether its store is a copy, and which of two connections
of one device is the newer. A newcomer, a device to be linked and the founder-to-be have none.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from coterie.ids import DeviceId
from coterie.server import answers
from coterie.server.connection import DeviceConnection
from coterie.server.handshake import Proven, ProvenDevice, ProvenLinker
from coterie.server.intake import LANE_BYTES, LANE_OPERATIONS
from coterie.server.position import PositionSeal
from coterie.server.rules import Applied, outcomes
from coterie.server.rules.limits import QUEUE_LIMITS
from coterie.server.rules.outcomes import Outcome
from coterie.server.rules.record import Session
from coterie.wire import frames
from coterie.wire.codes import ErrorCode
from coterie.wire.limits import FRAME_BYTES, LINK_SECONDS, PAYLOAD_BYTES
from coterie.wire.queues import QueuePurpose

if TYPE_CHECKING:
    from coterie.server.hub import Hub

BEHIND_SECONDS: Final = 2.0
Place = tuple[int, int]
"""Seq of the record and index of the operation that opened a session."""


class Sessions:
    def __init__(self, hub: "Hub") -> None:
        self.connections: set[DeviceConnection] = set()
        self.unproven = 0
        """Connections that have proven no key yet."""
        self._hub = hub
        self._seal = PositionSeal(hub.identity.keys.service_seed)
        self._by_device: dict[DeviceId, set[DeviceConnection]] = {}
        self._by_place: dict[Place, DeviceConnection] = {}

    def connected(self, connection: DeviceConnection) -> None:
        self.connections.add(connection)
        self.unproven += 1

    def disconnected(self, connection: DeviceConnection) -> None:
        self.connections.discard(connection)
        if connection.proven is None:
            self.unproven -= 1
        if connection.session is not None:
            self._by_place.pop(connection.session, None)
        if isinstance(connection.proven, ProvenDevice):
            of_device = self._by_device.get(connection.proven.device, set())
            of_device.discard(connection)
            if not of_device:
                self._by_device.pop(connection.proven.device, None)

    def proven(self, connection: DeviceConnection, proven: Proven) -> None:
        self.unproven -= 1
        if isinstance(proven, ProvenDevice):
            self._by_device.setdefault(proven.device, set()).add(connection)
            connection.spawn(self._open(connection, proven), 0)
        elif isinstance(proven, ProvenLinker):
            # whoever has the code is no member: they are told nothing of the register, and not for long
            connection.opened(self._ready(None))
            connection.end_after(LINK_SECONDS, "the time for linking a device is over")
        else:
            connection.opened(self._ready(self._hub.head))

    async def _open(self, connection: DeviceConnection, proven: ProvenDevice) -> None:
        """Let the log decide on the session, once this hub has seen what the device has."""
        log = self._hub.view.log
        assert log is not None
        seen = 0 if self._hub.identity.alone else self._seal.open_untrusted(log.log, proven.position)
        try:
            async with asyncio.timeout(BEHIND_SECONDS):
                await self._hub.reached(seen)
        except TimeoutError:
            connection.refuse(ErrorCode.BEHIND, "this hub has not yet seen what the device has seen; try again")
            return
        session = Session(proven.device, proven.counter, self._hub.identity.keys.incarnation)
        refusal = self._hub.refuses(session)
        if refusal is not None:
            connection.end_with(refusal(0))
            return

        def decided(request: int, outcome: Outcome | None) -> None:
            self._decided(connection, request, outcome)

        self._hub.intake.submit(connection.lane, session, decided, 0)

    def _decided(self, connection: DeviceConnection, request: int, outcome: Outcome | None) -> None:
        if connection.closed:
            return
        if isinstance(outcome, outcomes.SessionOpened):
            connection.session = self._hub.answering
            self._by_place[connection.session] = connection
            connection.opened(self._ready(self._hub.head))
        elif isinstance(outcome, outcomes.SessionCopied):
            connection.end_with(frames.StoreCopied(outcome.highest))
        else:
            connection.end_with(answers.reply_to(request, outcome))

    def close_removed(self, applied: Applied) -> None:
        for device in applied.removed:
            for connection in tuple(self._by_device.get(device, ())):
                connection.refuse(ErrorCode.NOT_IN_FORCE, "this device was removed")

    def close_superseded(self, applied: Applied) -> None:
        for superseded in applied.superseded:
            connection = self._by_place.get((superseded.seq, superseded.index))
            if connection is not None:
                connection.refuse(ErrorCode.SUPERSEDED, "a newer session of this device took over")

    def close_all(self) -> None:
        for connection in tuple(self.connections):
            connection.end_with(answers.unavailable(0))

    def _ready(self, head: frames.SignedHead | None) -> frames.Ready:
        view = self._hub.view
        assert view.log is not None
        return frames.Ready(
            frames.Limits(
                frame=FRAME_BYTES,
                payload=PAYLOAD_BYTES,
                waiting_operations=LANE_OPERATIONS,
                waiting_bytes=LANE_BYTES,
                queue_entries=QUEUE_LIMITS[QueuePurpose.ROOM].entries,
                inbox_entries=QUEUE_LIMITS[QueuePurpose.INBOX].entries,
            ),
            list(self._hub.identity.addresses),
            head,
            self._hub.generation,
            view.time,
            self._seal.seal(view.log.log, view.position),
        )
