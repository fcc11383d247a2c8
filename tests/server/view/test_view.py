"""The view's file: found damaged it says so, stopped anywhere it goes on where it was."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from coterie.ids import BlobId
from coterie.server.rules.base import StorageFailed
from coterie.server.rules.outcomes import Posted
from coterie.server.rules.record import BlobPut, ClaimKeyPackage, CloseQueue
from coterie.server.view import NotNext, View, ViewDamaged, delete_view
from coterie.server.view.schema import ORDERS, TABLES, WAL_RESTART_BYTES
from coterie.wire.queues import QueuePurpose
from tests.server.rules.scene import SUITE, Scene, a_key, packages_of, posting, queue_named, read_hash
from tests.server.rules.test_queues import advance, delivery
from tests.trust.cast import DAY


def lively(scene: Scene) -> None:
    """A bit of everything, so that each table has rows."""
    device = scene.stage.founder.device_id
    scene.open("room", "other")
    scene.open("bo", "closed", purpose=QueuePurpose.INBOX)
    scene.send(BlobPut(BlobId(bytes(32)), 3), posting("room", "a"), posting("closed", "b"), posting("room", "c", ttl=1))
    scene.send(advance("room", 0, "commit", delivery("bo", "welcome"), delivery("gone", "lost")))
    scene.send(packages_of(device, "a", 3), ClaimKeyPackage(device, SUITE, a_key("claim")))
    scene.now += 8 * DAY
    scene.stage.now = scene.now
    scene.join(scene.invite("cy"), "cy")
    scene.send(posting("other", "d"), CloseQueue(queue_named("closed")))
    scene.apply()


def replayed(path: Path, log: list[bytes]) -> View:
    view = View(path)
    for seq, record in enumerate(log[view.position :], view.position + 1):
        view.apply(seq, record)
    return view


def hash_of(view: View) -> bytes:
    with view.reader() as reader:
        return reader.state_hash()


def test_view_opened_again_is_where_it_was(scene: Scene) -> None:
    lively(scene)
    before = hash_of(scene.view)
    remembered = scene.view.time, scene.view.digest, scene.view.position, scene.view.soonest, scene.view.hubs
    scene.close()
    scene.view = View(scene.path)
    assert hash_of(scene.view) == before
    again = scene.view.time, scene.view.digest, scene.view.position, scene.view.soonest, scene.view.hubs
    assert again == remembered
    assert scene.view.register is not None
    assert scene.view.register.head == scene.stage.state.head
    assert scene.send(posting("other", "d")) == [Posted(1)]


def test_view_built_anew_from_the_log_is_the_same(scene: Scene, tmp_path: Path) -> None:
    lively(scene)
    other = replayed(tmp_path / "other.db", scene.log)
    assert hash_of(other) == scene.state_hash()
    assert other.digest == scene.view.digest
    other.close()


def test_state_hash_sees_every_row_of_every_table(scene: Scene) -> None:
    assert set(ORDERS) == set(TABLES)
    hashes = [scene.state_hash()]
    for table in TABLES:
        with sqlite3.connect(scene.path) as db:
            columns = db.execute("SELECT count(*) FROM pragma_table_info(?)", (table,)).fetchone()[0]
            if table == "log":
                db.execute("UPDATE log SET generation = 1")
            else:
                db.execute(f"INSERT INTO {table} VALUES ({', '.join(['424242'] * columns)})")
        db.close()
        hashes.append(scene.state_hash())
    assert len(set(hashes)) == len(TABLES) + 1


def test_record_out_of_turn_is_not_applied(scene: Scene) -> None:
    record = scene.hub.record(scene.now)
    for seq in (0, scene.view.position, scene.view.position + 2):
        with pytest.raises(NotNext):
            scene.view.apply(seq, record)
    assert scene.append(record).outcomes == []


def test_view_fits_only_the_log_it_came_from(scene: Scene, tmp_path: Path) -> None:
    scene.apply()
    assert scene.view.fits(scene.log[-1])
    assert not scene.view.fits(scene.log[0])
    assert not scene.view.fits(None)
    empty = View(tmp_path / "empty.db")
    assert empty.fits(None)
    empty.close()


@pytest.mark.parametrize(
    "junk", [b"not a database, but long enough to be one" * 40, b"SQLite format 3\0" + bytes(5000)]
)
def test_file_that_is_no_view_is_damaged_and_can_be_built_again(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "view.db"
    path.write_bytes(junk)
    with pytest.raises(ViewDamaged):
        View(path)
    delete_view(path)
    view = View(path)
    assert view.position == 0
    view.close()


def test_other_database_or_another_version_is_no_view(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "foreign.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE notes (text TEXT)")
    db.close()
    with pytest.raises(ViewDamaged):
        View(path)
    scene.close()
    with sqlite3.connect(scene.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ViewDamaged):
        View(scene.path)


def test_empty_file_is_an_empty_view(tmp_path: Path) -> None:
    (tmp_path / "view.db").touch()
    view = View(tmp_path / "view.db")
    assert view.position == 0
    view.close()


def test_file_with_overwritten_pages_is_damaged(scene: Scene) -> None:
    lively(scene)
    scene.close()
    whole = scene.path.read_bytes()
    for page in range(1, len(whole) // 4096):
        scene.path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        try:
            view = View(scene.path)
        except ViewDamaged:
            continue
        # an unused page: nothing was lost with it
        assert hash_of(view)
        view.close()
        raise AssertionError(f"page {page} can be overwritten unnoticed")


def test_truncated_file_is_damaged(scene: Scene) -> None:
    lively(scene)
    scene.close()
    whole = scene.path.read_bytes()
    scene.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ViewDamaged):
        View(scene.path)


def test_register_that_does_not_verify_is_damage(scene: Scene) -> None:
    scene.close()
    with sqlite3.connect(scene.path) as db:
        db.execute("UPDATE register SET entry = zeroblob(200)")
    db.close()
    with pytest.raises(ViewDamaged):
        View(scene.path)


def test_power_cut_loses_a_tail_that_the_log_brings_again(scene: Scene, tmp_path: Path) -> None:
    scene.open("room")
    checkpointer = scene.view.checkpointer()
    checkpointer.checkpoint()
    wal = scene.path.with_name(scene.path.name + "-wal")
    synced = scene.view.position
    for number in range(40):
        scene.send(*[posting("room", f"{number} {text}" * 50) for text in range(5)])
    final, digest = scene.state_hash(), scene.view.digest
    written = wal.read_bytes()
    dice = random.Random(7)
    positions: set[int] = set()
    for trial in range(25):
        path = tmp_path / f"after {trial}.db"
        shutil.copyfile(scene.path, path)
        cut = dice.randrange(len(written))
        # what was not synced may be missing, or be there in part
        tail = dice.randbytes(len(written) - cut) if trial % 2 else b""
        path.with_name(path.name + "-wal").write_bytes(written[:cut] + tail)
        view = replayed_from(path, scene.log, positions)
        assert (hash_of(view), view.digest) == (final, digest)
        view.close()
    assert len(positions) > 10
    assert max(positions) > synced
    checkpointer.close()


def replayed_from(path: Path, log: list[bytes], positions: set[int]) -> View:
    view = View(path)
    positions.add(view.position)
    assert view.fits(log[view.position - 1] if view.position else None)
    view.close()
    return replayed(path, log)


def test_full_disk_stops_before_anything_changed_and_goes_on_after(scene: Scene) -> None:
    scene.open("room")
    pages = scene.view.rows("PRAGMA page_count")[0][0]
    scene.view.rows(f"PRAGMA max_page_count = {pages + 20}")
    stopped = 0
    for number in range(30):
        record = scene.hub.record(scene.now, posting("room", f"{number} " + "x" * 20_000))
        before = scene.view.position, scene.view.digest, scene.view.next_entry, scene.state_hash()
        try:
            scene.view.apply(scene.view.position + 1, record)
        except StorageFailed as error:
            stopped += 1
            assert not isinstance(error, ViewDamaged)
            after = scene.view.position, scene.view.digest, scene.view.next_entry, scene.state_hash()
            assert after == before
            row = scene.view.queue(queue_named("room"))
            assert row is not None
            assert row.last == len(scene.log) - 2
            scene.view.rows(f"PRAGMA max_page_count = {pages + 2000}")
            scene.view.apply(scene.view.position + 1, record)
        scene.log.append(record)
    assert stopped == 1
    fresh = replayed(scene.path.with_name("fresh.db"), scene.log)
    assert hash_of(fresh) == scene.state_hash()
    fresh.close()


def test_unreadable_view_stops_the_hub_and_is_no_outcome(scene: Scene) -> None:
    scene.open("room")
    scene.send(posting("room", "a"))
    scene.close()
    scene.view = View(scene.path)
    with sqlite3.connect(scene.path) as db:
        db.execute("ALTER TABLE queues RENAME TO gone")
    db.close()
    position = scene.view.position
    with pytest.raises(StorageFailed):
        scene.view.apply(position + 1, scene.hub.record(scene.now, posting("room", "b")))
    assert scene.view.position == position


def test_file_is_written_as_the_notes_demand(scene: Scene) -> None:
    assert scene.view.rows("PRAGMA journal_mode") == [("wal",)]
    assert scene.view.rows("PRAGMA synchronous") == [(1,)]
    assert scene.view.rows("PRAGMA wal_autocheckpoint") == [(0,)]


def test_wal_stays_bounded_without_any_checkpointer(scene: Scene) -> None:
    scene.open("room", purpose=QueuePurpose.ROOM)
    sizes = []
    for number in range(WAL_RESTART_BYTES // 100_000 * 2):
        scene.send(posting("room", f"{number} " + "x" * 150_000))
        sizes.append(scene.view.wal_bytes())
    assert WAL_RESTART_BYTES * 0.9 < max(sizes) <= WAL_RESTART_BYTES
    assert sizes.count(0) > 1
    assert scene.path.with_name(scene.path.name + "-wal").stat().st_size < WAL_RESTART_BYTES + 2**20


def test_page_being_read_puts_the_restart_of_the_wal_off(scene: Scene) -> None:
    scene.open("room")
    with scene.view.reader() as reader:
        reader._db.execute("BEGIN")
        reader._db.execute("SELECT position FROM log").fetchall()
        scene.send(posting("room", "a" * 10_000))
        grown = scene.view.wal_bytes()
        scene.view.restart_wal()
        assert scene.view.wal_bytes() == grown
        reader._db.execute("ROLLBACK")
    scene.view.restart_wal()
    assert scene.view.wal_bytes() == 0
    scene.send(posting("room", "b"))
    assert 0 < scene.view.wal_bytes() < grown


def test_reader_beside_the_writer_sees_whole_records_only(scene: Scene) -> None:
    scene.open("room")
    with scene.view.reader() as reader:
        for number in range(20):
            scene.send(*[posting("room", f"{number} {text}") for text in range(10)])
            page = reader.entries(queue_named("room"), read_hash("room"), 0, 1000)
            assert page is not None
            assert getattr(page, "last", None) == (number + 1) * 10
