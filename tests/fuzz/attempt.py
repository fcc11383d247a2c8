"""One input given to one decoder: what came of it, and what is wrong with that."""

import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from tests.fuzz.targets import Target

SLOWEST_SECONDS: Final = 1.0
TAKEN: Final = "taken"


@dataclass(frozen=True)
class Attempt:
    """`outcome`: TAKEN, or where in the code it was refused. `fault`: what must not be; empty if nothing."""

    outcome: str
    fault: str = ""


def attempt(target: Target, data: bytes) -> Attempt:
    began = time.process_time()
    outcome = TAKEN
    try:
        target.decode(data)
    except target.allowed as refusal:
        outcome = _place(refusal)
        if getattr(refusal, "code", "") == "internal":
            return Attempt(outcome, "an internal error")
    # a fuzzer's whole duty is to see what nobody named
    except BaseException:
        if sys.exc_info()[0] is KeyboardInterrupt:
            raise
        return Attempt("broken", traceback.format_exc())
    took = time.process_time() - began
    return Attempt(outcome, f"it took {took:.1f} s of computing" if took > SLOWEST_SECONDS else "")


def _place(refusal: Exception) -> str:
    """The innermost frame that raised, and the error's type and code: not its text, which may hold the input."""
    at = refusal.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = "" if at is None else f"{PurePath(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"
    cause = "" if refusal.__cause__ is None else type(refusal.__cause__).__name__
    return f"{type(refusal).__name__} {getattr(refusal, 'code', '')} {cause} {where}"
