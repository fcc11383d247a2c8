"""Requests, pushes and the end of an open connection."""

import asyncio
import os
import random

import picows
import pytest

from coterie.client.connection import (
    ConnectionLost,
    MalformedAnswer,
    ServerRefused,
    ServerUnavailable,
    Superseded,
    connection,
)
from coterie.client.connection.pushes import MOST_BYTES
from coterie.ids import QueueId
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import (
    Done,
    Error,
    Follow,
    FollowEnded,
    Following,
    Frame,
    Greeting,
    Limits,
    Position,
    Post,
    Posted,
    Pushed,
    Read,
    Ready,
    RegisterPushed,
    RegisterRead,
    Request,
    SignedHead,
    Stale,
    Unfollow,
)
from tests.client.connection.hub import LIMITS, Hub, Session

QUEUE = QueueId(b"q" * 32)
OTHER = QueueId(b"o" * 32)
HEAD = SignedHead(0, 1, b"h" * 32, b"s" * 64)


def post(number: int, payload: bytes = b"p") -> Post:
    return Post(number, QUEUE, b"t" * 32, 0, number.to_bytes(16, "big"), payload)


def pushed(queue: QueueId, after: int, size: int = 1) -> Pushed:
    return Pushed(queue, after, [1], [b"x" * size])


async def test_reply_goes_to_who_asked(hub: Hub) -> None:
    hub.on_request = lambda session, request: session.say(Posted(request.id, request.id * 10))
    device = await hub.connect()
    replies = await asyncio.gather(*(device.request(post) for _ in range(5)))
    assert replies == [Posted(number, number * 10) for number in range(1, 6)]
    assert await device.request(Post, queue=QUEUE, token=b"t" * 32, epoch=0, key=b"k" * 16, payload=b"") == Posted(
        6, 60
    )
    await device.close()


async def test_answers_in_another_order_find_their_requests(hub: Hub) -> None:
    def last_first(session: Session, request: Request) -> None:
        if request.id == 10:
            for number in range(10, 0, -1):
                session.say(Posted(number, number) if number % 2 else Stale(number, number))

    hub.on_request = last_first
    device = await hub.connect()
    replies = await asyncio.gather(*(device.request(post) for _ in range(10)))
    assert replies == [Posted(number, number) if number % 2 else Stale(number, number) for number in range(1, 11)]
    await device.close()


async def test_requests_go_out_in_the_order_of_the_calls_and_no_more_than_the_hub_takes(hub: Hub) -> None:
    hub.answer_to_proof = Ready(Limits(262_144, 204_800, 3, 1_048_576, 1, 1), [], None, 0, 1_700_000_000_000, b"")
    three, held = asyncio.Event(), []

    def hold(session: Session, request: Request) -> None:
        held.append(request.id)
        if request.id == 3:
            three.set()
        if three.is_set() and request.id > 3:
            session.say(Posted(request.id, request.id))

    hub.on_request = hold
    device = await hub.connect()
    asking = [asyncio.ensure_future(device.request(post)) for _ in range(50)]
    async with asyncio.timeout(10):
        await three.wait()
        # what the hub says afterwards has come, and nothing more was sent meanwhile
        hub.sessions[0].say(pushed(QUEUE, 0))
        await anext(device.pushes)
        assert held == [1, 2, 3]
        hub.sessions[0].say(*(Posted(number, number) for number in (1, 2, 3)))
        assert [await task for task in asking] == [Posted(number, number) for number in range(1, 51)]
    assert held == list(range(1, 51))
    await device.close()


async def test_refusal_is_of_one_request_only(hub: Hub) -> None:
    def refuse_the_first(session: Session, request: Request) -> None:
        if request.id == 1:
            session.say(Error(1, ErrorCode.QUEUE_FULL, "the queue is full"))
        elif request.id == 2:
            session.say(Error(2, ErrorCode.LIMITED, "too many", retry_after=2.0))
        else:
            session.say(Posted(request.id, 1))

    hub.on_request = refuse_the_first
    device = await hub.connect()
    with pytest.raises(ServerRefused, match="the queue is full") as refused:
        await device.request(post)
    assert refused.value.server_code == ErrorCode.QUEUE_FULL
    with pytest.raises(ServerUnavailable) as later:
        await device.request(post)
    assert later.value.retry_after == 2.0
    assert await device.request(post) == Posted(3, 1)
    await device.close()


async def test_refusal_by_the_register_is_told_in_words(hub: Hub) -> None:
    hub.on_request = lambda session, request: session.say(
        Error(request.id, ErrorCode.REGISTER_REFUSED, "author-removed")
    )
    device = await hub.connect()
    with pytest.raises(ServerRefused, match="the author is not in force: removed, or the seat has lapsed"):
        await device.request(post)
    await device.close()


async def test_connection_lost_while_waiting(hub: Hub) -> None:
    hub.on_request = lambda session, request: session.hang_up()
    device = await hub.connect()
    asking = [asyncio.ensure_future(device.request(post)) for _ in range(200)]
    async with asyncio.timeout(10):
        for task in asking:
            with pytest.raises(ConnectionLost):
                await task
        await device.closed.wait()
    assert isinstance(device.reason, ConnectionLost)
    with pytest.raises(ConnectionLost):
        await device.request(post)


async def test_request_too_large_for_a_frame_is_not_sent(hub: Hub) -> None:
    hub.on_request = lambda session, request: session.say(Posted(request.id, 1))
    device = await hub.connect()
    for _ in range(100):
        with pytest.raises(ValueError, match="the most is 262144"):
            await device.request(lambda number: post(number, bytes(262_144)))
    assert isinstance(await device.request(post), Posted)
    assert len(hub.sessions[0].requests) == 1
    await device.close()


async def test_no_answer_in_time_is_a_lost_connection(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.05)
    device = await hub.connect()
    with pytest.raises(ConnectionLost, match="did not answer"):
        await device.request(post)
    assert device.closed.is_set()


async def test_cancelled_request_does_not_disturb_the_others(hub: Hub) -> None:
    """Its answer may still come, and takes its place in the window until then."""
    arrived = asyncio.Event()

    def answer_later(session: Session, request: Request) -> None:
        if request.id == 1:
            arrived.set()
        else:
            session.say(Posted(1, 1), Posted(request.id, 2))

    hub.on_request = answer_later
    device = await hub.connect()
    first = asyncio.ensure_future(device.request(post))
    async with asyncio.timeout(10):
        await arrived.wait()
        first.cancel()
        assert await device.request(post) == Posted(2, 2)
    assert not device.closed.is_set()
    await device.close()


async def test_taken_over_device_is_told_why(hub: Hub) -> None:
    hub.on_request = lambda session, _: session.say(Error(0, ErrorCode.SUPERSEDED, "a newer session"))
    device = await hub.connect()
    with pytest.raises(Superseded):
        await device.request(post)
    assert isinstance(device.reason, Superseded)


async def test_closing_ends_what_waits_and_may_be_repeated(hub: Hub) -> None:
    device = await hub.connect()
    asking = asyncio.ensure_future(device.request(post))
    await asyncio.sleep(0)
    await device.close()
    await device.close()
    with pytest.raises(ConnectionLost, match="was closed"):
        await asking
    async with asyncio.timeout(5):
        await hub.gone.wait()
        assert [push async for push in device.pushes] == []


WRONG_ANSWERS: dict[str, Frame] = {
    "a reply to nobody": Posted(99, 1),
    "a reply of another kind": Done(1),
    "a second Ready": Ready(LIMITS, [], None, 0, 0, b""),
}


@pytest.mark.parametrize("answer", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
async def test_wrong_answer_closes_the_connection(hub: Hub, answer: Frame) -> None:
    hub.on_request = lambda session, _: session.say(answer)
    device = await hub.connect()
    with pytest.raises(MalformedAnswer):
        await device.request(post)
    assert device.closed.is_set()


async def test_same_answer_twice_closes_the_connection(hub: Hub) -> None:
    hub.on_request = lambda session, request: session.say(Posted(request.id, 1), Posted(request.id, 1))
    device = await hub.connect()
    assert await device.request(post) == Posted(1, 1)
    async with asyncio.timeout(5):
        await device.closed.wait()
    assert isinstance(device.reason, MalformedAnswer)


async def test_random_bytes_close_the_connection_with_a_typed_error(hub: Hub) -> None:
    chance = random.Random(30)

    def noise(session: Session, request: Request) -> None:
        tag = chance.choice([64, 67, 71, 79, 81, 96, 97, 98, 99])
        head = [0x90 | chance.randrange(8), tag] if chance.random() < 0.8 else []
        session.say_bytes(bytes([*head, *(chance.randrange(256) for _ in range(chance.randrange(60)))]))
        session.say_bytes(b"\xc1")

    hub.on_request = noise
    for _ in range(60):
        device = await hub.connect()
        with pytest.raises((MalformedAnswer, ServerRefused)):
            await device.request(post)
        await device.close()


async def test_answer_beyond_the_frame_limit_is_not_taken(hub: Hub) -> None:
    hub.on_request = lambda session, _: session.say_bytes(os.urandom(2_000_000))
    device = await hub.connect()
    with pytest.raises((MalformedAnswer, ConnectionLost)):
        await device.request(post)


async def test_text_frame_closes_the_connection(hub: Hub) -> None:
    hub.on_request = lambda session, _: session.say_bytes(b"hello", picows.WSMsgType.TEXT)
    device = await hub.connect()
    with pytest.raises(MalformedAnswer):
        await device.request(post)


async def test_pushes_come_in_order_from_the_first_byte_on(hub: Hub) -> None:
    """Also those that the hub sends together with `Ready`."""
    frames = [
        pushed(QUEUE, 0),
        RegisterPushed([b"e"], HEAD),
        pushed(OTHER, 4),
        Position(b"p1"),
        pushed(QUEUE, 1),
        FollowEnded(QUEUE, "closed", None),
    ]

    def greet_and_push(session: Session, greeting: Greeting) -> None:
        hub.greet(session, greeting)
        if session.proven is not None:
            session.say(*frames)

    hub.on_greeting = greet_and_push
    device = await hub.connect()
    pushes = aiter(device.pushes)
    async with asyncio.timeout(5):
        taken = [await anext(pushes) for _ in range(5)]
    assert taken == [frame for frame in frames if not isinstance(frame, Position)]
    assert device.position == b"p1"
    await device.close()


async def test_pushes_already_here_are_read_to_the_end_after_a_loss(hub: Hub) -> None:
    def push_and_go(session: Session, request: Request) -> None:
        session.say(pushed(QUEUE, 0), pushed(QUEUE, 1), Posted(request.id, 1))

    hub.on_request = push_and_go
    device = await hub.connect()
    await device.request(post)
    hub.sessions[0].hang_up()
    async with asyncio.timeout(5):
        assert [push async for push in device.pushes] == [pushed(QUEUE, 0), pushed(QUEUE, 1)]
    assert isinstance(device.reason, ConnectionLost)


async def test_device_that_does_not_keep_up_is_cut_from_the_queue_not_from_its_replies(hub: Hub) -> None:
    size = 100_000
    flood = 2 * MOST_BYTES // size

    def on_request(session: Session, request: Request) -> None:
        match request:
            case Follow():
                session.say(Following(request.id, request.after, 0, 0))
                session.say(*(pushed(request.queue, request.after + n, size) for n in range(flood)))
            case Unfollow():
                session.say(Done(request.id))
            case Read() | RegisterRead():
                raise AssertionError("not asked here")
            case _:
                session.say(pushed(OTHER, 0), Posted(request.id, 1))

    hub.on_request = on_request
    device = await hub.connect()
    await device.request(Follow, queue=QUEUE, token=b"t" * 32, after=0)
    await device.request(Unfollow, queue=OTHER)
    await device.request(post)
    taken, pushes = 0, aiter(device.pushes)
    async with asyncio.timeout(10):
        while isinstance(push := await anext(pushes), Pushed):
            assert push.after == taken
            taken += 1
        assert push == FollowEnded(QUEUE, "slow", None)
        assert 0 < taken * size <= MOST_BYTES
        assert await anext(pushes) == pushed(OTHER, 0), "what still fits of another queue comes"
        # followed again from what was taken, it goes on without gap or repeat
        await device.request(Follow, queue=QUEUE, token=b"t" * 32, after=taken)
        assert await anext(pushes) == pushed(QUEUE, taken, size)
    await device.close()


async def test_hub_that_floods_with_register_entries_is_left(hub: Hub) -> None:
    entries = RegisterPushed([b"e" * 16_000] * 15, HEAD)
    hub.on_request = lambda session, _: session.say(*([entries] * 40))
    device = await hub.connect()
    with pytest.raises(ConnectionLost, match="pushes more"):
        await device.request(post)
