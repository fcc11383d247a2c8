"""Pages of a queue: where they start, where they stop, and for whom."""

import pytest

from coterie.server.view import Beyond, Page
from coterie.wire.frames import EpochEnd
from coterie.wire.queues import QueuePurpose
from tests.server.rules.scene import Scene, post_hash, posting, queue_named, read_hash
from tests.server.rules.test_queues import advance


def numbers(page: Page | Beyond | None) -> list[int]:
    assert isinstance(page, Page)
    return [entry.n for entry in page.entries]


@pytest.fixture
def room(scene: Scene) -> Scene:
    """Entries 1-3 of epoch 0 (3 is the commit), 4-5 of epoch 1 (5 is the commit), 6 of epoch 2."""
    scene.open("room")
    scene.send(posting("room", "a"), posting("room", "b"), advance("room", 0, "one"))
    scene.send(posting("room", "c", 1), advance("room", 1, "two"), posting("room", "d", 2))
    return scene


def test_old_token_reads_up_to_the_commit_that_ends_its_epoch(room: Scene) -> None:
    page = room.read("room", epoch=0)
    assert (numbers(page), page.end, page.token_end, page.last, page.epoch) == ([1, 2, 3], True, 3, 6, 2)
    page = room.read("room", after=3, epoch=1)
    assert (numbers(page), page.end, page.token_end) == ([4, 5], True, 5)
    page = room.read("room", after=5, epoch=2)
    assert (numbers(page), page.end, page.token_end) == ([6], True, 0)


def test_token_has_nothing_to_read_past_its_end(room: Scene) -> None:
    page = room.read("room", after=4, epoch=0)
    assert (numbers(page), page.end, page.token_end) == ([], True, 3)


def test_wrong_token_and_wrong_queue_look_alike(room: Scene) -> None:
    room.open("other")
    with room.view.reader() as reader:
        assert reader.entries(queue_named("room"), read_hash("other"), 0, 10) is None
        assert reader.entries(queue_named("nothing"), read_hash("room"), 0, 10) is None


def test_device_ahead_of_the_queue_is_told_where_it_ends(room: Scene) -> None:
    with room.view.reader() as reader:
        assert reader.entries(queue_named("room"), read_hash("room", 2), 7, 10) == Beyond(6, 2)
        assert numbers(reader.entries(queue_named("room"), read_hash("room", 2), 6, 10)) == []


def test_joiner_starts_where_the_first_epoch_of_its_token_does(room: Scene) -> None:
    page = room.read("room", epoch=1)
    assert (page.after, numbers(page)) == (3, [4, 5])
    page = room.read("room", epoch=2)
    assert (page.after, numbers(page)) == (5, [6])


def test_reader_is_told_what_the_commit_installed_that_ended_its_epoch(room: Scene) -> None:
    assert room.read("room", epoch=0).ended == EpochEnd(3, post_hash("room", 1), read_hash("room", 1))
    assert room.read("room", epoch=1).ended == EpochEnd(5, post_hash("room", 2), read_hash("room", 2))
    assert room.read("room", epoch=2).ended is None


def test_limits_of_a_page_leave_the_rest_for_the_next(room: Scene) -> None:
    with room.view.reader() as reader:
        page = reader.entries(queue_named("room"), read_hash("room", 0), 0, 2)
        assert (numbers(page), page.end if isinstance(page, Page) else None) == ([1, 2], False)
        page = reader.entries(queue_named("room"), read_hash("room", 0), 2, 2)
        assert (numbers(page), page.end if isinstance(page, Page) else None) == ([3], True)
        page = reader.entries(queue_named("room"), read_hash("room", 0), 0, 4, most_bytes=1)
        assert (numbers(page), page.end if isinstance(page, Page) else None) == ([1], False)


def test_post_token_of_each_epoch_fits_that_epoch_only(room: Scene) -> None:
    row = room.view.queue(queue_named("room"))
    assert row is not None
    fits = [[room.view.post_fits(row, epoch, post_hash("room", token)) for token in range(4)] for epoch in range(4)]
    assert fits == [
        [True, False, False, False],
        [False, True, False, False],
        [False, False, True, False],
        [False, False, False, False],
    ]


def test_large_entries_come_one_a_page(scene: Scene) -> None:
    scene.open("room", purpose=QueuePurpose.ROOM)
    for number in range(3):
        scene.send(posting("room", f"{number}" * 150_000))
    assert [numbers(scene.read("room", after)) for after in range(4)] == [[1], [2], [3], []]
