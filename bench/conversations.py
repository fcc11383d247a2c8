"""`pairs`, `rooms`, `latency`: posts stored, synced and delivered, each connection its own device, TLS on.

A closed loop: a sender keeps WINDOW messages sent and not yet received by the last reader. Everybody follows, the
sender too; only what others receive counts.
"""

import asyncio
import os
import struct
import time
from array import array
from collections.abc import Sequence
from typing import Final

from bench.connection import Connection, OpenedQueue
from bench.figures import Figures, Terms, milliseconds
from bench.people import People
from bench.server import Server, running_server
from coterie.wire import frames

WINDOW: Final = 8
PAYLOAD_BYTES: Final = 898
PAIRS: Final = 50
ROOMS: Final = 10
ROOM_SIZE: Final = 25
CROWD: Final = 100_000
LATENCY_POSTS_PER_S: Final = 100
_STAMP: Final = struct.Struct(">QQ")
_FILLER: Final = os.urandom(PAYLOAD_BYTES - _STAMP.size)
_DRAIN_SECONDS: Final = 15.0


class Tally:
    """What all readers received: times in ns, counted from `begin` on."""

    def __init__(self) -> None:
        self.received = 0
        self.times = array("q")
        self.astray = 0
        """Entries that came twice, out of order or not at all while later ones did."""

    def begin(self) -> None:
        self.received = 0
        self.times = array("q")


class Reader:
    """One device that follows the conversation."""

    def __init__(self, conversation: "Conversation", connection: Connection) -> None:
        self.received = 0
        self._conversation = conversation
        connection.on_pushed = self._take

    def _take(self, pushed: frames.Pushed) -> None:
        now = time.perf_counter_ns()
        tally = self._conversation.tally
        times, before, last = tally.times, self.received, self.received
        for payload in pushed.payloads:
            assert payload is not None
            sent_at, number = _STAMP.unpack_from(payload)
            times.append(now - sent_at)
            last += 1
            if number != last:
                tally.astray += 1
        if pushed.after != before:
            tally.astray += 1
        tally.received += last - before
        self.received = last
        self._conversation.received(before)


class Conversation:
    """One sender and its readers in one queue."""

    def __init__(self, opened: OpenedQueue, sender: Connection, readers: Sequence[Connection], tally: Tally) -> None:
        self.tally = tally
        self.sent = 0
        self.stored = 0
        self.going = False
        self._opened = opened
        self._sender = sender
        self._readers = [Reader(self, reader) for reader in readers]
        self._by_all = 0
        self._keys = os.urandom(8)
        sender.on_posted = self._posted

    def begin(self) -> None:
        """Fill the window, and keep it full until `going` is taken away."""
        self.going = True
        for _ in range(WINDOW):
            self.post()

    def post(self, at_ns: int = 0) -> None:
        """Send a message, as of `at_ns` (else now)."""
        self.sent += 1
        stamp = _STAMP.pack(at_ns or time.perf_counter_ns(), self.sent)
        key = self._keys + self.sent.to_bytes(8, "big")
        opened = self._opened
        self._sender.send(frames.Post(self.sent, opened.queue, opened.post_token, 0, key, stamp + _FILLER))

    def received(self, before: int) -> None:
        """A reader that had `before` has more now; the last one sets the pace."""
        if before == self._by_all:
            by_all = min(reader.received for reader in self._readers)
            if self.going:
                for _ in range(by_all - self._by_all):
                    self.post()
            self._by_all = by_all

    def _posted(self, _posted: frames.Posted) -> None:
        self.stored += 1

    @property
    def missing(self) -> int:
        """Messages not received, counted once a reader, and posts without an answer."""
        return sum(self.sent - reader.received for reader in self._readers) + self.sent - self.stored


async def pairs(terms: Terms) -> Figures:
    async with running_server(terms, "pairs") as server:
        talks, tally = await _gathered(server, PAIRS, 2)
        measured = await _measured(server, terms, talks, tally)
    return {"bench": "pairs", "posts_per_s": measured.pop("received_per_s"), **measured}


async def crowd(terms: Terms) -> Figures:
    """The same among many open queues."""
    async with running_server(terms, "crowd") as server:
        talks, tally = await _gathered(server, PAIRS, 2, CROWD)
        measured = await _measured(server, terms, talks, tally)
    return {"bench": "pairs", "open_queues": CROWD, "posts_per_s": measured.pop("received_per_s"), **measured}


async def rooms(terms: Terms) -> Figures:
    async with running_server(terms, "rooms") as server:
        talks, tally = await _gathered(server, ROOMS, ROOM_SIZE)
        measured = await _measured(server, terms, talks, tally)
    return {"bench": "rooms", "deliveries_per_s": measured.pop("received_per_s"), **measured}


async def latency(terms: Terms) -> Figures:
    """An open loop: posts by the clock, whether the earlier ones have arrived or not."""
    async with running_server(terms, "latency") as server:
        talks, tally = await _gathered(server, PAIRS, 2)
        await _by_the_clock(talks, terms.warm_up)
        tally.begin()
        cpu = server.cpu_s()
        await _by_the_clock(talks, terms.seconds)
        spent = server.cpu_s() - cpu
        await _drained(talks)
    return {
        "bench": "latency",
        "posts_per_s": LATENCY_POSTS_PER_S,
        "p50_ms": milliseconds(tally.times, 0.5),
        "p99_ms": milliseconds(tally.times, 0.99),
        "max_ms": milliseconds(tally.times, 1.0),
        "missing": _missing(talks, tally),
        "hub_cpu_s": round(spent, 2),
    }


async def _gathered(server: Server, count: int, size: int, open_queues: int = 0) -> tuple[list[Conversation], Tally]:
    """`count` conversations of `size` devices that all follow, among at least `open_queues` queues."""
    people = await People.found(server)
    connections = await people.connect(await people.recruit(count * size))
    each = -(-open_queues // len(connections))
    if each:
        await asyncio.gather(*(connection.open_queues(each) for connection in connections))
    talks: list[Conversation] = []
    tally = Tally()
    for first in range(0, len(connections), size):
        members = connections[first : first + size]
        opened = await members[0].open_queue()
        await asyncio.gather(*(member.follow(opened) for member in members))
        talks.append(Conversation(opened, members[0], members[1:], tally))
    return talks, tally


async def _measured(server: Server, terms: Terms, talks: list[Conversation], tally: Tally) -> Figures:
    for talk in talks:
        talk.begin()
    await asyncio.sleep(terms.warm_up)
    tally.begin()
    began, stored, position = time.perf_counter(), _stored(talks), server.log_position()
    hub, engine, own = server.cpu_s(), server.engine_cpu_s(), time.process_time()
    await asyncio.sleep(terms.seconds)
    spent, received, times = time.perf_counter() - began, tally.received, tally.times
    figures: Figures = {
        "received_per_s": round(received / spent),
        "p50_ms": milliseconds(times, 0.5),
        "p99_ms": milliseconds(times, 0.99),
    }
    cpu: Figures = {
        "hub_rss_mib": server.rss_mib(),
        "hub_cpu_s": round(server.cpu_s() - hub, 2),
        "engine_cpu_s": round(server.engine_cpu_s() - engine, 2),
        "load_cpu_s": round(time.process_time() - own, 2),
        "posts_per_record": round((_stored(talks) - stored) / (server.log_position() - position), 1),
        "seconds": round(spent, 2),
    }
    for talk in talks:
        talk.going = False
    await _drained(talks)
    return {**figures, "missing": _missing(talks, tally), **cpu}


async def _by_the_clock(talks: list[Conversation], seconds: float) -> None:
    start = time.perf_counter_ns()
    for number in range(int(seconds * LATENCY_POSTS_PER_S)):
        due = start + number * 1_000_000_000 // LATENCY_POSTS_PER_S
        await asyncio.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
        talks[number % len(talks)].post(due)


async def _drained(talks: list[Conversation]) -> None:
    """Until everything sent has arrived, or long enough that it never will."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while any(talk.missing for talk in talks) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


def _stored(talks: list[Conversation]) -> int:
    return sum(talk.stored for talk in talks)


def _missing(talks: list[Conversation], tally: Tally) -> int:
    return sum(talk.missing for talk in talks) + tally.astray
