"""For all tests: nothing of who runs them gets in."""

import os
import signal

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # started in the background: what the tests start must still end on Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_device_of_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """No COTERIE_HOME, no COTERIE_PASSPHRASE: a test names its device itself."""
    for name in [name for name in os.environ if name.startswith("COTERIE_")]:
        monkeypatch.delenv(name)
