"""The keys and ids a server keeps (docs/guide/operators.md): the service key above all, which every link pins."""

import os
from dataclasses import dataclass
from typing import Final

from coterie.ids import HubId, Incarnation, LogId, Seed
from coterie.server.folder import DataFolder
from coterie.trust.keys import SigningKey

_SEED_BYTES: Final = 32
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """`log` is the id that this server gives a log it opens; `incarnation` is new at each start."""

    service_seed: Seed
    service: SigningKey
    founding_seed: Seed
    founding: SigningKey
    hub: HubId
    log: LogId
    incarnation: Incarnation


def load_keys(folder: DataFolder) -> ServerKeys:
    """Made the first time, the same ever after. Raises FolderDamaged."""
    service = Seed(folder.kept("service.key", _SEED_BYTES, lambda: os.urandom(_SEED_BYTES)))
    founding = Seed(folder.kept("founding.key", _SEED_BYTES, lambda: os.urandom(_SEED_BYTES)))
    return ServerKeys(
        service_seed=service,
        service=SigningKey(service),
        founding_seed=founding,
        founding=SigningKey(founding),
        hub=HubId(folder.kept("hub.id", _ID_BYTES, lambda: os.urandom(_ID_BYTES))),
        log=LogId(folder.kept("log.id", _ID_BYTES, lambda: os.urandom(_ID_BYTES))),
        incarnation=Incarnation(os.urandom(_ID_BYTES)),
    )
