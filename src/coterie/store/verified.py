"""Whom this device's person compared safety numbers with: the mark, for the identity key that it was made for.

A withdrawn mark stays as a row, and the later change wins, so that a person's devices can tell each other.
"""

from dataclasses import dataclass

from coterie.ids import DeviceId, MemberId, PublicKey
from coterie.store.database import Database


@dataclass(frozen=True)
class VerifiedRow:
    """`device` is the one on which it was said, `changed_at` when, by its clock."""

    member: MemberId
    identity: PublicKey
    verified: bool
    changed_at: int
    device: DeviceId


class VerifiedTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, row: VerifiedRow) -> None:
        """Unless what is here was said later; of one instant, by the larger device id."""
        self._db.execute(
            "INSERT INTO verified VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET identity = excluded.identity,"
            " verified = excluded.verified, changed_at = excluded.changed_at, device = excluded.device"
            " WHERE (excluded.changed_at, excluded.device) > (changed_at, device)",
            (row.member, row.identity, row.verified, row.changed_at, row.device),
        )

    def get(self, member: MemberId) -> VerifiedRow | None:
        row = self._db.row(
            "SELECT member, identity, verified, changed_at, device FROM verified WHERE member = ?", (member,)
        )
        if row is None:
            return None
        whose, identity, verified, changed_at, device = row
        return VerifiedRow(
            MemberId(bytes(whose)), PublicKey(bytes(identity)), bool(verified), changed_at, DeviceId(bytes(device))
        )

    def holds(self, member: MemberId, identity: PublicKey) -> bool:
        """Whether the member is marked, and for this key."""
        row = self.get(member)
        return row is not None and row.verified and row.identity == identity
