"""The scene of the attacks: made once, copied for each test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coterie.store.store import Store
from tests.hostile.scene import Scene, Template, make_template, played


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return asyncio.run(make_template(tmp_path_factory.mktemp("hostile")))


@pytest.fixture
async def scene(template: Template, tmp_path: Path) -> AsyncIterator[Scene]:
    async with played(template, tmp_path) as scene:
        yield scene


@pytest.fixture
def scene_register(template: Template) -> list[bytes]:
    """Every entry of the template's register, as Ada's device stored it."""
    store = Store(template.folder / "ada", template.keys["ada"])
    try:
        return list(store.register.entries())
    finally:
        store.close()
