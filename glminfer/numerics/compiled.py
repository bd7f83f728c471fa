"""Plain loops compiled by numba where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from types import FunctionType
from typing import Any

from glminfer.numerics import plain_loops

# less to compile: called from Python only, without whole arrays to rewrite or memory to ask for
_LEAN: dict[str, Any] = {"no_cfunc_wrapper": True, "no_rewrites": True, "_nrt": False}
# sums may be taken in any order; infinities and NaN are kept
_OPTIONS = _LEAN | {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}


@cache
def settle() -> Callable[..., tuple[int, float, int]] | None:
    """``plain_loops.settle`` compiled, from its second use on this machine read from numba's cache; else None."""
    if find_spec("numba") is None:
        return None
    from numba import njit

    part = njit(inline="always", **_LEAN)(plain_loops.evaluate)  # as one function they compile sooner
    whole = _calling(plain_loops.settle, evaluate=part)
    try:
        made = njit(cache=True, **_OPTIONS)(whole)
    except RuntimeError:  # there is nowhere to keep it
        made = njit(**_OPTIONS)(whole)
    return made  # type: ignore[no-any-return]


def _calling(function: Callable[..., Any], **others: Any) -> FunctionType:
    """The same function, which calls others by these names."""
    assert isinstance(function, FunctionType)
    return FunctionType(function.__code__, {**function.__globals__, **others}, function.__name__)
