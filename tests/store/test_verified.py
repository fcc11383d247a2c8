"""The mark of a compared safety number: bound to its key, and the later word counts whichever device said it."""

from pathlib import Path

from coterie.ids import DeviceId, MemberId, PublicKey, Secret
from coterie.store.store import Store
from coterie.store.verified import VerifiedRow

BO, KEY, OTHER_KEY = MemberId(b"b" * 16), PublicKey(b"k" * 32), PublicKey(b"o" * 32)
PHONE, LAPTOP = DeviceId(b"1" * 16), DeviceId(b"2" * 16)


def test_a_mark_is_for_one_key_and_the_later_word_counts_in_any_order(tmp_path: Path) -> None:
    store = Store(tmp_path, Secret(bytes(32)))
    said = [
        VerifiedRow(BO, KEY, True, 10, LAPTOP),
        VerifiedRow(BO, KEY, False, 20, PHONE),
        VerifiedRow(BO, KEY, True, 20, LAPTOP),
    ]
    for order in (said, said[::-1]):
        for row in order:
            with store.transaction():
                store.verified.put(row)
        assert store.verified.get(BO) == said[2]
    assert store.verified.holds(BO, KEY)
    assert not store.verified.holds(BO, OTHER_KEY)
    with store.transaction():
        store.verified.put(VerifiedRow(BO, KEY, False, 21, PHONE))
    assert not store.verified.holds(BO, KEY)
    store.close()
