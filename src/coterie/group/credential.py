"""The MLS credential of a Coterie leaf, and what a leaf claims by it (docs/protocol/groups.md, "Credential").

A claim is no more than that until `group.roster` has held it against the register. Pure.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from coterie.errors import PeerError
from coterie.ids import CoterieId, DeviceId, MemberId, PublicKey

CREDENTIAL_BYTES: Final = 32 + 16 + 16


class MalformedCredential(PeerError):
    code = "malformed_credential"

    def __init__(self) -> None:
        super().__init__("a device's credential is malformed", "it is not accepted into the room")


class LeafLike(Protocol):
    """A leaf as MLS shows it: `coterie_mls.Leaf`, or anything with its three fields."""

    @property
    def index(self) -> int: ...
    @property
    def credential(self) -> bytes: ...
    @property
    def signature_key(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class RawLeaf:
    """A leaf whose credential was not looked at."""

    index: int
    credential: bytes
    signature_key: bytes


@dataclass(frozen=True, slots=True)
class LeafClaim:
    """Whose device a leaf says it is. MLS has verified that the leaf key signs; nothing else is known."""

    index: int
    coterie: CoterieId
    member: MemberId
    device: DeviceId
    leaf_key: PublicKey


def encode_credential(coterie: CoterieId, member: MemberId, device: DeviceId) -> bytes:
    """Coterie id (32) ‖ member id (16) ‖ device id (16)."""
    credential = coterie + member + device
    if len(credential) != CREDENTIAL_BYTES:
        raise ValueError("a credential is made of ids of 32, 16 and 16 bytes")
    return credential


def claim_untrusted(leaf: LeafLike) -> LeafClaim:
    """Raises MalformedCredential."""
    credential = bytes(leaf.credential)
    if len(credential) != CREDENTIAL_BYTES or len(leaf.signature_key) != 32:
        raise MalformedCredential
    return LeafClaim(
        index=leaf.index,
        coterie=CoterieId(credential[:32]),
        member=MemberId(credential[32:48]),
        device=DeviceId(credential[48:]),
        leaf_key=PublicKey(bytes(leaf.signature_key)),
    )


def claim_package_untrusted(credential: bytes, signature_key: bytes) -> LeafClaim:
    """What a key package's leaf claims, before it has an index (−1). Raises MalformedCredential."""
    return claim_untrusted(RawLeaf(-1, credential, signature_key))
