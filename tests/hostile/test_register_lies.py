"""The server, which holds the service key, lies about the register: another end, an earlier end, no end, entries kept
back, entries that nobody may sign. Each device believes only what it verified, says so, and takes nothing."""

from collections.abc import Callable, Iterable

import msgspec
import pytest

from coterie.client.membership.registration import RegisterAlarm
from coterie.ids import InviteId
from coterie.trust.entry import entry_hash
from coterie.trust.kinds import InviteIssued, Role
from coterie.wire import frames
from coterie.wire.frames import Frame, Request, SignedHead
from tests.hostile.forger import entry_after
from tests.hostile.scene import Person, Scene
from tests.hostile.test_queue_history import the_other_room_goes_on
from tests.hostile.twin import Answer, Trick, Wire


class AnotherHead(Trick):
    def __init__(self, head: SignedHead | None) -> None:
        self.head = head

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.Ready):
            return (msgspec.structs.replace(answer, head=self.head),)
        return (answer,)


def head_of(person: Person, *, seq: int = 0, hash_: bytes | None = None) -> SignedHead:
    """A truly signed head, `seq` entries off, and perhaps of another entry."""
    register = person.state.register
    here = register.hash_at(register.seq + seq) or b"?" * 32
    return person.twin.sign_head(person.state.own.coterie, register.seq + seq, hash_ or here)


LIES: dict[str, tuple[Callable[[Person], SignedHead | None], str]] = {
    "another entry": (
        lambda bo: head_of(bo, hash_=b"x" * 32),
        "the server shows another register: entry {seq} is not the one that is known here",
    ),
    "an earlier end": (
        lambda bo: head_of(bo, seq=-1),
        "the server's register ends at entry {before}; this device has verified {seq} entries",
    ),
    "not founded": (lambda bo: None, "the server says that the coterie is not founded, but it was"),
    "signed by nobody": (
        lambda bo: msgspec.structs.replace(head_of(bo), signature=bytes(64)),
        "the server's word on the register's end is not signed by its key",
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_about_the_registers_end_stops_the_device_with_a_sentence(scene: Scene, lie: str) -> None:
    head, sentence = LIES[lie]
    seq = scene.bo.state.register.seq
    scene.bo.twin.trick = AnotherHead(head(scene.bo))

    with pytest.raises(RegisterAlarm) as alarm:
        await scene.bo.sync()

    fact = sentence.format(seq=seq, before=seq - 1)
    assert alarm.value.fact == fact
    assert scene.bo.alarms("register") == [
        f"{fact}; nothing was taken from it; ask a steward over another channel before you trust this server"
    ]
    assert scene.bo.state.register.seq == seq


async def test_entries_that_the_server_signed_for_and_keeps_back(scene: Scene) -> None:
    await scene.ada.device.create_invite()
    signed = head_of(scene.ada)

    class KeptBack(AnotherHead):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if isinstance(answer, frames.RegisterEntries):
                return (frames.RegisterEntries(answer.id, [], signed),)
            return super().answered(wire, answer)

    scene.bo.twin.trick = KeptBack(signed)
    refused = await scene.bo.sync_as_far_as_it_goes()
    # read to the end by the head in Ready: the server owes an entry
    assert refused is not None
    assert "the server withholds register entries that it has signed for" in scene.bo.alarms("register")[0]


class Unheard(Trick):
    """Of the register, this reader hears nothing that came after `seq`."""

    def __init__(self, person: Person) -> None:
        self.head = head_of(person)

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        match answer:
            case frames.RegisterPushed():
                return ()
            case frames.RegisterEntries():
                return (frames.RegisterEntries(answer.id, [], self.head),)
            case frames.Ready():
                return (msgspec.structs.replace(answer, head=self.head),)
            case _:
                return (answer,)


async def test_a_register_withheld_from_one_reader_is_noticed_at_the_next_message(scene: Scene) -> None:
    seq = scene.bo.state.register.seq
    scene.bo.twin.trick = Unheard(scene.bo)
    await scene.ada.device.create_invite()
    await scene.ada.device.send(scene.crew, "we are hiring")

    refused = await scene.bo.sync_as_far_as_it_goes()

    assert refused is not None and refused.code == "not_settled"
    assert scene.bo.texts(scene.crew) == ["good morning"], "it waits, it is not refused"
    assert scene.bo.alarms("register withheld") == [
        f"a member names entry {seq + 1} of the register, but the server shows this device {seq} entries only; "
        "what names it waits; compare with the others over another channel: the server may keep entries from you"
    ]
    scene.bo.twin.trick = Trick()
    await scene.bo.sync()
    assert scene.bo.texts(scene.crew) == ["good morning", "we are hiring"]


async def test_an_entry_that_the_rules_refuse_is_refused_by_server_and_client(scene: Scene) -> None:
    """Bo is a member: he may not invite a steward, and the server cannot make it so."""
    ada, bo = scene.ada, scene.bo
    register = ada.state.register.state
    public = InviteIssued(b"\x21" + bytes(31), Role.STEWARD, None, register.at + 1_000_000)
    entry = entry_after(register, public, bo.state.own)

    async with bo.online():
        reply = await bo.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Error) and reply.code == "register_refused"

    class Pushed(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if not isinstance(answer, frames.Ready):
                return (answer,)
            head = ada.twin.sign_head(register.coterie, register.head.seq + 1, entry_hash(entry))
            return (answer, frames.RegisterPushed([entry], head))

    ada.twin.trick = Pushed()
    with pytest.raises(RegisterAlarm) as alarm:
        await ada.sync()
    assert alarm.value.fact.startswith("the server sent a register entry that the rules refuse: ")
    assert InviteId(entry_hash(entry)) not in ada.state.register.state.invites
    ada.twin.trick = Trick()
    await the_other_room_goes_on(scene, scene.bo)


async def test_an_entry_pushed_twice_or_late_changes_nothing(scene: Scene) -> None:
    class Twice(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            return (answer, answer) if isinstance(answer, frames.RegisterPushed) else (answer,)

        def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
            return (request,)

    scene.bo.twin.trick = Twice()
    async with scene.bo.online():
        await scene.ada.device.create_invite()
        await scene.ada.device.create_invite()
        await scene.bo.until(lambda: scene.bo.state.register.seq == scene.ada.state.register.seq)
    await scene.bo.sync()
    assert scene.bo.all_alarms() == []
