"""The power goes at any write of the view, writes in flight lost, torn and out of order: what is found again is the
log's prefix at the position it names, whole, and the log brings the rest."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from coterie.server.rules.applied import Applied
from coterie.server.rules.base import StorageFailed
from coterie.server.rules.draft import Draft
from coterie.server.view import View
from coterie.server.view import view as view_module
from coterie.server.view.storing import store
from tests.power import ABOVE, ForgetfulDisk, forgetful_disk
from tests.server.rules.scene import Scene, posting
from tests.server.rules.test_queues import advance
from tests.server.view.test_view import hash_of, lively
from tests.trust.cast import DAY

OUTAGES = 250
MOST_WRITES = (20, 150, 800)
SEED = 20


@dataclass
class History:
    """A log, and what a view that never lost power holds after each of its records."""

    records: list[bytes]
    hashes: list[bytes] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)

    @classmethod
    def written(cls, folder: Path) -> "History":
        scene = Scene.opened(folder / "scene.db")
        lively(scene)
        for number in range(40):
            scene.send(*[posting("room", f"{number} {text}" * 60, epoch=1 + number // 10) for text in range(4)])
            if number % 10 == 9:
                scene.send(advance("room", 1 + number // 10, f"commit {number}"))
            if number == 25:
                scene.now += 91 * DAY
        scene.close()
        history = cls(scene.log)
        view = View(folder / "without.db")
        history.note(view)
        for seq, record in enumerate(history.records, 1):
            view.apply(seq, record)
            history.note(view)
        view.close()
        return history

    def note(self, view: View) -> None:
        self.hashes.append(hash_of(view))
        self.digests.append(view.digest)


@dataclass(frozen=True)
class Outage:
    """One life of the view: the furthest record ever written, how far a checkpoint had come, what was found again."""

    at: int
    synced: int
    found: int


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History.written(tmp_path_factory.mktemp("history"))


@pytest.fixture
def disk(history: History, monkeypatch: pytest.MonkeyPatch) -> ForgetfulDisk:
    disk = forgetful_disk()
    monkeypatch.setattr(apsw, "Connection", partial(apsw.Connection, vfs=ABOVE))
    return disk


def lives(disk: ForgetfulDisk, history: History, folder: Path) -> list[Outage]:
    """The view goes on from where each outage left it. Raises AssertionError where that is not the log's prefix."""
    dice = random.Random(SEED)
    outages: list[Outage] = []
    home = folder / "home 0"
    home.mkdir()
    at = 0
    for number in range(1, OUTAGES + 1):
        found = folder / f"home {number}"
        found.mkdir()
        disk.goes_out(dice.randint(1, dice.choice(MOST_WRITES)), home, found, dice)
        reached, synced = live(disk, history, home / "view.db", dice)
        # frames of an earlier life may still be there, and fit behind those written anew
        at = max(at, reached)
        if not disk.went_out:
            disk.goes_out_now()
        disk.forget(home)
        shutil.rmtree(home)
        outages.append(Outage(at, synced, whole(history, found / "view.db")))
        if outages[-1].found == len(history.records):
            disk.forget(found)
            shutil.rmtree(found)
            found.mkdir()
            at = 0
        home = found
    return outages


def live(disk: ForgetfulDisk, history: History, path: Path, dice: random.Random) -> tuple[int, int]:
    """Apply and check until the power goes or the log ends; the record at work then, and the last that was synced."""
    view = View(path)
    checkpointer = view.checkpointer()
    synced = 0
    upkeep: dict[Callable[[], None], float] = {checkpointer.checkpoint: 0.1, view.restart_wal: 0.05}
    try:
        while view.position < len(history.records) and not disk.went_out:
            view.apply(view.position + 1, history.records[view.position])
            for work, often in upkeep.items():
                if dice.random() < often and not disk.went_out:
                    work()
                    synced = synced if disk.went_out else view.position
        return view.position, synced
    finally:
        checkpointer.close()
        view.close()


def whole(history: History, path: Path) -> int:
    """The position of the view that was found, whose rows must be what the log has up to there. Looked at in a copy:
    opening it mends it, and that the next life has to do."""
    copy = path.parent / "copy"
    shutil.copytree(path.parent, copy)
    view = View(copy / path.name)
    try:
        position: int = view.position
        assert view.fits(history.records[position - 1] if position else None)
        assert (hash_of(view), view.digest) == (history.hashes[position], history.digests[position])
        return position
    finally:
        view.close()
        shutil.rmtree(copy)


def test_view_is_a_prefix_of_the_log_wherever_the_power_went(
    history: History, disk: ForgetfulDisk, tmp_path: Path
) -> None:
    outages = lives(disk, history, tmp_path)
    assert len(outages) == OUTAGES
    assert [outage for outage in outages if not outage.synced <= outage.found <= outage.at] == []
    assert len({outage.found for outage in outages}) > len(history.records) // 2
    assert sum(outage.found < outage.at for outage in outages) > OUTAGES // 4, "hardly anything was lost"
    assert sum(outage.found == len(history.records) for outage in outages) > 2, "it never came to the end"


MOVE = "UPDATE log SET position = ?, digest = ?, record_hash = ?, time = ?"


def position_first(db: apsw.Connection, draft: Draft | None, applied: Applied) -> None:
    db.execute(MOVE, (applied.seq, applied.digest, applied.record_hash, applied.time))
    store(db, draft, applied)


def position_last(db: apsw.Connection, draft: Draft | None, applied: Applied) -> None:
    before: Any = db.execute("SELECT position, digest, record_hash, time FROM log").fetchall()[0]
    at = dict(zip(("seq", "digest", "record_hash", "time"), before, strict=True))
    store(db, draft, replace(applied, **at))
    db.execute(MOVE, (applied.seq, applied.digest, applied.record_hash, applied.time))


@pytest.mark.parametrize("apart", [position_first, position_last])
def test_position_stored_apart_from_its_rows_would_be_found_out(
    history: History,
    disk: ForgetfulDisk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    apart: Callable[[apsw.Connection, Draft | None, Applied], None],
) -> None:
    monkeypatch.setattr(view_module, "store", apart)
    with pytest.raises((AssertionError, StorageFailed)):
        lives(disk, history, tmp_path)


def test_checkpoints_that_did_not_sync_would_be_found_out(
    history: History, disk: ForgetfulDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "synced", lambda path: None)
    with pytest.raises((AssertionError, StorageFailed)):
        lives(disk, history, tmp_path)
