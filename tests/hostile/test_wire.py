"""What crosses the wire: the authenticated data of every message and commit has one length and shows no head."""

import coterie_mls

from coterie.group.entry import Inline, decode_entry_untrusted
from coterie.group.heads import SEALED_HEAD_BYTES
from coterie.wire.codec import encode_frame
from tests.hostile.scene import Scene
from tests.hostile.test_queue_history import queue_of


async def test_authenticated_data_has_one_length_and_no_bytes_of_the_head(scene: Scene) -> None:
    ada = scene.ada
    heads: set[bytes] = set()
    for step in range(3):
        group = ada.state.group_of(scene.crew)
        assert group.chain is not None
        heads |= {group.chain, ada.state.register.state.head.hash}
        await ada.device.send(scene.crew, "x" * 100 * step)
        await ada.device.rename_room(scene.crew, topic=f"day {step}")
        await ada.device.create_invite()

    entries = [decode_entry_untrusted(payload) for payload in ada.twin.payloads(queue_of(ada, scene.crew))]
    envelopes = [coterie_mls.peek(entry.message) for entry in entries if isinstance(entry, Inline)]
    assert {envelope.content for envelope in envelopes} == {"application", "commit"}
    assert len(envelopes) == len(entries) == 6
    assert {len(envelope.aad) for envelope in envelopes} == {SEALED_HEAD_BYTES}
    wire = b"".join(ada.twin.payloads(queue_of(ada, scene.crew)))
    assert not any(head in wire for head in heads), "neither a register hash nor a chain is in clear"


async def test_nothing_that_people_write_or_are_called_is_in_clear(scene: Scene) -> None:
    await scene.ada.device.send(scene.crew, "the source is Iris")
    await scene.ada.device.rename_room(scene.crew, "Operation Walnut")
    await scene.bo.device.set_profile("Boris the Bold")
    await scene.bo.sync()

    wire = b"".join(encode_frame(request) for person in scene.people for request in person.twin.requests)
    heard = b"".join(encode_frame(answer) for person in scene.people for answer in person.twin.heard)
    for secret in (b"Iris", b"Walnut", b"Boris", b"Crew", b"Harbour", b"good morning"):
        assert secret not in wire and secret not in heard
