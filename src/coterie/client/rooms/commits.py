"""Making our own commit: judged before it is made, stored before it is sent, merged when the queue brings it back.

States of a group's commit, by what is stored: none → pending (made, fsynced) → won (its entry came back: merged) or
lost (another's came: discarded, built again from the wishes that are left). A crash changes nothing: the stored bytes
are sent again under the same key, and the queue tells who won.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import coterie_mls
import msgspec
from coterie_mls import KeyPackage, MlsError

from coterie.client.rooms.after_commit import PendingPlan, sentence
from coterie.client.rooms.plan import CommitPlan
from coterie.client.state import DeviceState
from coterie.errors import RefusedError
from coterie.group.commit import planned_commit
from coterie.group.context import encode_context
from coterie.group.entry import LARGEST_INLINE, make_entry
from coterie.group.exports import post_token, read_token
from coterie.group.inbox import seal_entry
from coterie.group.inbox_bodies import Welcome, encode_body
from coterie.group.judge import RoomState as JudgedRoom
from coterie.group.judge import judge
from coterie.group.sealed_blob import BlobKey, BlobRef, seal_blob
from coterie.group.verdict import Accepted, Refused
from coterie.ids import BlobId, DeviceId, GroupId, RoomId
from coterie.store.groups import GroupRow, PendingRow
from coterie.trust.bundle import VerifiedBundle
from coterie.trust.coterie_key import inbox_post_token
from coterie.wire.frames import Advance, Delivery
from coterie.wire.limits import FRAME_BYTES
from coterie.wire.queues import token_hash

FRAME_ROOM = 4096
DELIVERY_ROOM = 256
"""At least what the frame, and a delivery in it, takes beside the payload."""
WELCOME_INLINE = 6 * 1024
"""A larger one travels as a blob: it grows with the room's context, and as many as a commit adds go in its frame."""


class CommitRefused(RefusedError):
    """The room's rules refuse what was wished."""

    code = "not_allowed_in_room"


class CommitMustWait(Exception):
    """This device joined lately and does not know yet who asked to leave; the wishes stay."""


@dataclass(frozen=True)
class Claimed:
    """A key package popped for a device, with the bundle that came with it, both verified."""

    package: KeyPackage
    bundle: VerifiedBundle


def make_commit(state: DeviceState, group: GroupId, plan: CommitPlan, claimed: Mapping[DeviceId, Claimed]) -> None:
    """Make the commit and store it with all that goes along. Raises CommitRefused if the room's own rules refuse it."""
    with state.groups.changing():
        row = state.store.groups.get(group)
        if row is None:
            raise KeyError(group)
        mls, register = state.groups.get(group), state.register.state
        packages = [claimed[device].package for device in plan.add if device in claimed]
        extension = None if plan.context is None else encode_context(plan.context)
        verdict = _judge(state, row, mls, plan, packages, extension)
        token = post_token(mls)
        try:
            pending = mls.commit(
                add=[package.wire for package in packages],
                remove=sorted(plan.remove),
                extension=extension,
                path=plan.path or extension is not None,
                aad=state.sealed_head(mls, row),
            )
        except MlsError as error:
            raise CommitRefused(f"the change could not be made ({error.code})", "try again") from None
        blobs: list[tuple[BlobId, bytes]] = []
        joiners: list[tuple[bytes, bytes]] = []
        deliveries: list[Delivery] = []
        if packages:
            tree = seal_blob(pending.tree, BlobKey(state.random(32)))
            blobs.append((tree.ref.id, tree.ciphertext))
            for device in plan.add:
                if device in claimed:
                    welcome = _cut_welcome(state, pending, claimed[device], blobs)
                    body = _welcome(state, row, pending, welcome, tree.ref)
                    joiners.append((device, encode_body(body)))
                    deliveries.append(_delivery(state, claimed[device].bundle, body))
        # commit and Welcomes go in one frame: what does not fit beside them travels as a blob
        room = FRAME_BYTES - FRAME_ROOM - sum(len(delivery.payload) + DELIVERY_ROOM for delivery in deliveries)
        most = max(0, min(LARGEST_INLINE, room))
        entry = make_entry(mls, pending.wire, BlobKey(state.random(32)), state.random(12), most)
        commit_blobs: list[BlobId] = []
        if entry.blob is not None:
            blobs.append((entry.blob.ref.id, entry.blob.ciphertext))
            commit_blobs.append(entry.blob.ref.id)
        frame = Advance(
            id=0,
            queue=row.queue,
            token=bytes(token),
            epoch=mls.epoch,
            key=state.random(16),
            payload=entry.payload,
            next_post=token_hash(post_token(pending)),
            next_read=token_hash(read_token(pending)),
            blobs=commit_blobs,
            deliveries=deliveries,
        )
        told = [sentence(state, change, state.own.member) for change in verdict.changes]
        again = {leaf.device for leaf in state.roster(group) if leaf.index in plan.remove} & set(plan.add)
        wishes = [wish.id for wish in plan.carried]
        after = PendingPlan(joiners, [text for text in told if text], sorted(again), register.head.seq, wishes)
        entry_hash = hashlib.sha256(entry.payload).digest()
        stored = PendingRow(group, mls.epoch, entry_hash, msgspec.msgpack.encode(frame), after.encode())
        state.store.groups.put_commit(stored, blobs)


def _judge(
    state: DeviceState,
    row: GroupRow,
    mls: coterie_mls.Group,
    plan: CommitPlan,
    packages: list[KeyPackage],
    extension: bytes | None,
) -> Accepted:
    """What every other member will find. Raises CommitRefused."""
    roster = state.roster(row.group)
    commit = planned_commit(
        roster, mls.own_index, add=packages, remove=plan.remove, extension=extension, path=plan.path
    )
    room = JudgedRoom(roster, state.context(row.group), row.register_floor, row.leaving)
    verdict = judge(room, state.register.state, commit)
    if isinstance(verdict, Accepted):
        return verdict
    if not isinstance(verdict, Refused):
        raise CommitMustWait
    raise CommitRefused(f"this change to the room is refused: {verdict.sentence}", "ask an admin of the room")


def _cut_welcome(
    state: DeviceState, pending: coterie_mls.PendingCommit, claimed: Claimed, blobs: list[tuple[BlobId, bytes]]
) -> bytes | BlobRef:
    """The MLS Welcome of one recipient; one that is too large for its entry goes to `blobs`."""
    if pending.welcome is None:
        raise AssertionError("a commit that adds has a Welcome")
    welcome = coterie_mls.cut_welcome(pending.welcome, claimed.package.hash_ref)
    if len(welcome) <= WELCOME_INLINE:
        return welcome
    sealed = seal_blob(welcome, BlobKey(state.random(32)))
    blobs.append((sealed.ref.id, sealed.ciphertext))
    return sealed.ref


def _welcome(
    state: DeviceState, row: GroupRow, pending: coterie_mls.PendingCommit, welcome: bytes | BlobRef, tree: BlobRef
) -> Welcome:
    head = state.register.state.head
    return Welcome(
        room=RoomId(row.room),
        group=row.group,
        queue=row.queue,
        suite=row.suite,
        epoch=pending.epoch + 1,
        welcome=welcome,
        tree=tree,
        register_seq=head.seq,
        register_hash=head.hash,
    )


def _delivery(state: DeviceState, bundle: VerifiedBundle, body: Welcome) -> Delivery:
    """The Welcome as it goes with the commit. Raises CommitRefused while this device cannot post to inboxes."""
    key = state.register.current_key()
    if key is None:
        raise CommitRefused("this device has no key of the present generation yet", "try again after the next sync")
    sealed = seal_entry(state.own.coterie, state.own.key, bundle, body, state.random(16), state.now())
    return Delivery(
        queue=bundle.inbox_queue,
        token=bytes(inbox_post_token(key, bundle.device)),
        epoch=state.register.state.generation,
        key=state.random(16),
        payload=sealed,
        blobs=body.blobs,
    )
