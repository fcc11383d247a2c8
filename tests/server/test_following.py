"""Follow from the past into the present: each entry once, in order, whatever is posted meanwhile."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from coterie.wire import frames
from coterie.wire.queues import token_hash
from tests.server.device import Band, Room, Wire
from tests.serving import serving_here


@pytest.fixture
async def band(tmp_path: Path) -> AsyncIterator[Band]:
    async with serving_here(tmp_path) as ready:
        yield await Band.found(ready.url, ready.founding_link)


async def pour(wire: Wire, room: Room, count: int) -> None:
    posts = [room.post(wire, os.urandom(2_000)) for _ in range(count)]
    for post in posts:
        wire.send(post)
    for post in posts:
        assert isinstance(await wire.answer(post.id), frames.Posted)


async def test_follow_begun_under_load_switches_to_live_without_gap_or_repeat(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo = await (await band.join(ada)).connect(band.url)
    room = await Room.opened(ada)
    await pour(ada, room, 400)
    pouring = asyncio.create_task(pour(ada, room, 1_200))
    await bo.ask(room.follow(bo, 0), frames.Following)
    last = 0
    while last < 1_600:
        pushed = await bo.push(frames.Pushed)
        assert pushed.after == last
        last += len(pushed.payloads)
    await pouring


async def test_follow_of_an_ended_epoch_gives_its_entries_and_how_it_ended(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    room = await Room.opened(ada)
    read = room.read_token
    await pour(ada, room, 3)
    commit = room.advance(ada, b"commit")
    await ada.ask(commit, frames.Advanced)
    await pour(ada, room, 2)
    following = await ada.ask(room.follow(ada, 1, read), frames.Following)
    assert (following.after, following.last, following.epoch) == (1, 6, 1)
    pushed = await ada.push(frames.Pushed)
    assert (pushed.after, len(pushed.payloads), pushed.payloads[-1]) == (1, 3, b"commit")
    ended = await ada.push(frames.FollowEnded)
    assert (ended.reason, ended.ended) == ("epoch", frames.EpochEnd(4, commit.next_post, commit.next_read))


async def test_inbox_that_keeps_its_read_token_is_followed_through_its_epochs(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    room = await Room.opened(ada)
    await ada.ask(room.follow(ada), frames.Following)
    kept = token_hash(room.read_token)
    advance = structs.replace(room.advance(ada, b"first"), next_read=kept)
    assert (await ada.ask(advance, frames.Advanced)).n == 1
    await pour(ada, room, 2)
    arrived: list[bytes | None] = []
    while len(arrived) < 3:
        arrived += (await ada.push(frames.Pushed)).payloads
    assert arrived[0] == b"first"


async def test_device_ahead_of_the_log_is_told_where_the_queue_ends(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    room = await Room.opened(ada)
    await pour(ada, room, 3)
    for request in (room.read(ada, 9), room.follow(ada, 9)):
        behind = await ada.ask(request, frames.Behind)
        assert (behind.n, behind.epoch) == (3, 0)


async def test_long_queue_is_read_in_pages_that_fit_a_frame(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    room = await Room.opened(ada)
    big = [os.urandom(150_000) for _ in range(5)]
    for payload in big:
        await ada.ask(room.post(ada, payload), frames.Posted)
    found: list[bytes | None] = []
    pages = 0
    while True:
        page = await ada.ask(room.read(ada, len(found)), frames.Entries)
        found += [entry.payload for entry in page.entries]
        pages += 1
        if page.end:
            break
    assert (found, pages) == (big, 5)
