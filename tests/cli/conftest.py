"""People with devices, on a real server; and a link that leads nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coterie.ids import CoterieId, InviteId, PublicKey, Seed
from coterie.trust.address import Address
from coterie.trust.invite import JoinLink
from tests.cli.terminal import Person, Server


@pytest.fixture
def open_link() -> str:
    """As an inviter's device makes it; nobody listens where it points."""
    service_key = PublicKey(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw())
    return JoinLink(
        CoterieId(bytes(range(32))), (Address("127.0.0.1", 1),), service_key, InviteId(bytes(32)), Seed(bytes(32))
    ).text


class Gazette:
    """A coterie of Ada, who founded it, and Bo, whom she invited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server(folder / "server")
        self.ada = Person(folder / "ada", "Ada")
        self.founding_link: str = self.server.ready["founding_link"]
        (self.founded,) = self.ada.does("found", self.founding_link, "--coterie", "The Gazette", "--as", "Ada")
        (self.invite,) = self.ada.does("invite", "create")
        self.bo = Person(folder / "bo", "Bo")
        (self.joined,) = self.bo.does("join", self.invite["link"], "--as", "Bo")
        self.ada.does("sync")
        self.bo.does("sync")

    def room(self, name: str) -> str:
        """A room of both, which both know of; its id."""
        (room,) = self.ada.does("room", "new", name, "--with", "Bo")
        self.bo.does("sync")
        return str(room["room"])


@pytest.fixture(scope="module")
def gazette(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gazette]:
    """One for the tests of a module that leave it usable."""
    gazette = Gazette(tmp_path_factory.mktemp("gazette"))
    yield gazette
    gazette.server.kill()


@pytest.fixture
def own_gazette(tmp_path: Path) -> Iterator[Gazette]:
    """One for a test that breaks it."""
    gazette = Gazette(tmp_path)
    yield gazette
    gazette.server.kill()
