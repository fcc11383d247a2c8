"""Sending what waits for other devices' inboxes. A post that cannot go now stays; one that never can is dropped."""

from collections.abc import Iterator
from dataclasses import dataclass

from coterie.client.connection import Connection, ServerRefused
from coterie.client.state import DeviceState
from coterie.errors import PeerError
from coterie.group.inbox import seal_entry
from coterie.group.inbox_bodies import HistoryPart, Welcome, decode_body_untrusted
from coterie.ids import BlobId, DeviceId, PostToken
from coterie.store.inbox import InboxPost
from coterie.trust import RegisterError
from coterie.trust.bundle import MalformedBundle, VerifiedBundle, decode_bundle_untrusted, verify_bundle
from coterie.trust.coterie_key import inbox_post_token, keyless_post_token
from coterie.trust.keys import ForgedSignature
from coterie.wire import frames
from coterie.wire.codes import ErrorCode
from coterie.wire.limits import MESSAGE_TTL_SECONDS

BUNDLES_PER_REQUEST = 64
GENERATIONS_TRIED = 8
"""The newest and those before: an owner who has been away has an old one in force."""


class BundleRefused(PeerError):
    """The server's bundle for a device is not that device's."""

    code = "bundle_refused"


@dataclass(frozen=True)
class SentPosts:
    """`waiting` posts could not go yet: their devices have published no bundle, or their inbox is full."""

    sent: int
    waiting: int


def check_bundle(state: DeviceState, device: DeviceId, encoded: bytes) -> VerifiedBundle:
    """Raises BundleRefused for what is not `device`'s own word."""
    try:
        verified = verify_bundle(state.register.state, decode_bundle_untrusted(encoded))
    except (MalformedBundle, ForgedSignature, RegisterError) as bad:
        raise BundleRefused(f"the server gave a bad bundle for device {device.hex()[:8]}: {bad.fact}") from None
    if verified.device != device:
        raise BundleRefused(f"the server gave another device's bundle for device {device.hex()[:8]}")
    return verified


async def send_posts(state: DeviceState, connection: Connection) -> SentPosts:
    """Post what waits. Returns after what was sent is off the list, on disk."""
    posts = [post for post in state.store.inbox.posts() if not _outdated(state, post)]
    bundles = await _bundles(state, connection, sorted({post.device for post in posts}))
    sent = 0
    for post in posts:
        bundle = bundles.get(post.device)
        if bundle is not None and await _send(state, connection, post, bundle):
            sent += 1
    return SentPosts(sent, len(posts) - sent)


def _outdated(state: DeviceState, post: InboxPost) -> bool:
    """Drop what is for a device that is gone, or was not taken for as long as an inbox keeps anything."""
    old = post.made_at + MESSAGE_TTL_SECONDS * 1000 < state.now()
    if not old and state.register.state.device_in_force(post.device):
        return False
    with state.groups.changing():
        state.store.inbox.finish_post(post.id)
    return True


async def _bundles(
    state: DeviceState, connection: Connection, devices: list[DeviceId]
) -> dict[DeviceId, VerifiedBundle]:
    found: dict[DeviceId, VerifiedBundle] = {}
    for at in range(0, len(devices), BUNDLES_PER_REQUEST):
        asked = devices[at : at + BUNDLES_PER_REQUEST]
        answer = await connection.request(frames.GetBundles, devices=asked)
        for device, encoded in zip(asked, answer.bundles, strict=False):
            if encoded is None:
                continue
            try:
                found[device] = check_bundle(state, device, encoded)
            except BundleRefused as bad:
                with state.groups.changing():
                    state.alarm("bundle", device.hex(), bad.fact, "nothing is sent to that device; tell a steward")
    return found


async def _send(state: DeviceState, connection: Connection, post: InboxPost, bundle: VerifiedBundle) -> bool:
    """True if the inbox has it, under the newest generation of the key that its owner has taken up."""
    body = decode_body_untrusted(post.kind, post.body)
    if body is None:
        raise AssertionError("a post of our own is of a kind we know")
    blobs = body.blobs if isinstance(body, Welcome | HistoryPart) else []
    payload = seal_entry(state.own.coterie, state.own.key, bundle, body, post.entry_id, post.made_at)
    for generation, token in _tokens(state, post.device):
        if await _post(connection, post, bundle, token, generation, payload, blobs):
            with state.groups.changing():
                state.store.inbox.finish_post(post.id)
            return True
    return False


def _tokens(state: DeviceState, device: DeviceId) -> Iterator[tuple[int, PostToken]]:
    """What may open a device's inbox, likeliest first, each with the generation it stands for."""
    keys = state.register.coterie_keys()
    for generation in sorted(keys, reverse=True)[:GENERATIONS_TRIED]:
        yield generation, inbox_post_token(keys[generation], device)
    if state.register.came_back(device):
        newest = state.register.state.generation
        for generation in range(newest, max(-1, newest - GENERATIONS_TRIED), -1):
            yield generation, keyless_post_token(state.own.coterie, device)


async def _post(
    connection: Connection,
    post: InboxPost,
    bundle: VerifiedBundle,
    token: PostToken,
    generation: int,
    payload: bytes,
    blobs: list[BlobId],
) -> bool:
    try:
        answer = await connection.request(
            frames.Post,
            queue=bundle.inbox_queue,
            token=bytes(token),
            epoch=generation,
            key=post.key,
            payload=payload,
            blobs=blobs,
        )
    except ServerRefused as refused:
        if refused.server_code in (ErrorCode.NO_QUEUE, ErrorCode.QUEUE_FULL, ErrorCode.NO_BLOB):
            return False
        raise
    return isinstance(answer, frames.Posted)
