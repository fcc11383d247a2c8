"""Hubs for the tests of the connection; every test runs on asyncio's loop and on uvloop's."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from coterie.ids import Seed
from coterie.trust.keys import SigningKey
from tests.client.connection.hub import Certificate, Hub


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
async def hub(certificate: Certificate) -> AsyncIterator[Hub]:
    async with Hub(certificate, SigningKey(Seed(os.urandom(32)))).serving() as hub:
        yield hub


@pytest.fixture
async def other_hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """Of another coterie: its own certificate and service key."""
    async with Hub(Certificate.make(tmp_path), SigningKey(Seed(os.urandom(32)))).serving() as hub:
        yield hub
