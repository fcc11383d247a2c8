"""`coterie serve`: the server of one coterie. Only this file and `cli/server.py` import the server."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.options import Here, plain_command

if TYPE_CHECKING:
    from coterie.server.serve import Ready

DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the server keeps everything.")]


def serve(
    here: Here,
    data: DataOption,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 takes a free one and keeps it."),
    ],
    addresses: Annotated[
        list[str] | None,
        typer.Option("--address", metavar="HOST:PORT", help="What stands in links instead; once for each address."),
    ] = None,
    cert: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="A TLS certificate instead of the one made here.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The certificate's key.")] = None,
    nats: Annotated[
        str | None, typer.Option("--nats", metavar="URL", help="A NATS JetStream that holds the log.")
    ] = None,
    blobs: Annotated[
        str | None, typer.Option("--blobs", metavar="URL", help="An S3-compatible store that holds the blobs.")
    ] = None,
    engine_binary: Annotated[
        Path | None, typer.Option("--engine-binary", metavar="FILE", help="The nats-server to run.")
    ] = None,
) -> None:
    """Run a server for one coterie, until SIGTERM or Ctrl-C.

    At its first start it prints a founding link: whoever uses that first is the founder.

    Example:
      coterie serve --data server --listen 127.0.0.1:7443
      coterie serve --data server --listen 0.0.0.0:7443 --address chat.example.org:7443
    """
    if (cert is None) != (key is None):
        raise typer.BadParameter("a certificate and its key are given together", param_hint="--cert, --key")
    import uvloop

    from coterie.server.events import write_json_lines
    from coterie.server.serve import ServeConfig
    from coterie.server.serve import serve as serve_until_stopped

    write_json_lines()
    config = ServeConfig(
        data=data,
        listen=listen,
        addresses=tuple(addresses or ()),
        nats=nats,
        blobs=blobs,
        cert=cert,
        key=key,
        engine_binary=engine_binary,
    )

    def ready(now: "Ready") -> None:
        if here.as_json:
            here.output.row({"event": "ready", "url": now.url, "founding_link": now.founding_link})
            return
        here.output.say(f"serving at {now.url}")
        if now.founding_link:
            here.output.say(
                f"found the coterie with this link, and show it to nobody:\n{now.founding_link}", lines=True
            )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_stopped(config, ready))


def add_to(app: typer.Typer) -> None:
    app.command("serve")(plain_command(serve))
