"""`python -m coterie.server`: a server without the rest of the command line, for tests and for service managers."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

import uvloop

from coterie.errors import CallerError, CoterieError
from coterie.server.events import write_json_lines
from coterie.server.serve import Ready, ServeConfig, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m coterie.server")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--address", action="append", default=[])
    parser.add_argument("--nats")
    parser.add_argument("--blobs")
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--engine-binary", type=Path)
    given = parser.parse_args()
    config = ServeConfig(
        data=given.data,
        listen=given.listen,
        addresses=tuple(given.address),
        nats=given.nats,
        blobs=given.blobs,
        cert=given.cert,
        key=given.key,
        engine_binary=given.engine_binary,
    )
    write_json_lines()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(config, _announce))
    except CoterieError as error:
        print(f"error: {error.fact}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 2 if isinstance(error, CallerError) else 1
    return 0


def _announce(ready: Ready) -> None:
    print(json.dumps({"event": "ready", "url": ready.url, "founding_link": ready.founding_link}), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
