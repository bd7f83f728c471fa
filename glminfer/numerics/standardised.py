"""Columns on the scale of the penalty: centred and divided by their standard deviation, without copying the matrix.

A fold of a cross-validation is a weight of zero on its rows, so that the same matrix serves every fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array

Indices = NDArray[np.intp]

_TILE = 1 << 18  # numbers of a tile: two megabytes, which stay in the cache
_CONSTANT = 1e-11  # a column whose deviation is less than this part of its size does not vary (as in rank.py)
_FAR = 1e3  # a mean further out than so many deviations costs digits where columns are centred by subtraction


@dataclass(frozen=True, slots=True)
class Standardised:
    """The columns (x - mean) / deviation over the rows of positive weight, made when asked for.

    With an intercept there is one column more, the last, which is 1 (q = p + 1); without, q = p.

    Attributes
    ----------
    X : (n, p)
        As given; both C and Fortran order are fine.
    rows : (k,) or slice
        The rows of positive weight.
    means : (p,)
        Weighted means; zero without an intercept.
    inverse : (p,)
        One over the weighted standard deviation (divisor: the total weight); zero for columns that do not vary.
    intercept : bool
    lengths : (q,)
        Roots of the weighted mean squares of the columns made: 1 where they are centred.
    """

    X: Array
    rows: Indices | slice
    means: Array
    inverse: Array
    intercept: bool
    lengths: Array

    @property
    def q(self) -> int:
        """Number of columns, the constant included."""
        return len(self.means) + int(self.intercept)

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Which columns can have a coefficient, (q,)."""
        return np.append(self.inverse > 0, np.ones(int(self.intercept), dtype=np.bool_))

    def columns(self, which: Indices) -> Array:
        """Some of the columns, (k, len(which)), Fortran order."""
        real = which < len(self.means)
        at = which[real]
        chosen = self.X.T[at] if isinstance(self.rows, slice) else self.X.T[at[:, None], self.rows]
        made = chosen - self.means[at, None]  # each contiguous
        made *= self.inverse[at, None]
        if not real.all():
            made = np.insert(made, np.flatnonzero(~real), 1.0, axis=0)
        return np.asarray(made.T)

    def products(self, residual: Array) -> Array:
        """Inner product of every column with a vector over the kept rows, (q,)."""
        whole, total = residual, residual.sum()
        if not isinstance(self.rows, slice):
            whole = np.zeros(len(self.X))
            whole[self.rows] = residual
        made = (whole @ self.X - self.means * total) * self.inverse
        return np.append(made, total) if self.intercept else np.asarray(made)

    def original(self, which: Indices, u: Array) -> tuple[Array, float]:
        """Coefficients of the columns as given, (p,), and the intercept."""
        b = np.zeros(self.q)
        b[which] = u
        coef = b[: len(self.means)] * self.inverse
        return coef, float(b[-1] - coef @ self.means) if self.intercept else 0.0

    def scaled(self, coef: Array, constant: float) -> tuple[Indices, Array]:
        """The columns that have a coefficient, and the coefficients of the standardised columns."""
        at = np.flatnonzero((coef != 0) & (self.inverse > 0))
        u = coef[at] / self.inverse[at]
        if not self.intercept:
            return at, u
        return np.append(at, self.q - 1), np.append(u, constant + coef[at] @ self.means[at])


def standardised(X: Array, weights: Array, intercept: bool) -> Standardised:
    """Means and deviations of the columns under weights (n,) that sum to 1."""
    rows = np.flatnonzero(weights > 0)
    means, deviation = moments(X, weights)
    varies = deviation > _CONSTANT * np.hypot(means, deviation)
    inverse = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    kept = slice(None) if len(rows) == len(weights) else rows
    if intercept:
        return Standardised(X, kept, means, inverse, True, np.append(np.where(varies, 1.0, 0.0), 1.0))
    return Standardised(X, kept, np.zeros_like(means), inverse, False, np.hypot(means, deviation) * inverse)


def centred(X: Array, weights: Array) -> tuple[Array, Array]:
    """The columns less a shift (p,): X itself and zero, unless a mean is so far out that inner products lose digits."""
    means, deviation = moments(X, weights / weights.sum())
    far = np.abs(means) > _FAR * deviation
    shift = np.where(far, means, 0.0)
    return (X - shift if far.any() else X), shift


def moments(X: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of every column, in two passes; weights sum to 1."""
    means = weights @ X
    variance = np.zeros(X.shape[1])
    for rows, columns in _tiles(X):
        tile = X[rows, columns] - means[columns]
        variance[columns] += weights[rows] @ np.square(tile, out=tile)
    return means, np.sqrt(variance)


def _tiles(X: Array) -> Iterator[tuple[slice, slice]]:
    """Pieces of a matrix that are contiguous in memory and fit in the cache."""
    n, p = X.shape
    by_rows = X.strides[0] >= X.strides[1]
    length, width = (n, p) if by_rows else (p, n)
    step = max(1, _TILE // max(width, 1))
    for start in range(0, length, step):
        piece = slice(start, start + step)
        yield (piece, slice(None)) if by_rows else (slice(None), piece)
