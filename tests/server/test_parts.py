"""The server's small machines, each alone: intake, rates, handshake, sealed position, folder, certificate, stream."""

import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from coterie.ids import NO_COTERIE, CoterieId, DeviceId, InviteId, QueueId, Seed
from coterie.server.certificate import BadCertificate, given_certificate, own_certificate, tls_context
from coterie.server.engine import Engine, EngineMissing, engine_binary
from coterie.server.folder import DataFolder, FolderDamaged, FolderInUse
from coterie.server.handshake import (
    Handshake,
    HandshakeFacts,
    HandshakeRefused,
    ProvenDevice,
    ProvenFounder,
    ProvenNewcomer,
    Step,
)
from coterie.server.intake import LANE_OPERATIONS, Intake, Lane
from coterie.server.keys import load_keys
from coterie.server.log import Log, LogMisconfigured
from coterie.server.position import PositionSeal
from coterie.server.rates import RATES, Costly, Rates
from coterie.server.requests import ENTRANCES
from coterie.server.rules.record import RECORD_BYTES, Post
from coterie.server.websocket import wrapped
from coterie.trust.keys import SigningKey
from coterie.trust.prove import Channel, Prover, sign_proof
from coterie.wire.frames import (
    Challenge,
    GetPacket,
    Greeting,
    Hello,
    PacketDone,
    Prove,
    ProveFounding,
    ProveInvite,
    RegisterAppend,
    RegisterRead,
    Request,
)

KEY = SigningKey(Seed(bytes(range(32))))


def post(size: int) -> Post:
    return Post(QueueId(bytes(32)), 0, bytes(16), bytes(size))


class Sockets:
    """Which lanes are not read from."""

    def __init__(self) -> None:
        self.paused: set[str] = set()

    def lane(self, name: str) -> Lane:
        return Lane(lambda: self.paused.add(name), lambda: self.paused.discard(name))


def test_record_is_filled_by_turns_so_a_flooder_delays_nobody() -> None:
    intake, sockets = Intake(lambda: None), Sockets()
    flooder, modest = sockets.lane("flooder"), sockets.lane("modest")
    for number in range(600):
        intake.submit(flooder, post(1_000), lambda _, __: None, number)
    intake.submit(modest, post(1_000), lambda _, __: None, 1)
    taken = intake.take()
    assert [waiting[0] for waiting in taken[:3]] == [flooder, modest, flooder]
    assert sum(waiting[1] for waiting in taken) <= RECORD_BYTES
    assert [waiting[3] for waiting in taken if waiting[0] is flooder] == list(range(len(taken) - 1))


def test_operation_larger_than_a_record_goes_alone() -> None:
    intake, lane = Intake(lambda: None), Sockets().lane("one")
    for size in (10, 200_000, 200_000, 10):
        intake.submit(lane, post(size), lambda _, __: None, 0)
    assert [len(intake.take()) for _ in range(3)] == [2, 2, 0]


def test_full_lane_is_not_read_from_until_half_is_answered() -> None:
    intake, sockets = Intake(lambda: None), Sockets()
    lane = sockets.lane("full")
    for number in range(LANE_OPERATIONS):
        assert not sockets.paused
        intake.submit(lane, post(10), lambda _, __: None, number)
    assert sockets.paused == {"full"}
    for answered, waiting in enumerate(intake.take(), 1):
        intake.end(lane, waiting[1])
        assert bool(sockets.paused) == (answered < LANE_OPERATIONS // 2)


def test_full_hub_stops_every_lane_that_adds_to_it_and_lets_go_when_it_is_half_empty() -> None:
    intake, sockets = Intake(lambda: None), Sockets()
    for number in range(400):
        intake.submit(sockets.lane(f"{number}"), post(190_000), lambda _, __: None, 0)
    assert intake.waiting_bytes > 64 * 1024 * 1024
    assert sockets.paused
    while taken := intake.take():
        for waiting in taken:
            intake.end(waiting[0], waiting[1])
    assert (intake.waiting_bytes, sockets.paused) == (0, set())


def test_lane_of_a_lost_connection_leaves_nothing_behind() -> None:
    intake, lane = Intake(lambda: None), Sockets().lane("gone")
    intake.submit(lane, post(10), lambda _, __: None, 0)
    intake.forget(lane)
    assert (intake.take(), intake.waiting_bytes, intake.has_waiting()) == ([], 0, False)


def test_rate_gives_its_burst_then_says_when_more_is_there() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    burst = int(RATES[Costly.PACKET].burst)
    assert [rates.wait(b"ada", Costly.PACKET) for _ in range(burst)] == [0.0] * burst
    assert rates.wait(b"ada", Costly.PACKET) == pytest.approx(0.5)
    assert rates.wait(b"bo", Costly.PACKET) == 0
    now[0] = 0.5
    assert rates.wait(b"ada", Costly.PACKET) == 0
    assert rates.wait(b"ada", Costly.PACKET) > 0


def handshake(random: Callable[[int], bytes] = os.urandom) -> Handshake:
    return Handshake(HandshakeFacts(KEY, bytes(32), lambda: KEY.public, lambda: None, lambda _: None, random))


GREETINGS: list[Greeting] = [
    Hello([1], NO_COTERIE, bytes(32)),
    Prove(DeviceId(bytes(16)), bytes(64), 1),
    ProveInvite(InviteId(bytes(32)), bytes(64)),
    ProveFounding(bytes(64)),
]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(GREETINGS, GREETINGS)))
def test_only_hello_and_then_a_proof_that_holds_is_taken(first: Greeting, second: Greeting) -> None:
    steps = handshake()
    if not isinstance(first, Hello):
        with pytest.raises(HandshakeRefused):
            steps.take(first)
    else:
        assert isinstance(steps.take(first), Challenge)
    with pytest.raises(HandshakeRefused):
        steps.take(second)
    assert steps.step is Step.REFUSED
    for again in GREETINGS:
        with pytest.raises(HandshakeRefused):
            steps.take(again)


def test_founding_key_opens_an_unfounded_server_and_its_proof_is_for_one_channel_only() -> None:
    steps, other = handshake(), handshake()
    hello = Hello([3, 1], NO_COTERIE, b"n" * 32)
    challenge = steps.take(hello)
    assert isinstance(challenge, Challenge)
    channel = Channel(b"n" * 32, challenge.nonce, bytes(32), KEY.public, NO_COTERIE)
    proof = ProveFounding(sign_proof(KEY, Prover.FOUNDING, channel))
    other.take(hello)
    with pytest.raises(HandshakeRefused, match="does not prove"):
        other.take(proof)
    assert isinstance(steps.take(proof), ProvenFounder)


def test_device_may_ask_everything_a_newcomer_what_joining_needs_a_founder_less() -> None:
    device, newcomer, founder = (set(ENTRANCES[kind]) for kind in (ProvenDevice, ProvenNewcomer, ProvenFounder))
    assert device == set(get_args(Request))
    assert newcomer == {RegisterRead, RegisterAppend, GetPacket, PacketDone}
    assert founder == {RegisterRead, RegisterAppend}


def test_coterie_that_is_not_here_is_refused() -> None:
    with pytest.raises(HandshakeRefused, match="no coterie is founded"):
        handshake().take(Hello([1], CoterieId(b"c" * 32), bytes(32)))


def test_sealed_position_opens_at_every_hub_with_the_key_and_is_nothing_elsewhere() -> None:
    seed, log = Seed(os.urandom(32)), os.urandom(16)
    sealed = PositionSeal(seed).seal(log, 41)
    assert PositionSeal(seed).open_untrusted(log, sealed) == 41
    assert PositionSeal(seed).open_untrusted(os.urandom(16), sealed) == 0
    assert PositionSeal(Seed(os.urandom(32))).open_untrusted(log, sealed) == 0
    for garbage in (b"", b"x", sealed[:-1], bytes(64)):
        assert PositionSeal(seed).open_untrusted(log, garbage) == 0


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_message_is_framed_as_rfc_6455_says(size: int) -> None:
    content = os.urandom(size)
    head = {True: b"\x82" + bytes([min(size, 125)])}.get(size < 126, b"")
    head = head or (b"\x82\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x82\x7f" + size.to_bytes(8, "big"))
    assert wrapped(content) == head + content


def test_folder_is_held_by_one_and_its_keys_stay(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    keys = load_keys(folder)
    with pytest.raises(FolderInUse):
        DataFolder(tmp_path / "data")
    folder.close()
    again = DataFolder(tmp_path / "data")
    same = load_keys(again)
    assert (same.service.public, same.hub, same.log) == (keys.service.public, keys.hub, keys.log)
    assert same.incarnation != keys.incarnation
    assert str(bytes(keys.service_seed)) not in repr(keys)
    (tmp_path / "data" / "service.key").write_text("not a key\n")
    with pytest.raises(FolderDamaged, match=r"service\.key is damaged"):
        load_keys(again)
    again.close()


def test_given_certificate_must_be_one_and_fit_its_key(tmp_path: Path) -> None:
    own = own_certificate(tmp_path, datetime.now(UTC))
    assert own_certificate(tmp_path, datetime.now(UTC)).spki_hash == own.spki_hash
    tls_context(own)
    (tmp_path / "other").mkdir()
    other = own_certificate(tmp_path / "other", datetime.now(UTC))
    with pytest.raises(BadCertificate, match="does not fit"):
        tls_context(given_certificate(own.certificate, other.key))
    with pytest.raises(BadCertificate, match="holds no certificate"):
        given_certificate(own.key, own.key)


def test_engine_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="is not there or cannot be run"):
        engine_binary(tmp_path / "nats-server")


async def test_stream_with_other_settings_is_refused_and_left_alone(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine", engine_binary())
    await engine.start()
    lax, log = Log(engine.address), Log(engine.address)
    try:
        await lax._ask("STREAM.CREATE.COTERIE", lax._configuration() | {"discard": "old", "max_msgs": 5})
        with pytest.raises(LogMisconfigured, match="discard, max_msgs"):
            await log.open()
    finally:
        await lax.close()
        await log.close()
        await engine.stop()
