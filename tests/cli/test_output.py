"""What others wrote cannot reach the terminal's controls; what programs read is one JSON object a line."""

import json

import pytest

from coterie.cli.exits import Exit, exit_of
from coterie.cli.output import Output, harmless
from coterie.client.rows import when
from coterie.errors import CallerError, CoterieError, DeviceError, OfflineError, PeerError, RefusedError


@pytest.mark.parametrize(
    "nasty", ["\x1b]0;mine\x07", "\x1b[2J", "\r", "\x9b31m", "\x08", "\u202e", "\u2066", "\x00", "\ud800"]
)
def test_control_characters_are_shown_as_what_they_are_not(nasty: str) -> None:
    assert harmless(f"hello{nasty}") == "hello" + "".join("\ufffd" if ord(c) < 32 or ord(c) > 126 else c for c in nasty)


def test_ordinary_writing_of_all_peoples_stays() -> None:
    text = "héllo שלום 你好 🎈 e\u0301"
    assert harmless(text) == text


def test_line_ends_stay_where_a_text_may_have_them() -> None:
    assert harmless("a\nb\tc", lines=True) == "a\nb\tc"
    assert harmless("a\nb") == "a\ufffdb"


def test_a_row_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).row({"text": "two\nlines \x1b[2J é"})
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert json.loads(line) == {"text": "two\nlines \x1b[2J é"}


def test_a_time_is_utc_with_milliseconds() -> None:
    assert when(1_795_415_850_007) == "2026-11-23T06:37:30.007Z"


class WrongPassphrase(CallerError):
    code = "wrong-passphrase"


class WrongLink(CallerError):
    code = "wrong_link"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallerError("x"), Exit.USAGE),
        (WrongLink("x"), Exit.USAGE),
        (WrongPassphrase("x"), Exit.FAILED),
        (RefusedError("x"), Exit.REFUSED),
        (PeerError("x"), Exit.REFUSED),
        (OfflineError("x"), Exit.QUEUED),
        (DeviceError("x"), Exit.FAILED),
        (CoterieError("x"), Exit.FAILED),
    ],
)
def test_whose_fault_it_is_gives_the_exit_code(error: CoterieError, code: Exit) -> None:
    assert exit_of(error) == code
