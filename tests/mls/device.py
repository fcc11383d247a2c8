"""A device as the tests drive it: a `Client`, at most one `Group`, and the rows that a database would hold for both."""

from collections.abc import Iterable

from coterie_mls import SUITE_CLASSICAL, Client, Group, KeyPackage, PendingCommit, Write

GROUP_ID = b"the group"
EXTENSION = b"room: kitchen"


def store(rows: dict[bytes, bytes], writes: Iterable[Write]) -> None:
    """Apply `take_writes` as the caller's transaction would. A row is never deleted that was not stored."""
    for key, row in writes:
        if row is None:
            del rows[key]
        else:
            rows[key] = row


class Device:
    def __init__(self, number: int, suite: int = SUITE_CLASSICAL) -> None:
        self.credential = b"device %d" % number
        self.seed = number.to_bytes(32, "big")
        self.suite = suite
        self.client_rows: dict[bytes, bytes] = {}
        self.group_rows: dict[bytes, bytes] = {}
        self.client = Client(self.credential, self.seed)
        self.joined: Group | None = None

    @property
    def group(self) -> Group:
        assert self.joined is not None
        return self.joined

    def save(self) -> None:
        store(self.client_rows, self.client.take_writes())
        if self.joined is not None:
            store(self.group_rows, self.joined.take_writes())

    def crash(self) -> None:
        """Lose what was not saved, start again from the rows."""
        self.client = Client(self.credential, self.seed, list(self.client_rows.items()))
        self.joined = self.client.load(GROUP_ID, list(self.group_rows.items())) if self.group_rows else None

    def create(self) -> None:
        self.joined = self.client.create(GROUP_ID, EXTENSION, self.suite)
        self.save()

    def key_package(self, *, last_resort: bool = False) -> KeyPackage:
        package = self.client.key_package(self.suite, last_resort=last_resort)
        self.save()
        return package

    def join(self, welcome: bytes, tree: bytes) -> None:
        self.joined = self.client.stage_welcome(welcome, tree).join()
        self.group_rows.clear()
        self.save()

    def add(self, *newcomers: "Device", path: bool = False) -> PendingCommit:
        """Add and merge; the newcomers join. The other members still have to process the commit."""
        pending = self.group.commit(add=[device.key_package().wire for device in newcomers], path=path)
        self.group.merge_pending()
        self.save()
        assert pending.welcome is not None
        for device in newcomers:
            device.join(pending.welcome, pending.tree)
        return pending

    def follow(self, commit: bytes) -> None:
        """Process another's commit and merge it."""
        staged = self.group.process(commit)
        self.group.merge(staged)  # type: ignore[arg-type]  # a wrong kind raises TypeError, which fails the test
        self.save()


def circle(count: int, suite: int = SUITE_CLASSICAL) -> list[Device]:
    """A group of `count` devices, all at epoch 1 (epoch 0 for one)."""
    devices = [Device(number, suite) for number in range(1, count + 1)]
    devices[0].create()
    if count > 1:
        devices[0].add(*devices[1:])
    return devices
