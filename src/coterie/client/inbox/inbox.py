"""What came in this device's inbox: opened, verified, and handed to whom it concerns. Each id is acted on once."""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from coterie_mls import MlsError

from coterie.client.chores import ChoreKind
from coterie.client.connection import Connection, ServerRefused
from coterie.client.inbox.packages import inbox_keys
from coterie.client.linking import history
from coterie.client.membership.after_register import plan_rotation
from coterie.client.rooms import stuck, welcome
from coterie.client.rooms.blobs import BlobWrong, get_blob
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.group import chain
from coterie.group.inbox import (
    INBOX_TTL_MS,
    BadInboxEntry,
    InboxRefusal,
    VerifiedEntry,
    open_entry_untrusted,
    verify_entry,
)
from coterie.group.inbox_bodies import (
    Base,
    HeadNotice,
    HistoryPart,
    KeyDelivery,
    KeyWanted,
    Rejoin,
    Stuck,
    Succession,
    Welcome,
)
from coterie.group.sealed_blob import BadBlob, BlobRef, open_blob_untrusted
from coterie.ids import DeviceId, GroupId, MemberId, QueueId, RoomId
from coterie.store.facts import Fact
from coterie.trust.coterie_key import WrongCoterieKey
from coterie.trust.kinds import Role


class Dealt(Enum):
    """DONE with the entry, or it must WAIT: for the register, for being confirmed, for a blob."""

    DONE = auto()
    WAIT = auto()


class _SeenIds:
    """The ids taken before, as `verify_entry` asks for them."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state

    def __contains__(self, entry_id: object) -> bool:
        return isinstance(entry_id, bytes) and self._state.store.inbox.saw(entry_id)


class Inbox:
    """`all_read`: the rooms have taken in what the server has for them; before that nothing is given up that waits."""

    def __init__(self, state: DeviceState, all_read: Callable[[], bool]) -> None:
        self._state = state
        self._all_read = all_read
        self._dealt = 0

    async def deal(self, connection: Connection) -> tuple[int, int]:
        """Deal with what waits, in order; what must wait stays. Returns (dealt with, waiting)."""
        waiting = self._dealt = 0
        for n, at, payload in self._state.store.inbox.entries():
            try:
                dealt = await self._deal(connection, n, at, payload)
            except MlsError as broken:
                # one entry must not stop the device: it is named, and forgotten
                dealt = Dealt.DONE
                self._broken(n, broken.code)
            if dealt is Dealt.WAIT:
                waiting += 1
                continue
            with self._state.groups.changing():
                self._state.store.inbox.finish_entry(n)
            self._dealt += 1
        return self._dealt, waiting

    async def _deal(self, connection: Connection, n: int, at: int, payload: bytes) -> Dealt:
        state = self._state
        try:
            opened = open_entry_untrusted(
                state.own.coterie,
                state.own.device,
                QueueId(state.store.facts.need(Fact.INBOX_QUEUE)),
                inbox_keys(state),
                payload,
            )
            entry = verify_entry(opened, state.register.state, _SeenIds(state), at)
        except BadInboxEntry as bad:
            # a sender who joined a moment ago: the register is read on before the next look
            return Dealt.WAIT if bad.refusal is InboxRefusal.UNKNOWN_SENDER and not self._given_up(at) else Dealt.DONE
        if isinstance(entry.body, Welcome):
            return await self._welcome(connection, n, at, entry, entry.body)
        if isinstance(entry.body, HistoryPart):
            return await self._history(connection, at, entry, entry.body)
        if self._early(entry) and not self._given_up(at):
            return Dealt.WAIT
        with state.groups.changing():
            state.store.inbox.see(entry.id, entry.at)
            self._act(entry, at)
        state.changed()
        return Dealt.DONE

    def _early(self, entry: VerifiedEntry) -> bool:
        """It speaks of what is not here yet: register entries, or where this device's reading of a room begins."""
        register = self._state.register
        match entry.body:
            case HeadNotice(seq=seq):
                return seq > register.seq
            case KeyDelivery(generation=generation):
                return generation > register.state.generation
            case Base(group=group, epoch=epoch):
                row = self._state.store.groups.get(GroupId(group))
                if row is None or row.joined_epoch != epoch:
                    return row is None or row.joined_epoch < epoch
                return row.chain is None and row.first == 0
            case _:
                return False

    def _broken(self, n: int, code: str) -> None:
        with self._state.groups.changing():
            self._state.alarm(
                "inbox",
                str(n),
                f"an entry of the inbox could not be used ({code})",
                "the other entries are; tell a steward",
            )

    def _given_up(self, at: int) -> bool:
        """A device that was away for a week first reads what its rooms have to say: an entry may wait for that."""
        age = 0 if self._state.clock_apart else self._state.now() - at
        # what was dealt with a moment ago may have been what it waits for
        return age > INBOX_TTL_MS or (age > _WAIT_MS and not self._dealt and self._all_read())

    def _act(self, entry: VerifiedEntry, at: int) -> None:
        state = self._state
        match entry.body:
            case HeadNotice():
                self._head(entry, entry.body)
            case KeyDelivery():
                self._key(entry.body)
            case KeyWanted():
                self._key_wanted(entry, entry.body)
            case Base():
                self._base(entry.sender, entry.body)
            case Rejoin():
                stuck.hear_rejoin(state, entry.sender, entry.body, at)
            case Stuck():
                stuck.hear_stuck(state, entry.sender, entry.body, at)
            case Succession():
                stuck.hear_succession(state, entry.member, entry.body)
            case _:
                # a kind of a newer Coterie: kept nowhere, since nobody can act on it here
                pass

    def _head(self, entry: VerifiedEntry, said: HeadNotice) -> None:
        """A peer's register head: the first from an inviter or steward confirms the coterie to a newcomer."""
        state = self._state
        here = state.register.hash_at(said.seq)
        if here is None:
            return
        if here != said.hash:
            who = state.register.name(entry.member)
            state.alarm(
                "forked register",
                str(said.seq),
                f"{who} has another register than you, at entry {said.seq}",
                "the server may show different members to different people: compare safety numbers with a steward",
            )
            return
        joined = state.register.joined_seq(state.own.device)
        if joined is not None and said.seq >= joined and self.vouches(entry.member):
            state.store.facts.put_number(Fact.CONFIRMED, 1)

    def vouches(self, member: MemberId) -> bool:
        """The inviter, the stewards, one's own devices: whose word confirms the coterie, and whose Welcomes a newcomer
        accepts."""
        register = self._state.register.state
        if register.member(member).role in (Role.FOUNDER, Role.STEWARD) or member == self._state.own.member:
            return True
        # nobody invited the founder: one who came back takes the word of any member
        return register.member(self._state.own.member).invited_by in (member, None)

    def _key(self, said: KeyDelivery) -> None:
        state = self._state
        if said.generation > state.register.state.generation:
            return
        try:
            state.register.learn_key(said.generation, said.coterie_key)
        except WrongCoterieKey as wrong:
            state.alarm("coterie key", str(said.generation), wrong.fact, wrong.hint)
            return
        if state.register.current_key() is not None:
            state.store.chores.finish(ChoreKind.KEY_WANTED, b"")
            plan_rotation(state)

    def _key_wanted(self, entry: VerifiedEntry, said: KeyWanted) -> None:
        key = self._state.register.coterie_keys().get(said.generation)
        if key is not None:
            self._state.post(entry.sender, KeyDelivery(said.generation, bytes(key)))

    def _base(self, sender: DeviceId, said: Base) -> None:
        """The adder's word on the chain, and nobody else's: from here on the chain is absolute."""
        state = self._state
        row = state.store.groups.get(GroupId(said.group))
        if row is None or row.chain is not None or (row.adder, row.joined_epoch) != (sender, said.epoch):
            return
        if row.first != said.n:
            name = state.room(row.room).name
            state.alarm(
                "split queue",
                row.group.hex(),
                f"the server let you read the room {name!r} from entry {row.first} on; you were added with {said.n}",
                "messages may be missing here: compare with the others over another channel",
            )
            return
        try:
            links = chain.rebase(chain.Chain(said.n, said.chain), state.store.groups.hashes_after(row.group, said.n))
        except chain.BaseDoesNotFit:
            return
        for link in links[1:]:
            known = state.store.groups.chain_at(row.group, link.n)
            if known is not None and link.value is not None:
                state.store.groups.add_chain(row.group, link.n, known[0], link.value)
        here = links[-1]
        said_since = {
            MemberId(wish.subject)
            for wish in state.store.rooms.wishes(row.room)
            if wish.action == Action.REMOVE_LEAVING
        }
        leaving = frozenset(MemberId(member) for member in said.leaving) | said_since
        state.store.groups.put(
            replace(row, first=said.n, cursor=max(row.cursor, here.n), chain=here.value, leaving=leaving)
        )

    async def _welcome(self, connection: Connection, n: int, at: int, entry: VerifiedEntry, body: Welcome) -> Dealt:
        state = self._state
        if body.register_seq > state.register.seq or welcome.must_wait(state, body):
            return Dealt.DONE if self._given_up(at) else Dealt.WAIT
        if not state.store.facts.number(Fact.CONFIRMED) and not self.vouches(entry.member):
            return Dealt.WAIT
        if n <= state.store.facts.number(Fact.OTHER_COPY):
            self._ask_for_another(entry, body)
            return Dealt.DONE
        match stuck.place_of(state, RoomId(body.room), GroupId(body.group)):
            case stuck.Place.NOT_YET if not self._given_up(at):
                return Dealt.WAIT
            case stuck.Place.OUTRANKED:
                return Dealt.DONE
        try:
            tree = await self._blob(connection, body.tree)
            mls_welcome = body.welcome
            if isinstance(mls_welcome, BlobRef):
                mls_welcome = await self._blob(connection, mls_welcome)
            welcome.join(state, entry, body, mls_welcome, tree)
        except (welcome.WelcomeRefused, BadBlob, BlobWrong, ServerRefused) as refused:
            with state.groups.changing():
                who = state.register.name(entry.member)
                state.alarm("invitation", entry.id.hex(), f"an invitation by {who} was refused: {refused.fact}", _ASK)
                state.store.inbox.see(entry.id, entry.at)
        return Dealt.DONE

    async def _history(self, connection: Connection, at: int, entry: VerifiedEntry, part: HistoryPart) -> Dealt:
        state = self._state
        if not history.may_send_history(state, entry):
            return Dealt.DONE
        if history.too_early(state, part) and not self._given_up(at):
            return Dealt.WAIT
        try:
            await history.take_history(state, connection, entry, part)
        except (history.BadHistory, BadBlob, BlobWrong, ServerRefused) as refused:
            with state.groups.changing():
                state.alarm("history", entry.id.hex(), f"a part of the history is missing: {refused.fact}", _LINK_AGAIN)
                state.store.inbox.see(entry.id, entry.at)
        return Dealt.DONE

    def _ask_for_another(self, entry: VerifiedEntry, body: Welcome) -> None:
        """Another copy of this store may have used this Welcome: its ratchets are not ours."""
        state = self._state
        with state.groups.changing():
            state.store.inbox.see(entry.id, entry.at)
            if state.store.rooms.get(RoomId(body.room)) is None:
                state.post(entry.sender, Rejoin(body.room, body.group, body.epoch))

    async def _blob(self, connection: Connection, ref: BlobRef) -> bytes:
        return open_blob_untrusted(ref, await get_blob(connection, ref))


_WAIT_MS = 3_600_000
_LINK_AGAIN = "your other device still has it"
_ASK = "ask them to invite you again; if it happens again, tell a steward"
