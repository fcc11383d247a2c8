"""Coming back with the recovery phrase alone: new device, old ones out, rooms and names again, and what is refused."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from coterie.client import Device
from coterie.client.connection import Connection, ConnectionLost, NotInForce
from coterie.client.facts import Identity
from coterie.client.membership.entering import Entering, OtherLink
from coterie.client.online.session import NotSettled
from coterie.client.recovery import NobodysPhrase, come_back, look
from coterie.client.recovery.keeping import phrase_of, server_link
from coterie.client.rooms.writer import BACK_WITHIN_MS
from coterie.ids import Seed
from coterie.store.facts import Fact
from coterie.store.wrap import DeviceExists
from coterie.trust.invite import WrongHistory
from coterie.trust.phrase import Phrase
from coterie.trust.server_link import ServerLink
from tests.client.newsroom import PASSPHRASE, FakeClock, Newsroom, newsroom, next_text, notices, running, settle, texts
from tests.client.test_entering import Interruptions


@pytest_asyncio.fixture
async def gazette(tmp_path: Path) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path, "Bo", "Cleo") as gazette:
        yield gazette


def kept(gazette: Newsroom, name: str) -> tuple[ServerLink, Phrase]:
    """What a person has beside their device."""
    state = gazette[name]._state
    return server_link(state), phrase_of(state.store.facts)


async def lose_and_come_back(gazette: Newsroom, name: str, home: str = "") -> Device:
    """The device is gone; its member comes back with link and phrase, in another folder."""
    server, phrase = kept(gazette, name)
    gazette.close(name)
    anew = home or f"{name} again"
    await come_back(gazette.home(anew), PASSPHRASE, server, phrase, FakeClock())
    return gazette.open(anew)


async def test_who_lost_their_device_is_the_same_member_with_a_new_one(gazette: Newsroom) -> None:
    member, old = gazette.member("Bo"), gazette["Bo"].status().device
    server, phrase = kept(gazette, "Bo")
    returning = await look(server, phrase)
    assert (returning.member, [device for device, _ in returning.devices]) == (member, [old])
    bo = await lose_and_come_back(gazette, "Bo")
    await settle(gazette["Ada"], bo, gazette["Cleo"])
    assert bo.status().member == member
    (facts,) = [facts for facts in gazette["Cleo"].members() if facts.member == member]
    assert facts.devices == (bo.status().device,) != (old,)
    assert bo.status().confirmed
    assert [facts.name for facts in bo.members()] == ["Ada", "Bo", "Cleo"]
    with pytest.raises(NotInForce):
        await gazette.open("Bo").sync()


async def test_the_phrase_is_on_the_new_device_never(gazette: Newsroom) -> None:
    bo = await lose_and_come_back(gazette, "Bo")
    assert bo._state.store.facts.get(Fact.IDENTITY_SEED) is None
    assert bo._state.store.facts.get(Fact.PHRASE_KEY) is not None


async def test_the_rooms_take_the_new_device_in_whoever_is_there(gazette: Newsroom) -> None:
    """Ada founded the room and is away; Cleo is no admin."""
    room = await gazette.room("Desk", "Ada", "Bo", "Cleo")
    await gazette["Bo"].send(room, "before")
    await gazette.sync("Ada", "Cleo")
    gazette.close("Ada")
    bo = await lose_and_come_back(gazette, "Bo")
    cleo = gazette["Cleo"]
    await settle(cleo, bo)
    # who vouches for Bo is away, so he takes in no Welcome yet; the room has him already
    assert len(cleo.room(room).members) == 3
    await settle(gazette.open("Ada"), bo, cleo)
    assert bo.room(room).state == "active"
    assert "a device of Bo was added" in notices(cleo, room)
    await cleo.send(room, "welcome back")
    await bo.sync()
    assert texts(bo, room) == ["welcome back"], "the history before is not there: it was on the lost device"
    await bo.send(room, "here again")
    await cleo.sync()
    assert texts(cleo, room)[-1] == "here again"


async def test_the_others_are_online_and_nothing_is_to_be_done(gazette: Newsroom) -> None:
    room = await gazette.room("Desk", "Cleo", "Ada", "Bo")
    ada, cleo = gazette["Ada"], gazette["Cleo"]
    async with running(ada, cleo):
        bo = await lose_and_come_back(gazette, "Bo")
        async with running(bo):
            await ada.send(room, "are you there?")
            await next_text(bo, room, "are you there?")
            await bo.send(room, "yes")
            await next_text(cleo, room, "yes")


async def test_a_room_waits_for_the_new_device_but_not_for_ever(
    gazette: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the register and was switched off before it left a key package."""
    room = await gazette.room("Desk", "Ada", "Bo", "Cleo")
    server, phrase = kept(gazette, "Bo")
    gazette.close("Bo")
    gazette.close("Ada")

    async def switched_off(way_in: Entering) -> Identity:
        raise ConnectionLost("the test pulled the plug")

    with monkeypatch.context() as patched, pytest.raises(ConnectionLost):
        patched.setattr(Entering, "settle", switched_off)
        await come_back(gazette.home("again"), PASSPHRASE, server, phrase, FakeClock())
    cleo = gazette["Cleo"]
    with contextlib.suppress(NotSettled):
        await cleo.sync(2)
    assert (cleo.room(room).state, len(cleo.room(room).members)) == ("held", 3)
    gazette.clocks["Cleo"].ahead_ms += BACK_WITHIN_MS
    await settle(cleo)
    assert (cleo.room(room).state, len(cleo.room(room).members)) == ("active", 2)
    # and whoever may add remembers
    await come_back(gazette.home("again"), PASSPHRASE, server, phrase, FakeClock())
    ada, bo = gazette.open("Ada"), gazette.open("again")
    await settle(ada, bo, cleo)
    assert len(cleo.room(room).members) == 3
    await cleo.send(room, "welcome back")
    await bo.sync()
    assert texts(bo, room) == ["welcome back"]


async def test_a_founder_comes_back_to_a_coterie_without_stewards(gazette: Newsroom) -> None:
    room = await gazette.room("Desk", "Ada", "Bo")
    ada = await lose_and_come_back(gazette, "Ada")
    await settle(gazette["Bo"], ada, gazette["Cleo"])
    assert ada.status().confirmed
    assert ada.room(room).admins == (ada.status().member,)
    assert ada._state.register.current_key() is not None
    assert ada._state.register.state.rotation_due is None, "she rotated the key, since nobody else may"
    await settle(ada, gazette["Bo"], gazette["Cleo"])
    assert [facts.name for facts in gazette["Cleo"].members()] == ["Ada", "Bo", "Cleo"]
    invite = await ada.create_invite()
    assert invite.link is not None
    await Device.join(gazette.home("Di"), PASSPHRASE, invite.link, "Di")
    assert [facts.name for facts in gazette.open("Di").members()] == ["Ada", "Bo", "Cleo", "Di"], (
        "the names' chain held"
    )


async def test_a_founder_who_is_alone_comes_back(tmp_path: Path) -> None:
    async with newsroom(tmp_path) as alone:
        ada = await lose_and_come_back(alone, "Ada")
        await settle(ada)
        assert ada.status().confirmed
        assert ada._state.register.current_key() is not None
        await ada.set_profile("Ada again")
        assert [facts.name for facts in ada.members()] == ["Ada again"]


async def test_interrupted_at_every_request_it_ends_with_one_device(
    gazette: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, phrase = kept(gazette, "Bo")
    member = gazette.member("Bo")
    gazette.close("Bo")
    with monkeypatch.context() as patched:
        interruptions = Interruptions(patched, after=True)
        while True:
            interruptions.next()
            try:
                await come_back(gazette.home("again"), PASSPHRASE, server, phrase, FakeClock())
            except ConnectionLost:
                continue
            break
    assert interruptions.at > 4
    bo = gazette.open("again")
    await settle(gazette["Ada"], bo)
    devices = gazette["Ada"]._state.register.state.member(member).devices
    assert len(devices) == 2
    assert bo.status().device == devices[1]


async def test_a_wrong_phrase_changes_nothing(gazette: Newsroom) -> None:
    server, phrase = kept(gazette, "Bo")
    nobodys = Phrase.of_seed(Seed(b"\7" * 32))
    for attempt in (look(server, nobodys), come_back(gazette.home("new"), PASSPHRASE, server, nobodys, FakeClock())):
        with pytest.raises(NobodysPhrase):
            await attempt
    await gazette["Bo"].sync()
    # and the folder is free for the right one
    await come_back(gazette.home("new"), PASSPHRASE, server, phrase, FakeClock())


async def test_a_removed_member_does_not_come_back(gazette: Newsroom) -> None:
    server, phrase = kept(gazette, "Bo")
    await gazette["Ada"].remove_member(gazette.member("Bo"))
    with pytest.raises(NobodysPhrase):
        await look(server, phrase)


async def test_a_folder_that_holds_a_device_is_left_alone(gazette: Newsroom) -> None:
    server, phrase = kept(gazette, "Bo")
    gazette.close("Cleo")
    with pytest.raises(DeviceExists):
        await come_back(gazette.home("Cleo"), PASSPHRASE, server, phrase, FakeClock())
    await gazette["Bo"].sync()


async def test_a_folder_begun_with_an_invite_is_left_alone(gazette: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    server, phrase = kept(gazette, "Bo")
    link = (await gazette["Ada"].create_invite()).link
    assert link is not None
    with monkeypatch.context() as patched, pytest.raises(ConnectionLost):
        Interruptions(patched, after=False).next()
        await Device.join(gazette.home("begun"), PASSPHRASE, link, "Di")
    with pytest.raises(OtherLink):
        await come_back(gazette.home("begun"), PASSPHRASE, server, phrase, FakeClock())


async def test_a_server_that_shows_another_history_gets_no_entry(
    gazette: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves the end of the register away: what was the last entry when the link was made is missing."""
    server, phrase = kept(gazette, "Bo")
    ask = Connection.request
    appended = []

    async def cut(connection: Connection, make: object, /, **fields: object) -> object:
        if getattr(make, "__name__", "") == "RegisterAppend":
            appended.append(fields)
        answer = await ask(connection, make, **fields)  # type: ignore[call-overload]  # as the twin would answer
        if getattr(make, "__name__", "") == "RegisterRead":
            answer.entries[:] = answer.entries[: max(0, 3 - fields["after"])]  # type: ignore[operator]
        return answer

    monkeypatch.setattr(Connection, "request", cut)
    with pytest.raises(WrongHistory):
        await come_back(gazette.home("new"), PASSPHRASE, server, phrase, FakeClock())
    assert not appended
