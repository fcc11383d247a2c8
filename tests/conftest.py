"""For all tests: nothing of who runs them gets in."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_device_of_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """No COTERIE_HOME, no COTERIE_PASSPHRASE: a test names its device itself."""
    for name in [name for name in os.environ if name.startswith("COTERIE_")]:
        monkeypatch.delenv(name)
