"""The phrase while the device has it, its confirmation, after which the key is nowhere on the disk, and the file."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from coterie.client.recovery import PhraseFileBad, read_phrase_file, write_phrase_file
from coterie.client.recovery.keeping import PhraseGone, backup_key, confirm_phrase, phrase_key, phrase_of, server_link
from coterie.client.recovery.phrase_file import can_be_written
from coterie.client.state import DeviceState
from coterie.ids import Seed
from coterie.store.facts import Fact
from coterie.trust.phrase import Phrase, WrongPhrase
from tests.client.conftest import STORE_KEY

SEED = Seed(os.urandom(32))
PHRASE = Phrase.of_seed(SEED)
THREE = {place: PHRASE.words[place - 1] for place in (2, 9, 24)}


@pytest.fixture
def device(state: DeviceState) -> Iterator[DeviceState]:
    """As after founding: the seed among the other facts, and a store that has been at work since."""
    facts = state.store.facts
    with state.groups.changing():
        facts.put(Fact.IDENTITY_SEED, bytes(SEED))
        facts.put(Fact.FOUNDED, os.urandom(767))
        facts.put(Fact.LINK, os.urandom(300))
    for fact in (Fact.INBOX_READ, Fact.POSITION, Fact.PROFILE_NAME, Fact.COTERIE_NAME, Fact.INBOX_TERMS):
        for size in (40, 900, 90):
            with state.groups.changing():
                facts.put(fact, os.urandom(size))
    yield state


def plain_bytes(state: DeviceState, folder: Path) -> bytes:
    """Every byte of the store's files, decrypted: pages in use, free pages, and what is unused in a page."""
    folder.mkdir()
    source = state.store.database.path
    wal = source.with_name(source.name + "-wal")
    assert not wal.exists() or wal.stat().st_size == 0, "the log is cut"
    copy = folder / source.name
    shutil.copy(source, copy)
    connection = apsw.Connection(str(copy))
    connection.execute("PRAGMA cipher = 'chacha20'")
    connection.execute(f"PRAGMA key = 'raw:{bytes(STORE_KEY).hex()}'")
    connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    connection.execute("PRAGMA rekey = ''").fetchall()
    connection.close()
    content = copy.read_bytes()
    assert content.startswith(b"SQLite format 3\0"), "not encrypted any more"
    return content


def test_three_words_take_the_key_off_the_device(device: DeviceState, tmp_path: Path) -> None:
    device.store.database.truncate()
    assert bytes(SEED) in plain_bytes(device, tmp_path / "before"), "or this test could not fail"
    confirm_phrase(device, THREE)
    assert bytes(SEED) not in plain_bytes(device, tmp_path / "after")
    with pytest.raises(PhraseGone):
        phrase_of(device.store.facts)
    with pytest.raises(PhraseGone):
        confirm_phrase(device, THREE)


def test_wrong_words_leave_everything_as_it_was(device: DeviceState) -> None:
    for wrong in ({2: THREE[2], 9: THREE[9]}, THREE | {9: "zebra"}, THREE | {25: "zebra"}):
        with pytest.raises(WrongPhrase):
            confirm_phrase(device, wrong)
    assert phrase_of(device.store.facts) == PHRASE


def test_backups_are_sealed_to_the_same_key_before_and_after(device: DeviceState) -> None:
    before = backup_key(device.store.facts)
    confirm_phrase(device, THREE)
    assert backup_key(device.store.facts) == before == phrase_key(PHRASE)


def test_the_file_is_for_its_owner_alone_and_is_read_back(device: DeviceState, tmp_path: Path) -> None:
    path = tmp_path / "phrase"
    server = server_link(device)
    write_phrase_file(path, PHRASE, server)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_phrase_file(path) == (PHRASE, server)
    (tmp_path / "bare").write_text(" ".join(PHRASE.words).upper())
    assert read_phrase_file(tmp_path / "bare") == (PHRASE, None)


def test_no_file_is_written_over(device: DeviceState, tmp_path: Path) -> None:
    path = tmp_path / "phrase"
    path.write_text("what was there")
    for attempt in (can_be_written, lambda path: write_phrase_file(path, PHRASE, server_link(device))):
        with pytest.raises(PhraseFileBad, match="is there already"):
            attempt(path)
    assert path.read_text() == "what was there"
    with pytest.raises(PhraseFileBad):
        can_be_written(tmp_path / "nowhere" / "phrase")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"# nothing", b"a" * 100_000], ids=["no text", "empty", "long"])
def test_what_is_no_phrase_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "phrase"
    path.write_bytes(content)
    with pytest.raises((PhraseFileBad, WrongPhrase)):
        read_phrase_file(path)
    with pytest.raises(PhraseFileBad):
        read_phrase_file(tmp_path / "not there")
