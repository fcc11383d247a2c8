"""What this device does to the coterie's membership: invites and removals, as register entries."""

from coterie.client.connection import Connection
from coterie.client.membership.registration import Registration
from coterie.client.state import DeviceState
from coterie.errors import RefusedError
from coterie.ids import DeviceId, InviteId, MemberId, Seed
from coterie.store.register import OwnInvite
from coterie.trust import Register, author
from coterie.trust.address import parse_address
from coterie.trust.invite import JoinLink, seal_packet
from coterie.trust.keys import SigningKey
from coterie.trust.kinds import Role
from coterie.wire import frames


class NoCoterieKey(RefusedError):
    """This device has no key of the present generation."""

    code = "no_coterie_key"


async def create_invite(
    state: DeviceState,
    registration: Registration,
    connection: Connection,
    role: str,
    seat_seconds: int | None,
    expires_seconds: int,
) -> InviteId:
    """Append the invite, leave the key's packet at the server, keep the link. Raises RegisterError, NoCoterieKey."""
    seed = Seed(state.random(32))

    def make(register: Register) -> bytes:
        key = state.register.current_key()
        if key is None:
            raise NoCoterieKey("this device has not been sent the coterie's newest key yet", "sync and try again")
        now = state.now()
        return author.issue_invite(
            register,
            state.own.key,
            SigningKey(seed),
            role=Role(role),
            seat=seat_seconds,
            expires_at=now + expires_seconds * 1000,
            coterie_key=key,
            now_ms=now,
            nonce=state.random(12),
        )

    invite = InviteId(await registration.append(make))
    register, key = state.register.state, state.register.current_key()
    if key is None:
        raise NoCoterieKey("the coterie's key was rotated a moment ago", "sync and try again")
    packet = seal_packet(seed, register.coterie, invite, register.generation, key, state.random(12))
    await connection.request(frames.PutPacket, invite=invite, packet=packet)
    addresses = tuple(parse_address(address) for address in state.own.addresses)
    link = JoinLink(register.coterie, addresses, state.own.service_key, invite, seed)
    with state.groups.changing():
        state.store.register.put_invite(OwnInvite(invite, seed, link.text))
    return invite


async def revoke_invite(state: DeviceState, registration: Registration, invite: InviteId) -> None:
    await registration.append(
        lambda register: author.revoke_invite(register, state.own.key, invite, now_ms=state.now())
    )


async def remove_member(state: DeviceState, registration: Registration, member: MemberId) -> None:
    await registration.append(
        lambda register: author.remove_member(register, state.own.key, member, now_ms=state.now())
    )


async def remove_device(state: DeviceState, registration: Registration, device: DeviceId) -> None:
    await registration.append(
        lambda register: author.remove_device(register, state.own.key, device, now_ms=state.now())
    )
