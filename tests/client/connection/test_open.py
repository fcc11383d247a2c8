"""Opening a connection: to the right hub, to wrong ones, and to none."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import picows
import pytest

from coterie.client.connection import (
    Connection,
    FoundingProof,
    InviteProof,
    MalformedAnswer,
    NotInForce,
    ServerRefused,
    ServerUnavailable,
    ServerUnreachable,
    StoreWasCopied,
    WrongServer,
)
from coterie.client.connection.link import dial
from coterie.ids import NO_COTERIE, InviteId, Seed
from coterie.trust.keys import SigningKey
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import (
    Done,
    Error,
    Greeting,
    Position,
    Prove,
    ProveFounding,
    ProveInvite,
    StoreCopied,
)
from tests.client.connection.hub import COTERIE, Certificate, Hub, Session


def nobody() -> str:
    """An address where no one listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """Takes the connection and says nothing."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    yield "{}:{}".format(*server.sockets[0].getsockname()[:2])
    server.close()
    for writer in held:
        writer.close()


async def test_device_proves_itself_and_is_ready(hub: Hub) -> None:
    connection = await hub.connect()
    assert connection.ready.position == connection.position == b"p0"
    assert connection.address == hub.address
    proven = hub.sessions[0].proven
    assert isinstance(proven, Prove)
    assert proven.counter == 1
    assert proven.position == b""
    await connection.close()


async def test_position_of_last_time_is_handed_back(hub: Hub) -> None:
    connection = await Connection.open([hub.address], hub.service.public, COTERIE, hub.who, position=b"seen")
    proven = hub.sessions[0].proven
    assert isinstance(proven, Prove)
    assert proven.position == b"seen"
    await connection.close()


async def test_newcomer_and_founder_prove_their_own_keys(hub: Hub) -> None:
    invite = InviteProof(InviteId(b"i" * 32), hub.device)
    await (await Connection.open([hub.address], hub.service.public, COTERIE, invite)).close()
    founding = FoundingProof(hub.device)
    await (await Connection.open([hub.address], hub.service.public, NO_COTERIE, founding)).close()
    assert [type(session.proven) for session in hub.sessions] == [ProveInvite, ProveFounding]
    assert hub.counter == 0


async def test_first_address_that_answers_is_taken(hub: Hub) -> None:
    async with silent() as mute:
        connection = await Connection.open(
            [nobody(), "no such host.invalid:1", "@:/", mute, hub.address],
            hub.service.public,
            COTERIE,
            hub.who,
            within=0.5,
        )
    assert connection.address == hub.address
    assert hub.counter == 1
    await connection.close()


async def test_nobody_to_reach_is_offline(hub: Hub) -> None:
    with pytest.raises(ServerUnreachable, match=r"not to be reached: 127.0.0.1"):
        await Connection.open([nobody(), nobody()], hub.service.public, COTERIE, hub.who)
    with pytest.raises(ServerUnreachable, match="no address is known"):
        await Connection.open([], hub.service.public, COTERIE, hub.who)
    async with silent() as mute:
        with pytest.raises(ServerUnreachable, match="did not answer within"):
            await Connection.open([mute], hub.service.public, COTERIE, hub.who, within=0.2)


async def test_server_that_is_gone_before_the_websocket_stands_is_offline(tmp_path: Path) -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", ssl=Certificate.make(tmp_path).context) as server:
        with pytest.raises(ServerUnreachable):
            await dial(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_server_with_another_service_key_learns_nothing(hub: Hub, other_hub: Hub) -> None:
    with pytest.raises(WrongServer, match="is not this coterie's server: it has the key") as refused:
        await Connection.open([other_hub.address], hub.service.public, COTERIE, hub.who)
    assert "ask a steward" in refused.value.hint
    assert other_hub.sessions[0].proven is None
    assert hub.counter == 0


async def test_server_that_shows_our_key_but_cannot_sign_with_it(hub: Hub, other_hub: Hub) -> None:
    other_hub.claims = hub.service.public
    with pytest.raises(WrongServer, match="cannot prove its key"):
        await Connection.open([other_hub.address], hub.service.public, COTERIE, hub.who)
    assert other_hub.sessions[0].proven is None


async def test_relay_under_a_certificate_of_its_own_is_found_out(hub: Hub, other_hub: Hub) -> None:
    """The man in the middle passes the true hub's challenge on; it was signed over the true hub's certificate."""
    hub.sees_certificate = other_hub.certificate.spki
    with pytest.raises(WrongServer, match="cannot prove its key"):
        await hub.connect()
    assert hub.sessions[0].proven is None


async def test_replayed_challenge_does_not_hold(hub: Hub) -> None:
    await (await hub.connect()).close()
    hub.on_greeting = lambda session, _: session.say(hub.challenges[0])
    with pytest.raises(WrongServer, match="cannot prove its key"):
        await hub.connect()
    assert hub.sessions[1].proven is None


async def test_right_hub_behind_a_wrong_one_is_found(hub: Hub, other_hub: Hub) -> None:
    addresses = [other_hub.address, hub.address]
    connection = await Connection.open(addresses, hub.service.public, COTERIE, hub.who)
    assert connection.address == hub.address
    await connection.close()


async def test_wrong_server_is_louder_than_one_that_is_away(hub: Hub, other_hub: Hub) -> None:
    with pytest.raises(WrongServer):
        await Connection.open([nobody(), other_hub.address], hub.service.public, COTERIE, hub.who)


@pytest.mark.parametrize("code", [code for code in ErrorCode], ids=str)
async def test_refusal_at_the_door_is_typed(hub: Hub, code: ErrorCode) -> None:
    hub.answer_to_proof = Error(0, code, "so it is", retry_after=3.5)
    again = {ErrorCode.UNAVAILABLE, ErrorCode.DISK_FULL, ErrorCode.BEHIND, ErrorCode.INTERNAL, ErrorCode.LIMITED}
    expected = ServerUnavailable if code in again else ServerRefused
    with pytest.raises(expected, match="so it is") as refused:
        await hub.connect()
    assert isinstance(refused.value, ServerRefused | ServerUnavailable)
    assert refused.value.server_code == code
    assert refused.value.retry_after == 3.5


async def test_removed_device_is_told_so_at_once(hub: Hub, other_hub: Hub) -> None:
    hub.answer_to_proof = Error(0, ErrorCode.NOT_IN_FORCE, "removed")
    with pytest.raises(NotInForce) as refused:
        await hub.connect(other_hub.address)
    assert "removed" in refused.value.hint
    assert other_hub.sessions == []


async def test_server_words_are_shown_cut_and_without_control_characters(hub: Hub) -> None:
    hub.answer_to_proof = Error(0, "not_in_force", "\x1b[2Jgone\u202e" + "x" * 1000)
    with pytest.raises(NotInForce) as refused:
        await hub.connect()
    assert "\x1b" not in refused.value.fact
    assert "\u202e" not in refused.value.fact
    assert len(refused.value.fact) < 300


async def test_copied_store_is_told_the_highest_counter(hub: Hub) -> None:
    hub.answer_to_proof = StoreCopied(41)
    with pytest.raises(StoreWasCopied) as copied:
        await hub.connect()
    assert copied.value.highest == 41


async def test_hub_lost_after_the_proof_never_sees_the_same_counter_again(hub: Hub) -> None:
    def lose_the_first(session: Session, greeting: Greeting) -> None:
        if isinstance(greeting, Prove) and greeting.counter == 1:
            session.hang_up()
        else:
            hub.greet(session, greeting)

    hub.on_greeting = lose_the_first
    connection = await hub.connect(hub.address)
    counters = [session.proven.counter for session in hub.sessions if isinstance(session.proven, Prove)]
    assert counters == [1, 2]
    await connection.close()


NOT_A_CHALLENGE = {
    "garbage": b"\xc1\xff\x00",
    "nothing": b"",
    "a request": b"\x93\x10\x01\x02",
    "a reply too early": None,
    "a frame too large": b"\0" * 300_000,
}


@pytest.mark.parametrize("answer", NOT_A_CHALLENGE.values(), ids=NOT_A_CHALLENGE.keys())
async def test_answer_that_is_no_challenge(hub: Hub, answer: bytes | None) -> None:
    def odd(session: Session, _: Greeting) -> None:
        if answer is None:
            session.say(Done(1))
        else:
            session.say_bytes(answer)

    hub.on_greeting = odd
    with pytest.raises(MalformedAnswer):
        await hub.connect()


async def test_text_where_binary_belongs(hub: Hub) -> None:
    hub.on_greeting = lambda session, _: session.say_bytes(b"hello", picows.WSMsgType.TEXT)
    with pytest.raises(MalformedAnswer, match="not one binary frame"):
        await hub.connect()


async def test_push_before_ready_is_malformed(hub: Hub) -> None:
    hub.answer_to_proof = Position(b"early")
    with pytest.raises(MalformedAnswer, match="Position in the handshake"):
        await hub.connect()


async def test_random_answers_to_hello_end_in_a_typed_error(hub: Hub) -> None:
    chance = random.Random(20)
    challenge_like = [0x95, 2, 1, 0xC4, 32, *os.urandom(32)]

    def odd(session: Session, _: Greeting) -> None:
        noise = [chance.randrange(256) for _ in range(chance.randrange(80))]
        session.say_bytes(bytes(noise if chance.random() < 0.5 else challenge_like + noise))

    hub.on_greeting = odd
    for _ in range(60):
        with pytest.raises(MalformedAnswer):
            await hub.connect()
    assert len(hub.sessions) == 60


async def test_failed_opening_leaves_no_socket_behind(hub: Hub) -> None:
    with pytest.raises(WrongServer):
        stranger = SigningKey(Seed(os.urandom(32)))
        await Connection.open([hub.address], stranger.public, COTERIE, hub.who)
    async with asyncio.timeout(5):
        await hub.gone.wait()
