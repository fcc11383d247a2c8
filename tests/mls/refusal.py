"""Asserting what was refused: the code, and that nothing changed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from coterie_mls import CODES, Group, MlsError


@contextmanager
def refused(*codes: str) -> Iterator[None]:
    """The block raises MlsError with one of `codes`."""
    with pytest.raises(MlsError) as caught:
        yield
    assert caught.value.code in CODES
    assert caught.value.code in codes, caught.value


@contextmanager
def unchanged(group: Group) -> Iterator[None]:
    """The block changes no row of the group and nothing that can be seen of it. Its writes were taken before."""

    def seen() -> tuple[object, ...]:
        return group.epoch, group.has_pending, group.active, group.epoch_authenticator, group.members(), group.tree()

    assert group.take_writes() == []
    before = seen()
    yield
    assert seen() == before
    assert group.take_writes() == []
