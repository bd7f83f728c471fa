"""How a path is made from rows, so that it can be made again from some of the rows, or for other outcomes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.elastic_net import Mixture, PathSolution, default_lambdas, elastic_net_path
from glminfer.numerics.newton import Control

_COARSE = 1e-6  # violation of optimality whose effect on a score is far below what rows decide
_ALONE = np.array([1.0])  # without columns every λ is the same


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """The rows of a path and what was asked for; rows are left out by a weight of zero, never copied.

    Attributes
    ----------
    X : (n, p)
    y, weights, offset : (n,)
    mixture : Mixture
    control : Control
    lambdas : (L,) or None
        The penalties asked for; None for glmnet's sequence, which depends on the rows.
    n_lambdas : int
    lambda_min_ratio : float or None
    n_steps : int or None
        How many of the sequence are used, where the path ended early.
    """

    X: Array
    y: Array
    weights: Array
    offset: Array
    mixture: Mixture
    control: Control
    lambdas: Array | None = None
    n_lambdas: int = 100
    lambda_min_ratio: float | None = None
    n_steps: int | None = None

    def weighing(self, weights: Array) -> Recipe:
        """The same with other weights."""
        return replace(self, weights=weights)

    def answering(self, y: Array) -> Recipe:
        """The same columns with another outcome."""
        return replace(self, y=y)

    def coarsely(self) -> Recipe:
        """The same solved as far as scores need it that are only compared with each other."""
        return replace(self, control=replace(self.control, tol=max(self.control.tol, _COARSE)))

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Rows of positive weight."""
        return self.weights > 0

    def sequence(self) -> Array:
        """The penalties, the largest first."""
        if self.lambdas is not None:
            return np.sort(self.lambdas)[::-1]
        asked = (self.n_lambdas, self.lambda_min_ratio)
        return default_lambdas(self.X, self.y, self.weights, self.offset, self.mixture, *asked)[: self.n_steps]

    def path(self, lambdas: Array) -> PathSolution:
        """The path on the rows of positive weight."""
        return elastic_net_path(self.X, self.y, self.weights, self.offset, self.mixture, lambdas, self.control)

    def constant(self) -> float:
        """The intercept of the model of the constant (and offset) alone."""
        offset = self.offset[self.counts]
        if self.mixture.intercept and np.ptp(offset) == 0:
            mean = self.weights @ self.y / self.weights.sum()
            return float(np.log(mean) - np.log1p(-mean) - offset[0])
        mixture = replace(self.mixture, factor=np.empty(0))
        none = np.empty((len(self.y), 0))
        found = elastic_net_path(none, self.y, self.weights, self.offset, mixture, _ALONE, self.control)
        return float(found.intercept[0])

    def linear(self, solution: PathSolution, rows: NDArray[np.bool_]) -> Array:
        """Linear predictors of some rows at every penalty, (k, L)."""
        at = np.flatnonzero((solution.coef != 0).any(axis=0))
        eta = self.X[np.ix_(rows, at)] @ solution.coef[:, at].T
        return np.asarray(eta + solution.intercept + self.offset[rows][:, None])
