"""The server's rules: what one record of the log changes (docs/protocol/log.md). Pure and deterministic.

Bytes and the view's present rows in, outcomes and changes out: no I/O, no clock but the log's own time, no randomness,
no order of sets or hashes. Imports `coterie.trust` and `coterie.wire`, never the log, the view or a connection.
"""

from coterie.server.rules.applied import Applied, EpochEnd, RecordFate, Run, Superseded
from coterie.server.rules.record import RULES_VERSION, Operation, Record, decode_record_untrusted, encode_record

__all__ = [
    "RULES_VERSION",
    "Applied",
    "EpochEnd",
    "Operation",
    "Record",
    "RecordFate",
    "Run",
    "Superseded",
    "decode_record_untrusted",
    "encode_record",
]
