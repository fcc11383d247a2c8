"""Every request a device can make: who may, what is checked at intake, and where it goes (docs/protocol/frames.md).

Tokens, sizes and rates are checked here, by the view as it stands; whatever must be decided once goes to the log.
"""

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coterie.ids import DeviceId, QueueId
from coterie.server import answers
from coterie.server.connection import DeviceConnection
from coterie.server.handshake import Proven, ProvenDevice, ProvenFounder, ProvenLinker, ProvenMember, ProvenNewcomer
from coterie.server.rates import Costly
from coterie.server.rules import outcomes
from coterie.server.rules import record as operations
from coterie.server.rules.outcomes import Outcome
from coterie.server.rules.record import AnyOperation
from coterie.trust.bundle import MalformedBundle, decode_bundle_untrusted, verify_bundle
from coterie.trust.entry import MalformedEntry, decode_entry_untrusted
from coterie.trust.keys import ForgedSignature
from coterie.trust.kinds import Founded, IdentityRecovered, Joined
from coterie.trust.reasons import MALFORMED_ENTRY, NEWER_COTERIE, NewerCoterie, RegisterError
from coterie.wire import frames
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import Frame, Request
from coterie.wire.limits import FRAME_BYTES
from coterie.wire.queues import QueuePurpose, queue_id, token_hash

if TYPE_CHECKING:
    from coterie.server.hub import Hub

REGISTER_BYTES: Final = FRAME_BYTES - 1024
NO_QUEUE: Final = QueueId(bytes(32))
"""Stands for the inbox of a delivery whose token does not fit: no queue has this id."""

Entrance = Callable[["Requests", DeviceConnection, Any], None]


class Requests:
    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    def take(self, connection: DeviceConnection, request: Request) -> None:
        """Answer at once, or see to it that an answer comes."""
        entrance = ENTRANCES[type(connection.proven)].get(type(request))
        if entrance is not None:
            entrance(self, connection, request)
        else:
            connection.error(request.id, ErrorCode.NOT_ALLOWED, "this connection may not do that")

    # Queues

    def post(self, connection: DeviceConnection, request: frames.Post) -> None:
        row = self._hub.view.queue(request.queue)
        if row is None or not self._hub.view.post_fits(row, request.epoch, token_hash(request.token)):
            connection.send(answers.no_queue(request.id))
            return
        operation = operations.Post(
            request.queue, request.epoch, request.key, request.payload, request.blobs, request.ttl
        )
        self._submit(connection, request.id, operation, connection.reply)

    def advance(self, connection: DeviceConnection, request: frames.Advance) -> None:
        view = self._hub.view
        row = view.queue(request.queue)
        if row is None or not (
            _fits(row.close, request.token)
            if row.purpose is QueuePurpose.INBOX
            else view.post_fits(row, request.epoch, token_hash(request.token))
        ):
            connection.send(answers.no_queue(request.id))
            return
        operation = operations.Advance(
            request.queue,
            request.epoch,
            request.key,
            request.payload,
            request.next_post,
            request.next_read,
            request.blobs,
            [self._delivery(delivery) for delivery in request.deliveries],
        )
        self._submit(connection, request.id, operation, connection.reply)

    def _delivery(self, delivery: frames.Delivery) -> operations.Delivery:
        row = self._hub.view.queue(delivery.queue)
        if row is None or not self._hub.view.post_fits(row, delivery.epoch, token_hash(delivery.token)):
            # it keeps its place, so that `undelivered` counts as the device does
            return operations.Delivery(NO_QUEUE, 0, delivery.key, b"")
        return operations.Delivery(delivery.queue, delivery.epoch, delivery.key, delivery.payload, delivery.blobs)

    def open_queue(self, connection: DeviceConnection, request: frames.OpenQueue) -> None:
        terms = request.terms
        if queue_id(terms) != request.queue:
            connection.error(request.id, ErrorCode.BAD_TERMS, "the queue id does not commit to these terms")
        elif self._may_spend(connection, request.id, Costly.OPEN_QUEUE):
            operation = operations.OpenQueue(
                request.queue, terms.purpose, terms.post, terms.read, terms.close, request.epoch, request.ttl
            )
            self._submit(connection, request.id, operation, connection.reply)

    def close_queue(self, connection: DeviceConnection, request: frames.CloseQueue) -> None:
        row = self._hub.view.queue(request.queue)
        if row is None:
            connection.send(frames.Done(request.id))
        elif not _fits(row.close, request.secret):
            connection.send(answers.no_queue(request.id))
        else:
            self._submit(connection, request.id, operations.CloseQueue(request.queue), connection.reply)

    def read(self, connection: DeviceConnection, request: frames.Read) -> None:
        connection.spawn(self._hub.queue_reads.read(connection, request), request.id)

    def follow(self, connection: DeviceConnection, request: frames.Follow) -> None:
        self._hub.queue_reads.follow(connection, request)

    def unfollow(self, connection: DeviceConnection, request: frames.Unfollow) -> None:
        follow = connection.follows.pop(request.queue, None)
        if follow is not None:
            self._hub.followers.end(follow)
        connection.send(frames.Done(request.id))

    def link(self, connection: DeviceConnection, request: frames.Post | frames.Follow) -> None:
        """Of a device to be linked: its own queue, and no blobs."""
        linker = connection.linker
        assert linker is not None
        if request.queue != linker.queue or (isinstance(request, frames.Post) and request.blobs):
            connection.error(request.id, ErrorCode.NOT_ALLOWED, "this connection may not do that")
        elif isinstance(request, frames.Post):
            self.post(connection, request)
        else:
            self.follow(connection, request)

    # Key packages

    def put_key_packages(self, connection: DeviceConnection, request: frames.PutKeyPackages) -> None:
        device = _device(connection)
        register = self._hub.view.register
        assert register is not None
        try:
            bundle = decode_bundle_untrusted(request.bundle)
            if verify_bundle(register, bundle).device != device:
                raise MalformedBundle
        except (MalformedBundle, ForgedSignature, RegisterError):
            connection.error(request.id, ErrorCode.BAD_BUNDLE, "the bundle is not this device's, or does not verify")
            return
        if self._may_spend(connection, request.id, Costly.KEY_PACKAGES):
            operation = operations.PutKeyPackages(
                device, request.suite, request.bundle, request.packages, request.last_resort, request.key
            )

            def answer(number: int, outcome: Outcome | None) -> None:
                if isinstance(outcome, outcomes.Stocked):
                    connection.send(frames.Stock(number, request.suite, outcome.one_time, outcome.last_resort))
                else:
                    connection.reply(number, outcome)

            self._submit(connection, request.id, operation, answer)

    def key_package_stock(self, connection: DeviceConnection, request: frames.KeyPackageStock) -> None:
        device = _device(connection)

        async def answer() -> None:
            one_time, last_resort = await self._hub.readers.read(lambda reader: reader.stock(device, request.suite))
            connection.send(frames.Stock(request.id, request.suite, one_time, last_resort))

        connection.spawn(answer(), request.id)

    def claim_key_package(self, connection: DeviceConnection, request: frames.ClaimKeyPackage) -> None:
        if self._may_spend(connection, request.id, Costly.CLAIM):
            operation = operations.ClaimKeyPackage(request.device, request.suite, request.key)
            self._submit(connection, request.id, operation, connection.reply)

    def get_bundles(self, connection: DeviceConnection, request: frames.GetBundles) -> None:
        async def answer() -> None:
            found = await self._hub.readers.read(lambda reader: reader.bundles(request.devices))
            connection.send(frames.Bundles(request.id, found))

        connection.spawn(answer(), request.id)

    # Blobs

    def put_blob(self, connection: DeviceConnection, request: frames.PutBlob) -> None:
        if self._may_spend(connection, request.id, Costly.BLOB_BYTES, len(request.data)):
            connection.spawn(self._hub.blob_requests.put(connection, request), request.id, len(request.data))

    def get_blob(self, connection: DeviceConnection, request: frames.GetBlob) -> None:
        connection.spawn(self._hub.blob_requests.get(connection, request), request.id, request.length)

    # Register and packets

    def register_append(self, connection: DeviceConnection, request: frames.RegisterAppend) -> None:
        if not self._may_append(connection, request):
            return
        if not self._may_spend(connection, request.id, Costly.REGISTER_APPEND):
            return

        def answer(number: int, outcome: Outcome | None) -> None:
            if isinstance(outcome, outcomes.RegisterAccepted):
                connection.joined = True
                connection.send(frames.Appended(number, self._hub.signed_head(outcome.seq, outcome.hash)))
            elif isinstance(outcome, outcomes.RegisterMoved):
                connection.send(frames.RegisterMoved(number, self._hub.signed_head(outcome.seq, outcome.hash)))
            elif isinstance(outcome, outcomes.RegisterRefused):
                connection.error(number, ErrorCode.REGISTER_REFUSED, outcome.reason)
            else:
                connection.reply(number, outcome)

        self._submit(connection, request.id, operations.RegisterAppend(request.entry), answer)

    def _may_append(self, connection: DeviceConnection, request: frames.RegisterAppend) -> bool:
        if isinstance(connection.proven, ProvenDevice):
            return True
        try:
            kind = decode_entry_untrusted(request.entry).kind
        except MalformedEntry:
            connection.error(request.id, ErrorCode.REGISTER_REFUSED, MALFORMED_ENTRY)
            return False
        except NewerCoterie:
            connection.error(request.id, ErrorCode.REGISTER_REFUSED, NEWER_COTERIE)
            return False
        if kind == _ENTERS_BY.get(type(connection.proven)):
            return True
        connection.error(request.id, ErrorCode.NOT_ALLOWED, "this connection may not append that")
        return False

    def register_read(self, connection: DeviceConnection, request: frames.RegisterRead) -> None:
        async def answer() -> None:
            entries = await self._hub.readers.read(
                lambda reader: reader.register_entries(request.after, REGISTER_BYTES)
            )
            connection.send(frames.RegisterEntries(request.id, entries, self._hub.head))

        connection.spawn(answer(), request.id)

    def put_packet(self, connection: DeviceConnection, request: frames.PutPacket) -> None:
        register = self._hub.view.register
        assert register is not None
        invite = register.invites.get(request.invite)
        if invite is None or invite.issued_by != register.device(_device(connection)).member:
            connection.error(request.id, ErrorCode.NOT_ALLOWED, "only who issued an invite leaves its packet")
        elif self._may_spend(connection, request.id, Costly.PACKET):
            self._submit(connection, request.id, operations.PutPacket(request.invite, request.packet), connection.reply)

    def get_packet(self, connection: DeviceConnection, request: frames.GetPacket) -> None:
        if not self._joined_with(connection, request):
            return

        async def answer() -> None:
            packet = await self._hub.readers.read(lambda reader: reader.packet(request.invite))
            if packet is None:
                connection.error(request.id, ErrorCode.NO_PACKET, "no packet waits for this invite")
            else:
                connection.send(frames.Packet(request.id, packet))

        connection.spawn(answer(), request.id)

    def packet_done(self, connection: DeviceConnection, request: frames.PacketDone) -> None:
        if self._joined_with(connection, request):
            self._submit(connection, request.id, operations.PacketDone(request.invite), connection.reply)

    def _joined_with(self, connection: DeviceConnection, request: frames.GetPacket | frames.PacketDone) -> bool:
        register = self._hub.view.register
        assert register is not None
        if isinstance(connection.proven, ProvenDevice):
            allowed = register.member_of(connection.proven.device).invite == request.invite
        else:
            newcomer = connection.newcomer
            allowed = newcomer is not None and newcomer.invite == request.invite and connection.joined
        if not allowed:
            connection.error(request.id, ErrorCode.NOT_ALLOWED, "only who joined with an invite has its packet")
        return allowed

    # Ways on

    def _submit(
        self,
        connection: DeviceConnection,
        request: int,
        operation: AnyOperation,
        answer: Callable[[int, Outcome | None], None],
    ) -> None:
        refusal = self._hub.refuses(operation)
        if refusal is None:
            self._hub.intake.submit(connection.lane, operation, answer, request)
        else:
            connection.send(refusal(request))

    def _may_spend(self, connection: DeviceConnection, request: int, what: Costly, amount: float = 1.0) -> bool:
        wait = self._hub.rates.wait(_payer(connection), what, amount)
        if wait > 0:
            connection.error(request, ErrorCode.LIMITED, answers.REFUSALS[ErrorCode.LIMITED], wait)
        return wait == 0


_ENTERS_BY: Final[dict[type[Proven | None], str]] = {
    ProvenNewcomer: Joined.__name__,
    ProvenFounder: Founded.__name__,
    ProvenMember: IdentityRecovered.__name__,
}
"""The one kind of entry that a connection without a device may append."""
_FOUNDER: Final[dict[type[Frame], Entrance]] = {
    frames.RegisterAppend: Requests.register_append,
    frames.RegisterRead: Requests.register_read,
}
_NEWCOMER: Final[dict[type[Frame], Entrance]] = _FOUNDER | {
    frames.GetPacket: Requests.get_packet,
    frames.PacketDone: Requests.packet_done,
}
_DEVICE: Final[dict[type[Frame], Entrance]] = _NEWCOMER | {
    frames.Post: Requests.post,
    frames.Advance: Requests.advance,
    frames.OpenQueue: Requests.open_queue,
    frames.CloseQueue: Requests.close_queue,
    frames.Read: Requests.read,
    frames.Follow: Requests.follow,
    frames.Unfollow: Requests.unfollow,
    frames.PutKeyPackages: Requests.put_key_packages,
    frames.KeyPackageStock: Requests.key_package_stock,
    frames.ClaimKeyPackage: Requests.claim_key_package,
    frames.GetBundles: Requests.get_bundles,
    frames.PutBlob: Requests.put_blob,
    frames.GetBlob: Requests.get_blob,
    frames.PutPacket: Requests.put_packet,
}
_LINKER: Final[dict[type[Frame], Entrance]] = {frames.Post: Requests.link, frames.Follow: Requests.link}
ENTRANCES: Final[dict[type[Proven | None], dict[type[Frame], Entrance]]] = {
    ProvenDevice: _DEVICE,
    ProvenNewcomer: _NEWCOMER,
    ProvenFounder: _FOUNDER,
    ProvenMember: _FOUNDER,
    ProvenLinker: _LINKER,
}
"""By the key that was proven: what may be asked."""


def _payer(connection: DeviceConnection) -> bytes:
    """Whose rates count: the device's, or the member's or invite's that it proved."""
    if isinstance(connection.proven, ProvenDevice):
        return connection.proven.device
    if isinstance(connection.proven, ProvenMember):
        return connection.proven.member
    return connection.proven.invite if isinstance(connection.proven, ProvenNewcomer) else b"founder"


def _device(connection: DeviceConnection) -> DeviceId:
    assert isinstance(connection.proven, ProvenDevice)
    return connection.proven.device


def _fits(kept: bytes, secret: bytes) -> bool:
    return bool(kept) and hmac.compare_digest(kept, token_hash(secret))
