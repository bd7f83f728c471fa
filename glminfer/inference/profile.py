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
from glminfer.fit.nested import Stage, complement, stage, stage_of
from glminfer.fit.records import FitRecord, Space
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.threads import one_blas_thread

_MOST_ROUNDS = 100
_EXACT = 1e-10  # of the signed root: far below what any reader of an interval can see
_NEAR = 1e-6  # what must be reached where rounding allows no better
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
        The maximum of the log-likelihood, or of the penalised one.
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
    with one_blas_thread():
        found = _search(ends, target, root)
    return found[: len(functionals)], found[len(functionals) :]


def _top(where: Stage) -> float:
    return float(where.objective()(where.estimate[None]).loglik[0])


@dataclass(slots=True)
class _Search:
    """Where K searches stand: the distance tried next, and the last one at which the held maximum was found."""

    trial: Array
    reached: Array
    z: Array
    coef: Array
    tangent: Array
    low: Array
    high: Array


def _search(ends: Ends, target: float, root: Root) -> Array:
    """Distances from the estimate where the root equals the target, then the ends themselves."""
    state, se = _begin(ends, target)
    spaces = [complement(ends.stage, c[None]) for c in ends.functionals]
    active = np.arange(len(se))
    for _ in range(_MOST_ROUNDS):
        part = _part(ends, active)
        away = part.side * (state.trial - state.reached)[active]
        solution = _held(part, state.coef[active] + away[:, None] * state.tangent[active], [spaces[k] for k in active])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            _judge(state, part, active, solution, target, root)
        going = (np.abs(state.z - target) > _EXACT * target) & (state.trial <= _FARTHEST * se)
        active = active[going[active]]
        if not active.size:
            break
    found = np.where(np.abs(state.z - target) <= _NEAR * target, ends.centre + ends.side * state.reached, np.nan)
    return np.where(state.trial > _FARTHEST * se, ends.side * np.inf, found)


def _begin(ends: Ends, target: float) -> tuple[_Search, Array]:
    """At the estimate, on the way to the Wald ends; and the standard errors."""
    H = linalg.inverse(ends.stage.metric)
    assert H is not None
    tangents = ends.functionals @ H
    variance = np.einsum("kr,kr->k", tangents, ends.functionals)
    se, zero = np.sqrt(variance), np.zeros(len(variance))
    coef = np.tile(ends.stage.estimate, (len(se), 1))
    start = _Search(target * se, zero, zero.copy(), coef, tangents / variance[:, None], zero.copy(), zero + np.inf)
    return start, se


def _judge(state: _Search, part: Ends, some: NDArray[np.intp], solution: Solution, target: float, root: Root) -> None:
    """Move on from the held maxima that were found; half way back where one was not."""
    distance = state.trial[some]
    z, slope = root(part, distance, solution)
    found = np.isfinite(z) & np.array([status is not Status.LIMIT for status in solution.status])
    low, high = _bracket(z < target, distance, state.low[some], state.high[some])
    secant = (z - state.z[some]) / (distance - state.reached[some])
    step = (target - z) / np.where(np.isnan(slope), secant, slope)
    tangent = _tangent(part, solution)
    usable = found & np.isfinite(tangent).all(axis=1)
    state.trial[some] = np.where(found, _next(distance, step, low, high), (state.reached[some] + distance) / 2)
    here = some[found]
    state.reached[here], state.z[here], state.coef[here] = distance[found], z[found], solution.coef[found]
    state.low[here], state.high[here] = low[found], high[found]
    state.tangent[some[usable]] = tangent[usable]


def _part(ends: Ends, some: NDArray[np.intp]) -> Ends:
    return Ends(ends.stage, ends.functionals[some], ends.centre[some], ends.side[some], ends.top)


def _held(ends: Ends, start: Array, spaces: list[Array]) -> Solution:
    """Maximise with the functional held where the start has it."""
    control = Control(tol=1e-7, max_halvings=ends.stage.control.max_halvings)
    return ends.stage.maximise(start, control, spaces, patient=True)


def _tangent(ends: Ends, solution: Solution) -> Array:
    """How the held maximum moves per unit of the functional: H⁻¹c / (c'H⁻¹c)."""
    solved = _solved(solution.terms.information, ends.functionals)
    return np.asarray(solved / np.einsum("kr,kr->k", ends.functionals, solved)[:, None])


def _solved(A: Array, b: Array) -> Array:
    """A⁻¹b of each of K systems; NaN where a matrix has lost its rank."""
    together = linalg.solve_all(A, b)
    if together is not None:
        return together
    factored = [linalg.factor(one) if linalg.all_finite(one) else None for one in A]
    alone = [np.full_like(v, np.nan) if f is None else linalg.solve(f, v) for f, v in zip(factored, b, strict=True)]
    return np.array(alone)


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


def score_root(_ends: Ends, _distance: Array, solution: Solution) -> tuple[Array, Array]:
    """Root of the score statistic at the held maximum, √(s'I⁻¹s); its slope is left to the search."""
    solved = _solved(solution.terms.information, solution.terms.score)
    z = np.sqrt(np.maximum(np.einsum("kr,kr->k", solution.terms.score, solved), 1e-300))
    return z, np.full_like(z, np.nan)


ROOTS: dict[str, Root] = {"profile": likelihood_root, "score": score_root}
