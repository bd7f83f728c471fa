"""What each row contributes to a score: how much the score would change with the row's weight, times that weight.

The sum of their squares is the variance of the score of a given fit when its rows are independent; for the area under
the ROC curve it is that of DeLong, DeLong and Clarke-Pearson (1988), but for small-sample factors. Every function takes
eta (n,), y (n,) in [0, 1] and weights (n,), and gives one number per row, (n,), which sum to zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from glminfer.numerics.blocks import Array
from glminfer.numerics.losses import accuracy, brier, deviance, placements

Influence = Callable[[Array, Array, Array], Array]


def _centred(values: Array, weights: Array) -> Array:
    """Contributions to a weighted mean."""
    total = weights.sum()
    return np.asarray(weights * (values - weights @ values / total) / total)


def _expected(score: Callable[[Array, Array, Array], Array], eta: Array, y: Array) -> Array:
    """The score of an event and that of another trial, mixed as in each row."""
    of_event, of_other = (score(eta[None], np.full(1, value), np.ones(1)) for value in (1.0, 0.0))
    return np.asarray(y * of_event + (1.0 - y) * of_other)


def _accuracy(eta: Array, y: Array, weights: Array) -> Array:
    return _centred(_expected(accuracy, eta, y), weights)


def _brier(eta: Array, y: Array, weights: Array) -> Array:
    return _centred(_expected(brier, eta, y), weights)


def _deviance(eta: Array, y: Array, weights: Array) -> Array:
    saturated = scipy.special.xlogy(y, y) + scipy.special.xlogy(1.0 - y, 1.0 - y)  # zero for single trials
    return _centred(_expected(deviance, eta, y) + 2.0 * saturated, weights)


def _balanced(eta: Array, y: Array, weights: Array) -> Array:
    one = np.ones(1)
    hit, rejected = accuracy(eta[None], one, one), accuracy(eta[None], np.zeros(1), one)
    return (_centred(hit, weights * y) + _centred(rejected, weights * (1.0 - y))) / 2


def _auc(eta: Array, y: Array, weights: Array) -> Array:
    hits, misses = weights * y, weights * (1.0 - y)
    above = placements(eta[:, None], misses)[:, 0] / misses.sum()
    below = 1.0 - placements(eta[:, None], hits)[:, 0] / hits.sum()
    return _centred(above, hits) + _centred(below, misses)


INFLUENCES: dict[str, Influence] = {
    "deviance": _deviance,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "auc": _auc,
    "brier": _brier,
}


def sampling_variance(name: str, eta: Array, y: Array, weights: Array) -> float:
    """Variance of a score over samples of independent rows."""
    u, n = INFLUENCES[name](eta, y, weights), len(y)
    return float(u @ u) * n / max(n - 1, 1)
