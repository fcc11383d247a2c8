"""How often a hub looks for cyclic garbage: rarely. Its work makes many objects and hardly a cycle, and each look would
walk through everything that is alive, the whole register too, while the devices wait."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

_RARER: Final = 100


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """While entered, a hundred times more objects go by between two looks, and what is here already is left out."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(before[0] * _RARER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
