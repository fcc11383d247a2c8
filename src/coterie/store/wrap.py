"""`device.key`: the random database key, wrapped by a passphrase or an operating system's keyring
(docs/protocol/device-store.md, "Key wrapping").

The file is written whole or not at all (0600, fsynced, renamed). Reading bounds whatever it asks for. Blocking:
stretching a passphrase takes a tenth of a second, a keyring may ask the person.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from coterie.errors import CallerError, DeviceError
from coterie.ids import Secret
from coterie.store.passphrase import Argon2id, BrokenSeal, Passphrase, Sealed, WrappingKey, WrongKey, stretch

if TYPE_CHECKING:
    # imported where it is used: it costs every start 70 ms, and few devices have a keyring
    from keyring.backend import KeyringBackend

FILE: Final = "device.key"
LARGEST_FILE: Final = 4096
SERVICE: Final = "coterie"

# Any other backend may keep its secrets in clear (keyrings.alt), or is chosen by the environment.
_ALLOWED: Final = (
    ("keyring.backends.SecretService", "Keyring"),
    ("keyring.backends.libsecret", "Keyring"),
    ("keyring.backends.kwallet", "DBusKeyring"),
    ("keyring.backends.macOS", "Keyring"),
    ("keyring.backends.Windows", "WinVaultKeyring"),
)


class NoDevice(CallerError):
    code = "no_device"


class DeviceExists(CallerError):
    code = "device_exists"


class WrongPassphrase(CallerError):
    code = "wrong_passphrase"

    def __init__(self) -> None:
        super().__init__("this passphrase does not open the device", "mind capitals and the keyboard's language")


class WrongUnlock(CallerError):
    """A passphrase was given where the keyring opens the device, or the other way round."""

    code = "wrong_unlock"


class KeyringRefused(DeviceError):
    """No keyring that can be trusted with a key, or it did not give it out."""

    code = "keyring"


class KeyFileDamaged(DeviceError):
    code = "key_file_damaged"


class KeyFileUnreachable(DeviceError):
    code = "key_file_unreachable"


class Keyring:
    """The operating system's keyring. `find()` the one of this system; a backend not on the list is refused."""

    def __init__(self, backend: "KeyringBackend") -> None:
        if not isinstance(backend, tuple(_allowed_backends())):
            raise KeyringRefused(
                f"the keyring {type(backend).__module__} is not one that Coterie trusts with a key", "use a passphrase"
            )
        self._backend = backend

    @classmethod
    def find(cls) -> "Keyring":
        """The most preferred backend that works here, whatever the environment names. Raises KeyringRefused."""
        viable = [backend for backend in _allowed_backends() if backend.viable]
        if not viable:
            raise KeyringRefused("there is no keyring here that Coterie trusts with a key", "use a passphrase")
        return cls(max(viable, key=lambda backend: backend.priority)())

    def put(self, name: str, secret: Secret) -> None:
        with _keyring_errors():
            self._backend.set_password(SERVICE, name, bytes(secret).hex())

    def get(self, name: str) -> Secret | None:
        with _keyring_errors():
            kept = self._backend.get_password(SERVICE, name)
        try:
            return None if kept is None else Secret(bytes.fromhex(kept))
        except ValueError:
            return None

    def forget(self, name: str) -> None:
        """Also if it is not there any more."""
        from keyring.errors import PasswordDeleteError

        with _keyring_errors(), contextlib.suppress(PasswordDeleteError):
            self._backend.delete_password(SERVICE, name)


Unlock = Passphrase | Keyring


class ByPassphrase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="passphrase", tag_field="by"):
    argon2id: Argon2id


class ByKeyring(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="keyring", tag_field="by"):
    """`name` is the keyring's entry under the service `coterie`: it holds 32 random bytes as hexadecimal."""

    name: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`check`, SHA-256 over `lock` and `sealed`, tells a damaged file from a wrong passphrase. It protects nothing."""

    version: Literal[1]
    lock: ByPassphrase | ByKeyring
    sealed: Sealed
    check: Annotated[bytes, Meta(min_length=32, max_length=32)]


def create(home: Path, unlock: Unlock) -> Secret:
    """Make a random database key, write `device.key` into `home` (made if need be, 0700) and return the key.
    Raises DeviceExists, KeyringRefused, KeyFileUnreachable."""
    with _file_errors(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (home / FILE).exists():
        raise DeviceExists(f"there is a device in {home} already", "give another --home for another device")
    key = Secret(os.urandom(32))
    _write(home, key, unlock)
    return key


def unlock(home: Path, unlock: Unlock) -> Secret:
    """The database key.

    Raises NoDevice, WrongPassphrase, WrongUnlock, KeyringRefused, KeyFileDamaged, KeyFileUnreachable, NotEnoughMemory.
    """
    return _open(_read(home), unlock)


def rewrap(home: Path, old: Unlock, new: Unlock) -> None:
    """Let `new` open the device, and `old` no longer; interrupted, one of the two does. Raises what `unlock` raises."""
    file = _read(home)
    _write(home, _open(file, old), new)
    if isinstance(file.lock, ByKeyring) and isinstance(old, Keyring):
        old.forget(file.lock.name)


def opens_with(home: Path) -> Literal["passphrase", "keyring"]:
    """What the device asks for. Raises NoDevice, KeyFileDamaged, KeyFileUnreachable."""
    return "passphrase" if isinstance(_read(home).lock, ByPassphrase) else "keyring"


def _open(file: KeyFile, unlock: Unlock) -> Secret:
    match file.lock, unlock:
        case ByPassphrase(argon2id=how), Passphrase():
            wrapping = stretch(unlock, how)
        case ByKeyring(name=name), Keyring():
            secret = unlock.get(name)
            if secret is None:
                raise KeyringRefused("the keyring does not hold this device's key", "is it this user's keyring?")
            wrapping = WrappingKey(secret)
        case ByPassphrase(), _:
            raise WrongUnlock("this device is opened by a passphrase")
        case _:
            raise WrongUnlock("this device is opened by the system's keyring")
    try:
        return wrapping.open(file.sealed, _bound(file.lock))
    except WrongKey:
        if isinstance(unlock, Passphrase):
            raise WrongPassphrase from None
        raise KeyringRefused("the keyring holds another device's key under this name") from None
    except BrokenSeal:
        raise _damaged() from None


def _write(home: Path, key: Secret, unlock: Unlock) -> None:
    lock: ByPassphrase | ByKeyring
    if isinstance(unlock, Passphrase):
        lock = ByPassphrase(Argon2id(os.urandom(16)))
        wrapping = stretch(unlock, lock.argon2id)
    else:
        lock = ByKeyring(os.urandom(16).hex())
        secret = Secret(os.urandom(32))
        unlock.put(lock.name, secret)
        wrapping = WrappingKey(secret)
    sealed = wrapping.seal(key, os.urandom(12), _bound(lock))
    with _file_errors(home):
        _replace(home / FILE, msgspec.json.encode(KeyFile(1, lock, sealed, _check(lock, sealed))) + b"\n")


def _read(home: Path) -> KeyFile:
    with _file_errors(home), (home / FILE).open("rb") as stream:
        content = stream.read(LARGEST_FILE + 1)
    try:
        file = msgspec.json.decode(content, type=KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _damaged() from None
    if len(content) > LARGEST_FILE or file.check != _check(file.lock, file.sealed):
        raise _damaged()
    return file


def _bound(lock: ByPassphrase | ByKeyring) -> bytes:
    return b"coterie/1 device key file\0" + msgspec.msgpack.encode(lock)


def _check(lock: ByPassphrase | ByKeyring, sealed: Sealed) -> bytes:
    return hashlib.sha256(msgspec.msgpack.encode((lock, sealed))).digest()


def _damaged() -> KeyFileDamaged:
    return KeyFileDamaged(f"{FILE} is damaged", "put it back from a backup; without it the store cannot be opened")


def _replace(path: Path, content: bytes) -> None:
    """The old file or the new one, whole, whatever happens in between."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _allowed_backends() -> Iterator[type["KeyringBackend"]]:
    for module, name in _ALLOWED:
        yield getattr(import_module(module), name)


@contextlib.contextmanager
def _keyring_errors() -> Iterator[None]:
    from keyring.errors import InitError, KeyringError

    try:
        yield
    except (KeyringError, InitError, RuntimeError) as error:
        raise KeyringRefused(f"the keyring did not answer: {type(error).__name__}", "is it unlocked?") from None


@contextlib.contextmanager
def _file_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NoDevice(f"there is no device in {home}", "found a coterie, or join one with an invite link") from None
    except OSError as error:
        raise KeyFileUnreachable(f"{home / FILE}: {error.strerror}") from None
