"""Verifying a member: the safety number that both must see, and the mark that it was compared.

A mark is for an identity key, which stays a member's for good: a newcomer under the same name has none.
"""

from coterie.client.state import DeviceState
from coterie.errors import CallerError
from coterie.ids import MemberId
from coterie.store.verified import VerifiedRow
from coterie.trust.safety_number import SafetyNumber, number_of


class OwnNumber(CallerError):
    code = "usage"


def number_with(state: DeviceState, member: MemberId) -> SafetyNumber:
    """Raises OwnNumber for this device's own member."""
    if member == state.own.member:
        raise OwnNumber("nobody compares a safety number with themselves", "name the member you are speaking to")
    register = state.register.state
    return number_of(register.coterie, register.member(state.own.member).identity, register.member(member).identity)


def is_verified(state: DeviceState, member: MemberId) -> bool:
    return state.store.verified.holds(member, state.register.state.member(member).identity)


def set_verified(state: DeviceState, member: MemberId, verified: bool) -> None:
    """Stored when it returns. Raises OwnNumber."""
    number_with(state, member)
    before = state.store.verified.get(member)
    # the person's last word counts, also where the clock was set back meanwhile
    at = state.now() if before is None else max(state.now(), before.changed_at + 1)
    identity = state.register.state.member(member).identity
    with state.groups.changing():
        state.store.verified.put(VerifiedRow(member, identity, verified, at, state.own.device))
    state.changed()
