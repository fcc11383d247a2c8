"""The server owner has seen the code on somebody's screen, and stands between the two devices that are being linked."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from coterie.client.device import system_clock
from coterie.client.linking.channel import Ephemeral, commit_to
from coterie.client.linking.events import CodeMade, DeviceIn, Linked, WordsShown
from coterie.client.linking.messages import Keys, Offer, Reveal, Sealed, open_entry_untrusted, seal_entry
from coterie.client.linking.new_device import link_device
from coterie.client.linking.old_device import History, LinkDeclined
from coterie.client.linking.relay import link_terms
from coterie.ids import DeviceId, QueueId, Seed
from coterie.store.wrap import NoDevice
from coterie.trust.keys import SigningKey
from coterie.trust.link import LinkCode, parse_link_code_untrusted
from coterie.wire import frames
from coterie.wire.frames import Frame
from coterie.wire.queues import queue_id
from tests.hostile.scene import UNLOCK, Scene
from tests.hostile.twin import Answer, Trick, Wire


class Between(Trick):
    """To each device the other one, with keys of the server's own."""

    def __init__(self, code: LinkCode) -> None:
        self.relay = code.secrets.relay
        self.queue: QueueId = queue_id(link_terms(code.secrets))
        self.as_old, self.as_new = Ephemeral.fresh(os.urandom), Ephemeral.fresh(os.urandom)
        self.reveal = self.as_old.reveal(DeviceId(b"o" * 16))
        self.swapped: list[str] = []

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if not isinstance(answer, frames.Pushed) or answer.queue != self.queue:
            return (answer,)
        mine = [request.payload for request in wire.requests if isinstance(request, frames.Post)]
        payloads = [one if one is None or one in mine else self.swap(one) for one in answer.payloads]
        return (frames.Pushed(answer.queue, answer.after, answer.at, payloads, answer.hashes),)

    def swap(self, payload: bytes) -> bytes:
        entry = open_entry_untrusted(self.relay, self.queue, payload)
        self.swapped.append(type(entry).__name__)
        if isinstance(entry, Offer):
            entry = commit_to(self.reveal)
        elif isinstance(entry, Reveal):
            entry = self.reveal
        elif isinstance(entry, Keys):
            entry = self.as_new.keys(*(SigningKey(Seed(os.urandom(32))).public for _ in range(2)))
        return seal_entry(self.relay, self.queue, entry, os.urandom(12))


async def next_of(events: AsyncIterator[object], kind: type) -> object:
    event = await anext(events)
    assert isinstance(event, kind), event
    return event


def sealed_parts(scene: Scene, code: LinkCode) -> list[Sealed]:
    """What of the link queue's posts only the other device can open."""
    queue = queue_id(link_terms(code.secrets))
    entries = [open_entry_untrusted(code.secrets.relay, queue, one) for one in scene.ada.twin.payloads(queue)]
    return [entry for entry in entries if isinstance(entry, Sealed)]


async def test_server_with_the_code_that_swaps_keys_is_seen_in_the_words_and_gets_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    old = scene.ada.device.linking.add(History.ALL)
    made = await next_of(old, CodeMade)
    assert isinstance(made, CodeMade)
    code = parse_link_code_untrusted(made.code)
    between = Between(code)
    scene.ada.twin.trick = between
    new = link_device(tmp_path / "laptop", UNLOCK, made.code, system_clock)
    at_new, at_old = await asyncio.gather(next_of(new, WordsShown), next_of(old, WordsShown))
    assert between.swapped.count("Keys") == between.swapped.count("Reveal") == 1
    assert at_new != at_old
    assert sealed_parts(scene, code) == []
    before = scene.ada.state.register.seq
    scene.ada.device.linking.answer(False)
    with pytest.raises(LinkDeclined):
        await anext(old)
    with pytest.raises(LinkDeclined):
        await anext(new)
    assert sealed_parts(scene, code) == []
    await scene.ada.sync()
    assert scene.ada.state.register.seq == before
    with pytest.raises(NoDevice):
        type(scene.ada.device).open(tmp_path / "laptop", UNLOCK)


async def test_honest_server_sees_only_sealed_parts_and_only_after_the_yes(scene: Scene, tmp_path: Path) -> None:
    old = scene.ada.device.linking.add(History.ALL)
    made = await next_of(old, CodeMade)
    assert isinstance(made, CodeMade)
    code = parse_link_code_untrusted(made.code)
    new = link_device(tmp_path / "laptop", UNLOCK, made.code, system_clock)
    at_new, at_old = await asyncio.gather(next_of(new, WordsShown), next_of(old, WordsShown))
    assert at_new == at_old
    assert sealed_parts(scene, code) == []
    scene.ada.device.linking.answer(True)

    async def rest_of_old() -> list[object]:
        return [event async for event in old]

    async def rest_of_new() -> list[object]:
        return [event async for event in new]

    (let_in,), (linked,) = await asyncio.gather(rest_of_old(), rest_of_new())
    assert isinstance(let_in, DeviceIn)
    assert isinstance(linked, Linked)
    assert linked.device == let_in.device
    key = scene.ada.state.register.current_key()
    assert key is not None
    assert sealed_parts(scene, code)
    assert all(bytes(key) not in part.sealed for part in sealed_parts(scene, code))
    laptop = type(scene.ada.device).open(tmp_path / "laptop", UNLOCK)
    try:
        rooms = {room.room for room in scene.ada.device.rooms()}
        assert {room.room for room in laptop.rooms()} == rooms
        for room in rooms:
            texts = [message.text for message in laptop.messages(room)]
            assert texts == scene.ada.texts(room)
    finally:
        laptop.close()
