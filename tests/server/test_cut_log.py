"""The engine's log begins later than at its first record: a view that reaches to it goes on, another is left alone."""

import shutil
from pathlib import Path

import pytest

from coterie.server.engine import Engine, engine_binary
from coterie.server.log import Log
from coterie.wire import frames
from tests.server.device import Band, Room
from tests.server.test_crashes import keyed_posts, post_all, read_all
from tests.serving import RunningServer, ServerDied, running_server


async def cut(server: RunningServer) -> int:
    """All records but the last are gone from the engine's store of a server that is stopped; the first that is left."""
    engine = Engine(server.data / "engine", engine_binary())
    await engine.start()
    log = Log(engine.address)
    last = (await log.open()).last
    assert (await log._ask("STREAM.PURGE.COTERIE", {"seq": last}))["success"]
    ends = await log.open()
    assert (ends.first, ends.last) == (last, last)
    await log.close()
    await engine.stop()
    return last


def exchange(view: Path, other: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        view.with_name(view.name + suffix).unlink(missing_ok=True)
    if other.exists():
        shutil.copy(other, view)


async def test_hub_behind_a_cut_log_is_refused_and_its_view_is_kept(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        view, older, whole = server.data / "view.db", tmp_path / "older.db", tmp_path / "whole.db"
        band = await Band.found(server.url, server.found_link)
        await server.stop()
        shutil.copy(view, older)
        await server.restart()
        ada = await band.founder.connect(server.url)
        room = await Room.opened(ada)
        await post_all(ada, room, keyed_posts(5))
        await server.stop()
        shutil.copy(view, whole)
        first = await cut(server)

        for behind in (older, tmp_path / "none at all.db"):
            exchange(view, behind)
            with pytest.raises(ServerDied, match=f"the log begins at record {first}, and the view here does not reach"):
                await server.start()
            if behind.exists():
                assert view.read_bytes() == behind.read_bytes()

        exchange(view, whole)
        await server.start()
        ada = await band.founder.connect(server.url)
        assert (await ada.ask(room.post(ada, b"one more"), frames.Posted)).n == 6
        assert len(await read_all(ada, room)) == 6
