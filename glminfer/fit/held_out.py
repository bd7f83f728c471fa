"""Predictions of rows that the model has not seen: paths fitted outside each fold, judged inside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from glminfer.data.progress import progress
from glminfer.errors import DataError, counted
from glminfer.fit.folds import Folds
from glminfer.fit.recipe import Recipe
from glminfer.numerics.blocks import Array
from glminfer.numerics.losses import Measure
from glminfer.numerics.threads import one_by_one

T = TypeVar("T")
R = TypeVar("R")

_SAME = 1e-10  # means this close, relative to their size, are equal but for rounding


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rows of one fold say of the fits to the others.

    Attributes
    ----------
    scores : (L,)
        The measure at each penalty.
    null : float
        The measure of the constant alone.
    converged : bool
        Whether every penalty's fit is at its optimum.
    """

    scores: Array
    null: float
    converged: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """A measure along the path: mean over folds and its standard error, both weighted by the folds.

    Attributes
    ----------
    mean, std_error : (L,)
    best, one_se : int
        Positions of the best mean, and of the largest penalty within one standard error of it.
    null : float
        The mean for the constant alone.
    defined : (K,) bool
        Folds that have a value.
    converged : (K,) bool
        Folds whose fits are all at their optimum.
    """

    mean: Array
    std_error: Array
    best: int
    one_se: int
    null: float
    defined: NDArray[np.bool_]
    converged: NDArray[np.bool_]


def all_of(function: Callable[[T], R], items: Sequence[T], what: str) -> list[R]:
    """The function of every item, on all threads, with a progress bar on long work."""
    return list(progress(one_by_one(function, items), len(items), what))


def judged(recipe: Recipe, folds: Folds, code: int, lambdas: Array, measure: Measure) -> Judged:
    """Fit outside one fold, judge inside it."""
    inside = folds.codes == code
    outside = recipe.weighing(np.where(inside, 0.0, recipe.weights))
    held = inside & recipe.counts
    y, weights = recipe.y[held], recipe.weights[held]
    solution = outside.path(lambdas)
    constant = (outside.constant() + recipe.offset[held])[:, None]
    null, scores = measure.of(constant, y, weights), measure.of(recipe.linear(solution, held), y, weights)
    return Judged(scores, float(null[0]), bool(solution.converged.all()))


def curve(found: Sequence[Judged], weights: Array, measure: Measure) -> Curve:
    """Means, standard errors and choices from all folds.

    Raises
    ------
    DataError
        If fewer than two folds have a value.
    """
    scores = np.array([[*one.scores, one.null] for one in found])
    defined = np.isfinite(scores).all(axis=1)
    if defined.sum() < 2:
        raise DataError(
            f"{measure.name} needs both outcomes in a fold, and {int(defined.sum())} of {counted(len(found), 'fold')} "
            "have them. Use fewer folds or stratify=True, or measure='deviance', which every fold has."
        )
    mean, error = mean_and_error(scores, weights)
    best, one_se = choices(mean[:-1], error[:-1], measure)
    converged = np.array([one.converged for one in found])
    return Curve(mean[:-1], error[:-1], best, one_se, float(mean[-1]), defined, converged)


def mean_and_error(scores: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted mean (70) of the folds (K, L) that have a value, and its standard error (71)."""
    known = np.isfinite(scores)
    w = np.where(known, weights[:, None], 0.0)
    values, total = np.where(known, scores, 0.0), w.sum(axis=0)
    mean = (w * values).sum(axis=0) / total  # (70)
    variance = (w * (values - mean) ** 2).sum(axis=0) / total
    return mean, np.sqrt(variance / (known.sum(axis=0) - 1))  # (71)


def choices(mean: Array, error: Array, measure: Measure) -> tuple[int, int]:
    """The best penalty, and the largest within one standard error of it (72); the larger of equals."""
    loss = -measure.sign * mean
    slack = _SAME * np.maximum(np.abs(loss).max(), 1.0)
    best = int(np.argmax(loss <= loss.min() + slack))
    return best, int(np.argmax(loss <= loss[best] + error[best] + slack))  # (72)


def cross_validated(recipe: Recipe, folds: Folds, lambdas: Array, measure: Measure) -> Curve:
    """The measure along the path, fold by fold."""
    found = all_of(lambda code: judged(recipe, folds, code, lambdas, measure), range(folds.count), "folds")
    return curve(found, folds.weights(recipe.weights), measure)
