"""Every kind of content there and back, and against the draft's own examples and message ids."""

import cbor2
import pytest

from coterie.content import (
    BadPoll,
    BadReaction,
    Content,
    Edit,
    Expiry,
    MessageStatus,
    MimiId,
    Pin,
    Poll,
    Reaction,
    Retract,
    StatusReport,
    Text,
    Vote,
    decode_content_untrusted,
    encode_edit,
    encode_pin,
    encode_poll,
    encode_reaction,
    encode_retract,
    encode_status,
    encode_text,
    encode_vote,
    mimi_id,
)
from coterie.content.naming import hash_id
from coterie.ids import CoterieId, MemberId, MessageId, RoomId
from tests.content.drafts import EXAMPLES, MESSAGE_IDS

ID, NAMED = MessageId(bytes(range(16))), MimiId(b"\1" + b"m" * 31)
COTERIE, ROOM, BO = CoterieId(b"c" * 32), RoomId(b"r" * 16), MemberId(b"b" * 16)

KINDS: dict[str, tuple[bytes, Content]] = {
    "reply": (encode_text(ID, "so", reply_to=NAMED), Text(ID, "so", reply_to=NAMED)),
    "expiring": (encode_text(ID, "so", expires=Expiry(True, 60)), Text(ID, "so", expires=Expiry(True, 60))),
    "edit": (encode_edit(ID, NAMED, "better"), Edit(ID, NAMED, "better")),
    "deletion": (encode_retract(ID, NAMED), Retract(ID, NAMED)),
    "unlike": (encode_retract(ID, NAMED, reaction=True), Retract(ID, NAMED)),
    "reaction": (encode_reaction(ID, NAMED, "👩🏽‍⚕️"), Reaction(ID, NAMED, "👩🏽‍⚕️")),
    "pin": (encode_pin(ID, NAMED, pinned=True), Pin(ID, NAMED, True)),
    "unpin": (encode_pin(ID, NAMED, pinned=False), Pin(ID, NAMED, False)),
    "poll": (encode_poll(ID, "Tea?", ["yes", "no"], many=True), Poll(ID, "Tea?", ("yes", "no"), True)),
    "vote": (encode_vote(ID, NAMED, [2, 0, 2]), Vote(ID, NAMED, (0, 2))),
    "vote taken back": (encode_vote(ID, NAMED, []), Vote(ID, NAMED, ())),
    "status": (
        encode_status(ID, [(NAMED, MessageStatus.READ)]),
        StatusReport(ID, ((NAMED, MessageStatus.READ),)),
    ),
}


@pytest.mark.parametrize(("encoded", "content"), KINDS.values(), ids=KINDS.keys())
def test_it_comes_back_as_it_was_sent(encoded: bytes, content: Content) -> None:
    assert decode_content_untrusted(encoded) == content


@pytest.mark.parametrize(("encoded", "content"), KINDS.values(), ids=KINDS.keys())
def test_it_is_the_drafts_array_in_its_shortest_form(encoded: bytes, content: Content) -> None:
    fields = cbor2.loads(encoded)
    assert (len(fields), fields[0]) == (7, ID)
    assert cbor2.dumps(fields, canonical=True) == encoded


@pytest.mark.parametrize("name", MESSAGE_IDS)
def test_a_message_has_the_id_that_the_draft_gives_it(name: str) -> None:
    encoded, sender = EXAMPLES[name]
    room = b"mimi://example.com/r/engineering_team"
    assert hash_id(f"mimi://example.com/u/{sender}".encode(), room, encoded, encoded[2:18]).hex() == MESSAGE_IDS[name]


def test_the_drafts_examples_mean_what_the_draft_says() -> None:
    """Without the URIs of sender and room, which here follow from MLS and are in no message."""
    contents = {}
    for name, (encoded, _) in EXAMPLES.items():
        fields = cbor2.loads(encoded)
        fields[5] = {}
        contents[name] = decode_content_untrusted(cbor2.dumps(fields))
    original, reply, reaction = (MimiId(bytes.fromhex(MESSAGE_IDS[name])) for name in ("original", "reply", "reaction"))
    match contents:
        case {
            "reply": Text(reply_to=replied),
            "reaction": Reaction(reply_to=reacted, emoji="❤"),
            "edit": Edit(replaces=edited, text="Right on! _Congratulations_ y'all!"),
            "delete": Retract(replaces=deleted),
            "unlike": Retract(replaces=unliked),
            "expiring": Text(expires=Expiry(False, 1644390004)),
        }:
            assert (replied, reacted, edited, deleted, unliked) == (original, original, reply, reply, reaction)
        case _:
            pytest.fail(str(contents))


def test_an_id_binds_sender_room_and_every_byte() -> None:
    encoded = encode_text(ID, "so")
    ids = {
        mimi_id(COTERIE, BO, ROOM, encoded),
        mimi_id(CoterieId(b"d" * 32), BO, ROOM, encoded),
        mimi_id(COTERIE, MemberId(b"a" * 16), ROOM, encoded),
        mimi_id(COTERIE, BO, RoomId(b"q" * 16), encoded),
        mimi_id(COTERIE, BO, ROOM, encode_text(ID, "no")),
    }
    assert len(ids) == 5
    assert {named[:1] for named in ids} == {b"\1"}
    assert {len(named) for named in ids} == {32}


@pytest.mark.parametrize("emoji", ["", " ", "two words", "a\n", "x" * 65, "\u202e", "\u200d", "\ud800"])
def test_what_is_no_reaction_is_the_callers_to_mend(emoji: str) -> None:
    with pytest.raises(BadReaction):
        encode_reaction(ID, NAMED, emoji)


@pytest.mark.parametrize("emoji", ["👍", "❤️", "🏳️‍🌈", "+1", "ok", "שלום", "🇸🇪"])
def test_an_emoji_or_a_few_characters_are_a_reaction(emoji: str) -> None:
    assert decode_content_untrusted(encode_reaction(ID, NAMED, emoji)) == Reaction(ID, NAMED, emoji)


@pytest.mark.parametrize(
    ("question", "options"),
    [("", ["a", "b"]), ("?", ["a"]), ("?", ["a", "a"]), ("?", ["a", " "]), ("x" * 1025, ["a", "b"]), ("?", ["a"] * 21)],
)
def test_what_is_no_poll_is_the_callers_to_mend(question: str, options: list[str]) -> None:
    with pytest.raises(BadPoll):
        encode_poll(ID, question, options)


def test_statuses_of_later_drafts_are_left_out() -> None:
    content = cbor2.dumps([[NAMED, 1], [NAMED, 99]])
    encoded = cbor2.dumps([ID, None, b"", None, None, {}, [0, "", 1, "application/mimi-message-status", content]])
    assert decode_content_untrusted(encoded) == StatusReport(ID, ((NAMED, MessageStatus.DELIVERED),))


def test_status_report_is_the_drafts_example() -> None:
    """draft-mahy-mimi-message-status, "Message Status Format Example", its first two reports."""
    content = bytes.fromhex(
        "82825820017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4028258200153"
        "54973c2b65ca937bf1e035ae53a5ab80e947afa43d46920d4202e5cc0b2702"
    )
    encoded = cbor2.dumps([ID, None, b"", None, None, {}, [0, "", 1, "application/mimi-message-status", content]])
    named = [(MimiId(bytes.fromhex(MESSAGE_IDS[name])), MessageStatus.READ) for name in ("original", "reply")]
    assert decode_content_untrusted(encoded) == StatusReport(ID, tuple(named))
    assert encode_status(ID, named) == encoded
