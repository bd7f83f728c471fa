"""Each column cleared of the others by a lasso: what the debiased estimate of its coefficient weighs the residuals by.

For column j, with rows weighted by the curvature w of the likelihood and columns of weighted variance 1,

    minimise over g   ½ Σ w (x_j - Σ_{k≠j} g_k x_k)² / Σ w + λ Σ_{k≠j} |g_k|                              (75)

The residual z of this regression is nearly free of the other columns: how nearly is its bias factor, and what that
costs in variance its noise factor (76).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import active_set
from glminfer.numerics.active_set import Subproblem
from glminfer.numerics.blocks import Array
from glminfer.numerics.standardised import Standardised, standardised
from glminfer.numerics.working_set import Outcome, WorkingSet, empty_set

_RATIO = (
    0.7**0.5
)  # of each λ to the one before: with longer steps the active set is searched for, with shorter followed
_LEAST = 1e-4  # the last λ: of a correlation
_TOL = 1e-10  # on the conditions of optimality, which are correlations
_ROUNDS = 100

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Design:
    """Columns in the metric of the curvature.

    Attributes
    ----------
    A : Standardised
        Columns (min(n, p), p) of norm 1 with the inner products of the centred, weighted and scaled columns.
    columns : Standardised
        The columns over the rows, of weighted mean 0 and variance 1.
    curvature : (n,)
        w, over all rows.
    rows : float
        Number of rows: the total prior weight.
    free : (p,) bool
        Columns without a penalty, of which every other column is cleared entirely.
    """

    A: Standardised
    columns: Standardised
    curvature: Array
    rows: float
    free: Mask


@dataclass(frozen=True, slots=True)
class Rule:
    """How the λ of a node is chosen (76).

    Attributes
    ----------
    most_bias : float
        The bias factor that is small enough.
    more_noise : float
        By which part the noise factor may exceed the one there, for the sake of a still smaller bias factor.
    """

    most_bias: float
    more_noise: float = 0.25


@dataclass(frozen=True, slots=True)
class Node:
    """One column cleared of the others.

    Attributes
    ----------
    j : int
    lambda_ : float
    others : (k,)
        The columns with a coefficient.
    g : (k,)
        Their coefficients, for scaled columns.
    own : float
        Σ w z x_j / Σ w.
    norm : float
        √(Σ w z² / Σ w).
    correlation : float
        The largest absolute Σ w z x_k / Σ w over the other columns.
    nearest : int
        Where it is.
    kkt : float
        The largest violation of the conditions of optimality of (75).
    """

    j: int
    lambda_: float
    others: NDArray[np.intp]
    g: Array
    own: float
    norm: float
    correlation: float
    nearest: int
    kkt: float

    @property
    def noise(self) -> float:
        """The noise factor: the standard error in units of that of a column alone (76)."""
        return self.norm / self.own if self.own > 0 else float("inf")

    def bias(self, rows: float) -> float:
        """The bias factor: how many standard errors an error of the other coefficients can move the estimate (76)."""
        return float(np.sqrt(rows) * self.correlation / self.norm) if self.norm > 0 else float("inf")

    def cleared(self, values: Array) -> Array:
        """The combination x_j - Σ g_k x_k of a quantity that belongs to the columns, the last axis."""
        return np.asarray(values[..., self.j] - values[..., self.others] @ self.g)


def design(X: Array, curvature: Array, rows: float, free: Mask, intercept: bool) -> Design:
    """The columns in the metric of the curvature; with an intercept they are centred by weighted means."""
    share = curvature / curvature.sum()
    columns = standardised(X, share, intercept)
    A = (X - columns.means) * columns.inverse
    A *= np.sqrt(share)[:, None]
    if A.shape[0] > A.shape[1]:
        A = np.asarray(np.linalg.qr(A, mode="r"))
    p = A.shape[1]
    varies, lengths = np.where(columns.inverse > 0, 1.0, 0.0), np.linalg.norm(A, axis=0)
    unit = Standardised(np.asfortranarray(A), slice(None), np.zeros(p), varies, False, lengths)
    return Design(unit, columns, curvature, rows, free)


def node(where: Design, j: int, rule: Rule) -> Node:
    """Column j cleared of the others, λ by the rule (76) of Zhang and Zhang (2014)."""
    best, allowed = None, float("inf")
    for found in walk(where, j):
        if not np.isfinite(allowed) and found.bias(where.rows) <= rule.most_bias:
            allowed = (1.0 + rule.more_noise) * found.noise
        if best is not None and found.noise > allowed:
            break
        if best is None or found.bias(where.rows) < best.bias(where.rows):
            best = found
    assert best is not None
    return best


def walk(where: Design, j: int) -> Iterator[Node]:
    """The solutions of (75) from the largest λ that leaves a column alone, down to nearly none."""
    work, l1 = _start(where, j)
    g, lambda_ = np.zeros(work.k), np.inf
    g = _settled(where, work, j, g, 0.0 * l1)
    top = float((np.abs(_correlations(where, work, j, g)) * (l1 > 0)).max(initial=0.0))
    steps = int(np.ceil(np.log(max(top, _LEAST) / _LEAST) / -np.log(_RATIO)))
    for step in range(steps + 1):
        lambda_ = top * _RATIO**step if step else max(top, _LEAST)
        g = _settled(where, work, j, g, lambda_ * l1)
        yield _node(where, work, j, g, lambda_ * l1, lambda_)


def _start(where: Design, j: int) -> tuple[WorkingSet, Array]:
    """Nothing but the columns without a penalty; the column itself stays outside."""
    target = where.A.X[:, j]
    ones = np.ones(len(target))
    work = empty_set(where.A, Outcome(target, ones, 0.0 * ones), ones)
    work.inside[j] = True  # never admitted
    at = np.flatnonzero(where.free & where.A.varies & ~work.inside)
    if at.size:
        work.admit(at)
    return work, np.where(where.free, 0.0, 1.0)


def _residual(where: Design, work: WorkingSet, j: int, g: Array) -> Array:
    return where.A.X[:, j] - work.Z[:, : work.k] @ g


def _correlations(where: Design, work: WorkingSet, j: int, g: Array) -> Array:
    """Of the residual with every other column; zero for j itself."""
    made = where.A.products(_residual(where, work, j, g))
    made[j] = 0.0
    return made


def _settled(where: Design, work: WorkingSet, j: int, g: Array, l1: Array) -> Array:
    """The solution of (75) by an active-set method on the columns that matter, checked on all of them."""
    for _ in range(_ROUNDS):
        c = _correlations(where, work, j, g)
        new = np.flatnonzero((np.abs(c) > l1 + _TOL) & ~work.inside) if l1.any() else np.zeros(0, dtype=np.intp)
        if new.size:
            work.admit(new)
            g = np.append(g, np.zeros(len(new)))
        if not new.size and _violation(g, c[work.at], l1[work.at]) <= _TOL:
            break
        g = active_set.solve(Subproblem(work, g, -c[work.at], l1[work.at], np.zeros(work.k)))
    return g


def _violation(g: Array, c: Array, l1: Array) -> float:
    off = np.where(g != 0, np.abs(c - l1 * np.sign(g)), np.maximum(np.abs(c) - l1, 0.0))
    return float(off.max(initial=0.0))


def _node(where: Design, work: WorkingSet, j: int, g: Array, l1: Array, lambda_: float) -> Node:
    z = _residual(where, work, j, g)
    c = _correlations(where, work, j, g)
    used = np.flatnonzero(g)
    outside = np.where(work.inside, 0.0, np.abs(c) - l1).max(initial=0.0)
    kkt = max(_violation(g, c[work.at], l1[work.at]), float(outside))
    own, norm = float(z @ where.A.X[:, j]), float(np.linalg.norm(z))
    nearest = int(np.argmax(np.abs(c)))
    return Node(j, lambda_, work.at[used].copy(), g[used], own, norm, float(np.abs(c[nearest])), nearest, kkt)
