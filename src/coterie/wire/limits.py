"""The fixed sizes and times of the protocol (docs/protocol/constants.md). A hub says its own limits in `Ready`."""

from typing import Final

PROTOCOL_VERSION: Final = 1
FRAME_BYTES: Final = 256 * 1024
"""The largest frame either side accepts; also the largest record but for one that holds a single operation."""
PAYLOAD_BYTES: Final = 200 * 1024
"""The largest entry. A larger commit or tree travels as a blob."""
BLOB_CHUNK_BYTES: Final = 64 * 1024
BLOBS_PER_ENTRY: Final = 16
DELIVERIES_PER_COMMIT: Final = 64
READ_ENTRIES: Final = 1000
ENTRY_BYTES: Final = 16 * 1024
"""The largest register entry."""
PACKAGES_PER_PUT: Final = 50
PACKET_BYTES: Final = 4 * 1024
LINK_SECONDS: Final = 600
"""How long a link queue lives, from its opening to its end."""

DAY_SECONDS: Final = 86_400
MESSAGE_TTL_SECONDS: Final = 90 * DAY_SECONDS
COMMIT_TTL_SECONDS: Final = 200 * DAY_SECONDS
QUEUE_IDLE_SECONDS: Final = 365 * DAY_SECONDS
UNREFERENCED_BLOB_SECONDS: Final = DAY_SECONDS
KEY_SECONDS: Final = 7 * DAY_SECONDS
"""How long a post's key answers with the first number, …"""
KEYS_KEPT: Final = 1_000_000
"""… and how many keys are kept at most; both by order of the log."""
