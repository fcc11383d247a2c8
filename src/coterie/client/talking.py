"""What a device says in its rooms, and what it reads there: the part of `Device` that is about messages.

Everything said is stored and shown at once; it goes out when the server can be reached.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Final

from coterie.client import views
from coterie.client.facts import MessageFacts, MessageState, RoomFacts, RoomState, Sent
from coterie.client.find import find
from coterie.client.online.session import Online
from coterie.client.online.shared_session import SharedSession
from coterie.client.rooms import expiry, outgoing, receipts, said
from coterie.client.rooms.content_row import understood
from coterie.client.rooms.new_group import new_group
from coterie.client.state import LIVE_STATES, DeviceState
from coterie.content import (
    Expiry,
    MimiId,
    Poll,
    Reaction,
    encode_edit,
    encode_pin,
    encode_poll,
    encode_reaction,
    encode_retract,
    encode_vote,
    with_links,
)
from coterie.errors import CallerError, OfflineError, RefusedError
from coterie.group.context import new_context
from coterie.group.suites import Suite
from coterie.ids import MessageId, RoomId
from coterie.store.events import EventRow
from coterie.store.facts import Fact
from coterie.store.marks import RoomMark
from coterie.store.messages import Gone, MessageRow

SEND_WAIT_S: Final = 10.0
NOTES: Final = "Notes"
_SHORTEST_PREFIX: Final = 6


class RoomNotLive(RefusedError):
    """The room is left, removed or stuck: history only."""

    code = "room_not_live"


class NoMessage(CallerError):
    code = "usage"


class MayNot(RefusedError):
    """Only the author may do this to a message, or an admin."""

    code = "not_yours"


class MessageGone(RefusedError):
    """It was deleted, or has expired."""

    code = "message_gone"


class NothingToTakeBack(CallerError):
    code = "usage"


class NoPoll(CallerError):
    code = "usage"


class Talking:
    """Needs the state and the connection of the device."""

    _state: DeviceState
    _sessions: SharedSession

    # saying

    async def send(
        self,
        room: RoomId,
        text: str,
        wait: float = SEND_WAIT_S,
        *,
        reply_to: MessageId | None = None,
        expires_seconds: int | None = None,
    ) -> Sent:
        """Put a message on its way; it is in the outbox and on screen at once. Waits up to `wait` seconds until the
        server has stored it; otherwise it is queued, with the reason. `@Name` of somebody in the room mentions them.

        Without `expires_seconds` the room's own expiry counts. Raises TextTooLong, RoomNotLive, NoMessage, MessageGone.
        """
        self._must_be_live(room)
        answered = None if reply_to is None else MimiId(self._there(reply_to).named)
        until = self._expiry(room, expires_seconds)
        message = outgoing.queue_text(self._state, room, self._linked(room, text), reply_to=answered, expires=until)
        return await self._on_its_way(room, message, wait)

    async def reply(self, message: MessageId, text: str, wait: float = SEND_WAIT_S) -> Sent:
        """Answer a message in its room. Raises as `send`."""
        return await self.send(self._there(message).room, text, wait, reply_to=message)

    async def edit(self, message: MessageId, text: str, wait: float = SEND_WAIT_S) -> Sent:
        """Put another text in the place of one of this member's messages. Raises MayNot, MessageGone, as `send`."""
        row = self._there(message)
        if row.member != self._state.own.member or row.kind != "text":
            raise MayNot("only who wrote a text may edit it", "reply to it instead")
        until = Expiry(False, row.expires_at // 1000) if row.expires_at is not None else None
        linked = self._linked(row.room, text)
        return await self._say(row.room, lambda salt: encode_edit(salt, MimiId(row.named), linked, expires=until), wait)

    async def delete(self, message: MessageId, *, for_me: bool = False, wait: float = SEND_WAIT_S) -> Sent:
        """Delete a message for everyone (its author, and admins of the room), or on this device only. What never went
        out is taken back unsent. Raises MayNot, MessageGone, RoomNotLive."""
        row = self._row(message)
        if for_me:
            with self._state.groups.changing():
                expiry.forget(self._state, row, Gone.HIDDEN)
            self._after_deleting()
            return Sent(message, MessageState(row.state))
        self._there(message)
        state = self._state
        self._must_be_live(row.room)
        admin = said.is_admin(state, state.group_of(row.room), state.own.member)
        if row.kind == "notice" or not (admin or row.member == state.own.member):
            raise MayNot("only who wrote a message, or an admin of the room, may delete it for everyone", "--for me")
        waiting = state.store.outbox.of_message(message)
        if waiting is not None and waiting.ciphertext is None:
            with state.groups.changing():
                state.store.outbox.finish(waiting.id)
                expiry.forget(state, row, Gone.DELETED)
                state.store.messages.set_state(message, MessageState.UNSENT)
            self._after_deleting()
            return Sent(message, MessageState.UNSENT)
        sent = await self._say(row.room, lambda salt: encode_retract(salt, MimiId(row.named)), wait)
        self._after_deleting()
        return sent

    async def react(self, message: MessageId, emoji: str, *, remove: bool = False, wait: float = SEND_WAIT_S) -> Sent:
        """React to a message, or take this member's reaction back. Raises BadReaction, NothingToTakeBack, as `send`."""
        row = self._there(message)
        if not remove:
            return await self._say(row.room, lambda salt: encode_reaction(salt, MimiId(row.named), emoji), wait)
        mine = [
            event
            for event in self._state.store.events.about(row.room, [row.named])
            if event.member == self._state.own.member
            and isinstance(content := understood(event.content), Reaction)
            and content.emoji == emoji
        ]
        if not mine:
            raise NothingToTakeBack("you have not reacted so", "`coterie read --json` lists the reactions")
        for earlier in mine[:-1]:
            await self._take_back(earlier, wait)
        return await self._take_back(mine[-1], wait)

    async def pin(self, message: MessageId, *, pinned: bool = True, wait: float = SEND_WAIT_S) -> Sent:
        """Keep a message at the top of its room for everybody, or not any more. Raises as `send`."""
        row = self._there(message)
        return await self._say(row.room, lambda salt: encode_pin(salt, MimiId(row.named), pinned=pinned), wait)

    async def poll(
        self, room: RoomId, question: str, options: Sequence[str], *, many: bool = False, wait: float = SEND_WAIT_S
    ) -> Sent:
        """Ask the room. `many`: one may vote for more than one option. Raises BadPoll, RoomNotLive."""
        self._must_be_live(room)
        until = self._expiry(room, None)
        return await self._say(room, lambda salt: encode_poll(salt, question, options, many=many, expires=until), wait)

    async def vote(self, poll: MessageId, options: Sequence[int], wait: float = SEND_WAIT_S) -> Sent:
        """Vote in a poll for options counted from 0; the last vote counts, none takes it back. Raises NoPoll."""
        row = self._there(poll)
        content = understood(row.content)
        if not isinstance(content, Poll):
            raise NoPoll("this message is no poll", "take the id of one from `coterie read --json`")
        if any(not 0 <= option < len(content.options) for option in options):
            raise NoPoll(f"the poll has the options 1 to {len(content.options)}", "choose among them")
        if len(set(options)) > 1 and not content.many:
            raise NoPoll("this poll takes one option", "choose one")
        return await self._say(row.room, lambda salt: encode_vote(salt, MimiId(row.named), options), wait)

    # reading

    def messages(
        self,
        room: RoomId | None = None,
        after: MessageId | None = None,
        limit: int | None = None,
        *,
        notices: bool = False,
    ) -> list[MessageFacts]:
        """In the room's order, or over all rooms in the order of arrival. With `limit` and no `after`, the newest.
        `notices`: the lines about membership too."""
        expiry.expire_due(self._state)
        start = self._message(after)
        if room is not None:
            rows = self._state.store.messages.of_room(room, start, limit, notices=notices)
        else:
            rows = self._state.store.messages.arrived_after(0 if start is None else start.id, notices=notices)
            if limit is not None:
                rows = rows[:limit] if start is not None else rows[-limit:]
        return views.messages(self._state, rows)

    def message(self, message: MessageId) -> MessageFacts:
        """Raises NoMessage."""
        expiry.expire_due(self._state)
        return views.messages(self._state, [self._row(message)])[0]

    def find_message(self, named: str) -> MessageId:
        """By its id, or six characters of it. Raises Unknown, Ambiguous, NoMessage."""
        if len(named) < _SHORTEST_PREFIX or not all(character in "0123456789abcdef" for character in named.lower()):
            raise NoMessage(f"{named} is not a message's id", "`coterie read --ids` shows them")
        whole = bytes.fromhex(named if len(named) % 2 == 0 else named[:-1])
        rows = self._state.store.messages.begins_with(whole)
        return find("message", named, {row.message: None for row in rows if row.kind != "notice"})

    async def follow(
        self, room: RoomId | None = None, after: MessageId | None = None, *, notices: bool = False
    ) -> AsyncIterator[MessageFacts]:
        """What is here (after `after`), then what comes, in the order of arrival, until cancelled. Only a device that
        is kept online (`run`) sees anything new."""
        changed = self._state.watch()
        start = self._message(after)
        position = 0 if start is None else start.id
        try:
            while True:
                changed.clear()
                expiry.expire_due(self._state)
                rows = self._state.store.messages.arrived_after(position, room, notices=notices)
                for facts, row in zip(views.messages(self._state, rows), rows, strict=True):
                    position = row.id
                    yield facts
                await changed.wait()
        finally:
            self._state.unwatch(changed)

    def mark_read(self, message: MessageId) -> int:
        """The person has read the room up to this message. Returns how many were new; where the room has receipts the
        others are told when the device is online."""
        row = self._row(message)
        with self._state.groups.changing():
            read = receipts.mark_read(self._state, row.room, row)
        if read:
            self._state.changed()
            self._sessions.look_again()
        return read

    # what only this device knows of a room

    def mute(self, room: RoomId, seconds: int) -> None:
        """For so long nothing of the room is worth a notification; 0: all of it is from now on."""
        until = self._state.now() + seconds * 1000 if seconds else None
        self._mark(room, replace(self._state.store.marks.get(room), muted_until=until))

    def archive(self, room: RoomId, *, archived: bool = True) -> None:
        """Put the room out of sight on this device, or back."""
        self._mark(room, replace(self._state.store.marks.get(room), archived=archived))

    def draft(self, room: RoomId, text: str) -> None:
        """Keep what is being written; empty: nothing."""
        self._mark(room, replace(self._state.store.marks.get(room), draft=text))

    def notes(self) -> RoomFacts:
        """The room of this member alone, for notes; made when first asked for. Works offline."""
        state = self._state
        known = state.store.facts.get(Fact.NOTES_ROOM)
        row = None if known is None else state.store.rooms.get(RoomId(known))
        if row is None or row.state not in LIVE_STATES:
            room = RoomId(state.random(16))
            with state.groups.changing():
                new_group(state, new_context(room, NOTES, state.own.member, Suite.XWING), 0)
                state.store.facts.put(Fact.NOTES_ROOM, room)
            state.changed()
            self._sessions.look_again()
            row = state.room(room)
        return views.room_facts(state, row)

    # inside

    def _mark(self, room: RoomId, mark: RoomMark) -> None:
        self._state.room(room)
        with self._state.groups.changing():
            self._state.store.marks.put(room, mark)
        self._state.changed()

    async def _say(self, room: RoomId, encode: Callable[[MessageId], bytes], wait: float) -> Sent:
        self._must_be_live(room)
        message = MessageId(self._state.random(16))
        outgoing.queue_content(self._state, room, message, encode(message))
        return await self._on_its_way(room, message, wait)

    async def _on_its_way(self, room: RoomId, message: MessageId, wait: float) -> Sent:
        def is_sent() -> bool:
            row = self._state.store.outbox.of_message(message)
            return row is None or row.posted is not None

        try:
            async with self._sessions.use() as session:
                session.look_again()
                await self._wait(session, is_sent, wait)
        except OfflineError as offline:
            if not is_sent():
                row = self._state.room(room)
                reason = row.reason if row.state != RoomState.ACTIVE else offline.fact
                return Sent(message, MessageState.QUEUED, reason)
        return Sent(message, MessageState.SENT)

    def _after_deleting(self) -> None:
        """What was deleted is to be nowhere on disk."""
        expiry.cut_log(self._state)
        self._state.changed()

    async def _take_back(self, reaction: EventRow, wait: float) -> Sent:
        return await self._say(
            reaction.room, lambda salt: encode_retract(salt, MimiId(reaction.named), reaction=True), wait
        )

    def _expiry(self, room: RoomId, seconds: int | None) -> Expiry | None:
        if seconds is None:
            seconds = self._state.context(self._state.room(room).group).policy.expiry
        return None if seconds is None else Expiry(False, min(self._state.now() // 1000 + seconds, 2**32 - 1))

    def _linked(self, room: RoomId, text: str) -> str:
        """Mentions of who is in the room; a name that two have means nobody."""
        state, members = self._state, {}
        for member in state.roster(state.room(room).group).members:
            name = state.register.names.members.get(member)
            if name is not None:
                members[name] = None if name in members else member
        return with_links(text, state.own.coterie, {name: one for name, one in members.items() if one is not None})

    def _message(self, message: MessageId | None) -> MessageRow | None:
        return None if message is None else self._row(message)

    def _row(self, message: MessageId) -> MessageRow:
        row = self._state.store.messages.get(message)
        if row is None:
            raise NoMessage(f"there is no message {message.hex()}", "take an id from `coterie read --json`")
        return row

    def _there(self, message: MessageId) -> MessageRow:
        """One that something can be said about."""
        expiry.expire_due(self._state)
        row = self._row(message)
        if row.gone:
            raise MessageGone("this message is gone", "it was deleted, or has expired")
        if not row.named:
            raise MayNot("this line was made by this device", "choose a message that somebody wrote")
        return row

    def _must_be_live(self, room: RoomId) -> None:
        row = self._state.room(room)
        if row.state not in (RoomState.ACTIVE, RoomState.HELD):
            raise RoomNotLive(f"{row.name!r} cannot be written to: {row.reason}", "its history stays readable")

    async def _wait(self, session: Online, done: Callable[[], bool], seconds: float) -> None:
        """Raises NotSettled after `seconds`, or why the connection ended."""
        changed = self._state.watch()

        async def watch() -> None:
            while not done():
                changed.clear()
                await changed.wait()

        try:
            await session.until(watch(), seconds)
        finally:
            self._state.unwatch(changed)
