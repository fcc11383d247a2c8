"""Queues by order: numbers without holes, keys answered once, epochs, limits, closing."""

import msgspec
import pytest

from coterie.ids import BlobId
from coterie.server.rules.applied import EpochEnd, Run
from coterie.server.rules.limits import QUEUE_LIMITS
from coterie.server.rules.outcomes import Advanced, Conflict, Opened, Posted, Refused, Stale, Stored
from coterie.server.rules.record import Advance, BlobPut, CloseQueue, Delivery, Post
from coterie.wire.queues import QueuePurpose
from tests.server.rules.scene import SECOND, Scene, a_key, bytes_of, opening, post_hash, posting, queue_named, read_hash
from tests.trust.cast import DAY

INBOX = QueuePurpose.INBOX


def advance(
    label: str, epoch: int, text: str = "", *deliveries: Delivery, same_read: bool = False, key: str = ""
) -> Advance:
    after = epoch + 1
    next_read = read_hash(label, epoch if same_read else after)
    payload = text.encode()
    placed = a_key(key or f"{label} {text}")
    return Advance(queue_named(label), epoch, placed, payload, post_hash(label, after), next_read, [], list(deliveries))


def delivery(label: str, text: str, epoch: int = 0) -> Delivery:
    return Delivery(queue_named(label), epoch, a_key(text), text.encode())


def test_queue_cannot_be_opened_where_its_epochs_would_overflow_the_view(scene: Scene) -> None:
    for epoch, answer in ((2**62, Refused("bad_terms")), (2**61 + 1, Refused("bad_terms")), (2**61, Opened())):
        assert scene.send(msgspec.structs.replace(opening("room"), epoch=epoch)) == [answer]
    assert scene.send(advance("room", 2**61, "commit")) == [Advanced(1, ())]
    assert scene.send(posting("room", "a", 2**61)) == [Stale(2**61 + 1)]


def test_entries_are_numbered_without_holes_in_the_order_of_the_log(scene: Scene) -> None:
    scene.open("room", "other")
    applied = scene.apply(posting("room", "a"), posting("other", "x"), posting("room", "b"))
    assert applied.outcomes == [Posted(1), Posted(1), Posted(2)]
    assert applied.appended == {queue_named("room"): Run(0, [b"a", b"b"]), queue_named("other"): Run(0, [b"x"])}
    assert scene.apply(posting("room", "c")).appended == {queue_named("room"): Run(2, [b"c"])}
    assert scene.texts("room") == ["a", "b", "c"]


def test_queue_opened_again_with_its_terms_is_the_same_queue(scene: Scene) -> None:
    scene.open("room")
    scene.send(posting("room", "a"), advance("room", 0, "commit"))
    assert scene.send(opening("room")) == [Opened()]
    assert scene.texts("room") == ["a", "commit"]
    assert scene.send(opening("room", INBOX)) == [Refused("queue_exists")]


def test_same_key_answers_the_first_number_whatever_it_carries(scene: Scene) -> None:
    scene.open("room")
    first = posting("room", "first")
    changed = Post(first.queue, 0, first.key, b"another payload")
    assert scene.send(first, changed) == [Posted(1), Posted(1)]
    assert scene.send(posting("room", "second"), changed) == [Posted(2), Posted(1)]
    assert scene.texts("room") == ["first", "second"]


def test_same_key_in_another_queue_is_another_key(scene: Scene) -> None:
    scene.open("room", "other")
    assert scene.send(posting("room", "same"), posting("room", "b"), posting("other", "same")) == [
        Posted(1),
        Posted(2),
        Posted(1),
    ]


def test_lost_answer_is_given_again_after_the_epoch_moved_on(scene: Scene) -> None:
    scene.open("room")
    scene.send(posting("room", "a"), advance("room", 0, "commit"))
    assert scene.send(posting("room", "a")) == [Posted(1)]
    assert scene.send(advance("room", 0, "commit")) == [Advanced(2, ())]


def test_post_of_a_past_or_coming_epoch_is_stale_and_not_remembered(scene: Scene) -> None:
    scene.open("room")
    scene.send(advance("room", 0, "commit"))
    early, late = posting("room", "late", epoch=0), posting("room", "early", epoch=2)
    assert scene.send(early, late) == [Stale(1), Stale(1)]
    assert scene.send(posting("room", "late", epoch=1)) == [Posted(2)]


def test_of_two_commits_at_one_epoch_the_first_stands(scene: Scene) -> None:
    scene.open("room")
    assert scene.send(advance("room", 0, "winner"), advance("room", 0, "loser")) == [Advanced(1, ()), Conflict(1)]
    assert scene.send(advance("room", 1, "loser")) == [Advanced(2, ())]
    assert [entry.payload for epoch in (0, 1) for entry in scene.read("room", epoch=epoch).entries] == [
        b"winner",
        b"loser",
    ]


def test_key_of_a_post_never_answers_a_commit(scene: Scene) -> None:
    scene.open("room")
    scene.send(posting("room", "a"))
    assert scene.send(advance("room", 0, "commit", key="a")) == [Advanced(2, ())]
    assert scene.send(posting("room", "a", epoch=1)) == [Posted(1)]


def test_commit_tells_followers_where_the_epoch_ends(scene: Scene) -> None:
    scene.open("room")
    scene.open("inbox", purpose=INBOX)
    applied = scene.apply(posting("room", "a"), advance("room", 0, "commit"), advance("inbox", 0, same_read=True))
    assert applied.epoch_ends == [
        EpochEnd(queue_named("room"), 0, 2, post_hash("room", 1), read_hash("room", 1), read_again=False),
        EpochEnd(queue_named("inbox"), 0, 1, post_hash("inbox", 1), read_hash("inbox", 0), read_again=True),
    ]


def test_commit_and_its_welcomes_stand_together(scene: Scene) -> None:
    scene.open("room")
    scene.open("bo", "cy", purpose=INBOX)
    commit = advance("room", 0, "add both", delivery("bo", "welcome bo"), delivery("cy", "welcome cy"))
    assert scene.send(commit) == [Advanced(1, ())]
    assert scene.texts("bo") == ["welcome bo"]
    assert scene.texts("cy") == ["welcome cy"]


def test_losing_commit_delivers_nothing(scene: Scene) -> None:
    scene.open("room")
    scene.open("bo", purpose=INBOX)
    scene.send(advance("room", 0, "winner"))
    assert scene.send(advance("room", 0, "loser", delivery("bo", "welcome"))) == [Conflict(1)]
    assert scene.texts("bo") == []


def test_what_could_not_be_delivered_is_named_the_same_each_time(scene: Scene) -> None:
    scene.open("room", "not an inbox")
    scene.open("bo", "moved on", purpose=INBOX)
    scene.send(advance("moved on", 0))
    unknown_blob = Delivery(queue_named("bo"), 0, a_key("b"), b"", [BlobId(bytes(32))])
    commit = advance(
        "room",
        0,
        "add",
        delivery("gone", "1"),
        delivery("bo", "2"),
        delivery("not an inbox", "3"),
        delivery("moved on", "4"),
        unknown_blob,
    )
    assert scene.send(commit, commit) == [Advanced(1, (0, 2, 3, 4))] * 2
    assert scene.send(commit) == [Advanced(1, (0, 2, 3, 4))]
    assert scene.texts("bo") == ["2"]


def test_delivery_that_arrived_before_is_not_repeated(scene: Scene) -> None:
    scene.open("room")
    scene.open("bo", purpose=INBOX)
    scene.send(posting("bo", "welcome"))
    assert scene.send(advance("room", 0, "add", delivery("bo", "welcome"))) == [Advanced(1, ())]
    assert scene.texts("bo") == ["welcome"]


def test_full_inbox_refuses_posts_but_never_fails_a_commit(scene: Scene) -> None:
    scene.open("room")
    scene.open("bo", purpose=INBOX)
    limits = QUEUE_LIMITS[INBOX]
    for start in range(0, limits.entries, 1000):
        flood = [Post(queue_named("bo"), 0, n.to_bytes(16, "big"), b"x") for n in range(start, start + 1000)]
        scene.send(*flood)
    assert scene.send(posting("bo", "one more")) == [Refused("queue_full")]
    assert scene.send(advance("room", 0, "add", delivery("bo", "welcome"))) == [Advanced(1, ())]
    assert scene.read("bo", after=limits.entries).entries[0].payload == b"welcome"
    reserved = limits.commit_entries - limits.entries
    epoch = 1
    for start in range(1, reserved + 1, 50):
        many = [delivery("bo", f"flood {n}") for n in range(start, min(start + 50, reserved + 1))]
        (outcome,) = scene.send(advance("room", epoch, f"add {start}", *many))
        epoch += 1
    assert isinstance(outcome, Advanced)
    assert outcome.undelivered == (len(many) - 1,)
    assert scene.send(advance("room", epoch, "add last", delivery("bo", "late"))) == [Advanced(epoch + 1, (0,))]


def test_queue_full_of_bytes_refuses_posts_and_still_takes_a_commit(scene: Scene) -> None:
    scene.open("bo", purpose=INBOX)
    limits = QUEUE_LIMITS[INBOX]
    size = 128 * 1024
    for number in range(limits.size // size):
        scene.send(Post(queue_named("bo"), 0, number.to_bytes(16, "big"), bytes(size)))
    assert scene.send(posting("bo", "x")) == [Refused("queue_full")]
    assert scene.send(advance("bo", 0, "x")) == [Advanced(limits.size // size + 1, ())]


@pytest.mark.parametrize("purpose", [INBOX, QueuePurpose.CALL])
def test_closed_queue_is_gone_at_once(scene: Scene, purpose: QueuePurpose) -> None:
    scene.open("q", purpose=purpose)
    scene.send(posting("q", "a"))
    applied = scene.apply(CloseQueue(queue_named("q")), posting("q", "b"), CloseQueue(queue_named("q")))
    assert applied.outcomes == [Stored(), Refused("no_queue"), Stored()]
    assert applied.closed == [queue_named("q")]
    assert scene.view.queue(queue_named("q")) is None
    scene.apply()
    with scene.view.reader() as reader:
        assert reader.entries(queue_named("q"), read_hash("q"), 0, 10) is None


def test_queue_opened_anew_after_its_end_remembers_nothing(scene: Scene) -> None:
    scene.open("q", purpose=INBOX)
    scene.send(posting("q", "a"), advance("q", 0))
    outcomes = scene.send(CloseQueue(queue_named("q")), opening("q", INBOX), posting("q", "a"))
    assert outcomes == [Stored(), Opened(), Posted(1)]
    assert scene.texts("q") == ["a"]
    for _ in range(3):
        scene.apply()
    assert scene.texts("q") == ["a"]


def test_room_cannot_be_closed(scene: Scene) -> None:
    scene.open("room")
    assert scene.send(CloseQueue(queue_named("room"))) == [Refused("not_allowed")]
    assert scene.send(posting("room", "a")) == [Posted(1)]


def test_queue_that_was_never_opened_takes_nothing(scene: Scene) -> None:
    unknown = queue_named("unknown")
    assert scene.send(posting("unknown", "a"), advance("unknown", 0), CloseQueue(unknown)) == [
        Refused("no_queue"),
        Refused("no_queue"),
        Stored(),
    ]


def test_entry_that_names_an_unknown_blob_is_refused(scene: Scene) -> None:
    scene.open("room")
    blob = BlobId(bytes_of("blob", 32))
    naming = Post(queue_named("room"), 0, a_key("a"), b"a", [blob])
    commit = Advance(queue_named("room"), 0, a_key("c"), b"c", bytes(32), bytes(32), [blob])
    assert scene.send(naming, commit) == [Refused("no_blob"), Refused("no_blob")]
    assert scene.send(BlobPut(blob, 10), naming, commit) == [Stored(), Posted(1), Advanced(2, ())]


def test_key_is_remembered_for_seven_days_and_then_free(scene: Scene) -> None:
    scene.open("room")
    assert scene.send(posting("room", "a"), posting("room", "b")) == [Posted(1), Posted(2)]
    scene.now += 7 * DAY
    assert scene.send(posting("room", "a")) == [Posted(1)]
    scene.now += 3600 * SECOND
    assert scene.send(posting("room", "a")) == [Posted(3)]


def test_read_token_reads_to_the_end_of_the_last_epoch_that_has_it(scene: Scene) -> None:
    scene.open("q", purpose=INBOX)
    scene.send(posting("q", "a"), advance("q", 0, "same", same_read=True), posting("q", "b", epoch=1))
    page = scene.read("q")
    assert ([entry.n for entry in page.entries], page.end, page.token_end) == ([1, 2, 3], True, 0)
    end = Advance(queue_named("q"), 1, a_key("end"), b"", post_hash("q", 2), read_hash("q", 2))
    scene.send(end, posting("q", "c", epoch=2))
    page = scene.read("q")
    assert ([entry.n for entry in page.entries], page.end, page.token_end) == ([1, 2, 3, 4], True, 4)
    assert (page.last, page.epoch) == (5, 2)
    assert [entry.n for entry in scene.read("q", after=4, epoch=2).entries] == [5]
