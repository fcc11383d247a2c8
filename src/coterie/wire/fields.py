"""What a field of a frame, or of a record of the log, may hold: sizes and ranges that the decoders check."""

from typing import Annotated

from msgspec import Meta

from coterie.ids import BlobId, CoterieId, DeviceId, InviteId, MemberId, PublicKey, QueueId
from coterie.wire import limits

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
HashOrNone = Annotated[bytes, Meta(max_length=32)]
Number = Annotated[int, Meta(ge=0, le=2**62)]
"""Far from what a store holds: whoever counts on from a number that the other side chose stays within 63 bits."""
Counter = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Token = Annotated[bytes, Meta(min_length=32, max_length=32)]
Key = Annotated[bytes, Meta(min_length=16, max_length=16)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Nonce = Annotated[bytes, Meta(min_length=32, max_length=32)]
Payload = Annotated[bytes, Meta(max_length=limits.PAYLOAD_BYTES)]
Entry = Annotated[bytes, Meta(min_length=1, max_length=limits.ENTRY_BYTES)]
Coterie = Annotated[CoterieId, Meta(min_length=32, max_length=32)]
Device = Annotated[DeviceId, Meta(min_length=16, max_length=16)]
Member = Annotated[MemberId, Meta(min_length=16, max_length=16)]
Invite = Annotated[InviteId, Meta(min_length=32, max_length=32)]
Public = Annotated[PublicKey, Meta(min_length=32, max_length=32)]
Queue = Annotated[QueueId, Meta(min_length=32, max_length=32)]
Blob = Annotated[BlobId, Meta(min_length=32, max_length=32)]
Blobs = Annotated[list[Blob], Meta(max_length=limits.BLOBS_PER_ENTRY)]
Ttl = Annotated[int, Meta(ge=1, le=limits.QUEUE_IDLE_SECONDS)]
Suite = Annotated[int, Meta(ge=1, le=0xFFFF)]
KeyPackageBytes = Annotated[bytes, Meta(min_length=1, max_length=16 * 1024)]
BundleBytes = Annotated[bytes, Meta(min_length=1, max_length=4 * 1024)]
