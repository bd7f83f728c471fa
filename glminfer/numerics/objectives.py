"""What is maximised: the likelihood over rows, and the penalised likelihoods.

An objective is called with coefficients (m, p) and the models they belong to, and returns their ``Terms``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import kernels, linalg
from glminfer.numerics.blocks import Array, Terms
from glminfer.numerics.families import Family


class Summable(Protocol):
    """Rows, as far as numerics needs to know them."""

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""

    def sum(self, kernel: Callable[..., Any], *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""


Models: TypeAlias = NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-likelihood of rows under a family (3).

    Attributes
    ----------
    rows : Summable
    family : Family
    rounded : bool
        Whether the curvature is computed in single precision.
    """

    rows: Summable
    family: Family
    rounded: bool = False

    def __call__(self, coef: Array, models: Models = None) -> Terms:
        """Terms at the coefficients (m, p)."""
        kernel = kernels.rounded_likelihood if self.rounded else kernels.likelihood
        terms: Terms = self.rows.sum(kernel, coef, self.family, models)
        return terms

    @property
    def concave(self) -> bool:
        """Whether every stationary point is the maximum."""
        return self.family.concave

    def slope(self, coef: Array) -> tuple[float, Array]:
        """Log-likelihood and score (p,) of one model, without the information."""
        packed = self.rows.sum(kernels.gradient, coef[None], self.family)[0]
        return float(packed[0]), packed[1:]


@dataclass(frozen=True, slots=True)
class NullLikelihood:
    """The log-likelihood of the model with a constant and the offset only."""

    rows: Summable
    family: Family

    def __call__(self, coef: Array, models: Models = None) -> Terms:
        """Terms at the constants (m, 1)."""
        terms: Terms = self.rows.sum(kernels.null_likelihood, coef, self.family, models)
        return terms

    @property
    def concave(self) -> bool:
        """Whether every stationary point is the maximum."""
        return self.family.concave


@dataclass(frozen=True, slots=True)
class Ridged:
    """The log-likelihood less a quadratic penalty, ½ Σ P b², with one P per coefficient (58)."""

    rows: Summable
    family: Family
    shrinkage: Array

    def __call__(self, coef: Array, models: Models = None) -> Terms:
        """Terms at the coefficients (m, r); information and curvature are those of the sum."""
        terms: Terms = self.rows.sum(kernels.likelihood, coef, self.family, models)
        added, P = self.shrinkage * coef, np.diag(self.shrinkage)
        information = terms.information + P
        same = terms.curvature is terms.information
        height = terms.loglik - 0.5 * (added * coef).sum(axis=1)
        return Terms(height, terms.score - added, information, information if same else terms.curvature + P)

    @property
    def concave(self) -> bool:
        """Whether every stationary point is the maximum."""
        return self.family.concave


_FEW = 20  # rows per coefficient, below which a row's leverage slows Fisher scoring down
_CHEAP = 2e6  # multiplications for the exact curvature of one model


@dataclass(frozen=True, slots=True)
class BiasReduced:
    """What Firth's estimate is the zero of: the score with the first-order bias removed, U* (31).

    For the logit it is the gradient of the log-likelihood penalised by Jeffreys' prior, ℓ + ½ log det I (54), which
    stands in the place of the log-likelihood. Elsewhere there is none, and minus half the squared distance U*'I⁻¹U* is
    there: it rises to zero at the estimate.

    Attributes
    ----------
    rows : Summable
    family : Family
    within : sequence of (r, q) arrays, or None
        For each model the subspace whose information makes the penalty; None is the whole space.
    exact : bool
        Whether the curvature is that of the penalised likelihood. Otherwise it is the information, and steps are those
        of Fisher scoring, which are cheaper and converge at a rate of about the largest leverage.
    """

    rows: Summable
    family: Family
    within: Sequence[Array] | None = None
    exact: bool = False

    def __call__(self, coef: Array, models: Models = None) -> Terms:
        """Terms at the coefficients (m, r); NaN for a model whose information is singular there."""
        terms: Terms = self.rows.sum(kernels.likelihood, coef, self.family, models)
        V, logdet = self._inverses(terms.information, models)
        score = terms.score + self.rows.sum(kernels.bias_score, coef, self.family, V, models)
        height = terms.loglik + 0.5 * logdet if self.penalises else -0.5 * np.einsum("mp,mpq,mq->m", score, V, score)
        return Terms(height, score, terms.information, self._curvature(coef, terms.information, V, models))

    def _curvature(self, coef: Array, information: Array, V: Array, models: Models) -> Array:
        """Minus the second derivative of the penalised log-likelihood, or the information in its place."""
        if not self.exact:
            return information
        m, r = coef.shape
        packed = self.rows.sum(kernels.bias_curvature, coef, self.family, V, models)
        turned = V[:, None] @ packed[:, r:].reshape(m, r, r, r)
        traces = turned.reshape(m, r, r * r) @ np.swapaxes(turned, 2, 3).reshape(m, r, r * r).swapaxes(1, 2)
        return information + 0.5 * linalg.symmetric(traces - packed[:, :r])  # (56)

    @property
    def concave(self) -> bool:
        """The penalty is not concave, although one maximum is the rule."""
        return False

    @property
    def penalises(self) -> bool:
        """Whether there is a penalised likelihood (54)."""
        return self.family.link == "logit"

    def _inverses(self, information: Array, models: Models) -> tuple[Array, Array]:
        """Inverse within the subspace of each model (m, r, r), and log-determinant there (m,)."""
        if self.within is None:
            return linalg.inverses(information)
        chosen = range(len(information)) if models is None else models
        V, logdet = np.empty_like(information), np.empty(len(information))
        for k, which in enumerate(chosen):
            B = np.asarray(self.within[which])
            inner, logdet[[k]] = linalg.inverses(linalg.symmetric(B.T @ information[k] @ B)[None])
            V[k] = B @ inner[0] @ B.T
        return V, logdet


def bias_reduction(rows: Summable, family: Family, r: int, within: Sequence[Array] | None = None) -> BiasReduced:
    """Firth's objective in r coefficients, with the exact curvature where it saves steps and costs little."""
    n = rows.nobs
    exact = family.link == "logit" and n <= _FEW * r and n * r**3 <= _CHEAP
    return BiasReduced(rows, family, within, exact)
