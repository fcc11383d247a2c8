"""The data folder: what a server keeps beside the log (docs/guide/operators.md).

Everything is for its owner only (0600, 0700), replaced as a whole and fsynced before anybody relies on it. One server
holds the folder at a time.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from coterie.errors import CallerError

PRIVATE: Final = 0o600


class FolderInUse(CallerError):
    code = "folder_in_use"


class FolderDamaged(CallerError):
    code = "folder_damaged"


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` with `content`, 0600. Returns when both are on disk; a crash leaves the old or the new."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names created or removed in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DataFolder:
    """Opens (and makes) the folder and holds it. Raises FolderInUse."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(root / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise FolderInUse(f"another server uses {root}", "stop it first, or give --data another folder") from None

    def kept(self, name: str, size: int, make: Callable[[], bytes]) -> bytes:
        """`size` bytes kept as hexadecimal in the file `name`, made the first time. Raises FolderDamaged."""
        path = self.root / name
        if not path.exists():
            write_durably(path, make().hex().encode() + b"\n")
        try:
            value = bytes.fromhex(path.read_text("ascii").strip())
        except ValueError:
            value = b""
        if len(value) != size:
            raise FolderDamaged(f"{path} is damaged", "put it back from your backup; it cannot be made again")
        return value

    def folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def close(self) -> None:
        os.close(self._lock)
