"""Peers that send garbage, do not read, flood, or are not devices at all."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.ids import CoterieId, QueueId, Seed
from coterie.wire import frames
from coterie.wire.codec import encode_frame
from tests.server.device import Band, Closed, Room, Wire
from tests.serving import RunningServer, running_server, serving_here


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    async with running_server(tmp_path) as running:
        yield running


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.1", b"GET /join/secret HTTP/1.1", b"POST / HTTP/1.1", b"rubbish"]
)
async def test_web_browser_is_refused_and_gets_nothing_it_would_show_or_run(
    server: RunningServer, request_line: bytes
) -> None:
    host, port = server.url.removeprefix("wss://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting())
    writer.write(request_line + b"\r\nHost: x\r\nAccept: text/html\r\n\r\n")
    said = await asyncio.wait_for(reader.read(), 15)
    writer.close()
    assert said.split(b" ")[1] in (b"400", b"404")
    kind = [line for line in said.lower().split(b"\r\n") if line.startswith(b"content-type")]
    assert kind in ([], [b"content-type: text/plain"])
    assert b"secret" not in said
    assert b"<" not in said


async def test_tls_older_than_1_3_is_refused(server: RunningServer) -> None:
    host, port = server.url.removeprefix("wss://").split(":")
    old = trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(host, int(port), ssl=old)


garbage = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda cut, request: encode_frame(request)[:cut],
        st.integers(0, 80),
        st.sampled_from(
            [
                frames.Post(1, QueueId(b"q" * 32), b"t" * 32, 0, b"k" * 16, b"payload"),
                frames.Hello([1], CoterieId(b"c" * 32), b"n" * 32),
                frames.ProveFounding(b"s" * 64),
                frames.RegisterAppend(1, b"entry"),
            ]
        ),
    ),
    st.sampled_from(
        [
            encode_frame(frames.Done(1)),
            encode_frame(frames.Hello([1], CoterieId(b"c" * 32), b"n" * 32)),
            b"\x91" * 5000,
            b"",
        ]
    ),
)


async def test_garbage_gets_a_typed_error_or_a_closed_connection_and_never_a_fault(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    loop = asyncio.get_running_loop()

    async def throw(first: bytes, proven: bool) -> None:
        wire = await (band.founder.connect(server.url) if proven else Wire.open(server.url))
        try:
            wire.send_bytes(first)
            said = await wire.next()
            assert isinstance(said, frames.Error | frames.Challenge), said
        except Closed:
            pass
        finally:
            wire.abort()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(first=garbage, proven=st.booleans())
    def fuzz(first: bytes, proven: bool) -> None:
        asyncio.run_coroutine_threadsafe(throw(first, proven), loop).result(30)

    await asyncio.to_thread(fuzz)
    assert [line for line in server.log_lines() if line["level"] in ("error", "critical")] == []
    assert "Traceback" not in server.said()


async def test_request_before_ready_and_frames_in_pieces_close_the_connection(server: RunningServer) -> None:
    await Band.found(server.url, server.found_link)
    wire = await Wire.open(server.url)
    wire.send(frames.RegisterRead(1, 0))
    last = await wire.until_closed()
    assert isinstance(last, frames.Error)
    assert last.code == "malformed"


async def test_queue_cannot_be_told_from_a_wrong_token(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    wrong = Room(room.queue, os.urandom(32), os.urandom(32))
    missing = Room(QueueId(os.urandom(32)), room.post_token, room.read_token)
    errors = [
        await ada.ask(request, frames.Error)
        for each in (wrong, missing)
        for request in (each.post(ada, b"x"), each.read(ada), each.follow(ada), each.advance(ada, b"x"))
    ]
    assert {(error.code, error.message) for error in errors} == {("no_queue", "no such queue for this token")}


async def test_entry_that_is_none_is_refused_in_the_same_word_to_whoever_brings_it(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    seed = Seed(os.urandom(32))
    newcomer = await band.newcomer(await band.invite(ada, seed), seed)
    for wire in (ada, newcomer):
        refused = await wire.ask(frames.RegisterAppend(wire.number(), b"no entry"), frames.Error)
        assert (refused.code, refused.message) == ("register_refused", "malformed-entry")


async def test_reader_that_does_not_read_is_told_so_and_costs_the_server_little(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    slow = await (await band.join(ada)).connect(server.url)
    room = await Room.opened(ada)
    await slow.ask(room.follow(slow), frames.Following)
    slow.stop_reading()
    before = server.status()["rss_mib"]
    for _ in range(20):
        posts = [room.post(ada, os.urandom(60_000)) for _ in range(16)]
        for post in posts:
            ada.send(post)
        for post in posts:
            assert isinstance(await ada.answer(post.id), frames.Posted)
    assert server.status()["rss_mib"] - before < 60
    slow.read_again()
    received = 0
    while not isinstance(frame := await slow.next(), frames.FollowEnded):
        assert isinstance(frame, frames.Pushed)
        assert frame.after == received
        received += len(frame.payloads)
    assert frame.reason == "slow"
    assert 0 < received < 320
    following = await slow.ask(room.follow(slow, received), frames.Following)
    assert following.after == received
    while received < 320:
        pushed = await slow.push(frames.Pushed)
        assert pushed.after == received
        received += len(pushed.payloads)


async def test_flooder_fills_its_own_lane_and_others_are_answered_quickly(tmp_path: Path) -> None:
    async with serving_here(tmp_path) as ready:
        band = await Band.found(ready.url, ready.founding_link)
        ada = await band.founder.connect(ready.url)
        flooder = await (await band.join(ada)).connect(ready.url)
        others = [await (await band.join(ada)).connect(ready.url) for _ in range(10)]
        room = await Room.opened(ada)
        flooding = [room.post(flooder, os.urandom(8_000)) for _ in range(1_500)]
        for post in flooding:
            flooder.send(post)
        started = time.monotonic()
        await asyncio.gather(*(wire.ask(room.post(wire, b"hello"), frames.Posted) for wire in others))
        waited = time.monotonic() - started
        answered = [await flooder.answer(post.id) for post in flooding]
        assert all(isinstance(reply, frames.Posted) for reply in answered)
        assert waited < (time.monotonic() - started) / 2
