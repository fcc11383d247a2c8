"""Who stands between device and server, or plays one connection on another: every signature is worth something on its
own connection, for its own purpose, only."""

import datetime
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from coterie.client.connection import ProofRefused, WrongServer
from coterie.ids import PublicKey
from coterie.server.certificate import own_certificate
from coterie.trust.keys import ForgedSignature, Purpose, verify
from coterie.trust.prove import Channel, sign_challenge
from coterie.wire import frames
from coterie.wire.frames import Frame
from tests.client.connection.hub import Certificate
from tests.hostile.scene import Person, Scene
from tests.hostile.test_frames import all_is_well
from tests.hostile.twin import Answer, Trick, Twin, Wire
from tests.server import device as server_device


async def stand_between(scene: Scene, person: Person, folder: Path) -> tuple[Twin, Certificate]:
    """A twin under a certificate of its own, in the place of the person's server."""
    certificate = Certificate.make(folder)
    twin = await scene.stack.enter_async_context(Twin(scene.data, scene.hub, context=certificate.context).standing())
    person.go_to(twin)
    return twin, certificate


def hello_of(twin: Twin) -> frames.Hello:
    return [greeting for greeting in twin.greetings if isinstance(greeting, frames.Hello)][-1]


async def test_a_relay_under_another_certificate_learns_not_even_which_device_it_is(
    scene: Scene, tmp_path: Path
) -> None:
    twin, _ = await stand_between(scene, scene.bo, tmp_path)
    with pytest.raises(WrongServer) as refused:
        await scene.bo.sync()
    assert refused.value.fact.startswith(
        f"{twin.address} is not this coterie's server: it cannot prove its key; the coterie's is "
    )
    assert refused.value.hint == (
        "somebody may stand in between, or the server was set up anew; ask a steward by another way"
    )
    assert [type(greeting) for greeting in twin.greetings] == [frames.Hello]


class SignedAnew(Trick):
    """The relay holds the service key too: it signs a Challenge of its own, with the nonce that it likes."""

    def __init__(self, twin: Twin, certificate: bytes, person: Person, nonce: bytes | None = None) -> None:
        self.twin, self.certificate, self.person, self.nonce = twin, certificate, person, nonce
        self.channel: Channel | None = None

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if not isinstance(answer, frames.Challenge):
            return (answer,)
        own = self.person.state.own
        nonce = self.nonce or answer.nonce
        self.channel = Channel(hello_of(self.twin).nonce, nonce, self.certificate, own.service_key, own.coterie)
        signature = sign_challenge(self.twin.service, self.channel)
        return (frames.Challenge(1, nonce, own.service_key, signature),)


async def test_a_proof_relayed_to_a_second_server_is_refused_there(scene: Scene, tmp_path: Path) -> None:
    twin, certificate = await stand_between(scene, scene.bo, tmp_path)
    twin.trick = SignedAnew(twin, certificate.spki, scene.bo)
    with pytest.raises(ProofRefused) as refused:
        await scene.bo.sync()
    assert refused.value.fact == "the server refused: the signature does not prove the key"


async def test_a_proof_is_no_entry_even_if_the_nonce_was_the_bytes_of_one(scene: Scene) -> None:
    bo = scene.bo
    nonce = bytes(bo.state.register.entry_at(1).encoded[:32])
    spki = own_certificate(scene.data, datetime.datetime.now(datetime.UTC)).spki_hash
    bo.twin.trick = trick = SignedAnew(bo.twin, spki, bo, nonce)
    with pytest.raises(ProofRefused):
        await bo.sync()

    proof = bo.twin.greetings[-1]
    assert isinstance(proof, frames.Prove) and trick.channel is not None and nonce in trick.channel.body
    device = PublicKey(bo.state.own.key.public)
    verify(device, Purpose.PROVE_DEVICE, bo.state.own.coterie, trick.channel.body, proof.signature)
    for purpose in set(Purpose) - {Purpose.PROVE_DEVICE}:
        for body in (trick.channel.body, nonce, bo.state.register.entry_at(1).encoded):
            with pytest.raises(ForgedSignature):
                verify(device, purpose, bo.state.own.coterie, body, proof.signature)


async def test_a_challenge_of_another_connection_proves_nothing(scene: Scene) -> None:
    class Replayed(Trick):
        first: frames.Challenge | None = None

        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if isinstance(answer, frames.Challenge):
                self.first = self.first or answer
                return (self.first,)
            return (answer,)

    scene.bo.twin.trick = Replayed()
    await scene.bo.sync()
    proofs = len(scene.bo.twin.greetings)
    with pytest.raises(WrongServer):
        await scene.bo.sync()
    assert len(scene.bo.twin.greetings) == proofs + 1, "only Hello was said"
    await all_is_well(scene)


async def test_a_proof_of_another_connection_lets_nobody_in(scene: Scene) -> None:
    """The twin plays Bo's proof of yesterday."""
    await scene.bo.sync()
    proof = next(greeting for greeting in scene.bo.twin.greetings if isinstance(greeting, frames.Prove))

    thief = await server_device.Wire.open(f"wss://{scene.hub}")
    await thief.challenged(scene.bo.state.own.coterie, scene.bo.state.own.service_key)
    thief.send(msgspec.structs.replace(proof, counter=proof.counter + 1))
    refused = await thief.until_closed()
    assert isinstance(refused, frames.Error) and refused.code == "bad_proof"
