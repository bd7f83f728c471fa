"""A walk along the penalties: where the minimum of (60) is at one λ, given where it was at the larger ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from glminfer.numerics import active_set, step_costs
from glminfer.numerics.active_set import Subproblem
from glminfer.numerics.blocks import Array
from glminfer.numerics.inner_loop import InnerLoop, inner_loop
from glminfer.numerics.known_scores import KnownScores
from glminfer.numerics.newton import Control
from glminfer.numerics.standardised import Indices, Standardised
from glminfer.numerics.working_set import Outcome, Point, WorkingSet, empty_set

_STRIDE = 0.5  # a λ further below the one before than this is reached by stations on the way
_LOOSE = 1e-3  # their tolerance, as a part of λ
_MARGIN = 0.25  # of the predicted change of a score, for what the prediction may be wrong by
_SMALL = 1e-4  # for a λ below this the tolerance shrinks with it
_ROUNDING = 1e-13  # a violation that can be reached whatever the columns
_CLOSE = 0.1  # λ that are closer, beside the step to be made, tell little of what lies ahead
_LEAP = 3.0  # a change of a linear predictor up to which no row's curvature changes by more than e³
_NOTHING = 1e-6  # of the largest λ: below this part of it, any λ is near zero
_STEPS = 100  # Newton steps at one λ, if the caller sets no limit
_SLOW = 0.5  # a step that shrinks the violation by less than this is looked at more closely
_FRESH = 1e-3  # the factor by which steps with a new curvature are expected to shrink the violation


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not change along a path.

    Attributes
    ----------
    source : Standardised
    outcome : Outcome
    total : float
        Sum of the weights as given.
    l1, l2 : (q,)
        The two penalties of each standardised column, per unit of λ.
    control : Control
    """

    source: Standardised
    outcome: Outcome
    total: float
    l1: Array
    l2: Array
    control: Control


@dataclass(frozen=True, slots=True)
class Solved:
    """The minimum at one λ.

    Attributes
    ----------
    lambda_ : float
    columns : (k,)
        The working set.
    u : (k,)
        Their coefficients.
    score : (q,)
        Gradient of the mean log-likelihood for every column; of those far within their limits to a few digits.
    loglik : float
        Mean log-likelihood.
    kkt : float
        Largest violation of (61).
    converged : bool
        Whether that is within the tolerance.
    n_iter : int
    """

    lambda_: float
    columns: Indices
    u: Array
    score: Array
    loglik: float
    kkt: float
    converged: bool
    n_iter: int


@dataclass(slots=True)
class Walk:
    """Where a path has come to."""

    problem: Problem
    work: WorkingSet
    point: Point
    known: KnownScores
    inner: InnerLoop | None
    null: float = 0.0
    rate: float = _FRESH
    stale: bool = True
    passed: list[Solved] = field(default_factory=list)


# the start ------------------------------------------------------------------------------------------------------------


def start(problem: Problem) -> Walk:
    """The model of the constant and the columns without a penalty."""
    outcome = problem.outcome
    work = empty_set(problem.source, outcome, outcome.weights / 4)
    known = KnownScores(problem.source, np.sqrt(outcome.weights))
    walk = Walk(problem, work, work.evaluate(np.empty(0)), known, inner_loop(problem.source))
    tol = problem.control.tol
    if problem.source.intercept:
        _admit(walk, np.array([problem.source.q - 1]))
        walk.point = work.evaluate(np.array([_flat(outcome)]))
        _settle(walk, 0.0, tol)
    walk.null = loglik(walk)
    free = np.flatnonzero((problem.l1 == 0) & (problem.l2 == 0) & problem.source.varies & ~work.inside)
    if free.size:
        _admit(walk, free)
        _settle(walk, 0.0, tol)
    score = walk.known.every(walk.point.residual)
    top = _first_to_enter(problem, score) or np.inf
    walk.passed = [Solved(top, work.at.copy(), walk.point.u, score, walk.null, 0.0, True, 0)]
    return walk


def _first_to_enter(problem: Problem, score: Array) -> float:
    """The smallest λ at which every coefficient with an l1 penalty is zero (62)."""
    l1 = problem.l1
    return float(np.divide(np.abs(score), l1, out=np.zeros_like(score), where=l1 > 0).max(initial=0.0))


def _flat(outcome: Outcome) -> float:
    """The log-odds of the mean outcome, where the offset has mean zero."""
    mean = outcome.weights @ outcome.y
    return float(np.log(mean) - np.log1p(-mean) - outcome.weights @ outcome.offset)


def stations(lambdas: Array, top: float, tol: float) -> Iterator[tuple[float, float, bool]]:
    """Each λ to solve at, its tolerance, and whether it was asked for: where the next is far, others lie on the way."""
    here = top
    for lambda_ in lambdas:
        while here < np.inf and here > _NOTHING * top and lambda_ < _STRIDE * here:
            here *= _STRIDE
            if here > lambda_:
                yield here, max(_LOOSE * here, tol), False
        here = min(here, lambda_)
        # the tolerance stays small beside the penalty
        yield float(lambda_), max(tol * min(1.0, lambda_ / _SMALL), min(tol, _ROUNDING)), True


def jump(walk: Walk, lambda_: float, columns: Indices, u: Array) -> None:
    """Begin at a solution found before, instead of at the largest λ."""
    work = walk.work
    new = columns[~work.inside[columns]]
    if new.size:
        _admit(walk, new)
    every = np.zeros(walk.problem.source.q)
    every[columns] = u
    walk.point = work.evaluate(every[work.at])
    solved_at(walk, lambda_, max(_LOOSE * lambda_, walk.problem.control.tol))


# one λ ----------------------------------------------------------------------------------------------------------------


def solved_at(walk: Walk, lambda_: float, tol: float) -> Solved:
    """Go on to the next λ and solve there; the conditions are checked for every column."""
    problem, work = walk.problem, walk.work
    _foresee(walk, lambda_)
    steps, worst = _settle(walk, lambda_, tol)
    while True:
        score = walk.known.beyond(walk.point.residual, lambda_ * problem.l1, ~work.inside)
        score[work.at] = walk.point.score
        over = np.where(work.inside, 0.0, np.abs(score) - lambda_ * problem.l1)
        new = np.flatnonzero(over > tol)
        if not new.size or steps >= problem.control.limit(_STEPS):
            break
        _admit(walk, new)
        more, worst = _settle(walk, lambda_, tol)
        steps += more
    worst = max(worst, float(over.max(initial=0.0)))
    found = Solved(lambda_, work.at.copy(), walk.point.u, score, loglik(walk), worst, worst <= tol, steps)
    if lambda_ < walk.passed[-1].lambda_:  # above the largest, where nothing has entered, there is nothing to learn
        walk.passed = [*walk.passed[-2:], found]
    return found


def loglik(walk: Walk) -> float:
    """Mean log-likelihood at the point."""
    outcome, eta = walk.problem.outcome, walk.point.eta
    return float(outcome.weights @ _gain(outcome.y, eta))


def _gain(y: Array, eta: Array) -> Array:
    """Log-likelihood of each row."""
    return np.asarray(
        y * eta - np.maximum(eta, 0.0) - np.log(1.0 + np.exp(-np.abs(eta)))
    )  # log1p is several times slower


def _admit(walk: Walk, new: Indices) -> None:
    walk.work.admit(new)
    walk.point = walk.work.widened(walk.point)


def _penalties(walk: Walk, lambda_: float) -> tuple[Array, Array]:
    at = walk.work.at
    return lambda_ * walk.problem.l1[at], lambda_ * walk.problem.l2[at]


def _violation(point: Point, l1: Array, l2: Array) -> float:
    """The largest violation of the conditions of optimality among the working columns (61)."""
    u, score = point.u, point.score
    off = np.where((u != 0) | (l1 == 0), np.abs(score - l2 * u - l1 * np.sign(u)), np.abs(score) - l1)
    return float(off.max(initial=0.0))


def _settle(walk: Walk, lambda_: float, tol: float) -> tuple[int, float]:
    """Newton steps (64) on the working set until the violation is below the tolerance; how many, and the violation."""
    l1, l2 = _penalties(walk, lambda_)
    worst, limit, first = _violation(walk.point, l1, l2), walk.problem.control.limit(_STEPS), 0
    if walk.inner is not None and walk.inner.pays(walk.work):
        first, worst = _settle_compiled(walk, (l1, l2), worst, tol, limit)
    for step in range(first, limit):
        if worst <= tol:
            return step, worst
        if walk.stale and _pays(walk, worst, tol):
            _refresh(walk)
        trial = _step(walk, l1, l2)
        now = _violation(trial, l1, l2)
        if now > _SLOW * worst and walk.stale:
            _refresh(walk)
            trial = _step(walk, l1, l2)
            now = _violation(trial, l1, l2)
        if now > _SLOW * worst:
            trial = _searched(walk, trial, l1, l2)
            if trial is walk.point:  # with a curvature of its own: nothing would change from here on
                break
            now = _violation(trial, l1, l2)
        walk.rate, walk.stale = now / worst, True
        walk.point, worst = trial, now
    return limit, worst


def _settle_compiled(
    walk: Walk, penalties: tuple[Array, Array], worst: float, tol: float, limit: int
) -> tuple[int, float]:
    """The same, as far as steps without a search come."""
    assert walk.inner is not None
    steps, taken = 0, 1
    while worst > tol and steps < limit and (taken or walk.stale):
        if steps or not taken:
            _refresh(walk)
        taken, worst, walk.point = walk.inner.run(walk.work, walk.point, penalties, (worst, tol), limit - steps)
        walk.stale = walk.stale or taken > 0
        steps += taken
    return steps, worst


def _step(walk: Walk, l1: Array, l2: Array) -> Point:
    """The minimum of the quadratic model around the point."""
    model = Subproblem(walk.work, walk.point.u, -walk.point.score, l1, l2)
    trial = walk.work.evaluate(active_set.solve(model))
    _learn(walk, walk.point, trial)
    return trial


def _refresh(walk: Walk) -> None:
    walk.work.refresh(walk.point)
    walk.stale, walk.rate = False, _FRESH


def _pays(walk: Walk, worst: float, tol: float) -> bool:
    """Whether a new curvature costs less than the steps it saves."""
    n, k = len(walk.work.Z), walk.work.k
    saved = step_costs.steps_to(worst, tol, walk.rate) - 2.0
    return saved * step_costs.evaluation(n, k) > step_costs.curvature(n, k)


def _learn(walk: Walk, before: Point, after: Point) -> None:
    """Let the curvature explain the change of the score between two points, where that saves passes over the rows."""
    n, k = len(walk.work.Z), walk.work.k
    if (walk.inner is None or not walk.inner.pays(walk.work)) and step_costs.evaluation(n, k) > step_costs.learning(k):
        walk.work.learn(after.u - before.u, before.score - after.score)


def _searched(walk: Walk, trial: Point, l1: Array, l2: Array) -> Point:
    """The first of the halved steps that does not raise the objective (66)."""
    before = _objective(walk, walk.point, l1, l2)
    for _ in range(walk.problem.control.max_halvings):
        if _objective(walk, trial, l1, l2) <= before:
            return trial
        trial = walk.work.evaluate((walk.point.u + trial.u) / 2)
    return walk.point


def _objective(walk: Walk, point: Point, l1: Array, l2: Array) -> float:
    outcome, eta = walk.problem.outcome, point.eta
    return float(l1 @ np.abs(point.u) + 0.5 * (l2 @ point.u**2) - outcome.weights @ _gain(outcome.y, eta))


# what the λ before tell about the next -------------------------------------------------------------------------------


def _foresee(walk: Walk, lambda_: float) -> None:
    """Take in the columns expected to enter, and move to where the coefficients are expected (65)."""
    if not lambda_ < walk.passed[-1].lambda_ < np.inf:
        return
    problem, work = walk.problem, walk.work
    near = _expected_scores(walk, lambda_) > lambda_ * problem.l1
    new = np.flatnonzero(near & ~work.inside & problem.source.varies)
    if new.size:
        _admit(walk, new)
    u = _extrapolated(walk.passed, lambda_, work.k)
    ahead = work.evaluate(_along_tangent(walk, lambda_) if u is None else u)
    if _is_ahead(walk, ahead, lambda_):
        before, walk.point = walk.point, ahead
        _learn(walk, before, ahead)


def _is_ahead(walk: Walk, ahead: Point, lambda_: float) -> bool:
    """Whether a foreseen point is better than the one before: where rows are about to separate it may be far off."""
    if np.abs(ahead.eta - walk.point.eta).max(initial=0.0) <= _LEAP:
        return True
    l1, l2 = _penalties(walk, lambda_)
    return _objective(walk, ahead, l1, l2) <= _objective(walk, walk.point, l1, l2)


def _expected_scores(walk: Walk, lambda_: float) -> Array:
    """The largest that each score is expected to be: by its last change, or the strong rule (67) at the start."""
    last = walk.passed[-1]
    if len(walk.passed) < 2:
        return np.abs(last.score) + (last.lambda_ - lambda_) * walk.problem.l1
    before = walk.passed[-2]
    change = (last.score - before.score) * ((lambda_ - last.lambda_) / (last.lambda_ - before.lambda_))
    return np.abs(last.score + change) + _MARGIN * np.abs(change)


def _extrapolated(passed: list[Solved], lambda_: float, k: int) -> Array | None:
    """Parabolas in log λ through the last three solutions; lines where a coefficient was zero at the first."""
    if len(passed) < 3 or lambda_ <= 0 or passed[0].lambda_ == np.inf:
        return None
    a, b, c = np.log([solved.lambda_ for solved in passed]) - np.log(lambda_)
    if min(a - b, b - c) < _CLOSE * c:
        return None
    U = np.zeros((3, k))
    for row, solved in zip(U, passed, strict=True):
        row[: len(solved.u)] = solved.u
    curved = np.array([b * c / ((a - b) * (a - c)), a * c / ((b - a) * (b - c)), a * b / ((c - a) * (c - b))])
    straight = np.array([0.0, c / (c - b), b / (b - c)])
    u = np.where(U[0] != 0, curved @ U, straight @ U)
    return np.where((u * U[2] < 0) | (U[2] == 0), 0.0, u)


def _along_tangent(walk: Walk, lambda_: float) -> Array:
    """Along dβ/dλ = -H⁻¹ (l1 sign + l2 β) of the active coefficients (65)."""
    work, u, here = walk.work, walk.point.u, walk.passed[-1].lambda_
    l1, l2 = _penalties(walk, 1.0)
    at = np.flatnonzero((u != 0) | (l1 == 0))
    moved = u.copy()
    moved[at] += (here - lambda_) * work.solve(at, here * l2[at], l1[at] * np.sign(u[at]) + l2[at] * u[at])
    return np.where(moved * u < 0, 0.0, moved)
