"""Backups from the command line, by real processes: one device restored from a file, one by the phrase alone."""

from pathlib import Path

from tests.cli.conftest import Gazette
from tests.cli.terminal import Person, Running, coterie


def test_a_device_that_is_lost_comes_back_with_its_history(own_gazette: Gazette, tmp_path: Path) -> None:
    room = own_gazette.room("Desk")
    own_gazette.ada.does("send", room, "before")
    bo, file, phrase = own_gazette.bo, tmp_path / "bo.backup", tmp_path / "phrase"
    bo.does("sync")
    bo.does("phrase", "show", "--to", phrase)
    bo.does("phrase", "confirm", "--phrase-file", phrase)
    (written,) = bo.does("backup", "create", file)
    assert (written["event"], written["file"], written["bytes"]) == ("written", str(file), file.stat().st_size)

    anew = Person(tmp_path / "anew", "Bo")
    history, back = anew.does("backup", "restore", file, "--phrase-file", phrase, "--yes")
    assert (history["event"], history["rooms"]) == ("restored", 1)
    assert back["member"] == own_gazette.joined["member"]
    assert back["removed_devices"] == [own_gazette.joined["device"]]
    assert anew.texts("Desk") == ["before"]
    for person in (own_gazette.ada, anew):
        person.does("sync")
    own_gazette.ada.does("send", room, "welcome back")
    anew.does("sync")
    assert anew.texts("Desk") == ["before", "welcome back"]


def test_without_a_yes_the_history_is_there_and_nothing_is_removed(own_gazette: Gazette, tmp_path: Path) -> None:
    room = own_gazette.room("Desk")
    own_gazette.bo.does("send", room, "kept")
    file, phrase = tmp_path / "bo.backup", tmp_path / "phrase"
    own_gazette.bo.does("phrase", "show", "--to", phrase)
    own_gazette.bo.does("backup", "create", file)
    anew = Person(tmp_path / "anew", "Bo")
    said = anew("backup", "restore", file, "--phrase-file", phrase)
    assert (said.code, len(said.rows)) == (0, 1)
    assert "coterie recover --yes" in said.err
    assert anew.texts("Desk") == ["kept"]
    (status,) = anew.does("status")
    assert status["history_only"] is True
    refused = anew("sync")
    assert (refused.code, refused.row["error"]) == (3, "history_only")
    own_gazette.bo.does("sync")
    # later, in the same folder; where the coterie is stands in the backup
    (tmp_path / "paper").write_text(phrase.read_text().partition("coterie://")[0])
    (back,) = anew.does("recover", "--phrase-file", tmp_path / "paper", "--yes")
    assert back["member"] == own_gazette.joined["member"]
    assert anew.texts("Desk") == ["kept"]


def test_it_goes_through_the_process_that_has_the_device(own_gazette: Gazette, tmp_path: Path) -> None:
    own_gazette.room("Desk")
    bo, file, secret = own_gazette.bo, tmp_path / "bo.backup", tmp_path / "secret"
    secret.write_text("for the backup alone\n")
    with Running("--home", bo.home, "--json", "run") as running:
        assert running.row()["event"] == "running"
        bo.does("backup", "create", file, "--backup-passphrase-file", secret)
        running.end()
    wrong = Person(tmp_path / "wrong", "Bo")("backup", "restore", file)
    assert (wrong.code, wrong.row["error"]) == (1, "cannot_open_backup")
    anew = Person(tmp_path / "anew", "Bo")
    (history,) = anew.does("backup", "restore", file, "--backup-passphrase-file", secret)
    assert history["rooms"] == 1


def test_a_file_is_named_where_the_command_is_typed(own_gazette: Gazette, tmp_path: Path) -> None:
    own_gazette.bo.does("backup", "create", tmp_path / "taken")
    twice = own_gazette.bo("backup", "create", tmp_path / "taken")
    assert (twice.code, twice.row["error"]) == (1, "backup_unreachable")
    nothing = coterie("--home", tmp_path / "x", "backup", "restore", tmp_path / "not there")
    assert (nothing.code, nothing.traceback) == (1, False)
    (tmp_path / "text").write_text("no backup")
    text = coterie("--home", tmp_path / "x", "backup", "restore", tmp_path / "text")
    assert "the backup is damaged" in text.err
