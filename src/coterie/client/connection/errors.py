"""What a connection raises. One table turns the server's codes into errors; its words are shown cut and printable."""

from typing import ClassVar, Final

from coterie.errors import DeviceError, OfflineError, PeerError, RefusedError
from coterie.ids import FINGERPRINT_CHARS, PublicKey
from coterie.trust.reasons import refusal_in_words
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import Error

_SHOWN_CHARS: Final = 200


class ServerUnreachable(OfflineError):
    """No address answered."""

    code = "server_unreachable"


class ConnectionLost(OfflineError):
    """It ended, or a request got no answer in time. Whether that had an effect is unknown: ask again, same key."""

    code = "connection_lost"


class ServerUnavailable(OfflineError):
    """The server cannot take it now. `server_code` is what it said, `retry_after` seconds if it said when."""

    code = "server_unavailable"

    def __init__(self, server_code: str, message: str, retry_after: float | None) -> None:
        super().__init__(f"the server cannot do that now: {message}", "it is tried again")
        self.server_code = server_code
        self.retry_after = retry_after


class WrongServer(PeerError):
    """Its service key is not the pinned one, or it could not prove that it holds it. Nothing was told to it."""

    code = "wrong_server"

    def __init__(self, address: str, expected: PublicKey, seen: PublicKey | None) -> None:
        ours = expected.hex()[:FINGERPRINT_CHARS]
        what = "cannot prove its key" if seen is None else f"has the key {seen.hex()[:FINGERPRINT_CHARS]}…"
        super().__init__(
            f"{address} is not this coterie's server: it {what}; the coterie's is {ours}…",
            "somebody may stand in between, or the server was set up anew; ask a steward by another way",
        )


class MalformedAnswer(PeerError):
    code = "malformed_answer"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the server's answer is malformed: {why}", "the connection was closed; nothing was taken from it"
        )


class StoreWasCopied(DeviceError):
    """Another copy of this store has connected: its ratchets are not to be used again (docs/protocol/frames.md)."""

    code = "store_was_copied"

    def __init__(self, highest: int) -> None:
        super().__init__(
            "another copy of this device has been in use",
            "its rooms are joined anew and history stays; if you made no copy, remove this device and add a new one",
        )
        self.highest = highest


class ServerRefused(RefusedError):
    """The server said no to one request, or to the connection; nothing was written. `server_code` is an `ErrorCode`."""

    code: ClassVar[str] = "server_refused"
    hint_for_people: ClassVar[str] = ""

    def __init__(self, server_code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"the server refused: {message}", self.hint_for_people)
        self.server_code = server_code
        self.retry_after = retry_after


class NoCommonVersion(ServerRefused):
    code = "no_common_version"
    hint_for_people = "this program or the server is too old"


class WrongCoterie(ServerRefused):
    code = "wrong_coterie"
    hint_for_people = "the address now serves another coterie; ask a steward for the right one"


class NotFounded(ServerRefused):
    code = "not_founded"
    hint_for_people = "nobody has used the server's founding link yet"


class AlreadyFounded(ServerRefused):
    code = "already_founded"
    hint_for_people = "a founding link works once; ask a member for an invite"


class NotInForce(ServerRefused):
    code = "not_in_force"
    hint_for_people = (
        "this device was removed, its seat has ended, or the invite is spent or expired; ask who invited you"
    )


class ProofRefused(ServerRefused):
    code = "proof_refused"
    hint_for_people = "the keys of this device are not those of the register; is its folder from a backup?"


class Superseded(ServerRefused):
    code = "superseded"
    hint_for_people = "another process, maybe a copy of this device, has connected since"


_REFUSALS: Final[dict[str, type[ServerRefused]]] = {
    ErrorCode.VERSION: NoCommonVersion,
    ErrorCode.WRONG_COTERIE: WrongCoterie,
    ErrorCode.NOT_FOUNDED: NotFounded,
    ErrorCode.ALREADY_FOUNDED: AlreadyFounded,
    ErrorCode.NOT_IN_FORCE: NotInForce,
    ErrorCode.BAD_PROOF: ProofRefused,
    ErrorCode.SUPERSEDED: Superseded,
}
_FOR_NOW: Final = frozenset(
    {ErrorCode.UNAVAILABLE, ErrorCode.DISK_FULL, ErrorCode.BEHIND, ErrorCode.INTERNAL, ErrorCode.LIMITED}
)


def error_of(frame: Error) -> ServerRefused | ServerUnavailable:
    """The error that an `Error` frame stands for. A code of a newer server is a refusal."""
    words = "".join(char if char.isprintable() else " " for char in frame.message[:_SHOWN_CHARS]) or frame.code[:40]
    words = refusal_in_words(words) if frame.code == ErrorCode.REGISTER_REFUSED else words
    retry_after = frame.retry_after if frame.retry_after is not None and frame.retry_after >= 0 else None
    if frame.code in _FOR_NOW:
        return ServerUnavailable(frame.code, words, retry_after)
    return _REFUSALS.get(frame.code, ServerRefused)(frame.code, words, retry_after)
