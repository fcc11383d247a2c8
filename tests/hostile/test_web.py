"""A web browser at the server's address, with an invite in its address bar: nothing that it would show or run."""

import asyncio
import ssl

from tests.hostile.scene import Scene

PATHS = ("/", "/join/AAAA", "/found/AAAA", "/index.html", "/app.js", "/favicon.ico")


async def fetched(hub: str, path: str) -> tuple[str, str]:
    """Status line and headers, body."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, _, port = hub.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {hub}\r\nAccept: text/html\r\nConnection: close\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 10)).decode("latin-1")
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return head.lower(), body


async def test_a_browser_gets_nothing_it_would_show_or_run(scene: Scene) -> None:
    for path in PATHS:
        head, body = await fetched(scene.hub, path)
        assert head.startswith("http/1.1 4"), path
        assert "text/html" not in head and "javascript" not in head
        assert "<" not in body and "location:" not in head
