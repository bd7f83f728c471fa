"""Profile-likelihood and score intervals: values of a linear combination that a test does not reject (53).

Every end is a held-coordinate Newton fit inside a safeguarded root search; the ends of all coefficients advance
together as one batch, each started along its own tangent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import Status
from glminfer.fit.nested import Nested, Stage, alone, complement, stage, stage_of
from glminfer.fit.records import FitRecord, Space
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control, Solution, maximise
from glminfer.numerics.objectives import Likelihood

_MOST_ROUNDS = 60
_EXACT = 1e-10  # of the signed root: far below what any reader of an interval can see
_FARTHEST = 1e8  # standard errors: an end beyond this is reported as infinite


@dataclass(frozen=True, slots=True)
class Ends:
    """The search for K interval ends.

    Attributes
    ----------
    stage : Stage
    functionals : (K, r)
        What is profiled, as functionals of the working coefficients.
    centre : (K,)
        Its estimate.
    side : (K,)
        +1 for upper ends, -1 for lower ones.
    top : float
        The maximum of the log-likelihood.
    """

    stage: Stage
    functionals: Array
    centre: Array
    side: Array
    top: float


Root = Callable[[Ends, Array, Solution], tuple[Array, Array]]


def free_stage(fit: FitRecord) -> Stage:
    """Where finite coefficients are profiled: under separation, the rows that are not separated."""
    if fit.recession is None:
        return stage_of(fit)
    rows, _ = fit.with_rows()
    assert fit.space is not None
    return stage(Space(rows, fit.space.basis), fit.family, fit.control, fit.working, fit.information)


def both_ends(fit: FitRecord, functionals: Array, target: float, root: Root) -> tuple[Array, Array]:
    """Lower and upper ends (q,) where the signed root of the test reaches ``target``, for functionals (q, r)."""
    where = free_stage(fit)
    estimate = functionals @ where.estimate
    twice = np.vstack([functionals, functionals])
    side = np.repeat([-1.0, 1.0], len(functionals))
    ends = Ends(where, twice, np.tile(estimate, 2), side, _top(where))
    found = _search(ends, target, root)
    return found[: len(functionals)], found[len(functionals) :]


def _top(where: Stage) -> float:
    return Likelihood(where.space.rows, where.family).slope(where.estimate)[0]


def _search(ends: Ends, target: float, root: Root) -> Array:
    """Distances from the estimate where the root equals the target, then the ends themselves."""
    H = linalg.inverse(ends.stage.metric)
    assert H is not None
    tangents = ends.functionals @ H
    variance = np.einsum("kr,kr->k", tangents, ends.functionals)
    se = np.sqrt(variance)
    tangents = tangents / variance[:, None]
    spaces = [complement(ends.stage, c[None]) for c in ends.functionals]
    K = len(se)
    distance, low, high = target * se, np.zeros(K), np.full(K, np.inf)
    coef = ends.stage.estimate + (ends.side * distance)[:, None] * tangents
    active = np.arange(K)
    for _ in range(_MOST_ROUNDS):
        part = _part(ends, active)
        solution = _held(part, coef[active], [spaces[k] for k in active])
        z, slope = root(part, distance[active], solution)
        low[active], high[active] = _bracket(z < target, distance[active], low[active], high[active])
        coef[active] = solution.coef
        moved = _next(distance[active], (target - z) / slope, low[active], high[active])
        going = np.abs(z - target) > _EXACT * target
        step = np.where(going, moved - distance[active], 0.0)
        coef[active] += (part.side * step)[:, None] * _tangent(part, solution)
        distance[active] += step
        far = distance > _FARTHEST * se
        active = active[going & ~far[active]]
        if not active.size:
            break
    return np.where(distance > _FARTHEST * se, ends.side * np.inf, ends.centre + ends.side * distance)


def _part(ends: Ends, some: NDArray[np.intp]) -> Ends:
    return Ends(ends.stage, ends.functionals[some], ends.centre[some], ends.side[some], ends.top)


def _held(ends: Ends, start: Array, spaces: list[Array]) -> Solution:
    """Maximise with the functional held where the start has it."""
    where = ends.stage
    control = Control(tol=1e-7, max_halvings=where.control.max_halvings)
    return maximise(Likelihood(where.space.rows, where.family), start, control, patient=True, spaces=spaces)


def _tangent(ends: Ends, solution: Solution) -> Array:
    """How the held maximum moves per unit of the functional: H⁻¹c / (c'H⁻¹c)."""
    solved = linalg.solve_all(solution.terms.information, ends.functionals)
    if solved is None:
        return np.asarray(ends.functionals / np.einsum("kr,kr->k", ends.functionals, ends.functionals)[:, None])
    return np.asarray(solved / np.einsum("kr,kr->k", ends.functionals, solved)[:, None])


def _bracket(inside: NDArray[np.bool_], distance: Array, low: Array, high: Array) -> tuple[Array, Array]:
    return np.where(inside, np.maximum(low, distance), low), np.where(inside, high, np.minimum(high, distance))


def _next(distance: Array, step: Array, low: Array, high: Array) -> Array:
    """The Newton step of the search, kept inside the bracket and to at most a threefold distance."""
    wanted = np.where(np.isfinite(step), distance + step, np.inf)
    capped = np.minimum(wanted, 3 * distance)
    middle = np.where(np.isfinite(high), (low + high) / 2, 3 * distance)
    return np.where((capped > low) & (capped < high), capped, middle)


def _multiplier(ends: Ends, solution: Solution) -> Array:
    """Derivative of the held maximum by the functional: the score along any direction d with c'd = 1."""
    size = np.einsum("kr,kr->k", ends.functionals, ends.functionals)
    scale = ends.stage.scale
    weighted = ends.functionals / scale**2
    along = weighted / np.einsum("kr,kr->k", ends.functionals, weighted)[:, None]
    return np.where(size > 0, np.einsum("kr,kr->k", solution.terms.score, along), np.nan)


def likelihood_root(ends: Ends, _distance: Array, solution: Solution) -> tuple[Array, Array]:
    """√(2(ℓmax - ℓp)) and its derivative by the distance from the estimate."""
    z = np.sqrt(np.maximum(2 * (ends.top - solution.terms.loglik), 1e-300))
    return z, -ends.side * _multiplier(ends, solution) / z


def score_root(_ends: Ends, distance: Array, solution: Solution) -> tuple[Array, Array]:
    """Root of the score statistic at the held maximum, √(s'I⁻¹s), and its slope from the estimate."""
    solved = linalg.solve_all(solution.terms.information, solution.terms.score)
    if solved is None:
        z = np.full(len(distance), np.nan)
    else:
        z = np.sqrt(np.maximum(np.einsum("kr,kr->k", solution.terms.score, solved), 1e-300))
    return z, z / distance


ROOTS: dict[str, Root] = {"profile": likelihood_root, "score": score_root}


# infinite estimates --------------------------------------------------------------------------------------------------


def one_sided(fit: FitRecord, functional: Array, sign: float, target: float) -> tuple[float, float]:
    """The interval of a coefficient whose estimate is ±inf: one finite end, by a scalar root search (53).

    ``functional`` (r,) acts on the working coefficients of all rows; ``sign`` is that of the infinite estimate.
    """
    from scipy.optimize import brentq

    where = stage_of(fit)
    space, onward = complement(where, functional[None]), _onward(fit, functional, sign)
    top = fit.loglik - fit.count_constant
    known: dict[float, Nested] = {}

    def held(value: float, patience: int = 20) -> float:
        """Log-likelihood with the functional at a value, started along the direction of recession from a known one."""
        if value in known:
            return known[value].loglik
        at = min(known, key=lambda other: abs(other - value), default=0.0)
        near = (known[at].coef if known else 0.0) + (value - at) * onward
        found = alone(where, space, near, near)
        if found.status is Status.LIMIT and patience and known:  # too far in one step
            held((at + value) / 2, patience - 1)
            return held(value, patience - 1)
        known[value] = found
        return found.loglik

    def excess(value: float) -> float:
        return float(np.sqrt(max(2 * (top - held(value)), 0.0)) - target)

    inner, outer = _straddle(excess, sign / np.abs(functional / where.scale).max())
    end = brentq(excess, min(inner, outer), max(inner, outer), xtol=1e-9, rtol=1e-12)
    return (float(end), np.inf) if sign > 0 else (-np.inf, float(end))


def _onward(fit: FitRecord, functional: Array, sign: float) -> Array:
    """A direction (r,) along which the functional moves by 1, and towards its infinity the likelihood only rises."""
    from scipy.optimize import linprog

    assert fit.recession is not None
    assert fit.space is not None
    null, cone = fit.space.coordinates() @ fit.recession.null, fit.recession.cone
    moved = sign * functional @ null
    rows = np.column_stack([-cone, np.ones(len(cone))])  # cone @ v >= t, t as large as may be
    goal = np.append(np.zeros(null.shape[1]), -1.0)
    bounds = [(None, None)] * null.shape[1] + [(0.0, 1.0)]
    found = linprog(goal, rows, np.zeros(len(cone)), np.append(moved, 0.0)[None], [1.0], bounds, method="highs")
    v = found.x[:-1] if found.x is not None else np.linalg.lstsq(moved[None], np.ones(1), rcond=None)[0]
    return np.asarray(sign * null @ v)


def _straddle(excess: Callable[[float], float], step: float) -> tuple[float, float]:
    """A value that is compatible with the data (towards the infinite estimate) and one that is not."""
    inner = outer = 0.0
    while excess(inner) > 0:
        inner, step = inner + step, 2 * step
    step = step if outer == inner else abs(inner) * np.sign(step)
    while excess(outer) < 0:
        outer, step = outer - step, 2 * step
    return inner, outer
