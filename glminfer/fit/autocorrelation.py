"""The alarm: rows in their order of recording whose residuals follow each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from glminfer.data import frames
from glminfer.data.pieces import in_pieces
from glminfer.data.rows import MemoryRows
from glminfer.data.rows_coded import CodedRows
from glminfer.data.rows_repeated import RepeatedRows
from glminfer.data.sessions import Sessions, sessions
from glminfer.errors import InputError
from glminfer.fit.records import FitRecord, Lost
from glminfer.numerics import permutations
from glminfer.numerics.autocorrelation import Following, following, variance_factors
from glminfer.numerics.blocks import Array, Block

_NEAR, _WIDE = 4.0, 5.0  # standard deviations: silent on independent rows (docs/calibration.md)
_MOST = 1 << 15  # rows looked at: enough to see a correlation of 0.02, at a cost that does not grow with the data
_REACH = 3  # the factors look so many times as far as the alarm
_LITTLE = 1.1  # a variance no more than so many times as large is not worth a warning
_COEFFICIENTS, _AT_ONCE = 1000, 64  # coefficients looked at, those of long factors last, and at once
_TIMES = (pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex)


def noted(fit: FitRecord) -> FitRecord:
    """The fit, with a note if its rows have an order and its residuals follow each other in it (98)."""
    places = _conventional(fit) if _unspecified(fit) else (fit.call["order"], fit.call["by"])
    found = None if places is None else _in_order(fit, *places)
    if found is None:
        return fit
    order, block = found
    residuals, weight = _residuals(fit, block)
    if not np.isfinite(residuals).all():
        return fit
    far = int(np.ceil(np.sqrt(len(residuals) / order.count)))
    near, wide = (following(residuals, order.starts, lags) for lags in (1, max(far, 2)))
    if abs(near.z) <= _NEAR and abs(wide.z) <= _WIDE:
        return fit
    largest = _largest(fit, order, block, residuals, weight, _REACH * wide.lags)
    text = _text(order, near, wide, largest) + _not_looked_at(fit)
    return replace(fit, notes=(*fit.notes, text))


def _unspecified(fit: FitRecord) -> bool:
    return fit.call.get("order") is None and fit.call.get("by") is None


def _conventional(fit: FitRecord) -> tuple[Any, Any] | None:
    """The order that data in memory have without being told: a column "trial", with "session"; an index of times."""
    data = fit.call["data"]
    if not isinstance(fit.rows, MemoryRows | RepeatedRows | CodedRows) or in_pieces(data) is not None:
        return None
    names = frames.names(data)
    if "trial" in names:
        return "trial", "session" if "session" in names else None
    index = frames.index(data)
    return (index.argsort().argsort(), None) if isinstance(index, _TIMES) and index.is_unique else None


def _in_order(fit: FitRecord, order: Any, by: Any) -> tuple[Sessions, Block] | None:
    """The first rows of positive weight in sessions and in order; None if a column of the usual name is no order."""
    if order is Lost.ARGUMENT or by is Lost.ARGUMENT:
        return None
    rows, sample = fit.with_rows()
    places = np.flatnonzero(sample.weights > 0)[:_MOST]
    try:
        found = sessions(fit.call["data"], sample.used[places], order, by)
    except InputError:
        if _unspecified(fit):
            return None
        raise
    ordered = places[found.rows]
    return found, rows.part(ordered)


def _residuals(fit: FitRecord, block: Block) -> tuple[Array, Array]:
    """Pearson residuals and working weights; zero where a row is fitted exactly."""
    score, weight = permutations.contributions(block, fit.working[None], fit.family).T
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.where(weight > 0, score / np.sqrt(np.where(weight > 0, weight, 1.0)), 0.0), weight


def _largest(
    fit: FitRecord, order: Sessions, block: Block, residuals: Array, weight: Array, lags: int
) -> tuple[str, float] | None:
    """The coefficient, other than the intercept, whose variance is most too small, and how many times."""
    told = _looked_at(fit)[:_COEFFICIENTS]
    if not told:
        return None
    V, root, found = fit.working_covariance, np.sqrt(weight[:, None]), []
    for start in range(0, len(told), _AT_ONCE):
        shares = root * (block.X @ (V @ fit.T[told[start : start + _AT_ONCE]].T))
        found.append(variance_factors(residuals, shares, order.starts, lags))
    factors = np.concatenate(found)
    return fit.columns[told[int(np.argmax(factors))]], float(factors.max())


def _looked_at(fit: FitRecord) -> list[int]:
    """The coefficients other than the intercept, those of terms with few columns first."""
    width = np.ones(len(fit.columns), dtype=np.intp)
    for where in fit.design.terms.values():
        width[where] = where.stop - where.start
    finite = [j for j, name in enumerate(fit.columns) if name != "Intercept" and fit.finite[j]]
    return sorted(finite, key=lambda j: width[j]) if len(finite) > _COEFFICIENTS else finite


def _text(order: Sessions, near: Following, wide: Following, largest: tuple[str, float] | None) -> str:
    where = f" within {order.name}" if order.name else ""
    said = (
        f"residuals follow each other{where}: correlation {near.correlation:.2f} with the next row (z = {near.z:.1f}), "
        f"{wide.correlation:.2f} on average with the next {wide.lags:,} (z = {wide.z:.1f})"
    )
    if largest is None:
        return f"{said}. Standard errors with cov='model' assume independent rows."
    name, factor = largest
    if factor < _LITTLE:
        return (
            f"{said}. It matters little here: no variance is too small with cov='model' ({name}: {factor:.2g} times)."
        )
    return (
        f"{said}. The variance of {name} is roughly {factor:.2g} times what cov='model' says; see cluster= and "
        "permutation_test."
    )


def _not_looked_at(fit: FitRecord) -> str:
    left = len(_looked_at(fit)) - _COEFFICIENTS
    return f" {left:,} more coefficients, of the longest terms, were not looked at." if left > 0 else ""
