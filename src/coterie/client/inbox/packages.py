"""This device's key packages and inbox at the server, and claiming other devices' packages."""

import coterie_mls
from coterie_mls import SUITE_CLASSICAL, SUITE_XWING, MlsError

from coterie.client.connection import Connection, ServerRefused
from coterie.client.inbox.posts import BundleRefused, check_bundle
from coterie.client.rooms.commits import Claimed
from coterie.client.state import DeviceState
from coterie.errors import RefusedError
from coterie.group.credential import MalformedCredential, claim_package_untrusted
from coterie.group.inbox_key import DELETE_AFTER_MS, InboxKey, inbox_key_hash
from coterie.group.roster import LEAF_SENTENCES, check_leaf
from coterie.ids import ClosingSecret, DeviceId, QueueId, ReadToken, Seed
from coterie.store.facts import Fact
from coterie.trust.bundle import make_bundle
from coterie.trust.coterie_key import inbox_post_token, keyless_post_token
from coterie.wire import frames
from coterie.wire.codes import ErrorCode
from coterie.wire.limits import DAY_SECONDS, QUEUE_IDLE_SECONDS
from coterie.wire.queues import QueuePurpose, QueueTerms, queue_id, token_hash

LOW_STOCK = 20
FULL_STOCK = 50
PER_PUT = 40
SUITES = (SUITE_XWING, SUITE_CLASSICAL)
FRESH_MS = 90 * DAY_SECONDS * 1000
"""A bundle older than this, by the log's time, belongs to a device that has been away: it is not added."""


class NoKeyPackage(RefusedError):
    """A device cannot be added now."""

    code = "no_key_package"


async def open_inbox(state: DeviceState, connection: Connection) -> None:
    """Make this device's inbox if it has none: its secrets are stored before the server hears of it. One that came back
    by its phrase has no coterie key; the others send it, so its inbox opens without."""
    facts = state.store.facts
    if facts.get(Fact.INBOX_QUEUE) is not None:
        return
    known = state.register.coterie_keys()
    if not known and not state.register.came_back(state.own.device):
        return
    if facts.get(Fact.INBOX_TERMS) is None:
        read, close = ReadToken(state.random(32)), ClosingSecret(state.random(32))
        with state.groups.changing():
            facts.put(Fact.INBOX_READ, bytes(read))
            facts.put(Fact.INBOX_CLOSE, bytes(close))
            facts.put(Fact.INBOX_TERMS, state.random(16))
            facts.put_number(Fact.INBOX_EPOCH, max(known, default=state.register.state.generation))
            _new_inbox_key(state)
    generation = facts.number(Fact.INBOX_EPOCH)
    key = known.get(generation)
    without_key = keyless_post_token(state.own.coterie, state.own.device)
    post = without_key if key is None else inbox_post_token(key, state.own.device)
    terms = QueueTerms(
        QueuePurpose.INBOX,
        token_hash(post),
        token_hash(facts.need(Fact.INBOX_READ)),
        token_hash(facts.need(Fact.INBOX_CLOSE)),
        facts.need(Fact.INBOX_TERMS),
    )
    queue = queue_id(terms)
    await connection.request(frames.OpenQueue, queue=queue, terms=terms, epoch=generation, ttl=QUEUE_IDLE_SECONDS)
    with state.groups.changing():
        facts.put(Fact.INBOX_QUEUE, queue)


def _new_inbox_key(state: DeviceState) -> None:
    seed = Seed(state.random(32))
    key = InboxKey(seed, state.now())
    state.store.inbox.put_key(inbox_key_hash(key.public), seed, state.now())


def inbox_keys(state: DeviceState) -> list[InboxKey]:
    """Newest first."""
    return [InboxKey(row.seed, row.made_at, row.retired_at) for row in state.store.inbox.key_rows()]


async def advance_inbox(state: DeviceState, connection: Connection) -> bool:
    """Take up the newest generation for the inbox's post token, one epoch a call. True if there was one to take."""
    facts = state.store.facts
    queue, epoch = facts.get(Fact.INBOX_QUEUE), facts.number(Fact.INBOX_EPOCH)
    key = state.register.coterie_keys().get(epoch + 1)
    if queue is None or key is None:
        return False
    answer = await connection.request(
        frames.Advance,
        queue=QueueId(queue),
        token=facts.need(Fact.INBOX_CLOSE),
        epoch=epoch,
        key=state.random(16),
        payload=b"",
        next_post=token_hash(inbox_post_token(key, state.own.device)),
        next_read=token_hash(facts.need(Fact.INBOX_READ)),
    )
    now_at = epoch + 1 if isinstance(answer, frames.Advanced) else answer.epoch
    if now_at > state.register.state.generation:
        return False
    with state.groups.changing():
        facts.put_number(Fact.INBOX_EPOCH, now_at)
    return now_at > epoch


async def refill(state: DeviceState, connection: Connection) -> None:
    """Bring the stock of one-time packages up, the bundle and the inbox key up to date."""
    if state.store.facts.get(Fact.INBOX_QUEUE) is None:
        return
    keys = inbox_keys(state)
    with state.groups.changing():
        if keys[0].due(state.now()):
            _new_inbox_key(state)
        state.store.inbox.forget_keys(state.now() - DELETE_AFTER_MS)
    for suite in SUITES:
        stock = await connection.request(frames.KeyPackageStock, suite=suite)
        await _put(state, connection, suite, stock)


async def _put(state: DeviceState, connection: Connection, suite: int, stock: frames.Stock) -> None:
    """At least the bundle goes, so that it is never older than the last refill."""
    count = FULL_STOCK - stock.one_time if stock.one_time < LOW_STOCK else 0
    with state.groups.changing():
        client = state.groups.client
        made = [client.key_package(suite).wire for _ in range(count)]
        last_resort = None if stock.last_resort else client.key_package(suite, last_resort=True).wire
        bundle = own_bundle(state)
    for at in range(0, max(len(made), 1), PER_PUT):
        await connection.request(
            frames.PutKeyPackages,
            suite=suite,
            bundle=bundle,
            packages=made[at : at + PER_PUT],
            last_resort=last_resort,
            key=state.random(16),
        )
        last_resort = None


def own_bundle(state: DeviceState) -> bytes:
    """The signed bundle as of now."""
    keys = inbox_keys(state)
    queue = QueueId(state.store.facts.need(Fact.INBOX_QUEUE))
    previous = inbox_key_hash(keys[1].public) if len(keys) > 1 else b""
    return make_bundle(state.register.state, state.own.key, keys[0].public, queue, previous, state.now())


async def claim(state: DeviceState, connection: Connection, device: DeviceId, suite: int, key: bytes) -> Claimed:
    """Pop a package of `device`, everything about it verified. Raises NoKeyPackage."""
    whom = state.register.name(state.register.state.device(device).member)
    try:
        answer = await connection.request(frames.ClaimKeyPackage, device=device, suite=suite, key=key)
    except ServerRefused as refused:
        if refused.server_code != ErrorCode.NO_KEY_PACKAGE:
            raise
        raise NoKeyPackage(
            f"{whom} cannot be added now: their device has left no key package for this room's cipher suite",
            "they must be online once; then try again",
        ) from None
    try:
        bundle = check_bundle(state, device, answer.bundle)
        package = coterie_mls.parse_key_package(answer.package)
        leaf = claim_package_untrusted(package.credential, package.signature_key)
    except (BundleRefused, MlsError, MalformedCredential) as bad:
        raise NoKeyPackage(f"{whom} cannot be added: the server gave a bad key package ({bad})", _TELL) from None
    reason = check_leaf(leaf, state.register.state)
    if reason is not None or leaf.device != device or package.suite != suite:
        why = "it is another device's" if reason is None else LEAF_SENTENCES[reason]
        raise NoKeyPackage(f"{whom} cannot be added: the server gave a key package that does not fit: {why}", _TELL)
    if bundle.made_at < answer.at - FRESH_MS:
        raise NoKeyPackage(
            f"{whom} cannot be added now: their device has been away for three months", "ask them to sync"
        )
    return Claimed(package, bundle)


_TELL = "tell a steward: the server may be at fault"
