"""While others pour, an epoch ends or a device is removed: who may read no further gets nothing that came after."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coterie.trust import author
from coterie.wire import frames
from tests.server.device import Band, Closed, Room, Wire, now_ms
from tests.serving import serving_here

POURED = 1_500


@pytest.fixture
async def band(tmp_path: Path) -> AsyncIterator[Band]:
    async with serving_here(tmp_path) as ready:
        yield await Band.found(ready.url, ready.founding_link)


async def pour(wire: Wire, posts: list[frames.Post]) -> set[int]:
    """Send all; the numbers of those that were taken."""
    for post in posts:
        wire.send(post)
    replies = [await wire.answer(post.id) for post in posts]
    assert all(isinstance(reply, frames.Posted | frames.Stale) for reply in replies)
    return {reply.n for reply in replies if isinstance(reply, frames.Posted)}


async def followed(wire: Wire) -> int:
    """Entries that were pushed, up to the end of the follow or the connection."""
    last = 0
    while True:
        try:
            frame = await wire.next()
        except Closed:
            return last
        if isinstance(frame, frames.FollowEnded):
            assert frame.reason == "epoch"
            return last
        if isinstance(frame, frames.Pushed):
            assert frame.after == last
            last += len(frame.payloads)


async def test_epoch_that_ends_under_load_ends_at_the_commit_for_who_has_the_old_token(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo = await (await band.join(ada)).connect(band.url)
    cy = await (await band.join(ada)).connect(band.url)
    room = await Room.opened(ada)
    await bo.ask(room.follow(bo), frames.Following)
    following = asyncio.create_task(followed(bo))
    old = [room.post(cy, os.urandom(500)) for _ in range(POURED)]
    pouring = asyncio.create_task(pour(cy, old))
    await ada.ask(room.post(ada, b"it is going on"), frames.Posted)
    commit = await ada.ask(room.advance(ada, b"commit"), frames.Advanced)
    after = [await ada.ask(room.post(ada, b"not for bo"), frames.Posted) for _ in range(20)]
    taken = await pouring
    assert await following == commit.n
    assert max(taken) < commit.n < min(posted.n for posted in after)
    assert 0 < len(taken) < POURED, "it was not under load"


async def test_device_removed_under_load_gets_nothing_that_came_after_its_removal(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo_device = await band.join(ada)
    bo = await bo_device.connect(band.url)
    cy = await (await band.join(ada)).connect(band.url)
    room = await Room.opened(ada)
    await bo.ask(room.follow(bo), frames.Following)
    following = asyncio.create_task(followed(bo))
    posts = [room.post(cy, os.urandom(500)) for _ in range(POURED)]
    pouring = asyncio.create_task(pour(cy, posts))
    await ada.ask(room.post(ada, b"it is going on"), frames.Posted)
    await band.append(ada, author.remove_device(band.register, band.founder.keys.device, bo_device.id, now_ms=now_ms()))
    after = (await ada.ask(room.post(ada, b"not for bo"), frames.Posted)).n
    assert await following < after
    assert max(await pouring) > after, "it was not under load"
    assert isinstance(bo.last, frames.Error)
    assert bo.last.code == "not_in_force"
