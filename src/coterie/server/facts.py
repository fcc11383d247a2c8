"""What a running server says of itself: counts, versions and places, nothing about a person, a device or a queue."""

import os
import resource
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import coterie
from coterie.server.engine import Engine
from coterie.server.hub import Hub
from coterie.server.status import StatusFacts


def facts_of(hub: Hub, engine: Engine | None, url: str, started: float, data: Path) -> StatusFacts:
    """As of now. `started` is the monotonic clock's second; no `engine`: it is somebody else's."""
    view = hub.view
    register = view.register
    return {
        "version": coterie.__version__,
        "pid": os.getpid(),
        "url": url,
        "uptime_s": round(time.monotonic() - started, 1),
        "coterie": register.coterie.hex() if register else None,
        "register_seq": register.head.seq if register else 0,
        "log": {
            "position": view.position,
            "time": datetime.fromtimestamp(view.time / 1000, UTC).isoformat(),
            "digest": view.digest.hex(),
            "stalled": hub.stalled,
        },
        "engine": {
            "embedded": engine is not None,
            "version": engine.version if engine else None,
            "restarts": engine.restarts if engine else None,
            "pid": engine.pid if engine else None,
        },
        "connections": len(hub.sessions.connections),
        "operations": hub.operations_applied,
        "waiting_bytes": hub.intake.waiting_bytes,
        "disk_room": hub.disk_room,
        "disk_free_mib": shutil.disk_usage(data).free // 2**20,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 2**20),
    }
