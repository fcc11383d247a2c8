"""The recovery phrase from the command line: shown and asked back on a terminal, files for scripts, coming back."""

import re
import stat
from pathlib import Path

import pytest

from coterie.trust.phrase import Phrase
from tests.cli.conftest import Gazette
from tests.cli.terminal import PASSPHRASE, Person, coterie
from tests.cli.test_prompt import Terminal


def words_shown(text: str) -> list[str]:
    """By their numbers: the columns are read line by line."""
    found = dict(re.findall(r"(\d+)\. ([a-z]+)", text))
    return [found[str(place)] for place in range(1, 25)]


def finish(terminal: Terminal, words: list[str], *, wrong: bool = False) -> None:
    """Give back the three words that are asked for, in their order."""
    asked = r"word (\d+) of your recovery phrase: "
    before = len(re.findall(asked, terminal.shown))
    for number in range(before + 1, before + 4):
        assert terminal.process.stdout is not None
        while len(re.findall(asked, terminal.shown)) < number:
            character = terminal.process.stdout.read(1)
            assert character, terminal.shown
            terminal.shown += character.decode()
        place = int(re.findall(asked, terminal.shown)[-1])
        terminal.answer("", words[place % 24 if wrong else place - 1])


@pytest.fixture
def invited(own_gazette: Gazette) -> str:
    (invite,) = own_gazette.ada.does("invite", "create")
    return str(invite["link"])


def joining(home: Path, link: str) -> Terminal:
    terminal = Terminal("--home", home, "join", link, "--as", "Cleo")
    terminal.answer("choose a passphrase for this device: ", PASSPHRASE)
    terminal.answer("once more: ", PASSPHRASE)
    terminal.answer("press Enter when it is on paper", "")
    return terminal


def test_a_terminal_shows_it_once_and_asks_three_words_back(own_gazette: Gazette, invited: str, tmp_path: Path) -> None:
    terminal = joining(tmp_path / "cleo", invited)
    words = words_shown(terminal.shown)
    assert Phrase.read_untrusted(" ".join(words)).words == tuple(words)
    assert "coterie://" in terminal.shown
    finish(terminal, words)
    assert terminal.end() == 0, terminal.shown
    cleo = Person(tmp_path / "cleo", "Cleo")
    (status,) = cleo.does("status")
    assert status["phrase_confirmed"] is True
    gone = cleo("phrase", "show")
    assert (gone.code, gone.row["error"]) == (3, "phrase_gone")


def test_wrong_words_leave_it_for_later_and_the_membership_stands(
    own_gazette: Gazette, invited: str, tmp_path: Path
) -> None:
    terminal = joining(tmp_path / "cleo", invited)
    words = words_shown(terminal.shown)
    for _ in range(3):
        finish(terminal, words, wrong=True)
    assert terminal.end() == 0, terminal.shown
    assert "not written down yet" in terminal.shown
    cleo = Person(tmp_path / "cleo", "Cleo")
    assert "phrase    not written down yet" in cleo.sees("status")
    (row,) = cleo.does("phrase", "show")
    assert row["phrase"] == words


def test_a_program_is_not_asked_and_the_status_says_what_is_left_to_do(own_gazette: Gazette, tmp_path: Path) -> None:
    """As every script that founds and joins: nothing blocks, and the device works."""
    bo = own_gazette.bo
    (status,) = bo.does("status")
    assert status["phrase_confirmed"] is False
    assert "phrase    not written down yet: coterie phrase show" in bo.sees("status")
    path = tmp_path / "phrase"
    assert bo.does("phrase", "show", "--to", path) == [{"written": str(path)}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (twice,) = bo("phrase", "show", "--to", path).rows
    assert twice["error"] == "phrase_file"
    no_terminal = bo("phrase", "confirm")
    assert (no_terminal.code, no_terminal.row["hint"]) == (2, "use --phrase-file")
    assert bo.does("phrase", "confirm", "--phrase-file", path) == [{"phrase_confirmed": True}]
    assert "phrase" not in bo.sees("status")


def test_a_file_that_cannot_be_written_stops_it_before_anything_is_done(
    own_gazette: Gazette, invited: str, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("something")
    for file in (taken, tmp_path / "nowhere" / "phrase"):
        ended = coterie("--home", tmp_path / "cleo", "join", invited, "--as", "Cleo", "--phrase-to", file)
        assert ended.code == 1
        assert not (tmp_path / "cleo").exists()
    exclusive = ("--phrase-to", tmp_path / "phrase", "--no-phrase")
    both = coterie("--home", tmp_path / "cleo", "join", invited, "--as", "Cleo", *exclusive)
    assert both.code == 2


def test_who_has_the_file_comes_back(own_gazette: Gazette, invited: str, tmp_path: Path) -> None:
    room = own_gazette.room("Desk")
    phrase = tmp_path / "phrase"
    cleo = Person(tmp_path / "cleo", "Cleo")
    cleo.does("join", invited, "--as", "Cleo", "--phrase-to", phrase)
    (before,) = cleo.does("status")
    assert before["phrase_confirmed"] is True
    own_gazette.ada.does("sync")
    own_gazette.ada.does("room", "add", room, "Cleo")

    again = Person(tmp_path / "again", "Cleo")
    asked = again("recover", "--phrase-file", phrase)
    assert (asked.code, asked.row["error"]) == (3, "not_agreed")
    assert before["device"][:12] in asked.err
    assert not again.home.exists(), "nothing was done"
    (back,) = again.does("recover", "--phrase-file", phrase, "--yes")
    assert back["member"] == before["member"]
    assert back["removed_devices"] == [before["device"]]
    own_gazette.ada.does("sync")
    again.does("sync")
    own_gazette.ada.does("send", room, "welcome back")
    again.does("sync")
    assert again.texts("Desk") == ["welcome back"]
    assert cleo("sync").code == 3, "the old device is out"
    (status,) = again.does("status")
    assert (status["confirmed"], status["phrase_confirmed"]) == (True, True)


def test_words_and_a_link_are_enough_and_other_links_are_told_apart(
    own_gazette: Gazette, invited: str, tmp_path: Path
) -> None:
    bo = own_gazette.bo
    (phrase,) = bo.does("phrase", "show")
    paper = tmp_path / "paper"
    paper.write_text(" ".join(phrase["phrase"]))
    again = Person(tmp_path / "again", "Bo")
    for wrong, hint in (
        (own_gazette.founding_link, "coterie server-link"),
        ("127.0.0.1:1", "it starts with coterie://"),
    ):
        ended = again("recover", wrong, "--phrase-file", paper, "--yes")
        assert (ended.code, hint in ended.row["hint"]) == (2, True), ended.row
    assert again("recover", "--phrase-file", paper, "--yes").row["error"] == "no_device"
    (server,) = own_gazette.ada.does("server-link")
    wrong_way = coterie("--home", tmp_path / "x", "join", server["server"], "--as", "Bo")
    assert (wrong_way.code, "lets nobody in" in wrong_way.err) == (2, True)
    (back,) = again.does("recover", server["server"], "--phrase-file", paper, "--yes")
    assert back["member"] == own_gazette.joined["member"]


def test_the_invite_that_one_joined_with_is_enough(own_gazette: Gazette, tmp_path: Path) -> None:
    (phrase,) = own_gazette.bo.does("phrase", "show")
    (tmp_path / "paper").write_text(" ".join(phrase["phrase"]))
    again = Person(tmp_path / "again", "Bo")
    (back,) = again.does("recover", own_gazette.invite["link"], "--phrase-file", tmp_path / "paper", "--yes")
    assert back["member"] == own_gazette.joined["member"]
