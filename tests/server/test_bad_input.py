"""What operators can get wrong, and what others can put into the log: each gets its sentence, nothing is lost."""

import json
import os
import re
import sys
from pathlib import Path

import nats
import pytest

from coterie.server.serve import ServeConfig, serve
from coterie.wire import frames
from tests.server.device import Band, Room
from tests.serving import RunningServer, ServerDied, running_server


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "nowhere"], "error: nowhere is no place to listen at"),
        (["--listen", "127.0.0.1:99999"], "is no place to listen at"),
        (["--listen", "192.0.2.1:0"], "error: cannot listen on 192.0.2.1"),
        (["--address", "not an address"], "error: the address has no port"),
        (["--cert", "here.pem"], "error: --cert and --key belong together"),
        (["--cert", "/nowhere.pem", "--key", "/nowhere.key"], "error: /nowhere.pem holds no certificate"),
        (["--engine-binary", "/nowhere"], "error: /nowhere is not there or cannot be run"),
        (["--engine-binary", sys.executable], "is not a nats-server"),
        (["--blobs", "rubbish://store"], "error: the blob store (rubbish) cannot be used"),
        (["--nats", "nats://127.0.0.1:1"], "error: the engine cannot be reached"),
    ],
)
async def test_wrong_argument_is_refused_in_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    server = RunningServer(tmp_path / "data", arguments)
    with pytest.raises(ServerDied) as refused:
        await server.start()
    assert said in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert await server.ended() in (1, 2)


async def test_taken_port_is_named(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        place = server.url.removeprefix("wss://")
        with pytest.raises(ServerDied, match=f"cannot listen on {re.escape(place)}"):
            await RunningServer(tmp_path / "other", ["--listen", place]).start()


async def test_link_names_the_addresses_given(tmp_path: Path) -> None:
    async with running_server(
        tmp_path, "--address", "chat.example.org:7443", "--address", "[2001:db8::7]:7443"
    ) as server:
        assert (server.found_link or "").startswith("coterie://chat.example.org:7443/found/")
        band = await Band.found(server.url, server.found_link)
        await band.founder.connect(server.url)


async def test_certificate_and_key_come_together_or_not_at_all(tmp_path: Path) -> None:
    from coterie.errors import CallerError

    with pytest.raises(CallerError, match="belong together"):
        await serve(ServeConfig(tmp_path, "127.0.0.1:0", key=tmp_path / "key"), lambda ready: None)


async def test_garbage_in_the_log_is_void_and_the_hub_goes_on(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        band = await Band.found(server.url, server.found_link)
        ada = await band.founder.connect(server.url)
        room = await Room.opened(ada)
        await ada.ask(room.post(ada, b"before"), frames.Posted)

        folder = server.data / "engine"
        settings = (folder / "engine.conf").read_text()
        password = re.search(r'password: "(\w+)"', settings)
        assert password is not None
        (ports,) = folder.glob("*.ports")
        engine = await nats.connect(json.loads(ports.read_text())["nats"][0], user="hub", password=password[1])
        for garbage in (b"", b"\x00", b"\x97" + os.urandom(200), os.urandom(5_000)):
            await engine.publish("COTERIE.log", garbage)
        await engine.flush()
        await engine.close()

        assert (await ada.ask(room.post(ada, b"after"), frames.Posted)).n == 2
        await server.restart()
        ada = await band.founder.connect(server.url)
        page = await ada.ask(room.read(ada), frames.Entries)
        assert [entry.payload for entry in page.entries] == [b"before", b"after"]
        assert "Traceback" not in server.said()
