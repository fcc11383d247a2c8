"""A report on messages: what reached a device, what was read (draft-mahy-mimi-message-status)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cbor2

from coterie.content.envelope import decode_array_untrusted, encode_envelope, single_part
from coterie.content.errors import MalformedContent
from coterie.content.limits import MIMI_ID_BYTES, MOST_STATUSES, STATUS, Disposition
from coterie.content.naming import MimiId
from coterie.ids import MessageId


class MessageStatus(IntEnum):
    """The draft's; only DELIVERED and READ are sent, and count."""

    UNREAD = 0
    DELIVERED = 1
    READ = 2
    EXPIRED = 3
    DELETED = 4
    HIDDEN = 5
    ERROR = 6


@dataclass(frozen=True)
class StatusReport:
    """`statuses` of later drafts are left out."""

    message: MessageId
    statuses: tuple[tuple[MimiId, MessageStatus], ...]


def encode_status(message: MessageId, statuses: Sequence[tuple[MimiId, MessageStatus]]) -> bytes:
    """At most MOST_STATUSES of them."""
    if not 1 <= len(statuses) <= MOST_STATUSES:
        raise ValueError(f"a report is on 1 to {MOST_STATUSES} messages")
    content = cbor2.dumps([[named, int(status)] for named, status in statuses])
    return encode_envelope(message, single_part(Disposition.UNSPECIFIED, STATUS, content))


def decode_status_untrusted(message: MessageId, content: bytes) -> StatusReport:
    """Raises MalformedContent."""
    reports = decode_array_untrusted(content)
    if len(reports) > MOST_STATUSES or not all(_is_report(report) for report in reports):
        raise MalformedContent("its report on messages")
    known = set(MessageStatus)
    return StatusReport(
        message, tuple((MimiId(named), MessageStatus(status)) for named, status in reports if status in known)
    )


def _is_report(report: object) -> bool:
    return (
        type(report) is list
        and len(report) == 2
        and type(report[0]) is bytes
        and len(report[0]) == MIMI_ID_BYTES
        and type(report[1]) is int
        and 0 <= report[1] < 256
    )
