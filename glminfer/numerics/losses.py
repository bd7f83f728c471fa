"""How good predictions are: linear predictors of L models beside the outcomes of the same n rows.

Every function takes eta (n, L), y (n,) in [0, 1] and weights (n,), and gives one number per model, (L,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array

Codes = NDArray[np.intp]

_FARTHEST = float(np.log(1e5 - 1))  # logit of 1 - 1e-5: probabilities beyond count as this one, as in cv.glmnet
_EVEN = 1e-9  # a linear predictor this near to zero is a probability of one half
_TIE = 1e-11  # two linear predictors this close, relative to their size, are equal but for rounding
_INFINITE = 1e300


def deviance(eta: Array, y: Array, weights: Array) -> Array:
    """Mean deviance of a trial; probabilities are held between 1e-5 and 1 - 1e-5."""
    inside = np.clip(eta, -_FARTHEST, _FARTHEST)
    loglik = (weights * y) @ inside - weights @ np.logaddexp(0.0, inside)
    return np.asarray(2.0 * (_saturated(y, weights) - loglik) / weights.sum())


def _saturated(y: Array, weights: Array) -> float:
    """Log-likelihood of one mean per row: zero for single trials."""
    inside = (y > 0) & (y < 1)
    share = y[inside]
    return float(weights[inside] @ (share * np.log(share) + (1.0 - share) * np.log1p(-share)))


def accuracy(eta: Array, y: Array, weights: Array) -> Array:
    """Share of the trials on the likelier side; at a probability of one half no event is expected."""
    events, others = _answers(eta, y, weights)
    return np.asarray((events + others) / weights.sum())


def balanced_accuracy(eta: Array, y: Array, weights: Array) -> Array:
    """Mean of the accuracies among events and among the others; NaN where either is absent."""
    events, others = _answers(eta, y, weights)
    total = float(weights @ y)
    if not 0.0 < total < weights.sum():
        return np.full(eta.shape[1], np.nan)
    return np.asarray((events / total + others / (weights.sum() - total)) / 2)


def _answers(eta: Array, y: Array, weights: Array) -> tuple[Array, Array]:
    """Weight of the events that are expected, and of the others that are not."""
    expected = (eta > _EVEN).astype(float)
    return (weights * y) @ expected, (weights * (1.0 - y)) @ (1.0 - expected)


def brier(eta: Array, y: Array, weights: Array) -> Array:
    """Mean squared difference of probability and outcome, over trials."""
    small = np.exp(-np.abs(eta))
    away = np.where(eta >= 0, small, 1.0) / (1.0 + small)  # 1 - p
    return np.asarray(((weights * y) @ away**2 + (weights * (1.0 - y)) @ (1.0 - away) ** 2) / weights.sum())


def auc(eta: Array, y: Array, weights: Array) -> Array:
    """Probability that an event has the larger linear predictor than another trial, ties counted half; else NaN."""
    hits, misses = weights * y, weights * (1.0 - y)
    if hits.sum() == 0 or misses.sum() == 0:
        return np.full(eta.shape[1], np.nan)
    return np.asarray(hits @ placements(eta, misses) / (hits.sum() * misses.sum()))


def placements(eta: Array, weights: Array) -> Array:
    """Weight of the rows below each row, ties counted half, (n, L)."""
    eta = np.clip(eta, -_INFINITE, _INFINITE)
    order = np.argsort(eta, axis=0, kind="stable")
    first, last = _runs(np.take_along_axis(eta, order, axis=0))
    below = np.concatenate([np.zeros((1, eta.shape[1])), np.cumsum(weights[order], axis=0)])
    lower, upper = np.take_along_axis(below, first, axis=0), np.take_along_axis(below, last, axis=0)
    out = np.empty_like(lower)
    np.put_along_axis(out, order, (lower + upper) / 2, axis=0)
    return out


def _runs(ordered: Array) -> tuple[Codes, Codes]:
    """For each value of ascending columns, where the run of values equal to it begins and ends."""
    n = len(ordered)
    step = np.diff(ordered, axis=0) > _TIE * (1.0 + np.abs(ordered[1:]))
    at = np.arange(1, n)[:, None]
    edge = np.zeros((1, ordered.shape[1]), dtype=np.intp)
    first = np.maximum.accumulate(np.concatenate([edge, np.where(step, at, 0)]), axis=0)
    last = np.minimum.accumulate(np.concatenate([np.where(step, at, n), edge + n])[::-1], axis=0)[::-1]
    return first, last


@dataclass(frozen=True, slots=True)
class Measure:
    """One of the numbers by which predictions are judged.

    Attributes
    ----------
    name : str
    label : str
        For an axis.
    of : callable
        (eta, y, weights) to (L,).
    larger_is_better : bool
    both : bool
        Whether it needs an event and another trial.
    """

    name: str
    label: str
    of: Callable[[Array, Array, Array], Array]
    larger_is_better: bool
    both: bool = False

    @property
    def sign(self) -> float:
        """1 where larger is better, else -1."""
        return 1.0 if self.larger_is_better else -1.0


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("deviance", "deviance of a trial", deviance, False),
        Measure("accuracy", "accuracy", accuracy, True),
        Measure("balanced_accuracy", "balanced accuracy", balanced_accuracy, True, both=True),
        Measure("auc", "area under the ROC curve", auc, True, both=True),
        Measure("brier", "Brier score", brier, False),
    )
}
