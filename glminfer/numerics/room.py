"""Arrays too large for the memory of this machine are refused before they are made."""

from __future__ import annotations

import os
from math import prod

from glminfer.errors import DataError

_SMALL = 1 << 28  # bytes that are never asked about


def refuse_without_room(shape: tuple[int, ...], what: str = "") -> None:
    """Refuse an array of doubles that does not fit into the memory that is free."""
    size = 8 * prod(shape)
    if size <= _SMALL or size <= (free := free_memory()):
        return
    what = what or f"All variances and covariances of {shape[-1]:,} coefficients"
    raise DataError(
        f"{what} take {size / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free. Standard errors, tests, intervals and "
        "predictions with the model's covariance, HC0 to HC3, CR0 and CR1 do not need them; or leave out factors of "
        "many levels."
    )


def free_memory() -> float:
    """Bytes of memory that are free, infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not every system knows these names
        return float("inf")
