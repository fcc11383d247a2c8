"""What happens while a device is being linked, for whoever shows it to people."""

from dataclasses import dataclass, field

from coterie.ids import CoterieId, DeviceId, MemberId


@dataclass(frozen=True)
class CodeMade:
    """On the old device: take it to the new one. It works once, until `expires_at` (ms)."""

    code: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True)
class WordsShown:
    """On both: a person compares them, and says yes or no on the old device."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class DeviceIn:
    """On the old device: the new one is in the register."""

    device: DeviceId


@dataclass(frozen=True)
class Linked:
    """On the new device: it is in, and has what it was given as far as that came in the time."""

    coterie: CoterieId
    member: MemberId
    device: DeviceId
