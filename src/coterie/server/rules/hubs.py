"""Hubs, sessions and the opening of the log (docs/protocol/log.md, "Numbering", "Time", "Sessions")."""

from collections.abc import Iterable
from typing import Final

from coterie.ids import DeviceId, Incarnation
from coterie.server.rules.applied import RecordFate, Superseded
from coterie.server.rules.draft import Draft
from coterie.server.rules.outcomes import (
    HubOpened,
    LogStarted,
    NotInForce,
    Outcome,
    SessionCopied,
    SessionOpened,
    Stored,
    Void,
)
from coterie.server.rules.record import HubDown, HubUp, LogOpened, Record, Session
from coterie.server.rules.rows import HubRow, SessionRow

_VOID: Final = Void()
_STORED: Final = Stored()


def opening(record: Record) -> HubUp | None:
    """The HubUp by which this record brings its own incarnation up."""
    first = record.operations[0] if record.n == 1 and record.operations else None
    if isinstance(first, HubUp) and (first.hub, first.incarnation) == (record.hub, record.incarnation):
        return first
    return None


def fate_of(record: Record, known: HubRow | None) -> RecordFate:
    """By the record's number and its incarnation's row alone."""
    if known is None:
        if record.n > 1:
            return RecordFate.GAP
        return RecordFate.APPLIED if opening(record) else RecordFate.NOT_IN_FORCE
    if known.hub != record.hub or not known.in_force:
        return RecordFate.NOT_IN_FORCE
    if record.n <= known.last:
        return RecordFate.DUPLICATE
    return RecordFate.APPLIED if record.n == known.last + 1 else RecordFate.GAP


def counted(hubs: dict[bytes, HubRow], record: Record) -> tuple[HubRow, list[bytes]]:
    """The record's incarnation with the record counted in, and the incarnations that it fences by coming up."""
    up = opening(record)
    if up is None:
        known = hubs[record.incarnation]
        row = HubRow(known.incarnation, known.hub, record.n, record.at, known.rules, known.blob_store, True)
        return row, []
    fenced = [row.incarnation for row in hubs.values() if row.in_force and row.hub == record.hub]
    return HubRow(record.incarnation, record.hub, record.n, record.at, up.rules, up.blob_store, True), fenced


def log_time(before: int, hubs: Iterable[HubRow]) -> int:
    """The lower median of the newest `at` of the hubs in force; it never goes back."""
    times = sorted(row.at for row in hubs if row.in_force)
    return max(before, times[(len(times) - 1) // 2]) if times else before


def put_down(row: HubRow) -> HubRow:
    return HubRow(row.incarnation, row.hub, row.last, row.at, row.rules, row.blob_store, False)


def hub_up(draft: Draft, op: HubUp) -> Outcome:
    """Its effect came before the operations (see `counted`); elsewhere than first in its record it has none."""
    if draft.index != 0 or draft.hubs[draft.incarnation].last != 1 or op.incarnation != draft.incarnation:
        return _VOID
    return HubOpened(b"" if draft.log is None else draft.log.log)


def hub_down(draft: Draft, op: HubDown) -> Outcome:
    row = draft.hubs.get(op.incarnation)
    if row is None:
        return _VOID
    if row.in_force:
        draft.hubs[op.incarnation] = put_down(row)
        draft.fenced.append(op.incarnation)
    return _STORED


def open_log(draft: Draft, op: LogOpened) -> Outcome:
    if draft.log is not None:
        return _VOID
    draft.log = op
    return LogStarted()


def open_session(draft: Draft, op: Session) -> Outcome:
    device = DeviceId(op.device)
    if op.incarnation != draft.incarnation:
        return _VOID
    if draft.register is None or not draft.register.device_in_force(device):
        return NotInForce()
    before = draft.sessions.get(device)
    if before is not None:
        if op.counter <= before.counter:
            return SessionCopied(before.counter)
        hub = draft.hubs.get(before.incarnation)
        if hub is not None and hub.in_force:
            draft.superseded.append(Superseded(device, Incarnation(before.incarnation), before.seq, before.index))
    draft.sessions.put(device, SessionRow(op.counter, op.incarnation, draft.seq, draft.index))
    return SessionOpened()
