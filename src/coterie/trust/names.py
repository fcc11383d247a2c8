"""Names: which are fit to be shown, and what members call themselves (docs/protocol/register.md, "Names"). Pure."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from coterie.errors import CallerError
from coterie.ids import CoterieKey, InviteId, MemberId
from coterie.trust.entry import FIRST_PREV, DecodedEntry
from coterie.trust.kinds import Founded, InviteIssued, ProfileSet
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Register
from coterie.trust.seal import CannotOpen, FoundingNames, InviteNote, ProfileName, Sealed, generation_for, open_sealed

S = TypeVar("S", bound=Sealed)
Id = TypeVar("Id", MemberId, InviteId)

LONGEST_NAME: Final = 64
"""Code points, after NFC."""
# Overrides, embeddings and isolates can make one name read as another; what is joined by ZWJ and ZWNJ is spelling.
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class BadName(CallerError):
    code = "bad_name"

    def __init__(self) -> None:
        super().__init__(
            "this name cannot be used",
            f"use 1 to {LONGEST_NAME} characters, without line breaks, control or direction characters",
        )


def clean_name(text: str) -> str:
    """The name as it is sealed: NFC, no space around. Raises BadName."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise BadName
    if any(unicodedata.category(char) in _REFUSED_CATEGORIES or char in _REORDERING for char in name):
        raise BadName
    if all(unicodedata.category(char)[0] in "CZM" for char in name):
        raise BadName
    return name


@dataclass(frozen=True, slots=True)
class Names:
    """What could be read. A member who is not in `members` has an unknown name; `coterie` is None when unknown."""

    coterie: str | None
    members: Mapping[MemberId, str]
    notes: Mapping[InviteId, str]


def learn_names(register: Register, entries: Iterable[DecodedEntry], keys: Mapping[int, CoterieKey]) -> Names:
    """Names from the whole register, each the latest that its member set, read with the keys by generation.

    `entries` are all those that `register` came from, in order: others raise RegisterError(OTHER_HISTORY). A latest
    name that cannot be opened, or is not fit to be shown, is unknown: an older one does not come back.
    """
    coterie: str | None = None
    members: dict[MemberId, str] = {}
    notes: dict[InviteId, str] = {}
    prev, generation = FIRST_PREV, 0
    for entry in entries:
        if entry.prev != prev:
            raise RegisterError(Reason.OTHER_HISTORY)
        prev, generation = entry.hash, generation_for(entry, generation)
        key = keys.get(generation)
        if isinstance(entry.public, Founded):
            opened = _open(register, entry, key, FoundingNames)
            coterie = None if opened is None else _fit(opened.coterie)
            _set(members, register.founder, None if opened is None else opened.name)
        elif isinstance(entry.public, ProfileSet):
            profile = _open(register, entry, key, ProfileName)
            _set(members, register.device(entry.author).member, None if profile is None else profile.name)
        elif isinstance(entry.public, InviteIssued):
            note = _open(register, entry, key, InviteNote)
            _set(notes, InviteId(entry.hash), None if note is None else note.note)
    if prev != register.head.hash:
        raise RegisterError(Reason.OTHER_HISTORY)
    return Names(coterie, members, notes)


def _open(register: Register, entry: DecodedEntry, key: CoterieKey | None, content: type[S]) -> S | None:
    if key is None:
        return None
    try:
        return open_sealed(key, register.coterie, entry, content)
    except CannotOpen:
        return None


def _fit(name: str) -> str | None:
    try:
        return name if clean_name(name) == name else None
    except BadName:
        return None


def _set(names: dict[Id, str], whose: Id, name: str | None) -> None:
    fit = None if name is None else _fit(name)
    if fit is None:
        names.pop(whose, None)
    else:
        names[whose] = fit
