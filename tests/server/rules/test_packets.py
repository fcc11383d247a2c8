"""Invite packets: there while somebody can still need them, and no longer."""

import pytest

from coterie.ids import InviteId
from coterie.server.rules.limits import JOIN_GRACE_MS
from coterie.server.rules.outcomes import Outcome, Refused, Stored
from coterie.server.rules.record import PacketDone, PutPacket
from coterie.trust import author
from tests.server.rules.scene import Scene
from tests.trust.cast import DAY

NONE = Refused("no_packet")


def put(scene: Scene, invite: InviteId, packet: bytes = b"sealed key") -> Outcome:
    return scene.one(Outcome, PutPacket(invite, packet))


def held(scene: Scene, invite: InviteId) -> bytes | None:
    with scene.view.reader() as reader:
        return reader.packet(invite)


def test_packet_waits_for_the_newcomer_and_goes_when_they_confirm(scene: Scene) -> None:
    invite = scene.invite("bo")
    assert put(scene, invite) == Stored()
    scene.join(invite, "bo")
    assert held(scene, invite) == b"sealed key"
    assert scene.send(PacketDone(invite), PacketDone(invite)) == [Stored(), Stored()]
    assert held(scene, invite) is None
    put(scene, invite)
    assert held(scene, invite) is None


def test_packet_may_follow_the_newcomer(scene: Scene) -> None:
    invite = scene.invite("bo")
    scene.join(invite, "bo")
    assert put(scene, invite) == Stored()
    assert held(scene, invite) == b"sealed key"


def test_first_packet_stands(scene: Scene) -> None:
    invite = scene.invite("bo")
    assert [put(scene, invite), put(scene, invite, b"another")] == [Stored(), Stored()]
    assert held(scene, invite) == b"sealed key"


def test_packet_goes_with_a_revoked_invite(scene: Scene) -> None:
    invite = scene.invite("bo")
    put(scene, invite)
    scene.append_entry(author.revoke_invite(scene.stage.state, scene.stage.founder.device, invite, now_ms=scene.now))
    assert held(scene, invite) is None
    assert put(scene, invite) == NONE


@pytest.mark.parametrize(("late", "there"), [(-1, True), (0, False)])
def test_packet_of_an_unused_invite_expires_with_it(scene: Scene, late: int, there: bool) -> None:
    invite = scene.invite("bo", expires_at=scene.now + DAY)
    put(scene, invite)
    scene.now += DAY + late
    scene.apply()
    assert (held(scene, invite) is not None) == there
    assert put(scene, invite) == (Stored() if there else NONE)


def test_newcomer_at_the_last_moment_still_gets_the_packet(scene: Scene) -> None:
    invite = scene.invite("bo", expires_at=scene.now + DAY)
    put(scene, invite)
    scene.now += DAY - 1
    scene.stage.now = scene.now
    scene.join(invite, "bo")
    scene.now += JOIN_GRACE_MS - 1
    scene.apply()
    assert held(scene, invite) == b"sealed key"
    scene.now += 1
    scene.apply()
    assert held(scene, invite) is None


def test_packet_for_no_invite_is_refused(scene: Scene) -> None:
    assert put(scene, InviteId(bytes(32))) == NONE
    assert scene.send(PacketDone(InviteId(bytes(32)))) == [Stored()]
