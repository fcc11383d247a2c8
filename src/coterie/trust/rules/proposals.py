"""Proposals: what is weighty, and the approvals with which it takes effect.

Co-signers sign an entry of their own that names the proposal's hash, so that nobody waits for a body whose place in the
register is gone; order alone says which approval was the last one needed (docs/decisions/quorum.md).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from coterie.ids import EntryHash
from coterie.trust.entry import DecodedEntry
from coterie.trust.kinds import Approved, Proposed, Public, Role
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Act, Member, Proposal, Register
from coterie.trust.rules.rule import Rule, demand, demand_say


class Proposals:
    """The rows of `Proposed` and `Approved`, over the rows of what can be proposed."""

    def __init__(self, rules: Iterable[Rule[Any]]) -> None:
        self._rules = {rule.public: rule for rule in rules if rule.act is not None}

    def proposed(self, state: Register, entry: DecodedEntry, proposed: Proposed) -> Register:
        author, public = state.member_of(entry.author), _proposed(entry)
        act = self._act(state, author, public)
        demand(act is not None and act.is_weighty, Reason.NO_QUORUM_NEEDED)
        assert act is not None
        demand_say(author, act)
        electorate = state.electorate(act)
        demand(author.id in electorate, Reason.NOT_COUNTED)
        proposal = Proposal(
            id=EntryHash(entry.hash),
            kind=proposed.kind,
            public=public,
            by=author.id,
            at=entry.at,
            electorate=electorate,
            needed=state.needed(electorate),
            founder_decides=state.policy.quorum is None,
            approved_by=(author.id,),
        )
        # What could not be done now is not put to anybody.
        done = self._rules[type(public)].effect(state, entry, public)
        return _settle(state, done, entry, proposal)

    def approved(self, state: Register, entry: DecodedEntry, public: Approved) -> Register:
        author, proposal = state.member_of(entry.author), state.proposal(public.proposal_id)
        demand(author.role in (Role.FOUNDER, Role.STEWARD))
        demand(author.id in proposal.electorate, Reason.NOT_COUNTED)
        demand(proposal.done is None, Reason.PROPOSAL_DONE)
        demand(entry.at <= proposal.expires_at, Reason.PROPOSAL_OVER)
        demand(author.id not in proposal.approved_by, Reason.APPROVED_ALREADY)
        proposal = replace(proposal, approved_by=(*proposal.approved_by, author.id))
        if not state.is_carried(proposal):
            return _put(state, proposal)
        done = self._rules[type(proposal.public)].effect(state, entry, proposal.public)
        return _settle(state, done, entry, proposal)

    def _act(self, state: Register, author: Member, public: Public) -> Act | None:
        rule = self._rules[type(public)]
        assert rule.act is not None
        return rule.act(state, author, public)


def _proposed(entry: DecodedEntry) -> Public:
    if entry.proposed is None:
        raise RegisterError(Reason.UNKNOWN_PROPOSAL)
    return entry.proposed


def _settle(state: Register, done: Register, entry: DecodedEntry, proposal: Proposal) -> Register:
    """With the effect, if the approvals carry it."""
    if not state.is_carried(proposal):
        return _put(state, proposal)
    return _put(done, replace(proposal, done=entry.seq))


def _put(state: Register, proposal: Proposal) -> Register:
    return replace(state, proposals=state.proposals.set(proposal.id, proposal))
