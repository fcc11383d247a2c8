import pytest
from coterie_mls import SUITE_CLASSICAL, SUITE_XWING, Client, parse_key_package

from .device import Device, circle
from .refusal import refused

YEAR_9999 = 253_402_300_799


@pytest.mark.parametrize("suite", [SUITE_XWING, SUITE_CLASSICAL])
@pytest.mark.parametrize("last_resort", [False, True])
def test_a_package_reads_back_as_it_was_made(suite: int, last_resort: bool) -> None:
    client = Client(b"ada's phone", bytes(32))
    made = client.key_package(suite, last_resort=last_resort)
    read = parse_key_package(made.wire)
    for package in (made, read):
        assert package.suite == suite
        assert package.credential == b"ada's phone"
        assert package.signature_key == client.leaf_key
        assert package.last_resort is last_resort
        assert (package.not_before, package.not_after) == (0, YEAR_9999)
    assert read.hash_ref == made.hash_ref
    assert read.wire == made.wire


def test_the_default_suite_is_xwing() -> None:
    assert Client(b"", bytes(32)).key_package().suite == SUITE_XWING


def test_every_single_flipped_bit_is_refused() -> None:
    wire = Client(b"ada", bytes(32)).key_package(SUITE_CLASSICAL).wire
    for place in range(len(wire)):
        with refused("malformed", "bad-key-package"):
            parse_key_package(wire[:place] + bytes([wire[place] ^ 1]) + wire[place + 1 :])


def test_a_truncated_or_extended_package_is_malformed() -> None:
    wire = Client(b"ada", bytes(32)).key_package(SUITE_CLASSICAL).wire
    for end in range(len(wire)):
        with refused("malformed"):
            parse_key_package(wire[:end])
    with refused("malformed"):
        parse_key_package(wire + b"\0")


def test_another_mls_message_is_no_key_package() -> None:
    ada, _ = circle(2)
    with refused("malformed"):
        parse_key_package(ada.group.encrypt(b"hello", b"").wire)


def test_an_unknown_suite_is_unsupported() -> None:
    with refused("unsupported"):
        Client(b"ada", bytes(32)).key_package(1)


def test_a_seed_of_another_length_is_malformed() -> None:
    with refused("malformed"):
        Client(b"ada", bytes(31))


def test_a_forgotten_package_opens_no_welcome() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    package = bo.key_package()
    pending = ada.group.commit(add=[package.wire], path=False)
    bo.client.forget_key_package(package.hash_ref)
    assert [row for _, row in bo.client.take_writes()] == [None]
    assert pending.welcome is not None
    with refused("no-key-package"):
        bo.client.stage_welcome(pending.welcome, pending.tree)


def test_forgetting_an_unknown_package_changes_nothing() -> None:
    ada = Device(1)
    ada.client.forget_key_package(bytes(32))
    assert ada.client.take_writes() == []


def test_packages_survive_a_restart() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    package = bo.key_package()
    bo.crash()
    pending = ada.group.commit(add=[package.wire], path=False)
    assert pending.welcome is not None
    bo.join(pending.welcome, pending.tree)
    assert bo.group.epoch == 1
