import pytest
from coterie_mls import Application, Own, peek

from .device import GROUP_ID, circle
from .refusal import refused, unchanged

HEAD = bytes(range(77))


def test_a_message_arrives_with_its_sender_epoch_and_authenticated_data() -> None:
    ada, bo = circle(2)
    message = bo.group.process(ada.group.encrypt(b"hello", HEAD).wire)
    assert isinstance(message, Application)
    assert (message.plaintext, message.aad, message.epoch) == (b"hello", HEAD, 1)
    assert message.sender == bo.group.members()[0]
    assert message.sender.credential == ada.credential


def test_the_envelope_shows_what_is_in_clear() -> None:
    ada, bo = circle(2)
    for wire, content in (
        (ada.group.encrypt(b"hello", HEAD).wire, "application"),
        (bo.group.commit(aad=HEAD).wire, "commit"),
    ):
        envelope = peek(wire)
        assert (envelope.group_id, envelope.epoch, envelope.content, envelope.aad) == (GROUP_ID, 1, content, HEAD)
        assert b"hello" not in wire


def test_authenticated_data_belongs_to_one_message_only() -> None:
    ada, bo = circle(2)
    assert peek(ada.group.encrypt(b"", HEAD).wire).aad == HEAD
    assert peek(ada.group.encrypt(b"", b"").wire).aad == b""
    with refused("not-a-member"):
        ada.group.commit(remove=[99], aad=HEAD)
    assert peek(ada.group.encrypt(b"", b"").wire).aad == b""
    assert peek(ada.group.commit().wire).aad == b""
    assert bo.group.epoch == 1


def test_lengths_are_hidden_in_steps_of_256_bytes() -> None:
    ada, _ = circle(2)
    lengths = {len(ada.group.encrypt(bytes(size), b"").wire) for size in range(0, 1000, 10)}
    assert len(lengths) <= 5
    assert all((b - a) == 256 for a, b in zip(sorted(lengths), sorted(lengths)[1:], strict=False))


def test_a_repeated_message_is_refused_and_changes_nothing() -> None:
    ada, bo = circle(2)
    wire = ada.group.encrypt(b"once", b"").wire
    bo.group.process(wire)
    bo.save()
    with unchanged(bo.group), refused("secret-reused"):
        bo.group.process(wire)


def test_our_own_message_comes_back_as_own() -> None:
    ada, _ = circle(2)
    for wire, content in ((ada.group.encrypt(b"", b"").wire, "application"), (ada.group.commit().wire, "commit")):
        ada.save()
        with unchanged(ada.group):
            own = ada.group.process(wire)
        assert isinstance(own, Own)
        assert (own.epoch, own.content) == (1, content)


def test_a_tampered_copy_does_not_burn_the_genuine_message() -> None:
    ada, bo = circle(2)
    wire = ada.group.encrypt(b"genuine", HEAD).wire
    for place in range(len(wire)):
        tampered = wire[:place] + bytes([wire[place] ^ 0x01]) + wire[place + 1 :]
        with (
            unchanged(bo.group),
            refused("malformed", "wrong-group", "wrong-epoch", "cannot-decrypt", "bad-signature", "unknown-sender"),
        ):
            bo.group.process(tampered)
    message = bo.group.process(wire)
    assert isinstance(message, Application)
    assert message.plaintext == b"genuine"


def test_a_commit_that_was_tampered_with_changes_nothing_and_the_genuine_one_still_works() -> None:
    ada, bo = circle(2)
    wire = ada.group.commit().wire
    for place in range(0, len(wire), 3):
        with unchanged(bo.group), refused("malformed", "wrong-group", "wrong-epoch", "cannot-decrypt"):
            bo.group.process(wire[:place] + bytes([wire[place] ^ 0x80]) + wire[place + 1 :])
    bo.follow(wire)
    assert bo.group.epoch == 2


def test_messages_out_of_order_are_read_within_the_tolerance() -> None:
    ada, bo = circle(2)
    wires = [ada.group.encrypt(b"%d" % number, b"").wire for number in range(16)]
    for number in reversed(range(16)):
        message = bo.group.process(wires[number])
        assert isinstance(message, Application)
        assert message.plaintext == b"%d" % number


def test_what_was_skipped_by_far_is_gone() -> None:
    ada, bo = circle(2)
    wires = [ada.group.encrypt(b"", b"").wire for _ in range(40)]
    bo.group.process(wires[-1])
    with refused("secret-reused"):
        bo.group.process(wires[0])


def test_a_long_absence_within_an_epoch_is_caught_up() -> None:
    ada, bo = circle(2)
    for _ in range(3_000):
        last = ada.group.encrypt(b"last", b"").wire
    message = bo.group.process(last)
    assert isinstance(message, Application)
    assert message.plaintext == b"last"


def test_a_message_of_another_epoch_is_refused() -> None:
    ada, bo = circle(2)
    early = ada.group.encrypt(b"", b"").wire
    commit = ada.group.commit().wire
    ada.group.merge_pending()
    late = ada.group.encrypt(b"", b"").wire
    with unchanged(bo.group), refused("wrong-epoch"):
        bo.group.process(late)
    bo.follow(commit)
    with unchanged(bo.group), refused("wrong-epoch"):
        bo.group.process(early)
    bo.group.process(late)


def test_a_message_of_another_group_is_refused() -> None:
    ada, _ = circle(2)
    other = ada.client.create(b"another group", b"", ada.suite)
    with refused("wrong-group"):
        ada.group.process(other.encrypt(b"", b"").wire)


def test_a_member_cannot_speak_as_another() -> None:
    ada, bo, cy = circle(3)
    forged = bo.client.load(b"the group", list(bo.group_rows.items()))
    message = cy.group.process(forged.encrypt(b"", b"").wire)
    assert isinstance(message, Application)
    assert message.sender.credential == bo.credential
    with refused("malformed"):
        # Bo's rows under Ada's key: the load itself refuses them.
        ada.client.load(b"the group", list(bo.group_rows.items()))


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_any_size_of_text_arrives(size: int) -> None:
    ada, bo = circle(2)
    message = bo.group.process(ada.group.encrypt(bytes(size), b"").wire)
    assert isinstance(message, Application)
    assert message.plaintext == bytes(size)
