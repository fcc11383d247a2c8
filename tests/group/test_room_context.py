"""The context extension: one encoding, and one answer to every other."""

import random
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.group.context import (
    BadRoomText,
    MalformedContext,
    Policy,
    RoomContext,
    decode_context_untrusted,
    encode_context,
    new_context,
    renamed,
)
from coterie.group.suites import PROFILES, NeedsAnotherCoterie, Suite, meets, suite_of
from coterie.ids import MemberId, RoomId
from tests.group.room_people import ADA, BO, CY, ROOM, room

GOOD = encode_context(room(ADA, BO, CY))


def changed(**by_key: object) -> bytes:
    """GOOD with other values: k1 … k7 (None takes the key out)."""
    value = cbor2.loads(GOOD) | {int(key[1:]): new for key, new in by_key.items()}
    return cbor2.dumps({key: item for key, item in value.items() if item is not None}, canonical=True)


def policy(**more: object) -> dict[object, object]:
    return {1: 0x4D, 2: True, 3: False} | {int(key[1:]): new for key, new in more.items()}


@settings(max_examples=60, deadline=None)
@given(
    room_id=st.binary(min_size=16, max_size=16).map(RoomId),
    name=st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60),
    topic=st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200),
    admins=st.sets(st.binary(min_size=16, max_size=16).map(MemberId), min_size=1, max_size=20),
    suite=st.sampled_from(Suite),
    receipts=st.booleans(),
    evidence=st.booleans(),
    expiry=st.none() | st.integers(1, 2**32 - 1),
)
def test_what_is_encoded_comes_back(
    room_id: RoomId,
    name: str,
    topic: str,
    admins: set[MemberId],
    suite: Suite,
    receipts: bool,
    evidence: bool,
    expiry: int | None,
) -> None:
    context = RoomContext(room_id, name, topic, tuple(sorted(admins)), suite, Policy(suite, receipts, evidence, expiry))
    encoded = encode_context(context)
    assert decode_context_untrusted(encoded, suite) == context


def test_a_new_room_has_its_creator_as_admin_and_its_suite_as_the_least() -> None:
    context = new_context(ROOM, "Harbour", ADA.member, Suite.XWING)
    assert context.admins == (ADA.member,)
    assert context.policy.least_suite is Suite.XWING


def test_a_context_is_encoded_as_the_document_says() -> None:
    # docs/protocol/groups.md, "Context", the example
    admins = (MemberId(b"A" * 16), MemberId(b"B" * 16))
    context = RoomContext(ROOM, "Harbour", "boats", admins, Suite.XWING, Policy(Suite.XWING))
    assert encode_context(context).hex() == (
        "a70101026a7877696e672d30362f310350525252525252525252525252525252520467486172626f75720565626f"
        "61747306825041414141414141414141414141414141504242424242424242424242424242424207a301184d02f503f4"
    )


def test_unknown_policies_are_kept_as_they_came() -> None:
    encoded = changed(k7=policy(k40="later", k41=[1, {"a": b"b"}]))
    context = decode_context_untrusted(encoded, Suite.XWING)
    assert [key for key, _ in context.policy.unknown] == [40, 41]
    assert encode_context(context) == encoded
    assert encode_context(renamed(context, name="Pier")) == encode_context(replace(context, name="Pier"))
    assert b"later" in encode_context(renamed(context, name="Pier"))


@pytest.mark.parametrize(
    "encoded",
    [
        changed(k1=2),
        changed(k1=2, k8="new field"),
        changed(k2="xwing-07/1"),
        changed(k7={**policy(), -4: True}),
        changed(k7=policy(k1=0x9999)),
    ],
)
def test_what_is_newer_needs_another_coterie(encoded: bytes) -> None:
    with pytest.raises(NeedsAnotherCoterie, match="needs another Coterie") as raised:
        decode_context_untrusted(encoded, Suite.XWING)
    assert raised.value.hint == "update Coterie on this device"


MALFORMED = {
    "nothing": b"",
    "no map": cbor2.dumps([1]),
    "an empty map": cbor2.dumps({}),
    "something behind": GOOD + b"\0",
    "cut off": GOOD[:-1],
    "too large": changed(k7=policy(k9=b"x" * 16 * 1024)),
    "an enormous topic": changed(k5="x" * 2049),
    "a missing field": changed(k5=None),
    "an unknown field": changed(k8=1),
    "a version that is no number": changed(k1="1"),
    "a version that is true": changed(k1=True),
    "a room id of 15 bytes": changed(k3=b"R" * 15),
    "a room id as text": changed(k3="R" * 16),
    "a name with a line break": changed(k4="a\nb"),
    "a name with a terminal escape": changed(k4="a\x1b[2J"),
    "an enormous name": changed(k4="é" * 129),
    "a name as bytes": changed(k4=b"Harbour"),
    "a topic with a null": changed(k5="a\0b"),
    "no admins": changed(k6=[]),
    "admins out of order": changed(k6=sorted([ADA.member, BO.member], reverse=True)),
    "an admin twice": changed(k6=[ADA.member, ADA.member]),
    "an admin id of 15 bytes": changed(k6=[b"a" * 15]),
    "a policy that is a list": changed(k7=[1]),
    "a policy key as text": changed(k7={**policy(), "x": 1}),
    "receipts as a number": changed(k7=policy(k2=1)),
    "an expiry of nothing": changed(k7=policy(k4=None)),
    "an expiry at once": changed(k7=policy(k4=0)),
    "an expiry as text": changed(k7=policy(k4="7d")),
    "an expiry after 137 years": changed(k7=policy(k4=2**32)),
    "no least suite": changed(k7={2: True, 3: False}),
    "a float in a policy": changed(k7=policy(k9=1.5)),
    "a tag in a policy": changed(k7=policy(k9=cbor2.CBORTag(40_000, 1))),
    "a date in a policy": cbor2.dumps(cbor2.loads(GOOD) | {7: policy(k9=cbor2.CBORTag(0, "2026-01-01T00:00:00Z"))}),
    "a deep policy": changed(k7=policy(k9=[[[[[[[[[[1]]]]]]]]]])),
    "too many policies": changed(k7=policy(**{f"k{key}": 1 for key in range(10, 90)})),
    "keys out of order": cbor2.dumps(dict(reversed(cbor2.loads(GOOD).items()))),
    "a long form of a number": GOOD.replace(b"\xa7\x01\x01", b"\xa7\x01\x18\x01"),
    "a key twice": b"\xa8\x01\x01" + GOOD[1:],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_context_is_malformed_with(name: str) -> None:
    assert MALFORMED[name] != GOOD
    with pytest.raises(MalformedContext):
        decode_context_untrusted(MALFORMED[name], Suite.XWING)


def test_the_profile_must_be_that_of_the_groups_suite() -> None:
    assert decode_context_untrusted(GOOD, Suite.XWING).suite is Suite.XWING
    with pytest.raises(MalformedContext, match="suite profile"):
        decode_context_untrusted(GOOD, Suite.CLASSICAL)


def test_a_room_weaker_than_its_own_policy_is_not_joined() -> None:
    weak = changed(k2=PROFILES[Suite.CLASSICAL])
    with pytest.raises(MalformedContext, match="weaker"):
        decode_context_untrusted(weak, Suite.CLASSICAL)


def test_any_bytes_are_a_context_or_one_of_the_two_errors() -> None:
    chance = random.Random(20261123)
    outcomes: set[type] = set()
    for _ in range(6000):
        spoilt = bytearray(GOOD if chance.random() < 0.8 else chance.randbytes(chance.randrange(80)))
        for _ in range(chance.randrange(1, 4)):
            where = chance.randrange(len(spoilt) + 1)
            if spoilt and chance.random() < 0.7:
                spoilt[where % len(spoilt)] = chance.randrange(256)
            else:
                spoilt[where:where] = chance.randbytes(chance.randrange(4))
        try:
            decoded = decode_context_untrusted(bytes(spoilt), Suite.XWING)
        except (MalformedContext, NeedsAnotherCoterie) as error:
            outcomes.add(type(error))
        else:
            outcomes.add(RoomContext)
            assert encode_context(decoded) == bytes(spoilt)
    assert outcomes == {RoomContext, MalformedContext, NeedsAnotherCoterie}


def test_no_tagged_value_gets_through() -> None:
    # dates, bignums, regular expressions, shared references and the rest of what cbor2 makes objects of
    carrier = changed(k7=policy(k9="@@@@"))
    contents = (b"\x00", b"\x61(", b"\x82\x01\x02", b"\x41\x01", b"\xa1\x01\x02", b"\xf9\x7e\x00", b"\x81\x00")
    for tag in [*range(300), 55799, 2**32]:
        head = cbor2.dumps(cbor2.CBORTag(tag, 0))[:-1]
        for content in contents:
            with pytest.raises(MalformedContext):
                decode_context_untrusted(carrier.replace(b"\x64@@@@", head + content), Suite.XWING)


@pytest.mark.parametrize(
    "text", [{"name": "a\nb"}, {"name": "é" * 129}, {"name": "\u2028"}, {"topic": "\x07"}, {"name": "\ud800"}]
)
def test_a_text_that_others_would_refuse_is_refused_at_home(text: dict[str, str]) -> None:
    with pytest.raises(BadRoomText):
        renamed(room(), **text)


def test_suites_are_compared_by_strength_and_unknown_ones_need_another_coterie() -> None:
    assert meets(Suite.XWING, Suite.CLASSICAL) and meets(Suite.XWING, Suite.XWING)
    assert not meets(Suite.CLASSICAL, Suite.XWING)
    assert suite_of(0x4D) is Suite.XWING
    with pytest.raises(NeedsAnotherCoterie, match="0x0001"):
        suite_of(1)
