"""A coterie with as many devices as a measure needs, each certified in the register by an invite of the founder."""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

from bench.connection import WINDOW, BenchDevice, Connection
from bench.server import Server
from coterie.ids import NO_COTERIE, CoterieKey, InviteId, Seed
from coterie.trust import author
from coterie.trust.apply import apply
from coterie.trust.author import NewMemberKeys
from coterie.trust.entry import entry_hash
from coterie.trust.invite import FoundLink, parse_link_untrusted
from coterie.trust.keys import SigningKey
from coterie.trust.prove import Prover, sign_proof
from coterie.trust.register import Register
from coterie.wire import frames

_INVITE_MS: Final = 86_400_000


class People:
    """`founder`, and who was recruited."""

    def __init__(self, server: Server, register: Register, founder: BenchDevice, key: CoterieKey) -> None:
        self.founder = founder
        self._server = server
        self._register = register
        self._key = key

    @classmethod
    async def found(cls, server: Server) -> "People":
        """Found the coterie of a new server. Raises Refused."""
        assert server.founding_link is not None
        link = parse_link_untrusted(server.founding_link)
        assert isinstance(link, FoundLink)
        founding, keys, key = SigningKey(link.seed), _keys(), CoterieKey(os.urandom(32))
        entry = author.found(
            founding,
            link.service_key,
            keys,
            coterie_key=key,
            coterie_name="Bench",
            name="Ada",
            now_ms=_now_ms(),
            nonce=os.urandom(12),
        )
        connection = await Connection.open(server.url)
        channel = await connection.challenged(NO_COTERIE, link.service_key)
        connection.send(frames.ProveFounding(sign_proof(founding, Prover.FOUNDING, channel)))
        await connection.ready()
        await connection.ask(frames.RegisterAppend(connection.number(), entry), frames.Appended)
        await connection.close()
        register = apply(None, entry)
        return cls(server, register, BenchDevice(keys.device, register.coterie, link.service_key), key)

    async def recruit(self, count: int) -> list[BenchDevice]:
        """`count` members more, a device each; the founder brings their entries. Raises Refused."""
        connection = await self.founder.connect(self._server.url)
        devices: list[BenchDevice] = []
        while len(devices) < count:
            entries: list[bytes] = []
            for _ in range(min(WINDOW // 2, count - len(devices))):
                seed, keys = SigningKey(Seed(os.urandom(32))), _keys()
                issued = self._issue(seed)
                entries += (issued, self._join(InviteId(entry_hash(issued)), seed, keys))
                devices.append(BenchDevice(keys.device, self.founder.coterie, self.founder.service_key))
            await asyncio.gather(
                *(
                    connection.ask(frames.RegisterAppend(connection.number(), entry), frames.Appended)
                    for entry in entries
                )
            )
        await connection.close()
        return devices

    def _issue(self, invite: SigningKey) -> bytes:
        issued = author.issue_invite(
            self._register,
            self.founder.key,
            invite,
            expires_at=_now_ms() + _INVITE_MS,
            coterie_key=self._key,
            now_ms=_now_ms(),
            nonce=os.urandom(12),
        )
        self._register = apply(self._register, issued)
        return issued

    def _join(self, invite: InviteId, seed: SigningKey, keys: NewMemberKeys) -> bytes:
        joined = author.join(self._register, invite, seed, keys, now_ms=_now_ms())
        self._register = apply(self._register, joined)
        return joined

    async def connect(self, devices: Sequence[BenchDevice]) -> list[Connection]:
        """A connection each, sixteen at a time. Raises Refused."""
        connections: list[Connection] = []
        for first in range(0, len(devices), WINDOW // 2):
            batch = devices[first : first + WINDOW // 2]
            connections += await asyncio.gather(*(device.connect(self._server.url) for device in batch))
        return connections


def _keys() -> NewMemberKeys:
    return NewMemberKeys(*(SigningKey(Seed(os.urandom(32))) for _ in range(3)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
