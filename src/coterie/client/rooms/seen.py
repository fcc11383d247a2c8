"""What this device has seen of a room's queue, and a peer's head held against it."""

from dataclasses import replace

from coterie.client.rooms.arrived import Arrived, EntryWaits, WaitForRegister
from coterie.client.state import DeviceState
from coterie.group import chain
from coterie.group.heads import Head
from coterie.ids import GroupId
from coterie.store.groups import GroupRow


def row_of(state: DeviceState, group: GroupId) -> GroupRow:
    row = state.store.groups.get(group)
    if row is None:
        raise KeyError(group)
    return row


def moved_behind(state: DeviceState, row: GroupRow, entry: Arrived) -> GroupRow:
    """The row with this entry behind it, its chain extended and kept."""
    following = chain.Chain(row.cursor, row.chain).after(entry.entry_hash)
    state.store.groups.add_chain(row.group, entry.n, entry.entry_hash, following.value)
    return replace(row, cursor=following.n, chain=following.value)


def wait_for_register(state: DeviceState, head: Head) -> None:
    """Raises EntryWaits if the head names an entry of the register that is not here."""
    if head.register.seq > state.register.seq:
        raise EntryWaits(WaitForRegister(head.register.seq))


def compare_head(state: DeviceState, row: GroupRow, head: Head, who: str) -> None:
    """Hold the sender's claim against what this device saw; a difference is an alarm."""
    here = state.register.hash_at(head.register.seq)
    if here is None and head.register.seq > state.register.seq:
        state.alarm(
            "register withheld",
            f"{who}/{head.register.seq}",
            f"{who} names entry {head.register.seq} of the register, which the server does not show",
            "either the server keeps entries from you, or they claim what is not so: compare over another channel",
        )
    elif here != head.register.hash:
        register_forked(state, head, who)
    # who has seen more before an entry than there is before it here was shown something else
    beyond = head.n > row.cursor
    seen = None if beyond else state.store.groups.chain_at(row.group, head.n)
    if beyond or chain.compare(head, None if seen is None else seen[1]) is chain.Agreement.DIFFERENT:
        name = state.room(row.room).name
        state.alarm(
            "split queue",
            f"{row.group.hex()}/{who}/{head.n}",
            f"{who} and you were shown two histories of the room {name!r}, up to entry {head.n}",
            "compare the messages with them over another channel; the server may have dropped or inserted some",
        )


def register_forked(state: DeviceState, head: Head, who: str) -> None:
    state.alarm(
        "forked register",
        str(head.register.seq),
        f"{who} has another register than you, at entry {head.register.seq}",
        "the server may show different members to different people: compare safety numbers with a steward",
    )
