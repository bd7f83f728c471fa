"""What the operations of a path take, in nanoseconds: which of two ways to the same optimum is the shorter.

Measured once on one core; only their ratios matter, and a wrong one costs time and never accuracy.
"""

from __future__ import annotations

import math


def evaluation(n: int, k: int) -> float:
    """Linear predictor, residual and score of n rows and k columns, and the step to them."""
    return n * (0.4 * k + 15.0) + 1e5


def curvature(n: int, k: int) -> float:
    """All inner products of the weighted columns, and the factor of their matrix."""
    return n * (0.03 * k * k + 2.0 * k) + factor(k)


def factor(k: int) -> float:
    """A Cholesky factor."""
    return 0.0125 * k**3 + 2.0 * k * k + 2e4


def learning(k: int) -> float:
    """A change of the curvature by what a step has shown, and its new factor."""
    return 4.0 * k * k + 2e4 + factor(k)


def steps_to(worst: float, tol: float, rate: float) -> float:
    """Steps that shrink a violation by a rate each, until it is within the tolerance."""
    return math.log(worst / tol) / -math.log(min(rate, 0.9))
