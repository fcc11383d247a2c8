"""What the decoders of frames refuse beyond the shape that the types give."""

import msgspec
import pytest

from coterie.ids import QueueId
from coterie.wire.codec import MalformedFrame, decode_answer_untrusted, encode_frame
from coterie.wire.frames import Pushed

QUEUE = QueueId(b"q" * 32)
HASH = b"h" * 32
PUSHED = 96


@pytest.mark.parametrize(
    ("at", "payloads", "hashes"),
    [([1], [b"a", b"b"], []), ([1, 2], [b"a"], []), ([1, 2], [b"a", None], [HASH]), ([], [], [HASH])],
    ids=["a time is missing", "a time too many", "a hash is missing", "a hash of nothing"],
)
def test_push_whose_lists_do_not_go_together_is_malformed(
    at: list[int], payloads: list[bytes | None], hashes: list[bytes]
) -> None:
    with pytest.raises(MalformedFrame, match=f"{len(payloads)} entries with {len(at)} times"):
        decode_answer_untrusted(msgspec.msgpack.encode([PUSHED, QUEUE, 0, at, payloads, hashes]))


@pytest.mark.parametrize("hashes", [[], [b"", HASH]], ids=["without hashes", "with hashes"])
def test_push_whose_lists_go_together_comes_out_as_it_went_in(hashes: list[bytes]) -> None:
    push = Pushed(QUEUE, 3, [1, 2], [b"a", None if hashes else b"b"], hashes)
    assert decode_answer_untrusted(encode_frame(push)) == push
