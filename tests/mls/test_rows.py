from coterie_mls import SUITE_XWING, Application, Client

from .device import EXTENSION, GROUP_ID, Device, circle, store
from .refusal import refused


def test_a_group_loaded_from_rows_goes_on_where_it_was() -> None:
    ada, bo, _ = circle(3, SUITE_XWING)
    authenticator, members, tree = bo.group.epoch_authenticator, bo.group.members(), bo.group.tree()
    bo.crash()
    assert bo.group.epoch_authenticator == authenticator
    assert (bo.group.members(), bo.group.tree(), bo.group.extension) == (members, tree, EXTENSION)
    assert (bo.group.epoch, bo.group.own_index, bo.group.active, bo.group.suite) == (1, 1, True, SUITE_XWING)
    assert bo.group.take_writes() == []
    bo.group.process(ada.group.encrypt(b"hello", b"").wire)


def test_writes_name_each_row_once_and_in_order() -> None:
    ada, bo = circle(2)
    for _ in range(5):
        bo.group.process(ada.group.encrypt(b"", b"").wire)
    keys = [key for key, _ in bo.group.take_writes()]
    assert keys == sorted(set(keys)) != []
    assert bo.group.take_writes() == []


def test_a_message_writes_one_small_row() -> None:
    ada, bo = circle(50, SUITE_XWING)[:2]
    message = ada.group.encrypt(bytes(1000), b"").wire
    bo.group.process(message)
    for group in (ada.group, bo.group):
        writes = group.take_writes()
        assert len(writes) == 1
        assert sum(len(row or b"") for _, row in writes) <= 5_000


def test_rollback_returns_to_the_last_taken_state() -> None:
    ada, bo = circle(2)
    first = ada.group.encrypt(b"first", b"").wire
    ada.save()
    commit = ada.group.commit()
    ada.group.merge_pending()
    ada.group.rollback()
    assert (ada.group.epoch, ada.group.has_pending, ada.group.take_writes()) == (1, False, [])
    with refused("no-pending-commit"):
        commit.export("coterie post", b"", 32)
    second = ada.group.encrypt(b"second", b"").wire
    for wire, text in ((first, b"first"), (second, b"second")):
        message = bo.group.process(wire)
        assert isinstance(message, Application)
        assert message.plaintext == text


def test_a_message_whose_transaction_failed_can_be_read_again() -> None:
    ada, bo = circle(2)
    wire = ada.group.encrypt(b"again", b"").wire
    for _ in range(3):
        message = bo.group.process(wire)
        assert isinstance(message, Application)
        bo.group.rollback()
    bo.group.process(wire)


def test_a_group_that_was_never_taken_has_nothing_to_roll_back_to() -> None:
    group = Client(b"ada", bytes(32)).create(GROUP_ID, b"")
    with refused("not-stored"):
        group.rollback()
    assert group.epoch == 0
    group.take_writes()
    group.rollback()


def test_a_key_package_that_was_rolled_back_never_was() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    package = bo.client.key_package(bo.suite)
    bo.client.rollback()
    assert bo.client.take_writes() == []
    pending = ada.group.commit(add=[package.wire])
    assert pending.welcome is not None
    with refused("no-key-package"):
        bo.client.stage_welcome(pending.welcome, pending.tree)


def test_keys_that_were_used_are_gone_from_the_rows() -> None:
    """Forward secrecy on disk: who takes the rows after a message, or after an epoch, cannot read it."""
    ada, bo = circle(2)
    bystander = dict(bo.group_rows)
    wire = ada.group.encrypt(b"secret", b"").wire
    bo.group.process(wire)
    bo.save()
    thief = Client(bo.credential, bo.seed, list(bo.client_rows.items()))
    with refused("secret-reused"):
        thief.load(GROUP_ID, list(bo.group_rows.items())).process(wire)
    bo.follow(ada.group.commit().wire)
    with refused("wrong-epoch"):
        thief.load(GROUP_ID, list(bo.group_rows.items())).process(wire)
    still = thief.load(GROUP_ID, list(bystander.items())).process(wire)
    assert isinstance(still, Application)


def test_an_epoch_that_ended_leaves_no_row_behind() -> None:
    ada, bo = circle(2)
    for _ in range(5):
        bo.follow(ada.group.commit().wire)
        ada.group.merge_pending()
        ada.save()
    fresh_ada, fresh_bo = circle(2)
    assert len(ada.group_rows) == len(fresh_ada.group_rows)
    assert len(bo.group_rows) == len(fresh_bo.group_rows)


def test_rows_of_another_group_or_none_are_not_stored() -> None:
    ada, _ = circle(2)
    with refused("not-stored"):
        ada.client.load(GROUP_ID, [])
    with refused("not-stored"):
        ada.client.load(b"another group", list(ada.group_rows.items()))


def test_a_missing_or_doubled_row_is_refused() -> None:
    ada, _ = circle(2)
    rows = list(ada.group_rows.items())
    with refused("malformed"):
        ada.client.load(GROUP_ID, [*rows, rows[0]])
    for lost in range(len(rows)):
        with refused("malformed", "not-stored"):
            ada.client.load(GROUP_ID, rows[:lost] + rows[lost + 1 :])


def test_long_rows_travel_in_pieces_and_come_back_in_any_order() -> None:
    ada, bo = circle(150, SUITE_XWING)[:2]
    pieces = [key for key in bo.group_rows if b"#" in key]
    assert len(pieces) > 5
    assert max(map(len, bo.group_rows.values())) < 64 * 1024
    shuffled = sorted(bo.group_rows.items(), key=lambda row: row[0][::-1])
    bo.joined = bo.client.load(GROUP_ID, shuffled)
    commit = ada.group.commit(add=[Device(900, SUITE_XWING).key_package().wire], path=False)
    bo.follow(commit.wire)
    ada.group.merge_pending()
    writes = ada.group.take_writes()
    assert sum(len(row or b"") for _, row in writes) < 40_000
    store(ada.group_rows, writes)
    ada.crash()
    bo.crash()
    assert ada.group.tree() == bo.group.tree()


def test_two_clients_rows_do_not_meet() -> None:
    ada = Device(1)
    ada.create()
    other = ada.client.create(b"second group", b"", ada.suite)
    mine = ada.group.epoch_authenticator
    other.commit()
    other.merge_pending()
    assert ada.group.epoch_authenticator == mine
    assert ada.group.take_writes() == []
