"""The one way into a register (docs/protocol/register.md, "Applying"). Pure: no clock, no randomness.

Order alone decides, so that everybody at any time reaches the same verdict. The server and every device run this code.
"""

from dataclasses import replace
from typing import Any, Final

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
from coterie.trust.rules import RULES, Rule, Signers, founded, founding_keys, founding_signers

CLOCKS_APART_MS: Final = 5 * 60 * 1000


def apply(state: Register | None, entry: bytes | DecodedEntry) -> Register:
    """The next state. `None` is the state before `Founded`. Nothing changes when it raises.

    Raises RegisterError (refused, for everybody and for ever), MalformedEntry (refused likewise), or NewerCoterie
    (not judged: a later version may accept it).
    """
    decoded = entry if isinstance(entry, DecodedEntry) else decode_entry_untrusted(entry)
    if state is None:
        return _apply_first(decoded)
    if decoded.kind == Founded.__name__:
        raise RegisterError(Reason.ALREADY_FOUNDED)
    if decoded.seq != state.head.seq + 1:
        raise RegisterError(Reason.NOT_NEXT)
    if decoded.prev != state.head.hash:
        raise RegisterError(Reason.OTHER_HISTORY)
    rule = RULES.get(decoded.kind)
    if rule is None:
        raise NewerCoterie(decoded.kind)
    if decoded.at < state.at:
        raise RegisterError(Reason.TIME_WENT_BACK)
    _check_author(state, decoded, rule)
    keys = rule.new_keys(decoded.public)
    _check_keys(keys)
    if any(key in state.used for key in keys):
        raise RegisterError(Reason.KEY_USED)
    _check_signatures(state.coterie, decoded, rule.signers(state, decoded, decoded.public))
    return _move_on(rule.effect(state, decoded, decoded.public), decoded, keys)


def admit(state: Register | None, entry: bytes | DecodedEntry, now_ms: int) -> Register:
    """`apply`, and the entry's time is at most five minutes from `now_ms`: run before an entry leaves its author, and
    with the log's time before it is appended; never when reading. Raises as `apply`, RegisterError(CLOCK_APART) too.
    """
    decoded = entry if isinstance(entry, DecodedEntry) else decode_entry_untrusted(entry)
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


def _apply_first(decoded: DecodedEntry) -> Register:
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
    _check_signatures(NO_COTERIE, decoded, founding_signers(public))
    return founded(decoded, public)


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


def _check_signatures(coterie: CoterieId, decoded: DecodedEntry, signers: Signers) -> None:
    if len(decoded.signatures) != len(signers):
        raise RegisterError(Reason.WRONG_SIGNATURES)
    try:
        for (purpose, key), signature in zip(signers, decoded.signatures, strict=True):
            verify(PublicKey(key), purpose, coterie, decoded.body, signature)
    except ForgedSignature:
        raise RegisterError(Reason.FORGED) from None
