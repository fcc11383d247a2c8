"""Cy was removed; whoever took Cy's device has its whole store, and the server on their side."""

import os
from collections.abc import Callable, Iterable

import pytest
from coterie_mls import MlsError, StagedCommit

from coterie.client.connection import NotInForce
from coterie.client.membership.registration import RegisterAlarm
from coterie.group.exports import read_token
from coterie.group.inbox import seal_entry
from coterie.group.inbox_bodies import KeyWanted, Rejoin
from coterie.ids import Seed
from coterie.store.facts import Fact
from coterie.trust.bundle import decode_bundle_untrusted, verify_bundle
from coterie.trust.entry import entry_hash
from coterie.trust.keys import Purpose, SigningKey
from coterie.trust.kinds import InviteIssued, MemberRemoved, ProfileSet, Public, Role
from coterie.trust.names import learn_names
from coterie.trust.register import Register
from coterie.wire import frames
from coterie.wire.frames import Frame
from tests.hostile.forger import Signer, entry_after
from tests.hostile.scene import Person, Scene
from tests.hostile.test_queue_history import the_other_room_goes_on
from tests.hostile.twin import Answer, Trick, Wire

INVITE = SigningKey(Seed(b"i" * 32))


class PushedEntry(Trick):
    """The server vouches for an entry with a truly signed head."""

    def __init__(self, person: Person, entry: bytes) -> None:
        own, seq = person.state.own, person.state.register.seq
        self.push = frames.RegisterPushed([entry], person.twin.sign_head(own.coterie, seq + 1, entry_hash(entry)))

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        return (answer, self.push) if isinstance(answer, frames.Ready) else (answer,)


async def removed(scene: Scene) -> None:
    await scene.cy.sync()
    await scene.ada.device.remove_member(scene.cy.member)
    for person in (scene.bo, scene.ada, scene.bo):
        await person.sync()


ENTRIES: dict[str, Callable[[Scene, Register], tuple[Public, tuple[Signer, ...]]]] = {
    "an invite": lambda scene, register: (
        InviteIssued(INVITE.public, Role.MEMBER, None, register.at + 10**6),
        ((Purpose.ENTRY_INVITE, INVITE),),
    ),
    "a removal": lambda scene, register: (MemberRemoved(scene.bo.member), ()),
    "a name": lambda scene, register: (ProfileSet(), ()),
}


@pytest.mark.parametrize("kind", ENTRIES)
async def test_what_a_removed_device_signs_for_the_register_is_refused_by_server_and_clients(
    scene: Scene, kind: str
) -> None:
    await removed(scene)
    register = scene.ada.state.register.state
    public, signers = ENTRIES[kind](scene, register)
    entry = entry_after(register, public, scene.cy.state.own, *signers)

    async with scene.bo.online():
        reply = await scene.bo.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Error)
    assert (reply.code, reply.message) == ("register_refused", "author-removed")

    for person in (scene.ada, scene.bo):
        person.twin.trick = PushedEntry(person, entry)
        with pytest.raises(RegisterAlarm) as alarm:
            await person.sync()
        assert alarm.value.fact == (
            "the server sent a register entry that the rules refuse: "
            "the author is not in force: removed, or the seat has lapsed"
        )
        assert person.state.register.state.head == register.head
        person.twin.trick = Trick()
    await the_other_room_goes_on(scene, scene.bo)


async def test_a_removed_device_is_not_let_in_and_told_why(scene: Scene) -> None:
    await removed(scene)
    with pytest.raises(NotInForce) as refused:
        await scene.cy.sync()
    assert refused.value.hint == (
        "this device was removed, its seat has ended, or the invite is spent or expired; ask who invited you"
    )


async def test_what_a_removed_device_signs_for_an_inbox_is_not_acted_on(scene: Scene) -> None:
    """It asks for the new key, and to be added again; the server puts both into Ada's inbox."""
    await removed(scene)
    ada, cy = scene.ada, scene.cy
    async with scene.bo.online():
        reply = await scene.bo.twin.wire.own(lambda number: frames.GetBundles(number, [ada.state.own.device]))
    assert isinstance(reply, frames.Bundles) and reply.bundles[0] is not None
    bundle = verify_bundle(ada.state.register.state, decode_bundle_untrusted(reply.bundles[0]))
    group = cy.state.group_of(scene.crew)
    bodies = (KeyWanted(ada.state.register.state.generation), Rejoin(scene.crew, group.group, 2))
    sealed = [
        seal_entry(cy.state.own.coterie, cy.state.own.key, bundle, body, os.urandom(16), ada.watch()) for body in bodies
    ]
    cursor = ada.state.store.facts.number(Fact.INBOX_CURSOR)

    class Inserted(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if not isinstance(answer, frames.Following) or wire.question(answer).queue != bundle.inbox_queue:  # type: ignore[union-attr]
                return (answer,)
            push = frames.Pushed(bundle.inbox_queue, cursor, [ada.watch()] * 2, list(sealed))
            return (answer, push)

    ada.twin.trick = Inserted()
    await ada.sync()

    assert ada.state.store.facts.number(Fact.INBOX_CURSOR) == cursor + 2, "both were read"
    assert [post for post in ada.state.store.inbox.posts() if post.device == cy.state.own.device] == []
    assert cy.state.own.device not in ada.state.roster(ada.state.group_of(scene.crew).group).devices
    assert ada.state.store.rooms.wishes(scene.crew) == []


async def test_a_removed_member_with_all_of_the_server_reads_no_later_name(scene: Scene) -> None:
    await removed(scene)
    await scene.bo.device.set_profile("Boris")
    await scene.ada.sync()
    register, seq = scene.ada.state.register, scene.ada.state.register.seq
    entries = [register.entry_at(number) for number in range(1, seq + 1)]

    names = learn_names(register.state, entries, scene.cy.state.register.coterie_keys())

    assert register.state.generation == 1
    assert "Boris" not in names.members.values()
    assert scene.ada.state.register.name(scene.bo.member) == "Boris"


async def test_a_removed_device_reads_nothing_that_was_said_after_it_left(scene: Scene) -> None:
    """The server hands over every entry there is."""
    await removed(scene)
    await scene.ada.device.send(scene.crew, "we are among ourselves")
    cy, group = scene.cy, scene.cy.state.group_of(scene.crew)
    payloads = [
        request.payload
        for request in scene.ada.twin.requests
        if isinstance(request, (frames.Post, frames.Advance)) and request.queue == group.queue
    ]
    mls = cy.state.groups.get(group.group)
    removal, message = (payload[1:] for payload in payloads)
    staged = mls.process(removal)
    assert isinstance(staged, StagedCommit) and staged.removes_me
    with pytest.raises(MlsError, match="not-a-member"):
        read_token(staged)
    with pytest.raises(MlsError):
        mls.process(message)
