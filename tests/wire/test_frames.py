"""What a frame lets others see of it."""

from coterie.ids import QueueId
from coterie.wire.frames import Delivery, Entries, Post, QueueEntry

SECRET = b"nobody is to read this in a log."


def test_frame_shows_its_type_and_request_and_nothing_that_it_holds() -> None:
    delivery = Delivery(QueueId(SECRET), SECRET, 0, SECRET[:16], SECRET)
    entry = QueueEntry(1, 0, SECRET)
    post = Post(7, QueueId(SECRET), SECRET, 0, SECRET[:16], SECRET)
    entries = Entries(8, 0, [entry], True, 1, 0, None)
    assert [repr(shown) for shown in (delivery, entry, post, entries)] == [
        "Delivery",
        "QueueEntry",
        "Post#7",
        "Entries#8",
    ]
