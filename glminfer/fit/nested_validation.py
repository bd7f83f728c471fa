"""Nested cross-validation: the penalty is chosen without the rows on which the fit is then judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.fit.folds import Dealer, Folds, refuse_one_class
from glminfer.fit.held_out import all_of, curve, judged, mean_and_error
from glminfer.fit.recipe import Recipe
from glminfer.numerics.blocks import Array
from glminfer.numerics.influence import sampling_variance
from glminfer.numerics.losses import Measure


@dataclass(frozen=True, slots=True)
class Choice:
    """How the penalty is chosen inside each outer fold."""

    dealer: Dealer
    measure: Measure
    one_se: bool


@dataclass(frozen=True, slots=True, eq=False)
class OuterFold:
    """What was chosen outside one fold, and how it did inside.

    Attributes
    ----------
    repeat : int
    fold : object
        Name of the fold.
    rows : (k,)
        The rows held out, of positive weight.
    n_train : int
        Rows of positive weight that were not.
    weight : float
        Their total weight.
    lambda_ : float
    n_nonzero : int
    score, null : float
        The measure of the fit, and of the constant alone.
    eta : (k,)
        Linear predictors of the rows held out.
    sampling : float
        Variance of the score over samples of independent rows.
    """

    repeat: int
    fold: object
    rows: NDArray[np.intp]
    n_train: int
    weight: float
    lambda_: float
    n_nonzero: int
    score: float
    null: float
    eta: Array
    sampling: float


@dataclass(frozen=True, slots=True)
class Task:
    """One outer fold of one repeat, with a seed of its own for the inner folds."""

    repeat: int
    folds: Folds
    code: int
    seed: np.random.SeedSequence


def nested(
    recipe: Recipe, dealt: Sequence[Folds], choice: Choice, measure: Measure, seeds: Sequence[np.random.SeedSequence]
) -> list[OuterFold]:
    """Every outer fold of every repeat."""
    tasks = [
        Task(repeat, folds, code, child)
        for repeat, (folds, seed) in enumerate(zip(dealt, seeds, strict=True), 1)
        for code, child in enumerate(seed.spawn(folds.count))
    ]
    return all_of(lambda task: outer_fold(recipe, task, choice, measure), tasks, "outer folds")


def outer_fold(recipe: Recipe, task: Task, choice: Choice, measure: Measure) -> OuterFold:
    """Choose by inner folds outside, fit there once more at the penalty chosen, judge inside."""
    inside = task.folds.codes == task.code
    held, training = inside & recipe.counts, recipe.weighing(np.where(inside, 0.0, recipe.weights))
    lambdas = training.sequence()
    step = _chosen(training, lambdas, choice, np.random.default_rng(task.seed))
    solution = training.path(lambdas[: step + 1])
    eta = training.linear(solution, held)[:, -1:]
    y, weights, constant = recipe.y[held], recipe.weights[held], training.constant() + recipe.offset[held]
    score = float(measure.of(eta, y, weights)[0])
    return OuterFold(
        repeat=task.repeat,
        fold=task.folds.names[task.code],
        rows=np.flatnonzero(held),
        n_train=int(training.counts.sum()),
        weight=float(weights.sum()),
        lambda_=float(lambdas[step]),
        n_nonzero=int(np.count_nonzero(solution.coef[-1])),
        score=score,
        null=float(measure.of(constant[:, None], y, weights)[0]),
        eta=eta[:, 0],
        sampling=sampling_variance(measure.name, eta[:, 0], y, weights) if np.isfinite(score) else np.nan,
    )


def _chosen(training: Recipe, lambdas: Array, choice: Choice, rng: np.random.Generator) -> int:
    """Position of the penalty that the inner folds choose."""
    folds = choice.dealer.deal(training.y, training.counts, rng)
    refuse_one_class(folds, training.y, training.weights)
    coarse = training.coarsely()
    found = [judged(coarse, folds, code, lambdas, choice.measure) for code in range(folds.count)]
    inner = curve(found, folds.weights(training.weights), choice.measure)
    return inner.one_se if choice.one_se else inner.best


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean over outer folds and how far it may be off.

    Attributes
    ----------
    mean, null : float
        Of the fits, and of the constant alone.
    sd : float
        Standard deviation over folds.
    std_error : float
        Of the mean, with what folds share allowed for, and no less than that of independent rows (73).
    dof : int
        Folds with a value, less one.
    """

    mean: float
    null: float
    sd: float
    std_error: float
    dof: int


def spread(found: Sequence[OuterFold]) -> Spread:
    """Mean, spread and corrected standard error over all outer folds of all repeats."""
    scores, weights = np.array([[f.score, f.null] for f in found]), np.array([f.weight for f in found])
    mean, naive = mean_and_error(scores, weights)
    known = np.isfinite(scores[:, 0])
    J = int(known.sum())
    variance = J * float(naive[0]) ** 2  # over folds, divisor J - 1
    shared = float(np.mean([len(f.rows) / f.n_train for f, k in zip(found, known, strict=True) if k]))
    squared = max((1.0 / J + shared) * variance, _sampling(found, weights, known))  # (73)
    return Spread(float(mean[0]), float(mean[1]), float(np.sqrt(variance)), float(np.sqrt(squared)), J - 1)


def _sampling(found: Sequence[OuterFold], weights: Array, known: NDArray[np.bool_]) -> float:
    """Variance of the mean over samples of independent rows; repeats judge the same rows and do not lessen it."""
    parts = np.array([f.sampling for f in found])[known]
    repeats = len({f.repeat for f in found})
    return float(repeats * (weights[known] ** 2 @ parts) / weights[known].sum() ** 2)
