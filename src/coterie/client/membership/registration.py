"""Learning the register from the server and appending to it. The server is believed about nothing but bytes."""

import asyncio
from collections.abc import Callable, Sequence

from coterie.client.connection import Connection
from coterie.client.membership.after_register import entries_learned
from coterie.client.state import DeviceState
from coterie.errors import OfflineError, PeerError, RefusedError
from coterie.ids import EntryHash
from coterie.store.facts import Fact
from coterie.trust import NewerCoterie, RegisterError
from coterie.trust.entry import MalformedEntry, entry_hash
from coterie.trust.heads import SignedHead, VerifiedHead, verify_head
from coterie.trust.keys import ForgedSignature, MalformedKey
from coterie.trust.register import Register
from coterie.wire import frames

TRIES = 20
MOST_RESTORES = 1000
"""More than these since the last connection are not believed: no later head could go before them."""


class RegisterAlarm(PeerError):
    """The server's register contradicts the one this device verified. An alarm stands; nothing was taken from it."""

    code = "register_alarm"


class ClockApart(RefusedError):
    """This device's clock cannot be right; it signs no register entry with it."""

    code = "clock_apart"


class RegisterBusy(OfflineError):
    """Others append faster."""

    code = "register_busy"


class Registration:
    """The register over one connection."""

    def __init__(self, state: DeviceState, connection: Connection) -> None:
        self._state = state
        self._connection = connection
        self._turn = asyncio.Lock()
        self._promised = 0

    def check_head(self, head: frames.SignedHead | None) -> VerifiedHead | None:
        """Hold the hub's signed head against what is here. Raises RegisterAlarm for one that is shorter or other."""
        state = self._state
        if head is None:
            if state.register.seq:
                raise self._alarm("the server says that the coterie is not founded, but it was")
            return None
        own = state.own
        try:
            verified = verify_head(own.service_key, own.coterie, SignedHead(*_fields(head)))
        except ForgedSignature:
            raise self._alarm("the server's word on the register's end is not signed by its key") from None
        here = state.register.hash_at(head.seq)
        generation = state.store.facts.number(Fact.GENERATION)
        if head.generation > generation + MOST_RESTORES:
            raise self._alarm(f"the server says that its log was restored {head.generation} times")
        if head.generation < generation or (head.generation == generation and head.seq < state.register.seq):
            raise self._alarm(
                f"the server's register ends at entry {head.seq}; this device has verified {state.register.seq} entries"
            )
        if here is not None and here != head.hash:
            raise self._alarm(f"the server shows another register: entry {head.seq} is not the one that is known here")
        self._promised = max(self._promised, head.seq)
        return verified

    async def sync(self) -> None:
        """Read on to the register's end. Raises RegisterAlarm, NewerCoterie."""
        async with self._turn:
            await self._sync()

    async def _sync(self, head: frames.SignedHead | None = None) -> None:
        if head is not None:
            self.check_head(head)
        read = head is not None
        while not read or self._state.register.seq < self._promised:
            read, promised = True, self._promised
            answer = await self._connection.request(frames.RegisterRead, after=self._state.register.seq)
            self.check_head(answer.head)
            if answer.entries:
                self.learn(answer.entries)
            elif self._state.register.seq < promised:
                raise self._alarm("the server withholds register entries that it has signed for")

    async def take(self, pushed: frames.RegisterPushed) -> None:
        """Entries as pushed; what is missing before them is read first."""
        async with self._turn:
            known = self._state.register.seq - (pushed.head.seq - len(pushed.entries))
            if known < 0:
                await self._sync(pushed.head)
            else:
                self.learn(pushed.entries[known:])
                # one that was overtaken by a read says nothing new
                if pushed.head.seq >= self._state.register.seq:
                    self.check_head(pushed.head)

    def learn(self, entries: Sequence[bytes]) -> None:
        """Verify and keep entries that follow what is here. Raises RegisterAlarm, NewerCoterie."""
        state = self._state
        try:
            verified = state.register.verify(entries)
        except NewerCoterie:
            raise
        except (RegisterError, MalformedEntry, MalformedKey) as error:
            raise self._alarm(f"the server sent a register entry that the rules refuse: {error.fact}") from None
        if not verified:
            return
        # what is to be done about an entry stands with it on disk, or neither does
        with state.register.learning(verified), state.groups.changing():
            state.register.store(verified)
            entries_learned(state, [entry for entry, _ in verified])
        # what waited for entries may have what it waited for
        state.undecidable.clear()
        state.changed()

    async def append(self, make: Callable[[Register], bytes]) -> EntryHash:
        """Sign an entry for the present state and append it; if another took the place, look again and sign again.

        Returns the entry's hash once it is accepted and kept here. Raises ClockApart before anything is signed,
        RegisterError from `make` (it no longer applies), ServerRefused.
        """
        if self._state.clock_apart:
            raise ClockApart(
                "this device's clock is more than five minutes from the server's", "set the clock, then try again"
            )
        async with self._turn:
            for _ in range(TRIES):
                await self._sync()
                entry = make(self._state.register.state)
                answer = await self._connection.request(frames.RegisterAppend, entry=entry)
                if isinstance(answer, frames.Appended):
                    await self._sync(answer.head)
                    return entry_hash(entry)
        raise RegisterBusy("the register moves each time before this device can append to it", "try again in a minute")

    def _alarm(self, fact: str) -> RegisterAlarm:
        with self._state.groups.changing():
            self._state.alarm(
                "register",
                fact,
                fact,
                "nothing was taken from it; ask a steward over another channel before you trust this server",
            )
        return RegisterAlarm(fact, "an alarm was raised; ask a steward over another channel")


def _fields(head: frames.SignedHead) -> tuple[int, int, bytes, bytes]:
    return head.generation, head.seq, head.hash, head.signature
