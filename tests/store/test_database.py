"""The encrypted database, with real files, real power over them, and other processes that die."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from coterie.ids import Secret
from coterie.store.database import (
    Database,
    DiskFull,
    NestedTransaction,
    NewerStore,
    StoreBusy,
    StoreDamaged,
    StoreUnreachable,
)

NOTES = ((1, "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"),)
PLANTED = "the planted secret sentence"


@pytest.fixture
def key() -> Secret:
    return Secret(os.urandom(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.db"


def test_what_was_committed_is_there_when_opened_again(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database, database.transaction():
        assert database.execute("INSERT INTO note (text) VALUES (?)", (PLANTED,)) == 1
        assert database.last_row_id() == 1
    with Database.open(path, key, NOTES) as database:
        assert database.rows("SELECT id, text FROM note") == [(1, PLANTED)]
        assert database.row("SELECT text FROM note WHERE id = ?", (2,)) is None


def test_no_file_shows_what_is_in_it_or_to_other_users(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        database.execute("INSERT INTO note (text) VALUES (?)", (PLANTED,))
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["device.db", "device.db-shm", "device.db-wal"]
        for file in files:
            content = file.read_bytes()
            assert PLANTED.encode() not in content
            assert b"SQLite format" not in content
            assert bytes(key) not in content
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_settings_that_durability_and_secrecy_rest_on(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        settings = {
            name: database.row(f"PRAGMA {name}")
            for name in ("journal_mode", "synchronous", "secure_delete", "temp_store", "foreign_keys", "cipher")
        }
    full, memory = 2, 2
    assert settings == {
        "journal_mode": ("wal",),
        "synchronous": (full,),
        "secure_delete": (1,),
        "temp_store": (memory,),
        "foreign_keys": (1,),
        "cipher": ("chacha20",),
    }


def test_full_text_search_is_built_in(path: Path, key: Secret) -> None:
    with Database.open(path, key, ((1, "CREATE VIRTUAL TABLE found USING fts5(text)"),)) as database:
        database.execute("INSERT INTO found VALUES ('Müller ging heim'), ('somebody else')")
        assert database.rows("SELECT text FROM found WHERE found MATCH 'muller'") == [("Müller ging heim",)]


def test_error_in_a_transaction_undoes_all_of_it(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        with pytest.raises(KeyError), database.transaction():
            database.execute("INSERT INTO note (text) VALUES ('half')")
            raise KeyError("something went wrong")
        assert database.rows("SELECT * FROM note") == []
        assert not database.in_transaction


def test_transaction_in_a_transaction_is_refused_and_the_outer_one_undone(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        with pytest.raises(NestedTransaction), database.transaction():
            database.execute("INSERT INTO note (text) VALUES ('outer')")
            with database.transaction():
                pass
        assert database.rows("SELECT * FROM note") == []


def test_many_rows_outside_a_transaction_are_all_or_none(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        with pytest.raises(apsw.ConstraintError):
            database.execute_many("INSERT INTO note (text) VALUES (?)", [("one",), (None,)])
        assert database.rows("SELECT * FROM note") == []


def test_after_truncate_the_log_is_empty_and_pages_of_before_are_gone(path: Path, key: Secret) -> None:
    page = 4096
    with Database.open(path, key, NOTES) as database:
        database.execute("INSERT INTO note (text) VALUES (?)", (PLANTED * 500,))
        database.truncate()
        before = path.read_bytes()
        held = {before[at : at + page] for at in range(page, len(before), page)}
        database.execute("DELETE FROM note")
        database.truncate()
        after = path.read_bytes()
        assert path.with_name("device.db-wal").stat().st_size == 0
    assert len(held) >= 3
    assert not any(after[at : at + page] in held for at in range(page, len(after), page))


def test_another_key_does_not_open_it(path: Path, key: Secret) -> None:
    Database.open(path, key, NOTES).close()
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="damaged, or belongs to another"):
        Database.open(path, Secret(os.urandom(32)), NOTES)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"not a database", b"\0" * 8192, b"SQLite format 3\0" + b"\0" * 4080],
    ids=["text", "zeros", "a plain header"],
)
def test_file_that_is_no_store_is_said_to_be_damaged(path: Path, key: Secret, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        Database.open(path, key, NOTES)


def test_flipped_bit_in_a_page_is_found(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        database.execute("INSERT INTO note (text) VALUES (?)", (PLANTED,))
    content = bytearray(path.read_bytes())
    content[4096 + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreDamaged), Database.open(path, key, NOTES) as database:
        database.rows("SELECT * FROM note")


def test_folder_that_is_not_there(tmp_path: Path, key: Secret) -> None:
    with pytest.raises(StoreUnreachable):
        Database.open(tmp_path / "nowhere" / "device.db", key, NOTES)


def test_migrations_run_once_each_and_keep_what_is_there(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        database.execute("INSERT INTO note (text) VALUES ('old')")
    newer = (*NOTES, (2, "ALTER TABLE note ADD COLUMN seen INTEGER NOT NULL DEFAULT 0; CREATE TABLE other (a)"))
    for _ in range(2):
        with Database.open(path, key, newer) as database:
            assert database.rows("SELECT text, seen FROM note") == [("old", 0)]
            assert database.row("PRAGMA user_version") == (2,)


def test_failing_migration_leaves_the_store_as_it_was(path: Path, key: Secret) -> None:
    Database.open(path, key, NOTES).close()
    with pytest.raises(apsw.SQLError):
        Database.open(path, key, (*NOTES, (2, "CREATE TABLE half (a); CREATE TABLE broken (")))
    with Database.open(path, key, NOTES) as database:
        assert database.rows("SELECT name FROM sqlite_schema WHERE name = 'half'") == []
        assert database.row("PRAGMA user_version") == (1,)


def test_store_of_a_newer_program_is_left_alone(path: Path, key: Secret) -> None:
    Database.open(path, key, (*NOTES, (2, "CREATE TABLE other (a)"))).close()
    with pytest.raises(NewerStore, match="version 2; this program knows up to 1"):
        Database.open(path, key, NOTES)


def test_full_disk_is_said_and_nothing_is_lost(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database:
        database.execute("INSERT INTO note (text) VALUES ('kept')")
        database.execute("PRAGMA max_page_count = 4")
        with pytest.raises(DiskFull, match="is full"), database.transaction():
            database.execute("INSERT INTO note (text) VALUES (?)", ("x" * 100_000,))
        assert not database.in_transaction
        assert database.rows("SELECT text FROM note") == [("kept",)]


def test_store_that_another_process_writes_to_is_busy(path: Path, key: Secret) -> None:
    with Database.open(path, key, NOTES) as database, Database.open(path, key, NOTES) as other:
        other._connection.set_busy_timeout(1)
        with database.transaction():
            with pytest.raises(StoreBusy, match="in use"):
                other.execute("INSERT INTO note (text) VALUES ('x')")
            database.execute("INSERT INTO note (text) VALUES ('mine')")


def test_close_rolls_back_an_open_transaction_and_may_be_repeated(path: Path, key: Secret) -> None:
    database = Database.open(path, key, NOTES)
    with pytest.raises(apsw.ConnectionClosedError), database.transaction():
        database.execute("INSERT INTO note (text) VALUES ('x')")
        database.close()
    database.close()
    with Database.open(path, key, NOTES) as again:
        assert again.rows("SELECT * FROM note") == []


WRITER = """
import sys
from pathlib import Path
from coterie.ids import Secret
from coterie.store.database import Database
database = Database.open(Path(sys.argv[1]), Secret(bytes.fromhex(sys.argv[2])), ((1, sys.argv[3]),))
for number in range(1_000_000):
    with database.transaction():
        database.execute("INSERT INTO note (text) VALUES (?)", (f"{number} first",))
        database.execute("INSERT INTO note (text) VALUES (?)", (f"{number} second",))
    print(number, flush=True)
"""


def test_killed_writer_has_kept_every_transaction_it_had_told_of(path: Path, key: Secret) -> None:
    argv = [sys.executable, "-c", WRITER, str(path), bytes(key).hex(), NOTES[0][1]]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout]
    with Database.open(path, key, NOTES) as database:
        texts = [row[0] for row in database.rows("SELECT text FROM note ORDER BY id")]
    assert len(texts) % 2 == 0
    assert texts[: 2 * len(told)] == [f"{number} {half}" for number in told for half in ("first", "second")]


DUMPING = """
import ctypes, resource
from coterie.store.database import forbid_core_dumps
forbid_core_dumps()
pr_get_dumpable = 3
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(pr_get_dumpable, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_process_that_forbade_core_dumps_leaves_none() -> None:
    done = subprocess.run([sys.executable, "-c", DUMPING], capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0) 0\n"


def test_threads_may_take_turns_at_one_store(path: Path, key: Secret) -> None:
    """Blocking work (stretching, backups) runs in threads; the store does not belong to the one that opened it."""
    with Database.open(path, key, NOTES) as database:
        thread = threading.Thread(target=database.execute, args=("INSERT INTO note (text) VALUES ('x')",))
        thread.start()
        thread.join()
        assert database.rows("SELECT text FROM note") == [("x",)]
