"""A link as an inviter's device makes it, without a server behind it."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coterie.ids import CoterieId, InviteId, PublicKey, Seed
from coterie.trust.address import Address
from coterie.trust.invite import JoinLink


@pytest.fixture
def open_link() -> str:
    """In good form; nobody listens where it points."""
    service_key = PublicKey(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw())
    return JoinLink(
        CoterieId(bytes(range(32))), (Address("127.0.0.1", 1),), service_key, InviteId(bytes(32)), Seed(bytes(32))
    ).text
