"""Becoming a member: founding a coterie, or joining one by an invite. It resumes wherever it was interrupted.

The keys are on disk before the server hears of them (`Step.KEYS`); once their entry is in the register the device has
entered (`ENTERED`); with its inbox and packages at the server it is done (`MEMBER`).
"""

import contextlib
import secrets
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

from coterie.client.connection import (
    AlreadyFounded,
    Connection,
    FoundingProof,
    InviteProof,
    NotInForce,
    ServerRefused,
    WrongCoterie,
)
from coterie.client.facts import Identity
from coterie.client.inbox.packages import open_inbox, refill
from coterie.client.membership.profile import publish_name
from coterie.client.membership.registration import Registration
from coterie.client.online.session import connect
from coterie.client.own import Own, load_own
from coterie.client.owner import DeviceLock
from coterie.client.state import Clock, DeviceState
from coterie.errors import CallerError, PeerError
from coterie.ids import NO_COTERIE, CoterieId, CoterieKey, DeviceId, MemberId, Seed
from coterie.store import Unlock, forbid_core_dumps, wrap
from coterie.store.facts import Fact, Facts
from coterie.store.store import Store
from coterie.store.wrap import DeviceExists
from coterie.trust import Register, RegisterError, apply
from coterie.trust.author import NewDeviceKeys, NewMemberKeys, found, join
from coterie.trust.coterie_key import WrongCoterieKey
from coterie.trust.entry import entry_hash
from coterie.trust.invite import (
    BadPacket,
    FoundLink,
    JoinLink,
    WrongHistory,
    WrongLink,
    check_history,
    expect_found,
    expect_join,
    open_packet_untrusted,
    parse_link_untrusted,
)
from coterie.trust.keys import SigningKey, device_id, member_id
from coterie.trust.names import clean_name
from coterie.trust.server_link import ServerLink, parse_server_link_untrusted
from coterie.wire import frames
from coterie.wire.codes import ErrorCode

TRIES: Final = 20


class Step(StrEnum):
    RESTORED = "restored"
    """History from a backup, with keys that nobody knows yet."""
    KEYS = "keys"
    ENTERED = "entered"
    LINKING = "linking"
    """Signed for as a further device; whether it is in, the register tells."""
    MEMBER = "member"


_BEGUN: Final = (
    *(Fact.IDENTITY_SEED, Fact.DEVICE_SEED, Fact.LEAF_SEED, Fact.LINK, Fact.SERVICE_KEY, Fact.ADDRESSES),
    *(Fact.PROFILE_NAME, Fact.FOUNDED, Fact.STEP),
)
"""What is stored before the coterie has said yes."""


class OtherLink(CallerError):
    code = "other_link"


class NoPacket(PeerError):
    code = "no_packet"


class RegisterKeepsMoving(CallerError):
    code = "register_moves"


@contextlib.contextmanager
def entering(home: Path, unlock: Unlock, clock: Clock, *, make: bool = True) -> Iterator["Entering"]:
    """Hold `home`, make or open its store. Without `make`, raises NoDevice where there is none."""
    forbid_core_dumps()
    if make:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        wrap.opens_with(home)
    with DeviceLock.acquire(home):
        try:
            key = wrap.create(home, unlock) if make else wrap.unlock(home, unlock)
        except DeviceExists:
            key = wrap.unlock(home, unlock)
        store = Store(home, key)
        try:
            yield Entering(home, store, clock)
        finally:
            store.close()


class Entering:
    """One store on its way in. How a member comes back, `client.recovery` says."""

    def __init__(self, home: Path, store: Store, clock: Clock) -> None:
        self._home = home
        self.store = self._store = store
        self._now = clock

    async def found(self, text: str, coterie_name: str, name: str) -> Identity:
        """Raises WrongLink, BadName, DeviceExists, AlreadyFounded, and what `Connection.open` raises."""
        link = expect_found(parse_link_untrusted(text))
        names = clean_name(coterie_name), clean_name(name)
        self._begin(link, None)
        if self._step() is Step.KEYS:
            with self.forgetting_if_refused():
                await self._found(link, *names)
        return await self._settle(None)

    async def join(self, text: str, name: str) -> Identity:
        """Raises WrongLink, BadName, DeviceExists, WrongHistory, NotInForce, NoPacket, and what `Connection.open`
        raises."""
        link = expect_join(parse_link_untrusted(text))
        self._begin(link, clean_name(name))
        if self._step() is Step.KEYS:
            with self.forgetting_if_refused():
                await self._join(link)
        return await self._settle(link)

    # coming back, step by step

    def begin_again(self, server: ServerLink, *, restored: bool) -> None:
        """Keys for a new device, on disk; a restored one has them already. Raises OtherLink."""
        facts = self.store.facts
        known = facts.get(Fact.LINK)
        joining = facts.get(Fact.IDENTITY_SEED) is not None
        if known is not None and (joining or not _same_coterie(known, server)):
            raise OtherLink(
                "this folder was begun with another link, and is not finished", "use that link, or another --home"
            )
        with self.store.transaction():
            if known is None and not restored:
                for fact in (Fact.DEVICE_SEED, Fact.LEAF_SEED):
                    facts.put(fact, secrets.token_bytes(32))
                facts.put(Fact.STEP, Step.KEYS.encode())
            facts.put(Fact.LINK, server.text.encode())
            facts.put(Fact.SERVICE_KEY, server.service_key)
            facts.put(Fact.ADDRESSES, "\n".join(address.text for address in server.addresses).encode())

    def new_device_keys(self) -> NewDeviceKeys:
        seeds = (Fact.DEVICE_SEED, Fact.LEAF_SEED)
        return NewDeviceKeys(*(SigningKey(Seed(self.store.facts.need(fact))) for fact in seeds))

    def came_back(self, coterie: CoterieId, member: MemberId, phrase_key: bytes, *, confirmed: bool) -> None:
        """`IdentityRecovered` is in the register."""
        with self.store.transaction():
            self._entered(coterie, member, device_id(self.new_device_keys().device.public), confirmed=confirmed)
            self.store.facts.put(Fact.PHRASE_KEY, phrase_key)

    # what all need

    @property
    def step(self) -> Step | None:
        return self._step()

    async def settle(self) -> Identity:
        """As a device in force: the inbox, the packages. Returns when the home is a device."""
        return await self._settle(None)

    def _step(self) -> Step | None:
        step = self._store.facts.get(Fact.STEP)
        return None if step is None else Step(step.decode())

    def _begin(self, link: FoundLink | JoinLink, profile_name: str | None) -> None:
        """Make the keys, once, and put them on disk."""
        facts = self._store.facts
        must_be_free(facts)
        known = facts.get(Fact.LINK)
        if known is not None and known != link.text.encode():
            raise OtherLink(
                "this folder was begun with another link, and is not finished", "use that link, or another --home"
            )
        if known is not None:
            return
        with self._store.transaction():
            for fact in (Fact.IDENTITY_SEED, Fact.DEVICE_SEED, Fact.LEAF_SEED):
                facts.put(fact, secrets.token_bytes(32))
            facts.put(Fact.LINK, link.text.encode())
            facts.put(Fact.SERVICE_KEY, link.service_key)
            facts.put(Fact.ADDRESSES, "\n".join(address.text for address in link.addresses).encode())
            if profile_name is not None:
                facts.put(Fact.PROFILE_NAME, profile_name.encode())
            else:
                self._store.register.put_key(0, CoterieKey(secrets.token_bytes(32)), announced=True)
            facts.put(Fact.STEP, Step.KEYS.encode())

    @contextlib.contextmanager
    def forgetting_if_refused(self) -> Iterator[None]:
        """A link that is known to lead nowhere must not stand in the way of the next one."""
        try:
            yield
        except (AlreadyFounded, NotInForce, WrongCoterie, WrongHistory, RegisterError):
            if self._step() is not Step.RESTORED:
                with self._store.transaction():
                    for fact in _BEGUN:
                        self._store.facts.forget(fact)
            raise

    def _keys(self) -> NewMemberKeys:
        seeds = (Fact.IDENTITY_SEED, Fact.DEVICE_SEED, Fact.LEAF_SEED)
        return NewMemberKeys(*(SigningKey(Seed(self._store.facts.need(fact))) for fact in seeds))

    def _enter(self, coterie: CoterieId, *, confirmed: bool) -> None:
        """The entry is in the register (or may be: then the next connection tells)."""
        keys = self._keys()
        with self._store.transaction():
            member, device = member_id(keys.identity.public), device_id(keys.device.public)
            self._entered(coterie, member, device, confirmed=confirmed)

    def _entered(self, coterie: CoterieId, member: MemberId, device: DeviceId, *, confirmed: bool) -> None:
        facts = self._store.facts
        facts.put(Fact.COTERIE, coterie)
        facts.put(Fact.MEMBER, member)
        facts.put(Fact.DEVICE, device)
        facts.put_number(Fact.CONFIRMED, int(confirmed))
        facts.put(Fact.STEP, Step.ENTERED.encode())

    async def _connect(self, link: FoundLink | JoinLink) -> Connection:
        """As one who is not in yet."""
        addresses = [address.text for address in link.addresses]
        key = SigningKey(link.seed)
        if isinstance(link, FoundLink):
            return await Connection.open(addresses, link.service_key, NO_COTERIE, FoundingProof(key))
        return await Connection.open(addresses, link.service_key, link.coterie, InviteProof(link.invite, key))

    async def _settle(self, link: JoinLink | None) -> Identity:
        """As a device in force: the coterie key, the name, the inbox, the packages."""
        own = load_own(self._store.facts)
        state = DeviceState(self._home, self._store, own, self._now)
        connection = await connect(state)
        try:
            registration = Registration(state, connection)
            await registration.sync()
            if link is not None:
                check_history(link, state.register.state)
                await _take_packet(state, connection, link)
            await open_inbox(state, connection)
            await refill(state, connection)
            await publish_name(state, registration)
        finally:
            await connection.close()
        with self._store.transaction():
            self._store.facts.put(Fact.STEP, Step.MEMBER.encode())
            self._store.facts.forget(Fact.LINK)
            self._store.facts.forget(Fact.FOUNDED)
        return Identity(own.coterie, own.member, own.device)

    # founding

    async def _found(self, link: FoundLink, coterie_name: str, name: str) -> None:
        facts = self._store.facts
        try:
            connection = await self._connect(link)
        except AlreadyFounded:
            # perhaps by this very device, before it was interrupted: then it is let in as a device
            before = facts.get(Fact.FOUNDED)
            if before is None:
                raise
            self._enter(CoterieId(entry_hash(before)), confirmed=True)
            return
        try:
            entry = found(
                SigningKey(link.seed),
                link.service_key,
                self._keys(),
                coterie_key=self._store.register.keys()[0],
                coterie_name=coterie_name,
                name=name,
                now_ms=self._now(),
                nonce=secrets.token_bytes(12),
            )
            with self._store.transaction():
                facts.put(Fact.FOUNDED, entry)
            await connection.request(frames.RegisterAppend, entry=entry)
        finally:
            await connection.close()
        self._enter(CoterieId(entry_hash(entry)), confirmed=True)

    # joining

    async def _join(self, link: JoinLink) -> None:
        try:
            connection = await self._connect(link)
        except NotInForce as refused:
            await self._joined_before(link, refused)
            return
        try:
            await self._append_joined(link, connection)
        finally:
            await connection.close()
        self._enter(link.coterie, confirmed=False)

    async def _append_joined(self, link: JoinLink, connection: Connection) -> None:
        keys = self._keys()
        register: Register | None = None
        for _ in range(TRIES):
            register = await _read_register(connection, register)
            if register is None:
                raise WrongHistory("the server has no register")
            check_history(link, register)
            entry = join(register, link.invite, SigningKey(link.seed), keys, now_ms=self._now())
            answer = await connection.request(frames.RegisterAppend, entry=entry)
            if isinstance(answer, frames.Appended):
                return
        raise RegisterKeepsMoving("the register moved each time before this device could join", "try again")

    async def _joined_before(self, link: JoinLink, refused: NotInForce) -> None:
        """The invite is spent: by this very device, if it is let in as a device. Raises `refused` otherwise."""
        keys = self._keys()
        own = Own(
            coterie=link.coterie,
            member=member_id(keys.identity.public),
            device=device_id(keys.device.public),
            service_key=link.service_key,
            addresses=tuple(address.text for address in link.addresses),
            key=keys.device,
            leaf_seed=Seed(self._store.facts.need(Fact.LEAF_SEED)),
        )
        try:
            connection = await connect(DeviceState(self._home, self._store, own, self._now))
        except ServerRefused:
            raise refused from None
        await connection.close()
        self._enter(link.coterie, confirmed=False)


def must_be_free(facts: Facts, *, restored: bool = False) -> None:
    """Raises DeviceExists for a folder that holds a device, or (if not `restored`) a backup's history."""
    step = facts.get(Fact.STEP)
    if step == Step.MEMBER.encode():
        raise DeviceExists("this folder holds a device already", "use --home for another one")
    if facts.get(Fact.RESTORING) is not None:
        raise DeviceExists("a backup is half restored into this folder", "restore it again, or use another --home")
    if step == Step.RESTORED.encode() and not restored:
        raise DeviceExists(
            "this folder has a backup's history", "come back on it with coterie recover, or use another --home"
        )


def _same_coterie(known: bytes, server: ServerLink) -> bool:
    """The folder was begun for coming back to the same coterie, maybe by an older link."""
    try:
        return parse_server_link_untrusted(known.decode()).coterie == server.coterie
    except WrongLink:
        return False


async def _read_register(connection: Connection, register: Register | None) -> Register | None:
    """Everything after `register`, verified from the founding on."""
    while True:
        after = 0 if register is None else register.head.seq
        answer = await connection.request(frames.RegisterRead, after=after)
        for entry in answer.entries:
            register = apply(register, entry)
        if not answer.entries:
            return register


async def _take_packet(state: DeviceState, connection: Connection, link: JoinLink) -> None:
    """The coterie key that the inviter left: without it no inbox can be opened, and nobody could send it later.

    Raises NoPacket, with the way in still open.
    """
    if not state.register.coterie_keys():
        try:
            answer = await connection.request(frames.GetPacket, invite=link.invite)
            opened = open_packet_untrusted(link.seed, link.coterie, link.invite, answer.packet)
            with state.groups.changing():
                state.register.learn_key(opened.generation, opened.key)
        except ServerRefused as refused:
            if refused.server_code != ErrorCode.NO_PACKET:
                raise
            raise NoPacket("the server does not hand out the key that the inviter left for you", _ASK) from None
        except (BadPacket, WrongCoterieKey) as bad:
            raise NoPacket(f"the server did not give the key that the inviter left for you: {bad.fact}", _ASK) from None
    await connection.request(frames.PacketDone, invite=link.invite)


_ASK = "run the same command again; if it stays so, ask the inviter to remove you and to invite you anew"
