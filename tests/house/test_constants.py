"""docs/protocol/constants.md says what the code does, and leaves none of it out."""

import ast
import importlib
import re
from enum import Enum
from pathlib import Path
from types import ModuleType

import coterie_mls
import msgspec
import pytest

from coterie.content import limits as content
from coterie.group import context, exports
from coterie.group.entry import MLS_MESSAGE, MLS_MESSAGE_IN_BLOB
from coterie.group.inbox_bodies import BODIES
from coterie.group.suites import PROFILES, Suite
from coterie.server.rules import outcomes, record
from coterie.server.rules.limits import QUEUE_LIMITS
from coterie.trust import invite
from coterie.trust.keys import Purpose
from coterie.trust.kinds import KINDS, Role
from coterie.wire import frames, limits
from coterie.wire.codes import ErrorCode
from coterie.wire.queues import QueuePurpose

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol" / "constants.md").read_text()
UNITS = {
    "bytes": 1, "KiB": 1024, "MiB": 1024**2, "minutes": 60, "day": 86_400, "days": 86_400, "characters": 1, "": 1,
}  # fmt: skip
CODE_UNITS = {"_MS": 1000, "_KIB": 1 / 1024}
"""What a name in the code counts in, where that is neither bytes nor seconds: how many of it make one."""


def section(heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"constants.md has no section {heading}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, headings and rules left out."""
    lines = text.splitlines()
    ruled = {number for number, line in enumerate(lines) if re.fullmatch(r"\|(?:-+\|)+", line)}
    heads = {number - 1 for number in ruled}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for number, line in enumerate(lines)
        if line.startswith("|") and number not in ruled | heads
    ]


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def tags(*modules: ModuleType) -> set[tuple[int, str]]:
    """Tag and name of every tagged struct that the modules define."""
    return {
        (kind.__struct_config__.tag, name)
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__.startswith(module.__name__)
        if isinstance(kind.__struct_config__.tag, int)
    }


def told_tags(heading: str, *kinds: str) -> set[tuple[int, str]]:
    cells = [row[1] for row in rows(section(heading)) if row[0] in kinds]
    assert len(cells) == len(kinds)
    return {(int(tag), name) for cell in cells for tag, name in re.findall(r"(\d+) `(\w+)`", cell)}


SIZES = [row for row in rows(section("Sizes, counts and times")) if len(row) == 3]


@pytest.mark.parametrize(("what", "value", "where"), SIZES, ids=[row[2].strip("`") for row in SIZES])
def test_a_number_is_the_codes(what: str, value: str, where: str) -> None:
    module, _, name = where.strip("`").rpartition(".")
    number, _, unit = value.partition(" ")
    told = int(number.replace(",", "")) * UNITS[unit]
    factor = next((factor for suffix, factor in CODE_UNITS.items() if name.endswith(suffix)), 1)
    assert getattr(importlib.import_module(module), name) == told * factor, what


def test_no_limit_of_the_wire_is_left_out() -> None:
    told = {row[2].strip("`").rpartition(".")[2] for row in SIZES if ".wire.limits." in row[2]}
    real = {name for name in vars(limits) if name.isupper()}
    assert real - told == {"PROTOCOL_VERSION", "DAY_SECONDS"}


def test_a_queue_holds_as_much_as_is_told() -> None:
    told = {
        row[0]: [int(cell.replace(",", "")) for cell in row[1:]]
        for row in rows(PAGE)
        if len(row) == 5 and row[0] != "is"
    }
    mib = 1024**2
    real = {
        purpose.name.lower(): [limit.entries, limit.size // mib, limit.commit_entries, limit.commit_size // mib]
        for purpose, limit in QUEUE_LIMITS.items()
    }
    assert told == real


def test_versions_and_drafts() -> None:
    told = {row[0]: row[1] for row in rows(section("Versions and drafts"))}
    assert told["protocol version, in `Hello`"] == f"`{limits.PROTOCOL_VERSION}`"
    assert told["rules version, in a record"] == f"`{record.RULES_VERSION}`"
    assert told["link version"] == f"`{invite.LINK_VERSION}`"
    assert told["context version"] == f"`{context.VERSION}`"
    assert told["message content"] in (content.__doc__ or "")
    assert told["message content"] in (ROOT / "docs/protocol/content.md").read_text()


def test_the_numbers_of_mls() -> None:
    told = {row[0]: ticked(row[-1])[0] for row in rows(section("MLS")) if ticked(row[-1])}
    profile = (ROOT / "crates/mls/src/profile.rs").read_text()
    real = dict(re.findall(r"const (\w+): \w+ = (\w+);", profile))
    assert told["credential type"] == real["CREDENTIAL_TYPE"]
    assert told["context extension"] == real["CONTEXT_EXTENSION"]
    assert real["XWING"] == "0x004D"
    assert real["CLASSICAL"] == "0x0003"
    assert (coterie_mls.SUITE_XWING, coterie_mls.SUITE_CLASSICAL) == (Suite.XWING, Suite.CLASSICAL) == (0x4D, 3)
    assert {told["`0x004D`"], told["`0x0003`"]} == {PROFILES[Suite.XWING], PROFILES[Suite.CLASSICAL]}
    assert told["`0x004D`"] == PROFILES[Suite.XWING]
    assert f"multiples of {real['PADDING']} bytes" in PAGE
    assert f"{int(real['FORWARD'].replace('_', '')):,} messages" in PAGE


def test_every_exporter_label() -> None:
    told = {ticked(row[0])[0] for row in rows(section("MLS")) if row[0].startswith("`coterie ")}
    assert told == {value for name, value in vars(exports).items() if name.startswith("LABEL_")}


def test_the_keys_of_the_context_and_of_its_policy() -> None:
    text = section("MLS")
    keys = re.search(r"\| key \| (.*) \|\n.*\n\| is \| (.*) \|", text)
    policies = re.search(r"\| policy \| (.*) \|\n.*\n\| is \| (.*) \|", text)
    assert keys
    assert policies
    assert dict(zip(keys[2].split(" | "), map(int, keys[1].split(" | ")), strict=True)) == {
        name: getattr(context, f"_{name.upper()}") for name in keys[2].split(" | ")
    }
    assert dict(zip(policies[2].split(" | "), map(int, policies[1].split(" | ")), strict=True)) == {
        name: getattr(context, f"_{name.upper().replace(' ', '_')}") for name in policies[2].split(" | ")
    }


def test_every_purpose_of_a_signature() -> None:
    assert [ticked(row[0])[0] for row in rows(section("Purposes"))] == [purpose.value for purpose in Purpose]


def labels_in_code() -> set[str]:
    """Byte strings in the source that begin with `coterie/1 `; those that end with a space are only the beginning."""
    return {
        node.value.decode()
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value.startswith(b"coterie/1 ")
    }


def test_every_label_in_the_code_is_told_and_no_other() -> None:
    told = {ticked(row[0])[0].replace("\\0", "\0") for row in rows(section("Labels"))}
    real = labels_in_code()
    begun = {label for label in real if label.endswith(" ")} - {"coterie/1 "}
    assert real - begun - {"coterie/1 "} <= told
    assert all(any(label.startswith(beginning) for label in told) for beginning in begun)
    assert {label for label in told - real if not label.startswith(tuple(begun))} == set()


def test_kinds_and_roles_of_the_register() -> None:
    kinds, roles = re.findall(r"^(?:Kinds|Roles).*$", section("Register"), re.MULTILINE)
    assert ticked(kinds) == list(KINDS)
    assert ticked(roles) == [role.value for role in Role]
    reserved = re.search(r"Reserved for later: (.*)\.", section("Register"))
    assert reserved
    assert set(reserved[1].split(", ")) & set(KINDS) == set()


def test_queues_their_entries_and_what_an_inbox_holds() -> None:
    told = [row for row in rows(section("Queues")) if len(row) == 2]
    purposes = {row[0]: int(row[1]) for row in told[:4]}
    assert purposes == {purpose.name.lower(): purpose.value for purpose in QueuePurpose}
    assert [int(row[0]) for row in told[4:6]] == [MLS_MESSAGE, MLS_MESSAGE_IN_BLOB]
    kinds = {row[0]: int(row[1]) for row in told[6:]}
    assert kinds == {_camel(kind): kind.value for kind in BODIES}


def _camel(kind: Enum) -> str:
    return kind.name.title().replace("_", "")


def test_media_types() -> None:
    told = [ticked(row[0])[0] for row in rows(section("Content"))]
    names = ("MARKDOWN", "PLAIN", "LEAVE", "PIN", "POLL", "VOTE", "STATUS")
    assert told == [getattr(content, name) for name in names]


def test_every_frame_and_every_code() -> None:
    assert told_tags("Frames", "handshake", "requests", "replies", "pushes") == tags(frames)
    codes = section("Frames").partition("Codes of `Error`:")[2]
    assert ticked(codes) == [code.value for code in ErrorCode]


def test_every_operation_and_every_outcome() -> None:
    assert told_tags("Log", "operations") == tags(record) - {(0, "Unknown")}
    assert told_tags("Log", "outcomes") == tags(outcomes)
