"""The server answers for key packages and bundles: it withholds them, swaps them, offers weaker ones."""

from collections.abc import Callable, Iterable
from functools import partial

import msgspec
import pytest
from coterie_mls import SUITE_CLASSICAL, SUITE_XWING

from coterie.client.inbox.packages import NoKeyPackage
from coterie.wire import frames
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import Frame, Request
from tests.hostile.scene import Person, Scene
from tests.hostile.test_queue_history import queue_of
from tests.hostile.twin import Answer, Trick, Wire


class Claims(Trick):
    """What a claim of Cy's package is answered."""

    def __init__(self, answer: Callable[[frames.Claimed], Frame]) -> None:
        self._answer = answer
        self.asked_for: list[int] = []

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.ClaimKeyPackage):
            self.asked_for.append(request.suite)
        return (request,)

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        return (self._answer(answer),) if isinstance(answer, frames.Claimed) else (answer,)


async def package_of(person: Person, whose: Person, suite: int) -> frames.Claimed:
    async with person.online():
        claimed = await person.twin.wire.own(
            lambda number: frames.ClaimKeyPackage(number, whose.state.own.device, suite, b"k" * 16)
        )
    assert isinstance(claimed, frames.Claimed)
    return claimed


async def refused_add(scene: Scene, claims: Claims) -> str:
    """Ada adds Cy to the pair, in vain; nothing of it went out, and the room goes on."""
    ada = scene.ada
    ada.twin.trick = claims
    before = len(ada.twin.payloads(queue_of(ada, scene.pair)))
    with pytest.raises(NoKeyPackage) as refused:
        await ada.device.add_to_room(scene.pair, scene.cy.member)
    assert len(ada.twin.payloads(queue_of(ada, scene.pair))) == before, "no commit was sent"
    assert len(ada.room(scene.pair).members) == 2
    assert claims.asked_for == [SUITE_XWING], "never another suite by itself"
    assert (await ada.device.send(scene.pair, "just us")).state == "sent"
    return refused.value.fact


async def test_withheld_xwing_packages_are_refused_in_words_and_never_replaced(scene: Scene) -> None:
    withheld = Claims(lambda claimed: frames.Error(claimed.id, ErrorCode.NO_KEY_PACKAGE, "none"))
    assert await refused_add(scene, withheld) == (
        "Cy cannot be added now: their device has left no key package for this room's cipher suite"
    )


async def test_a_weaker_package_in_place_of_xwing(scene: Scene) -> None:
    weaker = await package_of(scene.bo, scene.cy, SUITE_CLASSICAL)
    fact = await refused_add(scene, Claims(lambda claimed: msgspec.structs.replace(weaker, id=claimed.id)))
    assert fact.startswith("Cy cannot be added: the server gave a key package that does not fit")


async def test_another_members_package_in_place_of_cys(scene: Scene) -> None:
    bos = await package_of(scene.ada, scene.bo, SUITE_XWING)
    with_bundle = await refused_add(scene, Claims(lambda claimed: msgspec.structs.replace(bos, id=claimed.id)))
    assert with_bundle.startswith("Cy cannot be added: the server gave a bad key package")
    without = await refused_add(scene, Claims(lambda claimed: msgspec.structs.replace(claimed, package=bos.package)))
    assert without == "Cy cannot be added: the server gave a key package that does not fit: it is another device's"


def garbled(package: bytes) -> bytes:
    return package[:-1] + bytes([package[-1] ^ 1])


async def test_a_garbled_package(scene: Scene) -> None:
    claims = Claims(lambda claimed: msgspec.structs.replace(claimed, package=garbled(claimed.package)))
    assert (await refused_add(scene, claims)).startswith("Cy cannot be added: the server gave a bad key package")


async def test_a_bundle_of_long_ago_adds_nobody(scene: Scene) -> None:
    late = Claims(lambda claimed: msgspec.structs.replace(claimed, at=claimed.at + 100 * 86_400_000))
    assert await refused_add(scene, late) == ("Cy cannot be added now: their device has been away for three months")


async def test_drained_packages_leave_the_last_resort_and_the_add_goes_through(scene: Scene) -> None:
    """A member claims all there are; limits per target are the rules' (tests/server/rules/test_packages.py)."""
    bo, cy = scene.bo, scene.cy.state.own.device
    last: list[frames.Reply] = []
    async with bo.online():
        for number in range(60):
            claim = partial(frames.ClaimKeyPackage, device=cy, suite=SUITE_XWING, key=bytes([number]) * 16)
            last = [await bo.twin.wire.own(claim)]
            if not isinstance(last[0], frames.Claimed) or last[0].last_resort:
                break
    assert not [reply for reply in last if isinstance(reply, frames.Claimed) and not reply.last_resort]
    await scene.ada.device.add_to_room(scene.pair, scene.cy.member)
    await scene.cy.sync()
    assert scene.pair in [room.room for room in scene.cy.device.rooms()]


async def test_a_swapped_bundle_gets_nothing_and_is_noticed(scene: Scene) -> None:
    """What Ada posts to Cy's inbox would be sealed to Bo."""
    ada = scene.ada
    bos = (await package_of(scene.ada, scene.bo, SUITE_XWING)).bundle

    class Swapped(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if isinstance(answer, frames.Bundles):
                return (frames.Bundles(answer.id, [bos] * len(answer.bundles)),)
            return (answer,)

    ada.twin.trick = Swapped()
    before = len(ada.twin.requests)
    await ada.device.create_room("Three", [scene.cy.member])

    assert not [request for request in ada.twin.requests[before:] if isinstance(request, frames.Post)]
    device = scene.cy.state.own.device.hex()[:8]
    assert ada.alarms("bundle") == [
        f"the server gave another device's bundle for device {device}; nothing is sent to that device; tell a steward"
    ]
    ada.twin.trick = Trick()
    await ada.sync()
    assert [request for request in ada.twin.requests[before:] if isinstance(request, frames.Post)], "it waited"
