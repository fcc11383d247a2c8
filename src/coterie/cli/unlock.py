"""How the device is opened: a passphrase from a file, the environment or a question, or the system's keyring."""

import getpass
import os
from pathlib import Path
from typing import ClassVar, Final

from coterie.cli.options import Here
from coterie.errors import CallerError
from coterie.store import Keyring, Passphrase, Unlock
from coterie.store.wrap import NoDevice, opens_with

LONGEST_FILE: Final = 64 * 1024
_VARIABLE: Final = "COTERIE_PASSPHRASE"


class NoPassphrase(CallerError):
    code: ClassVar[str] = "no_passphrase"


def unlock_known(here: Here) -> Unlock:
    """What opens the device in `here.home`. Asks only where there is a device. Raises NoDevice, NoPassphrase, …"""
    if opens_with(here.home) == "keyring" or here.keyring:
        return Keyring.find()
    return given_passphrase(here.passphrase_file) or _asked("passphrase: ")


def unlock_new(here: Here) -> Unlock:
    """What shall open a device that is being made. One that was begun before is opened as it was then."""
    try:
        return unlock_known(here)
    except NoDevice:
        pass
    if here.keyring:
        return Keyring.find()
    return given_passphrase(here.passphrase_file) or chosen_passphrase()


def given_passphrase(file: Path | None) -> Passphrase | None:
    """From the file, else from the environment, else None."""
    if file is not None:
        return passphrase_in(file)
    text = os.environ.get(_VARIABLE)
    return None if text is None else _passphrase(text, _VARIABLE)


def passphrase_in(file: Path) -> Passphrase:
    """What stands in the file, without the line's end."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LONGEST_FILE + 1)
    except OSError as error:
        raise NoPassphrase(f"{file}: {error.strerror}", "give a file that holds the passphrase") from None
    if len(content) > LONGEST_FILE:
        raise NoPassphrase(f"{file} is too long for a passphrase")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise NoPassphrase(f"{file} is not UTF-8 text") from None
    return _passphrase(text.removesuffix("\n").removesuffix("\r"), str(file))


def asked_passphrase(question: str) -> Passphrase:
    """One that was chosen before."""
    return _asked(question)


def chosen_passphrase(what: str = "this device") -> Passphrase:
    """A new one, asked twice."""
    chosen = _asked(f"choose a passphrase for {what}: ")
    if _asked("once more: ") != chosen:
        raise NoPassphrase("the two passphrases differ", "nothing was changed; try again")
    return chosen


def _asked(question: str) -> Passphrase:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise NoPassphrase(
            "a passphrase is needed and there is no terminal to ask on", f"use --passphrase-file or {_VARIABLE}"
        ) from None
    return _passphrase(getpass.getpass(question), "what was typed")


def _passphrase(text: str, source: str) -> Passphrase:
    try:
        return Passphrase.of(text)
    except UnicodeEncodeError:
        raise NoPassphrase(f"{source} is not UTF-8 text") from None
