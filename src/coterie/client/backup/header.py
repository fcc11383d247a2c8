"""The head of a backup: who can open it (docs/protocol/backup.md, "Head").

A fresh key seals the body. It stands there once for each opener: under a passphrase, or sealed to the recovery phrase's
key, which a device knows without knowing the phrase.
"""

import hashlib
import os
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO, Final

import coterie_mls
import msgspec
from coterie_mls import MlsError
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta

from coterie.client.backup.errors import BackupDamaged, CannotOpenBackup, NewerBackup
from coterie.client.backup.stream import StreamKey
from coterie.ids import Secret
from coterie.store import Passphrase
from coterie.store.passphrase import Argon2id, BrokenSeal, Sealed, WrongKey, stretch
from coterie.trust.phrase import Phrase, backup_key_seed

MAGIC: Final = b"coterie-backup/1\n"
LARGEST_HEAD: Final = 64 * 1024
_STREAM_LABEL: Final = b"coterie/1 backup stream\0"
_PASSPHRASE_LABEL: Final = b"coterie/1 backup passphrase\0"
_PHRASE_LABEL: Final = b"coterie/1 backup phrase\0"


class PassphraseSlot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="passphrase", tag_field="by"):
    argon2id: Argon2id
    sealed: Sealed


class PhraseSlot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="phrase", tag_field="by"):
    sealed: Annotated[bytes, Meta(min_length=1168, max_length=1168)]


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    slots: Annotated[list[PassphraseSlot | PhraseSlot], Meta(min_length=1, max_length=8)]


@dataclass(frozen=True)
class Openers:
    """Who shall open it: a passphrase, the phrase (by its public X-Wing key), or either."""

    passphrase: Passphrase | None = None
    phrase_key: bytes | None = field(default=None, repr=False)

    @property
    def names(self) -> list[str]:
        named = (("passphrase", self.passphrase), ("phrase", self.phrase_key))
        return [name for name, opener in named if opener is not None]


@dataclass(frozen=True)
class Head:
    """`encoded` is how the file begins, `key` what seals the rest."""

    encoded: bytes
    key: StreamKey = field(repr=False)

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.encoded).digest()


def new_head(openers: Openers) -> Head:
    """Takes as long as stretching the passphrase. Raises CannotOpenBackup if nobody could open it."""
    file_key = Secret(os.urandom(32))
    slots: list[PassphraseSlot | PhraseSlot] = []
    if openers.passphrase is not None:
        how = Argon2id(os.urandom(16))
        sealed = stretch(openers.passphrase, how).seal(file_key, os.urandom(12), _bound(how))
        slots.append(PassphraseSlot(how, sealed))
    if openers.phrase_key is not None:
        slots.append(PhraseSlot(coterie_mls.hpke_seal(openers.phrase_key, _PHRASE_LABEL, b"", bytes(file_key))))
    if not slots:
        raise CannotOpenBackup("nothing would open this backup", "give a passphrase for it")
    encoded = MAGIC + msgspec.json.encode(_Head(slots)) + b"\n"
    return Head(encoded, _stream_key(file_key, encoded))


def read_head(file: BinaryIO, passphrase: Passphrase | None, phrase: Phrase | None) -> Head:
    """Leaves the file where the body begins. Raises BackupDamaged, NewerBackup, CannotOpenBackup."""
    magic = file.readline(len(MAGIC))
    if magic != MAGIC:
        if magic.startswith(b"coterie-backup/"):
            raise NewerBackup
        raise BackupDamaged("it does not begin like one")
    line = file.readline(LARGEST_HEAD)
    try:
        head = msgspec.json.decode(line, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BackupDamaged("its head does not decode") from None
    for slot in head.slots:
        file_key = _try(slot, passphrase, phrase)
        if file_key is not None:
            encoded = magic + line
            return Head(encoded, _stream_key(file_key, encoded))
    by = " or ".join("your recovery phrase" if isinstance(slot, PhraseSlot) else "a passphrase" for slot in head.slots)
    raise CannotOpenBackup("this does not open the backup", f"it opens with {by}")


def _try(slot: PassphraseSlot | PhraseSlot, passphrase: Passphrase | None, phrase: Phrase | None) -> Secret | None:
    """The file's key if this opens it. Raises BackupDamaged."""
    if isinstance(slot, PhraseSlot):
        if phrase is None:
            return None
        private, _ = coterie_mls.hpke_keypair(bytes(backup_key_seed(phrase.seed)))
        try:
            return Secret(coterie_mls.hpke_open(private, _PHRASE_LABEL, b"", slot.sealed))
        except MlsError:
            return None
    if passphrase is None:
        return None
    try:
        return stretch(passphrase, slot.argon2id).open(slot.sealed, _bound(slot.argon2id))
    except WrongKey:
        return None
    except BrokenSeal:
        raise BackupDamaged("its head was changed") from None


def _bound(how: Argon2id) -> bytes:
    return _PASSPHRASE_LABEL + msgspec.msgpack.encode(how)


def _stream_key(file_key: Secret, encoded: bytes) -> StreamKey:
    """The head is bound to the body: nobody else's slot can be put in front of it."""
    info = _STREAM_LABEL + hashlib.sha256(encoded).digest()
    return StreamKey(HKDF(SHA256(), 32, salt=None, info=info).derive(bytes(file_key)))
