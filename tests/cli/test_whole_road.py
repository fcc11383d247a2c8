"""Ada founds a coterie, Bo joins it, they talk: each command for real, and the JSON that programs rely on."""

import re
import signal

from coterie.wire.limits import PAYLOAD_BYTES
from tests.cli.conftest import Gazette
from tests.cli.terminal import Running, coterie

HEX = re.compile(r"[0-9a-f]+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_founding_and_joining_say_who_one_is(gazette: Gazette) -> None:
    assert set(gazette.founded) == set(gazette.joined) == {"coterie", "member", "device"}
    assert gazette.founded["coterie"] == gazette.joined["coterie"]
    assert gazette.founded["member"] != gazette.joined["member"]
    assert all(HEX.fullmatch(value) for value in gazette.founded.values())


def test_an_invite_says_what_it_is_and_what_became_of_it(gazette: Gazette) -> None:
    (invite,) = gazette.ada.does("invite", "create", "--role", "guest", "--seat", "90d", "--expires", "12h")
    assert invite["link"].startswith("coterie://127.0.0.1:")
    assert (invite["role"], invite["seat_seconds"], invite["state"]) == ("guest", 90 * 86400, "open")
    assert TIME.fullmatch(invite["expires_at"])
    (revoked,) = gazette.ada.does("invite", "revoke", invite["invite"][:8])
    assert (revoked["invite"], revoked["state"]) == (invite["invite"], "revoked")
    states = {row["invite"]: row["state"] for row in gazette.ada.does("invite", "list")}
    assert states[gazette.invite["invite"]] == "spent"
    assert states[invite["invite"]] == "revoked"


def test_an_invite_without_end_is_drawn_as_a_qr_code(gazette: Gazette) -> None:
    ended = gazette.ada("invite", "create", "--seat", "forever", "--qr")
    assert ended.row["seat_seconds"] is None
    assert "\u2588" in ended.err


def test_a_used_invite_is_refused(gazette: Gazette) -> None:
    ended = coterie("--home", gazette.folder / "cleo", "--json", "join", gazette.invite["link"], "--as", "Cleo")
    assert ended.code == 3
    assert set(ended.row) == {"error", "fact", "hint"}
    assert not ended.traceback


def test_a_device_that_is_there_is_not_replaced(gazette: Gazette) -> None:
    ended = gazette.bo("join", gazette.invite["link"], "--as", "Bo")
    assert ended.code == 1
    assert ended.row["error"] == "device_exists"


def test_members_are_listed_with_who_invited_them(gazette: Gazette) -> None:
    members = {row["name"]: row for row in gazette.bo.does("members")}
    assert set(members) == {"Ada", "Bo"}
    ada, bo = members["Ada"], members["Bo"]
    assert set(bo) >= {"member", "name", "role", "invited_by", "joined_at", "seat_expires_at", "state"}
    assert (ada["role"], ada["invited_by"], ada["seat_expires_at"]) == ("founder", None, None)
    assert (bo["role"], bo["invited_by"], bo["state"]) == ("member", ada["member"], "active")
    assert TIME.fullmatch(bo["joined_at"])
    assert TIME.fullmatch(bo["seat_expires_at"])


def test_messages_go_both_ways(gazette: Gazette) -> None:
    room = gazette.room("Both ways")
    (sent,) = gazette.ada.does("send", "Both ways", "the story is out")
    assert (set(sent), sent["state"]) == ({"message", "state"}, "sent")
    (synced,) = gazette.bo.does("sync")
    assert set(synced) == {"rooms", "received", "sent"}
    assert synced["received"] >= 1
    gazette.bo.does("send", room, "reading it now")
    gazette.ada.does("sync")
    theirs, ours = [row for row in gazette.ada.does("read", "Both ways") if row["kind"] == "text"]
    assert set(theirs) >= {"message", "room", "from", "from_member", "sent_at", "received_at", "text", "state"}
    assert (theirs["message"], theirs["from"], theirs["text"]) == (sent["message"], "Ada", "the story is out")
    assert (ours["room"], ours["from"], ours["text"], ours["state"]) == (room, "Bo", "reading it now", "received")
    assert ours["from_member"] == gazette.joined["member"]
    assert TIME.fullmatch(ours["sent_at"])


def test_reading_goes_on_after_a_message_and_stops_at_a_limit(gazette: Gazette) -> None:
    gazette.room("Counting")
    ids = [gazette.ada.does("send", "Counting", f"{number}")[0]["message"] for number in range(4)]
    after = gazette.ada.does("read", "Counting", "--after", ids[0])
    assert [row["message"] for row in after] == ids[1:]
    limited = gazette.ada.does("read", "Counting", "--after", ids[0], "--limit", "2")
    assert [row["message"] for row in limited] == ids[1:3]
    assert gazette.ada("read", "Counting", "--after", "no id").code == 2


def test_a_text_from_standard_input_arrives_as_it_is(gazette: Gazette) -> None:
    gazette.room("Drafts")
    draft = "# Tomorrow\n\nשלום, *world* 🎈\n- a\n"
    assert gazette.ada("send", "Drafts", "-", stdin=draft.encode()).code == 0
    assert gazette.ada("send", "Drafts", "--", "-1 is less than 0").code == 0
    gazette.bo.does("sync")
    assert gazette.bo.texts("Drafts") == [draft.removesuffix("\n"), "-1 is less than 0"]


def test_what_is_no_text_or_too_long_is_a_usage_error(gazette: Gazette) -> None:
    gazette.room("Strict")
    for stdin in (b"\xff\xfe", b"x" * (PAYLOAD_BYTES + 1)):
        ended = gazette.ada("send", "Strict", "-", stdin=stdin)
        assert ended.code == 2
        assert not ended.traceback
    assert gazette.ada.texts("Strict") == []


def test_what_others_write_cannot_command_the_terminal(gazette: Gazette) -> None:
    gazette.room("Tricks")
    gazette.bo.does("send", "Tricks", "\x1b]0;mine\x07\x1b[2Jhello\u202e")
    gazette.ada.does("sync")
    shown = gazette.ada.sees("read", "Tricks")
    assert "hello" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_name_that_means_two_rooms_is_not_guessed_at(gazette: Gazette) -> None:
    twins = {gazette.ada.does("room", "new", "Twins")[0]["room"] for _ in range(2)}
    ended = gazette.ada("send", "Twins", "which?")
    assert ended.code == 2
    assert ended.row["error"] == "ambiguous_name"
    assert all(twin[:6] in ended.row["fact"] + ended.row["hint"] for twin in twins)
    nobody = gazette.ada("send", "No such room", "hello")
    assert (nobody.code, nobody.row["error"]) == (2, "unknown_name")
    assert gazette.ada.does("send", twins.pop()[:16], "you")[0]["state"] == "sent"


def test_a_room_changes_its_name_topic_and_people(gazette: Gazette) -> None:
    room = gazette.room("Old name")
    (renamed,) = gazette.ada.does("room", "rename", "Old name", "New name", "--topic", "what is new")
    assert (renamed["room"], renamed["name"], renamed["topic"]) == (room, "New name", "what is new")
    gazette.bo.does("sync")
    assert gazette.bo.does("room", "members", "New name")[0].keys() >= {"room", "member", "name", "admin"}
    assert gazette.bo("room", "rename", "New name", "Mine").code == 3
    gazette.ada.does("room", "remove", "New name", "Bo")
    gazette.ada.does("send", "New name", "without Bo")
    gazette.bo.does("sync")
    assert "without Bo" not in gazette.bo.texts(room)
    assert {row["room"]: row["state"] for row in gazette.bo.does("room", "list")}[room] == "removed"
    (again,) = gazette.ada.does("room", "add", "New name", "Bo")
    assert set(again["members"]) == {gazette.founded["member"], gazette.joined["member"]}
    gazette.bo.does("sync")
    gazette.bo.does("send", "New name", "back")
    (left,) = gazette.bo.does("room", "leave", "New name")
    assert left["room"] == room
    gazette.ada.does("sync")
    assert "back" in gazette.ada.texts("New name")
    assert [row["name"] for row in gazette.ada.does("room", "members", "New name")] == ["Ada"]


def test_status_says_how_things_are(gazette: Gazette) -> None:
    (status,) = gazette.bo.does("status")
    assert status["coterie"] == gazette.founded["coterie"]
    assert (status["member"], status["device"]) == (gazette.joined["member"], gazette.joined["device"])
    assert set(status["register"]) == {"seq", "hash"}
    assert (status["outbox"], status["held_rooms"], status["alarms"]) == (0, [], [])
    assert gazette.server.ready["url"].rpartition("/")[2] in status["server"]


def test_a_new_name_is_seen_by_the_others(gazette: Gazette) -> None:
    (profile,) = gazette.bo.does("profile", "set", "--name", "Bo the Second")
    assert profile["member"] == gazette.joined["member"]
    gazette.ada.does("sync")
    assert "Bo the Second" in {row["name"] for row in gazette.ada.does("members")}
    gazette.bo.does("profile", "set", "--name", "Bo")
    gazette.ada.does("sync")


def test_people_get_words_and_tables(gazette: Gazette) -> None:
    gazette.room("Words")
    assert gazette.ada.sees("send", "Words", "hello").strip() == "sent"
    assert "Ada: hello" in gazette.ada.sees("read", "Words")
    assert "[Words] Ada: hello" in gazette.ada.sees("read")
    assert "Bo" in gazette.ada.sees("members")
    assert "Words" in gazette.ada.sees("room", "list")
    assert "Bo" in gazette.ada.sees("room", "members", "Words")
    assert "spent" in gazette.ada.sees("invite", "list")
    assert "The Gazette" in gazette.ada.sees("status")
    assert "yes" in gazette.ada.sees("device", "list")
    assert gazette.ada.sees("alarm", "list").strip() == "no alarms"
    assert "received" in gazette.ada.sees("sync")


def test_a_wrong_passphrase_opens_nothing(gazette: Gazette) -> None:
    ended = gazette.bo("status", passphrase="quite another one")
    assert ended.code == 1
    assert ended.row["error"] == "wrong_passphrase"


def test_send_goes_through_a_running_read_and_needs_no_passphrase(gazette: Gazette) -> None:
    gazette.room("Live")
    with Running("--home", gazette.ada.home, "--json", "read", "Live", "--follow") as reading:
        gazette.bo.does("send", "Live", "first")
        while (row := reading.row())["kind"] != "text":
            pass
        assert row["text"] == "first"
        assert gazette.ada("send", "Live", "second", passphrase=None).row["state"] == "sent"
        assert reading.row()["text"] == "second"
        assert reading.end(signal.SIGINT) == 0


def test_a_running_device_serves_the_other_commands(gazette: Gazette) -> None:
    gazette.room("Served")
    with Running("--home", gazette.bo.home, "--json", "run") as running:
        assert running.row()["event"] == "running"
        with Running("--home", gazette.bo.home, "--json", "read", "--follow", passphrase=None) as reading:
            gazette.ada.does("send", "Served", "are you there?")
            while reading.row()["text"] != "are you there?":
                pass
            assert gazette.bo("send", "Served", "yes", passphrase=None).code == 0
            unknown = gazette.bo("send", "Nowhere", "yes", passphrase=None)
            assert (unknown.code, unknown.row["error"]) == (2, "unknown_name")
        assert gazette.bo("status", passphrase=None).row["connected"] is True
        assert running.end() == 0
    assert gazette.bo("status", passphrase=None).row["error"] == "no_passphrase"
    gazette.ada.does("sync")
    assert gazette.ada.texts("Served") == ["are you there?", "yes"]


def test_two_commands_at_once_both_get_done(gazette: Gazette) -> None:
    gazette.room("Crowd")
    sends = [Running("--home", gazette.ada.home, "--json", "send", "Crowd", f"{number}") for number in range(3)]
    for send in sends:
        with send:
            assert send.row()["state"] == "sent"
    assert sorted(gazette.ada.texts("Crowd")) == ["0", "1", "2"]
