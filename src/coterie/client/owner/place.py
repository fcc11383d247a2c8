"""Where the socket is, and whose process is at its other end."""

import hashlib
import os
import socket
import struct
import sys
import tempfile
from pathlib import Path
from typing import Final

from coterie.client.owner.errors import SocketUnusable

FILE: Final = "device.sock"
ELSEWHERE: Final = "device.sock.path"
# sun_path: 108 bytes on Linux, 104 on macOS and the BSDs, with the closing zero
LONGEST_PATH: Final = 103


def place_to_listen(home: Path) -> Path:
    """A path short enough for a socket: in `home`, or in the runtime folder with the path noted in `home`.

    What stood there before is gone when this returns; the caller holds `device.lock`. Raises SocketUnusable.
    """
    inside, note = home / FILE, home / ELSEWHERE
    try:
        inside.unlink(missing_ok=True)
        note.unlink(missing_ok=True)
        if len(os.fsencode(inside)) <= LONGEST_PATH:
            return inside
        name = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
        outside = _runtime_folder() / f"{name}.sock"
        outside.unlink(missing_ok=True)
        fresh = note.with_suffix(".new")
        fresh.write_bytes(os.fsencode(outside))
        fresh.replace(note)
    except OSError as error:
        raise SocketUnusable(f"no place for the device's socket in {home}: {error.strerror}") from None
    return outside


def place_to_call(home: Path) -> Path | None:
    """Where the owner listens if it does; None if no owner has left a place."""
    try:
        return Path(os.fsdecode((home / ELSEWHERE).read_bytes()))
    except FileNotFoundError:
        inside = home / FILE
        return inside if len(os.fsencode(inside)) <= LONGEST_PATH else None


def peer_uid(connection: socket.socket) -> int:
    """The user of the process at the other end, as the kernel knows it."""
    if sys.platform == "linux":
        credentials = struct.Struct("iII")
        _pid, uid, _gid = credentials.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
        )
        return int(uid)
    sol_local, local_peercred = 0, 1  # macOS, FreeBSD: struct xucred begins with version and uid
    _version, uid = struct.unpack_from("II", connection.getsockopt(sol_local, local_peercred, 128))
    return int(uid)


def _runtime_folder() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(given) if given else Path(tempfile.gettempdir())
    folder = base / (f"coterie-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise SocketUnusable(f"{folder} is not this user's alone", "set XDG_RUNTIME_DIR, or use a shorter --home")
    return folder
