"""A server starts, is founded, invites, carries posts, and ends."""

import asyncio
import os
from pathlib import Path

import pytest

from coterie.ids import Seed
from coterie.trust import author
from coterie.trust.keys import SigningKey
from coterie.wire import frames
from coterie.wire.queues import QueuePurpose
from tests.server.device import Band, Closed, Room, Wire, member_keys, now_ms
from tests.serving import running_server, serving_here


async def test_founding_link_is_shown_until_the_coterie_is_founded_and_port_and_keys_are_kept(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        url, link = server.url, server.found_link
        assert link is not None
        await server.restart()
        assert (server.url, server.found_link) == (url, link)
        await Band.found(server.url, link)
        await server.restart()
        assert (server.url, server.found_link) == (url, None)
        assert await server.stop() == 0


async def test_two_members_exchange_posts_and_each_is_answered_when_it_is_in_the_log(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as ready:
        band = await Band.found(ready.url, ready.founding_link)
        ada = await band.founder.connect(ready.url)
        bo = await (await band.join(ada)).connect(ready.url)
        room = await Room.opened(ada)
        following = await bo.ask(room.follow(bo), frames.Following)
        assert (following.last, following.epoch) == (0, 0)
        posts = [
            await ada.ask(room.post(ada, b"one"), frames.Posted),
            await bo.ask(room.post(bo, b"two"), frames.Posted),
        ]
        assert [posted.n for posted in posts] == [1, 2]
        arrived = [await bo.push(frames.Pushed), await bo.push(frames.Pushed)]
        assert [(push.after, push.payloads) for push in arrived] == [(0, [b"one"]), (1, [b"two"])]
        entries = await bo.ask(room.read(bo), frames.Entries)
        assert [entry.payload for entry in entries.entries] == [b"one", b"two"]
        assert (entries.end, entries.last, entries.ended) == (True, 2, None)


async def test_commit_ends_the_epoch_for_who_follows_it_and_names_the_next_tokens(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as ready:
        band = await Band.found(ready.url, ready.founding_link)
        ada = await band.founder.connect(ready.url)
        room = await Room.opened(ada)
        old_post, old_read = room.post_token, room.read_token
        await ada.ask(room.post(ada, b"before"), frames.Posted)
        await ada.ask(room.follow(ada, 1), frames.Following)
        commit = room.advance(ada, b"commit")
        assert (await ada.ask(commit, frames.Advanced)).n == 2
        assert (await ada.ask(room.post(ada, b"after"), frames.Posted)).n == 3
        assert (await ada.push(frames.Pushed)).payloads == [b"commit"]
        ended = await ada.push(frames.FollowEnded)
        assert ended.reason == "epoch"
        assert ended.ended == frames.EpochEnd(2, commit.next_post, commit.next_read)

        late = await ada.ask(room.read(ada, 0, old_read), frames.Entries)
        assert [entry.payload for entry in late.entries] == [b"before", b"commit"]
        assert (late.end, late.last, late.epoch, late.ended) == (True, 3, 1, ended.ended)
        stale = frames.Post(ada.number(), room.queue, old_post, 0, os.urandom(16), b"late")
        assert (await ada.ask(stale, frames.Stale)).epoch == 1
        joiner = await ada.ask(room.read(ada, 0), frames.Entries)
        assert joiner.after == 2
        assert [entry.payload for entry in joiner.entries] == [b"after"]
        again = await ada.ask(room.follow(ada, 0), frames.Following)
        assert again.after == 2
        assert (await ada.push(frames.Pushed)).payloads == [b"after"]


async def test_welcomes_go_with_the_commit_and_what_an_inbox_refuses_is_named(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as ready:
        band = await Band.found(ready.url, ready.founding_link)
        ada = await band.founder.connect(ready.url)
        room, inbox = await Room.opened(ada), await Room.opened(ada, QueuePurpose.INBOX)
        await ada.ask(inbox.follow(ada), frames.Following)
        welcome = frames.Delivery(inbox.queue, inbox.post_token, 0, os.urandom(16), b"welcome")
        stranger = frames.Delivery(inbox.queue, os.urandom(32), 0, os.urandom(16), b"no")
        advanced = await ada.ask(room.advance(ada, b"commit", [stranger, welcome]), frames.Advanced)
        assert advanced.undelivered == [0]
        assert (await ada.push(frames.Pushed)).payloads == [b"welcome"]
        await ada.ask(frames.CloseQueue(ada.number(), inbox.queue, inbox.closing), frames.Done)
        assert (await ada.push(frames.FollowEnded)).reason == "closed"


async def test_second_use_of_an_invite_is_refused_and_the_packet_goes_to_who_joined_only(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as ready:
        band = await Band.found(ready.url, ready.founding_link)
        ada = await band.founder.connect(ready.url)
        seed, keys = Seed(os.urandom(32)), member_keys()
        invite = await band.invite(ada, seed)
        await ada.ask(frames.PutPacket(ada.number(), invite, b"sealed key"), frames.Done)
        first, second = await band.newcomer(invite, seed), await band.newcomer(invite, seed)
        early = await first.ask(frames.GetPacket(first.number(), invite), frames.Error)
        assert early.code == "not_allowed"
        entry = author.join(band.register, invite, SigningKey(seed), keys, now_ms=now_ms())
        other = author.join(band.register, invite, SigningKey(seed), member_keys(), now_ms=now_ms())
        await band.append(first, entry)
        await second.ask(frames.RegisterAppend(9, other), frames.RegisterMoved)
        packet = await first.ask(frames.GetPacket(first.number(), invite), frames.Packet)
        assert packet.packet == b"sealed key"
        assert (await second.ask(frames.GetPacket(10, invite), frames.Error)).code == "not_allowed"
        await first.ask(frames.PacketDone(first.number(), invite), frames.Done)
        assert (await first.ask(frames.GetPacket(first.number(), invite), frames.Error)).code == "no_packet"
        with pytest.raises(Closed, match="not_in_force"):
            await band.newcomer(invite, seed)


async def test_posts_from_many_connections_are_each_answered_once_and_numbered_without_holes(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as ready:
        band = await Band.found(ready.url, ready.founding_link)
        ada = await band.founder.connect(ready.url)
        room = await Room.opened(ada)
        wires = [ada] + [await (await band.join(ada)).connect(ready.url) for _ in range(4)]

        async def pour(wire: Wire) -> list[int]:
            posts = [room.post(wire, os.urandom(300)) for _ in range(200)]
            for post in posts:
                wire.send(post)
            replies = [await wire.answer(post.id) for post in posts]
            return [reply.n for reply in replies if isinstance(reply, frames.Posted)]

        numbers = await asyncio.gather(*(pour(wire) for wire in wires))
        assert all(given == sorted(given) for given in numbers)
        assert sorted(n for given in numbers for n in given) == list(range(1, 1001))
