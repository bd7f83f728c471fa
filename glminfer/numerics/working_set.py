"""The columns an elastic net is working on: kept side by side with their curvature, which may be older than the fit.

The score of the objective is exact at every point; only the steps use the curvature (64), so that an old one costs
steps and never accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.families import logit_parts
from glminfer.numerics.standardised import Indices, Standardised

_PROXIMAL = (1e-10, 1e-7, 1e-4, 1e-1)  # relative weight of staying where one is: dependent columns have a step too
_KNOWN = 1e-2  # a change that the curvature explains up to this part of it teaches nothing
_FLAT = 1e-8  # nor does a step along which the score hardly changes
_NOISE = 1e-11  # nor a change that rounding could make
_TILE = 1 << 19  # numbers of the working columns that are passed over at a time: they stay in the cache


@dataclass(frozen=True, slots=True)
class Outcome:
    """The kept rows: outcome, weights that sum to 1, offset."""

    y: Array
    weights: Array
    offset: Array


@dataclass(frozen=True, slots=True)
class Point:
    """Coefficients (k,) of the working set and what they give.

    Attributes
    ----------
    u, score : (k,)
        Coefficients, and the gradient of the mean log-likelihood.
    eta, residual : (n,)
        Linear predictor, and weighted residual w (y - μ).
    """

    u: Array
    score: Array
    eta: Array
    residual: Array


@dataclass(frozen=True, slots=True)
class Factor:
    """Cholesky factor L (a, a) of H_AA + diag l2, where ``more`` of it was added to the diagonal of H."""

    active: Indices
    l2: Array
    more: float
    L: Array

    def shared(self, active: Indices, l2: Array) -> int:
        """How many of the first columns are those of another face, in the same order."""
        m = min(len(active), len(self.active))
        differ = (active[:m] != self.active[:m]) | (l2[:m] != self.l2[:m])
        return int(differ.argmax()) if differ.any() else m


def _extended(L: Array, rows: Array) -> Array | None:
    """A Cholesky factor with more rows of the matrix, (m, j + m); None if they depend on the first j."""
    j, k = len(L), rows.shape[1]
    left = scipy.linalg.blas.dtrsm(1.0, L, rows[:, :j].T, lower=1)
    corner, info = scipy.linalg.lapack.dpotrf(rows[:, j:] - left.T @ left, lower=1, clean=1)
    if info:
        return None
    whole = np.zeros((k, k), order="F")
    whole[:j, :j], whole[j:, :j], whole[j:, j:] = L, left.T, corner
    return whole


@dataclass(slots=True)
class WorkingSet:
    """Standardised columns in the order they came, and their curvature at some earlier point.

    Attributes
    ----------
    source : Standardised
    outcome : Outcome
    S : (n,)
        Weights of the rows in the curvature.
    k : int
        Number of columns.
    columns : (room,)
        Which ones.
    inside : (q,)
        Whether a column is among them.
    Z : (n, room) Fortran order
    H : (room, room)
        Z'SZ.
    factored : Factor, optional
        Of the face that was last solved on.
    changes : int
        How often the curvature of columns inside has changed.
    """

    source: Standardised
    outcome: Outcome
    S: Array
    k: int
    columns: Indices
    inside: NDArray[np.bool_]
    Z: Array
    H: Array
    factored: Factor | None = None
    changes: int = 0

    @property
    def at(self) -> Indices:
        """The columns, (k,)."""
        return self.columns[: self.k]

    def admit(self, new: Indices) -> None:
        """Take in more columns, with their curvature at the old weights."""
        first, k = self.k, self.k + len(new)
        self._reserve(k)
        self.columns[first:k] = new
        self.inside[new] = True
        self.Z[:, first:k] = self.source.columns(new)
        self.k = k
        cross = (self.Z[:, first:k] * self.S[:, None]).T @ self.Z[:, :k]
        self.H[first:k, :k] = cross
        self.H[:k, first:k] = cross.T

    def _reserve(self, k: int) -> None:
        """Make room for k columns."""
        room = len(self.columns)
        if k <= room:
            return
        room = min(max(2 * room, k), self.source.q)
        now = self.k
        Z, H, columns = np.empty((len(self.Z), room), order="F"), np.zeros((room, room)), np.empty(room, dtype=np.intp)
        Z[:, :now], H[:now, :now], columns[:now] = self.Z[:, :now], self.H[:now, :now], self.at
        self.Z, self.H, self.columns = Z, H, columns

    def blocks(self) -> list[slice]:
        """Pieces of rows whose working columns stay in the cache."""
        n = len(self.Z)
        step = max(1024, _TILE // max(self.k, 1))
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]

    def evaluate(self, u: Array) -> Point:
        """The point of these coefficients, in one pass over the working columns."""
        y, weights, offset = self.outcome.y, self.outcome.weights, self.outcome.offset
        etas, residual = np.empty((2, len(y)))
        score = np.zeros(self.k)
        for rows in self.blocks():
            Z, w = self.Z[rows, : self.k], weights[rows]
            eta = Z @ u
            eta += offset[rows]
            etas[rows] = eta
            _, large, small = logit_parts(eta)
            r = w * (y[rows] - np.where(eta >= 0, large, small))
            residual[rows] = r
            score += r @ Z
        return Point(u, score, etas, residual)

    def widened(self, point: Point) -> Point:
        """The same point, with zeros for columns taken in since."""
        more = self.Z[:, len(point.u) : self.k]
        u, score = np.append(point.u, np.zeros(more.shape[1])), np.append(point.score, point.residual @ more)
        return Point(u, score, point.eta, point.residual)

    def refresh(self, point: Point) -> None:
        """The curvature at a point."""
        _, large, small = logit_parts(point.eta)
        k, S = self.k, self.outcome.weights * (large * small)
        root = np.sqrt(S)
        H = np.zeros((k, k), order="F")
        for rows in self.blocks():
            H = scipy.linalg.blas.dsyrk(
                1.0, self.Z[rows, :k] * root[rows, None], beta=1.0, c=H, trans=1, lower=1, overwrite_c=1
            )
        self.H[:k, :k] = H + np.tril(H, -1).T
        self.S = S
        self._changed()

    def learn(self, step: Array, change: Array) -> None:
        """Make the curvature explain the change of the score over a step: BFGS, as after (64)."""
        H = self.H[: self.k, : self.k]
        expected = H @ step
        before, now = float(step @ expected), float(step @ change)
        off = np.abs(change - expected).max(initial=0.0)
        if off <= _KNOWN * np.abs(change).max(initial=0.0) or not now > _FLAT * before > 0 or off < _NOISE:
            return
        H -= np.outer(expected, expected / before)
        H += np.outer(change, change / now)
        self._changed()

    def _changed(self) -> None:
        self.factored, self.changes = None, self.changes + 1

    def solve(self, active: Indices, l2: Array, b: Array) -> Array:
        """(H_AA + diag l2)⁻¹ b; the factor is kept for the next step on the same face."""
        if not active.size:
            return b.copy()
        known = self.factored
        if known is None or not (np.array_equal(known.active, active) and np.array_equal(known.l2, l2)):
            self.factored = known = self._factor(active, l2)
        half = scipy.linalg.blas.dtrsv(known.L, b, lower=1)
        return np.asarray(scipy.linalg.blas.dtrsv(known.L, half, lower=1, trans=1))  # faster than potrs for one vector

    def _factor(self, active: Indices, l2: Array) -> Factor:
        """Cholesky factor of H_AA + diag l2, with a little more on the diagonal so that dependent columns have one."""
        known = self.factored
        shared = known.shared(active, l2) if known is not None else 0
        if known is not None and 2 * shared > len(active):
            L = _extended(known.L[:shared, :shared], self._damped(active[shared:], active, l2[shared:], known.more))
            if L is not None:
                return Factor(active, l2, known.more, L)
        for more in _PROXIMAL:
            L, info = scipy.linalg.lapack.dpotrf(self._damped(active, active, l2, more).T, lower=1, clean=0)
            if info == 0:
                break
        return Factor(active, l2, more, np.asarray(L))

    def _damped(self, some: Indices, active: Indices, l2: Array, more: float) -> Array:
        """The last rows of H_AA + diag l2, (some, active), with ``more`` of their own on the diagonal."""
        A = self.H.take(some, axis=0).take(active, axis=1)  # faster than an index of both
        last = np.einsum("ii->i", A[:, len(active) - len(some) :])
        last *= 1 + more
        last += l2 + np.finfo(float).tiny
        return A

    def times(self, d: Array) -> Array:
        """H d."""
        return np.asarray(self.H[: self.k, : self.k] @ d)


def empty_set(source: Standardised, outcome: Outcome, curvature: Array) -> WorkingSet:
    """No columns yet, and the weights of the rows that their curvature will have."""
    room = min(source.q, 64)
    Z, H = np.empty((len(outcome.y), room), order="F"), np.zeros((room, room))
    return WorkingSet(
        source, outcome, curvature, 0, np.empty(room, dtype=np.intp), np.zeros(source.q, dtype=np.bool_), Z, H
    )
