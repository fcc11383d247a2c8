"""The state hash: what the log alone decided, in one digest (docs/protocol/log.md, "State hash")."""

import hashlib

import apsw
import msgspec

from coterie.server.view.schema import ORDERS

_encode = msgspec.msgpack.Encoder().encode


def state_hash(db: apsw.Connection) -> bytes:
    """SHA-256 over, for each table in the order of `ORDERS`: its name, then its rows by primary key, as MessagePack.
    Raises apsw.Error."""
    digest = hashlib.sha256()
    for table, order in ORDERS.items():
        digest.update(_encode(table))
        cursor = db.execute(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608 - names of our own
        for row in cursor:
            digest.update(_encode(row))
    return digest.digest()
