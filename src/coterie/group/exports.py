"""What is derived from a group's epoch by its exporter, and under which label (docs/protocol/groups.md, "Exporter").

The labels stand here and nowhere else: two uses of one label would be two uses of one key. Pure.
"""

from typing import Final, Protocol

from coterie.ids import PostToken, ReadToken, Secret

LABEL_POST: Final = "coterie post"
LABEL_READ: Final = "coterie read"
LABEL_HEADS: Final = "coterie aad"
LABEL_BLOBS: Final = "coterie blob"
EXPORT_BYTES: Final = 32


class Exporter(Protocol):
    """Anything that holds an epoch: `Group`, `StagedWelcome`; `StagedCommit` and `PendingCommit` for the next one."""

    def export(self, label: str, context: bytes, length: int) -> bytes: ...


class Epoch(Exporter, Protocol):
    """An epoch that knows its place: `Group`, `StagedWelcome`."""

    @property
    def group_id(self) -> bytes: ...
    @property
    def epoch(self) -> int: ...


class EpochKey(Secret):
    """A symmetric key of one epoch; 32 bytes."""


def post_token(exporter: Exporter) -> PostToken:
    """Lets a member of this epoch post to the room's queue."""
    return PostToken(exporter.export(LABEL_POST, b"", EXPORT_BYTES))


def read_token(exporter: Exporter) -> ReadToken:
    """Lets a member of this epoch read the room's queue up to the end of the epoch."""
    return ReadToken(exporter.export(LABEL_READ, b"", EXPORT_BYTES))


def head_key(exporter: Exporter) -> EpochKey:
    """Seals the heads in authenticated data (`group.heads`)."""
    return EpochKey(exporter.export(LABEL_HEADS, b"", EXPORT_BYTES))


def blob_key(exporter: Exporter) -> EpochKey:
    """Seals the keys of blobs that room entries name (`group.entry`)."""
    return EpochKey(exporter.export(LABEL_BLOBS, b"", EXPORT_BYTES))


def place(epoch: Epoch) -> bytes:
    """Group id ‖ epoch (8 bytes, big end first): what a sealed thing of an epoch is bound to."""
    return bytes(epoch.group_id) + epoch.epoch.to_bytes(8, "big")
