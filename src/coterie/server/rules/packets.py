"""Invite packets: the sealed coterie key that waits for a newcomer (docs/protocol/invite.md, "Packet").

Kept while the invite is open, or used and not yet confirmed; an ended one leaves an empty row until it expires, so that
it cannot be put again.
"""

from typing import Final

from coterie.ids import InviteId
from coterie.server.rules.draft import Draft
from coterie.server.rules.limits import JOIN_GRACE_MS
from coterie.server.rules.outcomes import Outcome, Stored, refused
from coterie.server.rules.record import PacketDone, PutPacket
from coterie.server.rules.rows import PacketRow
from coterie.trust.register import InviteState
from coterie.wire.codes import ErrorCode

_STORED: Final = Stored()
_NO_PACKET: Final = refused(ErrorCode.NO_PACKET)


def put_packet(draft: Draft, op: PutPacket) -> Outcome:
    expires = _kept_until(draft, InviteId(op.invite))
    if expires is None or expires <= draft.time:
        return _NO_PACKET
    if draft.packets.get(op.invite) is None:
        draft.packets.put(op.invite, PacketRow(op.packet, draft.expires(expires)))
    return _STORED


def packet_done(draft: Draft, op: PacketDone) -> Outcome:
    row = draft.packets.get(op.invite)
    if row is not None:
        draft.packets.put(op.invite, PacketRow(b"", row.expires))
    return _STORED


def _kept_until(draft: Draft, invite_id: InviteId) -> int | None:
    invite = None if draft.register is None else draft.register.invites.get(invite_id)
    if invite is None or invite.state is InviteState.REVOKED:
        return None
    if invite.state is InviteState.OPEN:
        return invite.expires_at
    return None if invite.ended_at is None else invite.ended_at + JOIN_GRACE_MS
