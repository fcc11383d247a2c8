"""Hello → Challenge → Prove → Ready: the hub proves the service key first, then the device proves its own
(docs/protocol/frames.md, "Handshake")."""

from collections.abc import Callable
from dataclasses import dataclass

from coterie.client.connection.errors import MalformedAnswer, StoreWasCopied, WrongServer, error_of
from coterie.client.connection.link import Answer, Link
from coterie.ids import CoterieId, DeviceId, InviteId, MemberId, PublicKey, QueueId
from coterie.trust.keys import ForgedSignature, SigningKey
from coterie.trust.prove import Channel, Prover, sign_proof, verify_challenge
from coterie.wire.codec import encode_frame
from coterie.wire.frames import (
    Challenge,
    Error,
    Greeting,
    Hello,
    Prove,
    ProveFounding,
    ProveIdentity,
    ProveInvite,
    ProveLink,
    Ready,
    StoreCopied,
)
from coterie.wire.limits import PROTOCOL_VERSION


@dataclass(frozen=True)
class DeviceProof:
    """A device in force. `next_counter` raises the store counter, fsyncs it and returns it; it is called once for every
    `Prove` that is sent, since a counter that a lost hub may have seen must not come again."""

    device: DeviceId
    key: SigningKey
    next_counter: Callable[[], int]


@dataclass(frozen=True)
class InviteProof:
    """A newcomer: register and packet operations only."""

    invite: InviteId
    key: SigningKey


@dataclass(frozen=True)
class LinkProof:
    """One of two devices that are being linked: their queue only."""

    queue: QueueId
    key: SigningKey


@dataclass(frozen=True)
class FoundingProof:
    """The founder-to-be; the coterie is NO_COTERIE."""

    key: SigningKey


@dataclass(frozen=True)
class IdentityProof:
    """A member without a device, by the key that their recovery phrase is."""

    member: MemberId
    key: SigningKey


Proof = DeviceProof | InviteProof | FoundingProof | IdentityProof | LinkProof


async def shake_hands(
    link: Link, address: str, service_key: PublicKey, coterie: CoterieId, who: Proof, position: bytes, nonce: bytes
) -> Ready:
    """`nonce` is 32 random bytes. Raises WrongServer, StoreWasCopied, ServerRefused, ServerUnavailable,
    MalformedAnswer, ConnectionLost. Nothing that identifies the device is sent before the hub's proof holds."""
    link.send(encode_frame(Hello([PROTOCOL_VERSION], coterie, nonce)))
    challenge = await link.next()
    if not isinstance(challenge, Challenge):
        raise _not_awaited(challenge)
    if challenge.service_key != service_key:
        raise WrongServer(address, service_key, challenge.service_key)
    if challenge.version != PROTOCOL_VERSION:
        raise MalformedAnswer("a version that was not offered")
    channel = Channel(nonce, challenge.nonce, link.certificate, service_key, coterie)
    try:
        verify_challenge(channel, challenge.signature)
    except ForgedSignature:
        raise WrongServer(address, service_key, None) from None
    link.send(encode_frame(_prove(who, channel, position)))
    answer = await link.next()
    if isinstance(answer, StoreCopied):
        raise StoreWasCopied(answer.highest)
    if not isinstance(answer, Ready):
        raise _not_awaited(answer)
    return answer


def _prove(who: Proof, channel: Channel, position: bytes) -> Greeting:
    match who:
        case DeviceProof(device, key, next_counter):
            return Prove(device, sign_proof(key, Prover.DEVICE, channel), next_counter(), position)
        case InviteProof(invite, key):
            return ProveInvite(invite, sign_proof(key, Prover.INVITE, channel))
        case FoundingProof(key):
            return ProveFounding(sign_proof(key, Prover.FOUNDING, channel))
        case IdentityProof(member, key):
            return ProveIdentity(member, sign_proof(key, Prover.IDENTITY, channel))
        case LinkProof(queue, key):
            return ProveLink(queue, key.public, sign_proof(key, Prover.LINK, channel))


def _not_awaited(answer: Answer) -> Exception:
    if isinstance(answer, Error):
        return error_of(answer)
    return MalformedAnswer(f"{type(answer).__name__} in the handshake")
