"""What becomes of a message of ours: every state and every event, on real rows and a real ratchet."""

import itertools

import pytest

from coterie.client.facts import MessageState
from coterie.client.rooms import outgoing
from coterie.client.rooms.after_commit import PendingPlan, commit_won
from coterie.client.rooms.arrived import Arrived
from coterie.client.rooms.incoming import Incoming
from coterie.client.rooms.outgoing import NEXT, Event, Outgoing, state_of
from coterie.client.state import DeviceState
from coterie.ids import RoomId
from coterie.store.groups import PendingRow
from coterie.store.messages import OutboxRow


class Sending:
    """One message of ours in a room."""

    def __init__(self, state: DeviceState, room: RoomId) -> None:
        self.state, self.room = state, room
        self.message = outgoing.queue_text(state, room, "hello")
        self.incoming = Incoming(state)
        self.ciphertexts: list[bytes] = []

    @property
    def row(self) -> OutboxRow | None:
        return next((row for row in self.state.store.outbox.of_room(self.room) if row.message == self.message), None)

    @property
    def now(self) -> Outgoing:
        return Outgoing.DONE if self.row is None else state_of(self.row)

    @property
    def shown(self) -> str:
        shown = self.state.store.messages.get(self.message)
        assert shown is not None
        return shown.state

    def encrypt(self) -> None:
        group = self.state.group_of(self.room).group
        self.ciphertexts += [post.payload for post in outgoing.encrypt_waiting(self.state, group)]

    def posted(self, n: int) -> None:
        assert self.row is not None
        outgoing.note_posted(self.state, self.room, [(self.row.key, n)])

    def echo(self) -> None:
        group = self.state.group_of(self.room)
        n = group.cursor + 1
        payload = self.ciphertexts[-1]
        self.incoming.take(group.group, [Arrived(n, self.state.now(), payload, b"")], None, 0)

    def epoch_ended(self) -> None:
        """A commit of ours, merged without a server: what matters here is that the epoch is over."""
        group = self.state.group_of(self.room)
        with self.state.groups.changing():
            mls = self.state.groups.get(group.group)
            epoch = mls.epoch
            mls.commit(aad=self.state.sealed_head(mls, group))
            mls.merge_pending()
            plan = PendingPlan([], [], [], self.state.register.seq, [])
            commit_won(self.state, group, PendingRow(group.group, epoch, bytes(32), b"", plan.encode()), 1)

    def does(self, event: Event) -> None:
        match event:
            case Event.ENCRYPT:
                self.encrypt()
            case Event.POSTED:
                self.posted(self.state.group_of(self.room).cursor + 1)
            case Event.POSTED_BEFORE:
                self.posted(self.state.group_of(self.room).cursor)
            case Event.ECHO:
                self.echo()
            case Event.EPOCH_ENDED:
                self.epoch_ended()


WAYS = {
    Outgoing.QUEUED: (),
    Outgoing.ENCRYPTED: (Event.ENCRYPT,),
    Outgoing.POSTED: (Event.ENCRYPT, Event.POSTED),
    Outgoing.DONE: (Event.ENCRYPT, Event.POSTED, Event.ECHO),
}
NEVER = {
    (Outgoing.QUEUED, Event.POSTED): "nothing was posted",
    (Outgoing.QUEUED, Event.POSTED_BEFORE): "nothing was posted",
    (Outgoing.QUEUED, Event.ECHO): "nothing was posted",
    (Outgoing.DONE, Event.POSTED): "the row is gone, and with it the key",
    (Outgoing.DONE, Event.POSTED_BEFORE): "the row is gone, and with it the key",
    (Outgoing.DONE, Event.ECHO): "a replayed own message: an alarm, see incoming",
}


@pytest.mark.parametrize(("start", "event"), [pair for pair in itertools.product(Outgoing, Event) if pair not in NEVER])
def test_every_event_in_every_state(state: DeviceState, room: RoomId, start: Outgoing, event: Event) -> None:
    """What the table does not name leaves the message as it is."""
    sending = Sending(state, room)
    for step in WAYS[start]:
        sending.does(step)
    assert sending.now is start
    sending.does(event)
    assert sending.now is NEXT.get((start, event), start)


def test_table_names_nothing_that_cannot_happen() -> None:
    assert not NEVER.keys() & NEXT.keys()
    assert all(start is not Outgoing.DONE for start, _ in NEXT)


def test_shown_state_follows(state: DeviceState, room: RoomId) -> None:
    sending = Sending(state, room)
    assert sending.shown == MessageState.QUEUED
    sending.encrypt()
    assert sending.shown == MessageState.QUEUED
    sending.posted(1)
    assert sending.shown == MessageState.SENT
    sending.echo()
    assert (sending.shown, sending.now) == (MessageState.SENT, Outgoing.DONE)


def test_same_bytes_are_posted_again_until_the_epoch_ends(state: DeviceState, room: RoomId) -> None:
    sending = Sending(state, room)
    key = sending.row.key if sending.row else b""
    sending.encrypt()
    state.groups.forget()
    sending.encrypt()
    assert sending.ciphertexts[0] == sending.ciphertexts[1]
    sending.epoch_ended()
    sending.encrypt()
    assert sending.ciphertexts[2] != sending.ciphertexts[0]
    assert sending.row is not None
    assert sending.row.key == key
