"""Replying, reacting, editing, deleting, from the command line, as two people do it."""

from typing import Any

from tests.cli.conftest import Gazette


def rows(person: Any, room: str) -> dict[str, dict[str, Any]]:
    return {row["message"]: row for row in person.does("read", room) if row["kind"] != "notice"}


def test_a_conversation_from_the_command_line(gazette: Gazette) -> None:
    room = gazette.room("Conversation")
    (asked,) = gazette.ada.does("send", room, "when does it print?")
    gazette.bo.does("sync")
    (listed,) = [row for row in gazette.bo.does("room", "list") if row["room"] == room]
    assert listed["unread"] == 1
    (answer,) = gazette.bo.does("reply", asked["message"], "tomorow")
    gazette.bo.does("edit", answer["message"][:8], "tomorrow")
    gazette.bo.does("react", asked["message"], "👍")
    gazette.ada.does("sync")
    seen = rows(gazette.ada, room)
    assert (seen[answer["message"]]["text"], seen[answer["message"]]["edited"]) == ("tomorrow", True)
    assert seen[answer["message"]]["reply_to"] == asked["message"]
    bo = gazette.joined["member"]
    assert seen[asked["message"]]["reactions"] == [{"emoji": "👍", "members": [bo]}]
    assert "(👍 1)" in gazette.ada.sees("read", room)
    gazette.bo.does("react", asked["message"], "👍", "--remove")
    gazette.bo.does("delete", answer["message"])
    gazette.ada.does("sync")
    seen = rows(gazette.ada, room)
    assert seen[asked["message"]]["reactions"] == []
    assert (seen[answer["message"]]["text"], seen[answer["message"]]["deleted"]) == ("", True)
    assert "this message was deleted" in gazette.ada.sees("read", room)


def test_what_is_not_ones_own_is_refused(gazette: Gazette) -> None:
    room = gazette.room("Refused")
    (sent,) = gazette.ada.does("send", room, "mine")
    gazette.bo.does("sync")
    for command in (("edit", sent["message"], "yours"), ("delete", sent["message"])):
        ended = gazette.bo(*command)
        assert (ended.code, ended.row["error"]) == (3, "not_yours")
    assert gazette.bo("reply", "not an id", "x").code == 2
    assert gazette.bo("react", sent["message"], "two words").code == 2


def test_deleting_for_oneself_and_reading(gazette: Gazette) -> None:
    room = gazette.room("Oneself")
    (sent,) = gazette.ada.does("send", room, "hello")
    gazette.bo.does("sync")
    gazette.bo.does("delete", sent["message"], "--for", "me")
    assert rows(gazette.bo, room) == {}
    assert set(rows(gazette.ada, room)) == {sent["message"]}


def test_a_rooms_expiry_and_receipts(gazette: Gazette) -> None:
    room = gazette.room("Settings")
    assert gazette.ada.does("room", "expire", room, "7d")[0]["expiry_seconds"] == 7 * 86400
    assert gazette.ada.does("room", "receipts", room, "on")[0]["receipts"] is True
    gazette.bo.does("sync")
    (sent,) = gazette.ada.does("send", room, "seen?")
    gazette.bo.does("sync")
    assert rows(gazette.bo, room)[sent["message"]]["expires_at"] is not None
    gazette.bo.does("sync")
    gazette.ada.does("sync")
    assert rows(gazette.ada, room)[sent["message"]]["state"] == "read"
    assert gazette.ada.does("room", "expire", room, "off")[0]["expiry_seconds"] is None
    assert gazette.bo("room", "expire", room, "1d").code == 3
