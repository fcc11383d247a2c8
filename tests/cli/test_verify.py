"""Two members compare safety numbers, mark it, and are not taken in by a name."""

from tests.cli.conftest import Gazette
from tests.cli.terminal import Person


def marks(person: Person) -> dict[str, bool]:
    return {row["member"]: row["verified"] for row in person.does("members")}


def test_two_members_compare_and_mark(gazette: Gazette) -> None:
    ada, bo = gazette.ada, gazette.bo
    (mine,), (theirs,) = ada.does("verify", "Bo"), bo.does("verify", "Ada")
    for form in ("number", "words", "qr"):
        assert mine[form] == theirs[form]
    assert (mine["agrees"], mine["verified"]) == (None, False)

    wrong = "0" * 60
    refused = ada("verify", "Bo", "--number", wrong, "--mark")
    assert (refused.code, refused.row["error"]) == (3, "numbers_differ")
    assert not any(marks(ada).values())
    assert ada("verify", "Bo", "--number", "12345").code == 2
    assert ada("verify", "Ada").code == 2
    assert ada("verify", "Bo", "--mark", "--unmark").code == 2

    (agreed,) = ada.does("verify", "Bo", "--number", theirs["words"])
    assert (agreed["agrees"], agreed["verified"]) == (True, False)
    scanned = gazette.folder / "scanned.txt"
    scanned.write_text(theirs["qr"] + "\n")
    (marked,) = ada.does("verify", "Bo", "--scan", str(scanned), "--mark")
    assert (marked["agrees"], marked["verified"]) == (True, True)
    assert marks(ada) == {gazette.founded["member"]: False, gazette.joined["member"]: True}
    assert not any(marks(bo).values())
    shown = ada.sees("verify", "Bo")
    assert theirs["number"][:5] in shown
    assert "\u2588" in shown

    (invite,) = ada.does("invite", "create")
    (impostor,) = Person(gazette.folder / "impostor", "Bo").does("join", invite["link"], "--as", "Bo")
    ada.does("sync")
    assert marks(ada)[impostor["member"]] is False
    assert marks(ada)[gazette.joined["member"]] is True
    assert ada("verify", "Bo").row["error"] == "ambiguous_name"

    (unmarked,) = ada.does("verify", gazette.joined["member"], "--unmark")
    assert unmarked["verified"] is False
    assert not any(marks(ada).values())
