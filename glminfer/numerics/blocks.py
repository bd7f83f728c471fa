"""A block of rows, and what a sum over rows returns (n rows, p columns, m models)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """One chunk of rows as numbers.

    Attributes
    ----------
    X : (n, p) float64, C order
        Columns of the (working) design matrix; a `Mixed` matrix may stand in its place for kernels that are marked so
        (`alike.takes_codes`).
    y : (n, m)
        Outcome of each model: the proportion of events, in [0, 1].
    weights : (n, 1) or (n, m)
        Prior weight times number of trials.
    offset : (n, 1) or (n, m)
        Known part of the linear predictor.
    groups : (n,) int or None
        Codes of a grouping column (clusters, folds).
    own : (n, q, m) or None
        Columns that one model has and the others do not, beside those of X.
    counts : (n, 1) or None
        How many rows of positive weight each row stands for, where alike rows are seen once.
    """

    X: Array
    y: Array
    weights: Array
    offset: Array
    groups: NDArray[np.intp] | None = None
    own: Array | None = None
    counts: Array | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    def eta(self, coef: Array) -> Array:
        """Linear predictor (n, m) of the coefficients (m, p)."""
        return np.asarray(self.X @ coef.T + self.offset)

    def rows(self, where: slice | NDArray[np.intp]) -> Block:
        """The rows of a slice, as views; those at some positions, as copies."""
        groups = None if self.groups is None else self.groups[where]
        own = None if self.own is None else self.own[where]
        counts = None if self.counts is None else self.counts[where]
        return Block(self.X[where], self.y[where], self.weights[where], self.offset[where], groups, own, counts)

    def models(self, which: NDArray[np.intp]) -> Block:
        """The rows of some of the models; what all models share is not copied."""
        several = (v if v.shape[1] == 1 else v.take(which, axis=1) for v in (self.y, self.weights, self.offset))
        y, weights, offset = several
        own = None if self.own is None else self.own.take(which, axis=2)
        return Block(self.X, y, weights, offset, self.groups, own, self.counts)

    def rounded(self) -> Block:
        """The same rows in single precision, infinite where that ends: for steps that later ones correct."""
        parts = {name: getattr(self, name) for name in ("X", "y", "weights", "offset", "own")}
        with np.errstate(over="ignore"):
            return replace(self, **{name: v.astype(np.float32) for name, v in parts.items() if v is not None})

    def with_groups(self, groups: NDArray[np.intp] | None) -> Block:
        """The same rows carrying codes of a grouping column."""
        return replace(self, groups=groups)


@dataclass(frozen=True, slots=True)
class Terms:
    """Sums over rows for m models; adding two adds their rows.

    Attributes
    ----------
    loglik : (m,)
        Log-likelihood without the binomial coefficients.
    score : (m, p)
        Its gradient.
    information : (m, p, p)
        Expected (Fisher) information XᵀSX; `Bordered` matrices in its place where factors are coded.
    curvature : (m, p, p)
        Minus the Hessian (observed information); the same array as ``information`` for the logit.
    reach : (m,) or None
        Largest absolute linear predictor, where it was looked at.
    """

    loglik: Array
    score: Array
    information: Array
    curvature: Array
    reach: Array | None = None

    def __add__(self, other: Terms) -> Terms:
        information = self.information + other.information
        same = self.curvature is self.information
        curvature = information if same else self.curvature + other.curvature
        reach = None if self.reach is None or other.reach is None else np.maximum(self.reach, other.reach)
        return Terms(self.loglik + other.loglik, self.score + other.score, information, curvature, reach)

    def take(self, models: NDArray[np.intp] | slice) -> Terms:
        """The terms of some of the models."""
        information = self.information[models]
        curvature = information if self.curvature is self.information else self.curvature[models]
        reach = None if self.reach is None else self.reach[models]
        return Terms(self.loglik[models], self.score[models], information, curvature, reach)
