"""A disk that forgets what was not synced when the power went.

A VFS below SQLite3MC's, so it sees the real, encrypted files. One for the process: SQLite3MC keeps a pointer to it.
"""

from functools import cache
from pathlib import Path

import apsw

NAME = "forgetful"
ABOVE = f"multipleciphers-{NAME}"
"""SQLite3MC makes its own VFS over the one that is named after the hyphen."""


class ForgetfulDisk(apsw.VFS):
    """Keeps, for each file, the bytes it had at its last sync."""

    def __init__(self) -> None:
        self.durable: dict[Path, bytes] = {}
        super().__init__(NAME, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "_File":
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.durable.pop(Path(filename), None)

    def after_power_loss(self, home: Path, found: Path) -> None:
        """Lay into `found` what the disk has of `home` when the power comes back."""
        for path, content in self.durable.items():
            if path.parent == home:
                (found / path.name).write_bytes(content)


class _File(apsw.VFSFile):
    def __init__(self, disk: ForgetfulDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = None if path is None else Path(path)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        if self._path is not None:
            self._disk.durable[self._path] = self._path.read_bytes()


@cache
def forgetful_disk() -> ForgetfulDisk:
    return ForgetfulDisk()
