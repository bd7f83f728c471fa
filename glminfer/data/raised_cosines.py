"""Raised-cosine bumps: smooth bases over the past (on a logarithmic axis) and over the range of a covariate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.values import column_of, known_rows, refuse_outside, shown_distinct, whole_number
from glminfer.errors import DataError

Floats = NDArray[np.float64]


def bumps(u: Floats, peaks: Floats, width: float) -> Floats:
    """Cosine bumps of height 1 that end ``width`` to the left and right of their peaks, (len(u), len(peaks))."""
    values: Floats = (1 + np.cos(np.pi * np.clip((u[:, None] - peaks) / width, -1, 1))) / 2
    return values


# the past ------------------------------------------------------------------------------------------------------------


def past_bumps(n_basis: Any, last: Any = None, offset: Any = 1.0) -> Floats:
    """Weights of the lags 1, …, last in each of n_basis bumps, (last, n_basis).

    The bumps are evenly spaced in log(lag + offset); the first peaks at lag 1, the last one ends beyond ``last``.
    """
    n = whole_number("n_basis", n_basis, 1)
    last = 4 * n if last is None else whole_number("last", last, 1)
    if not isinstance(offset, int | float) or not 0 <= offset < np.inf:
        raise DataError(f"offset={offset!r} must be a number, 0 or more.")
    start, end = np.log(1 + offset), np.log(last + 1 + offset)
    step = (end - start) / (n + 1)
    lags = np.log(np.arange(1, last + 1) + offset)
    values = bumps(lags, start + step * np.arange(n), 2 * step)  # (102)
    if last < n or np.linalg.cond(values) > _TOO_ALIKE:
        raise DataError(
            f"n_basis={n} bumps cannot be told apart on last={last} lags with offset={offset:g}. Lower n_basis, or "
            "raise last or offset (a larger one spaces the bumps more evenly)."
        )
    return values


_TOO_ALIKE = 1e4  # condition number; some n_basis²/4 where each bump has lags of its own


# the range of a covariate --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Bumps:
    """Bumps that end where their neighbours peak, so that they add up to 1; without an intercept, all but the first."""

    peaks: Floats
    intercept: bool


def learn_raised_cosine(
    x: Any,
    n: int,
    include_intercept: bool = False,
    lower_bound: float | None = None,
    upper_bound: float | None = None,
) -> Bumps:
    """Peaks that divide the range of the rows, or the one given, evenly."""
    column, columns = known_rows(column_of(x)), whole_number("n", n, 1 + bool(include_intercept))
    low = float(column.min() if lower_bound is None else lower_bound)
    high = float(column.max() if upper_bound is None else upper_bound)
    peaks = columns + (not include_intercept)
    distinct = np.unique(column)
    if distinct.size < peaks:
        raise DataError(
            f"n={columns} needs {peaks} distinct values, and the column has {distinct.size} "
            f"({shown_distinct(distinct)}). Lower n, or use C() for a factor."
        )
    if not low < high:
        raise DataError(f"the lower bound {low:g} is not below the upper bound {high:g}.")
    return Bumps(np.linspace(low, high, peaks), bool(include_intercept))


def apply_raised_cosine(state: Bumps, x: Any, *_: Any, **__: Any) -> Floats:
    """The bumps at x, one column each; outside the range an error."""
    column, peaks = column_of(x), state.peaks
    refuse_outside(column, peaks[0], peaks[-1], "the bumps were", _WAY_OUT)
    values = bumps(column, peaks, peaks[1] - peaks[0])  # (104)
    return values if state.intercept else values[:, 1:]


_WAY_OUT = "Leave them out, fit with lower_bound= and upper_bound=, or use ns(), which is linear beyond its range."
