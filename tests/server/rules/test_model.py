"""Random operations from many devices and hubs; records lost, repeated and reordered on their way; hubs restarted from
a copy or from nothing. Every hub ends with the same view and digest; each key is answered once; epochs only go up; and
nothing expires early."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coterie.ids import BlobId, DeviceId, InviteId, QueueId
from coterie.server.rules.applied import Applied, RecordFate
from coterie.server.rules.limits import COMMIT_TTL_MS, MESSAGE_TTL_MS
from coterie.server.rules.outcomes import (
    Advanced,
    Claimed,
    Internal,
    Outcome,
    Posted,
    RegisterAccepted,
    SessionCopied,
    SessionOpened,
)
from coterie.server.rules.record import (
    Advance,
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
)
from coterie.server.view import Page, View, delete_view
from coterie.trust import RegisterError, author
from coterie.trust.entry import entry_hash
from coterie.wire.queues import QueuePurpose
from tests.server.rules.scene import (
    SUITE,
    ScriptedHub,
    a_key,
    bytes_of,
    log_opened,
    opening,
    packages_of,
    post_hash,
    queue_named,
    read_hash,
)
from tests.server.rules.test_queues import delivery
from tests.trust.cast import DAY, START, Person, Stage, coterie_key, key

SECOND, HOUR = 1000, 3_600_000
ROOMS = ("harbour", "kitchen")
INBOXES = ("ada's", "bo's")
LABELS = (*ROOMS, *INBOXES)
BLOBS = tuple(BlobId(bytes_of(f"blob {number}", 32)) for number in range(2))
TTLS = (None, 5, 2 * 86_400)


def staged() -> tuple[Stage, list[InviteId]]:
    stage = Stage.founded()
    stage.welcome(stage.founder, "bo")
    return stage, [stage.invite(stage.founder, "cy")]


STAGE, INVITES = staged()
PEOPLE: tuple[Person, ...] = (STAGE.founder, STAGE.people["bo"])


@dataclass
class Machine:
    """One hub's machine: its disk, and the process that runs on it now."""

    name: str
    path: Path
    view: View
    starts: int = 0
    hub: ScriptedHub = field(init=False)
    unapplied: list[bytes] = field(default_factory=list)
    """Sent and not seen in the log; after a fault all are sent again, in order."""
    fenced: bool = False

    def __post_init__(self) -> None:
        self.hub = ScriptedHub(self.name, f"{self.name}-0")


@dataclass
class Told:
    """What the log told about an entry when it was appended."""

    at: int
    payload: bytes
    expires: int


class LogAndHubs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = START
        self.log: list[bytes] = []
        self.flight: list[bytes] = []
        self.machines: list[Machine] = []
        self.judge = View(self.folder / "judge.db")
        """Applies each record as it enters the log."""
        self.operations: dict[bytes, list[AnyOperation]] = {}
        self.entries: dict[tuple[int, int], Told] = {}
        self.answers: dict[tuple[Any, ...], tuple[int, Outcome]] = {}
        self.epochs: dict[int, int] = {}
        self.counters: dict[DeviceId, int] = {}
        self.popped: set[bytes] = set()
        self.stocked = 0

    def teardown(self) -> None:
        try:
            self.everybody_catches_up()
        finally:
            for view in [self.judge, *[machine.view for machine in self.machines]]:
                view.close()
            shutil.rmtree(self.folder)

    # Hubs

    @initialize(hubs=st.integers(1, 3))
    def start(self, hubs: int) -> None:
        for number in range(hubs):
            path = self.folder / f"hub {number}.db"
            self.machines.append(Machine(f"hub {number}", path, View(path)))
            self.come_up(self.machines[-1])
        founding: list[AnyOperation] = [log_opened(), *[RegisterAppend(entry) for entry in STAGE.entries]]
        self.send(self.machines[0], *founding, *[opening(label, _purpose(label), ttl=30 * 86_400) for label in LABELS])
        self.arrive_all()

    def come_up(self, machine: Machine) -> None:
        machine.starts += 1
        machine.hub = ScriptedHub(machine.name, f"{machine.name}-{machine.starts}")
        machine.unapplied, machine.fenced = [], False
        self.send(machine, machine.hub.up())

    def send(self, machine: Machine, *operations: AnyOperation) -> None:
        record = machine.hub.record(self.clock, *operations)
        self.operations[record] = list(operations)
        machine.unapplied.append(record)
        self.flight.append(record)

    def store(self, record: bytes) -> None:
        """The engine takes a record; what it means is checked against all that was told before."""
        self.log.append(record)
        applied = self.judge.apply(len(self.log), record)
        self.check(applied, self.operations[record])

    def arrive_all(self) -> None:
        while self.flight:
            self.store(self.flight.pop(0))

    # What is checked of each record

    def check(self, applied: Applied, operations: list[AnyOperation]) -> None:
        assert applied.faults == []
        assert not any(isinstance(outcome, Internal) for outcome in applied.outcomes)
        if applied.fate is not RecordFate.APPLIED:
            assert applied.outcomes == []
            assert applied.appended == {}
            return
        assert len(applied.outcomes) == len(operations)
        numbers = {queue: run.after for queue, run in applied.appended.items()}
        for op, outcome in zip(operations, applied.outcomes, strict=True):
            self.check_outcome(op, outcome, applied, numbers)
        for queue, run in applied.appended.items():
            row = self.judge.queue(queue)
            if queue not in applied.closed:
                assert row is not None
                assert row.last == run.after + len(run.payloads)

    def check_outcome(self, op: AnyOperation, outcome: Outcome, applied: Applied, numbers: dict[QueueId, int]) -> None:
        match op, outcome:
            case Post(), Posted(n=n):
                self.answered(("post", op.queue, op.key), outcome, applied, 7 * DAY)
                self.appended(op.queue, op, n, applied, MESSAGE_TTL_MS if op.ttl is None else op.ttl * SECOND, numbers)
            case Advance(), Advanced(n=n):
                self.answered(("advance", op.queue, op.key), outcome, applied, 7 * DAY)
                self.appended(op.queue, op, n, applied, COMMIT_TTL_MS, numbers)
                for index, item in enumerate(op.deliveries):
                    if index not in outcome.undelivered and numbers.get(item.queue) is not None:
                        self.forget_number(item.queue, item.payload, applied, numbers)
            case ClaimKeyPackage(), Claimed(package=package, last_resort=False):
                first = self.answered(("claim", op.device, op.key), outcome, applied, 7 * DAY)
                assert not first or package not in self.popped
                self.popped.add(package)
            case Session(), SessionOpened():
                assert op.counter > self.counters.get(op.device, 0)
                self.counters[op.device] = op.counter
            case Session(), SessionCopied(highest=highest):
                assert highest == self.counters[op.device] >= op.counter
            case RegisterAppend(), RegisterAccepted():
                self.answered(("entry", entry_hash(op.entry)), outcome, applied, 10**15)
            case CloseQueue(), _:
                for place in [place for place in self.answers if place[1] == op.queue]:
                    del self.answers[place]
            case _:
                pass

    def answered(self, place: tuple[Any, ...], outcome: Outcome, applied: Applied, kept: int) -> bool:
        """Whether it is the first answer; another one must be the same as long as keys are kept."""
        before = self.answers.get(place)
        if before is not None and applied.time - before[0] < kept:
            assert outcome == before[1]
            return False
        self.answers[place] = applied.time, outcome
        return True

    def appended(
        self, queue: QueueId, op: Post | Advance, n: int, applied: Applied, ttl: int, numbers: dict[QueueId, int]
    ) -> None:
        if n != numbers.get(queue, n) + 1:
            return
        numbers[queue] = n
        row = self.judge.queue(queue)
        if row is not None and queue not in applied.closed:
            told = Told(applied.time, op.payload, applied.time + min(ttl, COMMIT_TTL_MS))
            assert self.entries.setdefault((row.number, n), told) == told

    def forget_number(self, queue: QueueId, payload: bytes, applied: Applied, numbers: dict[QueueId, int]) -> None:
        run = applied.appended[queue]
        n = numbers[queue] + 1
        if n <= run.after + len(run.payloads) and run.payloads[n - run.after - 1] == payload:
            numbers[queue] = n

    @invariant()
    def epochs_only_go_up(self) -> None:
        for label in LABELS:
            row = self.judge.queue(queue_named(label))
            if row is not None:
                assert row.epoch >= self.epochs.get(row.number, 0)
                self.epochs[row.number] = row.epoch

    @invariant()
    def nothing_expires_early_and_what_expired_is_hidden(self) -> None:
        with self.judge.reader() as reader:
            for label in LABELS:
                row = self.judge.queue(queue_named(label))
                if row is None:
                    continue
                page = reader.entries(row.id, row.read, 0, 1000)
                assert isinstance(page, Page)
                shown = {entry.n: entry for entry in page.entries}
                for (number, n), told in self.entries.items():
                    if number != row.number:
                        continue
                    if self.judge.time < told.expires:
                        assert shown[n].payload == told.payload
                    elif n in shown:
                        assert shown[n].payload is None
                    if self.judge.time < told.at + COMMIT_TTL_MS:
                        assert n in shown

    # The network

    @precondition(lambda self: self.flight)
    @rule(pick=st.integers(0, 9), twice=st.booleans())
    def record_arrives(self, pick: int, twice: bool) -> None:
        record = self.flight[pick % len(self.flight)]
        if not twice:
            self.flight.remove(record)
        self.store(record)

    @precondition(lambda self: self.flight)
    @rule(pick=st.integers(0, 9))
    def record_is_lost(self, pick: int) -> None:
        self.flight.pop(pick % len(self.flight))

    @rule(which=st.integers(0, 2))
    def hub_sends_again_what_it_has_not_seen(self, which: int) -> None:
        machine = self.machine(which)
        self.follow(machine, len(self.log))
        if machine.fenced:
            self.come_up(machine)
        else:
            self.flight.extend(machine.unapplied)

    @rule()
    def all_arrive(self) -> None:
        self.arrive_all()

    # Hubs, behind and restarted

    def machine(self, which: int) -> Machine:
        return self.machines[which % len(self.machines)]

    def follow(self, machine: Machine, up_to: int) -> None:
        while machine.view.position < up_to:
            record = self.log[machine.view.position]
            applied = machine.view.apply(machine.view.position + 1, record)
            if machine.hub.incarnation_id in applied.fenced:
                machine.fenced = True
            if applied.fate is RecordFate.APPLIED and record in machine.unapplied:
                machine.unapplied.remove(record)

    @rule(which=st.integers(0, 2), records=st.integers(1, 5))
    def hub_follows(self, which: int, records: int) -> None:
        machine = self.machine(which)
        self.follow(machine, min(len(self.log), machine.view.position + records))

    @rule(which=st.integers(0, 2))
    def hub_restarts_where_it_was(self, which: int) -> None:
        machine = self.machine(which)
        machine.view.close()
        machine.view = View(machine.path)
        self.come_up(machine)

    @rule(which=st.integers(0, 2))
    def hub_restarts_from_nothing(self, which: int) -> None:
        machine = self.machine(which)
        machine.view.close()
        delete_view(machine.path)
        machine.view = View(machine.path)
        self.come_up(machine)

    @rule(which=st.integers(0, 2), source=st.integers(0, 2))
    def hub_restarts_from_a_copy(self, which: int, source: int) -> None:
        machine, other = self.machine(which), self.machine(source)
        machine.view.close()
        if machine is not other:
            delete_view(machine.path)
            other.view.restart_wal()
            shutil.copyfile(other.path, machine.path)
        machine.view = View(machine.path)
        assert machine.view.fits(self.log[machine.view.position - 1] if machine.view.position else None)
        self.come_up(machine)

    @rule(which=st.integers(0, 2), other=st.integers(0, 2))
    def hub_is_put_down(self, which: int, other: int) -> None:
        self.send(self.machine(which), HubDown(self.machine(other).hub.incarnation_id))

    @rule(passed=st.sampled_from([1, 4500, HOUR, DAY, 8 * DAY, 31 * DAY]))
    def time_passes(self, passed: int) -> None:
        self.clock += passed

    # What devices ask for

    @rule(
        which=st.integers(0, 2),
        label=st.sampled_from(LABELS),
        texts=st.lists(st.integers(0, 6), min_size=1, max_size=4),
        behind=st.integers(0, 1),
        ttl=st.sampled_from(TTLS),
        blobs=st.lists(st.sampled_from(BLOBS), max_size=2),
    )
    def devices_post(
        self, which: int, label: str, texts: list[int], behind: int, ttl: int | None, blobs: list[BlobId]
    ) -> None:
        machine = self.machine(which)
        epoch = max(0, self.epoch(machine, label) - behind)
        posts = [Post(queue_named(label), epoch, a_key(str(text)), b"%d" % text, blobs, ttl) for text in texts]
        self.send(machine, *posts)

    @rule(
        which=st.integers(0, 2),
        label=st.sampled_from(LABELS),
        text=st.integers(0, 4),
        welcome=st.lists(st.sampled_from(LABELS), max_size=2),
        same_read=st.booleans(),
    )
    def device_commits(self, which: int, label: str, text: int, welcome: list[str], same_read: bool) -> None:
        machine = self.machine(which)
        epoch = self.epoch(machine, label)
        inboxes = [delivery(inbox, f"welcome {text}", self.epoch(machine, inbox)) for inbox in welcome]
        next_read = read_hash(label, 0 if same_read else epoch + 1)
        commit = Advance(
            queue_named(label),
            epoch,
            a_key(f"commit {text}"),
            b"commit %d" % text,
            post_hash(label, epoch + 1),
            next_read,
            [],
            inboxes,
        )
        self.send(machine, commit)

    def epoch(self, machine: Machine, label: str) -> int:
        row = machine.view.queue(queue_named(label))
        return 0 if row is None else row.epoch

    @rule(which=st.integers(0, 2), label=st.sampled_from(LABELS), close=st.booleans())
    def queue_is_closed_or_opened(self, which: int, label: str, close: bool) -> None:
        op = CloseQueue(queue_named(label)) if close else opening(label, _purpose(label), ttl=30 * 86_400)
        self.send(self.machine(which), op)

    @rule(which=st.integers(0, 2), blob=st.sampled_from(BLOBS))
    def blob_is_put(self, which: int, blob: BlobId) -> None:
        self.send(self.machine(which), BlobPut(blob, 7))

    @rule(which=st.integers(0, 2), who=st.sampled_from(PEOPLE), counter=st.integers(1, 5))
    def device_connects(self, which: int, who: Person, counter: int) -> None:
        machine = self.machine(which)
        self.send(machine, Session(who.device_id, counter, machine.hub.incarnation_id))

    @rule(which=st.integers(0, 2), who=st.sampled_from(PEOPLE), count=st.integers(0, 2))
    def device_stocks_packages(self, which: int, who: Person, count: int) -> None:
        self.stocked += 1
        put = packages_of(who.device_id, f"{who.label} {self.stocked}", count, last_resort=count == 1)
        self.send(self.machine(which), put, put)

    @rule(which=st.integers(0, 2), who=st.sampled_from(PEOPLE), label=st.integers(0, 5))
    def package_is_claimed(self, which: int, who: Person, label: int) -> None:
        claim = ClaimKeyPackage(who.device_id, SUITE, a_key(f"claim {label}"))
        self.send(self.machine(which), claim, claim)

    @rule(which=st.integers(0, 2), done=st.booleans())
    def packet_is_put_or_done(self, which: int, done: bool) -> None:
        self.send(self.machine(which), PacketDone(INVITES[0]) if done else PutPacket(INVITES[0], b"packet"))

    @rule(which=st.integers(0, 2), who=st.sampled_from(PEOPLE), what=st.sampled_from(["invite", "join", "remove"]))
    def register_entry_is_appended(self, which: int, who: Person, what: str) -> None:
        machine = self.machine(which)
        state = machine.view.register
        if state is None:
            return
        try:
            if what == "invite":
                entry = author.issue_invite(
                    state,
                    who.device,
                    key(f"invite {self.clock} {state.head.seq}"),
                    expires_at=self.clock + DAY,
                    coterie_key=coterie_key(state.generation),
                    now_ms=self.clock,
                    nonce=bytes(12),
                )
            elif what == "join":
                entry = author.join(state, INVITES[0], key("invite cy"), Person("cy").keys, now_ms=self.clock)
            else:
                entry = author.remove_member(state, STAGE.founder.device, PEOPLE[1].id, now_ms=self.clock)
        except RegisterError:
            return
        self.send(machine, RegisterAppend(entry), RegisterAppend(entry))

    # The end

    def everybody_catches_up(self) -> None:
        self.arrive_all()
        path = self.folder / "newcomer.db"
        self.machines.append(Machine("newcomer", path, View(path)))
        with self.judge.reader() as reader:
            state = reader.state_hash()
        for machine in self.machines:
            self.follow(machine, len(self.log))
            assert machine.view.digest == self.judge.digest, machine.name
            with machine.view.reader() as reader:
                assert reader.state_hash() == state, machine.name


def _purpose(label: str) -> QueuePurpose:
    return QueuePurpose.ROOM if label in ROOMS else QueuePurpose.INBOX


TestLogAndHubs = LogAndHubs.TestCase
TestLogAndHubs.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
