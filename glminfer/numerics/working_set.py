"""The columns an elastic net is working on: kept side by side with their curvature, which may be older than the fit.

The score of the objective is exact at every point; only the steps use the curvature (64), so that an old one costs
steps and never accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.families import logit_parts
from glminfer.numerics.standardised import Indices, Standardised

_PROXIMAL = (1e-10, 1e-7, 1e-4, 1e-1)  # relative weight of staying where one is: dependent columns have a step too
_TILE = 1 << 18  # numbers of the working columns that are passed over at a time: they stay in the cache


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
    eta, residual, curvature : (n,)
        Linear predictor; weighted residual w (y - μ); weight w μ (1 - μ) of the rows.
    """

    u: Array
    score: Array
    eta: Array
    residual: Array
    curvature: Array


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
    """

    source: Standardised
    outcome: Outcome
    S: Array
    k: int
    columns: Indices
    inside: NDArray[np.bool_]
    Z: Array
    H: Array
    factored: dict[bytes, Array] = field(default_factory=dict)

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
        self.factored.clear()

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
        etas, residual, curvature = np.empty((3, len(y)))
        score = np.zeros(self.k)
        for rows in self.blocks():
            Z, w = self.Z[rows, : self.k], weights[rows]
            eta = Z @ u
            eta += offset[rows]
            _, large, small = logit_parts(eta)
            r = w * (y[rows] - np.where(eta >= 0, large, small))
            score += r @ Z
            etas[rows], residual[rows], curvature[rows] = eta, r, w * (large * small)
        return Point(u, score, etas, residual, curvature)

    def widened(self, point: Point) -> Point:
        """The same point, with zeros for columns taken in since."""
        more = self.Z[:, len(point.u) : self.k]
        u, score = np.append(point.u, np.zeros(more.shape[1])), np.append(point.score, point.residual @ more)
        return Point(u, score, point.eta, point.residual, point.curvature)

    def refresh(self, point: Point) -> None:
        """The curvature at a point."""
        k, root = self.k, np.sqrt(point.curvature)
        H = np.zeros((k, k), order="F")
        for rows in self.blocks():
            H = scipy.linalg.blas.dsyrk(
                1.0, self.Z[rows, :k] * root[rows, None], beta=1.0, c=H, trans=1, lower=1, overwrite_c=1
            )
        self.H[:k, :k] = H + np.tril(H, -1).T
        self.S = point.curvature
        self.factored.clear()

    def solve(self, active: Indices, l2: Array, b: Array) -> Array:
        """(H_AA + diag l2)⁻¹ b; the factor is kept for the next step on the same face."""
        if not active.size:
            return b.copy()
        key = active.tobytes() + l2.tobytes()
        if key not in self.factored:
            self.factored = {key: self._factor(active, l2)}
        return np.asarray(scipy.linalg.lapack.dpotrs(self.factored[key], b, lower=1)[0])

    def _factor(self, active: Indices, l2: Array) -> Array:
        """Cholesky factor of H_AA + diag l2, with a little more on the diagonal so that dependent columns have one."""
        H = self.H[: self.k, : self.k]
        A = np.asfortranarray(H if len(active) == self.k else H[active[:, None], active])
        own = np.diagonal(A).copy()
        for more in _PROXIMAL:
            np.einsum("ii->i", A)[:] = own * (1 + more) + l2 + np.finfo(float).tiny
            L, info = scipy.linalg.lapack.dpotrf(A, lower=1, clean=0)
            if info == 0:
                break
        return np.asarray(L)

    def times(self, d: Array) -> Array:
        """H d."""
        at = np.flatnonzero(d)
        return np.asarray(self.H[: self.k, at] @ d[at])


def empty_set(source: Standardised, outcome: Outcome, curvature: Array) -> WorkingSet:
    """No columns yet, and the weights of the rows that their curvature will have."""
    room = min(source.q, 64)
    Z, H = np.empty((len(outcome.y), room), order="F"), np.zeros((room, room))
    return WorkingSet(
        source, outcome, curvature, 0, np.empty(room, dtype=np.intp), np.zeros(source.q, dtype=np.bool_), Z, H
    )
