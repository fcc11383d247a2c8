"""Keys that are somebody else's, and seals that are somebody else's: the first are refused, the second change nothing.

Each signature offered to each other verifier: tests/trust/test_keys.py; each key in each place: tests/trust/
test_refusals.py.
"""

from collections.abc import Callable

import pytest

from coterie.client.membership.registration import RegisterAlarm
from coterie.ids import Seed
from coterie.trust.author import NewMemberKeys
from coterie.trust.entry import decode_entry_untrusted
from coterie.trust.keys import Purpose, SigningKey, device_id
from coterie.trust.kinds import Joined, ProfileSet
from coterie.wire import frames
from tests.hostile.forger import signed_after, stolen_keys
from tests.hostile.scene import Scene
from tests.hostile.test_invites import fresh_link
from tests.hostile.test_removed_device import PushedEntry

THIEF = NewMemberKeys(*(SigningKey(Seed(bytes([number]) * 32)) for number in (11, 12, 13)))
FIELDS = ("identity", "device", "leaf")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("owner", ["a member", "nobody yet"])
async def test_a_key_of_another_is_not_registered_as_mine(scene: Scene, field: str, owner: str) -> None:
    """Bo's key, or one that a newcomer is about to use and the server has seen: the thief cannot sign with it."""
    link = await fresh_link(scene.ada)
    others = (
        stolen_keys(scene.bo)
        if owner == "a member"
        else NewMemberKeys(*(SigningKey(Seed(bytes([number]) * 32)) for number in (21, 22, 23)))
    )
    public = {name: getattr(THIEF, name).public for name in FIELDS} | {field: getattr(others, field).public}
    entry = signed_after(
        scene.ada.state.register.state,
        Joined(link.invite, **public),
        device_id(public["device"]),
        (Purpose.ENTRY_INVITE, SigningKey(link.seed)),
        (Purpose.ENTRY_IDENTITY, THIEF.identity),
        (Purpose.ENTRY_DEVICE, THIEF.device),
        (Purpose.ENTRY_LEAF, THIEF.leaf),
    )
    async with scene.bo.online():
        reply = await scene.bo.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Error)
    assert reply.code == "register_refused"
    assert reply.message == ("key-used" if owner == "a member" else "forged")
    scene.ada.twin.trick = PushedEntry(scene.ada, entry)
    with pytest.raises(RegisterAlarm) as alarm:
        await scene.ada.sync()
    assert alarm.value.fact.removeprefix("the server sent a register entry that the rules refuse: ") == (
        "a key in the entry was used before" if owner == "a member" else "a signature of the entry does not verify"
    )


SEALS: dict[str, Callable[[Scene], bytes]] = {
    "garbage": lambda scene: b"\xee" * 120,
    "nothing": lambda scene: b"",
    "Cy's": lambda scene: next(
        entry.sealed
        for number in range(1, scene.ada.state.register.seq + 1)
        if (entry := decode_entry_untrusted(scene.ada.state.register.entry_at(number).encoded)).kind == "ProfileSet"
        and entry.author == scene.cy.state.own.device
    ),
}


@pytest.mark.parametrize("seal", SEALS)
async def test_a_seal_copied_or_made_up_is_an_unknown_name_for_all(scene: Scene, seal: str) -> None:
    own, register = scene.bo.state.own, scene.bo.state.register.state
    entry = signed_after(register, ProfileSet(), own.device, (Purpose.ENTRY_DEVICE, own.key), sealed=SEALS[seal](scene))
    async with scene.bo.online():
        reply = await scene.bo.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Appended), "no seal affects the verdict"

    for person in scene.people:
        await person.sync()
        assert person.all_alarms() == []
        assert person.state.register.name(scene.bo.member) == f"unknown name ({scene.bo.member.hex()[:8]})"
        assert person.state.register.name(scene.cy.member) == "Cy"
