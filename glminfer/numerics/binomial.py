"""Constants of binomial log-likelihoods, of one model (n,) or of many (n, m) over the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from glminfer.numerics.blocks import Array


def count_constant(y: Array, weights: Array, trials: Array | None) -> Any:
    """Σ w log C(k, ky): what makes the log-likelihood of counts that of the binomial distribution."""
    if trials is None:
        return np.zeros(y.shape[1:])[()]
    k = np.where(trials > 0, trials, 1.0)
    events = k * y
    return (
        weights
        / k
        * (scipy.special.gammaln(k + 1) - scipy.special.gammaln(events + 1) - scipy.special.gammaln(k - events + 1))
    ).sum(axis=0)


def saturated_loglik(y: Array, weights: Array, trials: Array | None) -> Any:
    """Log-likelihood of one mean per row, without the binomial coefficients; zero for single trials (27)."""
    if trials is None:
        return np.zeros(y.shape[1:])[()]
    return (weights * (scipy.special.xlogy(y, y) + scipy.special.xlogy(1 - y, 1 - y))).sum(axis=0)
