"""The old device's side of linking: a code, words, the new device in, what it is given (docs/protocol/link.md).

Nothing that is secret leaves before a person has said yes. What follows from the new device's entry in the register
(rooms, history) stands as chores in the transaction that learns it: a crash at any moment leaves it in or out.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from enum import StrEnum
from typing import Any, Final, TypeVar

from coterie.client.linking import own_devices
from coterie.client.linking.channel import Channel, Ephemeral, Side, commit_to
from coterie.client.linking.events import CodeMade, DeviceIn, WordsShown
from coterie.client.linking.messages import (
    MOST_ROOMS,
    Added,
    AnySaid,
    AtHome,
    Countersigned,
    End,
    Grant,
    HandedOver,
    Keys,
    LinkBroken,
    Sealed,
)
from coterie.client.linking.relay import OtherSideGone, Relay, close_link_queue, open_link_queue
from coterie.client.membership.changes import NoCoterieKey
from coterie.client.membership.registration import ClockApart
from coterie.client.online.session import NotSettled, Online
from coterie.client.online.shared_session import SharedSession
from coterie.client.state import DeviceState
from coterie.errors import CallerError, CoterieError, OfflineError, RefusedError
from coterie.ids import DeviceId, GroupId
from coterie.store.facts import Fact
from coterie.trust import Register, RegisterError, author
from coterie.trust.address import parse_address
from coterie.trust.keys import device_id
from coterie.trust.kinds import MOST_DEVICES
from coterie.trust.link import LinkCode, LinkSecret
from coterie.trust.reasons import Reason
from coterie.wire.limits import LINK_SECONDS

TRIES: Final = 20
ANSWER_SECONDS: Final = 60.0
"""How long the new device may take for what it does by itself, …"""
HAND_OVER_SECONDS: Final = 60.0
"""… and this one waits for rooms and history; what is not done then goes on as chores."""
DAY_MS: Final = 86_400_000
T = TypeVar("T")


class History(StrEnum):
    """What of the past the new device gets."""

    ALL = "all"
    MONTH = "30d"
    NONE = "none"

    def since(self, now: int) -> int | None:
        """Messages sent from then on (ms); None: none."""
        match self:
            case History.ALL:
                return 0
            case History.MONTH:
                return max(0, now - 30 * DAY_MS)
            case History.NONE:
                return None


class LinkDeclined(RefusedError):
    """The person said that the words differ."""

    code = "link_declined"


class LinkExpired(RefusedError):
    """Nobody came with the code, or nobody answered, in time."""

    code = "link_expired"


class NotLinking(CallerError):
    """There is no question to answer, or one is open already."""

    code = "usage"


class _Moved(Exception):
    """The register has another entry since the new device signed."""


class Linking:
    """One at a time. `add` is the whole; `answer` is the person's yes or no to the words it has shown."""

    def __init__(self, state: DeviceState, sessions: SharedSession) -> None:
        self._state = state
        self._sessions = sessions
        self._busy = False
        self._answer: asyncio.Future[bool] | None = None

    def answer(self, yes: bool) -> None:
        """Raises NotLinking while no words are shown."""
        if self._answer is None or self._answer.done():
            raise NotLinking("no device waits for an answer", "`coterie device add` begins linking one")
        self._answer.set_result(yes)

    async def add(self, history: History) -> AsyncIterator[CodeMade | WordsShown | DeviceIn]:
        """Ends when the new device has all it is given, as far as that goes in the time.

        Raises NotLinking, LinkDeclined, LinkExpired, LinkBroken, ClockApart, NoCoterieKey, RegisterError, and
        OfflineError's children. After `DeviceIn` nothing is raised: what is left is done later.
        """
        if self._busy:
            raise NotLinking("this device is linking another one already", "finish that first")
        self._busy = True
        try:
            async with self._sessions.use() as session:
                await session.home.registration.sync()
                self._must_be_able()
                code = self._new_code()
                await open_link_queue(session.connection, code)
                try:
                    async with await Relay.open(code) as relay:
                        adding = _Adding(self._state, session, relay, code, history)
                        await adding.offer()
                        yield CodeMade(code.text, code.expires_at)
                        words = await adding.meet()
                        self._answer = asyncio.get_running_loop().create_future()
                        yield WordsShown(words)
                        await adding.confirm(self._answer)
                        yield DeviceIn(await adding.let_in())
                        await adding.hand_over()
                finally:
                    with contextlib.suppress(CoterieError):
                        await close_link_queue(session.connection, code)
        finally:
            self._busy = False
            self._answer = None

    def _must_be_able(self) -> None:
        """What would fail later, said before anybody takes a code anywhere."""
        state = self._state
        register = state.register.state
        if state.clock_apart:
            raise ClockApart(
                "this device's clock is more than five minutes from the server's", "set the clock, then try again"
            )
        if state.register.current_key() is None:
            raise NoCoterieKey("this device has not been sent the coterie's newest key yet", "sync and try again")
        if len(register.devices_of(state.own.member)) >= MOST_DEVICES:
            raise RegisterError(Reason.TOO_MANY_DEVICES)

    def _new_code(self) -> LinkCode:
        state = self._state
        return LinkCode(
            coterie=state.own.coterie,
            addresses=tuple(parse_address(address) for address in state.own.addresses),
            service_key=state.own.service_key,
            secret=LinkSecret(state.random(32)),
            expires_at=state.now() + LINK_SECONDS * 1000,
        )


class _Adding:
    """One code, from the offer to the end."""

    def __init__(self, state: DeviceState, session: Online, relay: Relay, code: LinkCode, history: History) -> None:
        self._state = state
        self._session = session
        self._relay = relay
        self._history = history
        self._own = Ephemeral.fresh(state.random)
        self._reveal = self._own.reveal(state.own.device)
        self._until = asyncio.get_running_loop().time() + LINK_SECONDS
        self._channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        if self._channel is None:
            raise AssertionError("nobody was met yet")
        return self._channel

    @property
    def device(self) -> DeviceId:
        return device_id(self.channel.device)

    async def offer(self) -> None:
        await self._relay.say(commit_to(self._reveal))

    async def meet(self) -> tuple[str, ...]:
        """Wait for the new device. The first that comes with the code is it: the words tell whether it is the right
        one."""
        while True:
            _, entry = await self._in_time(self._relay.hear())
            if isinstance(entry, Keys):
                break
        place = self._relay.place
        self._channel = Channel(place, Side.OLD, self._own, commit_to(self._reveal), entry, self._reveal)
        await self._relay.say(self._reveal)
        return self.channel.words

    async def confirm(self, answer: "asyncio.Future[bool]") -> None:
        try:
            yes = await self._in_time(_result(answer))
        except LinkExpired:
            await self._end(declined=False)
            raise
        if not yes:
            await self._end(declined=True)
            raise LinkDeclined(
                "you said no: the new device was not added, and got nothing",
                "if the words differed, somebody stood in between; begin again where nobody sees the code",
            )

    async def let_in(self) -> DeviceId:
        """Ask for the new device's signatures until they stand under an entry that the register takes."""
        registration = self._session.home.registration
        for _ in range(TRIES):
            await registration.sync()
            register = self._state.register.state
            body = self._body(register)
            await self._say(self._grant(register, body))
            signed = await self._hear(Countersigned, ANSWER_SECONDS)
            self._promise()
            try:
                await registration.append(lambda now, at=register, body=body, by=signed: self._entry(now, at, body, by))  # type: ignore[misc]  # mypy infers no lambda with defaults
            except _Moved:
                continue
            return self.device
        await self._end(declined=False)
        raise LinkExpired("the register moved each time before the new device was in it", "try again in a minute")

    async def hand_over(self) -> None:
        """Tell it, wait until it can be added, and until its rooms and history are on their way. Never raises: the
        chores go on."""
        with contextlib.suppress(CoterieError):
            await self._say(Added())
            await self._hear(AtHome, ANSWER_SECONDS)
            own_devices.look_now(self._state, self.device)
            with contextlib.suppress(NotSettled):
                await self._done_within(HAND_OVER_SECONDS)
            here = [row.room for row in self._state.live_groups() if self._is_in(row.group)]
            promise = self._state.store.linking.promised(self.device)
            parts = 0 if promise is None or not promise.kept else promise.parts
            await self._say(HandedOver(list(here[:MOST_ROOMS]), parts))
            # it may end the connection as soon as it has this; closing the queue first would take it away
            await self._hear(AtHome, ANSWER_SECONDS)

    def _body(self, register: Register) -> bytes:
        channel, state = self.channel, self._state
        return author.device_addition(register, state.own.key, channel.device, channel.leaf, now_ms=state.now())

    def _grant(self, register: Register, body: bytes) -> Grant:
        state = self._state
        key = state.register.current_key()
        if key is None:
            raise NoCoterieKey("the coterie's key was rotated a moment ago", "sync and try again")
        confirmed = bool(state.store.facts.number(Fact.CONFIRMED))
        return Grant(body, state.own.member, register.generation, bytes(key), confirmed)

    def _entry(self, now: Register, at: Register, body: bytes, signed: Countersigned) -> bytes:
        if now.head != at.head:
            raise _Moved
        signatures = (signed.device, signed.leaf)
        return author.with_countersignatures(now, self._state.own.key, body, signatures, now_ms=self._state.now())

    def _promise(self) -> None:
        """Before the entry: whoever learns it plans the history in the same transaction."""
        since = self._history.since(self._state.now())
        if since is not None:
            with self._state.groups.changing():
                self._state.store.linking.promise(self.device, since)

    def _is_in(self, group: GroupId) -> bool:
        return self.device in self._state.roster(group).devices

    async def _done_within(self, seconds: float) -> None:
        """Until it is in all rooms and its history is posted. Raises NotSettled."""
        state, changed = self._state, self._state.watch()

        def done() -> bool:
            promise = state.store.linking.promised(self.device)
            history = promise is None or promise.kept
            posted = not any(post.device == self.device for post in state.store.inbox.posts())
            return history and posted and not own_devices.rooms_without(state, self.device)

        async def watch() -> None:
            while not done():
                changed.clear()
                with contextlib.suppress(TimeoutError):
                    # posts that went are told to nobody
                    await asyncio.wait_for(changed.wait(), 1.0)

        try:
            await self._session.until(watch(), seconds)
        finally:
            state.unwatch(changed)

    async def _say(self, said: AnySaid) -> None:
        await self._relay.say(self.channel.seal(said))

    async def _hear(self, kind: type[T], seconds: float) -> T:
        """The next thing that the new device says, which must be of this kind. Others who have the code are passed
        over. Raises LinkBroken, LinkExpired, OtherSideGone."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    _, entry = await self._in_time(self._relay.hear())
                    if isinstance(entry, Sealed):
                        break
        except TimeoutError:
            raise LinkExpired("the new device does not answer any more", _AGAIN) from None
        said = self.channel.open_untrusted(entry)
        if not isinstance(said, kind):
            raise LinkBroken("something else was said than was asked for")
        return said

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """Raises LinkExpired when the code's time is over, or the server has closed its queue."""
        try:
            async with asyncio.timeout_at(self._until):
                return await work
        except OtherSideGone:
            raise LinkExpired("the server has ended linking", _AGAIN) from None
        except TimeoutError:
            raise LinkExpired("ten minutes have passed: this code has expired", _AGAIN) from None

    async def _end(self, *, declined: bool) -> None:
        with contextlib.suppress(OfflineError, RefusedError):
            await self._relay.say(End(declined))


async def _result(answer: "asyncio.Future[bool]") -> bool:
    return await answer


_AGAIN: Final = "nothing was added; begin again with: coterie device add"
