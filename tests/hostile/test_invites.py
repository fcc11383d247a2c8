"""Who takes an invite link, used or not, with an honest and with a malicious server."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.client import Device
from coterie.client.connection import NotInForce
from coterie.client.device import system_clock
from coterie.client.membership.entering import NoPacket
from coterie.client.membership.registration import RegisterAlarm
from coterie.ids import Seed
from coterie.trust import RegisterError
from coterie.trust.address import parse_address
from coterie.trust.author import NewMemberKeys
from coterie.trust.invite import (
    JoinLink,
    WrongHistory,
    WrongLink,
    expect_join,
    open_packet_untrusted,
    parse_link_untrusted,
)
from coterie.trust.keys import Purpose, SigningKey, device_id
from coterie.trust.kinds import Joined
from coterie.trust.names import learn_names
from coterie.wire import frames
from coterie.wire.frames import Frame
from tests.hostile.forger import signed_after
from tests.hostile.scene import UNLOCK, Person, Scene
from tests.hostile.test_removed_device import PushedEntry
from tests.hostile.twin import Answer, Trick, Twin, Wire


async def fresh_link(person: Person) -> JoinLink:
    invite = await person.device.create_invite()
    assert invite.link is not None
    return expect_join(parse_link_untrusted(invite.link))


def through(link: JoinLink, twin: Twin) -> str:
    """The link, pasted by somebody whose server the twin is."""
    return replace(link, addresses=(parse_address(twin.address),)).text


async def test_a_stolen_link_reads_no_name_without_an_entry_that_all_see(scene: Scene, tmp_path: Path) -> None:
    link = await fresh_link(scene.ada)
    twin = await scene.newcomer_twin()
    await Device.join(tmp_path / "thief", UNLOCK, through(link, twin), "Nobody")

    for person in scene.people:
        await person.sync()
        thief = person.device.members()[-1]
        assert thief.invited_by == scene.ada.member, "all see the use, with the inviter's name"
        assert (thief.name, thief.state) == ("Nobody", "active")
    assert scene.ada.device.invites()[-1].state == "spent"


async def test_a_used_link_is_refused_and_says_so(scene: Scene, tmp_path: Path) -> None:
    link = await fresh_link(scene.ada)
    await Device.join(tmp_path / "first", UNLOCK, link.text, "Di")
    with pytest.raises(NotInForce) as refused:
        await Device.join(tmp_path / "second", UNLOCK, link.text, "Eve")
    assert refused.value.fact == "the server refused: this invite was used already"


async def test_a_second_use_that_the_server_allows_is_refused_by_every_client(scene: Scene, tmp_path: Path) -> None:
    link = await fresh_link(scene.ada)
    await Device.join(tmp_path / "first", UNLOCK, link.text, "Di")
    for person in scene.people:
        await person.sync()
    keys = NewMemberKeys(*(SigningKey(Seed(bytes([number]) * 32)) for number in (1, 2, 3)))
    public = Joined(link.invite, keys.identity.public, keys.device.public, keys.leaf.public)
    for person in scene.people:
        entry = signed_after(
            person.state.register.state,
            public,
            device_id(keys.device.public),
            (Purpose.ENTRY_INVITE, SigningKey(link.seed)),
            (Purpose.ENTRY_IDENTITY, keys.identity),
            (Purpose.ENTRY_DEVICE, keys.device),
            (Purpose.ENTRY_LEAF, keys.leaf),
        )
        person.twin.trick = PushedEntry(person, entry)
        with pytest.raises(RegisterAlarm) as alarm:
            await person.sync()
        assert alarm.value.fact == (
            "the server sent a register entry that the rules refuse: this invite was used already"
        )
        assert len(person.device.members()) == 4


async def test_a_revoked_link_is_refused_and_its_packet_is_gone(scene: Scene, tmp_path: Path) -> None:
    link = await fresh_link(scene.ada)
    await scene.ada.device.revoke_invite(link.invite)
    with pytest.raises(NotInForce) as refused:
        await Device.join(tmp_path / "thief", UNLOCK, link.text, "Eve")
    assert refused.value.fact == "the server refused: this invite was revoked"
    assert scene.ada.device.invites()[-1].state == "revoked"


async def test_an_expired_link_is_refused(scene: Scene, tmp_path: Path) -> None:
    invite = await scene.ada.device.create_invite(expires_seconds=1)
    assert invite.link is not None
    with pytest.raises(RegisterError) as refused:
        await Device.join(tmp_path / "late", UNLOCK, invite.link, "Late", clock=lambda: system_clock() + 2_000)
    assert (refused.value.fact, refused.value.hint) == (
        "this invite has expired",
        "ask whoever invited you for a new invite",
    )


async def test_a_server_that_kept_the_packet_reads_names_until_the_next_rotation_only(scene: Scene) -> None:
    """With the link of a revoked invite. This much is promised, no more (SECURITY.md)."""
    link = await fresh_link(scene.ada)
    kept = next(request for request in scene.ada.twin.requests if isinstance(request, frames.PutPacket))
    await scene.ada.device.revoke_invite(link.invite)
    opened = open_packet_untrusted(link.seed, link.coterie, link.invite, kept.packet)
    await scene.ada.device.remove_member(scene.cy.member)
    await scene.bo.sync()
    await scene.bo.device.set_profile("Boris")
    await scene.ada.sync()

    register = scene.ada.state.register
    entries = [register.entry_at(number) for number in range(1, register.seq + 1)]
    names = learn_names(register.state, entries, {opened.generation: opened.key})

    assert scene.ada.state.register.name(scene.bo.member) == "Boris"
    assert "Boris" not in names.members.values()


class Truncated(Trick):
    """A newcomer is shown the register up to some entry."""

    def __init__(self, twin: Twin, scene: Scene, last: int) -> None:
        keeper = scene.ada.state.register
        entry = keeper.hash_at(last)
        assert entry is not None
        self.head = twin.sign_head(scene.ada.state.own.coterie, last, entry)

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.RegisterEntries):
            question = wire.question(answer)
            assert isinstance(question, frames.RegisterRead)
            return (frames.RegisterEntries(answer.id, answer.entries[: self.head.seq - question.after], self.head),)
        return (answer,)


async def test_a_joiner_who_is_shown_a_register_without_the_invite_stops(scene: Scene, tmp_path: Path) -> None:
    link = await fresh_link(scene.ada)
    twin = await scene.newcomer_twin()
    twin.trick = Truncated(twin, scene, scene.ada.state.register.seq - 1)
    with pytest.raises(WrongHistory) as wrong:
        await Device.join(tmp_path / "di", UNLOCK, through(link, twin), "Di")
    assert wrong.value.fact == "the server's register does not contain the invite"
    assert wrong.value.hint == ("the server shows another register than the inviter saw: ask the inviter, do not go on")
    assert not [request for request in twin.requests if isinstance(request, frames.RegisterAppend)]


async def test_a_packet_that_is_not_the_inviters_is_not_taken(scene: Scene, tmp_path: Path) -> None:
    link = await fresh_link(scene.ada)

    class OtherPacket(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            return (frames.Packet(answer.id, b"p" * 90),) if isinstance(answer, frames.Packet) else (answer,)

    twin = await scene.newcomer_twin()
    twin.trick = OtherPacket()
    with pytest.raises(NoPacket) as refused:
        await Device.join(tmp_path / "di", UNLOCK, through(link, twin), "Di")
    assert refused.value.fact == (
        "the server did not give the key that the inviter left for you: the invite packet cannot be opened"
    )
    assert refused.value.hint.startswith("run the same command again")

    twin.trick = Trick()
    await Device.join(tmp_path / "di", UNLOCK, through(link, twin), "Di")
    await scene.ada.sync()
    assert scene.ada.device.members()[-1].name == "Di"


async def test_a_packet_kept_back_is_said_to_be_missing(scene: Scene, tmp_path: Path) -> None:
    link = await fresh_link(scene.ada)

    class KeptBack(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if isinstance(answer, frames.Packet):
                return (frames.Error(answer.id, "no_packet", "there is none"),)
            return (answer,)

    twin = await scene.newcomer_twin()
    twin.trick = KeptBack()
    with pytest.raises(NoPacket) as refused:
        await Device.join(tmp_path / "di", UNLOCK, through(link, twin), "Di")
    assert refused.value.fact == "the server does not hand out the key that the inviter left for you"


def test_an_https_link_may_have_been_read() -> None:
    with pytest.raises(WrongLink) as refused:
        parse_link_untrusted("https://127.0.0.1:4430/join/AAAA")
    assert refused.value.fact == "this is a web link: the invite may have been read by a web server"
    assert refused.value.hint.startswith("ask for a new one")
