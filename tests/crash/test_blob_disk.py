"""The server's disk fills up under an upload: said in one word, no byte of the chunk is kept, and it goes on later."""

import os
from pathlib import Path

import pytest

from coterie.wire import frames
from tests.crash.strace import disk_full, needs_strace, under
from tests.server.device import Band
from tests.server.test_storage import blob_of, put
from tests.serving import running_server

pytestmark = needs_strace


@pytest.mark.parametrize("call", ["write", "fdatasync"], ids=["as it writes", "as it syncs"])
async def test_upload_onto_a_full_disk_is_refused_in_words_and_goes_on_when_there_is_space(
    tmp_path: Path, call: str
) -> None:
    async with running_server(tmp_path) as server:
        band = await Band.found(server.url, server.found_link)
        ada = await band.founder.connect(server.url)
        content = os.urandom(100_000)
        has = await put(ada, content, 0)
        await server.stop()
        (part,) = [file for file in server.data.rglob("*") if file.is_file() and file.stat().st_size == has]
        server.before = under(disk_full(call), paths=[part])
        await server.start()
        server.before = ()
        ada = await band.founder.connect(server.url)
        rest = frames.PutBlob(ada.number(), blob_of(content), len(content), has, content[has:])
        assert (await ada.ask(rest, frames.Error)).code == "disk_full"
        assert part.stat().st_size == has
        assert await put(ada, content, 0, 0) == has
        assert "request.failed" not in server.said()

        await server.restart()
        ada = await band.founder.connect(server.url)
        assert await put(ada, content, has) == len(content)
        chunk = await ada.ask(frames.GetBlob(ada.number(), blob_of(content), has, 60_000), frames.BlobChunk)
        assert chunk.data == content[has:]
