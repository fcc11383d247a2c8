"""The server goes away, a member goes, a passphrase changes: what the commands say, and that nothing is lost."""

from pathlib import Path

from tests.cli.conftest import Gazette
from tests.cli.terminal import PASSPHRASE, Person, Server, coterie


def test_what_is_sent_offline_goes_out_later_once(own_gazette: Gazette) -> None:
    ada, bo = own_gazette.ada, own_gazette.bo
    own_gazette.room("Desk")
    own_gazette.server.kill()
    offline = ada("send", "Desk", "from the train")
    assert offline.code == 4
    assert offline.row["state"] == "queued"
    assert "queued, not sent" in offline.err
    assert ada("sync").code == 4
    assert ada.does("status")[0]["outbox"] == 1
    assert ada.texts("Desk") == ["from the train"]
    own_gazette.server.start()
    assert own_gazette.server.ready["founding_link"] is None
    assert ada.does("sync")[0]["sent"] == 1
    bo.does("sync")
    assert bo.texts("Desk") == ["from the train"]
    assert ada.does("status")[0]["outbox"] == 0
    assert own_gazette.server.stop() == 0


def test_a_removed_member_gets_nothing_that_comes_after(own_gazette: Gazette) -> None:
    ada, bo = own_gazette.ada, own_gazette.bo
    own_gazette.room("Desk")
    ada.does("send", "Desk", "for all of us")
    bo.does("sync")
    (removed,) = ada.does("member", "remove", "Bo")
    assert (removed["name"], removed["state"]) == ("Bo", "removed")
    ada.does("send", "Desk", "for the rest of us")
    assert bo("send", "Desk", "let me in").code in (3, 4)
    assert bo("sync").code in (0, 3)
    assert bo.texts("Desk")[:1] == ["for all of us"]
    assert "for the rest of us" not in bo.texts("Desk")
    ada.does("sync")
    assert "let me in" not in ada.texts("Desk")


def test_a_changed_passphrase_is_the_only_one(own_gazette: Gazette, tmp_path: Path) -> None:
    bo = own_gazette.bo
    (tmp_path / "new").write_text("quite another one\n")
    wrong = bo("passphrase", "change", "--new-passphrase-file", tmp_path / "new", passphrase="not this")
    assert (wrong.code, wrong.row["error"]) == (1, "wrong_passphrase")
    assert bo.does("passphrase", "change", "--new-passphrase-file", tmp_path / "new") == [{"opens_with": "passphrase"}]
    assert bo("status", passphrase=PASSPHRASE).code == 1
    assert bo("status", passphrase="quite another one").code == 0
    assert coterie("--home", bo.home, "status", "--passphrase-file", tmp_path / "new", passphrase=None).code == 0


def test_a_member_has_not_the_powers_of_a_founder(own_gazette: Gazette) -> None:
    for refused in (("member", "remove", "Ada"), ("invite", "create", "--role", "steward")):
        ended = own_gazette.bo(*refused)
        assert ended.code == 3
        assert ended.err.startswith("error: ")
        assert not ended.traceback
    assert {row["state"] for row in own_gazette.ada.does("members")} == {"active"}


def test_a_founding_link_founds_once(own_gazette: Gazette) -> None:
    late = Person(own_gazette.folder / "late", "Late")
    ended = late("found", own_gazette.founding_link, "--coterie", "Mine", "--as", "Late")
    assert ended.code == 3
    assert not ended.traceback


def test_nobody_at_the_server_is_offline_not_failed(open_link: str, tmp_path: Path) -> None:
    ended = coterie("--home", tmp_path / "bo", "--json", "join", open_link, "--as", "Bo")
    assert ended.code == 4
    assert not ended.traceback


def test_one_server_for_each_data_folder(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    with server.running:
        second = coterie("serve", "--json", "--data", tmp_path / "server", "--listen", "127.0.0.1:0")
        assert (second.code, second.row["error"]) == (1, "folder_in_use")
        status = coterie("server", "status", "--json", "--data", tmp_path / "server").row
        assert (status["url"], status["connections"]) == (server.ready["url"], 0)
        assert server.stop() == 0
    stopped = coterie("server", "status", "--json", "--data", tmp_path / "server")
    assert (stopped.code, stopped.row["error"]) == (1, "server_not_running")
