"""`apply`: one record, in its place in the log, over the view as it was before (docs/protocol/log.md, "Applying").

Changes nothing itself: it gives what happened, and the draft that the view stores. The same on every hub.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from coterie.errors import DeviceError
from coterie.ids import Incarnation
from coterie.server.rules import blobs, expiry, hubs, packages, packets, queues, register
from coterie.server.rules.applied import Applied, RecordFate
from coterie.server.rules.base import Base, StorageFailed
from coterie.server.rules.draft import Draft
from coterie.server.rules.outcomes import Internal, Outcome, Void, encode_outcomes
from coterie.server.rules.record import (
    RULES_VERSION,
    Advance,
    BlobPut,
    ClaimKeyPackage,
    CloseQueue,
    Cut,
    HubDown,
    HubUp,
    LogOpened,
    MalformedRecord,
    OpenQueue,
    Operation,
    PacketDone,
    Post,
    PutKeyPackages,
    PutPacket,
    Record,
    RegisterAppend,
    Restored,
    Session,
    SnapshotReady,
    Unknown,
    decode_record_untrusted,
)

_VOID: Final = Void()
_INTERNAL: Final = Internal()


class NewerRules(DeviceError):
    """The log needs newer rules than this hub has: it stops before this record."""

    code = "newer_rules"


def _void(_draft: Draft, _op: Operation) -> Outcome:
    return _VOID


RULES: Final[dict[type[Operation], Callable[[Draft, Any], Outcome]]] = {
    LogOpened: hubs.open_log,
    HubUp: hubs.hub_up,
    HubDown: hubs.hub_down,
    Restored: _void,
    SnapshotReady: _void,
    Cut: _void,
    Session: hubs.open_session,
    RegisterAppend: register.append_to_register,
    PutPacket: packets.put_packet,
    PacketDone: packets.packet_done,
    PutKeyPackages: packages.put_key_packages,
    ClaimKeyPackage: packages.claim_key_package,
    OpenQueue: queues.open_queue,
    Post: queues.post,
    Advance: queues.advance,
    CloseQueue: queues.close_queue,
    BlobPut: blobs.put_blob,
    Unknown: _void,
}
_BEFORE_THE_LOG: Final = (LogOpened, HubUp)
_PURGE: Final = -1


def apply(base: Base, seq: int, encoded: bytes) -> tuple[Applied, Draft | None]:
    """What record `seq` does. The draft is None if it has no effect: then only position, digest and hash move on.

    Raises NewerRules, StorageFailed, MemoryError, OSError: then nothing happened.
    """
    record_hash = hashlib.sha256(encoded).digest()
    try:
        record = decode_record_untrusted(encoded)
    except MalformedRecord:
        digest = next_digest(base.digest, seq, record_hash, [])
        return Applied(seq, RecordFate.MALFORMED, record_hash, time=base.time, digest=digest), None
    fate = hubs.fate_of(record, base.hubs.get(record.incarnation))
    if fate is not RecordFate.APPLIED:
        return _applied(base, seq, record, fate, record_hash), None
    if record.rules > RULES_VERSION:
        raise NewerRules(
            f"record {seq} needs version {record.rules} of the rules; this server has {RULES_VERSION}",
            "update Coterie on this server",
        )
    draft, outcomes, faults = _run(base, seq, record)
    return _result(base, record, draft, outcomes, faults, record_hash), draft


def next_digest(digest: bytes, seq: int, record_hash: bytes, outcomes: list[Outcome]) -> bytes:
    """SHA-256(digest ‖ seq as 8 bytes, big end first ‖ SHA-256 of the record ‖ the outcomes, encoded)."""
    return hashlib.sha256(digest + seq.to_bytes(8, "big") + record_hash + encode_outcomes(outcomes)).digest()


def _run(base: Base, seq: int, record: Record) -> tuple[Draft, list[Outcome], list[str]]:
    """An operation whose rule raises has no effect: the record is run again without it."""
    raised: dict[int, str] = {}
    while True:
        draft = _draft(base, seq, record)
        outcomes: list[Outcome] = []
        try:
            if _PURGE not in raised:
                draft.index = _PURGE
                expiry.purge(draft)
            for index, op in enumerate(record.operations):
                draft.index = index
                if index in raised:
                    outcomes.append(_INTERNAL)
                elif draft.log is None and not isinstance(op, _BEFORE_THE_LOG):
                    outcomes.append(_VOID)
                else:
                    outcomes.append(RULES[op.__class__](draft, op))
            return draft, outcomes, list(raised.values())
        except (StorageFailed, MemoryError, OSError):
            raise
        # whatever a rule raises must be one operation's end, not the log's: every hub would stop there for ever
        except Exception as error:
            name = "purge" if draft.index == _PURGE else type(record.operations[draft.index]).__name__
            raised[draft.index] = f"{name} raised {type(error).__name__}"


def _draft(base: Base, seq: int, record: Record) -> Draft:
    rows = dict(base.hubs)
    row, fenced = hubs.counted(rows, record)
    for incarnation in fenced:
        rows[incarnation] = hubs.put_down(rows[incarnation])
    rows[record.incarnation] = row
    draft = Draft(base, seq, hubs.log_time(base.time, rows.values()), rows, record.incarnation)
    draft.fenced.extend(fenced)
    return draft


def _applied(base: Base, seq: int, record: Record, fate: RecordFate, record_hash: bytes) -> Applied:
    return Applied(
        seq,
        fate,
        record_hash,
        hub=record.hub,
        incarnation=record.incarnation,
        n=record.n,
        time=base.time,
        digest=next_digest(base.digest, seq, record_hash, []),
    )


def _result(
    base: Base, record: Record, draft: Draft, outcomes: list[Outcome], faults: list[str], record_hash: bytes
) -> Applied:
    return Applied(
        draft.seq,
        RecordFate.APPLIED,
        record_hash,
        hub=record.hub,
        incarnation=record.incarnation,
        n=record.n,
        time=draft.time,
        digest=next_digest(base.digest, draft.seq, record_hash, outcomes),
        outcomes=outcomes,
        appended=draft.runs,
        epoch_ends=draft.epoch_ends,
        closed=draft.closed,
        register=[entry for _, _, entry in draft.register_entries],
        removed=draft.removed,
        superseded=draft.superseded,
        fenced=[Incarnation(incarnation) for incarnation in draft.fenced],
        dropped_blobs=draft.dropped_blobs,
        faults=faults,
    )
