"""A room's new group: this device alone in it, its queue not yet opened."""

from coterie.client.facts import RoomState
from coterie.client.linking.own_devices import plan_own_devices
from coterie.client.state import DeviceState
from coterie.group.context import RoomContext, encode_context
from coterie.group.exports import Exporter, post_token, read_token
from coterie.ids import GroupId
from coterie.store.groups import GroupRow
from coterie.store.rooms import RoomRow
from coterie.wire.queues import CHAIN_START, QueuePurpose, QueueTerms, queue_id, token_hash


def new_group(state: DeviceState, context: RoomContext, place: int) -> GroupRow:
    """A group with this device alone, as the newest of its room; in a transaction. The worker opens its queue."""
    group = GroupId(state.random(16))
    mls = state.groups.client.create(group, encode_context(context), int(context.suite))
    state.groups.adopt(mls)
    now = state.now()
    row = GroupRow(
        group=group,
        room=context.room,
        place=place,
        queue=queue_id(room_terms(group, mls)),
        suite=int(context.suite),
        cursor=0,
        first=0,
        chain=CHAIN_START,
        register_floor=state.register.seq,
        leaving=frozenset(),
        opened=False,
        joined_at=now,
        joined_epoch=0,
        epoch=0,
        roster=frozenset({state.own.device}),
        adder=None,
    )
    state.store.groups.put(row)
    state.store.rooms.put(RoomRow(context.room, context.name, context.topic, RoomState.ACTIVE, "", group, now))
    plan_own_devices(state, {state.own.device})
    return row


def room_terms(group: GroupId, epoch_0: Exporter) -> QueueTerms:
    """The terms of a room's queue: the tokens of epoch 0, no closing secret, the group id as nonce."""
    post, read = token_hash(post_token(epoch_0)), token_hash(read_token(epoch_0))
    return QueueTerms(QueuePurpose.ROOM, post, read, b"", group)
