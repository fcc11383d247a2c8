"""One log, its hubs, and a view that applies it; the clock and the ids are made here, everything else is real."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from coterie.ids import DeviceId, InviteId, QueueId
from coterie.server.rules.applied import Applied, RecordFate
from coterie.server.rules.outcomes import Opened, Outcome
from coterie.server.rules.record import (
    AnyOperation,
    HubUp,
    LogOpened,
    OpenQueue,
    Post,
    PutKeyPackages,
    Record,
    RegisterAppend,
    encode_record,
)
from coterie.server.view import Beyond, Page, View
from coterie.trust import author
from coterie.trust.entry import entry_hash
from coterie.wire.queues import QueuePurpose
from tests.trust.cast import DAY, START, Person, Stage, coterie_key, key

SECOND = 1000
SUITE = 0x004D
O = TypeVar("O", bound=Outcome)  # noqa: E741


def bytes_of(label: str, length: int) -> bytes:
    """The same label, the same bytes."""
    return hashlib.shake_128(label.encode()).digest(length)


def queue_named(label: str) -> QueueId:
    return QueueId(bytes_of(f"queue {label}", 32))


def post_hash(label: str, epoch: int = 0) -> bytes:
    return bytes_of(f"post {label} {epoch}", 32)


def read_hash(label: str, epoch: int = 0) -> bytes:
    return bytes_of(f"read {label} {epoch}", 32)


def a_key(label: str) -> bytes:
    return bytes_of(f"key {label}", 16)


def opening(label: str, purpose: QueuePurpose = QueuePurpose.ROOM, ttl: int = 365 * 86_400) -> OpenQueue:
    close = b"" if purpose is QueuePurpose.ROOM else bytes_of(f"close {label}", 32)
    return OpenQueue(queue_named(label), purpose, post_hash(label), read_hash(label), close, 0, ttl)


def posting(label: str, text: str, epoch: int = 0, ttl: int | None = None) -> Post:
    """Its key is its text's."""
    return Post(queue_named(label), epoch, a_key(text), text.encode(), [], ttl)


@dataclass
class ScriptedHub:
    """One incarnation; gives records and counts them."""

    name: str
    incarnation: str
    n: int = 0

    @property
    def id(self) -> bytes:
        return bytes_of(f"hub {self.name}", 16)

    @property
    def incarnation_id(self) -> bytes:
        return bytes_of(f"incarnation {self.incarnation}", 16)

    def up(self) -> HubUp:
        return HubUp(self.id, self.incarnation_id, 1, b"store")

    def record(self, at: int, *operations: AnyOperation) -> bytes:
        self.n += 1
        return self.numbered(self.n, at, *operations)

    def numbered(self, n: int, at: int, *operations: AnyOperation) -> bytes:
        return encode_record(Record(self.id, self.incarnation_id, n, at, 1, 0, b"", list(operations)))


def log_opened() -> LogOpened:
    return LogOpened(bytes_of("log", 16), key("service").public, key("founding").public)


@dataclass
class Scene:
    """`send` is what one hub does with a batch of operations, up to their outcomes."""

    path: Path
    view: View = field(init=False)
    hub: ScriptedHub = field(default_factory=lambda: ScriptedHub("one", "one-1"))
    now: int = START
    log: list[bytes] = field(default_factory=list)
    stage: Stage = field(default_factory=Stage.founded)

    def __post_init__(self) -> None:
        self.view = View(self.path)

    @classmethod
    def opened(cls, path: Path) -> "Scene":
        """The log is open, and the coterie founded by Ada."""
        scene = cls(path)
        scene.send(scene.hub.up(), log_opened(), RegisterAppend(scene.stage.entries[0]))
        return scene

    def close(self) -> None:
        self.view.close()

    def append(self, record: bytes) -> Applied:
        """One record into the log, applied."""
        self.log.append(record)
        return self.view.apply(len(self.log), record)

    def apply(self, *operations: AnyOperation) -> Applied:
        applied = self.append(self.hub.record(self.now, *operations))
        assert applied.fate is RecordFate.APPLIED
        assert applied.faults == []
        return applied

    def send(self, *operations: AnyOperation) -> list[Outcome]:
        return self.apply(*operations).outcomes

    def one(self, kind: type[O], operation: AnyOperation) -> O:
        """The outcome of a single operation, which must be of this kind."""
        (outcome,) = self.send(operation)
        assert isinstance(outcome, kind), outcome
        return outcome

    def open(self, *labels: str, purpose: QueuePurpose = QueuePurpose.ROOM, ttl: int = 365 * 86_400) -> None:
        assert self.send(*[opening(label, purpose, ttl) for label in labels]) == [Opened()] * len(labels)

    def read(self, label: str, after: int = 0, epoch: int = 0, limit: int = 1000) -> Page:
        with self.view.reader() as reader:
            page = reader.entries(queue_named(label), read_hash(label, epoch), after, limit)
        assert page is not None
        assert not isinstance(page, Beyond)
        return page

    def texts(self, label: str) -> list[str | None]:
        return [None if entry.payload is None else entry.payload.decode() for entry in self.read(label).entries]

    def state_hash(self) -> bytes:
        with self.view.reader() as reader:
            return reader.state_hash()

    # The register

    def append_entry(self, entry: bytes) -> bytes:
        """An entry that an honest device made just now."""
        self.send(RegisterAppend(self.stage.append(entry)))
        assert self.view.register is not None
        assert self.view.register.head == self.stage.state.head
        return entry

    def invite(self, label: str, expires_at: int | None = None) -> InviteId:
        entry = author.issue_invite(
            self.stage.state,
            self.stage.founder.device,
            key(f"invite {label}"),
            expires_at=self.now + 7 * DAY if expires_at is None else expires_at,
            coterie_key=coterie_key(self.stage.state.generation),
            now_ms=self.now,
            nonce=self.stage.nonce(),
        )
        return InviteId(entry_hash(self.append_entry(entry)))

    def join(self, invite: InviteId, label: str) -> Person:
        person = Person(label)
        state = self.stage.state
        self.append_entry(author.join(state, invite, key(f"invite {label}"), person.keys, now_ms=self.now))
        return person

    def remove(self, person: Person) -> Applied:
        entry = author.remove_member(self.stage.state, self.stage.founder.device, person.id, now_ms=self.now)
        return self.apply(RegisterAppend(self.stage.append(entry)))


def packages_of(
    device: DeviceId, label: str, count: int, last_resort: bool = True, packages: Sequence[str] = ()
) -> PutKeyPackages:
    names = packages or [f"{label} {number}" for number in range(count)]
    last = bytes_of(f"last resort {label}", 200) if last_resort else None
    bundle = bytes_of(f"bundle {label}", 100)
    return PutKeyPackages(device, SUITE, bundle, [bytes_of(name, 200) for name in names], last, a_key(f"put {label}"))
