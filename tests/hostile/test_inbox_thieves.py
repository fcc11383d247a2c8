"""A signed inbox entry in the wrong hands: opened by whom it was for, sealed again to somebody else, somewhere else, as
something else. Exhaustive, with fixed keys, and old inbox keys: tests/group/test_inbox.py; here with real devices."""

import os
from dataclasses import replace

import msgspec
import pytest

from coterie.client.inbox.packages import inbox_keys, own_bundle
from coterie.group.inbox import (
    BadInboxEntry,
    InboxRefusal,
    OpenedEntry,
    VerifiedEntry,
    open_entry_untrusted,
    seal_entry,
    seal_envelope,
    verify_entry,
)
from coterie.group.inbox_bodies import Kind, Rejoin
from coterie.ids import QueueId
from coterie.trust.bundle import VerifiedBundle, decode_bundle_untrusted, verify_bundle
from tests.hostile.scene import Person, Scene
from tests.hostile.test_inboxes import inbox_of


def bundle_of(person: Person) -> VerifiedBundle:
    return verify_bundle(person.state.register.state, decode_bundle_untrusted(own_bundle(person.state)))


def opened(person: Person, sealed: bytes, queue: QueueId | None = None) -> OpenedEntry:
    own = person.state.own
    return open_entry_untrusted(own.coterie, own.device, queue or inbox_of(person), inbox_keys(person.state), sealed)


def taken(person: Person, sealed: bytes, queue: QueueId | None = None, seen: tuple[bytes, ...] = ()) -> VerifiedEntry:
    return verify_entry(opened(person, sealed, queue), person.state.register.state, seen, person.watch())


def refusal(person: Person, sealed: bytes, queue: QueueId | None = None, seen: tuple[bytes, ...] = ()) -> str:
    with pytest.raises(BadInboxEntry) as refused:
        taken(person, sealed, queue, seen)
    return refused.value.refusal


def asked_of_bo(scene: Scene) -> bytes:
    """Ada asks Bo to add her again."""
    group = scene.ada.state.group_of(scene.crew).group
    own = scene.ada.state.own
    body = Rejoin(scene.crew, group, 2)
    return seal_entry(own.coterie, own.key, bundle_of(scene.bo), body, os.urandom(16), scene.ada.watch())


def sealed_again(scene: Scene, bundle: VerifiedBundle, **changed: object) -> bytes:
    """What Bo opened, with Ada's signature, in a new envelope."""
    entry = opened(scene.bo, asked_of_bo(scene))
    header = entry.signed
    if changed:
        header = msgspec.msgpack.encode(msgspec.structs.replace(entry.header, **changed))
    envelope = msgspec.msgpack.encode([header, entry.body, entry.signature])
    return seal_envelope(scene.ada.state.own.coterie, bundle, envelope)


async def test_what_ada_asked_of_bo_means_nothing_to_cy(scene: Scene) -> None:
    assert isinstance(taken(scene.bo, sealed_again(scene, bundle_of(scene.bo))).body, Rejoin)
    assert refusal(scene.cy, sealed_again(scene, bundle_of(scene.cy))) == InboxRefusal.OTHER_RECIPIENT
    to_cy = bundle_of(scene.cy)
    rewritten = sealed_again(scene, to_cy, recipient=to_cy.device, queue=to_cy.inbox_queue)
    assert refusal(scene.cy, rewritten) in (InboxRefusal.OTHER_KEY, InboxRefusal.FORGED)


async def test_what_came_to_one_queue_means_nothing_in_another(scene: Scene) -> None:
    other = QueueId(os.urandom(32))
    moved = sealed_again(scene, replace(bundle_of(scene.bo), inbox_queue=other))
    assert refusal(scene.bo, moved, other) == InboxRefusal.OTHER_QUEUE
    assert refusal(scene.bo, asked_of_bo(scene), other) == InboxRefusal.CANNOT_OPEN


@pytest.mark.parametrize("kind", [Kind.KEY_WANTED, Kind.WELCOME, Kind.STUCK])
async def test_one_kind_is_not_another(scene: Scene, kind: Kind) -> None:
    assert refusal(scene.bo, sealed_again(scene, bundle_of(scene.bo), kind=int(kind))) == InboxRefusal.FORGED


async def test_what_came_once_does_not_come_again(scene: Scene) -> None:
    sealed = asked_of_bo(scene)
    entry = taken(scene.bo, sealed)
    assert refusal(scene.bo, sealed, seen=(entry.id,)) == InboxRefusal.REPLAYED
