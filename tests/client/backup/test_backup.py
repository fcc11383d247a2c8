"""A device's history in a file and back: all of it, nothing that could be used twice, and every damage found out."""

import io
import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from coterie.client import Device, Passphrase
from coterie.client.backup import (
    BackupDamaged,
    BackupUnreachable,
    CannotOpenBackup,
    NewerBackup,
    Openers,
    OtherBackup,
    Restored,
    restore,
)
from coterie.client.backup.contents import KEPT, LEFT_OUT
from coterie.client.backup.header import new_head, read_head
from coterie.client.backup.stream import CHUNK_BYTES, SealedWriter, StreamKey, Value, read_records
from coterie.client.online.shared_session import HistoryOnly
from coterie.client.recovery import come_back, restored_server
from coterie.client.recovery.keeping import phrase_of, server_link
from coterie.ids import MessageId, Seed
from coterie.store.facts import Fact
from coterie.store.messages import MessageRow
from coterie.store.schema import MIGRATIONS
from coterie.store.wrap import DeviceExists
from coterie.trust.phrase import Phrase
from tests.client.newsroom import PASSPHRASE, FakeClock, Newsroom, newsroom, notices, settle, texts

OF_THE_BACKUP = Passphrase.of("another one, for the backup")
NEW = Passphrase.of("for the new device")


@pytest_asyncio.fixture
async def gazette(tmp_path: Path) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path, "Bo") as gazette:
        yield gazette


async def backed_up(device: Device, path: Path, passphrase: Passphrase | None = OF_THE_BACKUP) -> Path:
    *_, last = [written async for written in device.backup(path, passphrase)]
    assert last.size == path.stat().st_size
    return path


def restored(
    home: Path, path: Path, passphrase: Passphrase | None = OF_THE_BACKUP, phrase: Phrase | None = None
) -> Restored:
    *_, last = restore(home, NEW, path, passphrase, phrase, FakeClock())
    assert last.whole
    return last


def plaintext(path: Path) -> list[tuple[str, list[Value]]]:
    with path.open("rb") as file:
        head = read_head(file, OF_THE_BACKUP, None)
        return list(read_records(file, head.key))


async def test_the_history_is_there_at_once_without_a_server(gazette: Newsroom, tmp_path: Path) -> None:
    room = await gazette.room("Desk", "Ada", "Bo")
    for text in ("first", "second"):
        await gazette["Ada"].send(room, text)
    await gazette["Bo"].sync()
    await gazette["Bo"].send(room, "third")
    said, told = texts(gazette["Bo"], room), notices(gazette["Bo"], room)
    file = await backed_up(gazette["Bo"], tmp_path / "bo.backup")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("*.part")] == []
    gazette.close("Bo")
    await gazette.server.stop()

    facts = restored(tmp_path / "new", file)
    assert facts.rooms == 1
    with_history = Device.open(tmp_path / "new", NEW)
    assert (texts(with_history, room), notices(with_history, room)) == (said, told)
    assert [member.name for member in with_history.members()] == ["Ada", "Bo"]
    status = with_history.status()
    assert (status.history_only, status.coterie_name) == (True, "The Gazette")
    assert with_history.room(room).reason.startswith("restored from a backup")
    with pytest.raises(HistoryOnly):
        await with_history.sync()
    with_history.close()


async def test_nothing_of_the_devices_own_keys_is_in_the_file(gazette: Newsroom, tmp_path: Path) -> None:
    """Ratchets, key packages, leaf and device seeds, inbox keys, tokens, the identity: what is not there is not
    restored into use."""
    room = await gazette.room("Desk", "Ada", "Bo")
    await gazette["Bo"].send(room, "hello")
    store = gazette["Bo"]._state.store
    file = await backed_up(gazette["Bo"], tmp_path / "bo.backup")
    records = plaintext(file)
    content = b"".join(
        value if isinstance(value, bytes) else str(value).encode() for _, row in records for value in row
    )
    assert b"hello" in content, "or this test could not fail"
    facts = (Fact.IDENTITY_SEED, Fact.DEVICE_SEED, Fact.LEAF_SEED, Fact.INBOX_READ, Fact.INBOX_CLOSE)
    secrets = [store.facts.need(fact) for fact in facts]
    secrets += [bytes(key.seed) for key in store.inbox.key_rows()]
    secrets += [value for _, value in store.groups.client_rows()]
    secrets += [value for _, value in store.groups.rows(gazette["Bo"]._state.group_of(room).group) if len(value) > 8]
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in content] == []
    assert {table for table, _ in records} <= {*KEPT, "backup", "columns", "fact", "place", "end"}


async def test_a_restored_device_begins_with_keys_of_its_own(gazette: Newsroom, tmp_path: Path) -> None:
    old = gazette["Bo"]._state
    file = await backed_up(gazette["Bo"], tmp_path / "bo.backup")
    for home in ("one", "two"):
        restored(tmp_path / home, file)
    one, two = (Device.open(tmp_path / home, NEW) for home in ("one", "two"))
    seeds = [device._state.store.facts.need(Fact.LEAF_SEED) for device in (one, two)]
    assert len({*seeds, bytes(old.own.leaf_seed)}) == 3
    assert len({one.status().device, two.status().device, old.own.device}) == 3
    for device in (one, two):
        store = device._state.store
        assert store.database.row("SELECT 1 FROM group_row") is None
        assert store.database.row("SELECT 1 FROM client_row") is None
        device.close()


async def test_history_and_membership_come_back_together(gazette: Newsroom, tmp_path: Path) -> None:
    room = await gazette.room("Desk", "Ada", "Bo")
    await gazette["Ada"].send(room, "before")
    await gazette["Bo"].sync()
    phrase = phrase_of(gazette["Bo"]._state.store.facts)
    member = gazette.member("Bo")
    file = await backed_up(gazette["Bo"], tmp_path / "bo.backup")
    await gazette["Ada"].send(room, "after the backup")
    gazette.close("Bo")

    home = gazette.home("Bo again")
    *_, last = restore(home, PASSPHRASE, file, None, phrase, FakeClock())
    assert last.whole
    server = restored_server(home, PASSPHRASE, FakeClock())
    await come_back(home, PASSPHRASE, server, phrase, FakeClock())
    bo = gazette.open("Bo again")
    await settle(gazette["Ada"], bo)
    assert (bo.status().member, bo.status().history_only, bo.status().confirmed) == (member, False, True)
    assert bo.room(room).state == "active"
    await gazette["Ada"].send(room, "welcome back")
    await bo.sync()
    assert texts(bo, room) == ["before", "welcome back"], "what came in between was said to a device that is lost"
    await bo.send(room, "thank you")
    await gazette["Ada"].sync()
    assert texts(gazette["Ada"], room)[-1] == "thank you"


async def test_only_its_own_member_comes_back_on_it(gazette: Newsroom, tmp_path: Path) -> None:
    file = await backed_up(gazette["Bo"], tmp_path / "bo.backup")
    restored(tmp_path / "new", file)
    adas = phrase_of(gazette["Ada"]._state.store.facts)
    server = restored_server(tmp_path / "new", NEW, FakeClock())
    with pytest.raises(Exception, match="not the phrase of the member"):
        await come_back(tmp_path / "new", NEW, server, adas, FakeClock())
    await gazette["Ada"].sync()


async def test_a_folder_with_a_backups_history_is_not_made_somebody_elses(gazette: Newsroom, tmp_path: Path) -> None:
    await gazette.room("Desk", "Ada", "Bo")
    many_messages(gazette["Ada"], 1500)
    link = (await gazette["Ada"].create_invite()).link
    assert link is not None
    server = server_link(gazette["Ada"]._state)
    phrase = phrase_of(gazette["Ada"]._state.store.facts)
    file = await backed_up(gazette["Ada"], tmp_path / "ada.backup")
    begun = restore(tmp_path / "half", NEW, file, OF_THE_BACKUP, None, FakeClock())
    next(begun)
    begun.close()
    restored(tmp_path / "whole", file)
    for home in ("half", "whole"):
        with pytest.raises(DeviceExists):
            await Device.join(tmp_path / home, NEW, link, "Cleo")
    with pytest.raises(DeviceExists, match="half restored"):
        await come_back(tmp_path / "half", NEW, server, phrase, FakeClock())
    await gazette["Ada"].sync()


async def test_what_was_not_sent_is_kept_as_unsent(gazette: Newsroom, tmp_path: Path) -> None:
    room = await gazette.room("Desk", "Bo", "Ada")
    await gazette.server.stop()
    await gazette["Bo"].send(room, "never left", wait=0.1)
    file = await backed_up(gazette["Bo"], tmp_path / "bo.backup")
    restored(tmp_path / "new", file)
    device = Device.open(tmp_path / "new", NEW)
    (message,) = [message for message in device.messages(room) if message.text == "never left"]
    assert message.state == "unsent"
    device.close()


def many_messages(device: Device, count: int) -> None:
    """More than one batch and one chunk."""
    state, room = device._state, device.rooms()[0].room
    own, place = state.own, state.group_of(room).place
    with state.groups.changing():
        for n in range(count):
            message = MessageId(os.urandom(16))
            who, at = (own.member, own.device), 1_790_000_000_000 + n
            row = MessageRow(0, message, room, place, 10_000 + n, *who, at, at, "text", f"number {n}", b"", "received")
            state.store.messages.add(row)


async def test_interrupted_it_goes_on_and_another_backup_is_not_mixed_in(gazette: Newsroom, tmp_path: Path) -> None:
    room = await gazette.room("Desk", "Ada", "Bo")
    many_messages(gazette["Ada"], 3000)
    file = await backed_up(gazette["Ada"], tmp_path / "ada.backup")
    other = await backed_up(gazette["Ada"], tmp_path / "other.backup")
    begun = restore(tmp_path / "new", NEW, file, OF_THE_BACKUP, None, FakeClock())
    next(begun), next(begun)
    begun.close()
    with pytest.raises(Exception, match="no finished device"):
        Device.open(tmp_path / "new", NEW)
    with pytest.raises(OtherBackup):
        restored(tmp_path / "new", other)
    restored(tmp_path / "new", file)
    device = Device.open(tmp_path / "new", NEW)
    assert texts(device, room) == texts(gazette["Ada"], room)
    assert len(texts(device, room)) == 3000
    device.close()
    with pytest.raises(DeviceExists):
        restored(tmp_path / "new", file)


async def test_it_opens_with_passphrase_or_phrase_and_nothing_else(gazette: Newsroom, tmp_path: Path) -> None:
    phrase = phrase_of(gazette["Bo"]._state.store.facts)
    gazette["Bo"].confirm_phrase(dict(enumerate(phrase.words, 1)))
    file = await backed_up(gazette["Bo"], tmp_path / "bo.backup")
    nobodys = Phrase.of_seed(Seed(b"\7" * 32))
    for number, (passphrase, by) in enumerate([(None, None), (NEW, None), (None, nobodys), (NEW, nobodys)]):
        with pytest.raises(CannotOpenBackup) as refused:
            restored(tmp_path / f"not {number}", file, passphrase, by)
        assert refused.value.hint == "it opens with a passphrase or your recovery phrase"
        assert not (tmp_path / f"not {number}").exists()
    restored(tmp_path / "by passphrase", file)
    restored(tmp_path / "by phrase", file, None, phrase)
    without = await backed_up(gazette["Bo"], tmp_path / "without", None)
    restored(tmp_path / "by phrase alone", without, None, phrase)


async def test_nothing_is_written_over_and_a_failure_leaves_no_file(gazette: Newsroom, tmp_path: Path) -> None:
    await gazette.room("Desk", "Ada", "Bo")
    taken = tmp_path / "taken"
    taken.write_bytes(b"something")
    for path in (taken, tmp_path / "nowhere" / "file"):
        with pytest.raises(BackupUnreachable):
            await backed_up(gazette["Bo"], path)
    assert taken.read_bytes() == b"something"
    begun = gazette["Bo"].backup(tmp_path / "begun", OF_THE_BACKUP)
    async for _ in begun:
        break
    await begun.aclose()
    assert [path.name for path in tmp_path.glob("begun*")] == []


async def test_every_changed_byte_and_every_cut_is_found_out(gazette: Newsroom, tmp_path: Path) -> None:
    await gazette.room("Desk", "Ada", "Bo")
    many_messages(gazette["Ada"], 1500)
    file = await backed_up(gazette["Ada"], tmp_path / "whole")
    content = file.read_bytes()
    head = content.index(b"\n", 20) + 1
    assert len(content) - head > 2 * (CHUNK_BYTES + 16), "more than two chunks"
    sealed = CHUNK_BYTES + 16
    damages = {
        "a changed byte": content[: head + 9] + bytes([content[head + 9] ^ 1]) + content[head + 10 :],
        "a changed last byte": content[:-1] + bytes([content[-1] ^ 1]),
        "cut in a chunk": content[:-9],
        "cut between chunks": content[: head + 2 * sealed],
        "nothing behind the head": content[:head],
        "a chunk left out": content[:head] + content[head + sealed :],
        "chunks exchanged": content[:head] + content[head + sealed : head + 2 * sealed] + content[head : head + sealed]
        + content[head + 2 * sealed :],
        "something behind it": content + b"more",
        "another beginning": b"X" + content[1:],
        "half a head": content[:60],
    }  # fmt: skip
    for name, damaged in damages.items():
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(BackupDamaged):
            restored(tmp_path / name, tmp_path / "damaged")
        with pytest.raises(Exception, match="device"):
            Device.open(tmp_path / name, NEW)
    (tmp_path / "damaged").write_bytes(content.replace(b"coterie-backup/1", b"coterie-backup/2", 1))
    with pytest.raises(NewerBackup):
        restored(tmp_path / "newer", tmp_path / "damaged")


async def test_a_head_cannot_be_put_in_front_of_another_body(gazette: Newsroom, tmp_path: Path) -> None:
    mine = await backed_up(gazette["Bo"], tmp_path / "mine")
    theirs = await backed_up(gazette["Ada"], tmp_path / "theirs")
    end = mine.read_bytes().index(b"\n", 20) + 1
    (tmp_path / "mixed").write_bytes(mine.read_bytes()[:end] + theirs.read_bytes()[end:])
    with pytest.raises(BackupDamaged):
        restored(tmp_path / "new", tmp_path / "mixed")


def test_records_longer_than_chunks_and_of_every_kind_come_back() -> None:
    key = StreamKey(os.urandom(32))
    rows: list[list[Value]] = [[1, -1, "text", b"bytes", None, 2**62], [b"x" * 200_000], [], ["ü" * 70_000]]
    file = io.BytesIO()
    writer = SealedWriter(file, key)
    for row in rows:
        writer.write("message", row)
    writer.finish()
    file.seek(0)
    assert list(read_records(file, key)) == [("message", row) for row in rows]


def test_every_table_is_kept_or_left_out_for_a_reason() -> None:
    """A new table must be decided on."""
    tables = set(re.findall(r"CREATE TABLE (\w+)", "".join(sql for _, sql in MIGRATIONS)))
    assert tables - {*KEPT, *LEFT_OUT} == set()
    assert not {*KEPT} & {*LEFT_OUT}


def test_nobody_makes_a_backup_that_nobody_opens() -> None:
    with pytest.raises(CannotOpenBackup):
        new_head(Openers())
