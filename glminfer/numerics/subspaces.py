"""Subspaces of the coefficients that need no basis of p × q numbers: some coordinates, or some functionals held.

Where factors have many levels, dropping a term or holding a coefficient leaves thousands of directions. Both are given
by what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Places
from glminfer.numerics.room import refuse_without_room


@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """Some of r coordinates."""

    r: int
    kept: Places

    @property
    def shape(self) -> tuple[int, int]:
        """As of a basis."""
        return self.r, len(self.kept)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """A basis."""
        del dtype, copy
        refuse_without_room(self.shape, f"{self.shape[1]:,} directions of {self.r:,} coefficients")
        return np.asarray(np.arange(self.r)[:, None] == self.kept, dtype=float)

    def step(self, curvature: Array, score: Array) -> Array | None:
        """B (B'AB)⁻¹ B's, or None where the curvature is not positive definite in the subspace."""
        inside = curvature.chosen(self.kept) if isinstance(curvature, Bordered) else _part(curvature, self.kept)
        factored = linalg.factor(inside)
        if factored is None:
            return None
        out = np.zeros((self.r, *score.shape[1:]))
        out[self.kept] = linalg.solve(factored, score[self.kept])
        return out

    def without(self, others: Coordinates) -> Places:
        """The coordinates that another subspace has not."""
        return np.setdiff1d(self.kept, others.kept)


def _part(A: Array, kept: Places) -> Array:
    return A[np.ix_(kept, kept)]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The directions in which functionals (q, r) do not change."""

    functionals: Array

    @property
    def shape(self) -> tuple[int, int]:
        """As of a basis."""
        q, r = self.functionals.shape
        return r, r - q

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """A basis."""
        del dtype, copy
        refuse_without_room((self.shape[0],) * 2, f"{self.shape[1]:,} directions of {self.shape[0]:,} coefficients")
        return np.asarray(scipy.linalg.null_space(self.functionals))

    def step(self, curvature: Array, score: Array) -> Array | None:
        """The same as of `Coordinates`: A⁻¹s without what it has along A⁻¹C'."""
        factored = linalg.factor(curvature)
        if factored is None:
            return None
        free, along = linalg.solve(factored, score), linalg.solve(factored, self.functionals.T)
        return np.asarray(free - along @ np.linalg.solve(self.functionals @ along, self.functionals @ free))
