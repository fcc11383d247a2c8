import pytest
from coterie_mls import SUITE_CLASSICAL, SUITE_XWING, Client, StagedCommit, parse_key_package

from .device import EXTENSION, Device, circle
from .refusal import refused, unchanged


def staged_by(device: Device, wire: bytes) -> StagedCommit:
    staged = device.group.process(wire)
    assert isinstance(staged, StagedCommit)
    return staged


def test_a_staged_commit_shows_everything_before_the_merge() -> None:
    ada, bo, cy = circle(3)
    dee, eve = Device(4), Device(5)
    removed = ada.group.members()[2]
    pending = ada.group.commit(
        add=[dee.key_package().wire, eve.key_package().wire], remove=[2], extension=b"room: attic", aad=b"head"
    )
    staged = staged_by(bo, pending.wire)
    assert staged.sender == bo.group.members()[0]
    assert (staged.epoch, staged.aad) == (1, b"head")
    assert [(leaf.index, leaf.credential) for leaf in staged.added] == [(2, dee.credential), (3, eve.credential)]
    assert [leaf.signature_key for leaf in staged.added] == [dee.client.leaf_key, eve.client.leaf_key]
    assert staged.removed == [removed]
    assert staged.updated == [ada.group.members()[0]]
    assert staged.extension == b"room: attic"
    assert (staged.removes_me, staged.has_path) == (False, True)
    assert sorted(staged.proposals) == ["add", "add", "group-context-extensions", "remove"]
    assert bo.group.epoch == 1

    secret = staged.export("coterie post", b"", 32)
    bo.group.merge(staged)
    assert secret == pending.export("coterie post", b"", 32) == bo.group.export("coterie post", b"", 32)
    assert bo.group.extension == b"room: attic"
    assert {leaf.index: leaf.credential for leaf in staged.added}.items() <= {
        leaf.index: leaf.credential for leaf in bo.group.members()
    }.items()
    assert staged_by(cy, pending.wire).removes_me


@pytest.mark.parametrize("remove", [[1], [3], [1, 2], [2, 4], [1, 2, 3, 4, 5]])
def test_added_leaves_get_the_index_that_was_announced(remove: list[int]) -> None:
    ada, *others = circle(7)
    last = others[-1]
    newcomers = [Device(10 + number) for number in range(4)]
    pending = ada.group.commit(add=[device.key_package().wire for device in newcomers], remove=remove)
    staged = staged_by(last, pending.wire)
    last.group.merge(staged)
    assert [leaf.credential for leaf in staged.added] == [device.credential for device in newcomers]
    assert set(staged.added) <= set(last.group.members())


def test_a_commit_that_leaves_the_extension_says_so() -> None:
    ada, bo = circle(2)
    assert staged_by(bo, ada.group.commit().wire).extension is None
    assert bo.group.extension == EXTENSION


def test_adding_without_a_path_is_small_and_has_none() -> None:
    ada, bo, *_ = circle(40, SUITE_XWING)
    cy = Device(99, SUITE_XWING)
    package = cy.key_package().wire
    pathless = ada.group.commit(add=[package], path=False)
    ada.group.discard_pending()
    assert len(pathless.wire) < 4_000
    assert len(ada.group.commit(add=[package], path=True).wire) > 10 * len(pathless.wire)
    staged = staged_by(bo, pathless.wire)
    assert not staged.has_path
    assert staged.updated == []


def test_removals_and_an_empty_commit_have_a_path_even_if_not_asked_for() -> None:
    ada, bo, _ = circle(3)
    assert staged_by(bo, ada.group.commit(remove=[2], path=False).wire).has_path
    ada.group.discard_pending()
    assert staged_by(bo, ada.group.commit(path=False).wire).has_path


def test_a_second_commit_while_one_is_pending_is_refused() -> None:
    ada, _ = circle(2)
    first = ada.group.commit()
    ada.save()
    with unchanged(ada.group), refused("pending-commit"):
        ada.group.commit()
    pending = ada.group.pending()
    assert pending is not None
    assert pending.wire == first.wire


def test_merging_without_a_pending_commit_is_refused_and_discarding_is_not() -> None:
    ada, _ = circle(2)
    with unchanged(ada.group):
        with refused("no-pending-commit"):
            ada.group.merge_pending()
        ada.group.discard_pending()
    assert ada.group.pending() is None


def test_a_pending_commit_survives_a_restart_without_its_wire_form() -> None:
    ada, bo = circle(2)
    made = ada.group.commit()
    secret = made.export("coterie read", b"", 32)
    ada.save()
    ada.crash()
    assert ada.group.has_pending
    pending = ada.group.pending()
    assert pending is not None
    assert (pending.wire, pending.welcome, pending.epoch, pending.tree) == (b"", None, 1, made.tree)
    assert pending.export("coterie read", b"", 32) == secret
    ada.group.merge_pending()
    bo.follow(made.wire)
    assert ada.group.epoch_authenticator == bo.group.epoch_authenticator


def test_a_pending_commit_that_ended_exports_nothing() -> None:
    ada, _ = circle(2)
    first = ada.group.commit()
    ada.group.discard_pending()
    with refused("no-pending-commit"):
        first.export("coterie post", b"", 32)
    second = ada.group.commit()
    with refused("no-pending-commit"):
        first.export("coterie post", b"", 32)
    ada.group.merge_pending()
    with refused("no-pending-commit"):
        second.export("coterie post", b"", 32)


def test_messages_are_sent_and_read_while_a_commit_is_pending() -> None:
    ada, bo = circle(2)
    ada.group.commit()
    bo.group.process(ada.group.encrypt(b"from ada", b"").wire)
    ada.group.process(bo.group.encrypt(b"from bo", b"").wire)
    assert ada.group.has_pending


def test_anothers_commit_wins_over_ours() -> None:
    ada, bo, cy = circle(3)
    ours = ada.group.commit()
    theirs = bo.group.commit()
    ada.group.merge(staged_by(ada, theirs.wire))
    assert not ada.group.has_pending
    bo.group.merge_pending()
    cy.follow(theirs.wire)
    assert ada.group.epoch_authenticator == bo.group.epoch_authenticator == cy.group.epoch_authenticator
    with refused("wrong-epoch"):
        cy.group.process(ours.wire)


def test_a_removed_device_is_told_and_then_left_behind() -> None:
    ada, bo = circle(2)
    commit = ada.group.commit(remove=[1]).wire
    ada.group.merge_pending()
    staged = staged_by(bo, commit)
    assert staged.removes_me
    with refused("not-a-member"):
        staged.export("coterie post", b"", 32)
    bo.group.merge(staged)
    bo.save()
    bo.crash()
    assert not bo.group.active
    later = ada.group.encrypt(b"for others", b"").wire
    for call in (
        lambda: bo.group.process(later),
        lambda: bo.group.encrypt(b"", b""),
        lambda: bo.group.commit(),
        lambda: bo.group.export("coterie post", b"", 32),
    ):
        with refused("not-a-member"):
            call()


def test_a_removed_device_is_added_again_with_a_fresh_package() -> None:
    ada, bo = circle(2)
    commit = ada.group.commit(remove=[1], add=[bo.key_package().wire])
    ada.group.merge_pending()
    assert commit.welcome is not None
    bo.join(commit.welcome, commit.tree)
    bo.group.process(ada.group.encrypt(b"again", b"").wire)


def test_a_staged_commit_is_merged_once_in_its_epoch_by_its_group() -> None:
    ada, bo, cy = circle(3)
    first, second = staged_by(cy, ada.group.commit().wire), staged_by(cy, bo.group.commit().wire)
    with refused("stale-commit"):
        bo.group.merge(first)
    cy.group.merge(first)
    cy.save()
    for stale in (first, second):
        with unchanged(cy.group), refused("stale-commit"):
            cy.group.merge(stale)


def test_a_commit_staged_on_a_branch_that_was_rolled_back_is_stale() -> None:
    ada, bo, cy = circle(3)
    lost = ada.group.commit()
    ada.group.merge_pending()
    next_one = ada.group.commit()
    cy.group.merge(staged_by(cy, lost.wire))
    on_lost_branch = staged_by(cy, next_one.wire)
    cy.group.rollback()
    cy.follow(bo.group.commit().wire)
    assert cy.group.epoch == 2
    with refused("stale-commit"):
        cy.group.merge(on_lost_branch)


def test_a_dropped_commit_is_never_applied() -> None:
    ada, bo = circle(2)
    wire = ada.group.commit().wire
    staged = staged_by(bo, wire)
    bo.group.drop(staged)
    with refused("stale-commit"):
        bo.group.merge(staged)
    with refused("secret-reused"):
        bo.group.process(wire)


def test_a_commit_that_cannot_be_made_changes_nothing() -> None:
    ada, bo, _ = circle(3)
    stranger = Device(9)
    fresh = stranger.key_package().wire
    other_suite = Client(b"x", bytes(32)).key_package(SUITE_XWING).wire
    twin = Client(b"another name", bo.seed).key_package(SUITE_CLASSICAL).wire
    ada.save()
    cases: list[tuple[str, dict[str, list[bytes]] | dict[str, list[int]]]] = [
        ("cannot-remove-self", {"remove": [0]}),
        ("not-a-member", {"remove": [7]}),
        ("not-a-member", {"remove": [4_000_000_000]}),
        ("duplicate-key", {"add": [twin]}),
        ("unsupported", {"add": [other_suite]}),
        ("malformed", {"add": [b"junk"]}),
        ("malformed", {"add": [fresh, fresh[:-1]]}),
        ("bad-key-package", {"add": [fresh[:-1] + bytes([fresh[-1] ^ 1])]}),
    ]
    for code, arguments in cases:
        with unchanged(ada.group), refused(code):
            ada.group.commit(**arguments)
    assert not ada.group.has_pending
    bo.follow(ada.group.commit(add=[fresh]).wire)


def test_the_same_device_twice_in_one_commit_is_a_duplicate_key() -> None:
    ada, _ = circle(2)
    cy = Device(9)
    with unchanged(ada.group), refused("duplicate-key"):
        ada.group.commit(add=[cy.key_package().wire, cy.key_package().wire])


def test_what_was_not_yet_taken_survives_a_refused_call() -> None:
    ada, bo = circle(2)
    before = ada.group.encrypt(b"not yet stored", b"").wire
    with refused("not-a-member"):
        ada.group.commit(remove=[7])
    with refused("malformed"):
        ada.group.process(b"")
    assert ada.group.take_writes() != []
    bo.group.process(before)
    bo.group.process(ada.group.encrypt(b"next", b"").wire)


def test_leaves_keep_both_suites_and_the_required_extension() -> None:
    ada, bo = circle(2, SUITE_XWING)
    assert ada.group.suite == bo.group.suite == SUITE_XWING
    assert parse_key_package(bo.key_package().wire).suite == SUITE_XWING
    assert bo.group.group_context == ada.group.group_context
    assert EXTENSION in ada.group.group_context


def test_an_exporter_yields_what_hkdf_can_and_no_more() -> None:
    ada, bo = circle(2)
    assert ada.group.export("label", b"context", 8_160) == bo.group.export("label", b"context", 8_160)
    assert ada.group.export("label", b"", 32) != ada.group.export("label", b"context", 32)
    for length in (8_161, 70_000):
        with refused("unsupported"):
            ada.group.export("label", b"", length)
