"""Mentions: linked by their exact name, shown by the register's name, whatever a link says."""

import pytest

from coterie.content import member_uri, mentioned, with_links, with_names
from coterie.ids import CoterieId, MemberId

COTERIE = CoterieId(b"c" * 32)
ADA, BO, BO_LEE = MemberId(b"a" * 16), MemberId(b"b" * 16), MemberId(b"l" * 16)
MEMBERS = {"Ada": ADA, "Bo": BO, "Bo Lee": BO_LEE, "x[y]": MemberId(b"x" * 16)}
NAMES = {member: name for name, member in MEMBERS.items()}


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("@Bo, and @Ada", (BO, ADA)),
        ("@Bo Lee has it", (BO_LEE,)),
        ("@Bo @Bo", (BO,)),
        ("(@Ada)", (ADA,)),
        ("@x[y] too", (MEMBERS["x[y]"],)),
        ("@Bob is nobody", ()),
        ("ada@Bo.example", ()),
        ("`@Bo` is code", ()),
        ("[say @Bo](https://example.org)", ()),
    ],
)
def test_a_name_behind_an_at_is_a_mention(text: str, members: tuple[MemberId, ...]) -> None:
    linked = with_links(text, COTERIE, MEMBERS)
    assert mentioned(linked, COTERIE) == members
    assert with_names(linked, COTERIE, NAMES.__getitem__) == text


def test_who_is_linked_is_named_whatever_the_link_says() -> None:
    text = f"thanks [@Ada]({member_uri(COTERIE, BO)})"
    assert with_names(text, COTERIE, NAMES.__getitem__) == "thanks @Bo"


def test_a_link_into_another_coterie_mentions_nobody() -> None:
    text = f"[@Bo]({member_uri(CoterieId(b'd' * 32), BO)})"
    assert mentioned(text, COTERIE) == ()
    assert with_names(text, COTERIE, NAMES.__getitem__) == text


def test_linking_again_changes_nothing() -> None:
    linked = with_links("@Bo and @Ada", COTERIE, MEMBERS)
    assert with_links(linked, COTERIE, MEMBERS) == linked
