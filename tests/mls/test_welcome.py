import pytest
from coterie_mls import SUITE_XWING, cut_welcome

from .device import EXTENSION, GROUP_ID, Device
from .refusal import refused


def invitation(ada: Device, *newcomers: Device, last_resort: bool = False) -> tuple[bytes, bytes, list[bytes]]:
    """The Welcome, the tree, and the newcomers' package references; ada has merged."""
    packages = [device.key_package(last_resort=last_resort) for device in newcomers]
    pending = ada.group.commit(add=[package.wire for package in packages], path=False)
    ada.group.merge_pending()
    ada.save()
    assert pending.welcome is not None
    return pending.welcome, pending.tree, [package.hash_ref for package in packages]


def test_a_staged_welcome_shows_the_group_before_it_is_joined() -> None:
    ada, bo, cy = Device(1, SUITE_XWING), Device(2, SUITE_XWING), Device(3, SUITE_XWING)
    ada.create()
    welcome, tree, _ = invitation(ada, bo, cy)
    staged = cy.client.stage_welcome(welcome, tree)
    assert (staged.group_id, staged.epoch, staged.suite) == (GROUP_ID, 1, SUITE_XWING)
    assert staged.extension == EXTENSION
    assert staged.sender == ada.group.members()[0]
    assert [leaf.credential for leaf in staged.members] == [ada.credential, bo.credential, cy.credential]
    assert [leaf.signature_key for leaf in staged.members] == [d.client.leaf_key for d in (ada, bo, cy)]
    secret = staged.export("coterie post", b"", 32)
    group = staged.join()
    assert secret == group.export("coterie post", b"", 32) == ada.group.export("coterie post", b"", 32)
    assert group.own_index == 2


def test_a_cut_welcome_opens_for_its_recipient_and_for_nobody_else() -> None:
    ada, *others = [Device(number) for number in range(1, 12)]
    ada.create()
    welcome, tree, refs = invitation(ada, *others)
    cut = cut_welcome(welcome, refs[4])
    assert len(cut) < len(welcome) / 3
    with refused("no-key-package"):
        others[3].client.stage_welcome(cut, tree)
    others[4].join(cut, tree)
    assert others[4].group.epoch_authenticator == ada.group.epoch_authenticator


def test_cutting_for_a_stranger_or_cutting_garbage_is_refused() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    welcome, _, refs = invitation(ada, bo)
    with refused("no-key-package"):
        cut_welcome(welcome, bytes(32))
    for garbage in (b"", welcome[:-1], welcome + b"\0", ada.group.encrypt(b"", b"").wire):
        with refused("malformed"):
            cut_welcome(garbage, refs[0])


def test_rollback_gives_the_one_time_package_back() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    welcome, tree, _ = invitation(ada, bo)
    bo.client.stage_welcome(welcome, tree).drop()
    with refused("no-key-package"):
        bo.client.stage_welcome(welcome, tree)
    bo.client.rollback()
    bo.join(welcome, tree)
    assert bo.group.epoch == 1


def test_a_welcome_that_fails_consumes_no_package() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    welcome, tree, _ = invitation(ada, bo)
    for place in range(0, len(welcome), 7):
        broken = welcome[:place] + bytes([welcome[place] ^ 0x40]) + welcome[place + 1 :]
        with refused("malformed", "no-key-package", "bad-welcome", "bad-tree"):
            bo.client.stage_welcome(broken, tree)
    assert bo.client.take_writes() == []
    bo.join(welcome, tree)


def test_a_joined_group_has_used_up_the_package() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    welcome, tree, _ = invitation(ada, bo)
    bo.join(welcome, tree)
    assert bo.client_rows == {}
    bo.crash()
    with refused("no-key-package"):
        bo.client.stage_welcome(welcome, tree)


def test_a_last_resort_package_stays() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    welcome, tree, _ = invitation(ada, bo, last_resort=True)
    bo.join(welcome, tree)
    assert len(bo.client_rows) == 1
    bo.client.stage_welcome(welcome, tree)


@pytest.mark.parametrize("alter", [lambda tree: b"", lambda tree: tree[:-1], lambda tree: tree + b"\0"])
def test_a_tree_that_is_none_is_a_bad_tree(alter) -> None:  # type: ignore[no-untyped-def]  # a lambda in a table
    ada, bo = Device(1), Device(2)
    ada.create()
    welcome, tree, _ = invitation(ada, bo)
    with refused("bad-tree"):
        bo.client.stage_welcome(welcome, alter(tree))


def test_the_tree_of_another_epoch_is_a_bad_tree() -> None:
    ada, bo, cy = Device(1), Device(2), Device(3)
    ada.create()
    _, older, _ = invitation(ada, bo)
    welcome, _, _ = invitation(ada, cy)
    with refused("bad-tree"):
        cy.client.stage_welcome(welcome, older)


def test_a_welcome_is_joined_once() -> None:
    ada, bo = Device(1), Device(2)
    ada.create()
    welcome, tree, _ = invitation(ada, bo)
    staged = bo.client.stage_welcome(welcome, tree)
    staged.join()
    with refused("bad-welcome"):
        staged.join()
    with refused("bad-welcome"):
        staged.export("coterie post", b"", 32)
