"""Commands over the owner's socket: rows, errors, hanging up, and what a killed owner leaves behind."""

import asyncio
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from coterie.client.owner import NobodyOwns, OwnerGone, call_owner, serve_commands
from coterie.client.owner.errors import SocketUnusable, StrangeOwner
from coterie.client.owner.place import place_to_call
from coterie.errors import CallerError, CoterieError, DeviceError, OfflineError, PeerError, RefusedError


class UnknownRoom(CallerError):
    code: ClassVar[str] = "unknown_room"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


async def count(command: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for number in range(params["to"]):
        yield {"command": command, "number": number, "bytes": b"\x00\xff", "none": None, "list": [1, "two"]}


async def rows_of(home: Path, command: str, **params: Any) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        return [row async for row in call_owner(home, command, params)]


async def test_rows_come_in_order_and_end(home: Path) -> None:
    async with serve_commands(home, count):
        rows = await rows_of(home, "count", to=1000)
    assert [row["number"] for row in rows] == list(range(1000))
    assert rows[0] == {"command": "count", "number": 0, "bytes": b"\x00\xff", "none": None, "list": [1, "two"]}


async def test_many_callers_are_served_at_once(home: Path) -> None:
    everyone_is_here = asyncio.Barrier(20)

    async def meet(_: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        await everyone_is_here.wait()
        yield params

    async with serve_commands(home, meet):
        rows = await asyncio.gather(*(rows_of(home, "meet", who=who) for who in range(20)))
    assert rows == [[{"who": who}] for who in range(20)]


@pytest.mark.parametrize("branch", [CallerError, RefusedError, PeerError, OfflineError, DeviceError])
async def test_error_arrives_as_the_branch_it_was(home: Path, branch: type[CoterieError]) -> None:
    async def fail(_: str, __: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        yield {"before": 1}
        raise branch("it is so", "do this")

    async with serve_commands(home, fail):
        rows = call_owner(home, "fail", {})
        assert await anext(rows) == {"before": 1}
        with pytest.raises(branch, match="it is so") as raised:
            await anext(rows)
    assert (raised.value.fact, raised.value.hint, raised.value.code) == ("it is so", "do this", branch.code)


async def test_error_keeps_its_own_code(home: Path) -> None:
    async def fail(_: str, __: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        raise UnknownRoom("no room is called so", "see `coterie room list`")
        yield {}

    async with serve_commands(home, fail):
        with pytest.raises(CallerError) as raised:
            await rows_of(home, "read")
    assert raised.value.code == "unknown_room"
    assert CallerError.code == "caller"


async def test_caller_that_hangs_up_ends_the_command(home: Path) -> None:
    ended = asyncio.Event()

    async def follow(_: str, __: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        try:
            yield {"first": 1}
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serve_commands(home, follow):
        rows = call_owner(home, "read --follow", {})
        assert await anext(rows) == {"first": 1}
        assert not ended.is_set()
        await rows.aclose()  # type: ignore[attr-defined]  # it is a generator; the promise is an iterator
        async with asyncio.timeout(10):
            await ended.wait()


async def test_caller_that_never_reads_is_waited_for_in_bounded_memory(home: Path) -> None:
    made = 0

    async def flood(_: str, __: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        nonlocal made
        while True:
            made += 1
            yield {"row": b"x" * 100_000}

    async with serve_commands(home, flood):
        rows = call_owner(home, "flood", {})
        for _ in range(5):
            await anext(rows)
        await rows.aclose()  # type: ignore[attr-defined]
    assert 5 <= made < 500


async def test_nobody_listens(home: Path) -> None:
    with pytest.raises(NobodyOwns):
        await rows_of(home, "status")
    with pytest.raises(NobodyOwns):
        await rows_of(home / "never" / "made", "status")
    (home / "file").write_bytes(b"")
    with pytest.raises(NobodyOwns):
        await rows_of(home / "file", "status")


async def test_owner_that_ends_cancels_commands_and_takes_its_socket_away(home: Path) -> None:
    running = asyncio.Event()

    async def wait(_: str, __: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        running.set()
        await asyncio.Event().wait()
        yield {}

    async with serve_commands(home, wait):
        waiting = asyncio.ensure_future(rows_of(home, "wait"))
        async with asyncio.timeout(10):
            await running.wait()
    with pytest.raises(OwnerGone):
        await waiting
    assert list(home.iterdir()) == []
    with pytest.raises(NobodyOwns):
        await rows_of(home, "wait")


OWNER = """
import asyncio, sys
from pathlib import Path
from coterie.client.owner import DeviceLock, serve_commands
async def wait(command, params):
    yield {"pid_of_owner": True}
    await asyncio.Event().wait()
async def main():
    home = Path(sys.argv[1])
    with DeviceLock.acquire(home):
        async with serve_commands(home, wait):
            print("serving", flush=True)
            await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_killed_owner_is_noticed_and_its_socket_is_no_obstacle(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(home)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "serving\n"
        rows = call_owner(home, "wait", {})
        assert await anext(rows) == {"pid_of_owner": True}
        owner.send_signal(signal.SIGKILL)
        with pytest.raises(OwnerGone):
            async with asyncio.timeout(10):
                await anext(rows)
        owner.wait()
    assert (home / "device.sock").exists()
    with pytest.raises(NobodyOwns):
        await rows_of(home, "count", to=1)
    async with serve_commands(home, count):
        assert len(await rows_of(home, "count", to=3)) == 3


async def test_socket_is_this_users_alone(home: Path) -> None:
    async with serve_commands(home, count):
        status = (home / "device.sock").stat()
        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can try as another user")
async def test_other_user_who_gets_at_the_socket_is_not_served() -> None:
    """The modes are opened for them on purpose: the kernel's word on the peer still refuses."""
    script = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); os.setuid(65534); s.connect(sys.argv[1]);"
        "s.settimeout(10); print(s.recv(10))"
    )
    served = False

    async def note(_: str, __: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        nonlocal served
        served = True
        yield {}

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with serve_commands(home, note):
            home.chmod(0o755)
            (home / "device.sock").chmod(0o666)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, str(home / "device.sock"), stdout=subprocess.PIPE
            )
            out, _err = await process.communicate()
    assert out.strip() == b"b''"
    assert not served


async def test_home_too_deep_for_a_socket_uses_the_runtime_folder(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    async with serve_commands(deep, count):
        assert len(await rows_of(deep, "count", to=3)) == 3
        place = place_to_call(deep)
        assert place is not None
        assert place.is_relative_to(runtime)
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    with pytest.raises(NobodyOwns):
        await rows_of(deep, "count", to=3)
    async with serve_commands(deep, count):
        assert len(await rows_of(deep, "count", to=3)) == 3


async def test_runtime_folder_open_to_others_is_not_used(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    (runtime / f"coterie-{os.getuid()}").mkdir(mode=0o755)
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with pytest.raises(SocketUnusable, match="not this user's alone"):
        async with serve_commands(deep, count):
            raise AssertionError("it must not listen there")


async def test_garbage_on_the_socket_harms_nobody(home: Path) -> None:
    chance = random.Random(40)
    async with serve_commands(home, count):
        for _ in range(200):
            _, writer = await asyncio.open_unix_connection(home / "device.sock")
            noise = bytes(chance.randrange(256) for _ in range(chance.randrange(60)))
            head = len(noise).to_bytes(4, "big") if chance.random() < 0.7 else b""
            writer.write(head + noise)
            writer.close()
        assert len(await rows_of(home, "count", to=2)) == 2


@pytest.mark.parametrize(
    "answer",
    [b"\xff\xff\xff\xff", b"\0\0\0\x01\xc1", b"\0\0\0\x02\x81\xa0", b"\0\0\0\x00"],
    ids=["four gigabytes", "no MessagePack", "no message", "nothing"],
)
async def test_answer_of_something_else_is_told(home: Path, answer: bytes) -> None:
    async def odd(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(odd, home / "device.sock")
    with pytest.raises(StrangeOwner):
        await rows_of(home, "status")
    server.close()


async def test_fault_in_a_command_ends_that_command_only(home: Path) -> None:
    """It goes to the owner's log through the loop; the caller learns that there is no answer."""
    logged: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context["exception"]))

    async def break_down(command: str, _: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        if command == "break":
            raise ZeroDivisionError("a fault of ours")
        yield {"fine": True}

    async with serve_commands(home, break_down):
        with pytest.raises(OwnerGone):
            await rows_of(home, "break")
        assert await rows_of(home, "fine") == [{"fine": True}]
    assert [type(fault) for fault in logged] == [ZeroDivisionError]
