"""A device for tests that speaks frames directly, and a coterie of such devices: keys and register entries, no MLS."""

import asyncio
import hashlib
import itertools
import os
import ssl
import time
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from coterie.ids import NO_COTERIE, CoterieId, CoterieKey, DeviceId, InviteId, PublicKey, QueueId, Seed
from coterie.trust import author
from coterie.trust.apply import apply
from coterie.trust.author import NewMemberKeys
from coterie.trust.entry import entry_hash
from coterie.trust.invite import FoundLink, parse_link_untrusted
from coterie.trust.keys import SigningKey, device_id
from coterie.trust.prove import Channel, Prover, sign_proof, verify_challenge
from coterie.trust.register import Register
from coterie.wire import frames
from coterie.wire.codec import decode_answer_untrusted, encode_frame
from coterie.wire.queues import QueuePurpose, QueueTerms, queue_id, token_hash

SECONDS: Final = 15.0
DAY_MS: Final = 86_400_000
F = TypeVar("F", bound=frames.Frame)


class Closed(Exception):
    """The hub closed the connection; `said` is what it said last."""

    def __init__(self, said: frames.Frame | None) -> None:
        super().__init__(said.code if isinstance(said, frames.Error) else repr(said))
        self.said = said


class _Listener(WSListener):
    def __init__(self) -> None:
        self.arrived: asyncio.Queue[frames.Frame | None] = asyncio.Queue()
        self.hashes = b""
        self.reading = True

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        tls = transport.underlying_transport.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
        self.spki = hashlib.sha256(
            certificate.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).digest()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self.arrived.put_nowait(decode_answer_untrusted(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.arrived.put_nowait(None)


class Wire:
    """One connection. Replies and pushes are told apart by `id`."""

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener
        self._ids = itertools.count(1)
        self._replies: dict[int, frames.Frame] = {}
        self._pushed: list[frames.Frame] = []
        self.last: frames.Frame | None = None

    @classmethod
    async def open(cls, url: str) -> "Wire":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        _, listener = await ws_connect(_Listener, url, ssl_context=context)
        assert isinstance(listener, _Listener)
        return cls(listener)

    @property
    def spki(self) -> bytes:
        return self._listener.spki

    def number(self) -> int:
        return next(self._ids)

    def send(self, frame: frames.Frame) -> None:
        self.send_bytes(encode_frame(frame))

    def send_bytes(self, content: bytes) -> None:
        self._listener.transport.send(WSMsgType.BINARY, content)

    def stop_reading(self) -> None:
        self._listener.transport.underlying_transport.pause_reading()

    def read_again(self) -> None:
        self._listener.transport.underlying_transport.resume_reading()

    async def next(self) -> frames.Frame:
        """The next frame of any kind. Raises Closed."""
        frame = await asyncio.wait_for(self._listener.arrived.get(), SECONDS)
        if frame is None:
            self._listener.arrived.put_nowait(None)
            raise Closed(self.last)
        self.last = frame
        return frame

    async def answer(self, request: int) -> frames.Frame:
        """The reply to one request; pushes that come before it wait in `pushed`."""
        while request not in self._replies:
            frame = await self.next()
            number = getattr(frame, "id", None)
            if number is None:
                self._pushed.append(frame)
            else:
                self._replies[number] = frame
        return self._replies.pop(request)

    async def ask(self, request: frames.Request, kind: type[F]) -> F:
        """Send, and wait for a reply of this kind."""
        self.send(request)
        reply = await self.answer(request.id)
        assert isinstance(reply, kind), f"{reply!r}: {getattr(reply, 'code', '')}"
        return reply

    async def push(self, kind: type[F]) -> F:
        """The next push, which must be of this kind. Register pushes are skipped unless asked for."""
        while True:
            frame = self._pushed.pop(0) if self._pushed else await self.next()
            if isinstance(frame, kind):
                return frame
            assert isinstance(frame, frames.RegisterPushed), repr(frame)

    async def until_closed(self) -> frames.Frame | None:
        """Read to the end; the last frame."""
        try:
            while True:
                await self.next()
        except Closed as closed:
            return closed.said

    async def close(self) -> None:
        self._listener.transport.disconnect()
        await self._listener.transport.wait_disconnected()

    def abort(self) -> None:
        self._listener.transport.disconnect(False)

    async def challenged(self, coterie: CoterieId, service_key: PublicKey) -> Channel:
        nonce = os.urandom(32)
        self.send(frames.Hello([1], coterie, nonce))
        challenge = await self.next()
        if not isinstance(challenge, frames.Challenge):
            raise Closed(challenge)
        channel = Channel(nonce, challenge.nonce, self.spki, service_key, coterie)
        verify_challenge(channel, challenge.signature)
        return channel

    async def ready(self) -> frames.Ready:
        """Raises Closed with what the hub said instead."""
        said = await self.next()
        if not isinstance(said, frames.Ready):
            raise Closed(said)
        return said


def member_keys() -> NewMemberKeys:
    return NewMemberKeys(*(SigningKey(Seed(os.urandom(32))) for _ in range(3)))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Device:
    """Someone's only device, and its store counter."""

    keys: NewMemberKeys
    coterie: CoterieId
    service_key: PublicKey
    counter: int = 0
    position: bytes = b""

    @property
    def id(self) -> DeviceId:
        return device_id(self.keys.device.public)

    async def connect(self, url: str, counter: int | None = None) -> Wire:
        """Proven and open. Raises Closed."""
        self.counter = self.counter + 1 if counter is None else counter
        wire = await Wire.open(url)
        channel = await wire.challenged(self.coterie, self.service_key)
        proof = sign_proof(self.keys.device, Prover.DEVICE, channel)
        wire.send(frames.Prove(self.id, proof, self.counter, self.position))
        self.position = (await wire.ready()).position
        return wire


class Band:
    """A founded coterie as its founder sees it."""

    def __init__(self, url: str, founder: Device, register: Register, key: CoterieKey) -> None:
        self.url = url
        self.founder = founder
        self.register = register
        self.key = key

    @classmethod
    async def found(cls, url: str, link: str | None) -> "Band":
        assert link is not None
        found = parse_link_untrusted(link)
        assert isinstance(found, FoundLink)
        founding = SigningKey(found.seed)
        wire = await Wire.open(url)
        channel = await wire.challenged(NO_COTERIE, found.service_key)
        wire.send(frames.ProveFounding(sign_proof(founding, Prover.FOUNDING, channel)))
        await wire.ready()
        keys, key = member_keys(), CoterieKey(os.urandom(32))
        entry = author.found(
            founding,
            found.service_key,
            keys,
            coterie_key=key,
            coterie_name="Harbour",
            name="Ada",
            now_ms=now_ms(),
            nonce=os.urandom(12),
        )
        await wire.ask(frames.RegisterAppend(wire.number(), entry), frames.Appended)
        await wire.close()
        register = apply(None, entry)
        return cls(url, Device(keys, register.coterie, found.service_key), register, key)

    async def append(self, wire: Wire, entry: bytes) -> frames.Appended:
        appended = await wire.ask(frames.RegisterAppend(wire.number(), entry), frames.Appended)
        self.register = apply(self.register, entry)
        return appended

    async def invite(self, wire: Wire, seed: Seed) -> InviteId:
        entry = author.issue_invite(
            self.register,
            self.founder.keys.device,
            SigningKey(seed),
            expires_at=now_ms() + DAY_MS,
            coterie_key=self.key,
            now_ms=now_ms(),
            nonce=os.urandom(12),
        )
        await self.append(wire, entry)
        return InviteId(entry_hash(entry))

    async def newcomer(self, invite: InviteId, seed: Seed) -> Wire:
        wire = await Wire.open(self.url)
        channel = await wire.challenged(self.register.coterie, self.founder.service_key)
        wire.send(frames.ProveInvite(invite, sign_proof(SigningKey(seed), Prover.INVITE, channel)))
        await wire.ready()
        return wire

    async def join(self, wire: Wire) -> Device:
        """Someone new, invited over the founder's `wire`."""
        seed, keys = Seed(os.urandom(32)), member_keys()
        invite = await self.invite(wire, seed)
        newcomer = await self.newcomer(invite, seed)
        await self.append(newcomer, author.join(self.register, invite, SigningKey(seed), keys, now_ms=now_ms()))
        await newcomer.close()
        return Device(keys, self.register.coterie, self.founder.service_key)


@dataclass
class Room:
    """A queue, with the tokens of its present epoch."""

    queue: QueueId
    post_token: bytes
    read_token: bytes
    epoch: int = 0
    closing: bytes = b""

    @classmethod
    async def opened(cls, wire: Wire, purpose: QueuePurpose = QueuePurpose.ROOM) -> "Room":
        post, read = os.urandom(32), os.urandom(32)
        closing = b"" if purpose is QueuePurpose.ROOM else os.urandom(32)
        terms = QueueTerms(
            purpose, token_hash(post), token_hash(read), token_hash(closing) if closing else b"", os.urandom(16)
        )
        queue = queue_id(terms)
        await wire.ask(frames.OpenQueue(wire.number(), queue, terms, 0, 86_400), frames.Opened)
        return cls(queue, post, read, 0, closing)

    def post(self, wire: Wire, payload: bytes, key: bytes | None = None) -> frames.Post:
        return frames.Post(wire.number(), self.queue, self.post_token, self.epoch, key or os.urandom(16), payload)

    def advance(self, wire: Wire, payload: bytes, deliveries: list[frames.Delivery] | None = None) -> frames.Advance:
        """The commit; `self` then holds the next epoch's tokens."""
        post, read = os.urandom(32), os.urandom(32)
        request = frames.Advance(
            wire.number(),
            self.queue,
            self.closing or self.post_token,
            self.epoch,
            os.urandom(16),
            payload,
            token_hash(post),
            token_hash(read),
            [],
            deliveries or [],
        )
        self.post_token, self.read_token, self.epoch = post, read, self.epoch + 1
        return request

    def read(self, wire: Wire, after: int = 0, token: bytes | None = None, limit: int = 1000) -> frames.Read:
        return frames.Read(wire.number(), self.queue, token or self.read_token, after, limit)

    def follow(self, wire: Wire, after: int = 0, token: bytes | None = None) -> frames.Follow:
        return frames.Follow(wire.number(), self.queue, token or self.read_token, after)
