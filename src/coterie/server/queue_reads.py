"""Reading a queue and following it from the past into the present (docs/protocol/frames.md, "Read", "Follow")."""

from typing import TYPE_CHECKING, Final

from coterie.server import answers
from coterie.server.connection import DeviceConnection
from coterie.server.followers import CLOSED, EPOCH, Follow
from coterie.server.view import Beyond, Page, PageEntry
from coterie.wire import frames
from coterie.wire.codes import ErrorCode
from coterie.wire.limits import FRAME_BYTES, READ_ENTRIES
from coterie.wire.queues import token_hash

if TYPE_CHECKING:
    from coterie.server.hub import Hub

MOST_FOLLOWS: Final = 20_000
"""Of one connection."""
PAGE_BYTES: Final = FRAME_BYTES - 1024
_ENTRY_BYTES: Final = 64
"""At most what an entry takes in a frame beside its payload."""


class QueueReads:
    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    async def read(self, connection: DeviceConnection, request: frames.Read) -> None:
        page = await self._page(request, request.after, request.limit)
        if isinstance(page, Page):
            entries = fitting(page.entries)
            connection.send(
                frames.Entries(
                    request.id,
                    page.after,
                    [frames.QueueEntry(entry.n, entry.at, entry.payload, entry.hash) for entry in entries],
                    page.end and len(entries) == len(page.entries),
                    page.last,
                    page.epoch,
                    page.ended,
                )
            )
        else:
            _refuse(connection, request.id, page)

    def follow(self, connection: DeviceConnection, request: frames.Follow) -> None:
        earlier = connection.follows.pop(request.queue, None)
        if earlier is not None:
            self._hub.followers.end(earlier)
        if len(connection.follows) >= MOST_FOLLOWS:
            connection.error(request.id, ErrorCode.LIMITED, "this connection follows too many queues")
            return
        follow = Follow(connection, request.queue, token_hash(request.token))
        connection.follows[request.queue] = follow
        row = self._hub.view.queue(request.queue)
        if row is not None and row.last == request.after and self._open_to(follow):
            connection.send(frames.Following(request.id, request.after, row.last, row.epoch))
            self._hub.followers.go_live(follow)
        else:
            connection.spawn(self._catch_up(connection, request, follow), request.id)

    async def _catch_up(self, connection: DeviceConnection, request: frames.Follow, follow: Follow) -> None:
        """Push what the view has, then go live or say why not."""
        page = await self._page(request, request.after, READ_ENTRIES)
        if follow.ended:
            return
        if not isinstance(page, Page):
            connection.follows.pop(request.queue, None)
            _refuse(connection, request.id, page)
            return
        after = page.after
        connection.send(frames.Following(request.id, after, page.last, page.epoch))
        while True:
            entries = fitting(page.entries)
            if entries:
                connection.send(_pushed(follow, after, entries))
                after = entries[-1].n
            if page.token_end and after >= page.token_end:
                self._end(connection, follow, EPOCH, page.ended)
                return
            # nothing is awaited between this look at the view and going live
            row = self._hub.view.queue(follow.queue)
            if row is None:
                self._end(connection, follow, CLOSED, None)
                return
            if after == row.last and self._open_to(follow):
                self._hub.followers.go_live(follow)
                return
            await connection.drained()
            next_page = await self._page(request, after, READ_ENTRIES)
            if follow.ended:
                return
            if not isinstance(next_page, Page):
                self._end(connection, follow, CLOSED, None)
                return
            page = next_page

    def _open_to(self, follow: Follow) -> bool:
        """The token reads the queue's present epoch."""
        row = self._hub.view.queue(follow.queue)
        return row is not None and self._hub.view.read_end(row, follow.token_hash) == 0

    def _end(self, connection: DeviceConnection, follow: Follow, reason: str, ended: frames.EpochEnd | None) -> None:
        connection.send(frames.FollowEnded(follow.queue, reason, ended))
        self._hub.followers.end(follow)
        if connection.follows.get(follow.queue) is follow:
            del connection.follows[follow.queue]

    async def _page(self, request: frames.Read | frames.Follow, after: int, limit: int) -> Page | Beyond | None:
        digest = token_hash(request.token)
        return await self._hub.readers.read(lambda reader: reader.entries(request.queue, digest, after, limit))


def fitting(entries: list[PageEntry]) -> list[PageEntry]:
    """As many, from the first, as fit a frame; at least one."""
    room = PAGE_BYTES
    for place, entry in enumerate(entries):
        room -= _ENTRY_BYTES + len(entry.payload or b"")
        if room < 0 and place:
            return entries[:place]
    return entries


def _pushed(follow: Follow, after: int, entries: list[PageEntry]) -> frames.Pushed:
    expired = any(entry.payload is None for entry in entries)
    return frames.Pushed(
        follow.queue,
        after,
        [entry.at for entry in entries],
        [entry.payload for entry in entries],
        [entry.hash for entry in entries] if expired else [],
    )


def _refuse(connection: DeviceConnection, request: int, page: Beyond | None) -> None:
    if page is None:
        connection.send(answers.no_queue(request))
    else:
        connection.send(frames.Behind(request, page.n, page.epoch))
