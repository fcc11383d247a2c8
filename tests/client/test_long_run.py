"""What a device does over months: keys of its inbox, its key packages, its path, a clock that is wrong."""

from collections.abc import AsyncIterator
from typing import Final

import coterie_mls
import pytest
import pytest_asyncio

from coterie.client.inbox.packages import FULL_STOCK, LOW_STOCK, claim
from coterie.client.membership.registration import ClockApart
from coterie.client.online.session import connect
from coterie.wire import frames
from tests.client.newsroom import Newsroom, epoch, newsroom, settle, texts

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY_MS: Final = 86_400_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo") as gazette:
        yield gazette


async def test_inbox_key_turns_monthly_and_is_kept_a_month_longer(gazette: Newsroom) -> None:
    bo, clock = gazette["Bo"], gazette.clocks["Bo"]
    keys = bo._state.store.inbox.key_rows
    (first,) = (row.hash for row in keys())
    clock.ahead_ms = 31 * DAY_MS
    await bo.sync()
    second, known = (row.hash for row in keys())
    assert known == first
    clock.ahead_ms = 62 * DAY_MS
    await bo.sync()
    third, known = (row.hash for row in keys())
    assert known == second
    clock.ahead_ms = 63 * DAY_MS
    await bo.sync()
    assert [row.hash for row in keys()] == [third, second]
    clock.ahead_ms = 0


async def test_wrong_clock_is_said_and_signs_nothing_but_messages_go(gazette: Newsroom) -> None:
    ada, clock = gazette["Ada"], gazette.clocks["Ada"]
    room = await gazette.room("clocks", "Ada", "Bo")
    clock.ahead_ms = -DAY_MS
    await ada.send(room, "yesterday's news")
    assert [alarm.kind for alarm in ada.alarms()] == ["clock"]
    with pytest.raises(ClockApart):
        await ada.create_invite()
    clock.ahead_ms = 0
    await ada.sync()
    assert ada.alarms() == []
    await gazette["Bo"].sync()
    assert texts(gazette["Bo"], room) == ["yesterday's news"]


async def test_path_is_updated_soon_after_joining_and_weekly(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = (await ada.create_room("paths", [gazette.member("Bo")])).room
    await bo.sync()
    for minutes, expected in ((2, 2), (3, 2), (8 * 24 * 60, 3)):
        gazette.clocks["Bo"].ahead_ms = minutes * 60_000
        await bo.sync()
        await bo.sync()
        assert epoch(bo, room) == expected
    gazette.clocks["Bo"].ahead_ms = 0
    await settle(ada, bo)
    assert epoch(ada, room) == epoch(bo, room)


async def test_claimed_packages_are_filled_up_again(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    suite, device = coterie_mls.SUITE_XWING, bo.status().device
    connection = await connect(ada._state)
    claimed = {
        (await claim(ada._state, connection, device, suite, ada._state.random(16))).package.hash_ref
        for _ in range(FULL_STOCK - LOW_STOCK + 2)
    }
    assert len(claimed) == FULL_STOCK - LOW_STOCK + 2
    await connection.close()
    gazette.clocks["Bo"].ahead_ms = 90 * DAY_MS
    await bo.sync()
    gazette.clocks["Bo"].ahead_ms = 0
    connection = await connect(bo._state)
    stock = await connection.request(frames.KeyPackageStock, suite=suite)
    await connection.close()
    assert (stock.one_time >= LOW_STOCK, stock.last_resort) == (True, True)
