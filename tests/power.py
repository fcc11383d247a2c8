"""A disk that forgets what was not synced when the power went: all of it, or, by a dice, parts of it in any order.

A VFS below SQLite3MC's, so it sees the real, encrypted files. One for the process: SQLite3MC keeps a pointer to it.
"""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import apsw

NAME = "forgetful"
ABOVE = f"multipleciphers-{NAME}"
"""SQLite3MC makes its own VFS over the one that is named after the hyphen."""


@dataclass(frozen=True)
class _Written:
    offset: int
    content: bytes

    def on(self, file: bytearray, dice: random.Random) -> None:
        """It reached the disk, or its beginning did."""
        torn = dice.random() < 0.2
        content = self.content[: dice.randrange(len(self.content))] if torn and self.content else self.content
        file.extend(bytes(max(0, self.offset - len(file))))
        file[self.offset : self.offset + len(content)] = content


@dataclass(frozen=True)
class _Cut:
    size: int

    def on(self, file: bytearray, _: random.Random) -> None:
        del file[self.size :]


@dataclass
class _Outage:
    """Where the power goes, and where to lay what is left."""

    writes: int
    home: Path
    found: Path
    dice: random.Random


class ForgetfulDisk(apsw.VFS):
    """Keeps, for each file, the bytes it had at its last sync, and what was written since."""

    def __init__(self) -> None:
        self.durable: dict[Path, bytes] = {}
        self.unsynced: dict[Path, list[_Written | _Cut]] = {}
        self._outage: _Outage | None = None
        super().__init__(NAME, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "_File":
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.durable.pop(Path(filename), None)
        self.unsynced.pop(Path(filename), None)

    def after_power_loss(self, home: Path, found: Path, dice: random.Random | None = None) -> None:
        """Lay into `found` what the disk has of `home` when the power comes back. With `dice`, each write since the
        last sync is there, in part or not at all, whatever came before it."""
        laid: dict[Path, bytes] = {}
        for path in sorted({*self.durable, *(self.unsynced if dice else ())}):
            if path.parent == home:
                file = bytearray(self.durable.get(path, b""))
                if dice is not None:
                    luck = dice.choice([0.0, 0.5, 0.9, 1.0])
                    for change in self.unsynced.get(path, []):
                        if dice.random() < luck:
                            change.on(file, dice)
                (found / path.name).write_bytes(file)
                laid[found / path.name] = bytes(file)
        self.durable |= laid

    def goes_out(self, writes: int, home: Path, found: Path, dice: random.Random) -> None:
        """At that many writes from now the power goes: what the disk then has of `home` is laid into `found`. Whoever
        writes does not notice."""
        self._outage = _Outage(writes, home, found, dice)

    def goes_out_now(self) -> None:
        """What `goes_out` announced, though nobody writes."""
        outage, self._outage = self._outage, None
        assert outage is not None
        self.after_power_loss(outage.home, outage.found, outage.dice)

    @property
    def went_out(self) -> bool:
        return self._outage is None

    def forget(self, home: Path) -> None:
        """Nothing of it is needed any more."""
        for files in (self.durable, self.unsynced):
            for path in [path for path in files if path.parent == home]:
                del files[path]

    def synced(self, path: Path) -> None:
        self.durable[path] = path.read_bytes()
        self.unsynced.pop(path, None)

    def changed(self, path: Path, change: _Written | _Cut) -> None:
        self.unsynced.setdefault(path, []).append(change)
        outage = self._outage
        if outage is not None and path.parent == outage.home:
            outage.writes -= 1
            if outage.writes <= 0:
                self.goes_out_now()


class _File(apsw.VFSFile):
    def __init__(self, disk: ForgetfulDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = None if path is None else Path(path)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        if self._path is not None:
            self._disk.changed(self._path, _Written(offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        if self._path is not None:
            self._disk.changed(self._path, _Cut(newsize))

    def xSync(self, flags: int) -> None:
        # no sync of the real disk: what counts is what this one would have
        if self._path is not None:
            self._disk.synced(self._path)


@cache
def forgetful_disk() -> ForgetfulDisk:
    return ForgetfulDisk()
