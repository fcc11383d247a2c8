"""Bundles: an inbox key is believed when a device in force signed it."""

import pytest

from coterie.ids import QueueId
from coterie.trust import Reason, RegisterError, canonical
from coterie.trust.bundle import (
    MalformedBundle,
    VerifiedBundle,
    decode_bundle_untrusted,
    make_bundle,
    verify_bundle,
)
from coterie.trust.keys import ForgedSignature, Purpose, device_id
from tests.trust.cast import START, Person, Stage, key

INBOX_KEY = b"\7" * 1216
QUEUE = QueueId(b"\1" * 32)


def bundle(stage: Stage, who: Person, previous: bytes = b"") -> bytes:
    return make_bundle(stage.state, who.device, INBOX_KEY, QUEUE, previous, START)


@pytest.mark.parametrize("previous", [b"", b"\2" * 32])
def test_bundle_of_a_device_in_force_is_believed(stage: Stage, previous: bytes) -> None:
    read = verify_bundle(stage.state, decode_bundle_untrusted(bundle(stage, stage.founder, previous)))
    assert read == VerifiedBundle(stage.founder.device_id, INBOX_KEY, QUEUE, previous, START)


def test_bundle_of_a_removed_or_unknown_device_is_not(stage: Stage) -> None:
    bo = stage.welcome(stage.founder, "bo")
    early = decode_bundle_untrusted(bundle(stage, bo))
    stage.remove_member(stage.founder, bo)
    with pytest.raises(RegisterError) as refused:
        verify_bundle(stage.state, early)
    assert refused.value.reason is Reason.DEVICE_GONE
    with pytest.raises(RegisterError) as refused:
        verify_bundle(stage.state, decode_bundle_untrusted(bundle(stage, Person("stranger"))))
    assert refused.value.reason is Reason.UNKNOWN_DEVICE


def test_bundle_signed_by_another_device_or_for_another_purpose_is_forged(stage: Stage) -> None:
    bo = stage.welcome(stage.founder, "bo")
    real = decode_bundle_untrusted(bundle(stage, bo))
    for signer, purpose in [(stage.founder.device, Purpose.BUNDLE), (bo.device, Purpose.INBOX)]:
        signature = signer.sign(purpose, stage.state.coterie, real.body)
        with pytest.raises(ForgedSignature):
            verify_bundle(stage.state, decode_bundle_untrusted(canonical.encode([real.body, signature])))


def test_bundle_from_another_coterie_is_forged(stage: Stage) -> None:
    other = Stage.founded(coterie="Elsewhere")
    with pytest.raises(ForgedSignature):
        verify_bundle(stage.state, decode_bundle_untrusted(bundle(other, stage.founder)))


GOOD = {
    "device": device_id(key("ada device").public),
    "inbox_key": INBOX_KEY,
    "inbox_queue": bytes(QUEUE),
    "previous": b"",
    "made_at": START,
}


@pytest.mark.parametrize(
    "change",
    [
        {"device": b"\1" * 15},
        {"inbox_key": b"\7" * 1215},
        {"inbox_queue": b""},
        {"previous": b"\1" * 31},
        {"made_at": -1},
        {"made_at": "now"},
        {"more": 1},
    ],
    ids=str,
)
def test_malformed_bundle_is_refused(change: dict[str, object]) -> None:
    signature = b"\1" * 64
    decode_bundle_untrusted(canonical.encode([canonical.encode(GOOD), signature]))
    with pytest.raises(MalformedBundle):
        decode_bundle_untrusted(canonical.encode([canonical.encode({**GOOD, **change}), signature]))
    with pytest.raises(MalformedBundle):
        decode_bundle_untrusted(canonical.encode([canonical.encode(GOOD), signature[:63]]))
    with pytest.raises(MalformedBundle):
        decode_bundle_untrusted(canonical.encode([canonical.encode(GOOD), signature]) + bytes(2000))
