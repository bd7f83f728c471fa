"""Functions of a formula that look at other rows of the same session: lag() and history().

They are computed on all rows of the data given, before ``subset`` and before rows with missing values leave: the row
before is the row recorded before, whether or not the model uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.columns import Column, Factor, numbers, taken
from glminfer.data.raised_cosines import past_bumps
from glminfer.data.values import shown, whole_number
from glminfer.errors import DataError, counted

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def lag(x: Column, k: int | Sequence[int] = 1, by: Codes | None = None) -> Column:
    """The value k rows before in the same session (100); one column for each of several k."""
    several = isinstance(k, list | tuple | range)
    steps = [whole_number("k", step, 1) for step in (k if several else [k])]  # type: ignore[union-attr]
    if not steps:
        raise DataError("k= holds no lag; give a whole number, or several as [1, 2] or range(1, 4).")
    if not several:
        return taken(x, previous(len(x), steps[0], by))  # (100)
    if isinstance(x, Factor):
        raise DataError(
            f"several lags at once need numbers, and was given labels ({shown(x.levels)}). Write one term for each lag."
        )
    return np.column_stack([numbers(taken(x, previous(len(x), step, by)), "x", "a lag") for step in steps])


def history(
    x: Column,
    n_basis: int,
    by: Codes | None = None,
    last: int | None = None,
    offset: float = 1.0,
    before: float | None = None,
) -> Column:
    """Sums over the last rows of the same session, weighted by raised-cosine bumps of their lag (101)."""
    weights = past_bumps(n_basis, last, offset)
    values = _numbers(x)
    order, places, padded = _padded(values, by, len(weights), np.nan if before is None else _finite(before))
    result = np.full((len(values), weights.shape[1]), np.nan)
    for j, bump in enumerate(weights.T):
        if order.size:
            result[order, j] = np.convolve(padded, bump, "valid")[places - len(weights)]  # (101)
    return result[:, 0] if result.shape[1] == 1 else result


SEQUENTIAL: dict[str, Callable[..., Column]] = {"lag": lag, "history": history}


def lag_weights(function: str, options: Mapping[str, Any]) -> tuple[Codes, Floats]:
    """The lags a numeric term looks back to, and the weight of each in its columns, (lags, columns)."""
    if function == "history":
        weights = past_bumps(options["n_basis"], options.get("last"), options.get("offset", 1.0))
        return np.arange(1, len(weights) + 1), weights
    lags = np.atleast_1d(np.array(options.get("k", 1), dtype=np.intp))
    return lags, np.eye(len(lags))


# sessions ------------------------------------------------------------------------------------------------------------


def previous(n: int, k: int, by: Codes | None) -> Codes:
    """Position of the row k before in the same session; -1 where there is none or the session is not known."""
    if by is None:
        return np.maximum(np.arange(n) - k, -1)
    order, found = np.argsort(by, kind="stable"), np.full(n, -1)
    later, earlier = order[k:], order[: max(n - k, 0)]
    same = (by[later] == by[earlier]) & (by[later] >= 0)
    found[later[same]] = earlier[same]
    return found


def _padded(values: Floats, by: Codes | None, pad: int, fill: float) -> tuple[Codes, Codes, Floats]:
    """Rows in the order of their sessions, their places in a row of all values, and that row: a gap before each."""
    by = np.zeros(len(values), dtype=np.intp) if by is None else by
    order = np.argsort(by, kind="stable")
    order = order[by[order] >= 0]
    session = np.cumsum(np.diff(by[order], prepend=-1) > 0)
    places = np.arange(len(order)) + session * pad
    padded = np.full(places[-1] + 1 if len(order) else 0, fill)
    padded[places] = values[order]
    return order, places, padded


def _numbers(x: Column) -> Floats:
    if isinstance(x, Factor):
        raise DataError(f"needs numbers, and was given labels ({shown(x.levels)}). Write a condition on them.")
    values = numbers(x, "x", "a history")
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise DataError(f"was given inf in {counted(infinite, 'row')}; look for a logarithm of 0 or a division by 0.")
    return values


def _finite(before: Any) -> float:
    if isinstance(before, int | float) and np.isfinite(before):
        return float(before)
    raise DataError(f"before={before!r} must be the number to assume before a session began, such as 0.")
