"""`device.key`: what opens it, what does not, and what a damaged or hostile one gets."""

import json
import os
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.SecretService import Keyring as SecretServiceKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from coterie.ids import Secret
from coterie.store import wrap
from coterie.store.passphrase import EmptyPassphrase, Passphrase, Sealed
from coterie.store.wrap import (
    DeviceExists,
    KeyFileDamaged,
    Keyring,
    KeyringRefused,
    NoDevice,
    WrongPassphrase,
    WrongUnlock,
)

RIGHT = Passphrase.of("correct horse battery staple")
WRONG = Passphrase.of("correct horse battery stapler")


class KeyringInMemory(SecretServiceKeyring):
    """Stands for an allowed backend where no desktop runs: the same interface, kept in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError(username)


class LockedKeyring(KeyringInMemory):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("the person said no")


class PlaintextKeyring(KeyringBackend):
    """Like those of keyrings.alt."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring has no annotation there

    def get_password(self, service: str, username: str) -> str | None:
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("it must not be given a key")


def test_passphrase_opens_what_it_locked(tmp_path: Path) -> None:
    key = wrap.create(tmp_path / "home", RIGHT)
    assert len(key) == 32
    assert wrap.unlock(tmp_path / "home", Passphrase.of("correct horse battery staple")) == key
    assert wrap.opens_with(tmp_path / "home") == "passphrase"


def test_wrong_passphrase_is_said_in_words(tmp_path: Path) -> None:
    wrap.create(tmp_path, RIGHT)
    with pytest.raises(WrongPassphrase) as refused:
        wrap.unlock(tmp_path, WRONG)
    assert refused.value.fact == "this passphrase does not open the device"
    assert refused.value.hint


def test_accent_typed_as_one_or_two_characters_is_one_passphrase(tmp_path: Path) -> None:
    key = wrap.create(tmp_path, Passphrase.of("caf\u00e9"))
    assert wrap.unlock(tmp_path, Passphrase.of("cafe\u0301")) == key


def test_empty_passphrase_is_refused() -> None:
    with pytest.raises(EmptyPassphrase):
        Passphrase.of("")


def test_passphrase_hides_itself() -> None:
    assert "horse" not in repr(RIGHT)
    assert "horse" not in str([RIGHT])


def test_file_is_private_and_holds_neither_key_nor_passphrase(tmp_path: Path) -> None:
    key = wrap.create(tmp_path / "home", RIGHT)
    file = tmp_path / "home" / "device.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    content = file.read_bytes()
    assert bytes(key) not in content
    assert bytes(key).hex().encode() not in content
    assert bytes(RIGHT) not in content
    assert [entry.name for entry in file.parent.iterdir()] == ["device.key"]


def test_device_is_not_overwritten_by_another(tmp_path: Path) -> None:
    key = wrap.create(tmp_path, RIGHT)
    with pytest.raises(DeviceExists):
        wrap.create(tmp_path, RIGHT)
    assert wrap.unlock(tmp_path, RIGHT) == key


def test_home_without_a_device(tmp_path: Path) -> None:
    for attempt in (lambda: wrap.unlock(tmp_path, RIGHT), lambda: wrap.opens_with(tmp_path / "nowhere")):
        with pytest.raises(NoDevice, match="there is no device"):
            attempt()


def test_changed_passphrase_opens_the_same_store_and_the_old_one_none(tmp_path: Path) -> None:
    key = wrap.create(tmp_path, RIGHT)
    before = json.loads((tmp_path / "device.key").read_text())
    wrap.rewrap(tmp_path, RIGHT, WRONG)
    after = json.loads((tmp_path / "device.key").read_text())
    assert wrap.unlock(tmp_path, WRONG) == key
    with pytest.raises(WrongPassphrase):
        wrap.unlock(tmp_path, RIGHT)
    assert before["lock"]["argon2id"]["salt"] != after["lock"]["argon2id"]["salt"]


def test_change_with_a_wrong_passphrase_changes_nothing(tmp_path: Path) -> None:
    wrap.create(tmp_path, RIGHT)
    before = (tmp_path / "device.key").read_bytes()
    with pytest.raises(WrongPassphrase):
        wrap.rewrap(tmp_path, WRONG, RIGHT)
    assert (tmp_path / "device.key").read_bytes() == before


def test_leftover_of_a_crash_while_writing_is_no_obstacle(tmp_path: Path) -> None:
    key = wrap.create(tmp_path, RIGHT)
    (tmp_path / "device.new").write_bytes(b"half a file")
    wrap.rewrap(tmp_path, RIGHT, WRONG)
    assert wrap.unlock(tmp_path, WRONG) == key
    assert [entry.name for entry in tmp_path.iterdir()] == ["device.key"]


def test_keyring_opens_what_it_locked_and_needs_the_file_too(tmp_path: Path) -> None:
    backend = KeyringInMemory()
    key = wrap.create(tmp_path, Keyring(backend))
    assert wrap.unlock(tmp_path, Keyring(backend)) == key
    assert wrap.opens_with(tmp_path) == "keyring"
    assert bytes(key).hex() not in backend.kept.values()


def test_device_moves_from_keyring_to_passphrase_and_back(tmp_path: Path) -> None:
    backend = KeyringInMemory()
    key = wrap.create(tmp_path, Keyring(backend))
    wrap.rewrap(tmp_path, Keyring(backend), RIGHT)
    assert backend.kept == {}
    assert wrap.unlock(tmp_path, RIGHT) == key
    wrap.rewrap(tmp_path, RIGHT, Keyring(backend))
    assert wrap.unlock(tmp_path, Keyring(backend)) == key


def test_passphrase_for_a_keyring_device_and_the_other_way_round(tmp_path: Path) -> None:
    wrap.create(tmp_path / "a", Keyring(KeyringInMemory()))
    wrap.create(tmp_path / "b", RIGHT)
    with pytest.raises(WrongUnlock, match="system's keyring"):
        wrap.unlock(tmp_path / "a", RIGHT)
    with pytest.raises(WrongUnlock, match="passphrase"):
        wrap.unlock(tmp_path / "b", Keyring(KeyringInMemory()))


def test_keyring_that_lost_mixed_up_or_withholds_the_key(tmp_path: Path) -> None:
    backend = KeyringInMemory()
    wrap.create(tmp_path, Keyring(backend))
    (name,) = backend.kept
    with pytest.raises(KeyringRefused, match="does not hold"):
        wrap.unlock(tmp_path, Keyring(KeyringInMemory()))
    with pytest.raises(KeyringRefused, match="did not answer"):
        wrap.unlock(tmp_path, Keyring(LockedKeyring()))
    for kept, words in ((os.urandom(32).hex(), "another device's key"), ("not hexadecimal", "does not hold")):
        backend.kept[name] = kept
        with pytest.raises(KeyringRefused, match=words):
            wrap.unlock(tmp_path, Keyring(backend))


def test_keyring_that_keeps_secrets_in_clear_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyringRefused, match="not one that Coterie trusts"):
        Keyring(PlaintextKeyring())
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"{__name__}.PlaintextKeyring")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
    with pytest.raises(KeyringRefused, match="no keyring here"):
        Keyring.find()


Edit = Callable[[dict[str, Any]], None]

HOSTILE: dict[str, Edit] = {
    "a terabyte": lambda file: file["lock"]["argon2id"].update(memory_kib=2**30),
    "next to no memory": lambda file: file["lock"]["argon2id"].update(memory_kib=8),
    "a year of passes": lambda file: file["lock"]["argon2id"].update(passes=2**31),
    "one pass": lambda file: file["lock"]["argon2id"].update(passes=1),
    "many lanes": lambda file: file["lock"]["argon2id"].update(lanes=2**24),
    "no salt": lambda file: file["lock"]["argon2id"].update(salt=""),
    "another version": lambda file: file.update(version=2),
    "another lock": lambda file: file["lock"].update(by="nobody"),
    "a keyring name that is a path": lambda file: file.update(lock={"by": "keyring", "name": "../../x"}),
    "no seal": lambda file: file.pop("sealed"),
    "a field more": lambda file: file.update(more=1),
    "another salt": lambda file: file["lock"]["argon2id"].update(salt="AAAAAAAAAAAAAAAAAAAAAA=="),
    "another seal": lambda file: file["sealed"].update(ciphertext="A" * 64),
}


@pytest.mark.parametrize("edit", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_file_is_refused_before_any_work(tmp_path: Path, edit: Edit) -> None:
    wrap.create(tmp_path, RIGHT)
    path = tmp_path / "device.key"
    file = json.loads(path.read_text())
    edit(file)
    path.write_text(json.dumps(file))
    with pytest.raises(KeyFileDamaged, match=r"device\.key is damaged"):
        wrap.unlock(tmp_path, RIGHT)


def test_any_damage_is_told_from_a_wrong_passphrase(tmp_path: Path) -> None:
    wrap.create(tmp_path, RIGHT)
    path = tmp_path / "device.key"
    whole = path.read_bytes()
    chance = random.Random(3)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content) - 1)] = chance.randrange(256)
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        if json_equal(bytes(content), whole):
            continue
        path.write_bytes(content)
        with pytest.raises(KeyFileDamaged):
            wrap.opens_with(tmp_path)
    path.write_bytes(whole + b" " * 5000)
    with pytest.raises(KeyFileDamaged):
        wrap.opens_with(tmp_path)


def json_equal(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def test_seal_of_one_device_in_the_file_of_another_does_not_open(tmp_path: Path) -> None:
    """Even with the check made right: the commitment is the wrapping key's."""
    wrap.create(tmp_path / "a", RIGHT)
    wrap.create(tmp_path / "b", WRONG)
    a, b = (wrap._read(tmp_path / name) for name in "ab")
    mixed = wrap.KeyFile(1, a.lock, b.sealed, wrap._check(a.lock, b.sealed))
    (tmp_path / "a" / "device.key").write_bytes(msgspec.json.encode(mixed))
    with pytest.raises(WrongPassphrase):
        wrap.unlock(tmp_path / "a", RIGHT)


def test_secret_of_the_right_lock_with_a_foreign_ciphertext_is_damage(tmp_path: Path) -> None:
    wrap.create(tmp_path, RIGHT)
    file = wrap._read(tmp_path)
    forged = Sealed(file.sealed.commitment, file.sealed.nonce, bytes(48))
    (tmp_path / "device.key").write_bytes(
        msgspec.json.encode(wrap.KeyFile(1, file.lock, forged, wrap._check(file.lock, forged)))
    )
    with pytest.raises(KeyFileDamaged):
        wrap.unlock(tmp_path, RIGHT)


def test_key_is_new_for_every_device(tmp_path: Path) -> None:
    keys = [wrap.create(tmp_path / str(number), Keyring(KeyringInMemory())) for number in range(3)]
    assert len(set(keys)) == 3
    assert all(isinstance(key, Secret) for key in keys)
