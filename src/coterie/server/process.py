"""What a server needs of its process: descriptors, signals, and faults of the loop told as events."""

import asyncio
import contextlib
import resource
import signal
from collections.abc import Iterator

from coterie.server import events


@contextlib.contextmanager
def server_process() -> Iterator[None]:
    """While entered, the loop tells its faults; for good, as many connections are allowed as the system lets."""
    # a connection is a file, and the soft limit of a shell is 1,024
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(events.loop_fault)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


def ended_by_signal() -> asyncio.Event:
    """Set by SIGTERM and by SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended
