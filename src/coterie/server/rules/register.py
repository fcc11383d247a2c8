"""Register entries enter the log here (docs/protocol/register.md, "Applying"): `trust.admit` judges, by the log's time.

What an accepted entry ends for the server ends with it: sessions, key packages and packets of who is out of force.
"""

from coterie.ids import DeviceId, EntryHash, MemberId, PublicKey
from coterie.server.rules.draft import Draft
from coterie.server.rules.limits import JOIN_GRACE_MS
from coterie.server.rules.outcomes import Outcome, RegisterAccepted, RegisterMoved, RegisterRefused
from coterie.server.rules.record import RegisterAppend
from coterie.server.rules.rows import PacketRow
from coterie.trust.apply import admit, founded_by
from coterie.trust.entry import DecodedEntry, MalformedEntry, decode_entry_untrusted
from coterie.trust.kinds import DeviceRemoved, IdentityRecovered, InviteRevoked, Joined, MemberRemoved, Role, SeatLapsed
from coterie.trust.reasons import MALFORMED_ENTRY, NEWER_COTERIE, NewerCoterie, Reason, RegisterError
from coterie.trust.register import Register


def append_to_register(draft: Draft, op: RegisterAppend) -> Outcome:
    try:
        entry = decode_entry_untrusted(op.entry)
    except MalformedEntry:
        return RegisterRefused(MALFORMED_ENTRY)
    seq = _known_seq(draft, entry.hash)
    if seq is not None:
        return RegisterAccepted(seq, entry.hash)
    try:
        register = _admit(draft, entry)
    except RegisterError as error:
        if error.reason is Reason.NOT_NEXT and draft.register is not None and entry.seq <= draft.register.head.seq:
            return RegisterMoved(draft.register.head.seq, draft.register.head.hash)
        return RegisterRefused(error.reason.value)
    except NewerCoterie:
        return RegisterRefused(NEWER_COTERIE)
    draft.register = register
    draft.register_entries.append((entry.seq, entry.hash, op.entry))
    _follow_up(draft, register, entry)
    return RegisterAccepted(entry.seq, entry.hash)


def _known_seq(draft: Draft, entry_hash: EntryHash) -> int | None:
    for seq, known, _ in draft.register_entries:
        if known == entry_hash:
            return seq
    return draft.base.register_seq(entry_hash)


def _admit(draft: Draft, entry: DecodedEntry) -> Register:
    register = admit(draft.register, entry, draft.time)
    if draft.register is None and draft.log is not None:
        founded_by(register, PublicKey(draft.log.founding_key), PublicKey(draft.log.service_key))
    return register


def _follow_up(draft: Draft, register: Register, entry: DecodedEntry) -> None:
    match register.in_effect(entry):
        case DeviceRemoved() as removed:
            _remove(draft, removed.device_id)
        case MemberRemoved() | SeatLapsed() as ended:
            _remove_all(draft, register, ended.member_id)
        case IdentityRecovered() as recovered:
            _remove_all(draft, register, recovered.member_id)
        case InviteRevoked() as revoked:
            if draft.packets.get(revoked.invite_id) is not None:
                draft.packets.drop(revoked.invite_id)
        case Joined() as joined:
            packet = draft.packets.get(joined.invite_id)
            if packet is not None:
                draft.packets.put(joined.invite_id, PacketRow(packet.packet, entry.at + JOIN_GRACE_MS))
        case _:
            pass


def _remove_all(draft: Draft, register: Register, member: MemberId) -> None:
    """Of a member, and of the bots they answer for, the devices that are not in force now."""
    bots = (bot.id for bot in register.members.values() if bot.role is Role.BOT and bot.invited_by == member)
    for ended in (member, *bots):
        for device in register.member(ended).devices:
            if not register.device_in_force(device):
                _remove(draft, device)


def _remove(draft: Draft, device: DeviceId) -> None:
    draft.removed.append(device)
    draft.sessions.drop(device)
