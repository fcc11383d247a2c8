"""What a person is warned of: what it means, that it is dealt with, and that it is said again if it happens again."""

import re
from pathlib import Path

import pytest

from coterie.client.alarm_guide import GUIDES
from coterie.client.alarms import NoAlarm, alarm_detail, alarms, resolve_alarm
from coterie.client.state import DeviceState
from tests.client.conftest import NOW

SOURCE = Path(__file__).parents[2] / "src" / "coterie"


def forked(state: DeviceState) -> int:
    """The alarm's number."""
    with state.groups.changing():
        state.alarm("forked register", "7", "Bo has another register than you, at entry 7", "compare")
    return alarms(state)[-1].alarm


def test_who_resolved_an_alarm_and_when_is_kept(state: DeviceState) -> None:
    number = forked(state)
    resolved = resolve_alarm(state, number)
    assert (resolved.resolved_at, resolved.resolved_by) == (NOW, state.own.member)
    assert alarms(state) == []
    assert alarms(state, resolved=True) == [resolved]


def test_an_alarm_that_stands_is_not_said_twice_and_one_resolved_is_said_anew(state: DeviceState) -> None:
    first = forked(state)
    assert forked(state) == first
    resolve_alarm(state, first)
    second = forked(state)
    assert second != first
    assert [alarm.alarm for alarm in alarms(state, resolved=True)] == [first, second]
    assert [alarm.alarm for alarm in alarms(state)] == [second]


@pytest.mark.parametrize("number", [-1, 0, 99, 2**64])
def test_an_alarm_that_is_not_there(state: DeviceState, number: int) -> None:
    for ask in (alarm_detail, resolve_alarm):
        with pytest.raises(NoAlarm):
            ask(state, number)


def test_every_alarm_that_a_device_raises_is_explained(state: DeviceState) -> None:
    raised = {
        kind
        for file in (SOURCE / "client").rglob("*.py")
        for kind in re.findall(r"state\.alarm\(\s*\"([a-z ]+)\"", file.read_text())
    }
    assert len(raised) > 15
    assert set(GUIDES) == raised
    assert alarm_detail(state, forked(state)).guide is GUIDES["forked register"]
