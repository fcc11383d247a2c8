"""The device as a library: `Device` is the SDK, asyncio and typed; `examples/echo_bot.py` is a program that uses it.

The command line and, later, the app use nothing else. Imports store, group, trust, content and wire, never the server.
"""

from coterie.client.device import Device
from coterie.client.facts import (
    AlarmFacts,
    Identity,
    InviteFacts,
    MemberFacts,
    MessageFacts,
    MessageState,
    RoomFacts,
    RoomState,
    Sent,
    Status,
    Synced,
)
from coterie.store import Keyring, Passphrase

__all__ = [
    "AlarmFacts",
    "Device",
    "Identity",
    "InviteFacts",
    "Keyring",
    "MemberFacts",
    "MessageFacts",
    "MessageState",
    "Passphrase",
    "RoomFacts",
    "RoomState",
    "Sent",
    "Status",
    "Synced",
]
