"""What can go wrong between the processes of one device."""

from coterie.errors import CallerError, CoterieError, DeviceError, OfflineError, PeerError, RefusedError


class DeviceOwned(DeviceError):
    """Another process holds the device. `pid` is its number, 0 if it did not leave it."""

    code = "device_owned"

    def __init__(self, pid: int) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{who} has this device open", "stop it, or wait until it is done")
        self.pid = pid


class NobodyOwns(DeviceError):
    """No process listens for commands: run the command here."""

    code = "nobody_owns"


class OwnerGone(DeviceError):
    code = "owner_gone"

    def __init__(self) -> None:
        super().__init__(
            "the process that has the device open ended before it had answered",
            "look whether the command was done before you repeat it",
        )


class SocketUnusable(DeviceError):
    code = "socket_unusable"


class StrangeOwner(PeerError):
    """What speaks on the socket is another user's, or does not speak our protocol."""

    code = "strange_owner"


BRANCHES: dict[str, type[CoterieError]] = {
    branch.code: branch for branch in (CallerError, RefusedError, PeerError, OfflineError, DeviceError)
}


def branch_of(error: CoterieError) -> str:
    return next((name for name, branch in BRANCHES.items() if isinstance(error, branch)), DeviceError.code)


def raised_again(branch: str, code: str, fact: str, hint: str) -> CoterieError:
    """An error of the owner's, as the same branch, with its own code."""
    error = BRANCHES.get(branch, DeviceError)(fact, hint)
    vars(error)["code"] = code
    return error
