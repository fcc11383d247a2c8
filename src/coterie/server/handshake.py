"""The handshake as a table of steps (docs/protocol/frames.md, "Handshake"). Sans I/O: greetings in, answers out.

What a connection may do follows from the key it proved: a device's, an invite's, a link queue's, or the founding key.
Whether a device is a copy, the log decides afterwards (the `Session` operation).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from coterie.ids import NO_COTERIE, DeviceId, InviteId, MemberId, PublicKey, QueueId
from coterie.server.rules.rows import QueueRow
from coterie.trust.keys import ForgedSignature, MalformedKey, SigningKey, public_key_untrusted
from coterie.trust.prove import Channel, Prover, sign_challenge, verify_proof
from coterie.trust.reasons import RegisterError
from coterie.trust.register import Register
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import Challenge, Greeting, Hello, Prove, ProveFounding, ProveIdentity, ProveInvite, ProveLink
from coterie.wire.limits import PROTOCOL_VERSION
from coterie.wire.queues import QueuePurpose, token_hash

NONCE_BYTES: Final = 32


class Step(Enum):
    GREETING = auto()
    CHALLENGED = auto()
    PROVEN = auto()
    REFUSED = auto()


class HandshakeRefused(Exception):
    """The connection is told `code` and closed."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class ProvenDevice:
    device: DeviceId
    counter: int
    position: bytes


@dataclass(frozen=True, slots=True)
class ProvenNewcomer:
    invite: InviteId


@dataclass(frozen=True, slots=True)
class ProvenFounder:
    pass


@dataclass(frozen=True, slots=True)
class ProvenLinker:
    """Nobody yet: a device that is about to be linked, let in to one link queue."""

    queue: QueueId


@dataclass(frozen=True, slots=True)
class ProvenMember:
    """By the identity key: a member who begins again with a new device."""

    member: MemberId


Proven = ProvenDevice | ProvenNewcomer | ProvenFounder | ProvenMember | ProvenLinker


@dataclass(frozen=True, slots=True)
class HandshakeFacts:
    """What a hub knows. `register`, `founding_key` and `queue` are asked for at each step: they change."""

    service: SigningKey
    certificate: bytes
    founding_key: Callable[[], PublicKey]
    register: Callable[[], Register | None]
    queue: Callable[[QueueId], QueueRow | None]
    random: Callable[[int], bytes]


class Handshake:
    """`take` each greeting as it comes, until it returns who was proven."""

    __slots__ = ("_channel", "_facts", "step")

    def __init__(self, facts: HandshakeFacts) -> None:
        self._facts = facts
        self._channel: Channel | None = None
        self.step = Step.GREETING

    def take(self, greeting: Greeting) -> Challenge | Proven:
        """Raises HandshakeRefused; nothing may be taken after that."""
        step = self.step
        self.step = Step.REFUSED
        if step is Step.GREETING and isinstance(greeting, Hello):
            challenge = self._challenge(greeting)
            self.step = Step.CHALLENGED
            return challenge
        if step is Step.CHALLENGED and not isinstance(greeting, Hello):
            assert self._channel is not None
            proven = self._proven(greeting, self._channel)
            self.step = Step.PROVEN
            return proven
        raise HandshakeRefused(ErrorCode.MALFORMED, f"{type(greeting).__name__} at the wrong moment")

    def _challenge(self, hello: Hello) -> Challenge:
        if PROTOCOL_VERSION not in hello.versions:
            raise HandshakeRefused(ErrorCode.VERSION, f"this server speaks version {PROTOCOL_VERSION}")
        register = self._facts.register()
        if hello.coterie == NO_COTERIE:
            if register is not None:
                raise HandshakeRefused(ErrorCode.ALREADY_FOUNDED, "this coterie is founded already")
        elif register is None:
            raise HandshakeRefused(ErrorCode.NOT_FOUNDED, "no coterie is founded here yet")
        elif hello.coterie != register.coterie:
            raise HandshakeRefused(ErrorCode.WRONG_COTERIE, "this server serves another coterie")
        self._channel = Channel(
            client_nonce=hello.nonce,
            server_nonce=self._facts.random(NONCE_BYTES),
            certificate=self._facts.certificate,
            service_key=self._facts.service.public,
            coterie=hello.coterie,
        )
        return Challenge(
            version=PROTOCOL_VERSION,
            nonce=self._channel.server_nonce,
            service_key=self._facts.service.public,
            signature=sign_challenge(self._facts.service, self._channel),
        )

    def _proven(
        self, proof: Prove | ProveInvite | ProveFounding | ProveIdentity | ProveLink, channel: Channel
    ) -> Proven:
        register = self._facts.register()
        if isinstance(proof, ProveFounding):
            if register is not None:
                raise HandshakeRefused(ErrorCode.ALREADY_FOUNDED, "this coterie is founded already")
            _check(self._facts.founding_key(), Prover.FOUNDING, channel, proof.signature)
            return ProvenFounder()
        if register is None or channel.coterie != register.coterie:
            raise HandshakeRefused(ErrorCode.NOT_FOUNDED, "no coterie is founded here yet")
        if isinstance(proof, ProveInvite):
            try:
                invite = register.open_invite(proof.invite)
            except RegisterError as error:
                raise HandshakeRefused(ErrorCode.NOT_IN_FORCE, error.fact) from None
            _check(invite.key, Prover.INVITE, channel, proof.signature)
            return ProvenNewcomer(invite.id)
        if isinstance(proof, ProveLink):
            row = self._facts.queue(proof.queue)
            if row is None or row.purpose is not QueuePurpose.LINK or row.close != token_hash(proof.key):
                raise HandshakeRefused(ErrorCode.NOT_IN_FORCE, "this code for linking a device is used up, or expired")
            _check(proof.key, Prover.LINK, channel, proof.signature)
            return ProvenLinker(proof.queue)
        if isinstance(proof, ProveIdentity):
            member = register.members.get(proof.member)
            if member is None or member.removed is not None:
                raise HandshakeRefused(ErrorCode.NOT_IN_FORCE, "this member is not in the register, or was removed")
            _check(member.identity, Prover.IDENTITY, channel, proof.signature)
            return ProvenMember(member.id)
        if not register.device_in_force(proof.device):
            raise HandshakeRefused(ErrorCode.NOT_IN_FORCE, "this device is not in the register, or was removed")
        _check(register.device(proof.device).key, Prover.DEVICE, channel, proof.signature)
        return ProvenDevice(proof.device, proof.counter, proof.position)


def _check(key: bytes, prover: Prover, channel: Channel, signature: bytes) -> None:
    """Raises HandshakeRefused."""
    try:
        verify_proof(public_key_untrusted(key), prover, channel, signature)
    except (ForgedSignature, MalformedKey):
        raise HandshakeRefused(ErrorCode.BAD_PROOF, "the signature does not prove the key") from None
