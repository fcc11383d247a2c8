"""How operations gather into records: at once when nothing is on its way, else in large ones."""

import asyncio

import pytest

from coterie.ids import QueueId
from coterie.server.appender import LARGE_BYTES, WINDOW, Appender
from coterie.server.engine import EngineAddress
from coterie.server.intake import Intake, Lane
from coterie.server.log import Log
from coterie.server.rules.record import CloseQueue


async def nowhere() -> EngineAddress:
    return EngineAddress("nats://127.0.0.1:1")


@pytest.fixture
def appender() -> Appender:
    """Its records are never answered."""
    return Appender(Log(nowhere), "_INBOX.test", lambda: None)


async def test_a_record_goes_at_once_when_none_is_on_its_way(appender: Appender) -> None:
    assert appender.has_room(1)


async def test_a_small_record_waits_for_the_one_on_its_way_and_a_large_one_does_not(appender: Appender) -> None:
    appender.append(1, b"first")
    assert not appender.has_room(LARGE_BYTES - 1)
    assert appender.has_room(LARGE_BYTES)


async def test_no_record_goes_beside_a_full_window(appender: Appender) -> None:
    for number in range(1, WINDOW + 1):
        appender.append(number, b"record")
    assert not appender.has_room(LARGE_BYTES)


async def test_room_is_told_when_a_record_of_a_full_window_was_applied() -> None:
    told = asyncio.Event()
    appender = Appender(Log(nowhere), "_INBOX.test", told.set)
    for number in range(1, WINDOW + 1):
        appender.append(number, b"record")
    assert not told.is_set()
    appender.applied(1)
    assert told.is_set()
    assert appender.has_room(LARGE_BYTES)


def test_gathered_bytes_count_what_is_in_no_record_yet() -> None:
    intake = Intake(lambda: None)
    gone, stays = (Lane(lambda: None, lambda: None) for _ in range(2))

    def submit(lane: Lane) -> None:
        intake.submit(lane, CloseQueue(QueueId(bytes(32))), lambda _request, _outcome: None, 1)

    submit(gone)
    one = intake.gathered_bytes
    assert one > 32
    submit(stays)
    intake.forget(gone)
    assert intake.gathered_bytes == one
    intake.take()
    assert intake.gathered_bytes == 0
    submit(stays)
    intake.drop_all()
    assert intake.gathered_bytes == 0
