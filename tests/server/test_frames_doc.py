"""docs/protocol/frames.md names every frame with its tag and fields, and every error code."""

import re
from pathlib import Path

import msgspec
import pytest

from coterie.wire import frames
from coterie.wire.codes import ErrorCode

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol" / "frames.md").read_text()
ROWS = {row[1]: row for row in re.findall(r"^\| (\d+) \| `(\w+)` \| (.*)\|$", PAGE, re.MULTILINE)}
FRAMES = [kind for kind in frames.Frame.__subclasses__() if isinstance(kind.__struct_config__.tag, int)]


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
def test_page_gives_each_frame_its_tag_and_fields_in_order(kind: type[frames.Frame]) -> None:
    tag, _, described = ROWS[kind.__name__]
    assert int(tag) == kind.__struct_config__.tag
    fields = [field.name for field in msgspec.structs.fields(kind) if field.name != "id"]
    told = [name for name in re.findall(r"`(\w+)`", described) if name in fields]
    assert told[: len(fields)] == fields


def test_page_has_no_frame_that_does_not_exist() -> None:
    assert set(ROWS) == {kind.__name__ for kind in FRAMES}


@pytest.mark.parametrize("code", list(ErrorCode))
def test_page_says_when_each_error_comes(code: ErrorCode) -> None:
    errors = PAGE.partition("## Errors")[2].partition("## Limits")[0]
    assert f"`{code.value}`" in errors
