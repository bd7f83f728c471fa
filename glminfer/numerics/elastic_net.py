"""Elastic-net paths of the logistic model: for each λ the minimum of

    -ℓ(b)/Σw + λ Σ c_j [(1 - a)/2 b_j² + a |b_j|]                                                        (60)

by proximal Newton steps (64) on the columns that matter, each λ started from a prediction by the ones before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import DataError
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control
from glminfer.numerics.path_walk import Problem, Solved, jump, solved_at, start, stations
from glminfer.numerics.rotated import rotation_of
from glminfer.numerics.standardised import standardised
from glminfer.numerics.working_set import Outcome

_RIDGE_RATIO = 1e-3  # the λ sequence of a ridge, which has no largest λ, is that of this l1_ratio (glmnet)


@dataclass(frozen=True, slots=True)
class Mixture:
    """The penalty of a path, without its λ.

    Attributes
    ----------
    l1_ratio : float
        a in (60): 0 is the ridge, 1 the lasso.
    factor : (p,)
        c_j in (60), as given; it is rescaled to sum to p.
    standardize : bool
        Whether b_j in the penalty belongs to the column divided by its standard deviation.
    intercept : bool
        Whether there is a constant; it is not penalised.
    """

    l1_ratio: float
    factor: Array
    standardize: bool = True
    intercept: bool = True


@dataclass(frozen=True, slots=True)
class PathSolution:
    """A path of L penalties, the largest first.

    Attributes
    ----------
    lambdas : (L,)
    intercept : (L,)
    coef : (L, p)
        On the scale of the columns as given.
    loglik : (L,)
        Σ w ℓ, without binomial coefficients.
    null_loglik : float
        The same for the constant (and offset) alone.
    kkt : (L,)
        The largest violation of the conditions of optimality (61), for standardised columns.
    converged : (L,) bool
        Whether that is within the tolerance.
    n_iter : (L,)
        Newton steps.
    varies : (p,) bool
        False for columns that are constant, whose coefficients stay zero.
    """

    lambdas: Array
    intercept: Array
    coef: Array
    loglik: Array
    null_loglik: float
    kkt: Array
    converged: NDArray[np.bool_]
    n_iter: NDArray[np.intp]
    varies: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Near:
    """A solution to start from: its λ, intercept and coefficients (p,) of the columns as given."""

    lambda_: float
    intercept: float
    coef: Array


def elastic_net_path(
    X: Array,
    y: Array,
    weights: Array,
    offset: Array,
    mixture: Mixture,
    lambdas: Array,
    control: Control | None = None,
    enough: Callable[[Array, float], bool] | None = None,
    near: Near | None = None,
) -> PathSolution:
    """The path at the given λ, the largest first.

    Parameters
    ----------
    X : (n, p)
        Columns without the constant; not copied, and best ``centred`` where means are far from zero.
    y, weights, offset : (n,)
        Outcome in [0, 1]; rows of weight zero count nothing.
    mixture : Mixture
    lambdas : (L,)
        In any order.
    control : Control, optional
        ``tol`` bounds the violation of optimality (61) at every λ; ``max_iter`` the Newton steps.
    enough : callable, optional
        Given the log-likelihoods so far and that of the null model, whether to leave out the λ that remain.
    near : Near, optional
        A solution at a larger λ than those wanted, or at none of them.
    """
    problem = problem_of(X, y, weights, offset, mixture, control)
    rotation = rotation_of(problem)
    walk = start(rotation.problem if rotation else problem)
    null = problem.total * walk.null
    wanted = np.sort(np.asarray(lambdas, dtype=float))[::-1]
    if near is not None:
        before = problem.source.scaled(near.coef, near.intercept)
        jump(walk, near.lambda_, *(rotation.turned(*before) if rotation else before))
    found: list[Solved] = []
    for lambda_, tol, asked in stations(wanted, walk.passed[-1].lambda_, problem.control.tol):
        solved = solved_at(walk, lambda_, tol * rotation.tighter if rotation else tol)
        if asked:
            found.append(rotation.restored(solved, tol) if rotation else solved)
            if enough is not None and enough(problem.total * np.array([one.loglik for one in found]), null):
                break
    return _solution(problem, wanted[: len(found)], null, found)


def default_lambdas(
    X: Array,
    y: Array,
    weights: Array,
    offset: Array,
    mixture: Mixture,
    n_lambdas: int = 100,
    lambda_min_ratio: float | None = None,
) -> Array:
    """glmnet's sequence: from the smallest λ without a coefficient (62) down, evenly on the log scale."""
    problem = problem_of(X, y, weights, offset, replace(mixture, l1_ratio=max(mixture.l1_ratio, _RIDGE_RATIO)))
    n, p = len(problem.outcome.y), X.shape[1]
    ratio = lambda_min_ratio if lambda_min_ratio is not None else 1e-4 if n > p else 1e-2
    return np.asarray(start(problem).passed[0].lambda_ * np.geomspace(1.0, ratio, n_lambdas))


def problem_of(
    X: Array, y: Array, weights: Array, offset: Array, mixture: Mixture, control: Control | None = None
) -> Problem:
    """Set up the rows of positive weight and the columns on the scale of the penalty."""
    total = float(weights.sum())
    source = standardised(X, weights / total, mixture.intercept)
    outcome = Outcome(y[source.rows], weights[source.rows] / total, offset[source.rows])
    events = float(outcome.weights @ outcome.y)
    if not 0.0 < events < 1.0 - 1e-15:
        raise DataError("The rows of positive weight have one outcome only: there is nothing to fit.")
    unit = np.ones_like(source.inverse) if mixture.standardize else source.inverse
    factor = mixture.factor * (len(mixture.factor) / mixture.factor.sum()) if mixture.factor.any() else mixture.factor
    l1, l2 = mixture.l1_ratio * factor * unit, (1.0 - mixture.l1_ratio) * factor * unit**2
    constant = np.zeros(int(mixture.intercept))
    return Problem(source, outcome, total, np.append(l1, constant), np.append(l2, constant), control or Control())


def _solution(problem: Problem, lambdas: Array, null: float, found: list[Solved]) -> PathSolution:
    made = [problem.source.original(solved.columns, solved.u) for solved in found]
    coef = np.array([coef for coef, _ in made]).reshape(len(found), -1)
    return PathSolution(
        lambdas=lambdas,
        intercept=np.array([constant for _, constant in made]),
        coef=coef,
        loglik=problem.total * np.array([solved.loglik for solved in found]),
        null_loglik=null,
        kkt=np.array([solved.kkt for solved in found]),
        converged=np.array([solved.converged for solved in found]),
        n_iter=np.array([solved.n_iter for solved in found], dtype=np.intp),
        varies=problem.source.inverse > 0,
    )
