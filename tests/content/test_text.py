"""Text, leaving, and what is newer: there and back, and against the draft's own examples."""

import cbor2
import pytest

from coterie.content import (
    Leave,
    NotText,
    Text,
    TextTooLong,
    Unknown,
    decode_content_untrusted,
    encode_leave,
    encode_text,
)
from coterie.ids import MessageId

ID = MessageId(bytes(range(16)))

# draft-ietf-mimi-content-08, examples/*.cbor
ORIGINAL = bytes.fromhex(
    "87505eed9406c2545547ab6f09f20a18b003f640f6f6a20178206d696d693a2f2f6578616d706c652e636f6d2f752f616c6963652d736d697468"
    "0278256d696d693a2f2f6578616d706c652e636f6d2f722f656e67696e656572696e675f7465616d85016001781e746578742f6d61726b646f77"
    "6e3b76617269616e743d47464d2d4d494d49583948692065766572796f6e652c207765206a75737420736869707065642072656c656173652032"
    "2e302e205f5f476f6f642020776f726b5f5f21"
)
NEWER = {
    "reaction": (
        "8750d37bc0e6a8b4f04e9e6382375f587bf6f640f65820017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4a201"
        "78256d696d693a2f2f6578616d706c652e636f6d2f752f63617468792d77617368696e67746f6e0278256d696d693a2f2f6578616d706c652e"
        "636f6d2f722f656e67696e656572696e675f7465616d850260017818746578742f706c61696e3b636861727365743d7574662d3843e29da4"
    ),
    "delete": (
        "87500a590d73b2c7761c39168be5ebf7f2e65820015354973c2b65ca937bf1e035ae53a5ab80e947afa43d46920d4202e5cc0b2740f6582001"
        "7ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4a201781e6d696d693a2f2f6578616d706c652e636f6d2f752f62"
        "6f622d6a6f6e65730278256d696d693a2f2f6578616d706c652e636f6d2f722f656e67696e656572696e675f7465616d83016000"
    ),
    "attachment": (
        "875018fac6371e4e53f1aeaf8a013155c166f640f6f6a201781e6d696d693a2f2f6578616d706c652e636f6d2f752f626f622d6a6f6e657302"
        "78256d696d693a2f2f6578616d706c652e636f6d2f722f656e67696e656572696e675f7465616d8f0662656e0269766964656f2f6d7034782b"
        "68747470733a2f2f6578616d706c652e636f6d2f73746f726167652f386b7342346253727252452e6d7034001a2a36ced1015021399320958a"
        "6f4c745dde670d95e0d84cc86cf2c33f21527d1dd76f5b400158209ab17a8cf0890baaae7ee016c7312fcc080ba46498389458ee44f0276e78"
        "3163781c3220686f757273206f66206b6579207369676e696e6720766964656f6b62696766696c652e6d7034"
    ),
    "multipart": (
        "8750261c953e178af653fe3d42641b91d814f640f6f6a20178206d696d693a2f2f6578616d706c652e636f6d2f752f616c6963652d736d6974"
        "680278256d696d693a2f2f6578616d706c652e636f6d2f722f656e67696e656572696e675f7465616d85016003008285016001781e74657874"
        "2f6d61726b646f776e3b76617269616e743d47464d2d4d494d494a232057656c636f6d652185016001782e6170706c69636174696f6e2f766e"
        "642e6578616d706c6576656e646f722d66616e63792d696d2d6d6573736167654fdc861ebaa718fd7c3ca159f71a2001"
    ),
    "expiring": (
        "875033be993eb39f418f9295afc2ae160d2df64082f41a62036674f6a20178206d696d693a2f2f6578616d706c652e636f6d2f752f616c6963"
        "652d736d6974680278256d696d693a2f2f6578616d706c652e636f6d2f722f656e67696e656572696e675f7465616d85016001781e74657874"
        "2f6d61726b646f776e3b76617269616e743d47464d2d4d494d4958505f5f2a56504e20474f494e4720444f574e2a5f5f2049276d207265626f"
        "6f74696e67207468652056504e20696e2074656e206d696e7574657320756e6c65737320616e796f6e65206f626a656374732e"
    ),
}


@pytest.mark.parametrize("text", ["Hi __there__", "", "Привет 👋🏽 שלום", "a\0b\n\r\x1b", "x" * 65_536])
def test_text_comes_back_as_it_was_sent(text: str) -> None:
    assert decode_content_untrusted(encode_text(ID, text)) == Text(ID, text)


def test_text_is_the_drafts_array_and_the_same_at_every_retry() -> None:
    encoded = encode_text(ID, "hi")
    part = [1, "", 1, "text/markdown;variant=GFM-MIMI", b"hi"]
    assert cbor2.loads(encoded) == [ID, None, b"", None, None, {}, part]
    assert encoded == encode_text(ID, "hi")
    assert encoded.hex() == (
        "8750000102030405060708090a0b0c0d0e0ff640f6f6a085016001781e746578742f6d61726b646f776e3b76617269616e743d47464d2d4d49"
        "4d49426869"
    )


def test_text_too_long_is_the_callers_to_cut() -> None:
    with pytest.raises(TextTooLong, match="65537 bytes"):
        encode_text(ID, "x" * 65_537)
    with pytest.raises(TextTooLong, match="65538 bytes"):
        encode_text(ID, "é" * 32_769)


def test_bytes_that_a_terminal_passed_as_text_are_refused() -> None:
    with pytest.raises(NotText):
        encode_text(ID, b"caf\xe9".decode("utf-8", "surrogateescape"))


def test_message_id_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        encode_text(MessageId(b"short"), "hi")


def test_leaving_comes_back() -> None:
    assert decode_content_untrusted(encode_leave(ID)) == Leave(ID)


def test_plain_text_of_another_program_is_text() -> None:
    encoded = cbor2.dumps([ID, None, b"", None, None, {}, [1, "de", 1, "text/plain;charset=utf-8", b"*so*"]])
    assert decode_content_untrusted(encoded) == Text(ID, "*so*", markdown=False)


def test_example_of_the_draft_with_extensions_is_kept_for_later() -> None:
    """Sender and room as URIs are claims that a later version checks before it shows the text under them."""
    content = decode_content_untrusted(ORIGINAL)
    assert content == Unknown(MessageId(bytes.fromhex("5eed9406c2545547ab6f09f20a18b003")), ORIGINAL)


def test_example_of_the_draft_without_extensions_is_shown() -> None:
    fields = cbor2.loads(ORIGINAL)
    fields[5] = {}
    content = decode_content_untrusted(cbor2.dumps(fields))
    assert content == Text(MessageId(fields[0]), "Hi everyone, we just shipped release 2.0. __Good  work__!")


@pytest.mark.parametrize("example", NEWER.values(), ids=NEWER.keys())
def test_what_the_draft_has_and_we_have_not_is_kept_whole(example: str) -> None:
    encoded = bytes.fromhex(example)
    content = decode_content_untrusted(encoded)
    assert isinstance(content, Unknown)
    assert content.encoded == encoded
    assert content.message == encoded[2:18]
    assert content.people_see == "this message needs a newer Coterie"
