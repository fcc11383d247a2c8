"""How long a device waits before it connects again."""

import random

from coterie.client.connection import Backoff


def test_waits_double_up_to_a_minute() -> None:
    backoff = Backoff(lambda: 0.999999)
    waits = [round(backoff.next_wait(), 2) for _ in range(9)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_good_connection_starts_over() -> None:
    backoff = Backoff(lambda: 0.0)
    assert [backoff.next_wait() for _ in range(3)] == [0.25, 0.5, 1.0]
    backoff.reset()
    assert backoff.next_wait() == 0.25


def test_devices_do_not_come_back_in_step() -> None:
    chance = random.Random(1)
    waits = {Backoff(chance.random).next_wait() for _ in range(100)}
    assert len(waits) == 100
    assert all(0.25 <= wait < 0.5 for wait in waits)


def test_server_may_ask_for_more_patience_but_not_for_ever() -> None:
    backoff = Backoff(lambda: 0.0)
    assert backoff.next_wait(at_least=7.5) == 7.5
    assert backoff.next_wait(at_least=1e9) == 60.0
