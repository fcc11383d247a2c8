"""The one way into a register (docs/protocol/register.md, "Applying"). Pure: no clock, no randomness.

Order alone decides, so that everybody at any time reaches the same verdict. The server and every device run this code.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from coterie.errors import CoterieError
from coterie.ids import NO_COTERIE, CoterieId, PublicKey
from coterie.trust.entry import FIRST_PREV, DecodedEntry, decode_entry_untrusted
from coterie.trust.heads import RegisterHead
from coterie.trust.keys import (
    ForgedSignature,
    MalformedKey,
    device_id,
    public_key_untrusted,
    verify,
)
from coterie.trust.kinds import Founded
from coterie.trust.reasons import NewerCoterie, Reason, RegisterError
from coterie.trust.register import Register
from coterie.trust.rules import Rule, rule_for
from coterie.trust.rules.founding import founded, founding_keys, founding_signers
from coterie.trust.rules.rule import Signers

CLOCKS_APART_MS: Final = 5 * 60 * 1000
# Judged on one thread, then verified on all: the two at once would fight for the interpreter's lock.
_BATCH: Final = 512
_GROUP: Final = 32


@dataclass(frozen=True, slots=True)
class _Step:
    """An entry that fits the state so far; `signers` are to be checked before the outcome of `effect` counts."""

    coterie: CoterieId
    decoded: DecodedEntry
    signers: Signers
    effect: Callable[[], Register]


def apply(state: Register | None, entry: bytes | DecodedEntry) -> Register:
    """The next state. `None` is the state before `Founded`. Nothing changes when it raises.

    Raises RegisterError (refused, for everybody and for ever), MalformedEntry (refused likewise), or NewerCoterie
    (not judged: a later version may accept it).
    """
    step = _prepare(state, _decoded(entry))
    _check_signatures(step)
    return step.effect()


def replay(state: Register | None, entries: Iterable[bytes | DecodedEntry]) -> Iterator[Register]:
    """The states that `apply` gives one by one, each yielded when it is verified; raises as `apply` does at the first
    entry that is not accepted. For long registers: signatures are verified on threads."""
    waiting = iter(entries)
    with ThreadPoolExecutor() as threads:
        while batch := list(islice(waiting, _BATCH)):
            steps: list[tuple[_Step, Register]] = []
            refused: bytes | DecodedEntry | None = None
            foremost = state
            for entry in batch:
                try:
                    step = _prepare(foremost, _decoded(entry))
                    foremost = step.effect()
                except CoterieError:
                    refused = entry
                    break
                steps.append((step, foremost))
            groups = [steps[at : at + _GROUP] for at in range(0, len(steps), _GROUP)]
            for group, intact in zip(groups, threads.map(_count_intact, groups), strict=True):
                for _, following in group[:intact]:
                    state = following
                    yield following
                for step, _ in group[intact : intact + 1]:
                    _check_signatures(step)
            if refused is not None:
                # Always raises; again, in the order of `apply`, which puts a forged signature before a missing power.
                apply(state, refused)


def _count_intact(steps: list[tuple[_Step, Register]]) -> int:
    for intact, (step, _) in enumerate(steps):
        try:
            _check_signatures(step)
        except RegisterError:
            return intact
    return len(steps)


def admit(state: Register | None, entry: bytes | DecodedEntry, now_ms: int) -> Register:
    """`apply`, and the entry's time is at most five minutes from `now_ms`: run before an entry leaves its author, and
    with the log's time before it is appended; never when reading. Raises as `apply`, RegisterError(CLOCK_APART) too.
    """
    decoded = _decoded(entry)
    following = apply(state, decoded)
    if abs(decoded.at - now_ms) > CLOCKS_APART_MS:
        raise RegisterError(Reason.CLOCK_APART)
    return following


def founded_by(register: Register, founding_key: PublicKey, service_key: PublicKey) -> Register:
    """The same register, if it was founded with this founding key for this service. A server compares with what its log
    was opened with, a founder with the founding link. Raises RegisterError(OTHER_FOUNDING)."""
    if (register.founding_key, register.service_key) != (founding_key, service_key):
        raise RegisterError(Reason.OTHER_FOUNDING)
    return register


def _decoded(entry: bytes | DecodedEntry) -> DecodedEntry:
    return entry if isinstance(entry, DecodedEntry) else decode_entry_untrusted(entry)


def _prepare(state: Register | None, decoded: DecodedEntry) -> _Step:
    if state is None:
        return _prepare_first(decoded)
    if decoded.kind == Founded.__name__:
        raise RegisterError(Reason.ALREADY_FOUNDED)
    if decoded.seq != state.head.seq + 1:
        raise RegisterError(Reason.NOT_NEXT)
    if decoded.prev != state.head.hash:
        raise RegisterError(Reason.OTHER_HISTORY)
    rule = rule_for(decoded)
    if rule is None:
        raise NewerCoterie(decoded.kind)
    if decoded.at < state.at:
        raise RegisterError(Reason.TIME_WENT_BACK)
    _check_author(state, decoded, rule)
    keys = rule.new_keys(decoded.public)
    _check_keys(keys)
    if any(key in state.used for key in keys):
        raise RegisterError(Reason.KEY_USED)
    return _Step(
        state.coterie,
        decoded,
        rule.signers(state, decoded, decoded.public),
        lambda: _move_on(rule.run(state, decoded, decoded.public), decoded, keys),
    )


def _prepare_first(decoded: DecodedEntry) -> _Step:
    public = decoded.public
    if not isinstance(public, Founded):
        raise RegisterError(Reason.NOT_FOUNDED)
    if decoded.seq != 1:
        raise RegisterError(Reason.NOT_NEXT)
    if decoded.prev != FIRST_PREV:
        raise RegisterError(Reason.OTHER_HISTORY)
    if decoded.author != device_id(PublicKey(public.device)):
        raise RegisterError(Reason.NOT_THE_NEW_DEVICE)
    _check_keys(founding_keys(public))
    return _Step(NO_COTERIE, decoded, founding_signers(public), lambda: founded(decoded, public))


def _check_author(state: Register, decoded: DecodedEntry, rule: Rule[Any]) -> None:
    if rule.new_device is not None:
        if decoded.author != device_id(PublicKey(rule.new_device(decoded.public))):
            raise RegisterError(Reason.NOT_THE_NEW_DEVICE)
    elif decoded.author not in state.devices:
        raise RegisterError(Reason.UNKNOWN_AUTHOR)
    elif not state.device_in_force(decoded.author):
        raise RegisterError(Reason.AUTHOR_REMOVED)


def _move_on(state: Register, decoded: DecodedEntry, keys: tuple[bytes, ...]) -> Register:
    used = state.used
    for key in keys:
        used = used.set(key, decoded.seq)
    return replace(state, used=used, head=RegisterHead(decoded.seq, decoded.hash), at=decoded.at)


def _check_keys(keys: tuple[bytes, ...]) -> None:
    if len(set(keys)) != len(keys):
        raise RegisterError(Reason.KEY_USED)
    try:
        for key in keys:
            public_key_untrusted(key)
    except MalformedKey:
        raise RegisterError(Reason.BAD_KEY) from None


def _check_signatures(step: _Step) -> None:
    decoded = step.decoded
    if len(decoded.signatures) != len(step.signers):
        raise RegisterError(Reason.WRONG_SIGNATURES)
    try:
        for (purpose, key), signature in zip(step.signers, decoded.signatures, strict=True):
            verify(PublicKey(key), purpose, step.coterie, decoded.body, signature)
    except ForgedSignature:
        raise RegisterError(Reason.FORGED) from None
