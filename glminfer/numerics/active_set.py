"""The quadratic subproblem of an elastic net, solved exactly by an active-set method.

    minimise over u   g'(u - v) + ½ (u - v)'H(u - v) + Σ l1 |u| + ½ Σ l2 u²                               (63)

On a face, where the signs of the active coefficients are fixed, the minimum is one Cholesky solve. Coefficients that
would change sign leave, coefficients whose gradient exceeds l1 enter, until neither happens (the feature-sign search of
Lee, Battle, Raina & Ng 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array

_ROUNDS = 12  # of changing many coefficients at once, before they are changed one at a time
_SLACK = 1e-10  # a gradient beyond l1 by less than this part is within it

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


class Curvature(Protocol):
    """The matrix H, as far as the subproblem needs it."""

    def solve(self, active: Indices, l2: Array, b: Array) -> Array:
        """(H_AA + diag l2)⁻¹ b."""

    def times(self, d: Array) -> Array:
        """H d for a vector over all columns."""


@dataclass(frozen=True, slots=True)
class Subproblem:
    """The model (63) around v: gradient g of the smooth part at v, and the two penalties of each column."""

    curvature: Curvature
    v: Array
    gradient: Array
    l1: Array
    l2: Array

    def face(self, active: Mask, sign: Array) -> Array:
        """The minimum over the active columns with the penalty of these signs; the others are zero, (k,)."""
        at = np.flatnonzero(active)
        u = np.zeros_like(self.v)
        gone = ~active & (self.v != 0)
        gradient = self.gradient
        if gone.any():
            gradient = gradient - self.curvature.times(np.where(gone, self.v, 0.0))
        slope = gradient[at] + self.l1[at] * sign[at] + self.l2[at] * self.v[at]
        u[at] = self.v[at] - self.curvature.solve(at, self.l2[at], slope)
        return u

    def slope(self, u: Array) -> Array:
        """Gradient of the smooth part of the model at u."""
        return self.gradient + self.curvature.times(u - self.v)

    def entering(self, u: Array, active: Mask) -> tuple[Array, Mask]:
        """The slope and which inactive columns exceed their l1."""
        slope = self.slope(u)
        return slope, ~active & (np.abs(slope) > self.l1 * (1 + _SLACK) + 1e-300)


def solve(problem: Subproblem) -> Array:
    """The minimum of (63), (k,)."""
    v, l1 = problem.v, problem.l1
    free = l1 == 0
    active = free | (v != 0) | (np.abs(problem.gradient) > l1)
    sign = np.where(v != 0, np.sign(v), -np.sign(problem.gradient))
    for _ in range(_ROUNDS):
        u = problem.face(active, sign)
        wrong = active & ~free & (u * sign < 0)
        if wrong.any():
            active = active & ~wrong
            continue
        if active.all():
            return u
        slope, new = problem.entering(u, active)
        if not new.any():
            return u
        active, sign = active | new, np.where(new, -np.sign(slope), sign)
    return _one_at_a_time(problem)


def _one_at_a_time(problem: Subproblem) -> Array:
    """The same by steps that never raise the objective: to the first sign change, one entering column at a time."""
    u, free = problem.v.copy(), problem.l1 == 0
    active, sign = free | (u != 0), np.sign(u)
    for _ in range(20 * len(u) + 100):
        target = problem.face(active, sign)
        crossing = active & ~free & (target * sign < 0)
        if crossing.any():
            fraction = np.where(crossing, u / np.where(crossing, u - target, 1.0), np.inf)
            first = fraction <= fraction.min()
            u = np.where(first, 0.0, u + fraction.min() * (target - u))
            active = active & ~first
            continue
        u = target
        slope, new = problem.entering(u, active)
        if not new.any():
            return u
        worst = np.argmax(np.where(new, np.abs(slope) - problem.l1, -np.inf))
        active[worst], sign[worst] = True, -np.sign(slope[worst])
    return u
