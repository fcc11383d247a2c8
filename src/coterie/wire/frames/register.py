"""The register: read, pushed, appended to; its end is signed (docs/protocol/register.md)."""

from coterie.wire.fields import Entry, Hash, Number, Signature
from coterie.wire.frames.frame import Frame, Part


class SignedHead(Part, frozen=True):
    """The register's end as the hub signs it with the service key (trust.heads)."""

    generation: Number
    seq: Number
    hash: Hash
    signature: Signature


class RegisterAppend(Frame, tag=29, frozen=True):
    """→ Appended | RegisterMoved | Error(register_refused)"""

    id: Number
    entry: Entry


class Appended(Frame, tag=79, frozen=True):
    id: Number
    head: SignedHead


class RegisterMoved(Frame, tag=80, frozen=True):
    """Another entry took this place: read on, look again, sign again."""

    id: Number
    head: SignedHead


class RegisterRead(Frame, tag=30, frozen=True):
    """Entries with seq above `after`; as many as fit a frame. → RegisterEntries"""

    id: Number
    after: Number


class RegisterEntries(Frame, tag=81, frozen=True):
    """`head` is None before the coterie is founded."""

    id: Number
    entries: list[Entry]
    head: SignedHead | None


class RegisterPushed(Frame, tag=98, frozen=True):
    """New register entries, to every connection."""

    entries: list[Entry]
    head: SignedHead
