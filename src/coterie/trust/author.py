"""Making and signing entries. Each function returns the bytes to append; every entry has passed `admit` by then.

Keys, time and random bytes are arguments. `nonce` is always 12 fresh random bytes. All raise RegisterError when the
register would refuse the entry: nothing that is refused leaves the author.
"""

from dataclasses import dataclass

import msgspec

from coterie.errors import PeerError
from coterie.ids import NO_COTERIE, CoterieId, CoterieKey, DeviceId, EntryHash, InviteId, MemberId, PublicKey
from coterie.trust import canonical
from coterie.trust.apply import admit
from coterie.trust.coterie_key import check_key, key_hash
from coterie.trust.entry import FIRST_PREV, Body, MalformedEntry, decode_body_untrusted, encode_entry
from coterie.trust.keys import Purpose, SigningKey, device_id, member_id
from coterie.trust.kinds import (
    DEFAULT_SEAT_S,
    Approved,
    DeviceAdded,
    DeviceRemoved,
    Founded,
    IdentityRecovered,
    InviteIssued,
    InviteRevoked,
    Joined,
    KeyRotated,
    MemberRemoved,
    PolicySet,
    ProfileSet,
    Proposed,
    Public,
    Role,
    RoleChanged,
    SeatLapsed,
    SeatRenewed,
)
from coterie.trust.names import clean_name
from coterie.trust.register import Register
from coterie.trust.seal import FormerKey, FoundingNames, InviteNote, ProfileName, Sealed, seal


@dataclass(frozen=True, slots=True)
class NewMemberKeys:
    """The three keys that a founder or newcomer brings. `leaf` is made from the seed that the MLS client is given."""

    identity: SigningKey
    device: SigningKey
    leaf: SigningKey


@dataclass(frozen=True, slots=True)
class NewDeviceKeys:
    """The two keys of a member's further or recovered device. `leaf` is as in `NewMemberKeys`."""

    device: SigningKey
    leaf: SigningKey


class OtherDevice(PeerError):
    """What a new device is asked to sign is not its own addition."""

    code = "other_device"

    def __init__(self) -> None:
        super().__init__("the other device asks for a signature that has nothing to do with linking", "begin again")


@dataclass(frozen=True, slots=True)
class Sealing:
    """What to seal, under which key. `nonce` is 12 fresh random bytes."""

    key: CoterieKey
    content: Sealed
    nonce: bytes


def found(
    founding: SigningKey,
    service_key: PublicKey,
    keys: NewMemberKeys,
    *,
    coterie_key: CoterieKey,
    coterie_name: str,
    name: str,
    now_ms: int,
    nonce: bytes,
) -> bytes:
    """`Founded`: generation 0 of the coterie key. Raises BadName, RegisterError."""
    public = Founded(
        founding_key=founding.public,
        service_key=service_key,
        identity=keys.identity.public,
        device=keys.device.public,
        leaf=keys.leaf.public,
        key_hash=key_hash(coterie_key),
    )
    names = FoundingNames(coterie=clean_name(coterie_name), name=clean_name(name))
    signers = ((Purpose.ENTRY_FOUNDING, founding), *_newcomer(keys))
    return _make(None, device_id(keys.device.public), public, signers, now_ms, Sealing(coterie_key, names, nonce))


def issue_invite(
    state: Register,
    device: SigningKey,
    invite: SigningKey,
    *,
    role: Role = Role.MEMBER,
    seat: int | None = DEFAULT_SEAT_S,
    expires_at: int,
    note: str = "",
    coterie_key: CoterieKey,
    now_ms: int,
    nonce: bytes,
) -> bytes:
    """`InviteIssued`. `invite` is made from the link's seed, `seat` is in seconds (None: no end), `expires_at` in ms.
    The invite's id is the entry's hash. Raises BadName (the note), WrongCoterieKey, RegisterError."""
    public = InviteIssued(invite_key=invite.public, role=role, seat=seat, expires_at=expires_at)
    sealing = Sealing(_in_force(state, coterie_key), InviteNote(note=clean_name(note) if note else ""), nonce)
    signers = ((Purpose.ENTRY_DEVICE, device), (Purpose.ENTRY_INVITE, invite))
    return _make(state, device_id(device.public), public, signers, now_ms, sealing)


def revoke_invite(state: Register, device: SigningKey, invite: InviteId, *, now_ms: int) -> bytes:
    """`InviteRevoked`. Raises RegisterError."""
    return _plain(state, device, InviteRevoked(invite=invite), now_ms)


def join(state: Register, invite_id: InviteId, invite: SigningKey, keys: NewMemberKeys, *, now_ms: int) -> bytes:
    """`Joined`. It carries no name: that follows as `ProfileSet`. Raises RegisterError."""
    public = Joined(invite=invite_id, identity=keys.identity.public, device=keys.device.public, leaf=keys.leaf.public)
    signers = ((Purpose.ENTRY_INVITE, invite), *_newcomer(keys))
    return _make(state, device_id(keys.device.public), public, signers, now_ms, None)


def set_profile(
    state: Register, device: SigningKey, name: str, *, coterie_key: CoterieKey, now_ms: int, nonce: bytes
) -> bytes:
    """`ProfileSet`: the author's own name. Raises BadName, WrongCoterieKey, RegisterError."""
    sealing = Sealing(_in_force(state, coterie_key), ProfileName(name=clean_name(name)), nonce)
    signers = ((Purpose.ENTRY_DEVICE, device),)
    return _make(state, device_id(device.public), ProfileSet(), signers, now_ms, sealing)


def add_device(state: Register, device: SigningKey, keys: NewDeviceKeys, *, now_ms: int) -> bytes:
    """`DeviceAdded`, with all keys in one place. Raises RegisterError.

    Where the new device is another machine: `device_addition` here, `countersign` there, `with_countersignatures` here.
    """
    body = device_addition(state, device, keys.device.public, keys.leaf.public, now_ms=now_ms)
    signatures = countersign(body, state.coterie, device_id(device.public), keys)
    return with_countersignatures(state, device, body, signatures, now_ms=now_ms)


def device_addition(
    state: Register, device: SigningKey, new_device: PublicKey, new_leaf: PublicKey, *, now_ms: int
) -> bytes:
    """The body of a `DeviceAdded` that fits this state only: what `countersign` is asked for."""
    return canonical.encode(
        _body(state, device_id(device.public), DeviceAdded(device=new_device, leaf=new_leaf), now_ms)
    )


def countersign(body: bytes, coterie: CoterieId, author: DeviceId, keys: NewDeviceKeys) -> tuple[bytes, bytes]:
    """The new device's two signatures under its own addition by `author`; it signs nothing else. Raises OtherDevice."""
    try:
        fields = decode_body_untrusted(body)
    except MalformedEntry:
        raise OtherDevice from None
    own = canonical.encode(DeviceAdded(device=keys.device.public, leaf=keys.leaf.public))
    if (fields.kind, fields.public, fields.author, fields.sealed) != (DeviceAdded.__name__, own, author, b""):
        raise OtherDevice
    return (
        keys.device.sign(Purpose.ENTRY_DEVICE, coterie, body),
        keys.leaf.sign(Purpose.ENTRY_LEAF, coterie, body),
    )


def with_countersignatures(
    state: Register, device: SigningKey, body: bytes, signatures: tuple[bytes, bytes], *, now_ms: int
) -> bytes:
    """The whole `DeviceAdded`. Raises RegisterError (NOT_NEXT or OTHER_HISTORY: the register moved on; ask again)."""
    encoded = encode_entry(body, (device.sign(Purpose.ENTRY_DEVICE, state.coterie, body), *signatures))
    admit(state, encoded, now_ms)
    return encoded


def recover_identity(state: Register, identity: SigningKey, keys: NewDeviceKeys, *, now_ms: int) -> bytes:
    """`IdentityRecovered`: the author is the new device; all other devices of the member are removed by it, and the
    coterie key is due for rotation. Raises RegisterError."""
    public = IdentityRecovered(member=member_id(identity.public), device=keys.device.public, leaf=keys.leaf.public)
    signers = (
        (Purpose.ENTRY_IDENTITY, identity),
        (Purpose.ENTRY_DEVICE, keys.device),
        (Purpose.ENTRY_LEAF, keys.leaf),
    )
    return _make(state, device_id(keys.device.public), public, signers, now_ms, None)


def remove_device(state: Register, device: SigningKey, target: DeviceId, *, now_ms: int) -> bytes:
    """`DeviceRemoved`. The coterie key is due for rotation then. Raises RegisterError."""
    return _plain(state, device, DeviceRemoved(device=target), now_ms)


def remove_member(state: Register, device: SigningKey, target: MemberId, *, now_ms: int) -> bytes:
    """`MemberRemoved`. The coterie key is due for rotation then. Raises RegisterError."""
    return _plain(state, device, MemberRemoved(member=target), now_ms)


def rotate_key(
    state: Register,
    device: SigningKey,
    *,
    old_key: CoterieKey | None,
    new_key: CoterieKey,
    now_ms: int,
    nonce: bytes,
) -> bytes:
    """`KeyRotated`: the next generation, with the one before it sealed under it (None: the author never had it).

    Raises WrongCoterieKey, RegisterError.
    """
    public = KeyRotated(generation=state.generation + 1, key_hash=key_hash(new_key))
    sealing = None if old_key is None else Sealing(new_key, FormerKey(previous=bytes(_in_force(state, old_key))), nonce)
    return _make(state, device_id(device.public), public, ((Purpose.ENTRY_DEVICE, device),), now_ms, sealing)


def renew_seat(state: Register, device: SigningKey, member: MemberId, expires_at: int | None, *, now_ms: int) -> bytes:
    """`SeatRenewed` up to `expires_at` (ms; None: no end). Raises RegisterError."""
    return _plain(state, device, SeatRenewed(member=member, expires_at=expires_at), now_ms)


def lapse_seat(state: Register, device: SigningKey, member: MemberId, *, now_ms: int) -> bytes:
    """`SeatLapsed`. The coterie key is due for rotation then. Raises RegisterError."""
    return _plain(state, device, SeatLapsed(member=member), now_ms)


def change_role(state: Register, device: SigningKey, member: MemberId, role: Role, *, now_ms: int) -> bytes:
    """`RoleChanged`. Raises RegisterError (NEEDS_QUORUM: propose it)."""
    return _plain(state, device, RoleChanged(member=member, role=role), now_ms)


def set_policy(state: Register, device: SigningKey, policy: PolicySet, *, now_ms: int) -> bytes:
    """`PolicySet`: the whole policy. Raises RegisterError (NEEDS_QUORUM: propose it)."""
    return _plain(state, device, policy, now_ms)


def propose(state: Register, device: SigningKey, public: Public, *, now_ms: int) -> bytes:
    """`Proposed`: put to the founder and the stewards, and approved by its author. The proposal's id is the entry's
    hash. Raises RegisterError."""
    proposed = Proposed(kind=type(public).__name__, public=canonical.encode(public))
    return _plain(state, device, proposed, now_ms)


def approve(state: Register, device: SigningKey, proposal: EntryHash, *, now_ms: int) -> bytes:
    """`Approved`: with the last approval needed, what was proposed takes effect. Raises RegisterError."""
    return _plain(state, device, Approved(proposal=proposal), now_ms)


def _in_force(state: Register, key: CoterieKey) -> CoterieKey:
    return check_key(state, state.generation, key)


def _newcomer(keys: NewMemberKeys) -> tuple[tuple[Purpose, SigningKey], ...]:
    return (
        (Purpose.ENTRY_IDENTITY, keys.identity),
        (Purpose.ENTRY_DEVICE, keys.device),
        (Purpose.ENTRY_LEAF, keys.leaf),
    )


def _plain(state: Register, device: SigningKey, public: Public, now_ms: int) -> bytes:
    return _make(state, device_id(device.public), public, ((Purpose.ENTRY_DEVICE, device),), now_ms, None)


def _make(
    state: Register | None,
    author: DeviceId,
    public: Public,
    signers: tuple[tuple[Purpose, SigningKey], ...],
    now_ms: int,
    sealing: Sealing | None,
) -> bytes:
    coterie = NO_COTERIE if state is None else state.coterie
    body = _body(state, author, public, now_ms)
    if sealing is not None:
        sealed = seal(sealing.key, coterie, body, sealing.content, sealing.nonce)
        body = msgspec.structs.replace(body, sealed=sealed)
    signed = canonical.encode(body)
    encoded = encode_entry(signed, tuple(key.sign(purpose, coterie, signed) for purpose, key in signers))
    admit(state, encoded, now_ms)
    return encoded


def _body(state: Register | None, author: DeviceId, public: Public, now_ms: int) -> Body:
    return Body(
        seq=1 if state is None else state.head.seq + 1,
        prev=FIRST_PREV if state is None else state.head.hash,
        # A clock slightly behind the last author's must not stop anyone; one far behind fails `admit`.
        at=now_ms if state is None else max(now_ms, state.at),
        author=author,
        kind=type(public).__name__,
        public=canonical.encode(public),
        sealed=b"",
    )
