"""A server that delivers in whatever order it likes: several commit at once, and at the end there is one branch."""

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from coterie.client import Device
from coterie.client.facts import RoomState
from coterie.client.rooms.wishes import Action
from coterie.ids import RoomId
from coterie.store import wrap
from coterie.wire import frames
from coterie.wire.frames import Frame
from tests.hostile.scene import UNLOCK, Person, Scene, person
from tests.hostile.twin import Answer, Trick, Wire

LONGEST_DELAY_S = 0.05


class Unhurried(Trick):
    """Each queue's pushes in their order, but each at its own time, and replies and other queues overtake them."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._free_at: dict[object, float] = {}

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if not isinstance(answer, (frames.Pushed, frames.FollowEnded, frames.RegisterPushed)):
            return (answer,)
        loop = asyncio.get_running_loop()
        lane = getattr(answer, "queue", None)
        at = max(loop.time(), self._free_at.get(lane, 0.0)) + self._chance.random() * LONGEST_DELAY_S
        self._free_at[lane] = at
        loop.call_at(at, wire.say, answer)
        return ()


async def commits_and_speaks(who: Person, room: RoomId, times: int) -> None:
    async with who.online():
        for number in range(times):
            with who.state.groups.changing():
                who.state.store.rooms.wish(room, Action.UPDATE, b"", who.watch())
            assert (await who.device.send(room, f"{who.name} {number}")).state == "sent", "nobody is left behind"


async def one_branch(scene: Scene, people: list[Person], seed: int, times: int) -> None:
    chance = random.Random(seed)
    for who in people:
        who.twin.trick = Unhurried(chance)
    await asyncio.gather(*(commits_and_speaks(who, scene.crew, times) for who in people))
    await scene.ada.device.rename_room(scene.crew, topic=f"seed {seed}")
    for who in people:
        who.twin.trick = Trick()
    for who in people * 2:
        await who.sync()

    ends = {who.state.groups.get(who.state.group_of(scene.crew).group).epoch_authenticator for who in people}
    assert len(ends) == 1, "one branch"
    texts = [text for text in scene.ada.texts(scene.crew) if text != "good morning"]
    assert sorted(texts) == sorted(f"{who.name} {number}" for who in people for number in range(times))
    for who in people:
        assert who.all_alarms() == []
        assert who.room(scene.crew).state == RoomState.ACTIVE
        assert who.room(scene.crew).topic == f"seed {seed}"
        assert [text for text in who.texts(scene.crew) if text != "good morning"] == texts, "in one order"


async def test_three_who_commit_at_once_under_random_delivery_end_on_one_branch(scene: Scene) -> None:
    await one_branch(scene, list(scene.people), seed=3, times=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_eight_who_commit_at_once_under_random_delivery_end_on_one_branch(
    scene: Scene, tmp_path: Path, seed: int
) -> None:
    people = list(scene.people)
    for name in ("di", "ed", "flo", "gus", "hal"):
        invite = await scene.ada.device.create_invite()
        assert invite.link is not None
        twin = await scene.newcomer_twin()
        home = tmp_path / f"new-{name}"
        await Device.join(home, UNLOCK, invite.link, name.title())
        await scene.ada.sync()
        newcomer = person(name, home, wrap.unlock(home, UNLOCK), twin)
        scene.stack.callback(newcomer.device.close)
        await newcomer.sync()
        await scene.ada.device.add_to_room(scene.crew, newcomer.member)
        people.append(newcomer)
    for who in people:
        await who.sync()
    await one_branch(scene, people, seed, times=3)
