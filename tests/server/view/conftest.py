from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.rules.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A log that is open, and a coterie that Ada founded."""
    scene = Scene.opened(tmp_path / "view.db")
    yield scene
    scene.close()
