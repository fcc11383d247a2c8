"""The window of keys: by age and by count, the same whether it grew or was rebuilt."""

from hypothesis import given
from hypothesis import strategies as st

from coterie.server.rules.keys import COMMIT, POST, KeyWindow, entry_of, n_of, pack_place, place_key
from coterie.server.rules.limits import HOUR_MS, KEYS_KEPT

KEY = bytes(16)


def test_place_comes_back_as_it_was_packed() -> None:
    place = pack_place(2**40 + 3, 2**31 + 5)
    assert (entry_of(place), n_of(place)) == (2**40 + 3, 2**31 + 5)


def test_key_leaves_the_window_after_a_million_newer_entries() -> None:
    window = KeyWindow()
    window.add(0, {place_key(1, KEY, POST): pack_place(1, 1)})
    placed = place_key(1, KEY, POST)
    assert window.find(placed, window.floor(0, KEYS_KEPT + 1)) == pack_place(1, 1)
    assert window.find(placed, window.floor(0, KEYS_KEPT + 2)) is None


def test_forgotten_buckets_hold_no_key_that_still_counts() -> None:
    window = KeyWindow()
    step = KEYS_KEPT // 10
    for entry in range(1, 3 * KEYS_KEPT, step):
        window.add(0, {place_key(1, entry.to_bytes(16, "big"), POST): pack_place(entry, entry)})
        floor = window.floor(0, entry + 1)
        window.forget(floor)
        for old in range(1, entry + 1, step):
            found = window.find(place_key(1, old.to_bytes(16, "big"), POST), floor)
            assert found == (pack_place(old, old) if old >= floor else None)


@given(
    st.lists(
        st.tuples(st.integers(0, 40 * HOUR_MS), st.integers(1, 3), st.integers(0, 5), st.sampled_from([POST, COMMIT])),
        max_size=60,
    ),
    st.integers(0, 300 * HOUR_MS),
)
def test_rebuilt_window_answers_as_the_one_that_was_there_all_along(
    entries: list[tuple[int, int, int, int]], later: int
) -> None:
    grown, time, rows = KeyWindow(), 0, []
    for entry, (passed, queue, key, kind) in enumerate(entries, 1):
        time += passed
        row = (entry, queue, entry, time, kind, bytes([key]) * 16)
        rows.append(row)
        grown.add(time, {place_key(queue, row[5], kind): pack_place(entry, entry)})
        grown.forget(grown.floor(time, entry))
    rebuilt = KeyWindow()
    rebuilt.rebuild(rows)
    now, following = time + later, len(entries) + 1
    assert grown.floor(now, following) == rebuilt.floor(now, following)
    for queue in range(1, 4):
        for key in range(6):
            for kind in (POST, COMMIT):
                placed = place_key(queue, bytes([key]) * 16, kind)
                floor = grown.floor(now, following)
                assert grown.find(placed, floor) == rebuilt.find(placed, floor)
