"""A person deals with an alarm from the command line."""

import contextlib

from coterie.client import Device, Passphrase
from tests.cli.conftest import Gazette
from tests.cli.terminal import PASSPHRASE


def test_an_alarm_is_listed_explained_and_resolved(gazette: Gazette) -> None:
    ada = gazette.ada
    assert ada.does("alarm", "list") == []
    with contextlib.closing(Device.open(ada.home, Passphrase(PASSPHRASE.encode()))) as device:
        state = device._state
        with state.groups.changing():
            state.alarm("forked register", "7", "Bo has another register than you, at entry 7", "compare")

    (listed,) = ada.does("alarm", "list")
    number = str(listed["alarm"])
    (shown,) = ada.does("alarm", "show", number)
    assert "One claim does not prove which." in shown["means"]
    assert shown["steps"][-1].startswith("When it is cleared up, resolve the alarm")
    walked = ada.sees("alarm", "show", number)
    assert "Bo has another register than you, at entry 7" in walked
    assert "1. Call, or meet, the people named above" in walked
    assert f"coterie alarm resolve {number}" in walked

    (resolved,) = ada.does("alarm", "resolve", number)
    assert resolved["resolved_by"] == gazette.founded["member"]
    assert ada.does("alarm", "list") == []
    assert ada.does("alarm", "list", "--all") == [resolved]
    assert ada("alarm", "show", "99").code == 2
