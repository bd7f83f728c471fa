"""A ridge with more columns than rows, solved in as many as there are rows.

Where no coefficient is set to zero, the penalised part of the minimum of (60) lies in the span of the rows. With
Z diag(l2)^(-1/2) = LQ' (L square, Q orthonormal columns) and c = Q' diag(l2)^(1/2) u,

    Z u = L c,   Σ l2 u² = Σ c² ,                                                                        (126)

so that c minimises the same with L for Z and penalties of 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy

from glminfer.numerics.blocks import Array
from glminfer.numerics.path_walk import Problem, Solved
from glminfer.numerics.standardised import Indices, Standardised


@dataclass(frozen=True, slots=True)
class Rotation:
    """A problem of few columns and the way back.

    Attributes
    ----------
    problem : Problem
        Of L, then the columns without a penalty, then the constant.
    source : Standardised
        The columns as they were.
    penalised, free : Indices
        Which of them are which.
    back : (len(penalised), m)
        diag(l2)^(-1/2) Q.
    root : (len(penalised),)
        diag(l2)^(1/2).
    tighter : float
        By what a tolerance for the few columns is smaller than that for the columns as they were.
    """

    problem: Problem
    source: Standardised
    penalised: Indices
    free: Indices
    back: Array
    root: Array
    tighter: float

    def restored(self, solved: Solved, tol: float) -> Solved:
        """The minimum in the columns as they were, with their violation (61)."""
        m, c, off = self.back.shape[1], *np.zeros((2, self.problem.source.q))
        c[solved.columns] = solved.u
        off[solved.columns] = (solved.score - solved.lambda_ * self.problem.l2 * c)[solved.columns]
        worst = float(np.abs(np.append(self.root**2 * (self.back @ off[:m]), off[m:])).max())
        columns, u = np.append(self.penalised, self.free), np.append(self.back @ c[:m], c[m:])  # (126)
        return replace(solved, columns=columns, u=u, kkt=worst, converged=worst <= tol)

    def turned(self, columns: Indices, u: Array) -> tuple[Indices, Array]:
        """A solution in the columns as they were, in the few."""
        every = np.zeros(self.source.q)
        every[columns] = u
        c = self.back.T @ (self.root**2 * every[self.penalised])
        return np.arange(self.problem.source.q), np.append(c, every[self.free])


def rotation_of(problem: Problem) -> Rotation | None:
    """The problem in as many columns as rows, where it is a ridge of more."""
    source, weights = problem.source, problem.outcome.weights
    penalised = np.flatnonzero((problem.l2 > 0) & source.varies)
    if problem.l1.any() or len(penalised) <= len(weights):
        return None
    free = np.flatnonzero((problem.l2 == 0) & source.varies)
    root = np.sqrt(problem.l2[penalised])
    Q, R = scipy.linalg.qr((source.columns(penalised) / root).T, mode="economic", check_finite=False)
    X = np.column_stack([R.T, source.columns(free[free < len(source.means)])])
    lengths = np.append(np.sqrt(weights @ X**2), np.ones(int(source.intercept)))
    few = Standardised(X, slice(None), np.zeros(X.shape[1]), np.ones(X.shape[1]), source.intercept, lengths)
    l2 = np.where(np.arange(few.q) < len(weights), 1.0, 0.0)
    tighter = 1.0 / (np.sqrt(len(weights)) * max(1.0, float(root.max())))
    inside = replace(problem, source=few, l1=np.zeros(few.q), l2=l2)
    return Rotation(inside, source, penalised, free, Q / root[:, None], root, tighter)
