"""Frames as no hub sends them, in the middle of a session: malformed, gigantic, swapped, at the wrong moment, with
numbers beyond all use, or none at all. The device ends the connection or takes no notice; it keeps what it has, and
with an honest server everything goes on."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from coterie.errors import CoterieError
from coterie.ids import QueueId
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.scene import Scene
from tests.hostile.test_queue_history import queue_of
from tests.hostile.twin import Answer, Trick, Wire

MOST = 2**63 - 1
Lie = Callable[[Scene, Wire, Any], Iterable[Frame]]
"""What is said in place of an answer."""


class Bytes(Trick):
    """Said right after the first Following."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        yield answer
        if isinstance(answer, frames.Following):
            wire.say_bytes(self.payload)


class Instead(Trick):
    def __init__(self, kind: type[Frame], instead: Lie, scene: Scene) -> None:
        self.kind, self.instead, self.scene = kind, instead, scene

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        return self.instead(self.scene, wire, answer) if isinstance(answer, self.kind) else (answer,)


GARBAGE = {
    "no frame": b"\xff\xff\xff",
    "a text": b"\xa5hello",
    "nested": b"\x91" * 100_000,
    "an empty array": b"\x90",
    "an unknown tag": b"\x92\x7f\x01",
    "too large": bytes(256 * 1024 + 1),
}


async def all_is_well(scene: Scene) -> None:
    scene.bo.twin.trick = Trick()
    await scene.ada.device.send(scene.crew, "are you well?")
    await scene.bo.sync()
    assert scene.bo.texts(scene.crew)[-1] == "are you well?"
    await scene.bo.device.send(scene.crew, "I am")
    await scene.ada.sync()
    assert scene.ada.texts(scene.crew)[-1] == "I am"


async def test_what_is_no_frame_ends_the_connection_with_a_sentence(scene: Scene) -> None:
    for name, garbage in GARBAGE.items():
        scene.bo.twin.trick = Bytes(garbage)
        refused = await scene.bo.sync_as_far_as_it_goes()
        assert isinstance(refused, CoterieError), name
        assert refused.fact.startswith(("the server's answer is malformed: ", "the connection to the server broke"))
    await all_is_well(scene)


def _question(wire: Wire, answer: Any) -> Any:
    return wire.question(answer)


NUMBERS: dict[str, tuple[type[Frame], Lie]] = {
    "pushed at the end of all numbers": (
        frames.Following,
        lambda scene, wire, answer: (
            answer,
            frames.Pushed(queue_of(scene.bo, scene.crew), MOST, [0], [b"x" * 40]),
        ),
    ),
    "inbox pushed at the end of all numbers": (
        frames.Following,
        lambda scene, wire, answer: (
            answer,
            frames.Pushed(_question(wire, answer).queue, MOST, [MOST], [b"x" * 40]),
        ),
    ),
    "followed from beyond the end": (
        frames.Following,
        lambda scene, wire, answer: (msgspec.structs.replace(answer, after=MOST, last=MOST, epoch=MOST),),
    ),
    "behind by everything": (
        frames.Following,
        lambda scene, wire, answer: (frames.Behind(answer.id, MOST, MOST),),
    ),
    "an epoch ended at nothing": (
        frames.Following,
        lambda scene, wire, answer: (
            answer,
            frames.FollowEnded(_question(wire, answer).queue, "epoch", frames.EpochEnd(0, b"p" * 32, b"r" * 32)),
        ),
    ),
    "follows ended for reasons nobody knows": (
        frames.Following,
        lambda scene, wire, answer: (
            (
                answer,
                frames.FollowEnded(QueueId(os.urandom(32)), "epoch", None),
                frames.FollowEnded(_question(wire, answer).queue, "because", None),
            )
            if len(wire.requests) < 40
            else (answer,)
        ),
    ),
    "a stock beyond counting": (
        frames.Stock,
        lambda scene, wire, answer: (frames.Stock(answer.id, answer.suite, MOST, True),),
    ),
    "a stock of another suite": (
        frames.Stock,
        lambda scene, wire, answer: (frames.Stock(answer.id, 0xFFFF, 0, False),),
    ),
    "ready with no limits at all": (
        frames.Ready,
        lambda scene, wire, answer: (
            msgspec.structs.replace(answer, limits=frames.Limits(0, 0, -(2**60), 0, 0, 0), hubs=["x"] * 1000),
        ),
    ),
    "swapped answers": (
        frames.Following,
        lambda scene, wire, answer: (frames.Done(answer.id),),
    ),
    "retry in a hundred years": (
        frames.Following,
        lambda scene, wire, answer: (frames.Error(answer.id, "unavailable", "later", 3e9),),
    ),
    "retry never": (
        frames.Following,
        lambda scene, wire, answer: (frames.Error(answer.id, "unavailable", "later", float("inf")),),
    ),
    "an error that nobody knows": (
        frames.Following,
        lambda scene, wire, answer: (frames.Error(answer.id, "\x1b[2Jrun", "\x1b[2J" * 9000, float("nan")),),
    ),
    "a register from beyond": (
        frames.Following,
        lambda scene, wire, answer: (
            answer,
            frames.RegisterPushed([], scene.ada.twin.sign_head(scene.ada.state.own.coterie, MOST, b"h" * 32)),
        ),
    ),
}


@pytest.mark.parametrize("lie", NUMBERS)
async def test_a_strange_answer_harms_nothing_that_lasts(scene: Scene, lie: str) -> None:
    kind, instead = NUMBERS[lie]
    before = scene.bo.texts(scene.crew), scene.bo.texts(scene.pair)
    scene.bo.twin.trick = Instead(kind, instead, scene)
    await scene.bo.sync_as_far_as_it_goes(0.5)
    assert (scene.bo.texts(scene.crew), scene.bo.texts(scene.pair)) == before
    await all_is_well(scene)


async def test_a_server_that_says_nothing_leaves_the_message_queued_and_says_so(scene: Scene) -> None:
    class Silent(Trick):
        def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
            return ()

    scene.bo.twin.trick = Silent()
    sent = await scene.bo.device.send(scene.crew, "hello?", wait=0.5)
    assert (sent.state, sent.reason) == ("queued", "the server did not answer everything in time")
    scene.bo.twin.trick = Trick()
    await scene.bo.sync()
    await scene.ada.sync()
    assert scene.ada.texts(scene.crew)[-1] == "hello?"


async def test_a_post_swallowed_or_answered_with_a_lie_is_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.client.online.shared_session.LAST_WORDS_SECONDS", 0.2)

    class Swallowed(Trick):
        def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
            if isinstance(request, frames.Post):
                wire.say(frames.Posted(request.id, 10**6))
                return ()
            return (request,)

    scene.bo.twin.trick = Swallowed()
    sent = await scene.bo.device.send(scene.crew, "hello?", wait=0.5)
    assert sent.state == "sent", "as far as anybody can tell"
    scene.bo.twin.trick = Trick()
    await scene.bo.sync_as_far_as_it_goes()
    await scene.ada.device.rename_room(scene.crew, topic="an epoch ends")
    await scene.bo.sync()
    await scene.ada.sync()
    assert scene.ada.texts(scene.crew)[-1] == "hello?"


@pytest.mark.parametrize("highest", [10**6, MOST])
async def test_a_server_that_cries_copy_costs_the_rooms_and_no_more(scene: Scene, highest: int) -> None:
    class Copied(Trick):
        def __init__(self) -> None:
            self.said = False

        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if isinstance(answer, frames.Ready) and not self.said:
                self.said = True
                return (frames.StoreCopied(highest),)
            return (answer,)

    scene.bo.twin.trick = Copied()
    refused = await scene.bo.sync_as_far_as_it_goes()
    assert refused is None or refused.code in ("server_unreachable", "malformed_answer", "not_settled")
    for person in (scene.ada, scene.bo, scene.ada, scene.bo):
        await person.sync()
    await all_is_well(scene)
