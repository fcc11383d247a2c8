"""Backups: a device's history in one encrypted file, and a new device that begins with it (docs/protocol/backup.md).

What could be used twice is not in the file: no ratchet, no key of a device, no commit, nothing on its way.
"""

from coterie.client.backup.errors import BackupDamaged, BackupUnreachable, CannotOpenBackup, NewerBackup, OtherBackup
from coterie.client.backup.header import Openers
from coterie.client.backup.restoring import Restored, restore
from coterie.client.backup.writing import Written, write_backup

__all__ = [
    "BackupDamaged",
    "BackupUnreachable",
    "CannotOpenBackup",
    "NewerBackup",
    "Openers",
    "OtherBackup",
    "Restored",
    "Written",
    "restore",
    "write_backup",
]
