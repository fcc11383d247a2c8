"""A rule that raises ends its own operation, never the log; a storage that fails ends neither, it stops the hub."""

import errno
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from coterie.ids import BlobId, InviteId
from coterie.server.rules.apply import RULES, apply
from coterie.server.rules.base import StorageFailed
from coterie.server.rules.draft import Draft, Rows
from coterie.server.rules.outcomes import Internal, Outcome, Posted, Void
from coterie.server.rules.record import (
    AnyOperation,
    BlobPut,
    ClaimKeyPackage,
    CloseQueue,
    HubDown,
    PacketDone,
    Post,
    PutPacket,
    RegisterAppend,
    Session,
    Unknown,
)
from coterie.trust import apply as apply_entry
from coterie.trust import author
from coterie.trust.entry import entry_hash
from coterie.wire.queues import QueuePurpose
from tests.server.rules.scene import SUITE, Scene, a_key, bytes_of, opening, packages_of, posting, queue_named
from tests.server.rules.test_queues import advance, delivery
from tests.trust.cast import DAY, key

RULES_FOLDER = str(Path(__file__).parents[3] / "src" / "coterie" / "server" / "rules")
TABLE: dict[Any, Any] = RULES
NOT_RULES = ("apply.py", "applied.py", "outcomes.py", "record.py", "base.py")
"""Around the rules, not in them."""


class Sabotage(Exception):
    pass


@dataclass(frozen=True, order=True)
class Place:
    """A line that runs for one operation (-1: for the purge)."""

    index: int
    file: str
    line: int


def traced(run: Callable[[], Any], visit: Callable[[Place], None]) -> None:
    """`visit` each line of a rule as it is about to run."""

    def on_event(frame: FrameType, event: str, _arg: object) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(RULES_FOLDER) or file.endswith(NOT_RULES):
            return None
        if event == "line":
            index = operation_of(frame)
            if index is not None:
                visit(Place(index, file.rsplit("/", 1)[-1], frame.f_lineno))
        return on_event

    sys.settrace(on_event)
    try:
        run()
    finally:
        sys.settrace(None)


def operation_of(frame: FrameType) -> int | None:
    """Which operation of the record `_run` is at, if it is running one."""
    caller: FrameType | None = frame
    inside: FrameType | None = None
    while caller is not None and caller.f_code.co_name != "_run":
        inside, caller = caller, caller.f_back
    if caller is None or (inside is not None and inside.f_code.co_name == "_draft"):
        return None
    draft = caller.f_locals.get("draft")
    return draft.index if isinstance(draft, Draft) else None


def written(draft: Draft | None) -> dict[str, Any]:
    """All that would be stored."""
    assert draft is not None
    fields = {name: value for name, value in vars(draft).items() if name not in ("base", "index", "soonest")}
    return {name: value.changed if isinstance(value, Rows) else value for name, value in fields.items()}


@pytest.fixture
def busy(scene: Scene) -> Scene:
    """A scene in which every rule finds something to do, and much is due."""
    scene.open("room", "full")
    scene.open("bo", "cy", "short", purpose=QueuePurpose.INBOX)
    scene.open("idle", ttl=60)
    blob = BlobId(bytes_of("blob", 32))
    scene.send(BlobPut(blob, 9), Post(queue_named("room"), 0, a_key("x"), b"x", [blob], 60), advance("room", 0, "old"))
    scene.send(*[posting("short", str(number), ttl=30) for number in range(4)], posting("cy", "kept"))
    scene.send(CloseQueue(queue_named("short")), BlobPut(BlobId(bytes_of("late blob", 32)), 9))
    scene.send(packages_of(scene.stage.founder.device_id, "old", 1))
    scene.send(ClaimKeyPackage(scene.stage.founder.device_id, SUITE, a_key("old claim")))
    scene.send(PutPacket(scene.invite("late", expires_at=scene.now + DAY), b"packet"))
    scene.now += 8 * DAY
    scene.stage.now = scene.now
    return scene


def everything(scene: Scene) -> list[AnyOperation]:
    device = scene.stage.founder.device_id
    blob = BlobId(bytes_of("new blob", 32))
    other = scene.stage
    entry = author.issue_invite(
        other.state,
        other.founder.device,
        key("invite new"),
        expires_at=scene.now + DAY,
        coterie_key=other.key,
        now_ms=scene.now,
        nonce=bytes(12),
    )
    after = apply_entry(other.state, entry)
    removal = author.remove_device(after, other.founder.device, device, now_ms=scene.now)
    invite = InviteId(entry_hash(entry))
    naming = Post(queue_named("cy"), 0, a_key("naming"), b"naming", [blob])
    return [
        opening("new"),
        BlobPut(blob, 5),
        naming,
        posting("room", "hello", epoch=1),
        posting("room", "hello", epoch=1),
        posting("room", "stale", epoch=0),
        posting("gone", "nowhere"),
        advance("room", 1, "commit", delivery("bo", "welcome"), delivery("gone", "lost")),
        advance("room", 1, "commit", delivery("bo", "welcome")),
        advance("room", 1, "too late"),
        Session(device, 3, scene.hub.incarnation_id),
        Session(device, 4, scene.hub.incarnation_id),
        packages_of(device, "new", 2),
        ClaimKeyPackage(device, SUITE, a_key("claim")),
        ClaimKeyPackage(device, SUITE, a_key("claim")),
        RegisterAppend(entry),
        PutPacket(invite, b"packet"),
        PacketDone(invite),
        CloseQueue(queue_named("bo")),
        HubDown(bytes(16)),
        RegisterAppend(removal),
        Unknown(),
    ]


def test_rule_that_raises_at_any_of_its_lines_is_undone_alone(busy: Scene) -> None:
    operations = everything(busy)
    number, seq = busy.hub.n + 1, len(busy.log) + 1

    def run(*ops: AnyOperation) -> tuple[list[Outcome], Draft | None, list[str]]:
        applied, draft = apply(busy.view, seq, busy.hub.numbered(number, busy.now, *ops))
        return applied.outcomes, draft, applied.faults

    places: dict[Place, None] = {}
    traced(lambda: run(*operations), lambda place: places.setdefault(place))
    assert {place.index for place in places} == {-1, *range(len(operations) - 1)}
    assert len(places) > 250
    without: dict[int, tuple[list[Outcome], dict[str, Any]]] = {}
    for index in range(len(operations)):
        outcomes, draft, _ = run(*operations[:index], Unknown(), *operations[index + 1 :])
        assert outcomes[index] == Void()
        without[index] = outcomes, written(draft)
    for target in places:
        raised: list[Place] = []

        def sabotage(place: Place, target: Place = target, raised: list[Place] = raised) -> None:
            if place == target and not raised:
                raised.append(place)
                raise Sabotage

        results: list[tuple[list[Outcome], Draft | None, list[str]]] = []
        traced(lambda results=results: results.append(run(*operations)), sabotage)  # type: ignore[misc]
        outcomes, draft, faults = results[0]
        assert len(faults) == 1, target
        assert "Sabotage" in faults[0]
        if target.index >= 0:
            expected, changes = without[target.index]
            assert outcomes == [*expected[: target.index], Internal(), *expected[target.index + 1 :]], target
            assert written(draft) == changes, target
        else:
            assert faults == ["purge raised Sabotage"]
            assert draft is not None
            assert not draft.deleted + draft.blanked


def test_fault_is_told_and_the_next_record_is_served(busy: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Outcome:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setitem(TABLE, BlobPut, broken)
        applied = busy.append(busy.hub.record(busy.now, posting("room", "a", 1), BlobPut(BlobId(bytes(32)), 1)))
    assert applied.outcomes == [Posted(3), Internal()]
    assert applied.faults == ["BlobPut raised ZeroDivisionError"]
    assert busy.send(posting("room", "b", 1)) == [Posted(4)]


@pytest.mark.parametrize(
    "failure",
    [MemoryError(), OSError(errno.EIO, "I/O error"), StorageFailed("the disk is full")],
    ids=lambda failure: type(failure).__name__,
)
def test_failing_storage_is_no_outcome(busy: Scene, monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    def broken(*_: object) -> Outcome:
        raise failure

    before = busy.view.position, busy.view.digest, busy.state_hash()
    record = busy.hub.record(busy.now, posting("room", "a", 1), BlobPut(BlobId(bytes(32)), 1))
    with monkeypatch.context() as patch:
        patch.setitem(TABLE, BlobPut, broken)
        with pytest.raises(type(failure)):
            busy.view.apply(busy.view.position + 1, record)
    assert (busy.view.position, busy.view.digest, busy.state_hash()) == before
    assert busy.append(record).outcomes[0] == Posted(3)
