"""The largest of several correlated statistics: tail probabilities and quantiles of max(abs(T)).

T is multivariate normal or t with a correlation matrix that may be singular (all pairwise differences of a factor's
levels are). The probability is an integral over the unit cube (Genz 1992; Genz & Bretz 2009, section 4), taken over a
fixed set of lattice points with random shifts, so that one seed gives one answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaincinv, ndtr, ndtri

from glminfer.numerics.blocks import Array

_POINTS = 4096
_SHIFTS = 8
_DEPENDENT = 1e-9  # what is left of a statistic's standard deviation when others determine it
_SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Largest:
    """max(abs(T_j)) of statistics with a given correlation.

    Attributes
    ----------
    root : (q, s)
        Trapezoidal root of the correlation matrix of rank s, rows in pivoted order.
    last : (q,)
        The last coordinate each row depends on: the one that its bounds are put on.
    dof : float
        Degrees of freedom; infinite is the normal.
    points : (N, s) or (N, s + 1)
        Where the integrand is evaluated; the additional coordinate draws the common scale of t statistics.
    """

    root: Array
    last: NDArray[np.intp]
    dof: float
    points: Array

    def tail(self, c: float) -> float:
        """P(max abs(T_j) > c) (39), to about three digits whatever its size: its complement is never formed."""
        bounds = np.full(len(self.points), c)
        if np.isfinite(self.dof):
            bounds = c * np.sqrt(2 * gammaincinv(self.dof / 2, self.points[:, -1]) / self.dof)
        log_inside = np.zeros(len(bounds))
        y = np.zeros((len(bounds), self.root.shape[1]))
        for i in range(self.root.shape[1]):
            low, high = self._interval(i, y, bounds)
            outside = np.minimum(ndtr(low) + ndtr(-high), 1.0)
            with np.errstate(divide="ignore"):
                log_inside += np.log1p(-outside)
            y[:, i] = ndtri(np.clip(ndtr(low) + self.points[:, i] * (1.0 - outside), _SMALLEST, 1.0 - 1e-16))
        return float(-np.expm1(log_inside).mean())

    def _interval(self, i: int, y: Array, bounds: Array) -> tuple[Array, Array]:
        """Values of coordinate i that keep every statistic ending in it within its bounds."""
        low, high = np.full(len(y), -np.inf), np.full(len(y), np.inf)
        for row in self.root[self.last == i]:
            before = y[:, :i] @ row[:i]
            size = abs(row[i])
            centre = -before / row[i]
            low, high = np.maximum(low, centre - bounds / size), np.minimum(high, centre + bounds / size)
        return low, np.maximum(low, high)

    def quantile(self, level: float, low: float, high: float) -> float:
        """c with P(max abs(T_j) <= c) = level, between two bounds."""
        if self.tail(low) <= 1.0 - level:  # one statistic, or all of them the same
            return low
        return float(brentq(lambda c: self.tail(c) - (1.0 - level), low, 1.05 * high, xtol=1e-8))


def largest(correlation: Array, dof: float, seed: int) -> Largest:
    """Prepare the integral for a correlation matrix (q, q)."""
    root = _pivoted_root(correlation)
    last = np.array([np.flatnonzero(np.abs(row) > _DEPENDENT)[-1] for row in root], dtype=np.intp)
    return Largest(root, last, dof, _lattice(root.shape[1] + int(np.isfinite(dof)), seed))


def _pivoted_root(R: Array) -> Array:
    """Pivoted Cholesky factor (q, s), rows in the order of the pivots."""
    left, order, columns = R.copy(), list(range(len(R))), []
    for k in range(len(R)):
        pivot = max(range(k, len(R)), key=lambda j: left[order[j], order[j]])
        if left[order[pivot], order[pivot]] <= _DEPENDENT:
            break
        order[k], order[pivot] = order[pivot], order[k]
        column = left[:, order[k]] / np.sqrt(left[order[k], order[k]])
        column[order[:k]] = 0.0
        columns.append(column)
        left = left - np.outer(column, column)
    return np.column_stack(columns)[order]


def _lattice(dimensions: int, seed: int) -> Array:
    """Richtmyer's points k√prime (mod 1), randomly shifted and folded, (N, dimensions)."""
    steps = np.sqrt(_primes(dimensions)) % 1.0
    shifts = np.random.default_rng(seed).random((_SHIFTS, 1, dimensions))
    points = (np.arange(1, _POINTS + 1)[:, None] * steps + shifts) % 1.0
    return np.asarray(np.clip(np.abs(2 * points - 1), 1e-12, 1 - 1e-12).reshape(-1, dimensions))


def _primes(count: int) -> Array:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return np.array(found, dtype=float)
