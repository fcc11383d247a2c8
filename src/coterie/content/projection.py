"""What is shown of one message, from all that was said about it: edits, deletions, reactions, pins, votes.

Pure. The room's order decides, never the order of arrival: the same events give the same view however they came, twice
or in pieces, also before their message. What cannot change the view any more is named as spent, and is to be forgotten.

| said | counts if | and then |
|---|---|---|
| edit | by the message's author, of a text | the last one is shown |
| deletion | by the author, or by an admin of the room at that place | nothing of the message is shown, ever again |
| reaction | not taken back | at most MOST_REACTIONS of a member, the first ones |
| taking back a reaction | by its author, or by an admin | |
| pin | always | the last one counts |
| vote | in a poll, for options that it has | each member's last one counts; of a poll for one, the first of them |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from coterie.content.limits import MOST_REACTIONS
from coterie.content.naming import MimiId
from coterie.content.pin import Pin
from coterie.content.poll import Poll, Vote
from coterie.content.reaction import Reaction
from coterie.content.text import Edit, Retract, Text
from coterie.ids import MemberId

About: TypeAlias = Edit | Retract | Reaction | Pin | Vote
"""Content that says something about a message."""


@dataclass(frozen=True, order=True)
class Order:
    """The group's place in the room, the queue's number there; `arrival` orders what has no number yet."""

    place: int
    n: int
    arrival: int


@dataclass(frozen=True)
class Event:
    """`by_admin`: its author was an admin of the room at its place in the order."""

    id: MimiId
    author: MemberId
    order: Order
    content: About
    by_admin: bool = False

    @property
    def target(self) -> MimiId:
        return target_of(self.content)


@dataclass(frozen=True)
class Original:
    """The message as its author sent it; `content` is None for what this version does not know."""

    id: MimiId
    author: MemberId
    content: Text | Poll | None


@dataclass(frozen=True)
class Shown:
    """`edit` stands in place of the text. Members stand in the order in which they reacted or voted. `spent` events
    change nothing any more, whatever comes."""

    edit: Event | None = None
    deleted_by: MemberId | None = None
    reactions: tuple[tuple[str, tuple[MemberId, ...]], ...] = ()
    pinned_by: MemberId | None = None
    votes: tuple[tuple[MemberId, ...], ...] = ()
    spent: frozenset[MimiId] = frozenset()


NOTHING: Final = Shown()


def target_of(content: About) -> MimiId:
    return content.replaces if isinstance(content, Edit | Retract) else content.reply_to


def project(original: Original | None, events: Iterable[Event]) -> Shown:
    """`events` are those about the message, and those that take back reactions to it. Without the message nothing is
    shown; only what was taken back is spent already."""
    ordered = sorted({event.id: event for event in events}.values(), key=lambda event: event.order)
    taken_back = _taken_back(ordered)
    if original is None:
        return Shown(spent=taken_back)
    mine = [event for event in ordered if event.target == original.id and event.id not in taken_back]
    deletion = next((event for event in mine if _deletes(original, event)), None)
    if deletion is not None:
        rest = frozenset(event.id for event in mine if event.id != deletion.id)
        return Shown(deleted_by=deletion.author, spent=taken_back | rest)
    edits = [event for event in mine if isinstance(event.content, Edit)]
    fit = [event for event in edits if isinstance(original.content, Text) and event.author == original.author]
    edit = fit[-1] if fit else None
    refused = {event.id for event in mine if isinstance(event.content, Retract)}
    pins, votes = _last_pin(mine), _last_votes(mine)
    outdone = {event.id for event in mine if isinstance(event.content, Pin) and event is not pins}
    outdone |= {event.id for event in mine if isinstance(event.content, Vote) and votes[event.author] is not event}
    superseded = {event.id for event in edits if event is not edit}
    pinned = pins is not None and isinstance(pins.content, Pin) and pins.content.pinned
    return Shown(
        edit=edit,
        reactions=_reactions(mine),
        pinned_by=pins.author if pins is not None and pinned else None,
        votes=_votes(original.content, votes.values()) if isinstance(original.content, Poll) else (),
        spent=taken_back | refused | outdone | superseded,
    )


def _deletes(original: Original, event: Event) -> bool:
    return isinstance(event.content, Retract) and (event.author == original.author or event.by_admin)


def _taken_back(ordered: list[Event]) -> frozenset[MimiId]:
    reactions = {event.id: event for event in ordered if isinstance(event.content, Reaction)}
    return frozenset(
        event.target
        for event in ordered
        if isinstance(event.content, Retract)
        and event.target in reactions
        and (event.by_admin or event.author == reactions[event.target].author)
    )


def _reactions(mine: list[Event]) -> tuple[tuple[str, tuple[MemberId, ...]], ...]:
    by_emoji: dict[str, dict[MemberId, None]] = {}
    said: dict[MemberId, set[str]] = {}
    for event in mine:
        if isinstance(event.content, Reaction):
            emojis = said.setdefault(event.author, set())
            if len(emojis) < MOST_REACTIONS or event.content.emoji in emojis:
                emojis.add(event.content.emoji)
                by_emoji.setdefault(event.content.emoji, {})[event.author] = None
    return tuple((emoji, tuple(members)) for emoji, members in by_emoji.items())


def _last_pin(mine: list[Event]) -> Event | None:
    return next((event for event in reversed(mine) if isinstance(event.content, Pin)), None)


def _last_votes(mine: list[Event]) -> dict[MemberId, Event]:
    return {event.author: event for event in mine if isinstance(event.content, Vote)}


def _votes(poll: Poll, last: Iterable[Event]) -> tuple[tuple[MemberId, ...], ...]:
    counted: list[list[MemberId]] = [[] for _ in poll.options]
    for event in sorted(last, key=lambda event: event.order):
        if isinstance(event.content, Vote):
            valid = [option for option in event.content.options if option < len(poll.options)]
            for option in valid if poll.many else valid[:1]:
                counted[option].append(event.author)
    return tuple(tuple(members) for members in counted)
