"""One side's way through the server: a connection of its own that may do nothing but say and hear in one link queue."""

import contextlib
from typing import Final, Self

from coterie.client.connection import Connection, LinkProof, NotInForce
from coterie.client.linking.channel import Place
from coterie.client.linking.messages import NONCE_BYTES, AnyEntry, LinkBroken, open_entry_untrusted, seal_entry
from coterie.client.state import DeviceState
from coterie.errors import OfflineError, RefusedError
from coterie.ids import QueueId
from coterie.trust.link import LinkCode, LinkSecrets
from coterie.wire import frames
from coterie.wire.limits import LINK_SECONDS
from coterie.wire.queues import QueuePurpose, QueueTerms, queue_id, token_hash

MOST_ENTRIES: Final = 32
"""More than a link queue holds were never posted by an honest device."""


class CodeUsedUp(RefusedError):
    """The code's queue is gone, or another device has come to it."""

    code = "code_used_up"


class OtherSideGone(OfflineError):
    """The queue was closed, or the connection ended, before the devices were done."""

    code = "other_side_gone"


def link_terms(secrets: LinkSecrets) -> QueueTerms:
    post, read, close = (token_hash(secret) for secret in (secrets.post, secrets.read, secrets.key.public))
    return QueueTerms(QueuePurpose.LINK, post, read, close, secrets.nonce)


async def open_link_queue(connection: Connection, code: LinkCode) -> None:
    """By the old device, over its own connection."""
    terms = link_terms(code.secrets)
    await connection.request(frames.OpenQueue, queue=queue_id(terms), terms=terms, epoch=0, ttl=LINK_SECONDS)


async def close_link_queue(connection: Connection, code: LinkCode) -> None:
    secrets = code.secrets
    await connection.request(frames.CloseQueue, queue=queue_id(link_terms(secrets)), secret=secrets.key.public)


class Relay:
    """Made by `open`; a context manager."""

    def __init__(self, code: LinkCode, queue: QueueId, connection: Connection) -> None:
        self.place = Place(code.coterie, code.service_key, queue)
        self._secrets = code.secrets
        self._connection = connection
        self._own: set[bytes] = set()
        self._waiting: list[tuple[int, AnyEntry]] = []
        self._heard = 0

    @classmethod
    async def open(cls, code: LinkCode) -> Self:
        """Raises CodeUsedUp, and what `Connection.open` raises."""
        secrets = code.secrets
        queue = queue_id(link_terms(secrets))
        addresses = [address.text for address in code.addresses]
        try:
            connection = await Connection.open(addresses, code.service_key, code.coterie, LinkProof(queue, secrets.key))
        except NotInForce:
            raise CodeUsedUp("this code was used already, or withdrawn", _NEW_CODE) from None
        try:
            await connection.request(frames.Follow, queue=queue, token=bytes(secrets.read), after=0)
        except BaseException:
            await connection.close()
            raise
        return cls(code, queue, connection)

    async def say(self, entry: AnyEntry) -> int:
        """Its number in the queue, once the server has it on disk. Raises OfflineError's children, ServerRefused."""
        payload = seal_entry(self._secrets.relay, self.place.queue, entry, DeviceState.random(NONCE_BYTES))
        self._own.add(payload)
        answer = await self._connection.request(
            frames.Post,
            queue=self.place.queue,
            token=bytes(self._secrets.post),
            epoch=0,
            key=DeviceState.random(16),
            payload=payload,
            ttl=LINK_SECONDS,
        )
        if not isinstance(answer, frames.Posted):
            raise LinkBroken("a queue that moved on")
        return answer.n

    async def hear(self) -> tuple[int, AnyEntry]:
        """The next entry by another side, and its number. Raises LinkBroken, OtherSideGone, OfflineError's children."""
        while not self._waiting:
            await self._take_push()
        return self._waiting.pop(0)

    async def _take_push(self) -> None:
        try:
            push = await anext(self._connection.pushes)
        except StopAsyncIteration:
            if isinstance(self._connection.reason, OfflineError):
                raise self._connection.reason from None
            raise OtherSideGone("linking has ended before it was done", _NEW_CODE) from None
        if isinstance(push, frames.FollowEnded):
            raise OtherSideGone("the other device has ended linking", _NEW_CODE)
        if not isinstance(push, frames.Pushed) or push.queue != self.place.queue:
            return
        for payload in push.payloads:
            self._heard += 1
            if payload is None or self._heard > MOST_ENTRIES:
                raise LinkBroken("more, or less, than two devices say")
            if payload not in self._own:
                entry = open_entry_untrusted(self._secrets.relay, self.place.queue, payload)
                self._waiting.append((self._heard, entry))

    async def close(self) -> None:
        with contextlib.suppress(OfflineError):
            await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


_NEW_CODE: Final = "make a new one on the other device: coterie device add"
