"""Which columns outside the working set could violate optimality, without a product with each of them at every λ.

Residuals change smoothly along a path, so that a new one is nearly a combination of earlier ones. The length of what
remains of it bounds what the score of any column can differ by, as after (67); only columns within that of their limit
need the product.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.standardised import Standardised

_KEPT = 4  # residuals whose scores are known
_FEW = 0.01  # of the columns, and at least
_LEAST = 8  # of them: products with these cost less than those with all, and what becomes known by those
_SMALL = 1 << 19  # numbers of a matrix so small that its product is soon made
_ROUNDING = 1e-13


@dataclass(slots=True)
class KnownScores:
    """Scores of every column at a few residuals.

    Attributes
    ----------
    source : Standardised
    root : (n,)
        Roots of the weights of the rows.
    residuals : (m, n)
        Divided by those roots.
    scores : (m, q)
    basis : (m, n)
        Orthonormal, of the residuals.
    within : (m, q)
        The products of the columns with it.
    """

    source: Standardised
    root: Array
    residuals: Array = field(default_factory=lambda: np.empty((0, 0)))
    scores: Array = field(default_factory=lambda: np.empty((0, 0)))
    basis: Array = field(default_factory=lambda: np.empty((0, 0)))
    within: Array = field(default_factory=lambda: np.empty((0, 0)))

    def every(self, residual: Array) -> Array:
        """The score of every column, (q,)."""
        score = self.source.products(residual)
        if self.source.X.size > _SMALL:
            self._keep(residual / self.root, score)
        return score

    def _keep(self, scaled: Array, score: Array) -> None:
        self.residuals = np.vstack([scaled, *self.residuals[: _KEPT - 1]])
        self.scores = np.vstack([score, *self.scores[: _KEPT - 1]])
        Q, R = np.linalg.qr(self.residuals.T)
        size = np.abs(np.diagonal(R))
        kept = size > 1e-8 * size[0]  # what is new in the others is rounding
        self.basis = np.ascontiguousarray(Q.T[kept])
        self.within = np.linalg.solve(R.T[np.ix_(kept, kept)], self.scores[kept])

    def beyond(self, residual: Array, limits: Array, asked: NDArray[np.bool_]) -> Array:
        """The score of every column (q,), exact where it is asked for and beyond its limit, if it is so anywhere."""
        if not len(self.basis):
            return self.every(residual)
        scaled = residual / self.root
        part = self.basis @ scaled
        rest = float(np.linalg.norm(scaled - part @ self.basis)) + _ROUNDING
        score = part @ self.within
        near = np.flatnonzero(asked & (np.abs(score) + rest * self.source.lengths > limits))
        if len(near) > max(_FEW * len(score), _LEAST):
            return self.every(residual)
        if near.size:
            score[near] = residual @ self.source.columns(near)
        return np.asarray(score)
