"""Founding and joining: each refusal in words, and an interrupted start that ends as if nothing had happened."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from coterie.client import Device
from coterie.client.connection import AlreadyFounded, Connection, ConnectionLost, NotInForce, WrongCoterie, WrongServer
from coterie.errors import CallerError, OfflineError, PeerError, RefusedError
from coterie.ids import CoterieId, InviteId, PublicKey
from coterie.store.wrap import DeviceExists, NoDevice
from coterie.trust import RegisterError
from coterie.trust.invite import JoinLink, expect_join, parse_link_untrusted
from tests.client.newsroom import PASSPHRASE, FakeClock, Newsroom, newsroom, texts
from tests.serving import running_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEFORE_AND_AFTER = pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.slow, id="before"), pytest.param(True, id="after")]
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette")) as gazette:
        yield gazette


async def new_link(gazette: Newsroom, **terms: Any) -> str:
    invite = await gazette["Ada"].create_invite(**terms)
    assert invite.link is not None
    return invite.link


def parsed(link: str) -> JoinLink:
    return expect_join(parse_link_untrusted(link))


def in_force(gazette: Newsroom) -> list[str | None]:
    return [facts.name for facts in gazette["Ada"].members() if facts.state == "active"]


class Interruptions:
    """Loses the connection at the `at`-th request, after the server has done it or before it hears of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
        self.at = 0
        self._count = 0
        ask = Connection.request

        async def request(connection: Connection, make: Any, /, **fields: Any) -> Any:
            self._count += 1
            if self._count != self.at:
                return await ask(connection, make, **fields)
            if after:
                await ask(connection, make, **fields)
            raise ConnectionLost("the test pulled the plug")

        monkeypatch.setattr(Connection, "request", request)

    def next(self) -> None:
        """The next attempt comes one request further."""
        self.at += 1
        self._count = 0


@BEFORE_AND_AFTER
async def test_joining_interrupted_at_every_request_ends_with_one_member(
    gazette: Newsroom, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    name = f"Late {'after' if after else 'before'}"
    link = await new_link(gazette)
    already = len(gazette["Ada"].members())
    interruptions = Interruptions(monkeypatch, after=after)
    while True:
        interruptions.next()
        try:
            identity = await Device.join(gazette.home(name), PASSPHRASE, link, name)
            break
        except ConnectionLost:
            with pytest.raises(NoDevice):
                Device.open(gazette.home(name), PASSPHRASE)
    assert interruptions.at > 6
    interruptions.at = 0
    await gazette["Ada"].sync()
    assert len(gazette["Ada"].members()) == already + 1
    assert gazette["Ada"].find_member(name) == identity.member
    device = gazette.open(name)
    room = await gazette.room(f"with {name}", "Ada", name)
    await device.send(room, "at last")
    await gazette["Ada"].sync()
    assert texts(gazette["Ada"], room) == ["at last"]
    assert device.alarms() == []
    gazette.close(name)


@BEFORE_AND_AFTER
async def test_founding_interrupted_at_every_request_ends_with_one_founder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    async with running_server(tmp_path) as server:
        assert server.found_link is not None
        interruptions = Interruptions(monkeypatch, after=after)
        while True:
            interruptions.next()
            try:
                await Device.found(tmp_path / "ada", PASSPHRASE, server.found_link, "The Gazette", "Ada")
                break
            except ConnectionLost:
                continue
        interruptions.at = 0
        async with Device.open(tmp_path / "ada", PASSPHRASE) as ada:
            assert [(facts.name, facts.role) for facts in ada.members()] == [("Ada", "founder")]
            assert ada.status().coterie_name == "The Gazette"
            assert (await ada.create_invite()).link is not None
            with pytest.raises(AlreadyFounded):
                await Device.found(tmp_path / "eve", PASSPHRASE, server.found_link, "The Gazette", "Eve")


async def test_used_invite_is_refused_and_the_next_one_works_in_the_same_folder(gazette: Newsroom) -> None:
    used = await new_link(gazette)
    await Device.join(gazette.home("first"), PASSPHRASE, used, "First")
    with pytest.raises(NotInForce) as refused:
        await Device.join(gazette.home("second"), PASSPHRASE, used, "Second")
    assert "spent" in refused.value.hint
    await gazette["Ada"].sync()
    assert "Second" not in in_force(gazette)
    await Device.join(gazette.home("second"), PASSPHRASE, await new_link(gazette), "Second")
    await gazette["Ada"].sync()
    assert "Second" in in_force(gazette)


async def test_revoked_invite_is_refused(gazette: Newsroom) -> None:
    invite = await gazette["Ada"].create_invite()
    assert invite.link is not None
    await gazette["Ada"].revoke_invite(invite.invite)
    with pytest.raises(NotInForce):
        await Device.join(gazette.home("revoked"), PASSPHRASE, invite.link, "Rae")
    state = {facts.invite: facts.state for facts in gazette["Ada"].invites()}[invite.invite]
    assert state == "revoked"
    with pytest.raises(RegisterError):
        await gazette["Ada"].revoke_invite(invite.invite)


async def test_expired_invite_is_refused_by_whom_it_was_given_to(gazette: Newsroom) -> None:
    clock = FakeClock()
    clock.ahead_ms = 120_000
    link = await new_link(gazette, expires_seconds=60)
    with pytest.raises(RegisterError) as refused:
        await Device.join(gazette.home("expired"), PASSPHRASE, link, "Xu", clock=clock)
    assert "expired" in refused.value.fact


async def test_link_to_another_coterie_on_the_same_server_is_refused(gazette: Newsroom) -> None:
    link = dataclasses.replace(parsed(await new_link(gazette)), coterie=CoterieId(b"another coterie".ljust(32)))
    with pytest.raises(WrongCoterie):
        await Device.join(gazette.home("other coterie"), PASSPHRASE, link.text, "Odo")


async def test_link_that_pins_another_server_key_tells_that_server_nothing(gazette: Newsroom) -> None:
    link = parsed(await new_link(gazette))
    other = PublicKey(parsed(await new_link(gazette)).invite)
    with pytest.raises(WrongServer):
        await Device.join(
            gazette.home("other key"), PASSPHRASE, dataclasses.replace(link, service_key=other).text, "Oz"
        )


async def test_link_whose_invite_is_not_in_the_history_is_refused(gazette: Newsroom) -> None:
    one, two = parsed(await new_link(gazette)), parsed(await new_link(gazette))
    with pytest.raises((RefusedError, PeerError)):
        await Device.join(
            gazette.home("crossed"), PASSPHRASE, dataclasses.replace(one, invite=two.invite).text, "Cross"
        )


async def test_server_that_is_away_leaves_the_start_to_be_resumed(gazette: Newsroom) -> None:
    link = await new_link(gazette)
    await gazette.server.stop()
    with pytest.raises(OfflineError):
        await Device.join(gazette.home("patient"), PASSPHRASE, link, "Pat")
    other = parsed(link)
    with pytest.raises(CallerError):
        await Device.join(
            gazette.home("patient"),
            PASSPHRASE,
            dataclasses.replace(other, invite=InviteId(other.invite[::-1])).text,
            "Pat",
        )
    await gazette.server.restart()
    await Device.join(gazette.home("patient"), PASSPHRASE, link, "Pat")
    with pytest.raises(DeviceExists):
        await Device.join(gazette.home("patient"), PASSPHRASE, link, "Pat")


async def test_seed_of_an_invite_leaves_the_inviters_store_when_it_is_spent(gazette: Newsroom) -> None:
    ada = gazette["Ada"]
    invite = await ada.create_invite()
    assert invite.link is not None
    await Device.join(gazette.home("spent"), PASSPHRASE, invite.link, "Sol")
    await ada.sync()
    facts = {facts.invite: facts for facts in ada.invites()}[invite.invite]
    assert (facts.state, facts.link) == ("spent", None)


async def test_guest_and_bot_come_in_with_their_roles_and_powers(gazette: Newsroom) -> None:
    for role in ("guest", "bot"):
        device = await gazette.welcome("Ada", role, role)
        assert {facts.name: facts.role for facts in gazette["Ada"].members()}[role] == role
        with pytest.raises(RegisterError):
            await device.create_invite()
        gazette.close(role)
