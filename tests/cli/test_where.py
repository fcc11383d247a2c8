"""Where a command looks for its device and its passphrase."""

from pathlib import Path

import pytest

from tests.cli.terminal import coterie

LINK = "coterie://127.0.0.1:1/join/AAAA"


def missing_in(home: Path) -> str:
    return f"there is no device in {home}"


def test_the_folder_is_said_before_or_after_the_command(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    assert missing_in(before) in coterie("--home", before, "status").err
    assert missing_in(after) in coterie("status", "--home", after).err
    assert missing_in(after) in coterie("--home", before, "room", "list", "--home", after).err


def test_the_environment_names_the_folder_where_the_command_does_not(tmp_path: Path) -> None:
    assert missing_in(tmp_path / "named") in coterie("status", COTERIE_HOME=str(tmp_path / "named")).err
    said = coterie("--home", tmp_path / "said", "status", COTERIE_HOME=str(tmp_path / "named"))
    assert missing_in(tmp_path / "said") in said.err


def test_without_either_it_is_the_users_data_folder(tmp_path: Path) -> None:
    ended = coterie("status", XDG_DATA_HOME=str(tmp_path), HOME=str(tmp_path))
    assert ended.code == 1
    assert str(tmp_path) in ended.err


def test_asking_about_no_device_makes_no_folder(tmp_path: Path) -> None:
    coterie("--home", tmp_path / "nobody", "status")
    assert not (tmp_path / "nobody").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ended = coterie("--home", tmp_path / "file", "status")
    assert ended.code == 1
    assert str(tmp_path / "file") in ended.err
    assert not ended.traceback


def test_no_device_is_said_before_a_passphrase_is_asked_for(tmp_path: Path) -> None:
    assert missing_in(tmp_path) in coterie("--home", tmp_path, "status", passphrase=None).err


@pytest.mark.parametrize(
    ("content", "fact"),
    [(None, "No such file"), (b"", "empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "too long")],
)
def test_a_passphrase_file_that_will_not_do(content: bytes | None, fact: str, tmp_path: Path, open_link: str) -> None:
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
    ended = coterie("--home", tmp_path / "bo", "join", open_link, "--as", "Bo", "--passphrase-file", file)
    assert ended.code == 1
    assert fact in ended.err
    assert not ended.traceback
    assert not (tmp_path / "bo" / "device.key").exists()


def test_without_a_terminal_nothing_is_asked(tmp_path: Path, open_link: str) -> None:
    ended = coterie("--home", tmp_path / "bo", "join", open_link, "--as", "Bo", passphrase=None)
    assert ended.code == 1
    assert "there is no terminal to ask on" in ended.err
    assert "--passphrase-file" in ended.err
