"""The sealed head in the authenticated data of every MLS message and commit (docs/protocol/groups.md, "Heads").

Authenticated data travels in clear beside a PrivateMessage, so the head is sealed for the members of the epoch. A head
is a claim by its sender: what follows from a mismatch is decided above. Pure; the nonce is passed in.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from coterie.errors import PeerError
from coterie.group.exports import Epoch, head_key, place
from coterie.ids import EntryHash, QueueId
from coterie.trust.heads import RegisterHead

NONCE_BYTES: Final = 12
SEALED_HEAD_BYTES: Final = NONCE_BYTES + 8 + 32 + 8 + 32 + 16
NO_CHAIN: Final = bytes(32)


class BadHead(PeerError):
    code = "bad_head"

    def __init__(self) -> None:
        super().__init__("a message's sealed head does not open", "the message is not accepted; its sender is named")


@dataclass(frozen=True, slots=True)
class Head:
    """How far the sender had come: the register, and the room's queue up to entry `n` with its chain.

    `n` 0 and a zero chain: the sender joined lately and knows no chain yet.
    """

    register: RegisterHead
    n: int
    chain: bytes


def seal_head(epoch: Epoch, queue: QueueId, head: Head, nonce: bytes) -> bytes:
    """108 bytes, always: nonce ‖ ChaCha20-Poly1305 of the head, bound to group, epoch and queue.

    `nonce` is 12 fresh random bytes: all members of the epoch seal under one key.
    """
    if len(nonce) != NONCE_BYTES or len(head.register.hash) != 32 or len(head.chain) != 32:
        raise ValueError("a head has two hashes of 32 bytes, and a nonce of 12")
    plain = head.register.seq.to_bytes(8, "big") + head.register.hash + head.n.to_bytes(8, "big") + head.chain
    return nonce + ChaCha20Poly1305(bytes(head_key(epoch))).encrypt(nonce, plain, place(epoch) + queue)


def open_head_untrusted(epoch: Epoch, queue: QueueId, sealed: bytes) -> Head:
    """`epoch` is the one the message was made in: for a commit, the group before it is merged. Raises BadHead."""
    if len(sealed) != SEALED_HEAD_BYTES:
        raise BadHead
    try:
        plain = ChaCha20Poly1305(bytes(head_key(epoch))).decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place(epoch) + queue
        )
    except InvalidTag:
        raise BadHead from None
    register = RegisterHead(int.from_bytes(plain[:8], "big"), EntryHash(plain[8:40]))
    return Head(register, int.from_bytes(plain[40:48], "big"), plain[48:])
