"""`idle`: what a connection costs the hub that does nothing: its session is open, its socket and TLS are kept."""

import asyncio
from typing import Final

from bench.figures import Figures, Terms
from bench.people import People
from bench.server import running_server

CONNECTIONS: Final = 2_000
_SETTLE_SECONDS: Final = 2.0


async def idle(terms: Terms) -> Figures:
    async with running_server(terms, "idle") as server:
        people = await People.found(server)
        devices = await people.recruit(CONNECTIONS)
        await asyncio.sleep(_SETTLE_SECONDS)
        before = server.rss_kib()
        connections = await people.connect(devices)
        await asyncio.sleep(_SETTLE_SECONDS)
        after, cpu = server.rss_kib(), server.cpu_s()
        await asyncio.sleep(terms.seconds)
        spent = server.cpu_s() - cpu
        lost = sum(connection.lost for connection in connections)
        for first in range(0, len(connections), 100):
            await asyncio.gather(*(connection.close() for connection in connections[first : first + 100]))
    return {
        "bench": "idle",
        "connections": CONNECTIONS,
        "kib_per_connection": round((after - before) / CONNECTIONS, 1),
        "lost": lost,
        "hub_rss_mib": round(after / 1024, 1),
        "hub_cpu_s": round(spent, 2),
        "seconds": terms.seconds,
    }
