"""The queue by which a device is linked: what somebody who has the code, and is nobody, may do with it."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coterie.ids import BlobId, QueueId, Seed
from coterie.trust import author
from coterie.trust.keys import SigningKey
from coterie.trust.prove import Prover, sign_proof
from coterie.wire import frames
from coterie.wire.limits import LINK_SECONDS
from coterie.wire.queues import QueuePurpose, QueueTerms, queue_id, token_hash
from tests.server.device import Band, Closed, Room, Wire, now_ms
from tests.serving import serving_here


@pytest.fixture
async def band(tmp_path: Path) -> AsyncIterator[Band]:
    async with serving_here(tmp_path) as ready:
        yield await Band.found(ready.url, ready.founding_link)


@dataclass
class LinkQueue:
    room: Room
    key: SigningKey

    @classmethod
    async def opened(cls, wire: Wire, ttl: int = LINK_SECONDS) -> "LinkQueue":
        key = SigningKey(Seed(os.urandom(32)))
        post, read = os.urandom(32), os.urandom(32)
        terms = QueueTerms(
            QueuePurpose.LINK, token_hash(post), token_hash(read), token_hash(key.public), os.urandom(16)
        )
        queue = queue_id(terms)
        await wire.ask(frames.OpenQueue(wire.number(), queue, terms, 0, ttl), frames.Opened)
        return cls(Room(queue, post, read, 0, key.public), key)

    async def come(self, band: Band, key: SigningKey | None = None, queue: QueueId | None = None) -> Wire:
        """As the new device. Raises Closed."""
        proving = key or self.key
        wire = await Wire.open(band.url)
        channel = await wire.challenged(band.register.coterie, band.founder.service_key)
        proof = sign_proof(proving, Prover.LINK, channel)
        wire.send(frames.ProveLink(queue or self.room.queue, proving.public, proof))
        ready = await wire.ready()
        assert ready.head is None
        return wire


async def test_old_and_new_device_talk_through_it(band: Band) -> None:
    old = await band.founder.connect(band.url)
    queue = await LinkQueue.opened(old)
    await old.ask(queue.room.post(old, b"from the old one"), frames.Posted)
    new = await queue.come(band)
    await new.ask(queue.room.follow(new), frames.Following)
    assert (await new.push(frames.Pushed)).payloads == [b"from the old one"]
    await old.ask(queue.room.follow(old, after=1), frames.Following)
    await new.ask(queue.room.post(new, b"from the new one"), frames.Posted)
    assert (await old.push(frames.Pushed)).payloads == [b"from the new one"]


async def test_nothing_else_is_open_to_who_has_the_code(band: Band) -> None:
    old = await band.founder.connect(band.url)
    queue, room = await LinkQueue.opened(old), await Room.opened(old)
    new, blob = await queue.come(band), BlobId(os.urandom(32))
    for request in (
        frames.RegisterRead(new.number(), 0),
        frames.GetBundles(new.number(), [band.founder.id]),
        frames.CloseQueue(new.number(), queue.room.queue, queue.key.public),
        room.post(new, b"into a room whose token is known"),
        room.follow(new),
        frames.Post(new.number(), queue.room.queue, queue.room.post_token, 0, os.urandom(16), b"", [blob]),
    ):
        assert (await new.ask(request, frames.Error)).code == "not_allowed"


async def test_it_is_told_nothing_of_the_register(band: Band) -> None:
    old = await band.founder.connect(band.url)
    queue = await LinkQueue.opened(old)
    new = await queue.come(band)
    await new.ask(queue.room.follow(new), frames.Following)
    await band.append(
        old,
        author.issue_invite(
            band.register,
            band.founder.keys.device,
            SigningKey(Seed(os.urandom(32))),
            expires_at=now_ms() + 1_000_000,
            coterie_key=band.key,
            now_ms=now_ms(),
            nonce=os.urandom(12),
        ),
    )
    await old.ask(queue.room.post(old, b"after it"), frames.Posted)
    assert isinstance(await new.next(), frames.Pushed)


async def test_only_the_key_that_the_queue_commits_to_lets_in(band: Band) -> None:
    old = await band.founder.connect(band.url)
    queue, inbox = await LinkQueue.opened(old), await Room.opened(old, QueuePurpose.INBOX)
    with pytest.raises(Closed, match="not_in_force"):
        await queue.come(band, key=SigningKey(Seed(os.urandom(32))))
    with pytest.raises(Closed, match="not_in_force"):
        await queue.come(band, queue=inbox.queue)
    wire = await Wire.open(band.url)
    await wire.challenged(band.register.coterie, band.founder.service_key)
    wire.send(frames.ProveLink(queue.room.queue, queue.key.public, os.urandom(64)))
    with pytest.raises(Closed, match="bad_proof"):
        await wire.ready()


async def test_closed_one_lets_nobody_in(band: Band) -> None:
    old = await band.founder.connect(band.url)
    queue = await LinkQueue.opened(old)
    await old.ask(frames.CloseQueue(old.number(), queue.room.queue, queue.key.public), frames.Done)
    with pytest.raises(Closed, match="not_in_force"):
        await queue.come(band)


async def test_it_is_bounded(band: Band) -> None:
    """In minutes, entries and bytes; and it is never moved on."""
    old = await band.founder.connect(band.url)
    with pytest.raises(AssertionError, match="bad_terms"):
        await LinkQueue.opened(old, LINK_SECONDS + 1)
    queue = await LinkQueue.opened(old)
    advance = frames.Advance(
        *(old.number(), queue.room.queue, queue.room.post_token, 0, os.urandom(16), b"", os.urandom(32)), os.urandom(32)
    )
    assert (await old.ask(advance, frames.Error)).code == "not_allowed"
    for _ in range(32):
        await old.ask(queue.room.post(old, b"."), frames.Posted)
    assert (await old.ask(queue.room.post(old, b"."), frames.Error)).code == "queue_full"
    large = await LinkQueue.opened(old)
    for _ in range(5):
        await old.ask(large.room.post(old, bytes(200 * 1024)), frames.Posted)
    assert (await old.ask(large.room.post(old, bytes(200 * 1024)), frames.Error)).code == "queue_full"
