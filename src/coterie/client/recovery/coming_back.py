"""Coming back with the recovery phrase: a new device in place of all the member's others (docs/protocol/backup.md).

`look` says beforehand what will be removed. `come_back` appends `IdentityRecovered` and makes the home a device. The
identity key is used and never stored.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coterie.client.connection import Connection, IdentityProof, NotInForce
from coterie.client.facts import Identity
from coterie.client.membership.entering import RegisterKeepsMoving, Step, entering, must_be_free
from coterie.client.own import load_own
from coterie.client.recovery.keeping import phrase_key
from coterie.client.state import Clock
from coterie.errors import CallerError, RefusedError
from coterie.ids import DeviceId, MemberId
from coterie.store import Unlock
from coterie.store.facts import Fact
from coterie.store.store import Store
from coterie.store.wrap import NoDevice
from coterie.trust import Register, apply
from coterie.trust.author import NewDeviceKeys, recover_identity
from coterie.trust.keys import SigningKey, device_id, member_id
from coterie.trust.phrase import Phrase
from coterie.trust.server_link import ServerLink, check_server
from coterie.wire import frames

TRIES: Final = 20


class NobodysPhrase(RefusedError):
    """The phrase is right, but not of a member in force of this coterie."""

    code = "nobodys_phrase"


class OtherMember(CallerError):
    """The phrase is not that of the member whose history is here."""

    code = "other_member"


@dataclass(frozen=True)
class Returning:
    """Who comes back, and the devices that will be removed, each with when it came (ms)."""

    member: MemberId
    devices: tuple[tuple[DeviceId, int], ...]


async def look(server: ServerLink, phrase: Phrase) -> Returning:
    """Changes nothing. Raises NobodysPhrase, WrongHistory, and what `Connection.open` raises."""
    async with _as_member(server, phrase) as (connection, member):
        register = await _verified(connection, server)
    return Returning(member, tuple((device.id, device.added_at) for device in register.devices_of(member)))


async def come_back(home: Path, unlock: Unlock, server: ServerLink, phrase: Phrase, clock: Clock) -> Identity:
    """Make `home` the member's only device, a restored one with its history, or a new one. Resumes after a crash when
    called again. Raises DeviceExists, OtherMember, and what `look` raises."""
    with entering(home, unlock, clock) as way_in:
        identity = SigningKey(phrase.seed)
        way_in.begin_again(server, restored=_check_place(way_in.store, server, identity))
        if way_in.step is not Step.ENTERED:
            with way_in.forgetting_if_refused():
                alone = await _append(way_in.new_device_keys(), server, phrase, clock)
            # nobody else could ever vouch for the register
            way_in.came_back(server.coterie, member_id(identity.public), phrase_key(phrase), confirmed=alone)
        return await way_in.settle()


def restored_server(home: Path, unlock: Unlock, clock: Clock) -> ServerLink:
    """Where the coterie of a restored device is. Raises NoDevice."""
    with entering(home, unlock, clock, make=False) as way_in:
        own = load_own(way_in.store.facts)
        register = None
        for entry in way_in.store.register.entries():
            register = apply(register, entry)
        if register is None:
            raise NoDevice("there is no restored device here", "give the server link")
        return ServerLink.of(register, own.addresses)


def _check_place(store: Store, server: ServerLink, identity: SigningKey) -> bool:
    """True for a restored home. Raises DeviceExists, OtherMember."""
    facts = store.facts
    must_be_free(facts, restored=True)
    coterie, member = facts.get(Fact.COTERIE), facts.get(Fact.MEMBER)
    if coterie is not None and coterie != server.coterie:
        raise OtherMember("this folder holds another coterie's history", "use --home for another folder")
    if member is not None and member != member_id(identity.public):
        raise OtherMember("this is not the phrase of the member whose history is here", "use --home for another folder")
    return facts.get(Fact.STEP) == Step.RESTORED.encode()


async def _append(keys: NewDeviceKeys, server: ServerLink, phrase: Phrase, clock: Clock) -> bool:
    """Append `IdentityRecovered` unless it is there. True if the member is the only one."""
    device = device_id(keys.device.public)
    async with _as_member(server, phrase) as (connection, _):
        register = None
        for _ in range(TRIES):
            register = await _verified(connection, server)
            if register.device_in_force(device):
                break
            entry = recover_identity(register, SigningKey(phrase.seed), keys, now_ms=clock())
            answer = await connection.request(frames.RegisterAppend, entry=entry)
            if isinstance(answer, frames.Appended):
                break
        else:
            raise RegisterKeepsMoving("the register moved each time before this device could come back", "try again")
        return len(list(register.members_in_force())) == 1


@contextlib.asynccontextmanager
async def _as_member(server: ServerLink, phrase: Phrase) -> AsyncIterator[tuple[Connection, MemberId]]:
    identity = SigningKey(phrase.seed)
    member = member_id(identity.public)
    addresses = [address.text for address in server.addresses]
    try:
        connection = await Connection.open(
            addresses, server.service_key, server.coterie, IdentityProof(member, identity)
        )
    except NotInForce:
        raise NobodysPhrase(
            "this phrase is not that of a member of this coterie, or the member was removed",
            "is it the phrase of another coterie? otherwise ask a member for an invite",
        ) from None
    try:
        yield connection, member
    finally:
        await connection.close()


async def _verified(connection: Connection, server: ServerLink) -> Register:
    """The whole register, every entry checked, and held against the link. Raises WrongHistory."""
    states: list[Register] = []
    while True:
        answer = await connection.request(frames.RegisterRead, after=len(states))
        for entry in answer.entries:
            states.append(apply(states[-1] if states else None, entry))
        if not answer.entries:
            return check_server(server, states)
