"""Mentions: links to members inside markdown, `[@Bo](coterie:…/u/…)` (the draft's "Mentions").

Whoever is linked is mentioned; the words of the link are the sender's and prove nothing, so readers put the name that
the register has in their place.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from coterie.content.naming import member_uri
from coterie.ids import CoterieId, MemberId

_LINK: Final = re.compile(r"\[@((?:\\.|[^\[\]\\\n]){0,256})\]\(coterie:([0-9a-f]{64})/u/([0-9a-f]{32})\)")
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>])")


def mentioned(text: str, coterie: CoterieId) -> tuple[MemberId, ...]:
    """Whom the text links to, each once, in its order."""
    return tuple(dict.fromkeys(MemberId(bytes.fromhex(found[3])) for found in _links(text, coterie)))


def with_names(text: str, coterie: CoterieId, name: Callable[[MemberId], str]) -> str:
    """The text with `@name` in place of each link."""

    def named(found: re.Match[str]) -> str:
        if found[2] != coterie.hex():
            return found[0]
        return f"@{name(MemberId(bytes.fromhex(found[3])))}"

    return _LINK.sub(named, text)


def with_links(text: str, coterie: CoterieId, members: Mapping[str, MemberId]) -> str:
    """The text with a link in place of each `@name` of `members`; the longest name that fits. Code and links are left
    as they are."""
    if "@" not in text or not members:
        return text
    names = "|".join(re.escape(name) for name in sorted(members, key=len, reverse=True))
    either = re.compile(rf"(`[^`\n]*`|\[[^\]\n]*\]\([^)\n]*\))|(?<![\w@.])@({names})(?!\w)")

    def linked(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        words = _SPECIAL.sub(r"\\\1", found[2])
        return f"[@{words}]({member_uri(coterie, members[found[2]])})"

    return either.sub(linked, text)


def _links(text: str, coterie: CoterieId) -> list[re.Match[str]]:
    return [found for found in _LINK.finditer(text) if found[2] == coterie.hex()]
