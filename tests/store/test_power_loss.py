"""The power goes at any moment: what a commit told of is there, what it had not told of is whole or absent."""

import os
from functools import partial
from pathlib import Path

import apsw
import pytest

from coterie.ids import Secret
from coterie.store.database import Database
from tests.power import ABOVE, ForgetfulDisk, forgetful_disk

NOTES = ((1, "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"),)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> ForgetfulDisk:
    disk = forgetful_disk()
    monkeypatch.setattr(apsw, "Connection", partial(apsw.Connection, vfs=ABOVE))
    return disk


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def texts_after_power_loss(disk: ForgetfulDisk, home: Path, key: Secret, name: str) -> list[str]:
    found = home.parent / name
    found.mkdir()
    disk.after_power_loss(home, found)
    with Database.open(found / "device.db", key, NOTES) as store:
        return [row[0] for row in store.rows("SELECT text FROM note ORDER BY id")]


def test_committed_is_there_after_the_power_went(home: Path, disk: ForgetfulDisk) -> None:
    key = Secret(os.urandom(32))
    store = Database.open(home / "device.db", key, NOTES)
    told: list[str] = []
    for number in range(12):
        with store.transaction():
            store.execute("INSERT INTO note (text) VALUES (?)", (f"{number} first",))
            store.execute("INSERT INTO note (text) VALUES (?)", (f"{number} second",))
        told += [f"{number} first", f"{number} second"]
        assert texts_after_power_loss(disk, home, key, f"after {number}") == told
        if number % 5 == 4:
            store.truncate()
            assert texts_after_power_loss(disk, home, key, f"cut {number}") == told
    store.close()
    assert texts_after_power_loss(disk, home, key, "closed") == told


def test_transaction_under_way_is_absent_after_the_power_went(home: Path, disk: ForgetfulDisk) -> None:
    key = Secret(os.urandom(32))
    with Database.open(home / "device.db", key, NOTES) as store:
        store.execute("INSERT INTO note (text) VALUES ('told')")
        with store.transaction():
            store.execute_many("INSERT INTO note (text) VALUES (?)", [("x" * 1000,)] * 5000)
            assert texts_after_power_loss(disk, home, key, "meanwhile") == ["told"]


def test_the_disk_of_these_tests_does_forget(home: Path, disk: ForgetfulDisk) -> None:
    key = Secret(os.urandom(32))
    with Database.open(home / "device.db", key, NOTES) as store:
        store.execute("PRAGMA synchronous = OFF")
        store.execute("INSERT INTO note (text) VALUES ('never synced')")
        assert texts_after_power_loss(disk, home, key, "after") == []
