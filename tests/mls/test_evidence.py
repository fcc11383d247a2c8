"""Evidence convinces someone who has no MLS at all: Ed25519 by `cryptography`, the structure read by hand."""

import pytest
from coterie_mls import Application, Evidence
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .device import GROUP_ID, Device, circle

LABEL = b"MLS 1.0 FramedContentTBS"


def exchange() -> tuple[Device, Evidence, Evidence]:
    """A sender, the evidence it kept, the evidence its reader kept."""
    ada, bo = circle(2)
    sent = ada.group.encrypt(b"I owe you ten", b"head")
    received = bo.group.process(sent.wire)
    assert isinstance(received, Application)
    return ada, sent.evidence, received.evidence


def test_sender_and_reader_keep_the_same_evidence() -> None:
    ada, sent, received = exchange()
    assert (sent.tbs, sent.key, sent.signature) == (received.tbs, received.key, received.signature)
    assert sent.key == ada.client.leaf_key


def test_an_outsider_verifies_it() -> None:
    _, _, evidence = exchange()
    Ed25519PublicKey.from_public_bytes(evidence.key).verify(evidence.signature, evidence.tbs)
    with pytest.raises(InvalidSignature):
        altered = evidence.tbs.replace(b"ten", b"six")
        Ed25519PublicKey.from_public_bytes(evidence.key).verify(evidence.signature, altered)


def test_it_binds_text_head_group_epoch_and_sender() -> None:
    """RFC 9420 §5.1.2, §6.1: label, version, wire format, then FramedContent."""
    ada, _, evidence = exchange()
    framed = (
        bytes([len(LABEL)]) + LABEL,
        bytes.fromhex("00010002"),
        bytes([len(GROUP_ID)]) + GROUP_ID,
        (1).to_bytes(8, "big"),
        b"\x01" + (0).to_bytes(4, "big"),
        b"\x04head",
        b"\x01",
        b"\x0dI owe you ten",
    )
    assert evidence.tbs.startswith(framed[0])
    rest = evidence.tbs[len(framed[0]) :]
    length = int.from_bytes(rest[:2], "big") & 0x3FFF
    assert len(rest) == length + 2
    assert rest[2:].startswith(b"".join(framed[1:]))
    assert rest.endswith(ada.group.group_context)


def test_each_message_has_its_own_evidence() -> None:
    ada, bo = circle(2)
    texts = [b"one", b"two", b"three"]
    kept = [ada.group.encrypt(text, b"") for text in texts]
    for text, sent in zip(texts, kept, strict=True):
        assert text in sent.evidence.tbs
        received = bo.group.process(sent.wire)
        assert isinstance(received, Application)
        assert received.evidence.tbs == sent.evidence.tbs
