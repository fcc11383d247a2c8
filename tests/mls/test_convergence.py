"""Whatever happens to up to twelve devices, those that are members agree, and each message is read once by its epoch.

The queue is the model: ordered, one commit an epoch, the first wins. Deliveries are late, repeated, reordered, tampered
with and too early; devices crash before and after storing. Everything else is real."""

import random
from dataclasses import dataclass, field

import pytest
from coterie_mls import (
    SUITE_CLASSICAL,
    SUITE_XWING,
    Application,
    MlsError,
    Own,
    PendingCommit,
    StagedCommit,
    cut_welcome,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from .device import Device

DEVICES = 12
REORDERING = 8
"""Within the ratchet's tolerance (16)."""


@dataclass(frozen=True)
class Entry:
    """One entry of the queue. `readers` are the members of its epoch but the author, by device number."""

    epoch: int
    author: int
    wire: bytes
    text: bytes | None
    readers: frozenset[int]


@dataclass(frozen=True)
class Invitation:
    welcome: bytes
    tree: bytes
    position: int
    """Where in the queue the joined epoch begins."""


@dataclass
class Member:
    """A device with what its database holds beside the rows: cursor, texts read, commit made, invitations."""

    device: Device
    cursor: int = 0
    read: list[bytes] = field(default_factory=list)
    made: tuple[PendingCommit, dict[int, bytes]] | None = None
    inbox: list[Invitation] = field(default_factory=list)

    @property
    def speaks(self) -> bool:
        return self.device.joined is not None and self.device.group.active


NUMBERS = st.integers(0, DEVICES - 1)
SEEDS = st.integers(0, 2**32)

ACTIONS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "deliver_all": {"seed": SEEDS},
    "send": {"number": NUMBERS, "count": st.integers(1, 5), "lose": st.sampled_from([False, False, True])},
    "commit": {
        "number": NUMBERS,
        "add": st.frozensets(NUMBERS, max_size=4),
        "remove": st.frozensets(NUMBERS, max_size=2),
        "path": st.booleans(),
        "rename": st.booleans(),
        "post": st.booleans(),
    },
    "post_what_is_pending": {},
    "deliver": {
        "receivers": st.frozensets(NUMBERS, min_size=1),
        "count": st.integers(1, REORDERING),
        "seed": SEEDS,
        "crash": st.sampled_from(["no", "no", "before", "after"]),
    },
    "roll_back": {"number": NUMBERS},
}


class Circle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.queue: list[Entry] = []
        self.epoch = 0
        self.roster = {0}
        self.texts = 0

    @initialize(suite=st.sampled_from([SUITE_CLASSICAL, SUITE_XWING]), last_resort=st.booleans(), at_once=NUMBERS)
    def found(self, suite: int, last_resort: bool, at_once: int) -> None:
        self.members = [Member(Device(number + 1, suite)) for number in range(DEVICES)]
        self.last_resort = last_resort
        self.members[0].device.create()
        if at_once:
            self.commit(0, frozenset(range(1, at_once + 1)), frozenset(), path=False, rename=False, post=True)
            self.deliver(frozenset(range(DEVICES)), 1, 0, "no")

    def speaker(self, number: int) -> int:
        """Of the devices that believe to be members, the one that `number` picks."""
        speakers = [other for other, member in enumerate(self.members) if member.speaks]
        return speakers[number % len(speakers)]

    @rule(
        action=st.one_of(
            [st.tuples(st.just(name), st.fixed_dictionaries(arguments)) for name, arguments in ACTIONS.items()]
        )
    )
    def act(self, action: tuple[str, dict[str, object]]) -> None:
        """One rule for all, because hypothesis leaves out some rules in each run, and most runs then do nothing."""
        name, arguments = action
        getattr(self, name)(**arguments)

    # -- what a device does

    def send(self, number: int, count: int, lose: bool) -> None:
        """Encrypt, store, post; the queue takes it if it is of its epoch. Who crashes before storing has not posted."""
        number = self.speaker(number)
        member = self.members[number]
        for _ in range(count):
            self.texts += 1
            text = b"text %d" % self.texts
            wire = member.device.group.encrypt(text, b"head").wire
            if lose:
                member.device.crash()
                return
            member.device.save()
            if member.device.group.epoch == self.epoch:
                readers = frozenset(self.roster - {number})
                self.queue.append(Entry(self.epoch, number, wire, text, readers))

    def commit(
        self, number: int, add: frozenset[int], remove: frozenset[int], path: bool, rename: bool, post: bool
    ) -> None:
        """Make a commit and store it; post it at once, or later, when others may have been first."""
        number = self.speaker(number)
        member = self.members[number]
        if member.device.group.has_pending:
            return
        group = member.device.group
        index_of = {leaf.credential: leaf.index for leaf in group.members()}
        inside = {other for other in range(DEVICES) if self.members[other].device.credential in index_of}
        packages = {
            other: self.members[other].device.key_package(last_resort=self.last_resort) for other in add - inside
        }
        removed = [index_of[self.members[other].device.credential] for other in (remove & inside) - {number}]
        pending = group.commit(
            add=[package.wire for package in packages.values()],
            remove=removed,
            extension=b"room %d" % number if rename else None,
            path=path,
            aad=b"head",
        )
        member.device.save()
        member.made = pending, {other: package.hash_ref for other, package in packages.items()}
        if post:
            self.post(number)

    def post_what_is_pending(self) -> None:
        for number, member in enumerate(self.members):
            if member.speaks:
                self.post(number)

    def post(self, number: int) -> None:
        """The first commit of an epoch wins; who comes too late discards."""
        member = self.members[number]
        if member.made is None or not member.device.group.has_pending:
            return
        pending, invited = member.made
        if any(entry.wire == pending.wire for entry in self.queue):
            return  # a repeated post is answered as the first was
        if pending.epoch != self.epoch or member.device.group.epoch != self.epoch:
            member.device.group.discard_pending()
            member.device.save()
            return
        readers = frozenset(self.roster - {number})
        self.queue.append(Entry(self.epoch, number, pending.wire, None, readers))
        self.epoch += 1
        staged_roster = self.after(number, invited)
        for other, hash_ref in invited.items():
            assert pending.welcome is not None
            invitation = Invitation(cut_welcome(pending.welcome, hash_ref), pending.tree, len(self.queue))
            self.members[other].inbox.append(invitation)
        self.roster = staged_roster

    def after(self, number: int, invited: dict[int, bytes]) -> set[int]:
        """The roster after the commit of `number`: read from a copy of the committer that merges."""
        member = self.members[number]
        group = member.device.group
        group.merge_pending()
        credentials = {leaf.credential for leaf in group.members()}
        group.rollback()
        assert group.has_pending
        roster = {other for other in range(DEVICES) if self.members[other].device.credential in credentials}
        assert set(invited) <= roster
        return roster

    # -- what happens to it

    def deliver(self, receivers: frozenset[int], count: int, seed: int, crash: str) -> None:
        for number in receivers:
            self.transaction(number, count, seed, crash)

    def deliver_all(self, seed: int) -> None:
        for number, member in enumerate(self.members):
            while member.inbox if not member.speaks else member.cursor < len(self.queue):
                self.transaction(number, REORDERING, seed, "no")

    def transaction(self, number: int, count: int, seed: int, crash: str) -> None:
        """Some entries, shuffled, with disturbances; then the store, unless the device crashes before it."""
        member = self.members[number]
        device = member.device
        before = member.cursor, list(member.read), list(member.inbox), member.made
        rows = dict(device.client_rows), dict(device.group_rows)
        self.advance(member, number, count, random.Random(seed))
        if crash == "before":
            member.cursor, member.read, member.inbox, member.made = before
            device.client_rows, device.group_rows = rows
            device.crash()
            return
        device.save()
        if crash == "after":
            device.crash()

    def roll_back(self, number: int) -> None:
        """A failed transaction: nothing was stored since, so nothing changes."""
        device = self.members[number].device
        if device.joined is not None:
            before = device.group.epoch_authenticator
            device.group.rollback()
            device.client.rollback()
            assert device.group.epoch_authenticator == before

    def advance(self, member: Member, number: int, count: int, chance: random.Random) -> None:
        if not member.speaks:
            self.join(member)
            return
        window: list[Entry] = []
        for entry in self.queue[member.cursor : member.cursor + count]:
            window.append(entry)
            if entry.text is None:
                break
        commit = window.pop() if window and window[-1].text is None else None
        chance.shuffle(window)
        for entry in window:
            self.disturb(member, number, chance)
            self.read(member, number, entry, chance)
        member.cursor += len(window)
        if commit is not None:
            self.disturb(member, number, chance)
            self.merge(member, number, commit)
            member.cursor += 1
        self.disturb(member, number, chance)

    def join(self, member: Member) -> None:
        if not member.inbox:
            return
        invitation = member.inbox.pop(0)
        staged = member.device.client.stage_welcome(invitation.welcome, invitation.tree)
        assert member.device.credential in {leaf.credential for leaf in staged.members}
        member.device.joined = staged.join()
        member.device.group_rows = {}  # those of an earlier membership
        member.cursor = invitation.position
        member.made = None

    def read(self, member: Member, number: int, entry: Entry, chance: random.Random) -> None:
        if entry.author != number and chance.random() < 0.2:
            place = chance.randrange(len(entry.wire))
            with pytest.raises(MlsError):
                member.device.group.process(
                    entry.wire[:place] + bytes([entry.wire[place] ^ 1]) + entry.wire[place + 1 :]
                )
        message = member.device.group.process(entry.wire)
        if entry.author == number:
            assert isinstance(message, Own)
            return
        assert isinstance(message, Application)
        assert number in entry.readers
        assert message.sender.credential == self.members[entry.author].device.credential
        assert (message.plaintext, message.aad, message.epoch) == (entry.text, b"head", entry.epoch)
        member.read.append(message.plaintext)

    def merge(self, member: Member, number: int, entry: Entry) -> None:
        group = member.device.group
        if entry.author == number:
            assert isinstance(group.process(entry.wire), Own)
            group.merge_pending()
            return
        staged = group.process(entry.wire)
        assert isinstance(staged, StagedCommit)
        announced = {leaf.index: leaf for leaf in group.members()}
        for leaf in staged.removed:
            assert announced.pop(leaf.index) == leaf
        announced |= {leaf.index: leaf for leaf in [*staged.updated, *staged.added]}
        secret = None if staged.removes_me else staged.export("coterie post", b"", 32)
        group.merge(staged)
        assert not group.has_pending
        if secret is None:
            assert not group.active
        else:
            assert group.members() == [announced[index] for index in sorted(announced)]
            assert group.export("coterie post", b"", 32) == secret

    def disturb(self, member: Member, number: int, chance: random.Random) -> None:
        """Something of the queue out of its turn: already read, of a past or of a later epoch. It must not matter."""
        if not self.queue or chance.random() < 0.5:
            return
        group = member.device.group
        position = chance.randrange(len(self.queue))
        entry = self.queue[position]
        if entry.epoch == group.epoch and position >= member.cursor:
            return  # that would be its turn after all
        if entry.epoch == group.epoch and entry.author == number and group.active:
            assert isinstance(group.process(entry.wire), Own)
            return
        with pytest.raises(MlsError) as refusal:
            group.process(entry.wire)
        assert refusal.value.code in {"secret-reused", "wrong-epoch", "not-a-member"}

    # -- what must hold in the end

    def teardown(self) -> None:
        if not hasattr(self, "members"):
            return
        chance = random.Random(0)
        for number, member in enumerate(self.members):
            while True:
                before = member.cursor, len(member.inbox)
                self.advance(member, number, REORDERING, chance)
                member.device.save()
                if (member.cursor, len(member.inbox)) == before:
                    break
        inside = [self.members[number] for number in sorted(self.roster)]
        assert all(member.speaks for member in inside)
        first = inside[0].device.group
        assert first.epoch == self.epoch
        for member in inside:
            group = member.device.group
            assert group.epoch == first.epoch
            assert group.members() == first.members()
            assert group.epoch_authenticator == first.epoch_authenticator
            assert group.export("coterie post", b"", 32) == first.export("coterie post", b"", 32)
            assert group.group_context == first.group_context
            assert group.tree() == first.tree()
        for number, member in enumerate(self.members):
            meant = [entry.text for entry in self.queue if entry.text is not None and number in entry.readers]
            assert sorted(member.read) == sorted(text for text in meant if text is not None)
            if number not in self.roster:
                assert not member.speaks
        self.nobody_else_can_read()

    def nobody_else_can_read(self) -> None:
        for number, member in enumerate(self.members):
            if member.device.joined is None:
                continue
            for entry in self.queue:
                if entry.text is not None and number not in entry.readers and entry.author != number:
                    with pytest.raises(MlsError):
                        member.device.group.process(entry.wire)


RARE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

TestCircle = Circle.TestCase
TestCircle.settings = settings(
    max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=RARE, print_blob=True
)


@pytest.mark.slow
class TestCircleForLong(Circle.TestCase):  # type: ignore[misc,valid-type]  # hypothesis makes the base at run time
    settings = settings(
        max_examples=1_000, stateful_step_count=80, deadline=None, suppress_health_check=RARE, print_blob=True
    )
