"""Who owns the device: one process holds `device.lock`, the others hand it their commands over a Unix socket
(docs/protocol/device-store.md, "One owner").

Imports `coterie.errors` only. Knows no command: names and parameters in, rows out. POSIX.
"""

from coterie.client.owner.call import call_owner
from coterie.client.owner.errors import DeviceOwned, NobodyOwns, OwnerGone
from coterie.client.owner.lock import DeviceLock
from coterie.client.owner.serve import Handler, serve_commands

__all__ = ["DeviceLock", "DeviceOwned", "Handler", "NobodyOwns", "OwnerGone", "call_owner", "serve_commands"]
