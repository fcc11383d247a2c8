"""The new device's side of linking: take the code, show the words, sign for itself, come in (docs/protocol/link.md).

Its keys and all it was given are on disk before it signs (`Step.LINKING`); whether it is in, the register tells. So a
crash at any moment leaves a device that is in and finishes by the same command, or none.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, TypeVar

from coterie.client.connection import NotInForce
from coterie.client.inbox.packages import open_inbox, refill
from coterie.client.linking.channel import Channel, Ephemeral, Side
from coterie.client.linking.events import Linked, WordsShown
from coterie.client.linking.messages import (
    Added,
    AnyEntry,
    AtHome,
    Countersigned,
    End,
    Grant,
    HandedOver,
    Keys,
    LinkBroken,
    Offer,
    Reveal,
    Sealed,
)
from coterie.client.linking.old_device import LinkDeclined, LinkExpired
from coterie.client.linking.relay import CodeUsedUp, OtherSideGone, Relay
from coterie.client.membership.entering import OtherLink, Step, entering
from coterie.client.membership.registration import Registration
from coterie.client.online.session import NotSettled, Online, connect
from coterie.client.online.shared_session import SharedSession
from coterie.client.own import load_own
from coterie.client.state import Clock, DeviceState
from coterie.errors import CoterieError
from coterie.ids import CoterieKey, DeviceId, MemberId, RoomId, Seed
from coterie.store import Unlock
from coterie.store.facts import Fact
from coterie.store.store import Store
from coterie.store.wrap import DeviceExists
from coterie.trust.author import NewDeviceKeys, countersign
from coterie.trust.keys import SigningKey, device_id
from coterie.trust.link import LinkCode, parse_link_code_untrusted
from coterie.wire.limits import LINK_SECONDS

ENTERING_SECONDS: Final = 90.0
"""After a yes: how long the old device may take to let this one in."""
HAND_OVER_SECONDS: Final = 90.0
"""How long this one waits for rooms and history before it says that it is linked; they may come later."""
_MARK: Final = b"link"
_GIVEN: Final = (
    *(Fact.DEVICE_SEED, Fact.LEAF_SEED, Fact.LINK, Fact.SERVICE_KEY, Fact.ADDRESSES, Fact.COTERIE, Fact.MEMBER),
    *(Fact.DEVICE, Fact.CONFIRMED, Fact.STEP),
)
T = TypeVar("T")


async def link_device(home: Path, unlock: Unlock, text: str, clock: Clock) -> AsyncIterator[WordsShown | Linked]:
    """Make `home` a further device of whoever shows the code. Resumes after a crash.

    Raises WrongLink, DeviceExists, OtherLink, CodeUsedUp, LinkExpired, LinkDeclined, LinkBroken, OtherSideGone, and
    what `Connection.open` raises.
    """
    code = parse_link_code_untrusted(text)
    with entering(home, unlock, clock) as way_in:
        store = way_in.store
        _check_place(store)
        if store.facts.get(Fact.STEP) == Step.LINKING.encode() and not await _is_in(home, store, clock):
            _forget(store)
        if store.facts.get(Fact.STEP) is None:
            if clock() > code.expires_at:
                raise LinkExpired("this code has expired: each can be used for ten minutes", _NEW_CODE)
            async with await Relay.open(code) as relay:
                coming = _Coming(store, code, relay)
                yield WordsShown(await coming.meet())
                # where the last word did not come, the register knows
                if not await coming.sign() and not await _is_in(home, store, clock):
                    _forget(store)
                    raise OtherSideGone("the other device ended before this one was in", _NEW_CODE)
                state = await _settle(home, store, clock)
                async with SharedSession(state).use() as session:
                    with contextlib.suppress(CoterieError, TimeoutError):
                        await coming.receive(state, session)
        else:
            state = await _settle(home, store, clock)
        yield Linked(state.own.coterie, state.own.member, state.own.device)


def _check_place(store: Store) -> None:
    step = store.facts.get(Fact.STEP)
    if step == Step.MEMBER.encode():
        raise DeviceExists("this folder holds a device already", "use --home for another one")
    if step not in (None, Step.LINKING.encode()):
        raise OtherLink(
            "this folder was begun in another way, and is not finished", "finish that, or use another --home"
        )


async def _is_in(home: Path, store: Store, clock: Clock) -> bool:
    """Whether the register has this device: the server lets it in. Raises what `Connection.open` raises."""
    try:
        connection = await connect(DeviceState(home, store, load_own(store.facts), clock))
    except NotInForce:
        return False
    await connection.close()
    return True


def _forget(store: Store) -> None:
    with store.transaction():
        for fact in _GIVEN:
            store.facts.forget(fact)


async def _settle(home: Path, store: Store, clock: Clock) -> DeviceState:
    """As a device in force: the register, the inbox, the packages. Raises LinkBroken if it is somebody else's."""
    state = DeviceState(home, store, load_own(store.facts), clock)
    connection = await connect(state)
    try:
        await Registration(state, connection).sync()
        register = state.register.state
        if register.device(state.own.device).member != state.own.member or register.coterie != state.own.coterie:
            raise LinkBroken("the register names another member than the other device did")
        await open_inbox(state, connection)
        await refill(state, connection)
    finally:
        await connection.close()
    with store.transaction():
        store.facts.put(Fact.STEP, Step.MEMBER.encode())
        store.facts.forget(Fact.LINK)
    return state


class _Coming:
    """One use of a code."""

    def __init__(self, store: Store, code: LinkCode, relay: Relay) -> None:
        random: Callable[[int], bytes] = DeviceState.random
        self._store = store
        self._code = code
        self._relay = relay
        self._own = Ephemeral.fresh(random)
        self._seeds = Seed(random(32)), Seed(random(32))
        self._keys = NewDeviceKeys(*(SigningKey(seed) for seed in self._seeds))
        self._old = DeviceId(b"")
        self._channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        if self._channel is None:
            raise AssertionError("nobody was met yet")
        return self._channel

    async def meet(self) -> tuple[str, ...]:
        """Keys for keys. Raises CodeUsedUp if another device came first, LinkBroken."""
        try:
            async with asyncio.timeout(ENTERING_SECONDS):
                n, offer = await self._relay.hear()
                if n != 1 or not isinstance(offer, Offer):
                    raise LinkBroken("the old device did not begin")
                keys = self._own.keys(self._keys.device.public, self._keys.leaf.public)
                mine = await self._relay.say(keys)
                while True:
                    n, entry = await self._relay.hear()
                    if isinstance(entry, Keys) and n < mine:
                        raise CodeUsedUp("another device came first with this code", _SEEN)
                    if isinstance(entry, Reveal):
                        break
                    self._stop_at_end(entry)
        except TimeoutError:
            raise OtherSideGone("the other device does not answer", _NEW_CODE) from None
        self._old = DeviceId(entry.device)
        self._channel = Channel(self._relay.place, Side.NEW, self._own, offer, keys, entry)
        return self.channel.words

    async def sign(self) -> bool:
        """Wait for the yes and what comes with it, keep it, sign. True once the old device says that this one is in."""
        signed = False
        while True:
            try:
                async with asyncio.timeout(ENTERING_SECONDS if signed else LINK_SECONDS):
                    said = await self._hear()
            except TimeoutError:
                if signed:
                    return False
                raise LinkExpired("nobody said yes on the other device in time", _NEW_CODE) from None
            except (LinkDeclined, OtherSideGone, LinkBroken):
                if signed:
                    return False
                raise
            if isinstance(said, Added) and signed:
                return True
            if not isinstance(said, Grant):
                raise LinkBroken("something else was said than was asked for")
            signatures = countersign(said.body, self._code.coterie, self._old, self._keys)
            self._keep(said)
            signed = True
            await self._relay.say(self.channel.seal(Countersigned(*signatures)))

    async def receive(self, state: DeviceState, session: Online) -> None:
        """Say that this device can be added to rooms; wait until it is in those it is told of, with their history."""
        await self._relay.say(self.channel.seal(AtHome()))
        async with asyncio.timeout(HAND_OVER_SECONDS):
            said = await self._hear()
            if not isinstance(said, HandedOver):
                raise LinkBroken("something else was said than was asked for")
            await self._relay.say(self.channel.seal(AtHome()))
        rooms = [RoomId(room) for room in said.rooms]
        changed = state.watch()

        async def all_here() -> None:
            facts, table = state.store.facts, state.store.rooms
            while facts.number(Fact.HISTORY_PARTS) < said.parts or any(table.get(room) is None for room in rooms):
                changed.clear()
                await changed.wait()

        try:
            with contextlib.suppress(NotSettled):
                await session.until(all_here(), HAND_OVER_SECONDS)
        finally:
            state.unwatch(changed)

    def _keep(self, grant: Grant) -> None:
        code, facts = self._code, self._store.facts
        with self._store.transaction():
            facts.put(Fact.LINK, _MARK)
            for fact, seed in zip((Fact.DEVICE_SEED, Fact.LEAF_SEED), self._seeds, strict=True):
                facts.put(fact, bytes(seed))
            facts.put(Fact.SERVICE_KEY, code.service_key)
            facts.put(Fact.ADDRESSES, "\n".join(address.text for address in code.addresses).encode())
            facts.put(Fact.COTERIE, code.coterie)
            facts.put(Fact.MEMBER, MemberId(grant.member))
            facts.put(Fact.DEVICE, device_id(self._keys.device.public))
            facts.put_number(Fact.CONFIRMED, int(grant.confirmed))
            self._store.register.put_key(grant.generation, CoterieKey(grant.key), announced=True)
            facts.put(Fact.STEP, Step.LINKING.encode())

    async def _hear(self) -> object:
        while True:
            _, entry = await self._relay.hear()
            self._stop_at_end(entry)
            if isinstance(entry, Sealed):
                return self.channel.open_untrusted(entry)

    def _stop_at_end(self, entry: AnyEntry) -> None:
        if isinstance(entry, End):
            if entry.declined:
                raise LinkDeclined("the other device said no: this one was not added, and got nothing", _SEEN)
            raise OtherSideGone("the other device gave up", _NEW_CODE)


_NEW_CODE: Final = "make a new one on the other device: coterie device add"
_SEEN: Final = "somebody may have seen the code; make a new one where nobody sees it"
