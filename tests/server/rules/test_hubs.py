"""Numbers, incarnations, time, sessions: what a hub may say, and when its word counts."""

import pytest

from coterie.ids import DeviceId, Incarnation
from coterie.server.rules.applied import RecordFate, Superseded
from coterie.server.rules.apply import NewerRules
from coterie.server.rules.outcomes import (
    HubOpened,
    LogStarted,
    NotInForce,
    Posted,
    SessionCopied,
    SessionOpened,
    Stored,
    Void,
)
from coterie.server.rules.record import Cut, HubDown, Record, Restored, Session, SnapshotReady, encode_record
from tests.server.rules.scene import SECOND, Scene, ScriptedHub, bytes_of, log_opened, opening, posting
from tests.trust.cast import START


def session(scene: Scene, counter: int, hub: ScriptedHub | None = None) -> Session:
    return Session(scene.stage.founder.device_id, counter, (hub or scene.hub).incarnation_id)


def up(scene: Scene, name: str, incarnation: str) -> ScriptedHub:
    hub = ScriptedHub(name, incarnation)
    assert scene.append(hub.record(scene.now, hub.up())).outcomes == [HubOpened(bytes_of("log", 16))]
    return hub


def test_repeated_record_answers_nothing_and_changes_nothing(scene: Scene) -> None:
    scene.open("room")
    record = scene.hub.record(scene.now, posting("room", "once"))
    first = scene.append(record)
    again = scene.append(record)
    assert (first.fate, first.outcomes) == (RecordFate.APPLIED, [Posted(1)])
    assert (again.fate, again.outcomes, again.appended) == (RecordFate.DUPLICATE, [], {})
    assert scene.texts("room") == ["once"]


def test_record_whose_predecessor_is_missing_is_void_until_both_come_in_order(scene: Scene) -> None:
    scene.open("room")
    first = scene.hub.record(scene.now, posting("room", "first"))
    second = scene.hub.record(scene.now, posting("room", "second"))
    assert scene.append(second).fate is RecordFate.GAP
    assert scene.texts("room") == []
    assert scene.append(first).outcomes == [Posted(1)]
    assert scene.append(second).outcomes == [Posted(2)]
    assert scene.texts("room") == ["first", "second"]


def test_void_record_moves_no_time(scene: Scene) -> None:
    late = scene.hub.numbered(scene.hub.n + 2, scene.now + 999_999)
    assert scene.append(late).time == scene.now
    assert scene.view.time == scene.now


def test_hub_that_comes_up_again_fences_its_older_incarnation_only(scene: Scene) -> None:
    scene.open("room")
    other = up(scene, "two", "two-1")
    old = scene.hub
    scene.hub = ScriptedHub("one", "one-2")
    applied = scene.append(scene.hub.record(scene.now, scene.hub.up()))
    assert applied.fenced == [Incarnation(old.incarnation_id)]
    assert scene.append(old.record(scene.now, posting("room", "from the past"))).fate is RecordFate.NOT_IN_FORCE
    assert scene.append(other.record(scene.now, posting("room", "other"))).outcomes == [Posted(1)]
    assert scene.send(posting("room", "new")) == [Posted(2)]


def test_fenced_incarnation_cannot_come_up_again(scene: Scene) -> None:
    first = scene.log[0]
    scene.hub = ScriptedHub("one", "one-2")
    scene.append(scene.hub.record(scene.now, scene.hub.up()))
    assert scene.append(first).fate is RecordFate.NOT_IN_FORCE
    assert scene.send(opening("room"))


def test_incarnation_of_another_hub_is_not_in_force(scene: Scene) -> None:
    thief = Record(bytes_of("hub thief", 16), scene.hub.incarnation_id, scene.hub.n + 1, START, 1, 0, b"", [])
    assert scene.append(encode_record(thief)).fate is RecordFate.NOT_IN_FORCE


def test_incarnation_that_never_came_up_has_no_say(scene: Scene) -> None:
    stranger = ScriptedHub("two", "two-1")
    assert scene.append(stranger.record(scene.now, opening("room"))).fate is RecordFate.NOT_IN_FORCE
    assert scene.append(stranger.record(scene.now)).fate is RecordFate.GAP


def test_hub_put_down_by_another_has_no_say(scene: Scene) -> None:
    other = up(scene, "two", "two-1")
    applied = scene.apply(HubDown(other.incarnation_id), HubDown(bytes(16)))
    assert applied.outcomes == [Stored(), Void()]
    assert applied.fenced == [Incarnation(other.incarnation_id)]
    assert scene.append(other.record(scene.now)).fate is RecordFate.NOT_IN_FORCE


def test_hub_up_elsewhere_than_first_is_void(scene: Scene) -> None:
    assert scene.send(scene.hub.up(), ScriptedHub("two", "two-1").up()) == [Void(), Void()]
    assert len(scene.view.hubs) == 1


def test_only_the_first_opening_of_the_log_counts(scene: Scene) -> None:
    assert scene.send(log_opened()) == [Void()]
    assert scene.view.log == log_opened()


def test_nothing_has_an_effect_before_the_log_is_open(tmp_path_factory: pytest.TempPathFactory) -> None:
    scene = Scene(tmp_path_factory.mktemp("empty") / "view.db")
    outcomes = scene.send(scene.hub.up(), opening("room"), log_opened(), opening("room"))
    assert outcomes[:3] == [HubOpened(b""), Void(), LogStarted()]
    assert scene.view.queue(opening("room").queue) is not None
    scene.close()


def test_time_of_one_hub_is_the_highest_it_gave(scene: Scene) -> None:
    scene.now += 10 * SECOND
    assert scene.apply().time == START + 10 * SECOND
    scene.now -= 5 * SECOND
    assert scene.apply().time == START + 10 * SECOND


def test_time_of_several_hubs_is_the_lower_median(scene: Scene) -> None:
    far = ScriptedHub("far", "far-1")
    assert scene.append(far.record(START + 10**12, far.up())).time == START
    slow = ScriptedHub("slow", "slow-1")
    assert scene.append(slow.record(START + 3 * SECOND, slow.up())).time == START + 3 * SECOND
    scene.now = START + 5 * SECOND
    assert scene.apply().time == START + 5 * SECOND
    assert scene.append(far.record(START + 2 * 10**12)).time == START + 5 * SECOND


def test_records_for_newer_rules_stop_the_hub_before_them(scene: Scene) -> None:
    position, digest = scene.view.position, scene.view.digest
    newer = Record(scene.hub.id, scene.hub.incarnation_id, scene.hub.n + 1, START, 2, 0, b"", [opening("room")])
    with pytest.raises(NewerRules):
        scene.view.apply(position + 1, encode_record(newer))
    assert (scene.view.position, scene.view.digest) == (position, digest)
    stranger = Record(bytes(16), bytes(16), 1, START, 2, 0, b"", [])
    assert scene.append(encode_record(stranger)).fate is RecordFate.NOT_IN_FORCE


def test_operations_of_later_versions_of_the_server_are_void(scene: Scene) -> None:
    before = scene.view.generation
    assert scene.send(Restored(1, 1), SnapshotReady(1, bytes(32)), Cut(1)) == [Void(), Void(), Void()]
    assert scene.view.generation == before


def test_session_opens_only_with_a_raised_counter(scene: Scene) -> None:
    assert scene.send(session(scene, 5)) == [SessionOpened()]
    assert scene.send(session(scene, 5), session(scene, 4)) == [SessionCopied(5), SessionCopied(5)]
    assert scene.send(session(scene, 6)) == [SessionOpened()]
    assert scene.view.highest_counter(scene.stage.founder.device_id) == 6


def test_copied_store_is_found_out_at_another_hub_and_after_a_restart(scene: Scene) -> None:
    assert scene.send(session(scene, 5)) == [SessionOpened()]
    other = up(scene, "two", "two-1")
    assert scene.append(other.record(scene.now, session(scene, 5, other))).outcomes == [SessionCopied(5)]
    scene.hub = up(scene, "one", "one-2")
    assert scene.send(session(scene, 5)) == [SessionCopied(5)]


def test_newer_session_supersedes_the_older_one_where_it_is(scene: Scene) -> None:
    opened = scene.apply(opening("room"), session(scene, 1))
    other = up(scene, "two", "two-1")
    applied = scene.append(other.record(scene.now, session(scene, 2, other)))
    device = scene.stage.founder.device_id
    assert applied.superseded == [Superseded(device, Incarnation(scene.hub.incarnation_id), opened.seq, 1)]


def test_session_at_a_hub_that_is_gone_needs_no_closing(scene: Scene) -> None:
    scene.send(session(scene, 1))
    scene.hub = up(scene, "one", "one-2")
    assert scene.apply(session(scene, 2)).superseded == []


def test_session_of_a_stranger_or_for_another_hub_is_none(scene: Scene) -> None:
    stranger = Session(DeviceId(bytes_of("stranger", 16)), 1, scene.hub.incarnation_id)
    elsewhere = Session(scene.stage.founder.device_id, 1, bytes(16))
    assert scene.send(stranger, elsewhere) == [NotInForce(), Void()]
