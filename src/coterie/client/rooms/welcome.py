"""Joining a group by a Welcome: look at everything before accepting anything (docs/protocol/groups.md, "Welcomes")."""

import coterie_mls
from coterie_mls import MlsError

from coterie.client.chores import ChoreKind
from coterie.client.facts import RoomState
from coterie.client.linking.own_devices import plan_own_devices
from coterie.client.rooms import stuck
from coterie.client.state import LIVE_STATES, DeviceState
from coterie.errors import PeerError
from coterie.group.context import MalformedContext, RoomContext, decode_context_untrusted
from coterie.group.credential import MalformedCredential, claim_untrusted
from coterie.group.inbox import VerifiedEntry
from coterie.group.inbox_bodies import Welcome
from coterie.group.roster import Roster
from coterie.group.suites import NeedsAnotherCoterie
from coterie.ids import GroupId, RoomId
from coterie.store.facts import Fact
from coterie.store.groups import GroupRow
from coterie.store.rooms import RoomRow

UPDATE_SOON_MS = 60_000
LARGE_GROUP = 20


class WelcomeRefused(PeerError):
    """Why a Welcome is not accepted; it is forgotten then, and an alarm stands."""

    code = "welcome_refused"


def join(state: DeviceState, entry: VerifiedEntry, body: Welcome, welcome: bytes, tree: bytes) -> RoomId:
    """Join, in one transaction. `welcome` and `tree` are what the body names, fetched and opened.

    Raises WelcomeRefused, with everything as it was.
    """
    group, room = GroupId(body.group), RoomId(body.room)
    _check_place(state, entry, body)
    with state.groups.changing():
        state.store.inbox.see(entry.id, entry.at)
        staged = _stage(state, welcome, tree)
        context = _check(state, entry, body, staged)
        known, before = state.store.groups.get(group), state.store.groups.of_room(room)
        text = _explain(state, entry, body)
        if known is not None:
            state.groups.drop(group)
        size, devices = len(staged.members), Roster.of(staged.members).devices
        try:
            mls = staged.join()
        except MlsError as error:
            raise WelcomeRefused(f"an invitation to a room does not open ({error.code})") from None
        state.groups.adopt(mls)
        place = known.place if known is not None else (before[-1].place + 1 if before else 0)
        now = state.now()
        state.store.groups.put(
            GroupRow(
                group=group,
                room=room,
                place=place,
                queue=body.queue,
                suite=body.suite,
                # the server says where this device's first epoch begins; the Base must agree
                cursor=0,
                first=0,
                chain=None,
                register_floor=body.register_seq,
                leaving=None,
                opened=True,
                joined_at=now,
                joined_epoch=body.epoch,
                epoch=body.epoch,
                roster=devices,
                adder=entry.sender,
            )
        )
        state.store.rooms.put(RoomRow(room, context.name, context.topic, RoomState.ACTIVE, "", group, now))
        for out in state.store.outbox.of_room(room):
            state.store.outbox.not_accepted(out.id)
        state.notice(room, place, 0 if known is None else None, text)
        _plan_update(state, group, size)
        plan_own_devices(state, devices)
    state.changed()
    return room


def must_wait(state: DeviceState, body: Welcome) -> bool:
    """A Welcome into the living group that this device is in: if it is true, the queue brings the removal first."""
    here = state.store.rooms.get(RoomId(body.room))
    if here is None or here.group != body.group or here.state not in LIVE_STATES:
        return False
    return state.groups.get(here.group).epoch < body.epoch


def _explain(state: DeviceState, entry: VerifiedEntry, body: Welcome) -> str:
    who, here = state.register.name(entry.member), state.store.rooms.get(RoomId(body.room))
    if entry.member == state.own.member:
        return "another of your devices added this one"
    if here is None:
        return f"{who} added you"
    if here.group == body.group:
        return f"{who} added this device again; what was said in between is missing"
    if stuck.founder_of(state, RoomId(body.room), GroupId(body.group)) is not None:
        return f"{who} founded this room again, because a change could not be processed"
    return f"{who} added you to this room anew; who is in it may be others than before"


def _check_place(state: DeviceState, entry: VerifiedEntry, body: Welcome) -> None:
    """Who may put this group here, on this queue. A room that is here already is given up for one thing only: the same
    group by somebody who was in it, or the successor that its founder announced."""
    room, group = RoomId(body.room), GroupId(body.group)
    here, known = state.store.rooms.get(room), state.store.groups.get(group)
    on_queue = state.store.groups.by_queue(body.queue)
    if body.queue == state.store.facts.get(Fact.INBOX_QUEUE) or (on_queue is not None and on_queue.group != group):
        raise WelcomeRefused("an invitation to a room names a queue that is something else's")
    if known is not None:
        if (known.room, known.queue) != (room, body.queue):
            raise WelcomeRefused("an invitation makes a known group another room's, or puts it on another queue")
        if here is not None and here.group == group and here.state in LIVE_STATES:
            raise WelcomeRefused(f"somebody sent an old invitation to the room {here.name!r}")
        if entry.sender not in known.roster:
            raise WelcomeRefused("somebody who was not in a room sent an invitation to it")
        return
    if here is None or here.state in (RoomState.LEFT, RoomState.REMOVED):
        return
    succession = stuck.founder_of(state, room, group)
    if succession is None or stuck.place_of(state, room, group) is not stuck.Place.OPEN:
        raise WelcomeRefused(f"somebody tried to put another group in place of the room {here.name!r}")
    if (succession.queue, succession.author) != (body.queue, entry.member):
        raise WelcomeRefused(f"somebody else than its founder invited to the successor of the room {here.name!r}")


def _stage(state: DeviceState, welcome: bytes, tree: bytes) -> coterie_mls.StagedWelcome:
    try:
        return state.groups.client.stage_welcome(welcome, tree)
    except MlsError as error:
        raise WelcomeRefused(f"an invitation to a room does not open ({error.code})") from None


def _check(state: DeviceState, entry: VerifiedEntry, body: Welcome, staged: coterie_mls.StagedWelcome) -> RoomContext:
    """Every leaf against the register, the sender against the signature, the rest against the entry.

    Raises WelcomeRefused.
    """
    try:
        context = decode_context_untrusted(staged.extension, staged.suite)
        roster = Roster.of(staged.members)
        sender = claim_untrusted(staged.sender)
    except (MalformedContext, MalformedCredential, NeedsAnotherCoterie) as bad:
        raise WelcomeRefused(f"an invitation to a room cannot be read: {bad.fact}", bad.hint) from None
    if (staged.group_id, staged.epoch, staged.suite) != (
        body.group,
        body.epoch,
        body.suite,
    ) or context.room != body.room:
        raise WelcomeRefused("an invitation to a room is for another group than it says")
    if sender.device != entry.sender:
        raise WelcomeRefused("an invitation to a room was signed by another device than the one that made it")
    if state.register.hash_at(body.register_seq) != body.register_hash:
        raise WelcomeRefused("an invitation to a room names another register than yours")
    # a device that the register refused since then is removed before anything is sent; one refused then never came in
    refused = roster.refused(state.register.state_at(body.register_seq) or state.register.state)
    if refused:
        raise WelcomeRefused(
            f"the room {context.name!r} holds a device that the register refuses: {refused[0].sentence}"
        )
    return context


def _plan_update(state: DeviceState, group: GroupId, size: int) -> None:
    """Each device updates its path after joining; in large groups spread over a day."""
    spread = 86_400_000 if size > LARGE_GROUP else UPDATE_SOON_MS
    delay = int.from_bytes(state.random(8), "big") % spread
    state.store.chores.plan(ChoreKind.UPDATE_PATH, group, state.now() + delay)
