"""The coterie key: which generation is real, and what follows from it (docs/protocol/register.md, "Coterie key")."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coterie.errors import PeerError
from coterie.ids import CoterieId, CoterieKey, DeviceId, PostToken
from coterie.trust.entry import DecodedEntry
from coterie.trust.kinds import KeyRotated
from coterie.trust.register import Register
from coterie.trust.seal import CannotOpen, FormerKey, open_sealed

_HASH_LABEL: Final = b"coterie/1 coterie key\0"
_POST_LABEL: Final = b"coterie/1 inbox post\0"
_NO_KEY_LABEL: Final = b"coterie/1 inbox without key\0"


class WrongCoterieKey(PeerError):
    code = "wrong_coterie_key"

    def __init__(self, generation: int) -> None:
        super().__init__(
            f"a coterie key for generation {generation} is not the one in the register",
            "names stay unknown until a member sends the right one",
        )


def key_hash(key: CoterieKey) -> bytes:
    """32 bytes: what `Founded` and `KeyRotated` say about a key."""
    return hashlib.sha256(_HASH_LABEL + bytes(key)).digest()


def check_key(register: Register, generation: int, key: CoterieKey) -> CoterieKey:
    """The same key, if the register names it for this generation. Raises WrongCoterieKey."""
    if register.key_hashes.get(generation) != key_hash(key):
        raise WrongCoterieKey(generation)
    return key


def inbox_post_token(key: CoterieKey, device: DeviceId) -> PostToken:
    """What lets a member post to a device's inbox, in this generation of the key."""
    return PostToken(HKDF(SHA256(), 32, salt=None, info=_POST_LABEL + device).derive(bytes(key)))


def keyless_post_token(coterie: CoterieId, device: DeviceId) -> PostToken:
    """What lets any device post to the inbox of one that came back by its phrase and holds no coterie key yet: no
    secret, in force until the next generation is taken up."""
    return PostToken(HKDF(SHA256(), 32, salt=None, info=_NO_KEY_LABEL + device).derive(coterie))


def former_keys(
    register: Register, entries: Iterable[DecodedEntry], known: Mapping[int, CoterieKey]
) -> dict[int, CoterieKey]:
    """`known` and every earlier generation that can be opened from it, by the `KeyRotated` among `entries`.

    Keys that the register does not name are left out, those in `known` too.
    """
    keys = {
        generation: key for generation, key in known.items() if register.key_hashes.get(generation) == key_hash(key)
    }
    rotations = {entry.public.generation: entry for entry in entries if isinstance(entry.public, KeyRotated)}
    for generation in sorted(rotations, reverse=True):
        if generation not in keys or generation - 1 in keys:
            continue
        try:
            opened = open_sealed(keys[generation], register.coterie, rotations[generation], FormerKey)
            keys[generation - 1] = check_key(register, generation - 1, CoterieKey(opened.previous))
        except (CannotOpen, WrongCoterieKey):
            continue
    return keys
