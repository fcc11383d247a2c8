"""Random operations from many devices and hubs; records lost, repeated and reordered on their way; hubs restarted from
a copy or from nothing. Every hub ends with the same view and digest; each key is answered once; epochs only go up; and
nothing expires early."""

import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
ASKED = (
    *["post"] * 8,
    *["commit"] * 3,
    *["open", "open", "close", "blob", "connect", "stock", "claim", "packet", "entry"],
)


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


class LogAndHubs:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
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

    def play(self, steps: int) -> None:
        try:
            self.start()
            for step in self.dice.choices(list(STEPS), weights=list(STEPS.values()), k=steps):
                step(self)
                self.epochs_only_go_up()
                self.nothing_expires_early_and_what_expired_is_hidden()
            self.everybody_catches_up()
        finally:
            for view in [self.judge, *[machine.view for machine in self.machines]]:
                view.close()
            shutil.rmtree(self.folder)

    # Hubs

    def start(self) -> None:
        for number in range(self.dice.randint(1, 3)):
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

    def epochs_only_go_up(self) -> None:
        for label in LABELS:
            row = self.judge.queue(queue_named(label))
            if row is not None:
                assert row.epoch >= self.epochs.get(row.number, 0)
                self.epochs[row.number] = row.epoch

    def nothing_expires_early_and_what_expired_is_hidden(self) -> None:
        with self.judge.reader() as reader:
            for label in LABELS:
                row = self.judge.queue(queue_named(label))
                if row is None:
                    continue
                pages = [reader.entries(row.id, read_hash(label, epoch), 0, 1000) for epoch in range(row.epoch + 1)]
                shown = {entry.n: entry for page in pages if isinstance(page, Page) for entry in page.entries}
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

    def record_arrives(self) -> None:
        if not self.flight:
            return
        record = self.dice.choice(self.flight[:3])
        fate = self.dice.choice(["stored", "stored", "stored", "stored twice", "lost"])
        if fate != "stored twice":
            self.flight.remove(record)
        if fate != "lost":
            self.store(record)

    def hub_sends_again_what_it_has_not_seen(self) -> None:
        self.resend(self.machine())

    def resend(self, machine: Machine) -> None:
        self.follow(machine, len(self.log))
        if machine.fenced:
            self.come_up(machine)
        else:
            self.flight.extend(machine.unapplied)

    def all_is_well_for_a_while(self) -> None:
        """Every hub has sent and seen everything."""
        for machine in self.machines:
            self.arrive_all()
            self.resend(machine)
        self.arrive_all()
        for machine in self.machines:
            self.follow(machine, len(self.log))

    # Hubs, behind and restarted

    def machine(self) -> Machine:
        return self.dice.choice(self.machines)

    def follow(self, machine: Machine, up_to: int) -> None:
        while machine.view.position < up_to:
            record = self.log[machine.view.position]
            applied = machine.view.apply(machine.view.position + 1, record)
            if machine.hub.incarnation_id in applied.fenced:
                machine.fenced = True
            if applied.fate is RecordFate.APPLIED and record in machine.unapplied:
                machine.unapplied.remove(record)

    def hub_follows(self) -> None:
        machine = self.machine()
        self.follow(machine, min(len(self.log), machine.view.position + self.dice.choice([1, 2, 1000])))

    def hub_restarts_where_it_was(self) -> None:
        machine = self.machine()
        machine.view.close()
        machine.view = View(machine.path)
        self.come_up(machine)

    def hub_restarts_from_nothing(self) -> None:
        machine = self.machine()
        machine.view.close()
        delete_view(machine.path)
        machine.view = View(machine.path)
        self.come_up(machine)

    def hub_restarts_from_a_copy(self) -> None:
        machine, other = self.machine(), self.machine()
        machine.view.close()
        if machine is not other:
            delete_view(machine.path)
            other.view.restart_wal()
            shutil.copyfile(other.path, machine.path)
        machine.view = View(machine.path)
        assert machine.view.fits(self.log[machine.view.position - 1] if machine.view.position else None)
        self.come_up(machine)

    def hub_is_put_down(self) -> None:
        self.send(self.machine(), HubDown(self.machine().hub.incarnation_id))

    def time_passes(self) -> None:
        self.clock += self.dice.choice([1, 1, 4500, 4500, 4500, HOUR, HOUR, DAY, 8 * DAY, 31 * DAY])

    # What devices ask for

    def devices_ask(self) -> None:
        """Several devices at one hub, by what that hub knows."""
        machine = self.machine()
        for kind in self.dice.choices(ASKED, k=self.dice.randint(1, 6)):
            op = getattr(self, kind)(machine)
            if op is not None:
                self.send(machine, *[op] * self.dice.choice([1, 1, 1, 2]))

    def post(self, machine: Machine) -> AnyOperation:
        label, text = self.dice.choice(LABELS), self.dice.randint(0, 6)
        epoch = max(0, self.epoch(machine, label) - self.dice.choice([0, 0, 0, 1]))
        blobs = list(self.dice.choice([(), (), (), BLOBS]))
        ttl = self.dice.choice([None, 5, 2 * 86_400])
        return Post(queue_named(label), epoch, a_key(str(text)), b"%d" % text, blobs, ttl)

    def commit(self, machine: Machine) -> AnyOperation:
        label, text = self.dice.choice(LABELS), self.dice.randint(0, 4)
        epoch = self.epoch(machine, label)
        welcome = self.dice.choices(LABELS, k=self.dice.randint(0, 2))
        inboxes = [delivery(inbox, f"welcome {text}", self.epoch(machine, inbox)) for inbox in welcome]
        next_read = read_hash(label, 0 if self.dice.random() < 0.5 else epoch + 1)
        name, place, next_post = b"commit %d" % text, queue_named(label), post_hash(label, epoch + 1)
        return Advance(place, epoch, a_key(f"commit {text}"), name, next_post, next_read, [], inboxes)

    def epoch(self, machine: Machine, label: str) -> int:
        row = machine.view.queue(queue_named(label))
        return 0 if row is None else row.epoch

    def open(self, machine: Machine) -> AnyOperation:
        label = self.dice.choice(LABELS)
        return opening(label, _purpose(label), ttl=30 * 86_400)

    def close(self, machine: Machine) -> AnyOperation:
        return CloseQueue(queue_named(self.dice.choice(LABELS)))

    def blob(self, machine: Machine) -> AnyOperation:
        return BlobPut(self.dice.choice(BLOBS), 7)

    def connect(self, machine: Machine) -> AnyOperation:
        who = self.dice.choice(PEOPLE)
        return Session(who.device_id, self.dice.randint(1, 9), machine.hub.incarnation_id)

    def stock(self, machine: Machine) -> AnyOperation:
        who, count = self.dice.choice(PEOPLE), self.dice.randint(0, 2)
        self.stocked += 1
        return packages_of(who.device_id, f"{who.label} {self.stocked}", count, last_resort=count == 1)

    def claim(self, machine: Machine) -> AnyOperation:
        who = self.dice.choice(PEOPLE)
        return ClaimKeyPackage(who.device_id, SUITE, a_key(f"claim {self.dice.randint(0, 5)}"))

    def packet(self, machine: Machine) -> AnyOperation:
        return PacketDone(INVITES[0]) if self.dice.random() < 0.5 else PutPacket(INVITES[0], b"packet")

    def entry(self, machine: Machine) -> AnyOperation | None:
        state = machine.view.register
        if state is None:
            return None
        who, what = self.dice.choice(PEOPLE), self.dice.choice(["invite", "invite", "join", "remove"])
        try:
            if what == "join":
                entry = author.join(state, INVITES[0], key("invite cy"), Person("cy").keys, now_ms=self.clock)
            elif what == "remove":
                entry = author.remove_member(state, STAGE.founder.device, PEOPLE[1].id, now_ms=self.clock)
            else:
                entry = author.issue_invite(
                    state,
                    who.device,
                    key(f"invite {self.clock} {state.head.seq}"),
                    expires_at=self.clock + DAY,
                    coterie_key=coterie_key(state.generation),
                    now_ms=self.clock,
                    nonce=bytes(12),
                )
        except RegisterError:
            return None
        return RegisterAppend(entry)

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


STEPS: dict[Callable[[LogAndHubs], None], int] = {
    LogAndHubs.devices_ask: 40,
    LogAndHubs.record_arrives: 40,
    LogAndHubs.time_passes: 15,
    LogAndHubs.hub_follows: 10,
    LogAndHubs.hub_sends_again_what_it_has_not_seen: 6,
    LogAndHubs.all_is_well_for_a_while: 6,
    LogAndHubs.hub_restarts_where_it_was: 3,
    LogAndHubs.hub_restarts_from_nothing: 1,
    LogAndHubs.hub_restarts_from_a_copy: 2,
    LogAndHubs.hub_is_put_down: 1,
}
"""How often each happens, about."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_hubs_that_apply_one_log_agree_whatever_happens_on_the_way(seed: int) -> None:
    LogAndHubs(seed).play(steps=80)
