"""What a device keeps, encrypted, in its home: the database, its key's wrapping, the tables
(docs/protocol/device-store.md).

Imports only `coterie.ids` and `coterie.errors`. No network, no trust, no MLS: rows in, rows out.
"""

from coterie.store.database import Database, forbid_core_dumps
from coterie.store.passphrase import Passphrase
from coterie.store.wrap import Keyring, Unlock

__all__ = ["Database", "Keyring", "Passphrase", "Unlock", "forbid_core_dumps"]
