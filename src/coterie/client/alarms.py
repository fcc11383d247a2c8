"""The alarms as people deal with them: listed, looked at, resolved."""

from dataclasses import dataclass

from coterie.client.alarm_guide import Guide, guide_to
from coterie.client.facts import AlarmFacts
from coterie.client.state import DeviceState
from coterie.errors import CallerError
from coterie.store.alarms import AlarmRow

LARGEST_NUMBER = 2**63 - 1


class NoAlarm(CallerError):
    code = "usage"


@dataclass(frozen=True)
class AlarmDetail:
    """An alarm with what its kind means and what to do."""

    facts: AlarmFacts
    guide: Guide


def alarms(state: DeviceState, *, resolved: bool = False) -> list[AlarmFacts]:
    """Those that stand, oldest first; those resolved too, if asked for."""
    return [_facts(state, row) for row in state.store.alarms.all(resolved=resolved)]


def alarm_detail(state: DeviceState, alarm: int) -> AlarmDetail:
    """Raises NoAlarm."""
    row = _row(state, alarm)
    return AlarmDetail(_facts(state, row), guide_to(row.kind))


def resolve_alarm(state: DeviceState, alarm: int) -> AlarmFacts:
    """Keep that it is dealt with, when and by whom; again: nothing. What happens again is a new alarm. Raises
    NoAlarm."""
    _row(state, alarm)
    with state.groups.changing():
        state.store.alarms.resolve(alarm, state.now(), state.own.device)
    state.changed()
    return _facts(state, _row(state, alarm))


def _row(state: DeviceState, alarm: int) -> AlarmRow:
    row = state.store.alarms.get(alarm) if 0 <= alarm <= LARGEST_NUMBER else None
    if row is None:
        raise NoAlarm(f"there is no alarm {alarm}", "`coterie alarm list --all` shows their numbers")
    return row


def _facts(state: DeviceState, row: AlarmRow) -> AlarmFacts:
    by = row.resolved_by
    member = None if by is None else state.register.state.device(by).member
    return AlarmFacts(row.id, row.kind, row.subject, row.fact, row.hint, row.raised_at, row.resolved_at, member)
