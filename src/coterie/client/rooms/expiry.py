"""Messages that disappear: what is due is deleted, offline too, and the disk forgets it (docs/protocol/content.md).

A time that has come is carried out when the device opens, before anything is read, and by a chore while it is online.
"""

import contextlib

from coterie.client.chores import ChoreKind
from coterie.client.state import DeviceState
from coterie.content import Expiry
from coterie.store.database import StoreBusy
from coterie.store.messages import Gone, MessageRow


def at(expires: Expiry | None, read_at: int | None) -> int | None:
    """When, in ms; None for never, and for what begins only with reading (`read_at` is None)."""
    if expires is None:
        return None
    if not expires.relative:
        return expires.seconds * 1000
    return None if read_at is None else read_at + expires.seconds * 1000


def plan(state: DeviceState) -> None:
    """The next time something is due becomes a chore; in a transaction."""
    due = next_due(state)
    if due is None:
        state.store.chores.finish(ChoreKind.EXPIRE, b"")
        return
    # one planned further ahead would be taken for a wrong clock's
    latest = state.now() + ChoreKind.EXPIRE.every_ms
    state.store.chores.plan(ChoreKind.EXPIRE, b"", min(due, latest))
    state.wake_home()


def next_due(state: DeviceState) -> int | None:
    times = [state.store.messages.next_expiry(), state.store.events.next_expiry()]
    return min((time for time in times if time is not None), default=None)


def expire_due(state: DeviceState) -> int:
    """Delete what is due, in a transaction of its own, and cut the store's log: it is nowhere on disk then. How many
    messages."""
    due = next_due(state)
    if due is None or due > state.now():
        return 0
    with state.groups.changing():
        rows = state.store.messages.expired(state.now())
        for row in rows:
            forget(state, row, Gone.EXPIRED)
            waiting = state.store.outbox.of_message(row.message)
            if waiting is not None and waiting.ciphertext is None:
                # it never went out, and nobody is to have it now
                state.store.outbox.finish(waiting.id)
        state.store.events.expire(state.now())
        plan(state)
    cut_log(state)
    state.changed()
    return len(rows)


def cut_log(state: DeviceState) -> None:
    """What was deleted is nowhere on disk from here on; if somebody reads the store just now, a little later."""
    with contextlib.suppress(StoreBusy):
        state.store.database.truncate()


def forget(state: DeviceState, row: MessageRow, gone: Gone) -> None:
    """Nothing of the message, nor of what was said about it, is kept here; in a transaction."""
    state.store.events.spend(event.named for event in state.store.events.about(row.room, [row.named]))
    state.store.receipts.forget(row.room, row.named)
    state.store.messages.clear(row.message, gone)
