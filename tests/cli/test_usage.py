"""What a person gets who types something wrong: a fact, a hint, exit code 2, and never a traceback."""

from pathlib import Path

import pytest

from tests.cli.terminal import coterie

WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no such command": (("sned", "Desk", "hello"), "no such command 'sned'. Did you mean 'send'?"),
    "no such command of a noun": (("room", "nwe"), "no such command 'nwe'. Did you mean 'new'?"),
    "a noun alone": (("room",), "missing command"),
    "an argument too few": (("send", "Desk"), "missing argument 'TEXT'"),
    "an argument too many": (("status", "now"), "unexpected extra argument"),
    "no such option": (("read", "--folow"), "no such option: --folow"),
    "an option without its value": (("read", "--limit"), "'--limit' requires an argument"),
    "not a number": (("read", "--limit", "many"), "--limit"),
    "less than one": (("read", "--limit", "0"), "--limit"),
    "no such role": (("invite", "create", "--role", "king"), "--role"),
    "not a span of time": (("invite", "create", "--seat", "half a year"), "'half a year' is not a time such as 180d"),
    "an endless invite": (("invite", "create", "--expires", "forever"), "'forever' is not a time"),
    "an empty span": (("invite", "create", "--expires", "0d"), "'0d' is not between"),
    "a span of a million years": (("invite", "create", "--seat", "9999999999d"), "is not between"),
    "join without a name": (("join", "coterie://h:1/join/x"), "missing option '--as'"),
    "not a link": (("join", "https://example.org", "--as", "Bo"), "link"),
    "half a link": (("join", "coterie://h:1/join/AAAA", "--as", "Bo"), "link"),
    "an empty link": (("join", "", "--as", "Bo"), "link"),
    "not a founding link": (("found", "coterie://h:1/found/!", "--coterie", "G", "--as", "Ada"), "link"),
    "a certificate without its key": (
        ("serve", "--data", "nowhere", "--listen", "127.0.0.1:0", "--cert", "c.pem"),
        "--key",
    ),
    "nothing to listen on": (("serve", "--data", "nowhere"), "missing option '--listen'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_explained(case: str, tmp_path: Path) -> None:
    arguments, fact = WRONG[case]
    ended = coterie("--home", tmp_path / "nobody", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert fact in ended.err
    assert "\nhint: " in ended.err
    assert not ended.traceback


@pytest.mark.parametrize("case", ["no such command", "an argument too few", "not a span of time", "not a link"])
def test_a_program_gets_the_mistake_as_json(case: str, tmp_path: Path) -> None:
    arguments, fact = WRONG[case]
    ended = coterie("--json", "--home", tmp_path / "nobody", *arguments)
    assert ended.code == 2
    assert set(ended.row) == {"error", "fact", "hint"}
    assert fact in ended.row["fact"]
    assert ended.row["error"] == ("wrong_link" if case == "not a link" else "usage")


def test_words_beside_json_go_to_standard_error_only(tmp_path: Path) -> None:
    ended = coterie("--home", tmp_path, "status", "--json")
    assert ended.code == 1
    assert ended.row["error"] == "no_device"
    assert ended.err.startswith(f"error: there is no device in {tmp_path}\nhint: ")


def test_coterie_alone_shows_its_help() -> None:
    ended = coterie()
    assert ended.code == 0
    assert "coterie found" in ended.out
    assert "passphrase" in ended.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell: str) -> None:
    words = coterie(_COTERIE_COMPLETE=f"complete_{shell}", COMP_WORDS="coterie ro", COMP_CWORD="1",
                    _TYPER_COMPLETE_ARGS="coterie ro", _TYPER_COMPLETE_FISH_ACTION="get-args")  # fmt: skip
    assert "room" in words.out
    assert "send" not in words.out


def test_a_shell_gets_its_completion_script() -> None:
    script = coterie("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert script.code == 0
    assert "_COTERIE_COMPLETE" in script.out
