"""The device's side of the wire: one proven connection to one hub (docs/protocol/frames.md).

Imports `wire`, `trust.prove`, `trust.keys` and what is below them. Keeps nothing: the store, the counter and what a
push means are the caller's. Whether the certificate is anybody's does not matter; the service key does.
"""

from coterie.client.connection.backoff import Backoff
from coterie.client.connection.connection import Connection
from coterie.client.connection.errors import (
    AlreadyFounded,
    ConnectionLost,
    MalformedAnswer,
    NoCommonVersion,
    NotFounded,
    NotInForce,
    ProofRefused,
    ServerRefused,
    ServerUnavailable,
    ServerUnreachable,
    StoreWasCopied,
    Superseded,
    WrongCoterie,
    WrongServer,
)
from coterie.client.connection.handshake import DeviceProof, FoundingProof, IdentityProof, InviteProof, LinkProof, Proof

__all__ = [
    "AlreadyFounded",
    "Backoff",
    "Connection",
    "ConnectionLost",
    "DeviceProof",
    "FoundingProof",
    "IdentityProof",
    "InviteProof",
    "LinkProof",
    "MalformedAnswer",
    "NoCommonVersion",
    "NotFounded",
    "NotInForce",
    "Proof",
    "ProofRefused",
    "ServerRefused",
    "ServerUnavailable",
    "ServerUnreachable",
    "StoreWasCopied",
    "Superseded",
    "WrongCoterie",
    "WrongServer",
]
