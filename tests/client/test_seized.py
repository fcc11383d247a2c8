"""The server's machine is seized, and a locked device: what their disks say about what people said and who they are."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cbor2

from coterie.client import Device
from coterie.ids import Seed
from coterie.store.facts import Fact
from coterie.trust.keys import SigningKey
from tests.client.newsroom import PASSPHRASE, newsroom, settle, texts

NAMES: Final = ("Adelheid", "Bonaventura", "Cyprienne")
WORDS: Final = ("the manuscript is under the linden", "Budapest by midnight", "I shall be there")
ROOM: Final = "Operation Kingfisher"
TOPIC: Final = "due before the solstice"


def secrets_of(device: Device) -> dict[str, bytes]:
    """What is private in a device's store, by name."""
    state, store = device._state, device._state.store
    seeds = (Fact.IDENTITY_SEED, Fact.DEVICE_SEED, Fact.LEAF_SEED, Fact.INBOX_READ, Fact.INBOX_CLOSE)
    known = {fact.value: store.facts.need(fact) for fact in seeds}
    known |= {f"coterie key {number}": bytes(key) for number, key in state.register.coterie_keys().items()}
    known |= {f"inbox key {at}": bytes(row.seed) for at, row in enumerate(store.inbox.key_rows())}
    for room in device.rooms():
        group = state.group_of(room.room).group
        for label in ("coterie post", "coterie read", "coterie aad", "coterie blob"):
            known[f"{label} of {room.name}"] = state.groups.get(group).export(label, b"", 32)
        for key, value in store.groups.rows(group):
            if key.startswith((b"epoch_secrets", b"message_secrets", b"epoch_keys")):
                for at, secret in enumerate(_strings_of_32(cbor2.loads(value))):
                    known[f"{key.decode()} {at} of {room.name}"] = secret
    return known


def _strings_of_32(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes) and len(value) == 32 and any(value):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings_of_32(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings_of_32(part)


def found(files: list[Path], needles: dict[str, bytes]) -> list[str]:
    """The needles that stand in one of the files: in clear, in hex or in base64."""
    contents = [path.read_bytes() for path in files]
    return [
        what
        for what, needle in needles.items()
        for form in (needle, needle.hex().encode(), base64.b64encode(needle).rstrip(b"="))
        if any(form in content for content in contents)
    ]


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_neither_the_servers_disk_nor_a_locked_devices_says_what_was_said(tmp_path: Path) -> None:
    async with newsroom(tmp_path, "Bo", "Cy") as gazette:
        people = gazette.devices
        for device, name in zip(people, NAMES, strict=True):
            await device.set_profile(name)
        room = await gazette.room(ROOM, "Ada", "Bo", "Cy")
        await people[0].rename_room(room, topic=TOPIC)
        for device, text in zip(people, WORDS, strict=True):
            await device.send(room, text)
        await gazette.sync()
        assert all(texts(device, room) == list(WORDS) for device in people)
        open_invite = await people[0].create_invite()
        assert open_invite.link is not None
        secrets = {
            f"{name}: {what}": secret
            for name, device in zip(NAMES, people, strict=True)
            for what, secret in secrets_of(device).items()
        }
        await people[0].remove_member(gazette.member("Cy"))
        await settle(*people[:2])
        secrets |= {f"later, {what}": secret for what, secret in secrets_of(people[0]).items()}
        assert len(secrets) > 60
        said = {text: text.encode() for text in (*WORDS, *NAMES, ROOM, TOPIC, "The Gazette")}
        said["the passphrase"] = bytes(PASSPHRASE)
        said["an invite"] = open_invite.link.rpartition("/")[2].encode()
        gazette.close_all()
        await gazette.server.stop()

        server = [*files_in(gazette.server.data), tmp_path / "server.log"]
        assert sum(path.stat().st_size for path in server) > 500_000
        assert found(server, said | secrets) == []
        for name in ("Ada", "Bo", "Cy"):
            assert found(files_in(gazette.home(name)), said | secrets) == []

        # the search finds what is there: the server's own key, the public halves of those above
        service_key = bytes.fromhex((gazette.server.data / "service.key").read_text())
        devices = {name: SigningKey(Seed(secrets[f"{name}: {Fact.DEVICE_SEED.value}"])).public for name in NAMES}
        assert found(server, {"service key": service_key, **devices}) == ["service key", *NAMES]
