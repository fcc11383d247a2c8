"""The error tree: whose fault it is, then what. Each part's errors derive from one of the four branches.

    CoterieError
    ├── CallerError        who called: a wrong link, an unknown room, a wrong passphrase                     exit 2 or 1
    ├── RefusedError       trust or the server said no: a spent invite, a power not held, a full queue       exit 3
    ├── PeerError          another member's or the server's bytes: malformed, forged, contradictory          exit 3
    ├── OfflineError       nobody to talk to now; what was accepted is stored and goes out later             exit 4
    └── DeviceError        ours: the store is damaged, the disk is full, another process holds the device    exit 1

Each carries a fact and, where there is one, a hint: what to do. Neither holds a secret or what people wrote.
"""

from typing import ClassVar


class CoterieError(Exception):
    """`fact` says what is so, `hint` what to do about it. `code` is for programs and never changes its meaning."""

    code: ClassVar[str] = "error"

    def __init__(self, fact: str, hint: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


class CallerError(CoterieError):
    code: ClassVar[str] = "caller"


class RefusedError(CoterieError):
    code: ClassVar[str] = "refused"


class PeerError(CoterieError):
    code: ClassVar[str] = "peer"


class OfflineError(CoterieError):
    code: ClassVar[str] = "offline"


class DeviceError(CoterieError):
    code: ClassVar[str] = "device"
