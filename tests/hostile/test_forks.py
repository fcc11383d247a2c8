"""The server forks: two hubs with the same keys, one for each victim, from the same past."""

from collections.abc import Iterable
from pathlib import Path

from coterie.client import Device
from coterie.client.facts import RoomState
from coterie.client.rooms.wishes import Action
from coterie.ids import QueueId
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.scene import UNLOCK, Scene
from tests.hostile.test_invites import fresh_link, through
from tests.hostile.test_queue_history import end_of, queue_of
from tests.hostile.twin import Answer, Trick, Wire


class Carried(Trick):
    """An entry from the other branch, shown as the next one of this one."""

    def __init__(self, queue: QueueId, payload: bytes) -> None:
        self.queue, self.payload = queue, payload

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.Following):
            question = wire.question(answer)
            assert isinstance(question, frames.Follow)
            if question.queue == self.queue:
                return (answer, frames.Pushed(self.queue, answer.last, [1_800_000_000_000], [self.payload]))
        return (answer,)


async def test_two_commits_at_one_epoch_never_meet_in_silence(scene: Scene) -> None:
    ada, bo, crew = scene.ada, scene.bo, scene.crew
    bo.twin.hub = await scene.fork()
    await ada.device.rename_room(crew, topic="this way")
    with bo.state.groups.changing():
        bo.state.store.rooms.wish(crew, Action.UPDATE, b"", bo.watch())
    await bo.sync()
    epochs = [person.state.groups.get(person.state.group_of(crew).group).epoch for person in (ada, bo)]
    assert epochs[0] == epochs[1], "each merged its own commit at the same epoch"

    await ada.device.send(crew, "this is the way")
    bo.twin.trick = Carried(queue_of(bo, crew), ada.twin.payloads(queue_of(ada, crew))[-1])
    await bo.sync()
    assert bo.texts(crew) == ["good morning"]
    assert "an entry of the room cannot be read (bad-head)" in bo.alarms("unreadable entry")[0]

    bo.twin.trick, bo.twin.hub = Trick(), scene.hub
    await bo.sync()
    assert bo.alarms("room stopped") == [
        "the room 'Crew' does not go on: the server refuses it: the server refused: no such queue for this token; "
        "the other rooms do; sync again, or ask to be added to the room again"
    ]
    await ada.device.send(scene.pair, "still here")
    await bo.sync()
    assert bo.texts(scene.pair)[-1] == "still here"


async def test_a_register_forked_for_two_is_noticed_at_the_next_message_naming_who(scene: Scene) -> None:
    ada, bo, crew = scene.ada, scene.bo, scene.crew
    bo.twin.hub = await scene.fork()
    await ada.device.create_invite()
    await bo.device.create_invite()
    seq = ada.state.register.seq
    assert (seq, ada.state.register.state.head) != (bo.state.register.seq, bo.state.register.state.head)

    await bo.device.send(crew, "as agreed")
    ada.twin.trick = Carried(queue_of(ada, crew), bo.twin.payloads(queue_of(bo, crew))[-1])
    await ada.sync()

    assert ada.alarms("forked register") == [
        f"Bo has another register than you, at entry {seq}; the server may show different members to different "
        "people: compare safety numbers with a steward"
    ]


async def test_a_commit_that_names_the_other_branch_of_the_register_is_not_merged(scene: Scene) -> None:
    ada, bo, crew = scene.ada, scene.bo, scene.crew
    bo.twin.hub = await scene.fork()
    await ada.device.create_invite()
    await bo.device.create_invite()
    await ada.device.rename_room(crew, topic="ours")
    commit = next(request for request in ada.twin.requests if isinstance(request, frames.Advance))

    class CarriedCommit(Carried):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            yield from super().answered(wire, answer)
            if isinstance(answer, frames.Following) and wire.question(answer).queue == self.queue:  # type: ignore[union-attr]
                ended = frames.EpochEnd(answer.last + 1, commit.next_post, commit.next_read)
                yield frames.FollowEnded(self.queue, "epoch", ended)

    bo.twin.trick = CarriedCommit(queue_of(bo, crew), commit.payload)
    await bo.sync_as_far_as_it_goes()

    assert bo.room(crew).state == RoomState.STUCK
    assert bo.room(crew).topic == ""
    assert "a change to the room 'Crew' names another register than yours" in bo.alarms("forked register")[0] or (
        "a commit has another register than you" in bo.alarms("forked register")[0]
    )


async def test_who_joins_on_a_fork_stays_unconfirmed_and_is_sent_nothing(scene: Scene, tmp_path: Path) -> None:
    """The server shows the newcomer its own branch, with an accomplice among the members there."""
    ada, bo = scene.ada, scene.bo
    link = await fresh_link(ada)
    await bo.sync()
    twin = await scene.newcomer_twin()
    twin.hub = bo.twin.hub = await scene.fork()
    home = tmp_path / "di"
    await Device.join(home, UNLOCK, through(link, twin), "Di")

    await bo.sync()
    di_member = bo.device.members()[-1].member
    await bo.device.create_room("Come in", [di_member])
    async with Device.open(home, UNLOCK) as di:
        await di.sync()
        assert not di.status().confirmed
        assert di.rooms() == [], "an invitation by somebody who cannot vouch waits"
    before = len(ada.twin.requests)
    await ada.sync()
    assert len(ada.device.members()) == 3, "on the true branch nobody joined"
    asked = ada.twin.requests[before:]
    assert not [request for request in asked if isinstance(request, (frames.Post, frames.ClaimKeyPackage))]


async def test_who_joins_honestly_is_confirmed_by_the_inviters_head(scene: Scene, tmp_path: Path) -> None:
    """The control of the one above."""
    link = await fresh_link(scene.ada)
    await Device.join(tmp_path / "di", UNLOCK, link.text, "Di")
    await scene.ada.sync()
    async with Device.open(tmp_path / "di", UNLOCK) as di:
        await di.sync()
        assert di.status().confirmed


async def test_a_joiner_who_is_shown_a_later_start_of_the_room_is_told(scene: Scene) -> None:
    """The server hides what was said between the invitation and the joining."""
    ada, cy = scene.ada, scene.cy
    await ada.device.add_to_room(scene.pair, cy.member)
    await ada.device.send(scene.pair, "hidden")
    await ada.sync()
    end, queue = end_of(ada, scene.pair), queue_of(ada, scene.pair)
    await ada.device.send(scene.pair, "shown")

    class LaterStart(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            question = wire.question(answer) if isinstance(answer, frames.Following) else None
            if isinstance(answer, frames.Following) and getattr(question, "queue", None) == queue:
                return (frames.Following(answer.id, end, answer.last, answer.epoch),)
            if isinstance(answer, frames.Pushed) and answer.queue == queue:
                return (frames.Pushed(queue, end, answer.at[-1:], answer.payloads[-1:]),)
            return (answer,)

    cy.twin.trick = LaterStart()
    await cy.sync_as_far_as_it_goes()
    # the inviter's word on where the room began for Cy may come before the server's, or after it
    before = f"the server leaves out entry {end} of the room 'Pair'; what comes after it is not shown before it; "
    after = f"the server let you read the room 'Pair' from entry {end} on; you were added with {end - 1}; "
    told = cy.alarms("withheld") + cy.alarms("split queue")
    assert told and told[0].startswith((before, after))


async def test_a_commit_that_only_one_victim_is_shown_leaves_the_victim_alarmed_and_alone(scene: Scene) -> None:
    """Cy's commit is kept from the log and shown to Bo; then Ada's takes its place for everybody else."""
    ada, bo, cy, crew = scene.ada, scene.bo, scene.cy, scene.crew
    queue = queue_of(bo, crew)

    class Intercepted(Trick):
        commit: frames.Advance | None = None

        def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
            if isinstance(request, frames.Advance) and request.queue == queue:
                self.commit = request
                return ()
            return (request,)

    cy.twin.trick = intercepted = Intercepted()
    with cy.state.groups.changing():
        cy.state.store.rooms.wish(crew, Action.UPDATE, b"", cy.watch())
    await cy.sync_as_far_as_it_goes()
    assert intercepted.commit is not None
    payload, tokens = intercepted.commit.payload, (intercepted.commit.next_post, intercepted.commit.next_read)
    cy.twin.trick = Trick()

    class ShownToOne(Carried):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            yield from super().answered(wire, answer)
            if isinstance(answer, frames.Following) and getattr(wire.question(answer), "queue", None) == queue:
                yield frames.FollowEnded(queue, "epoch", frames.EpochEnd(answer.last + 1, *tokens))

    bo.twin.trick = ShownToOne(queue, payload)
    await bo.sync_as_far_as_it_goes()
    assert bo.alarms("room stopped")[0].startswith("the room 'Crew' does not go on: ")
    bo.twin.trick = Trick()

    await ada.device.rename_room(crew, topic="true")
    await cy.sync()
    await ada.device.send(crew, "one branch")
    await cy.sync()
    assert cy.texts(crew)[-1] == "one branch"
    assert cy.room(crew).topic == "true"
    sent = await bo.device.send(crew, "from the lone branch", wait=0.5)
    assert sent.state == "queued", "nothing of Bo's goes where only the server knows the tokens"
    # Bo asks to be added again, as the alarm says
    await bo.device.rejoin(crew)
    for person in (ada, bo, ada, bo, cy):
        await person.sync()
    assert ada.texts(crew)[-1] == bo.texts(crew)[-1] == cy.texts(crew)[-1] == "from the lone branch"
