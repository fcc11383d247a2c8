"""What a row of the table of kinds is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from coterie.trust.entry import DecodedEntry
from coterie.trust.keys import Purpose
from coterie.trust.kinds import Public, Role
from coterie.trust.powers import may
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Act, Member, Register

P = TypeVar("P", bound=Public)
Signers = tuple[tuple[Purpose, bytes], ...]
"""Purposes and public keys in the order of the entry's signatures."""


def no_keys(_: Public) -> tuple[bytes, ...]:
    return ()


def by_author(state: Register, entry: DecodedEntry, _: Public) -> Signers:
    return ((Purpose.ENTRY_DEVICE, state.device(entry.author).key),)


@dataclass(frozen=True, slots=True)
class Rule(Generic[P]):
    """One kind. `effect` runs when author, keys and signatures are right; it gives the next state but for `head`, `at`
    and the new keys in `used`, which are the same for every kind."""

    public: type[P]
    effect: Callable[[Register, DecodedEntry, P], Register]
    new_keys: Callable[[P], tuple[bytes, ...]] = no_keys
    signers: Callable[[Register, DecodedEntry, P], Signers] = by_author
    new_device: Callable[[P], bytes] | None = None
    """For a kind whose author is the device that it brings: that device's key. None: the author is one in force."""
    act: Callable[[Register, Member, P], Act | None] | None = None
    """For a kind that can be proposed: the power it takes, or None where the author needs none. `effect` then looks at
    no power."""

    def run(self, state: Register, entry: DecodedEntry, public: P) -> Register:
        if self.act is not None:
            author = state.member_of(entry.author)
            act = self.act(state, author, public)
            if act is not None:
                demand_act(state, author, act)
        return self.effect(state, entry, public)


def demand(allowed: bool, reason: Reason = Reason.NO_POWER) -> None:
    if not allowed:
        raise RegisterError(reason)


def demand_act(state: Register, author: Member, act: Act) -> None:
    """By oneself. Raises RegisterError(NO_POWER | NEEDS_QUORUM)."""
    if act.is_weighty:
        demand_say(author, act)
        demand(state.decides_alone(author, act), Reason.NEEDS_QUORUM)
    else:
        demand(all(may(author.role, act.action, role) for role in act.roles))


def demand_say(author: Member, act: Act) -> None:
    """In something weighty. What the founder could not do, nobody can."""
    demand(author.role in (Role.FOUNDER, Role.STEWARD))
    demand(all(may(Role.FOUNDER, act.action, role) for role in act.roles))
