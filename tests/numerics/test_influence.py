"""Contributions of rows to scores: derivatives with respect to their weights, and the variances they give."""

from __future__ import annotations

import numpy as np
import pytest

from glminfer.numerics.influence import INFLUENCES, sampling_variance
from glminfer.numerics.losses import MEASURES


def rows(seed: int = 0, n: int = 40, proportions: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    eta = np.round(rng.normal(0, 1.5, n), 1)  # with ties
    y = rng.integers(0, 5, n) / 4 if proportions else rng.integers(0, 2, n).astype(float)
    return eta, y, rng.uniform(0.5, 3, n)


def test_every_measure_has_influences() -> None:
    assert set(INFLUENCES) == set(MEASURES)


@pytest.mark.parametrize("proportions", [False, True])
@pytest.mark.parametrize("name", MEASURES)
def test_influence_is_the_derivative_by_the_weight(name: str, proportions: bool) -> None:
    eta, y, weights = rows(proportions=proportions)
    score = MEASURES[name].of
    found = INFLUENCES[name](eta, y, weights)
    for i in range(0, len(y), 3):
        step = np.zeros(len(y))
        step[i] = 1e-5 * weights[i]
        up, down = (score(eta[:, None], y, weights + sign * step)[0] for sign in (1, -1))
        assert found[i] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-9)
    assert abs(found.sum()) < 1e-12


def test_variance_of_an_accuracy_is_binomial() -> None:
    eta, y = np.array([1.0, 1.0, -1.0, 2.0, -3.0]), np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    assert sampling_variance("accuracy", eta, y, np.ones(5)) == pytest.approx(0.8 * 0.2 / 4)


@pytest.mark.parametrize("name", MEASURES)
def test_variance_over_simulated_samples(name: str) -> None:
    """The mean estimate is the variance over samples of 150 independent rows, within Monte Carlo error."""
    rng = np.random.default_rng(5)
    eta = rng.normal(0, 1.0, (600, 150))
    y = (rng.random(eta.shape) < 1 / (1 + np.exp(-eta))).astype(float)
    ones = np.ones(150)
    scores = [MEASURES[name].of(e[:, None], outcome, ones)[0] for e, outcome in zip(eta, y, strict=True)]
    variances = [sampling_variance(name, e, outcome, ones) for e, outcome in zip(eta, y, strict=True)]
    assert np.mean(variances) == pytest.approx(np.var(scores, ddof=1), rel=0.2)
