"""One mutation of one specimen, from a seeded source: flips, cuts, copies, splices, lengths that lie."""

import random
from collections.abc import Sequence
from typing import Final

MOST_BYTES: Final = 64 * 1024
_TELLING: Final = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\xc0",
    b"\xc1",
    b"\xc6\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xcf" + b"\xff" * 8,
    b"\x9b" + b"\xff" * 8,
    b"\x5f",
    b"\xd9\xff",
    b"\xf9\x7e\x00",
    b"\x91" * 64,
    b"\x81" * 64,
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
)


def mutate(chance: random.Random, specimens: Sequence[bytes]) -> bytes:
    """A changed copy of one of `specimens`; now and then random bytes."""
    if chance.random() < 0.02:
        return chance.randbytes(chance.randrange(200))
    changed = bytearray(chance.choice(specimens))
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 1, 2, 4, 8, 32))
        match chance.randrange(8):
            case 0 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 1 if place < len(changed):
                changed[place] = chance.randrange(256)
            case 2:
                del changed[place : place + length]
            case 3:
                changed[place:place] = chance.randbytes(length)
            case 4:
                changed[place:place] = changed[place : place + length]
            case 5:
                changed[place : place + length] = chance.choice(_TELLING)
            case 6:
                other = chance.choice(specimens)
                start = chance.randrange(len(other) + 1)
                changed[place:] = other[start:]
            case _:
                del changed[place:]
    return bytes(changed[:MOST_BYTES])
