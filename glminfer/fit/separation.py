"""Separation: does the likelihood have a maximum, and if not, where do the estimates go? (15)-(17)

A direction of recession δ has x'δ ≥ 0 on rows that are all events, ≤ 0 on rows that have none, and = 0 on mixed rows;
along it the likelihood rises for ever. Rows with x'δ ≠ 0 for some such δ are *separated*: their fitted
probabilities are exactly 0 or 1 in the limit. The finite part of the estimate is the fit of the other rows.

Sources: Albert & Anderson (1984), Biometrika 71; Konis (2007), thesis, Oxford.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.mixed import Mixed

Mask = NDArray[np.bool_]
_ZERO = 1e-7  # of a row scaled to largest entry 1: the accuracy of the linear programme
_HALF = 0.5  # a Newton step moves separated rows by one or more, and the others less and less
_SUM = 1e-7  # residual of a sum of inequalities that is rounding
_NONE = 1e-12  # entry of a cone of unit rows that is rounding
_SHARP = 1e8  # condition of a cone that can be inverted
_DIRECT = 4000  # rows up to which one linear programme takes them all


@dataclass(frozen=True, slots=True)
class Recession:
    """The cone of directions of recession of one model.

    Attributes
    ----------
    null : (p, k)
        A basis of the directions in which separated rows move and no other row does.
    cone : (s, k)
        Its inequalities: a direction ``null @ v`` is one of recession when ``cone @ v >= 0``.
    scale : (p,)
        Largest absolute value of each column: what a unit of its coefficient can do.
    """

    null: Array
    cone: Array
    scale: Array

    def signs(self, functionals: Array) -> Array:
        """Where each row of ``functionals`` (q, p) goes: 0 stays finite, ±1 to ±inf, NaN in either direction."""
        absolute = functionals.absolute() if isinstance(functionals, Mixed) else np.abs(functionals)
        return self._signs(functionals @ self.null, absolute @ (1.0 / self.scale))

    def of_columns(self) -> Array:
        """Where each coefficient goes, (p,)."""
        return self._signs(self.null, 1.0 / self.scale)

    def _signs(self, reduced: Array, size: Array) -> Array:
        """The same for functionals on the basis (q, k), whose sizes are given."""
        limit = 1e-9 * size * (np.abs(self.null) * self.scale[:, None]).max(initial=0.0)
        moving = np.abs(reduced).max(axis=1, initial=0.0) > limit
        signs = np.zeros(len(reduced))
        values = reduced[moving] / np.abs(reduced[moving]).max(axis=1, initial=0.0, keepdims=True)
        each = [_on_part(self.cone[np.ix_(rows, columns)], values[:, columns]) for rows, columns in _parts(self.cone)]
        signs[moving] = _joined(each, len(values))
        return signs


def _parts(cone: Array) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Inequalities and coordinates that have nothing to do with each other: as many levels, as many parts."""
    s, k = cone.shape
    if k < 2:
        return [(np.arange(s), np.arange(k))]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row, column = np.nonzero(np.abs(cone) > _NONE)
    count, label = connected_components(coo_array((np.ones(len(row)), (row, s + column)), shape=(s + k, s + k)))
    order = np.argsort(label, kind="stable")
    members = np.split(order, np.searchsorted(label[order], np.arange(1, count)))
    return [(some[some < s], some[some >= s] - s) for some in members]


def _on_part(cone: Array, values: Array) -> Array:
    """Signs of functionals (q, k) of largest value 1 on one part; zero where they are not about it."""
    signs = np.zeros(len(values))
    about = np.flatnonzero(np.abs(values).max(axis=1, initial=0.0) > _SUM)
    if cone.shape[0] == cone.shape[1] and np.linalg.cond(cone) < _SHARP:  # spanned by as many rays as dimensions
        signs[about] = _of_rays(values[about] @ np.linalg.inv(cone))
    else:
        signs[about] = [_direction(cone, row) for row in values[about]]
    return signs


def _of_rays(values: Array) -> Array:
    """The sign that functionals have on all rays (q, k), NaN where they have both."""
    rounding = 1e-9 * np.abs(values).max(axis=1, initial=0.0, keepdims=True)
    up, down = (values > rounding).any(axis=1), (values < -rounding).any(axis=1)
    return np.where(up & down, np.nan, np.where(up, 1.0, -1.0))


def _joined(each: Sequence[Array], q: int) -> Array:
    """The sign on all parts together, NaN where they differ or one is open."""
    up, down, unclear = (np.zeros(q, dtype=bool) for _ in range(3))
    for signs in each:
        up, down, unclear = up | (signs > 0), down | (signs < 0), unclear | np.isnan(signs)
    return np.where(unclear | (up & down), np.nan, up * 1.0 - down)


def _direction(cone: Array, functional: Array) -> float:
    """±1 when the functional has one sign on the cone: it, or minus it, is a non-negative sum of inequalities."""
    if len(functional) == 1:
        return float(np.sign(functional[0]) * np.sign(cone[:, 0].sum()))
    unit = functional / np.linalg.norm(functional)
    for sign in (1.0, -1.0):
        if _is_sum(cone, sign * unit):
            return sign
    return float("nan")


def _is_sum(cone: Array, target: Array) -> bool:
    """Whether a functional is a non-negative sum of the inequalities, so that it is not negative on the cone."""
    from scipy.optimize import linprog, nnls

    weights, told = nnls(cone.T, target)
    left = float(np.linalg.norm(cone.T @ weights - target))
    if abs(left - told) > _SUM:  # scipy's nnls may stop early and report a residual of zero
        least = linprog(target, A_ub=-cone, b_ub=np.zeros(len(cone)), bounds=(-1.0, 1.0)).fun
        return least is not None and bool(least > -_SUM)
    return left < _SUM


def find(Z: Array, y: Array, suspicion: Array) -> tuple[Mask, Recession] | None:
    """The separated rows and the cone of recession, or None when the maximum exists.

    Parameters
    ----------
    Z : (n, r)
        Linearly independent columns, rows of positive weight only.
    y : (n,)
        Proportions of events.
    suspicion : (n,)
        Larger for rows likelier to be separated; decides only which rows are looked at first.
    """
    sign = _signs(y)
    kinds = _kinds(Z, sign)
    if kinds is None:
        separated = _separated(Z, sign, suspicion)
    else:
        first, which, kind_sign = kinds
        separated = _separated(Z[first], kind_sign, suspicion[first])[which]
    if not separated.any():
        return None
    return separated, _recession(Z, sign, separated)


def along(Z: Array, y: Array, moves: Array) -> tuple[Mask, Recession] | None:
    """The rows that a step moves by more than a half towards their outcome, if a direction separates just them.

    There may be more separated rows; that there are none is proved by the maximum of the rows left.

    Parameters
    ----------
    Z, y
        As in ``find``.
    moves : (n,)
        What a Newton step does to the linear predictor of each row.
    """
    sign = _signs(y)
    ahead = sign * moves
    moved = ahead > _HALF
    null = null_space(Z[~moved])
    inside = (Z[moved] @ null) * sign[moved, None]
    nearest = np.linalg.lstsq(inside, ahead[moved], rcond=None)[0]
    if not moved.any() or (inside @ nearest < _HALF / 2).any():  # the others made exactly neutral
        return None
    return moved, _recession(Z, sign, moved)


def _signs(y: Array) -> Array:
    """1 for rows that are all events, -1 for those that have none, 0 for mixed ones."""
    return np.where(y == 1.0, 1.0, np.where(y == 0.0, -1.0, 0.0))


def _separated(Z: Array, sign: Array, suspicion: Array) -> Mask:
    """Rows that some direction of recession moves."""
    scaled = Z / largest(np.abs(Z), axis=0)
    scaled = scaled / largest(np.abs(scaled), axis=1)[:, None]
    separated = np.zeros(len(sign), dtype=bool)
    while not separated.all():  # each round removes rows that one direction separates
        left = np.flatnonzero(~separated)
        found = one_direction(scaled[left], sign[left], suspicion[left], partial(_null_of_rows, scaled[left]))
        if found is None:
            break
        separated[left[found]] = True
    return separated


def _kinds(Z: Array, sign: Array) -> tuple[NDArray[np.intp], NDArray[np.intp], Array] | None:
    """Rows that are equal, as one: the first of each kind, the kind of each row, and its sign; None if there are none.

    Equal rows with different outcomes are mixed: no direction of recession moves them.
    """
    if len(Z) > _DIRECT:
        return None
    _, first, which = np.unique(Z, axis=0, return_index=True, return_inverse=True)
    if 2 * len(first) > len(Z):
        return None
    which = which.reshape(-1)
    alike = np.bincount(which, sign != sign[first][which]) == 0
    return first, which, np.where(alike, sign[first], 0.0)


def largest(values: Array, axis: int) -> Array:
    """Maxima along an axis, 1 where there is nothing but zeros: a safe scale."""
    largest = values.max(axis=axis, initial=0.0)
    return np.where(largest > 0, largest, 1.0)


def one_direction(rows: Array, sign: Array, suspicion: Array, null: Callable[[Mask], Array]) -> Mask | None:
    """Rows that one direction of recession separates strictly, leaving the others where they are.

    ``null`` gives a basis (p, k) of the directions in which none of the rows marked moves.
    """
    working = _first_rows(suspicion)
    total = sign @ rows
    while True:
        direction = _linear_programme(rows[working], sign[working], total)
        if direction is None:
            return None
        along = np.where(sign == 0, -np.abs(rows @ direction), sign * (rows @ direction))
        wrong = np.flatnonzero(along < -_ZERO)
        fresh = np.setdiff1d(wrong[np.argsort(along[wrong])][:_DIRECT], working)
        if not fresh.size:
            return _verified(rows, sign, along > 10 * _ZERO, direction, null)
        working = np.concatenate([working, fresh])


def _first_rows(suspicion: Array) -> NDArray[np.intp]:
    """All rows when few; else the most suspicious ones and an even spread of the rest."""
    n = len(suspicion)
    if n <= _DIRECT:
        return np.arange(n)
    order = np.argsort(-suspicion, kind="stable")
    spread = order[:: -(-n // _DIRECT)]
    return np.union1d(order[: _DIRECT // 2], spread)


def _linear_programme(rows: Array, sign: Array, total: Array) -> Array | None:
    """A direction with 0 ≤ ±x'δ ≤ 1 (= 0 on mixed rows) and the largest sum, or None when that sum is zero (17).

    ``total`` is the sum of ±x over all rows, of which ``rows`` may be a part: a direction that moves none of them still
    counts. The sum is kept below the number of rows, as it is when they are all there.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, diags_array, issparse, vstack

    turned, pure = np.where(sign == 0, 1.0, sign), sign != 0
    if issparse(rows):
        signed: Any = csr_array(diags_array(turned) @ rows)
        parts = [-signed[pure], signed[pure], signed[~pure], -signed[~pure], csr_array(total[None])]
        constraints = vstack([part for part in parts if part.shape[0]], format="csr")
    else:
        signed = rows * turned[:, None]
        constraints = np.vstack([-signed[pure], signed[pure], signed[~pure], -signed[~pure], total])
    upper = np.concatenate([np.zeros(pure.sum()), np.ones(pure.sum()), np.zeros(2 * (~pure).sum()), [rows.shape[0]]])
    answer = linprog(-total, A_ub=constraints, b_ub=upper, bounds=(None, None), method="highs")
    if answer.x is None or not np.isfinite(answer.x).all():
        return None
    return answer.x if total @ answer.x > 10 * _ZERO else None


def _verified(rows: Array, sign: Array, moved: Mask, direction: Array, null: Callable[[Mask], Array]) -> Mask | None:
    """Check without the programme's tolerance: made exactly neutral on the rows left, the direction still separates."""
    basis = np.linalg.qr(null(~moved))[0]
    exact = basis @ (basis.T @ direction)
    return moved if moved.any() and ((rows[moved] @ exact) * sign[moved] > 0).all() else None


def _null_of_rows(rows: Array, which: Mask) -> Array:
    return null_space(rows[which])


def null_space(rows: Array) -> Array:
    """Orthonormal basis (p, k) of the directions in which none of the rows moves."""
    p = rows.shape[1]
    if not len(rows):
        return np.eye(p)
    scale = largest(np.abs(rows), axis=0)
    R = np.linalg.qr(rows / scale, mode="r")
    _, singular, right = np.linalg.svd(R)
    rank = int((singular > 1e-10 * singular[0]).sum()) if singular[0] > 0 else 0
    return np.linalg.qr((right[rank:] / scale).T)[0]


def _recession(Z: Array, sign: Array, separated: Mask) -> Recession:
    null = null_space(Z[~separated])
    inequalities = (Z[separated] @ null) * sign[separated, None]
    unit = inequalities / np.linalg.norm(inequalities, axis=1, keepdims=True)
    return Recession(null, np.unique(np.round(unit, 9), axis=0), largest(np.abs(Z), axis=0))
