"""Two devices of one person, each a process of its own: linked, in all rooms, with the history, and as one person."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cli.conftest import Gazette
from tests.cli.terminal import COMMAND, WAIT_SECONDS, Person, environment


class Talking:
    """A command that is answered on its standard input."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--home", str(home), "--json", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            start_new_session=True,
        )

    def row(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        row: dict[str, Any] = json.loads(self.process.stdout.readline())
        return row

    def says(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ends(self) -> int:
        self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode


def link(old: Person, new: Path, *arguments: str, answer: str = "yes") -> tuple[Talking, Talking]:
    adding = Talking(old.home, "device", "add", *arguments)
    code = adding.row()
    assert code["event"] == "code"
    linking = Talking(new, "device", "link", code["code"])
    words = adding.row()
    assert words["event"] == "words"
    assert linking.row() == words
    assert len(words["words"]) == 4
    adding.says(answer)
    return adding, linking


def test_second_device_is_in_every_room_with_the_history_and_speaks_as_the_same_person(
    own_gazette: Gazette, tmp_path: Path
) -> None:
    ada, bo = own_gazette.ada, own_gazette.bo
    desk = own_gazette.room("Desk")
    ada.does("send", desk, "before, by ada")
    bo.does("sync")
    bo.does("send", desk, "before, by bo")
    ada.does("sync")
    laptop = Person(tmp_path / "laptop", "Ada")
    adding, linking = link(ada, laptop.home)
    added, linked = adding.row(), linking.row()
    assert added["event"] == "added"
    assert linked == {"event": "linked", "device": added["device"]}
    assert (adding.ends(), linking.ends()) == (0, 0)
    assert laptop.texts(desk) == ["before, by ada", "before, by bo"]
    laptop.does("send", desk, "after, by the laptop")
    ada.does("sync")
    bo.does("sync")
    whole = ["before, by ada", "before, by bo", "after, by the laptop"]
    assert (ada.texts(desk), bo.texts(desk)) == (whole, whole)
    ada.does("send", desk, "after, by the phone")
    laptop.does("sync")
    bo.does("sync")
    for person in (ada, laptop, bo):
        assert person.texts(desk) == [*whole, "after, by the phone"]
    mine = [message["state"] for message in ada.does("read", desk) if message["from"] == "Ada"]
    assert mine == ["sent", "sent", "sent"]
    notices = [message["text"] for message in bo.does("read", desk, "--notices") if message["kind"] == "notice"]
    assert "a device of Ada was added" in notices


def test_no_at_the_question_gives_nothing(own_gazette: Gazette, tmp_path: Path) -> None:
    ada = own_gazette.ada
    before = ada.does("device", "list")
    adding, linking = link(ada, tmp_path / "laptop", answer="no")
    declined, refused = adding.row(), linking.row()
    assert (declined["error"], refused["error"]) == ("link_declined", "link_declined")
    assert (adding.ends(), linking.ends()) == (3, 3)
    assert ada.does("device", "list") == before


def test_code_works_once_and_says_what_it_is(own_gazette: Gazette, tmp_path: Path) -> None:
    ada = own_gazette.ada
    adding = Talking(ada.home, "device", "add", "--history", "none")
    code = adding.row()["code"]
    linking = Talking(tmp_path / "laptop", "device", "link", code)
    adding.row()
    linking.row()
    second = Person(tmp_path / "second", "somebody who saw the code")("device", "link", code)
    assert second.rows[-1]["error"] == "code_used_up"
    adding.says("yes")
    assert (adding.ends(), linking.ends()) == (0, 0)
    again = Person(tmp_path / "third", "later")("device", "link", code)
    assert again.rows[-1]["error"] == "code_used_up"
    (invite,) = ada.does("invite", "create")
    wrong = Person(tmp_path / "fourth", "wrong")("device", "link", invite["link"])
    assert (wrong.code, wrong.rows[-1]["hint"]) == (2, "use it with: coterie join")
    wrong = Person(tmp_path / "fifth", "wrong")("join", code, "--as", "Eve", "--no-phrase")
    assert (wrong.code, wrong.rows[-1]["hint"]) == (2, "use it on the new device with: coterie device link")


def test_new_device_that_is_killed_once_it_was_let_in_finishes_by_itself(own_gazette: Gazette, tmp_path: Path) -> None:
    ada, home = own_gazette.ada, tmp_path / "laptop"
    desk = own_gazette.room("Desk")
    adding = Talking(ada.home, "device", "add", "--history", "none")
    code = adding.row()["code"]
    linking = Talking(home, "device", "link", code)
    adding.row()
    linking.row()
    adding.says("yes")
    added = adding.row()
    linking.process.kill()
    linking.ends()
    adding.process.kill()
    adding.ends()
    laptop = Person(home, "Ada")
    again = laptop("device", "link", code)
    assert (
        again.rows[-1] == {"event": "linked", "device": added["device"]} or again.rows[-1]["error"] == "device_exists"
    )
    ada.does("sync")
    laptop.does("sync")
    ada.does("send", desk, "for both")
    laptop.does("sync")
    assert laptop.texts(desk) == ["for both"]
