"""What expires is hidden at once, goes by and by, in one order; and nothing goes early."""

import hashlib

from coterie.ids import BlobId
from coterie.server.rules.limits import COMMIT_TTL_MS, MESSAGE_TTL_MS, PURGED_PER_RECORD, UNREFERENCED_BLOB_MS
from coterie.server.rules.outcomes import Advanced, Opened, Posted, Refused, Stored
from coterie.server.rules.record import Advance, BlobPut, ClaimKeyPackage, CloseQueue, Delivery, Post
from coterie.server.view import PageEntry
from coterie.wire.limits import DAY_SECONDS
from coterie.wire.queues import QueuePurpose
from tests.server.rules.scene import (
    SECOND,
    SUITE,
    Scene,
    a_key,
    bytes_of,
    opening,
    packages_of,
    posting,
    queue_named,
    read_hash,
)
from tests.trust.cast import DAY

BLOB = BlobId(bytes_of("blob", 32))


def rows(scene: Scene, table: str) -> int:
    """How many rows the view holds."""
    return int(scene.view.rows(f"SELECT count(*) FROM {table}")[0][0])


def naming(text: str, ttl: int | None = None) -> Post:
    return Post(queue_named("room"), 0, a_key(text), text.encode(), [BLOB], ttl)


def test_idle_month_ends_with_one_record_that_hides_everything_due(scene: Scene) -> None:
    scene.open("room")
    for _ in range(3):
        scene.send(*[posting("room", f"{scene.hub.n} {number}", ttl=30 * DAY_SECONDS) for number in range(300)])
    scene.now += 30 * DAY - 1
    scene.apply()
    assert all(entry.payload is not None for entry in scene.read("room").entries)
    scene.now += 1
    scene.apply()
    page = scene.read("room").entries
    assert len(page) == 900
    assert all(entry.payload is None and len(entry.hash) == 32 for entry in page)
    assert int(scene.view.rows("SELECT count(*) FROM entries WHERE payload IS NULL")[0][0]) == PURGED_PER_RECORD
    scene.apply()
    assert int(scene.view.rows("SELECT count(*) FROM entries WHERE payload IS NULL")[0][0]) == 900
    assert scene.read("room").entries == page


def test_gap_keeps_the_hash_of_what_expired_as_long_as_commits(scene: Scene) -> None:
    scene.open("room")
    at = scene.now
    scene.send(posting("room", "short", ttl=1), posting("room", "long"))
    digest = hashlib.sha256(b"short").digest()
    scene.now += SECOND
    scene.apply()
    assert scene.read("room").entries == [PageEntry(1, at, None, digest), PageEntry(2, at, b"long", b"")]
    scene.now = at + COMMIT_TTL_MS - 1
    scene.apply()
    assert [entry.hash for entry in scene.read("room").entries] == [digest, hashlib.sha256(b"long").digest()]
    scene.now += 1
    scene.apply()
    assert scene.read("room").entries == []
    assert rows(scene, "entries") == 0
    assert scene.send(posting("room", "next")) == [Posted(3)]


def test_messages_live_ninety_days_at_most_and_commits_two_hundred(scene: Scene) -> None:
    scene.open("room")
    scene.send(posting("room", "year", ttl=365 * DAY_SECONDS), posting("room", "default"))
    scene.send(Advance(queue_named("room"), 0, a_key("c"), b"commit", bytes(32), read_hash("room")))
    scene.now += MESSAGE_TTL_MS - 1
    scene.apply()
    assert scene.texts("room") == ["year", "default", "commit"]
    scene.now += 1
    scene.apply()
    assert scene.texts("room") == [None, None, "commit"]


def test_expired_entries_make_room_in_a_full_queue(scene: Scene) -> None:
    scene.open("room")
    scene.send(posting("room", "a" * 1000, ttl=10), posting("room", "b"))
    row = scene.view.queue(queue_named("room"))
    assert row is not None
    assert (row.live, row.size) == (2, 1001)
    scene.now += 10 * SECOND
    scene.apply()
    row = scene.view.queue(queue_named("room"))
    assert row is not None
    assert (row.live, row.size) == (1, 1)


def test_epochs_are_forgotten_with_the_commit_that_ended_them(scene: Scene) -> None:
    scene.open("room")
    lost = Delivery(queue_named("gone"), 0, a_key("w"), b"welcome")
    scene.send(Advance(queue_named("room"), 0, a_key("c"), b"", bytes(32), bytes(32), [], [lost]))
    assert rows(scene, "answers") == 1
    scene.now += COMMIT_TTL_MS
    scene.apply()
    assert rows(scene, "answers") == 0
    row = scene.view.queue(queue_named("room"))
    assert row is not None
    assert row.epoch == 1
    assert scene.view.read_end(row, read_hash("room")) is None
    assert scene.view.read_end(row, bytes(32)) == 0


def test_unused_queue_goes_after_its_ttl_and_not_before(scene: Scene) -> None:
    scene.open("used", "unused", ttl=DAY_SECONDS)
    for hour in range(30):
        scene.now += 3600 * SECOND
        scene.send(posting("used", str(hour)))
        assert (scene.view.queue(queue_named("unused")) is not None) or hour >= 23
    assert scene.view.queue(queue_named("unused")) is None
    assert scene.send(posting("unused", "x"), posting("used", "x")) == [Refused("no_queue"), Posted(31)]
    last_use = scene.now
    scene.now = last_use + DAY
    scene.apply()
    assert scene.view.queue(queue_named("used")) is not None
    scene.now = last_use + DAY + DAY // 32
    assert scene.apply().closed == [queue_named("used")]
    for _ in range(2):
        scene.apply()
    assert (rows(scene, "queues"), rows(scene, "entries"), rows(scene, "epochs"), rows(scene, "dead")) == (0, 0, 0, 0)


def test_aged_out_queue_is_gone_though_its_row_still_waits_to_be_deleted(scene: Scene) -> None:
    scene.open("room", ttl=60)
    scene.open(*[f"other {number}" for number in range(600)], ttl=50)
    scene.now += 70 * SECOND
    assert scene.send(posting("room", "x"), opening("room"), posting("room", "y")) == [
        Refused("no_queue"),
        Opened(),
        Posted(1),
    ]
    scene.apply()
    assert scene.texts("room") == ["y"]


def test_closed_queue_is_deleted_by_and_by(scene: Scene) -> None:
    scene.open("q", purpose=QueuePurpose.INBOX)
    scene.send(*[posting("q", str(number)) for number in range(PURGED_PER_RECORD + 1)])
    scene.send(CloseQueue(queue_named("q")))
    assert rows(scene, "entries") == PURGED_PER_RECORD + 1
    scene.apply()
    assert rows(scene, "entries") == 1
    scene.apply()
    assert (rows(scene, "entries"), rows(scene, "epochs"), rows(scene, "dead")) == (0, 0, 0)


def test_blob_without_an_entry_goes_after_a_day(scene: Scene) -> None:
    scene.open("room")
    assert scene.send(BlobPut(BLOB, 10)) == [Stored()]
    scene.now += UNREFERENCED_BLOB_MS - 1
    assert scene.apply().dropped_blobs == []
    assert scene.view.blob_size(BLOB) == 10
    scene.now += 1
    applied = scene.apply(naming("too late"))
    assert (applied.outcomes, applied.dropped_blobs) == ([Refused("no_blob")], [BLOB])
    assert scene.view.blob_size(BLOB) is None
    assert scene.view.dropped_blobs(10) == [(BLOB, scene.now)]
    scene.view.forget_dropped([BLOB])
    assert scene.view.dropped_blobs(10) == []


def test_blob_stays_as_long_as_any_entry_that_names_it(scene: Scene) -> None:
    scene.open("room")
    scene.send(BlobPut(BLOB, 10), naming("short", ttl=10), naming("long", ttl=20 * DAY_SECONDS))
    scene.now += 20 * DAY - 1
    assert scene.apply().dropped_blobs == []
    assert scene.view.blob_size(BLOB) == 10
    scene.now += 1
    assert scene.apply().dropped_blobs == []
    scene.now += UNREFERENCED_BLOB_MS
    assert scene.apply().dropped_blobs == [BLOB]
    assert rows(scene, "blob_refs") == 0


def test_blob_of_a_closed_queue_goes_a_day_after_its_entries(scene: Scene) -> None:
    scene.open("room", purpose=QueuePurpose.CALL)
    scene.send(BlobPut(BLOB, 10), naming("a"))
    scene.send(CloseQueue(queue_named("room")))
    scene.now += DAY
    scene.apply()
    assert scene.view.blob_size(BLOB) == 10
    scene.now += UNREFERENCED_BLOB_MS
    assert scene.apply().dropped_blobs == [BLOB]


def test_blob_put_again_is_off_the_list_of_those_to_delete(scene: Scene) -> None:
    scene.send(BlobPut(BLOB, 10))
    scene.now += UNREFERENCED_BLOB_MS
    scene.apply()
    assert scene.view.dropped_blobs(10) != []
    scene.send(BlobPut(BLOB, 10))
    assert scene.view.dropped_blobs(10) == []
    assert scene.view.blob_size(BLOB) == 10


def test_blob_named_twice_by_one_entry_is_released_once(scene: Scene) -> None:
    scene.open("room")
    twice = Advance(queue_named("room"), 0, a_key("c"), b"c", bytes(32), bytes(32), [BLOB, BLOB])
    assert scene.send(BlobPut(BLOB, 10), naming("a", ttl=10), twice) == [Stored(), Posted(1), Advanced(2, ())]
    scene.now += 199 * DAY
    scene.apply()
    assert scene.view.blob_size(BLOB) == 10
    scene.now += DAY
    scene.apply()
    scene.now += UNREFERENCED_BLOB_MS
    assert scene.apply().dropped_blobs == [BLOB]


def test_answers_kept_for_retries_go_after_seven_days(scene: Scene) -> None:
    device = scene.stage.founder.device_id
    scene.send(packages_of(device, "a", 1), ClaimKeyPackage(device, SUITE, a_key("claim")))
    assert (rows(scene, "claims"), rows(scene, "puts")) == (1, 1)
    scene.now += 7 * DAY
    scene.apply()
    assert (rows(scene, "claims"), rows(scene, "puts")) == (0, 0)
