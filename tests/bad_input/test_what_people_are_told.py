"""A table of bad inputs and the words that each gets: a fact, and what to do. Nothing that was there is lost."""

from collections.abc import Callable
from pathlib import Path

import coterie_mls
import pytest
from coterie_mls import MlsError

from coterie.content import MalformedContent, decode_content_untrusted
from coterie.errors import CoterieError
from coterie.group.context import MalformedContext, decode_context_untrusted
from coterie.group.entry import BadEntry, decode_entry_untrusted
from coterie.group.inbox import BadInboxEntry, open_entry_untrusted
from coterie.group.sealed_blob import BadBlob, BlobRef, open_blob_untrusted
from coterie.ids import BlobId, CoterieId, DeviceId, InviteId, QueueId, Secret, Seed
from coterie.server.rules.record import MalformedRecord, decode_record_untrusted
from coterie.store import Database, Passphrase
from coterie.store.database import NewerStore, StoreDamaged
from coterie.store.passphrase import EmptyPassphrase
from coterie.store.schema import MIGRATIONS
from coterie.store.wrap import DeviceExists, KeyFileDamaged, NoDevice, WrongPassphrase, create, unlock
from coterie.trust import NewerCoterie, Reason, RegisterError, apply
from coterie.trust.address import WrongAddress, parse_address
from coterie.trust.bundle import MalformedBundle, decode_bundle_untrusted
from coterie.trust.entry import MalformedEntry
from coterie.trust.invite import (
    BadPacket,
    WrongLink,
    expect_found,
    expect_join,
    open_packet_untrusted,
    parse_link_untrusted,
)
from coterie.trust.keys import MalformedKey, public_key_untrusted
from coterie.trust.names import BadName, clean_name
from coterie.wire.codec import (
    MalformedFrame,
    decode_answer_untrusted,
    decode_greeting_untrusted,
    decode_request_untrusted,
)
from coterie.wire.limits import FRAME_BYTES
from tests.trust.cast import Stage, by_device
from tests.trust.test_invite import FOUND, JOIN

Action = Callable[[], object]
STAGE = Stage.founded()
REF = BlobRef(BlobId(bytes(32)), bytes(32), 100)


def newer_entry() -> object:
    entry = by_device(STAGE.state, b"\x80", STAGE.founder)
    entry.kind = "SomethingNewer"
    return apply(STAGE.state, entry.encoded)


TABLE: list[tuple[str, Action, type[CoterieError], str]] = [
    ("a web link", lambda: parse_link_untrusted("https://x.example/join/abc"), WrongLink, "may have been read"),
    ("another scheme", lambda: parse_link_untrusted("mailto:ada@x.example"), WrongLink, "not a Coterie link"),
    ("half a link", lambda: parse_link_untrusted(JOIN.text[:-7]), WrongLink, "incomplete"),
    ("two links", lambda: parse_link_untrusted(JOIN.text + FOUND.text), WrongLink, "several links"),
    ("an endless link", lambda: parse_link_untrusted("coterie://" + "a" * 9999), WrongLink, "too long"),
    ("an invite to found with", lambda: expect_found(JOIN), WrongLink, "joins a coterie"),
    ("a founding link to join with", lambda: expect_join(FOUND), WrongLink, "founds a coterie"),
    ("an address without a port", lambda: parse_address("coterie.example"), WrongAddress, "no port"),
    ("an empty frame", lambda: decode_request_untrusted(b""), MalformedFrame, "does not decode"),
    ("a frame of text", lambda: decode_greeting_untrusted(b"GET / HTTP/1.1"), MalformedFrame, "does not decode"),
    ("a gigantic frame", lambda: decode_answer_untrusted(bytes(FRAME_BYTES + 1)), MalformedFrame, "the most is"),
    ("a garbage record", lambda: decode_record_untrusted(b"\xc1"), MalformedRecord, "record"),
    ("a garbage register entry", lambda: apply(STAGE.state, b"\x92"), MalformedEntry, "malformed"),
    ("a register entry twice", lambda: apply(STAGE.state, STAGE.entries[0]), RegisterError, "already"),
    ("a register entry of a newer kind", newer_entry, NewerCoterie, "newer Coterie"),
    ("a key that is no key", lambda: public_key_untrusted(b"\1" + bytes(31)), MalformedKey, "key"),
    ("a garbage bundle", lambda: decode_bundle_untrusted(b"\xc0"), MalformedBundle, "malformed"),
    (
        "a packet for another invite",
        lambda: open_packet_untrusted(Seed(bytes(32)), CoterieId(bytes(32)), InviteId(bytes(32)), bytes(60)),
        BadPacket,
        "cannot be opened",
    ),
    ("a garbage room entry", lambda: decode_entry_untrusted(b"\x07\x07"), BadEntry, "unknown form"),
    ("a garbage room description", lambda: decode_context_untrusted(b"\xff", 77), MalformedContext, "malformed"),
    ("garbage content", lambda: decode_content_untrusted(b"\xff"), MalformedContent, "content"),
    (
        "an inbox entry for nobody here",
        lambda: open_entry_untrusted(CoterieId(bytes(32)), DeviceId(bytes(16)), QueueId(bytes(32)), [], bytes(2000)),
        BadInboxEntry,
        "sealed to no key",
    ),
    ("another blob than was named", lambda: open_blob_untrusted(REF, bytes(100)), BadBlob, "not the one"),
    ("an empty passphrase", lambda: Passphrase.of(""), EmptyPassphrase, "empty"),
    ("a name of line breaks", lambda: clean_name("Ada\nBo"), BadName, "name"),
    ("a name of nothing", lambda: clean_name("  "), BadName, "name"),
]


@pytest.mark.parametrize(("what", "act", "error", "words"), TABLE, ids=[row[0] for row in TABLE])
def test_bad_input_gets_a_fact_and_a_hint(what: str, act: Action, error: type[CoterieError], words: str) -> None:
    with pytest.raises(error) as caught:
        act()
    assert words in caught.value.fact
    assert "Traceback" not in caught.value.fact
    if error not in (MalformedFrame, MalformedRecord, MalformedKey, MalformedContent):  # said to programs, not people
        assert caught.value.hint


MLS_TABLE: list[tuple[str, Callable[[coterie_mls.Group], object], str]] = [
    ("a garbage key package", lambda group: coterie_mls.parse_key_package(b"\0\1\0\5"), "malformed"),
    ("a garbage message", lambda group: group.process(b"\0\1\0\2garbage"), "malformed"),
    ("a garbage commit's package", lambda group: group.commit(add=[b"\0"]), "malformed"),
    ("a garbage welcome", lambda group: coterie_mls.cut_welcome(b"\0\1", bytes(32)), "malformed"),
    ("a leaf that is not there", lambda group: group.commit(remove=[99]), "not-a-member"),
]


@pytest.mark.parametrize(("what", "act", "code"), MLS_TABLE, ids=[row[0] for row in MLS_TABLE])
def test_bad_mls_input_has_a_code_and_changes_nothing(
    what: str, act: Callable[[coterie_mls.Group], object], code: str
) -> None:
    group = coterie_mls.Client(b"ada", bytes(32)).create(b"group", b"context")
    group.take_writes()
    before = (group.epoch, group.epoch_authenticator, group.has_pending)
    with pytest.raises(MlsError) as caught:
        act(group)
    assert caught.value.code == code
    assert (group.epoch, group.epoch_authenticator, group.has_pending) == before
    assert not group.take_writes()


def test_register_refusals_all_say_what_to_do() -> None:
    for reason in Reason:
        error = RegisterError(reason)
        assert error.fact
        assert error.hint


# files


def test_a_wrong_passphrase_opens_nothing_and_loses_nothing(tmp_path: Path) -> None:
    key = create(tmp_path, Passphrase.of("correct horse"))
    with pytest.raises(WrongPassphrase, match="does not open the device"):
        unlock(tmp_path, Passphrase.of("battery staple"))
    with pytest.raises(DeviceExists):
        create(tmp_path, Passphrase.of("another"))
    assert unlock(tmp_path, Passphrase.of("correct horse")) == key


def test_a_folder_without_a_device_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoDevice) as caught:
        unlock(tmp_path, Passphrase.of("anything"))
    assert caught.value.hint


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 99}', b"\xff" * 500])
def test_a_damaged_key_file_is_named_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    create(tmp_path, Passphrase.of("correct horse"))
    file = tmp_path / "device.key"
    file.write_bytes(damage)
    with pytest.raises((KeyFileDamaged, NoDevice)) as caught:
        unlock(tmp_path, Passphrase.of("correct horse"))
    assert caught.value.fact
    assert file.read_bytes() == damage


@pytest.mark.parametrize("damage", [b"not a database" * 400, bytes(8192)])
def test_a_damaged_store_is_named_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    path, key = tmp_path / "device.db", Secret(b"k" * 32)
    Database.open(path, key, MIGRATIONS).close()
    path.write_bytes(damage)
    with pytest.raises(StoreDamaged, match="damaged, or belongs to another"):
        Database.open(path, key, MIGRATIONS)
    assert path.read_bytes() == damage


def test_another_key_does_not_open_the_store_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    database = Database.open(path, Secret(b"k" * 32), MIGRATIONS)
    database.execute("INSERT INTO fact VALUES ('coterie', x'01')")
    database.close()
    with pytest.raises(StoreDamaged):
        Database.open(path, Secret(b"x" * 32), MIGRATIONS)
    again = Database.open(path, Secret(b"k" * 32), MIGRATIONS)
    assert again.row("SELECT value FROM fact") == (b"\1",)
    again.close()


def test_a_newer_store_is_not_touched(tmp_path: Path) -> None:
    path, key = tmp_path / "device.db", Secret(b"k" * 32)
    newer = (*MIGRATIONS, (len(MIGRATIONS) + 1, "CREATE TABLE later (x)"))
    Database.open(path, key, newer).close()
    with pytest.raises(NewerStore, match="version") as caught:
        Database.open(path, key, MIGRATIONS)
    assert "newer Coterie" in caught.value.hint
    Database.open(path, key, newer).close()
