"""What no group takes, whoever sends it: external commits and proposals, proposals by reference, another suite's
profile. Real MLS of a member without our rules: crates/mls/src/rogue.rs."""

from dataclasses import replace

import cbor2
import pytest

from coterie.group.context import MalformedContext, decode_context_untrusted, encode_context
from coterie.group.entry import MLS_MESSAGE
from coterie.group.judge import judge
from coterie.group.suites import NeedsAnotherCoterie, Suite
from coterie.group.verdict import Refusal, Refused
from tests.group.room_people import ADA, BO, commit_by, register, room, state_of
from tests.hostile.history import History, inserting
from tests.hostile.scene import Scene
from tests.hostile.test_queue_history import end_of, queue_of, say

# RFC 9420 §6: MLS 1.0, then the wire format; only PrivateMessage (2) has a place in a room's queue.
WIRE_FORMATS = {"a public message": 1, "a welcome": 3, "a group info": 4, "a key package": 5}


@pytest.mark.parametrize("proposal", ["external-init", "psk", "reinit", "other"])
def test_a_proposal_of_another_kind_is_refused_by_every_judge(proposal: str) -> None:
    verdict = judge(
        state_of(room(), ADA.leaf(0), BO.leaf(1)),
        register(),
        replace(commit_by(ADA.leaf(0)), proposals=(proposal,)),
    )
    assert isinstance(verdict, Refused)
    assert (verdict.refusal, verdict.detail) == (Refusal.PROPOSAL, proposal)
    assert verdict.sentence


async def test_what_is_no_private_message_is_passed_over_and_noticed(scene: Scene) -> None:
    """An external commit or proposal is always a PublicMessage: it does not get as far as the group."""
    n = end_of(scene.bo, scene.crew)
    forged = [
        bytes([MLS_MESSAGE]) + b"\x00\x01" + form.to_bytes(2, "big") + bytes(200) for form in WIRE_FORMATS.values()
    ]
    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), inserting(n + 1, *forged))
    epoch = scene.bo.state.groups.get(scene.bo.state.group_of(scene.crew).group).epoch
    await say(scene.ada, scene.crew, "one")
    await scene.bo.sync()
    assert scene.bo.texts(scene.crew)[1:] == ["one"]
    alarms = scene.bo.alarms("unreadable entry")
    assert len(alarms) == len(WIRE_FORMATS)
    assert all("cannot be read (malformed)" in alarm for alarm in alarms)
    assert scene.bo.state.groups.get(scene.bo.state.group_of(scene.crew).group).epoch == epoch


def test_the_profile_of_another_suite_or_of_a_later_coterie_is_refused_in_words() -> None:
    good = encode_context(room())
    with pytest.raises(MalformedContext) as wrong:
        decode_context_untrusted(good, Suite.CLASSICAL)
    assert "suite profile" in wrong.value.fact
    later = cbor2.loads(good) | {2: "xwing-07/1"}
    with pytest.raises(NeedsAnotherCoterie) as newer:
        decode_context_untrusted(cbor2.dumps(later, canonical=True), Suite.XWING)
    assert newer.value.hint == "update Coterie on this device"
