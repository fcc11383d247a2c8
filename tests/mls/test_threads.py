"""The GIL is free while the crate works, and objects may be used from any thread."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from coterie_mls import Application, Client, hpke_keypair, hpke_seal

from .device import circle


@pytest.fixture
def gil_is_never_taken_away() -> Iterator[None]:
    """Only a thread that lets go of the GIL by itself lets another one run."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("gil_is_never_taken_away")
@pytest.mark.parametrize("call", ["encrypt", "commit", "key_package", "hpke_seal", "export"])
def test_another_thread_runs_while_a_call_works(call: str) -> None:
    ada, _ = circle(2)
    client, public = Client(b"x", bytes(32)), hpke_keypair(bytes(32))[1]

    def commit() -> None:
        ada.group.commit()
        ada.group.discard_pending()

    work: Callable[[], object] = {
        "encrypt": lambda: ada.group.encrypt(bytes(10_000), b""),
        "commit": commit,
        "key_package": lambda: client.key_package(),
        "hpke_seal": lambda: hpke_seal(public, b"", b"", bytes(10_000)),
        "export": lambda: ada.group.export("label", b"", 32),
    }[call]
    go, ran = threading.Event(), []

    def other() -> None:
        go.wait()
        ran.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    go.set()
    calls = 0
    while not ran and calls < 20_000:
        work()
        calls += 1
    thread.join()
    assert calls < 20_000


def test_many_threads_share_one_group() -> None:
    ada, bo = circle(2)
    with ThreadPoolExecutor(8) as pool:
        wires = list(pool.map(lambda number: ada.group.encrypt(b"%d" % number, b"").wire, range(16)))
    read = set()
    for wire in wires:
        message = bo.group.process(wire)
        assert isinstance(message, Application)
        read.add(message.plaintext)
    assert read == {b"%d" % number for number in range(16)}
