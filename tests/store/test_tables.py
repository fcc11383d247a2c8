"""The device store's tables: what is put comes back as it was, once, in its order."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coterie.ids import (
    BlobId,
    CoterieKey,
    DeviceId,
    EntryHash,
    GroupId,
    InviteId,
    MemberId,
    MessageId,
    QueueId,
    RoomId,
    Secret,
    Seed,
)
from coterie.store.chores import StuckReport, SuccessionRow
from coterie.store.facts import Fact
from coterie.store.groups import GroupRow, PendingRow
from coterie.store.messages import MessageRow
from coterie.store.register import OwnInvite
from coterie.store.rooms import RoomRow
from coterie.store.store import Store

ROOM, OTHER_ROOM = RoomId(b"R" * 16), RoomId(b"S" * 16)
GROUP, SUCCESSOR = GroupId(b"G" * 16), GroupId(b"H" * 16)
ADA, BO = MemberId(b"A" * 16), MemberId(b"B" * 16)
PHONE, LAPTOP = DeviceId(b"p" * 16), DeviceId(b"l" * 16)
KEY = Secret(bytes(range(32)))
NOW = 1_790_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, KEY)
    with store.transaction():
        yield store
    store.close()


def message(number: int, n: int | None = None, **fields: Any) -> MessageRow:
    row = MessageRow(
        id=0,
        message=MessageId(number.to_bytes(16, "big")),
        room=ROOM,
        place=0,
        n=n,
        member=ADA,
        device=PHONE,
        sent_at=NOW + number,
        received_at=NOW + number,
        kind="text",
        text=f"text {number}",
        content=b"content",
        state="received",
    )
    return replace(row, **fields)


def numbers(rows: list[MessageRow]) -> list[int]:
    return [int.from_bytes(row.message, "big") for row in rows]


def group_row(**fields: Any) -> GroupRow:
    row = GroupRow(
        group=GROUP,
        room=ROOM,
        place=0,
        queue=QueueId(b"Q" * 32),
        suite=0x4D,
        cursor=7,
        first=3,
        chain=b"c" * 32,
        register_floor=2,
        leaving=frozenset({ADA, BO}),
        opened=True,
        joined_at=NOW,
        joined_epoch=3,
        epoch=4,
        roster=frozenset({PHONE, LAPTOP}),
        adder=LAPTOP,
    )
    return replace(row, **fields)


# facts


def test_fact_is_absent_until_it_is_learned_and_after_it_is_forgotten(store: Store) -> None:
    assert store.facts.get(Fact.LINK) is None
    with pytest.raises(KeyError):
        store.facts.need(Fact.LINK)
    store.facts.put(Fact.LINK, b"one")
    store.facts.put(Fact.LINK, b"two")
    assert store.facts.need(Fact.LINK) == b"two"
    store.facts.forget(Fact.LINK)
    assert store.facts.get(Fact.LINK) is None


@pytest.mark.parametrize("value", [0, 1, 255, 256, 2**63 - 1])
def test_number_comes_back(store: Store, value: int) -> None:
    assert store.facts.number(Fact.STORE_COUNTER) == 0
    store.facts.put_number(Fact.STORE_COUNTER, value)
    assert store.facts.number(Fact.STORE_COUNTER) == value


# register


def test_register_entries_come_in_order_and_after_a_place(store: Store) -> None:
    for seq in (2, 1, 3):
        store.register.add(seq, EntryHash(bytes([seq]) * 32), b"entry %d" % seq)
    assert store.register.entries() == [b"entry 1", b"entry 2", b"entry 3"]
    assert store.register.entries(after=2) == [b"entry 3"]


def test_own_rotation_is_no_key_until_it_is_announced(store: Store) -> None:
    store.register.put_key(0, CoterieKey(b"0" * 32), announced=True)
    store.register.put_key(1, CoterieKey(b"1" * 32), announced=False)
    assert list(store.register.keys()) == [0]
    assert bytes(store.register.unannounced_key(1) or b"") == b"1" * 32
    store.register.put_key(1, CoterieKey(b"1" * 32), announced=True)
    assert list(store.register.keys()) == [0, 1]
    assert store.register.unannounced_key(1) is None


def test_own_invite_is_kept_until_it_is_spent(store: Store) -> None:
    invite = OwnInvite(InviteId(b"I" * 32), Seed(b"s" * 32), "coterie://…")
    store.register.put_invite(invite)
    kept = store.register.invite(invite.invite)
    assert kept is not None
    assert (bytes(kept.seed), kept.link) == (bytes(invite.seed), invite.link)
    store.register.forget_invite(invite.invite)
    assert store.register.invite(invite.invite) is None


# messages and the outbox


def test_message_id_is_shown_once(store: Store) -> None:
    assert store.messages.add(message(1, 1))
    assert not store.messages.add(message(1, 2, text="another text"))
    assert [row.text for row in store.messages.of_room(ROOM)] == ["text 1"]


def test_id_that_another_device_or_room_has_used_hides_nobodys_words(store: Store) -> None:
    assert store.messages.add(message(1, 1))
    for taken in (message(1, 2, device=LAPTOP, text="by another"), message(1, 1, room=OTHER_ROOM, text="elsewhere")):
        assert store.messages.add(taken)
        assert not store.messages.add(taken)
    assert [row.text for row in store.messages.of_room(ROOM)] == ["text 1", "by another"]
    assert [row.text for row in store.messages.of_room(OTHER_ROOM)] == ["elsewhere"]


def test_room_is_in_its_queues_order_with_what_waits_at_the_end(store: Store) -> None:
    for row in (message(1, 5), message(2), message(3, 4), message(4), message(5, 1, place=1), message(6, 9)):
        store.messages.add(row)
    assert numbers(store.messages.of_room(ROOM)) == [3, 1, 6, 2, 4, 5]
    assert numbers(store.messages.arrived_after(0)) == [1, 2, 3, 4, 5, 6]
    assert numbers(store.messages.arrived_after(0, OTHER_ROOM)) == []


def test_limit_takes_the_newest_or_what_comes_next(store: Store) -> None:
    for number in range(1, 8):
        store.messages.add(message(number, number))
    assert numbers(store.messages.of_room(ROOM, limit=3)) == [5, 6, 7]
    second = store.messages.get(MessageId((2).to_bytes(16, "big")))
    assert numbers(store.messages.of_room(ROOM, second, limit=3)) == [3, 4, 5]
    assert numbers(store.messages.of_room(ROOM, second)) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("notices", [True, False])
def test_notices_are_left_out_where_nobody_wants_them(store: Store, notices: bool) -> None:
    store.messages.add(message(1, 1))
    store.messages.add(message(2, 2, kind="notice"))
    store.messages.add(message(3, 3))
    wanted = [1, 2, 3] if notices else [1, 3]
    assert numbers(store.messages.of_room(ROOM, notices=notices)) == wanted
    assert numbers(store.messages.of_room(ROOM, limit=2, notices=notices)) == wanted[-2:]
    assert numbers(store.messages.arrived_after(0, notices=notices)) == wanted


def test_own_message_takes_its_place_when_it_is_stored(store: Store) -> None:
    store.messages.add(message(1, None, state="queued"))
    store.messages.add(message(2, 5))
    assert numbers(store.messages.of_room(ROOM)) == [2, 1]
    store.messages.place(MessageId((1).to_bytes(16, "big")), 0, 4, "sent")
    assert numbers(store.messages.of_room(ROOM)) == [1, 2]
    assert store.messages.of_room(ROOM)[0].state == "sent"


def test_outbox_row_goes_from_queued_to_encrypted_to_posted_and_back(store: Store) -> None:
    ours = MessageId(b"m" * 16)
    store.outbox.add(ROOM, ours, b"k" * 16, b"content")
    (row,) = store.outbox.of_room(ROOM)
    assert (row.key, row.content, row.ciphertext, row.posted) == (b"k" * 16, b"content", None, None)
    store.outbox.encrypted(row.id, GROUP, 3, b"ciphertext", b"h" * 32)
    found = store.outbox.by_hash(b"h" * 32)
    assert found is not None
    assert (found.message, found.group, found.epoch, found.ciphertext) == (ours, GROUP, 3, b"ciphertext")
    assert store.outbox.unsent() == 1
    store.outbox.posted(row.id, 12)
    assert store.outbox.unsent() == 0
    store.outbox.not_accepted(row.id)
    assert store.outbox.by_hash(b"h" * 32) is None
    assert store.outbox.unsent() == 1
    store.outbox.finish(row.id)
    assert store.outbox.of_room(ROOM) == []


def test_outbox_keeps_the_order_of_writing(store: Store) -> None:
    written = [MessageId(os.urandom(16)) for _ in range(20)]
    for one in written:
        store.outbox.add(ROOM, one, os.urandom(16), b"")
    assert [row.message for row in store.outbox.of_room(ROOM)] == written


# rooms and wishes


def test_same_wish_twice_is_one_and_wishes_keep_their_order(store: Store) -> None:
    for action, subject in (("add", ADA), ("remove", BO), ("add", ADA), ("add", BO)):
        store.rooms.wish(ROOM, action, subject, NOW)
    wishes = store.rooms.wishes(ROOM)
    assert [(wish.action, wish.subject) for wish in wishes] == [("add", ADA), ("remove", BO), ("add", BO)]
    store.rooms.finish_wish(wishes[1].id)
    assert len(store.rooms.wishes(ROOM)) == 2
    assert store.rooms.wishes(OTHER_ROOM) == []


def test_room_is_put_again_with_its_age_unchanged(store: Store) -> None:
    row = RoomRow(ROOM, "plans", "", "active", "", GROUP, NOW)
    store.rooms.put(row)
    store.rooms.put(replace(row, name="other plans", group=SUCCESSOR, made_at=NOW + 5))
    assert store.rooms.get(ROOM) == replace(row, name="other plans", group=SUCCESSOR)
    store.rooms.set_state(ROOM, "held", "waiting")
    assert [(room.state, room.reason) for room in store.rooms.all()] == [("held", "waiting")]


# groups


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"chain": None},
        {"leaving": None},
        {"leaving": frozenset()},
        {"opened": False},
        {"cursor": 2**40},
        {"adder": None, "roster": frozenset({PHONE}), "epoch": 0},
    ],
    ids=["whole", "relative", "unknown leavers", "no leavers", "unopened", "far", "founded here"],
)
def test_group_row_comes_back_as_it_was(store: Store, fields: dict[str, Any]) -> None:
    row = group_row(**fields)
    store.groups.put(row)
    assert store.groups.get(GROUP) == store.groups.by_queue(row.queue) == row
    assert store.groups.of_room(ROOM) == [row]


def test_mls_rows_are_written_deleted_and_dropped(store: Store) -> None:
    store.groups.write_rows(GROUP, [(b"a", b"1"), (b"b", b"2")])
    store.groups.write_rows(GROUP, [(b"a", b"3"), (b"b", None), (b"c", b"4")])
    assert store.groups.rows(GROUP) == [(b"a", b"3"), (b"c", b"4")]
    assert store.groups.has_state(GROUP)
    store.groups.put_commit(PendingRow(GROUP, 1, b"h" * 32, b"frame", b"plan"), [(BlobId(b"B" * 32), b"blob")])
    store.groups.drop_state(GROUP)
    assert not store.groups.has_state(GROUP)
    assert store.groups.commit(GROUP) is None
    assert store.groups.blobs_out(GROUP) == []


def test_chain_is_kept_by_number_and_forgotten_from_the_old_end(store: Store) -> None:
    store.groups.put(group_row(cursor=10))
    for n in range(1, 11):
        store.groups.add_chain(GROUP, n, bytes([n]) * 32, None if n < 5 else bytes([n + 100]) * 32)
    assert store.groups.chain_at(GROUP, 4) == (bytes([4]) * 32, None)
    assert store.groups.chain_at(GROUP, 5) == (bytes([5]) * 32, bytes([105]) * 32)
    assert store.groups.chain_at(GROUP, 11) is None
    assert [n for n, _ in store.groups.hashes_after(GROUP, 7)] == [8, 9, 10]
    store.groups.forget_chains(3)
    assert [n for n, _ in store.groups.hashes_after(GROUP, 0)] == [7, 8, 9, 10]


def test_state_of_a_succeeded_group_is_known_to_be_old(store: Store) -> None:
    store.groups.put(group_row())
    store.groups.put(group_row(group=SUCCESSOR, queue=QueueId(b"q" * 32), place=1, joined_at=NOW + 10))
    store.rooms.put(RoomRow(ROOM, "plans", "", "active", "", SUCCESSOR, NOW))
    for group in (GROUP, SUCCESSOR):
        store.groups.write_rows(group, [(b"a", b"1")])
    assert store.groups.succeeded_before(NOW + 10) == []
    assert store.groups.succeeded_before(NOW + 11) == [GROUP]
    store.groups.drop_state(GROUP)
    assert store.groups.succeeded_before(NOW + 11) == []


def test_device_that_was_added_again_is_not_added_for_what_it_said_before(store: Store) -> None:
    assert not store.groups.added_again_since(GROUP, PHONE, NOW)
    store.groups.note_added_again(GROUP, PHONE, NOW + 5)
    assert store.groups.added_again_since(GROUP, PHONE, NOW + 5)
    assert not store.groups.added_again_since(GROUP, PHONE, NOW + 6)
    assert not store.groups.added_again_since(GROUP, LAPTOP, NOW)
    store.groups.note_added_again(GROUP, PHONE, NOW + 9)
    assert store.groups.added_again_since(GROUP, PHONE, NOW + 9)


# the inbox


def test_inbox_entry_waits_until_it_is_dealt_with_and_its_id_is_remembered(store: Store) -> None:
    store.inbox.add_entry(2, NOW, b"two")
    store.inbox.add_entry(1, NOW, b"one")
    store.inbox.add_entry(2, NOW, b"two again")
    assert store.inbox.entries() == [(1, NOW, b"one"), (2, NOW, b"two")]
    store.inbox.finish_entry(1)
    assert [n for n, _, _ in store.inbox.entries()] == [2]
    assert not store.inbox.saw(b"i" * 16)
    store.inbox.see(b"i" * 16, NOW)
    assert store.inbox.saw(b"i" * 16)
    store.inbox.forget_seen(NOW)
    assert store.inbox.saw(b"i" * 16)
    store.inbox.forget_seen(NOW + 1)
    assert not store.inbox.saw(b"i" * 16)


def test_newest_inbox_key_retires_the_one_before(store: Store) -> None:
    store.inbox.put_key(b"1" * 32, Seed(b"s" * 32), NOW)
    store.inbox.put_key(b"2" * 32, Seed(b"t" * 32), NOW + 10)
    assert [(row.hash, row.retired_at) for row in store.inbox.key_rows()] == [(b"2" * 32, None), (b"1" * 32, NOW + 10)]
    store.inbox.forget_keys(NOW + 10)
    assert len(store.inbox.key_rows()) == 2
    store.inbox.forget_keys(NOW + 11)
    assert [row.hash for row in store.inbox.key_rows()] == [b"2" * 32]


def test_post_keeps_its_id_and_key_over_retries(store: Store) -> None:
    store.inbox.add_post(PHONE, 3, b"body", b"i" * 16, b"k" * 16, NOW)
    (post,) = store.inbox.posts()
    assert (post.device, post.kind, post.body, post.entry_id, post.key, post.made_at) == (
        *(PHONE, 3, b"body"),
        *(b"i" * 16, b"k" * 16, NOW),
    )
    assert store.inbox.posts() == [post]
    store.inbox.finish_post(post.id)
    assert store.inbox.posts() == []


# chores, alarms, reports


def test_chore_is_due_at_its_time_and_moves_when_planned_again(store: Store) -> None:
    store.chores.plan("refill", b"", NOW)
    store.chores.plan("update path", GROUP, NOW - 5)
    assert [chore.kind for chore in store.chores.due(NOW - 1)] == ["update path"]
    assert [chore.kind for chore in store.chores.due(NOW)] == ["update path", "refill"]
    assert store.chores.next_due() == NOW - 5
    store.chores.plan("update path", GROUP, NOW + 100, tries=2)
    planned = store.chores.planned("update path", GROUP)
    assert planned is not None
    assert (planned.due_at, planned.tries) == (NOW + 100, 2)
    store.chores.finish("refill", b"")
    assert store.chores.due(NOW) == []


def test_alarm_stands_once_for_a_subject_until_it_is_over(store: Store) -> None:
    assert store.alarms.add("clock", "", "a fact", "a hint", NOW)
    assert not store.alarms.add("clock", "", "another fact", "", NOW + 1)
    assert store.alarms.add("clock", "other", "a fact", "a hint", NOW)
    assert [(alarm.subject, alarm.fact) for alarm in store.alarms.all()] == [("", "a fact"), ("other", "a fact")]
    store.alarms.forget("clock", "")
    assert [alarm.subject for alarm in store.alarms.all()] == ["other"]


def test_resolved_alarm_stays_readable_and_what_happens_again_is_a_new_one(store: Store) -> None:
    assert store.alarms.add("clock", "", "a fact", "a hint", NOW)
    first = store.alarms.all()[0].id
    store.alarms.resolve(first, NOW + 1, PHONE)
    store.alarms.resolve(first, NOW + 2, LAPTOP)
    assert store.alarms.all() == []
    assert store.alarms.add("clock", "", "a fact", "a hint", NOW + 3)
    store.alarms.forget("clock", "")
    kept = store.alarms.all(resolved=True)
    assert [(alarm.id, alarm.resolved_at, alarm.resolved_by) for alarm in kept] == [(first, NOW + 1, PHONE)]


def test_last_report_of_a_device_counts(store: Store) -> None:
    first, second = StuckReport(PHONE, b"e" * 32, "bad-entry", NOW), StuckReport(LAPTOP, b"e" * 32, "bad-head", NOW + 1)
    store.chores.report_stuck(GROUP, 4, first)
    store.chores.report_stuck(GROUP, 4, second)
    store.chores.report_stuck(GROUP, 4, replace(first, entry_hash=b"f" * 32, at=NOW + 2))
    reports = store.chores.stuck_reports(GROUP, 4)
    assert [(report.device, report.entry_hash) for report in reports] == [(LAPTOP, b"e" * 32), (PHONE, b"f" * 32)]
    assert store.chores.stuck_reports(GROUP, 5) == []


def test_lowest_successor_comes_first(store: Store) -> None:
    for rank, successor in ((b"z" * 32, GROUP), (b"a" * 32, SUCCESSOR), (b"z" * 32, GROUP)):
        store.chores.put_succession(SuccessionRow(ROOM, GROUP, successor, 4, b"e" * 32, rank, QueueId(b"q" * 32), ADA))
    assert [row.successor for row in store.chores.successions(ROOM)] == [SUCCESSOR, GROUP]


# all of them


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.facts.put(Fact.LINK, b"x"),
        lambda store: store.messages.add(message(1, 1)),
        lambda store: store.outbox.add(ROOM, MessageId(b"m" * 16), b"k" * 16, b""),
        lambda store: store.rooms.wish(ROOM, "add", ADA, NOW),
        lambda store: store.groups.put(group_row()),
        lambda store: store.inbox.add_entry(1, NOW, b"one"),
        lambda store: store.chores.plan("refill", b"", NOW),
    ],
    ids=["facts", "messages", "outbox", "rooms", "groups", "inbox", "chores"],
)
def test_transaction_that_fails_leaves_no_trace(tmp_path: Path, write: Callable[[Store], object]) -> None:
    store = Store(tmp_path, KEY)
    before = list(store.database.rows("SELECT name FROM sqlite_schema ORDER BY name"))
    with pytest.raises(ZeroDivisionError), store.transaction():
        write(store)
        raise ZeroDivisionError
    tables = [name for (name,) in before if not str(name).startswith("sqlite_")]
    counted = ("fact", "message", "outbox", "wish", "mls_group", "inbox_entry", "chore")
    assert set(counted) <= set(tables)
    for table in counted:
        assert store.database.row(f"SELECT count(*) FROM {table}") == (0,)
    store.close()


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    store = Store(tmp_path, KEY)
    with store.transaction():
        store.facts.put(Fact.LINK, b"x")
        store.messages.add(message(1, 1))
        store.groups.put(group_row())
    store.close()
    again = Store(tmp_path, KEY)
    assert again.facts.get(Fact.LINK) == b"x"
    assert numbers(again.messages.of_room(ROOM)) == [1]
    assert again.groups.get(GROUP) == group_row()
    again.close()


def test_secrets_do_not_show_in_a_rows_words(store: Store) -> None:
    store.outbox.add(ROOM, MessageId(b"m" * 16), b"k" * 16, b"what was said")
    store.messages.add(message(1, 1, content=b"what was said"))
    store.inbox.add_post(PHONE, 3, b"what was said", b"i" * 16, b"k" * 16, NOW)
    rows = (store.outbox.of_room(ROOM), store.inbox.posts(), PendingRow(GROUP, 1, b"h" * 32, b"what was said", b""))
    assert "what was said" not in repr(rows)
