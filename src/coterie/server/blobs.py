"""Blobs: opaque bytes under their own hash (docs/protocol/frames.md, "Blobs").

They arrive in order into a part file, one for each device and blob, so nobody spoils another's upload. When the last
byte is there: fsync, hash, move into the store, and only then the log hears of the blob (`BlobPut`).
"""

import asyncio
import errno
import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError as StoreError
from obstore.store import LocalStore, ObjectStore, from_url

from coterie.errors import CallerError
from coterie.ids import BlobId
from coterie.server import answers
from coterie.server.connection import DeviceConnection
from coterie.server.folder import PRIVATE, sync_folder
from coterie.server.handshake import ProvenDevice
from coterie.server.rules.outcomes import Outcome, Stored
from coterie.server.rules.record import BlobPut
from coterie.wire import frames
from coterie.wire.codes import ErrorCode

if TYPE_CHECKING:
    from coterie.server.hub import Hub

LARGEST_BLOB: Final = 2 * 1024**3 + 64 * 1024**2
"""2 GiB of attachment, with what sealing and padding add."""
PART_SECONDS: Final = 24 * 3600.0
_STORE_ID: Final = "coterie-store-id"
_HASH_CHUNK: Final = 1024 * 1024
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class BlobStoreUnusable(CallerError):
    code = "blob_store_unusable"


class Blobs:
    """The store, and the parts that are on their way into it."""

    def __init__(self, parts: Path, local: Path, url: str | None) -> None:
        """Raises BlobStoreUnusable."""
        self._parts = parts
        self._local = local if url is None else None
        self.placing: set[BlobId] = set()
        """Durable here, and not yet known to the log: not to be deleted."""
        try:
            self._store: ObjectStore = LocalStore(local, mkdir=True) if url is None else from_url(url)
        except (StoreError, ValueError) as error:
            scheme = urlsplit(url or "").scheme
            raise BlobStoreUnusable(f"the blob store ({scheme}) cannot be used: {type(error).__name__}") from None

    async def identity(self, fresh: bytes) -> bytes:
        """The store's id: `fresh` if it has none yet. Two hubs on one store read the same. Raises BlobStoreUnusable."""
        try:
            with suppress(obstore.exceptions.AlreadyExistsError):
                await obstore.put_async(self._store, _STORE_ID, fresh, mode="create")
            return bytes(await (await obstore.get_async(self._store, _STORE_ID)).bytes_async())
        except StoreError as error:
            raise BlobStoreUnusable(f"the blob store does not answer: {type(error).__name__}") from None

    def part(self, owner: bytes, blob: BlobId) -> Path:
        return self._parts / hashlib.sha256(owner + blob).hexdigest()

    async def place(self, part: Path, blob: BlobId) -> bool:
        """Move a whole part into the store; durable when it returns. False if its hash differs. The part is gone."""
        if await asyncio.to_thread(_hash_durably, part) != blob:
            await asyncio.to_thread(part.unlink)
            return False
        if self._local is not None:
            await asyncio.to_thread(_move_durably, part, self._local / blob.hex())
        else:
            await obstore.put_async(self._store, blob.hex(), part)
            await asyncio.to_thread(part.unlink)
        return True

    async def chunk(self, blob: BlobId, offset: int, length: int) -> bytes:
        """Raises StoreError."""
        return bytes(await obstore.get_range_async(self._store, blob.hex(), start=offset, length=length))

    async def delete(self, blobs: list[BlobId]) -> None:
        """Gone from the store; what is not there is fine. Raises StoreError."""
        for blob in blobs:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, blob.hex())

    def forget_stale_parts(self) -> None:
        """Uploads that nobody went on with for a day."""
        for part in self._parts.iterdir():
            if time.time() - part.stat().st_mtime > PART_SECONDS:
                part.unlink(missing_ok=True)


class BlobRequests:
    def __init__(self, hub: "Hub", blobs: Blobs) -> None:
        self._hub = hub
        self._blobs = blobs
        self._busy: dict[Path, asyncio.Lock] = {}

    async def put(self, connection: DeviceConnection, request: frames.PutBlob) -> None:
        if not 0 < request.size <= LARGEST_BLOB or request.offset + len(request.data) > request.size:
            connection.error(request.id, ErrorCode.BLOB_MISMATCH, "size and offset do not fit")
            return
        if self._hub.view.blob_size(request.blob) is not None:
            connection.send(frames.BlobHas(request.id, request.size))
            return
        if not self._hub.disk_room:
            connection.send(answers.disk_full(request.id))
            return
        assert isinstance(connection.proven, ProvenDevice)
        part = self._blobs.part(connection.proven.device, request.blob)
        lock = self._busy.setdefault(part, asyncio.Lock())
        try:
            async with lock:
                await self._put(connection, request, part)
        finally:
            if not lock.locked():
                self._busy.pop(part, None)

    async def _put(self, connection: DeviceConnection, request: frames.PutBlob, part: Path) -> None:
        try:
            has = await asyncio.to_thread(_append, part, request.offset, request.data)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            connection.send(answers.disk_full(request.id))
            return
        if has < request.size:
            connection.send(frames.BlobHas(request.id, has))
            return
        self._blobs.placing.add(request.blob)
        if not await self._blobs.place(part, request.blob):
            self._blobs.placing.discard(request.blob)
            connection.error(request.id, ErrorCode.BLOB_MISMATCH, "the bytes do not hash to the blob's id")
            return

        def answer(number: int, outcome: Outcome | None) -> None:
            self._blobs.placing.discard(request.blob)
            if isinstance(outcome, Stored):
                connection.send(frames.BlobHas(number, request.size))
            else:
                connection.reply(number, outcome)

        operation = BlobPut(request.blob, request.size)
        refusal = self._hub.refuses(operation)
        if refusal is None:
            self._hub.intake.submit(connection.lane, operation, answer, request.id)
        else:
            self._blobs.placing.discard(request.blob)
            connection.send(refusal(request.id))

    async def get(self, connection: DeviceConnection, request: frames.GetBlob) -> None:
        size = self._hub.view.blob_size(request.blob)
        if size is None:
            connection.error(request.id, ErrorCode.NO_BLOB, "no such blob")
            return
        length = min(request.length, size - request.offset)
        try:
            content = await self._blobs.chunk(request.blob, request.offset, length) if length > 0 else b""
        except (StoreError, OSError):
            connection.error(request.id, ErrorCode.UNAVAILABLE, "the blob store does not answer", answers.RETRY_SECONDS)
            return
        connection.send(frames.BlobChunk(request.id, size, content))

    async def delete_dropped(self, limit: int) -> None:
        """Delete the bytes of blobs that the view has dropped."""
        listed = self._hub.view.dropped_blobs(limit)
        dropped = [blob for blob, _ in listed if blob not in self._blobs.placing]
        gone = [blob for blob in dropped if self._hub.view.blob_size(blob) is None]
        await self._blobs.delete(gone)
        if dropped:
            self._hub.view.forget_dropped(dropped)


def _append(part: Path, offset: int, content: bytes) -> int:
    """Put `content` behind what is there if that ends at `offset`. How many bytes the part has now, durably. Raises
    OSError with the part as it was."""
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE)
    try:
        if content and os.fstat(descriptor).st_size == offset:
            try:
                os.write(descriptor, content)
                os.fdatasync(descriptor)
            except OSError:
                os.ftruncate(descriptor, offset)
                raise
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _move_durably(part: Path, blob: Path) -> None:
    part.replace(blob)
    sync_folder(blob.parent)


def _hash_durably(part: Path) -> bytes:
    """The SHA-256 of the part, which is on disk when this returns."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.sha256()
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.digest()
