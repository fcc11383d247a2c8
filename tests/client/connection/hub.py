"""A hub for one test: real TLS and WebSocket, real frames and signatures; what it answers is the test's script."""

import asyncio
import datetime
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import picows
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from coterie.client.connection import Connection, DeviceProof
from coterie.ids import CoterieId, PublicKey, Seed
from coterie.trust.keys import SigningKey, device_id
from coterie.trust.prove import Channel, Prover, sign_challenge, verify_proof
from coterie.wire.codec import decode_greeting_untrusted, decode_request_untrusted, encode_frame
from coterie.wire.frames import (
    Challenge,
    Frame,
    Greeting,
    Hello,
    Limits,
    Prove,
    ProveFounding,
    ProveInvite,
    Ready,
    Request,
)

COTERIE = CoterieId(b"c" * 32)
LIMITS = Limits(262_144, 204_800, 64, 1_048_576, 100_000, 10_000)


@dataclass
class Certificate:
    context: ssl.SSLContext
    spki: bytes

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        """Self-signed, of today, for no name in particular."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a hub")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = folder / f"{os.urandom(4).hex()}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(pem)
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(context, hashlib.sha256(spki).digest())


class Session(picows.WSListener):
    """One device's connection, as the hub sees it."""

    def __init__(self, hub: "Hub") -> None:
        self.hub = hub
        self.transport: picows.WSTransport | None = None
        self.channel: Channel | None = None
        self.proven: Greeting | None = None
        self.requests: list[Request] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        self.hub.sessions.append(self)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        if self.proven is not None:
            request = decode_request_untrusted(payload)
            self.requests.append(request)
            self.hub.on_request(self, request)
        else:
            greeting = decode_greeting_untrusted(payload)
            if not isinstance(greeting, Hello):
                self.proven = greeting
            self.hub.on_greeting(self, greeting)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.hub.gone.set()

    def say(self, *frames: Frame) -> None:
        for frame in frames:
            self.say_bytes(encode_frame(frame))

    def say_bytes(self, payload: bytes, kind: picows.WSMsgType = picows.WSMsgType.BINARY) -> None:
        assert self.transport is not None
        self.transport.send(kind, payload)

    def hang_up(self) -> None:
        assert self.transport is not None
        self.transport.disconnect(graceful=False)


@dataclass
class Hub:
    """`on_greeting` and `on_request` are the script; by default the handshake is done as it should be."""

    certificate: Certificate
    service: SigningKey
    on_greeting: Callable[[Session, Greeting], None] = field(
        default=lambda session, greeting: session.hub.greet(session, greeting)
    )
    on_request: Callable[[Session, Request], None] = field(default=lambda session, request: None)
    claims: PublicKey | None = None
    sees_certificate: bytes | None = None
    answer_to_proof: Frame = field(default_factory=lambda: Ready(LIMITS, [], None, 0, 1_700_000_000_000, b"p0"))
    device: SigningKey = field(default_factory=lambda: SigningKey(Seed(os.urandom(32))))
    sessions: list[Session] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    challenges: list[Challenge] = field(default_factory=list)
    address: str = ""
    counter: int = 0

    def greet(self, session: Session, greeting: Greeting) -> None:
        if isinstance(greeting, Hello):
            nonce = os.urandom(32)
            spki = self.sees_certificate or self.certificate.spki
            session.channel = Channel(greeting.nonce, nonce, spki, self.service.public, greeting.coterie)
            signature = sign_challenge(self.service, session.channel)
            self.challenges.append(Challenge(1, nonce, self.claims or self.service.public, signature))
            session.say(self.challenges[-1])
            return
        assert session.channel is not None
        prover = {Prove: Prover.DEVICE, ProveInvite: Prover.INVITE, ProveFounding: Prover.FOUNDING}[type(greeting)]
        verify_proof(self.device.public, prover, session.channel, greeting.signature)
        session.say(self.answer_to_proof)

    def next_counter(self) -> int:
        self.counter += 1
        return self.counter

    @property
    def who(self) -> DeviceProof:
        return DeviceProof(device_id(self.device.public), self.device, self.next_counter)

    async def connect(self, *more: str, within: float = 10.0) -> Connection:
        return await Connection.open([self.address, *more], self.service.public, COTERIE, self.who, within=within)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Hub"]:
        server = await picows.ws_create_server(lambda _: Session(self), "127.0.0.1", 0, ssl=self.certificate.context)
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        try:
            yield self
        finally:
            server.close()
            for session in self.sessions:
                session.hang_up()
