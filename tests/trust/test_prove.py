"""The handshake's signatures: worth something on one connection, for one key, in one direction only."""

import dataclasses
from dataclasses import replace

import pytest

from coterie.ids import NO_COTERIE, CoterieId
from coterie.trust import Reason, RegisterError, apply
from coterie.trust.entry import encode_entry
from coterie.trust.keys import ForgedSignature
from coterie.trust.kinds import ProfileSet
from coterie.trust.prove import Channel, Prover, sign_challenge, sign_proof, verify_challenge, verify_proof
from tests.trust.cast import Stage, by_device, key

CHANNEL = Channel(b"\1" * 32, b"\2" * 32, b"\3" * 32, key("service").public, CoterieId(b"\4" * 32))
ELSEWHERE = {
    "another client nonce (replayed challenge)": replace(CHANNEL, client_nonce=b"\5" * 32),
    "another server nonce (replayed proof)": replace(CHANNEL, server_nonce=b"\5" * 32),
    "another certificate (relayed)": replace(CHANNEL, certificate=b"\5" * 32),
    "another coterie": replace(CHANNEL, coterie=NO_COTERIE),
    "nonces exchanged": replace(CHANNEL, client_nonce=b"\2" * 32, server_nonce=b"\1" * 32),
}


def test_both_sides_believe_each_other_on_one_connection() -> None:
    verify_challenge(CHANNEL, sign_challenge(key("service"), CHANNEL))
    for prover in Prover:
        verify_proof(key("ada").public, prover, CHANNEL, sign_proof(key("ada"), prover, CHANNEL))


@pytest.mark.parametrize("how", list(ELSEWHERE))
def test_signature_is_worth_nothing_on_another_connection(how: str) -> None:
    with pytest.raises(ForgedSignature):
        verify_challenge(ELSEWHERE[how], sign_challenge(key("service"), CHANNEL))
    for prover in Prover:
        with pytest.raises(ForgedSignature):
            verify_proof(key("ada").public, prover, ELSEWHERE[how], sign_proof(key("ada"), prover, CHANNEL))


def test_challenge_by_another_service_is_forged() -> None:
    with pytest.raises(ForgedSignature):
        verify_challenge(CHANNEL, sign_challenge(key("other"), CHANNEL))
    with pytest.raises(ForgedSignature):
        verify_challenge(replace(CHANNEL, service_key=key("other").public), sign_challenge(key("service"), CHANNEL))


@pytest.mark.parametrize("proved", list(Prover))
@pytest.mark.parametrize("claimed", list(Prover))
def test_proof_of_one_sort_of_key_is_none_of_another(proved: Prover, claimed: Prover) -> None:
    signature = sign_proof(key("ada"), proved, CHANNEL)
    if proved is claimed:
        verify_proof(key("ada").public, claimed, CHANNEL, signature)
    else:
        with pytest.raises(ForgedSignature):
            verify_proof(key("ada").public, claimed, CHANNEL, signature)


def test_challenge_cannot_be_answered_with_itself() -> None:
    signature = sign_challenge(key("service"), CHANNEL)
    for prover in Prover:
        with pytest.raises(ForgedSignature):
            verify_proof(key("service").public, prover, CHANNEL, signature)


def test_nonce_made_of_a_register_entry_gets_no_signature_for_that_entry(stage: Stage) -> None:
    """A server that asks a device to sign 32 bytes of its choice, cut from an entry, holds nothing afterwards."""
    wanted = by_device(stage.state, ProfileSet(), stage.founder)
    channel = Channel(
        wanted.body[:32], wanted.body[32:64], wanted.body[64:96], key("service").public, stage.state.coterie
    )
    for prover in Prover:
        with pytest.raises(RegisterError) as refused:
            apply(stage.state, encode_entry(wanted.body, (sign_proof(stage.founder.device, prover, channel),)))
        assert refused.value.reason is Reason.FORGED


@pytest.mark.parametrize("part", ["client_nonce", "server_nonce", "certificate", "service_key", "coterie"])
def test_part_of_another_length_is_no_channel(part: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Channel(**{**dataclasses.asdict(CHANNEL), part: b"\1" * 31})
