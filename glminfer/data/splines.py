"""Regression splines: ``bs`` (B-splines) and ``ns`` (natural cubic splines), as in R's package splines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.bsplines import basis, derivative
from glminfer.data.values import column_of, known_rows, refuse_outside, shown, shown_distinct, whole_number
from glminfer.errors import DataError, counted, every

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BSpline:
    """A B-spline basis: all knots (the ends repeated), its degree, and what happens beyond the ends."""

    knots: Floats
    degree: int
    intercept: bool
    extrapolate: bool


@dataclass(frozen=True, slots=True, eq=False)
class NaturalSpline:
    """Cubic B-splines times the projection onto those that are linear beyond the ends, and the slopes there."""

    knots: Floats
    projection: Floats
    slopes: Floats


def learn_bs(
    x: Any,
    df: int | None = None,
    knots: Any = None,
    degree: int = 3,
    include_intercept: bool = False,
    lower_bound: float | None = None,
    upper_bound: float | None = None,
    extrapolate: bool = False,
) -> BSpline:
    """Knots of a B-spline with ``df`` columns: quantiles of the rows, or as given."""
    known = known_rows(column_of(x))
    degree = whole_number("degree", degree, 0)
    ends = _ends(known, lower_bound, upper_bound)
    inner = _inner_knots(known, ends, df, knots, degree + bool(include_intercept))
    return BSpline(_all_knots(inner, ends, degree), degree, bool(include_intercept), bool(extrapolate))


def apply_bs(spline: BSpline, x: Any, *_: Any, **__: Any) -> Floats:
    """The basis at x; outside the range learned from an error, or the end pieces continued."""
    column = column_of(x)
    if not spline.extrapolate:
        refuse_outside(column, spline.knots[0], spline.knots[-1], "the spline was", _WAY_OUT)
    values = basis(spline.knots, spline.degree, column)
    return values if spline.intercept else values[:, 1:]


def learn_ns(
    x: Any, df: int | None = None, knots: Any = None, intercept: bool = False, boundary_knots: Any = None
) -> NaturalSpline:
    """Knots and projection of a natural cubic spline with ``df`` columns, linear beyond its boundary knots."""
    known = known_rows(column_of(x))
    ends = _ends(known, *_sorted_pair(boundary_knots))
    inner = _inner_knots(known, ends, df, knots, 1 + bool(intercept))
    knots = _all_knots(inner, ends, 3)
    projection = _natural(derivative(knots, 3, ends, 2), bool(intercept))
    return NaturalSpline(knots, projection, derivative(knots, 3, ends, 1) @ projection)


def _natural(curvature: Floats, intercept: bool) -> Floats:
    """Basis, as R builds it, of the coefficients with no second derivative at the two ends.

    The Householder QR of the two constraints: all but the first two columns of Q span their null space.
    """
    kept = curvature if intercept else curvature[:, 1:]
    q = np.linalg.qr(kept.T, mode="complete").Q[:, 2:]
    return q if intercept else np.vstack([np.zeros(q.shape[1]), q])


def apply_ns(spline: NaturalSpline, x: Any, *_: Any, **__: Any) -> Floats:
    """The basis at x, linear beyond the boundary knots."""
    column = column_of(x)
    inside = np.clip(column, spline.knots[0], spline.knots[-1])
    values = basis(spline.knots, 3, inside) @ spline.projection
    for slope, beyond in zip(spline.slopes, (column < inside, column > inside), strict=True):
        values[beyond] += np.outer((column - inside)[beyond], slope)
    return values


# knots ---------------------------------------------------------------------------------------------------------


def _ends(x: Floats, lower: float | None, upper: float | None) -> Floats:
    """The boundary knots: as given, or the range of the rows."""
    low, high = float(x.min() if lower is None else lower), float(x.max() if upper is None else upper)
    if low < high:
        return np.array([low, high])
    if lower is None and upper is None:
        raise DataError(f"the column is {shown([low])} in {every(x.size, 'row')}. Leave it out.")
    raise DataError(f"the lower bound {low:g} is not below the upper bound {high:g}.")


def _sorted_pair(boundary_knots: Any) -> tuple[float | None, float | None]:
    if boundary_knots is None:
        return None, None
    pair = np.sort(np.asarray(boundary_knots, dtype=np.float64).ravel())
    if pair.size != 2:
        raise DataError(f"boundary_knots needs two numbers, and was given {pair.size}.")
    return float(pair[0]), float(pair[1])


def _inner_knots(x: Floats, ends: Floats, df: int | None, knots: Any, without: int) -> Floats:
    """Inner knots, where a basis without any has ``without`` columns."""
    if df is None and knots is None:
        raise DataError(f"needs df=, the number of columns ({without} or more), or knots=.")
    count = None if df is None else whole_number("df", df, without) - without
    if knots is None:
        inside = x[(x >= ends[0]) & (x <= ends[1])]
        return _inside(_quantiles(inside, count or 0), ends, _TIED)
    given = np.sort(np.atleast_1d(np.asarray(knots, dtype=np.float64)).ravel())
    if count is not None and given.size != count:
        raise DataError(f"df={df} implies {counted(count, 'knot')}, and knots= has {given.size}. Give one of the two.")
    return _inside(given, ends, _GIVEN)


_TIED = "because many rows share one value. Lower df, or give knots= inside the range."
_GIVEN = "where they change nothing. Leave them out; the ends of the range are knots already."


def _quantiles(x: Floats, count: int) -> Floats:
    """R's type 7 quantiles at equal steps."""
    if not count:
        return np.empty(0)
    if not x.size:
        raise DataError("has no rows between its bounds to take quantiles of. Give knots=, or widen the bounds.")
    return np.asarray(np.quantile(x, np.linspace(0, 1, count + 2)[1:-1]))


def _inside(inner: Floats, ends: Floats, why: str) -> Floats:
    """Refuse knots on the ends or beyond: the basis would have columns that vanish or repeat the intercept."""
    low, high = ends
    wrong = inner[~((inner > low) & (inner < high))]
    if wrong.size:
        raise DataError(
            f"{counted(wrong.size, 'knot')} ({shown_distinct(wrong)}) fell on or beyond the ends {low:g} and {high:g}, "
            f"{why}"
        )
    return inner


def _all_knots(inner: Floats, ends: Floats, degree: int) -> Floats:
    return np.sort(np.concatenate([np.repeat(ends, degree + 1), inner]))


_WAY_OUT = (
    "Leave them out, fit with lower_bound= and upper_bound=, use ns() (linear beyond its range), or extrapolate=True "
    "to continue the end pieces."
)
