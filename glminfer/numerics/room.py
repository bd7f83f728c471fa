"""Arrays too large for the memory of this machine are refused before they are made."""

from __future__ import annotations

from math import prod
from pathlib import Path

from glminfer.errors import DataError

_SMALL = 1 << 28  # bytes that are never asked about
_WAY = (
    "Standard errors, tests, intervals and predictions with the model's covariance, HC0 to HC3, CR0 and CR1 do not "
    "need them; or leave out factors of many levels."
)


def refuse_without_room(shape: tuple[int, ...], what: str = "", way: str = _WAY) -> None:
    """Refuse an array of doubles that does not fit into the memory that is free; ``way`` is the way out."""
    size = 8 * prod(shape)
    if size <= _SMALL or size <= (free := free_memory()):
        return
    what = what or f"All variances and covariances of {shape[-1]:,} coefficients"
    raise DataError(f"{what} take {size / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free. {way}")


def free_memory() -> float:
    """Bytes of memory that can be had, infinite where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):  # only Linux tells in this way
        return float("inf")
