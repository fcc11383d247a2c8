"""Register entries through the log: judged by its time, and what they end ends at once."""

from coterie.server.rules.outcomes import (
    NotInForce,
    Outcome,
    Refused,
    RegisterAccepted,
    RegisterMoved,
    RegisterRefused,
    SessionOpened,
    Stocked,
)
from coterie.server.rules.record import ClaimKeyPackage, RegisterAppend, Session
from coterie.trust import author
from coterie.trust.entry import decode_entry_untrusted, encode_entry, entry_hash
from tests.server.rules.scene import SECOND, SUITE, Scene, a_key, log_opened, packages_of
from tests.trust.cast import DAY, Stage, coterie_key, key


def accepted(entry: bytes) -> Outcome:
    return RegisterAccepted(decode_entry_untrusted(entry).seq, entry_hash(entry))


def test_entry_sent_again_is_accepted_with_the_same_answer(scene: Scene) -> None:
    entry = scene.stage.entries[0]
    invited = scene.invite("bo")
    assert scene.send(RegisterAppend(entry), RegisterAppend(entry)) == [accepted(entry), accepted(entry)]
    assert scene.apply(RegisterAppend(entry)).register == []
    assert scene.view.register is not None
    assert bytes(scene.view.register.head.hash) == bytes(invited)


def test_entry_twice_in_one_record_stands_once(scene: Scene) -> None:
    entry = author.remove_device(
        scene.stage.state, scene.stage.founder.device, scene.stage.founder.device_id, now_ms=scene.now
    )
    applied = scene.apply(RegisterAppend(entry), RegisterAppend(entry))
    assert applied.outcomes == [accepted(entry)] * 2
    assert applied.register == [entry]


def test_entry_whose_place_was_taken_has_moved(scene: Scene) -> None:
    before = scene.stage.state
    scene.invite("bo")
    late = author.remove_device(before, scene.stage.founder.device, scene.stage.founder.device_id, now_ms=scene.now)
    head = scene.stage.state.head
    assert scene.send(RegisterAppend(late)) == [RegisterMoved(head.seq, head.hash)]


def test_entry_ahead_of_the_register_is_refused(scene: Scene) -> None:
    ahead = Stage.founded()
    ahead.invite(ahead.founder, "bo")
    ahead.invite(ahead.founder, "cy")
    assert scene.send(RegisterAppend(ahead.entries[2])) == [RegisterRefused("not-next")]


def test_second_founding_is_refused(scene: Scene) -> None:
    other = Stage.founded("eve", "Eve", "Elsewhere")
    assert scene.send(RegisterAppend(other.entries[0])) == [RegisterRefused("already-founded")]


def test_founding_with_another_link_or_for_another_server_is_refused(scene: Scene) -> None:
    other = Scene(scene.path.with_name("other.db"))
    wrong = log_opened()
    wrong = type(wrong)(wrong.log, wrong.service_key, key("another founding").public)
    outcomes = other.send(other.hub.up(), wrong, RegisterAppend(other.stage.entries[0]))
    assert outcomes[2] == RegisterRefused("other-founding")
    assert other.view.register is None
    other.close()


def test_garbage_and_forged_entries_are_refused(scene: Scene) -> None:
    honest = decode_entry_untrusted(
        author.remove_device(
            scene.stage.state, scene.stage.founder.device, scene.stage.founder.device_id, now_ms=scene.now
        )
    )
    forged = encode_entry(honest.body, (bytes(64),))
    assert scene.send(RegisterAppend(b"garbage"), RegisterAppend(forged)) == [
        RegisterRefused("malformed-entry"),
        RegisterRefused("forged"),
    ]


def test_entry_is_judged_by_the_logs_time(scene: Scene) -> None:
    scene.stage.later(10 * 60 * SECOND)
    entry = author.issue_invite(
        scene.stage.state,
        scene.stage.founder.device,
        key("invite bo"),
        expires_at=scene.stage.now + DAY,
        coterie_key=coterie_key(0),
        now_ms=scene.stage.now,
        nonce=bytes(12),
    )
    assert scene.send(RegisterAppend(entry)) == [RegisterRefused("clock-apart")]
    scene.now += 10 * 60 * SECOND
    assert scene.send(RegisterAppend(entry)) == [accepted(entry)]


def test_removed_member_loses_session_and_packages_in_the_same_record(scene: Scene) -> None:
    bo = scene.join(scene.invite("bo"), "bo")
    incarnation = scene.hub.incarnation_id
    put = packages_of(bo.device_id, "bo", 2)
    assert scene.send(Session(bo.device_id, 1, incarnation), put) == [SessionOpened(), Stocked(2, True)]
    entry = author.remove_member(scene.stage.state, scene.stage.founder.device, bo.id, now_ms=scene.now)
    claim = ClaimKeyPackage(bo.device_id, SUITE, a_key("claim"))
    more = packages_of(bo.device_id, "more", 2)
    applied = scene.apply(RegisterAppend(entry), claim, more, Session(bo.device_id, 2, incarnation))
    assert applied.removed == [bo.device_id]
    assert applied.outcomes[1:] == [Refused("no_key_package"), NotInForce(), NotInForce()]
    with scene.view.reader() as reader:
        assert reader.stock(bo.device_id, SUITE) == (0, False)
        assert reader.bundles([bo.device_id]) == [None]
    assert scene.view.highest_counter(bo.device_id) == 0


def test_removed_device_signs_in_vain(scene: Scene) -> None:
    bo = scene.join(scene.invite("bo"), "bo")
    before = scene.stage.state
    scene.remove(bo)
    entry = author.set_profile(before, bo.device, "Bo", coterie_key=coterie_key(0), now_ms=scene.now, nonce=bytes(12))
    assert isinstance(scene.send(RegisterAppend(entry))[0], RegisterMoved)
    body = decode_entry_untrusted(entry)
    assert body.seq == scene.stage.state.head.seq


def test_register_is_read_back_from_any_entry_on(scene: Scene) -> None:
    scene.join(scene.invite("bo"), "bo")
    with scene.view.reader() as reader:
        assert reader.register_entries(0) == scene.stage.entries
        assert reader.register_entries(1) == scene.stage.entries[1:]
        assert reader.register_entries(0, most_bytes=1) == scene.stage.entries[:1]
        assert reader.register_entries(99) == []
