"""Chains: same entries, same chain; anything else shows."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.group.chain import EMPTY, Agreement, BaseDoesNotFit, Chain, claim, compare, joined_at, rebase
from coterie.group.heads import NO_CHAIN, Head
from coterie.ids import EntryHash
from coterie.trust.heads import RegisterHead

hashes = st.binary(min_size=1, max_size=4).map(lambda entry: hashlib.sha256(entry).digest())
queues = st.lists(hashes, min_size=1, max_size=30)


def follow(start: Chain, entries: list[bytes]) -> list[Chain]:
    chain = [start]
    for entry in entries:
        chain.append(chain[-1].after(entry))
    return chain


def head(chain: Chain) -> Head:
    n, value = claim(chain)
    return Head(RegisterHead(1, EntryHash(bytes(32))), n, value)


@given(queues)
def test_two_who_read_the_same_entries_agree_everywhere(entries: list[bytes]) -> None:
    mine, theirs = follow(EMPTY, entries), follow(EMPTY, entries)
    recorded = {chain.n: chain.value for chain in mine}
    assert all(compare(head(chain), recorded[chain.n]) is Agreement.SAME for chain in theirs[1:])


@given(queues, st.data())
def test_a_dropped_changed_inserted_or_reordered_entry_shows_from_then_on(
    entries: list[bytes], data: st.DataObject
) -> None:
    other = list(entries)
    at = data.draw(st.integers(0, len(entries) - 1))
    match data.draw(st.sampled_from(["drop", "change", "insert", "swap"])):
        case "drop":
            del other[at]
        case "change":
            other[at] = hashlib.sha256(other[at]).digest()
        case "insert":
            other.insert(at, hashlib.sha256(b"inserted").digest())
        case "swap":
            other[at], other[0] = other[0], other[at]
    if other == entries:
        return
    first = next((n for n, (a, b) in enumerate(zip(entries, other, strict=False)) if a != b), None)
    if first is None:
        return
    recorded = {chain.n: chain.value for chain in follow(EMPTY, entries)}
    for chain in follow(EMPTY, other)[1:]:
        expected = Agreement.SAME if chain.n <= first else Agreement.DIFFERENT
        known = recorded.get(chain.n)
        assert compare(head(chain), known) is (expected if known is not None else Agreement.UNKNOWN)


@given(queues, queues, st.data())
def test_a_joiner_agrees_with_the_others_once_the_base_has_come(
    before: list[bytes], after: list[bytes], data: st.DataObject
) -> None:
    full = follow(EMPTY, before + after)
    commit = full[len(before)]
    late = joined_at(commit.n)
    recorded = []
    for entry in after:
        late = late.after(entry)
        recorded.append((late.n, entry))
    assert not late.absolute and late.n == full[-1].n
    assert claim(late) == (0, NO_CHAIN)
    # the base may be of the commit that added it, or of any later entry
    base = data.draw(st.sampled_from(full[len(before) :]))
    assert rebase(base, recorded) == full[base.n :]


def test_a_claim_from_beyond_is_unknown_and_so_is_one_without_a_chain() -> None:
    three = follow(EMPTY, [hashlib.sha256(bytes([n])).digest() for n in range(3)])
    assert compare(head(three[3]), None) is Agreement.UNKNOWN
    assert compare(head(joined_at(3)), three[3].value) is Agreement.UNKNOWN
    assert compare(head(EMPTY), None) is Agreement.UNKNOWN


def test_a_base_that_is_relative_or_leaves_a_hole_does_not_fit() -> None:
    with pytest.raises(BaseDoesNotFit, match="relative"):
        rebase(joined_at(4), [])
    with pytest.raises(BaseDoesNotFit, match="entry 5"):
        rebase(Chain(4, b"\x01" * 32), [(6, b"\x02" * 32)])
    assert rebase(Chain(9, b"\x01" * 32), [(5, b"\x02" * 32)]) == [Chain(9, b"\x01" * 32)]


def test_the_chain_of_the_first_entry_is_the_one_written_down() -> None:
    entry = hashlib.sha256(b"entry").digest()
    assert EMPTY.after(entry).value == hashlib.sha256(bytes(32) + b"\0\0\0\0\0\0\0\x01" + entry).digest()
