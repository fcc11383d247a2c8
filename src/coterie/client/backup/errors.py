"""What can be wrong with a backup file. Says which file, never what is in it."""

from coterie.errors import CallerError, DeviceError


class BackupDamaged(DeviceError):
    """Bytes were changed, or its end is missing."""

    code = "backup_damaged"

    def __init__(self, what: str) -> None:
        super().__init__(f"the backup is damaged: {what}", "take another copy of it, or an older one")


class BackupUnreachable(DeviceError):
    """The file cannot be read or written."""

    code = "backup_unreachable"


class NewerBackup(DeviceError):
    code = "newer_backup"

    def __init__(self) -> None:
        super().__init__("this backup was made by a newer Coterie", "update Coterie, then restore it")


class CannotOpenBackup(CallerError):
    """Neither passphrase nor phrase is one that it was made for."""

    code = "cannot_open_backup"


class OtherBackup(CallerError):
    """The folder holds the beginning of another one."""

    code = "other_backup"
