import pytest

from tests.trust.cast import Stage, full_stage


@pytest.fixture
def stage() -> Stage:
    """A fresh coterie: Ada founded it."""
    return Stage.founded()


@pytest.fixture(scope="session")
def cast() -> Stage:
    """Everybody there is; not to be moved on."""
    return full_stage()
