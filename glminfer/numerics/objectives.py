"""What is maximised: the likelihood over rows.

An objective is called with coefficients (m, p) and the models they belong to, and returns their ``Terms``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array, Terms
from glminfer.numerics.families import Family


class Summable(Protocol):
    """Rows, as far as numerics needs to know them."""

    def sum(self, kernel: Callable[..., Any], *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""


Models: TypeAlias = NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-likelihood of rows under a family (3)."""

    rows: Summable
    family: Family

    def __call__(self, coef: Array, models: Models = None) -> Terms:
        """Terms at the coefficients (m, p)."""
        terms: Terms = self.rows.sum(kernels.likelihood, coef, self.family, models)
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
