"""Measures of predictions, beside plain definitions and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics

from glminfer.numerics import losses
from glminfer.numerics.losses import MEASURES


def rows(seed, n=60, models=4, digits=1):
    """Coarse predictors, so that ties are common."""
    rng = np.random.default_rng(seed)
    eta = np.round(rng.normal(0, 2, (n, models)), digits)
    y = (rng.random(n) < expit(eta[:, 0])).astype(float)
    y[:2] = 0.0, 1.0
    return eta, y, rng.integers(1, 4, n).astype(float)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [0, 1, 6])
def test_measures_are_those_of_scikit_learn(seed, digits):
    eta, y, w = rows(seed, digits=digits)
    p = expit(eta)
    for j in range(eta.shape[1]):
        own = {name: float(measure.of(eta, y, w)[j]) for name, measure in MEASURES.items()}
        expected = {
            "deviance": 2 * metrics.log_loss(y, np.clip(p[:, j], 1e-5, 1 - 1e-5), sample_weight=w),
            "accuracy": metrics.accuracy_score(y, p[:, j] > 0.5, sample_weight=w),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, p[:, j] > 0.5, sample_weight=w),
            "auc": metrics.roc_auc_score(y, eta[:, j], sample_weight=w),
            "brier": metrics.brier_score_loss(y, p[:, j], sample_weight=w),
        }
        assert own == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_weights_count_rows(seed, n):
    eta, y, w = rows(seed, n)
    repeated = np.repeat(np.arange(n), w.astype(int))
    for measure in MEASURES.values():
        once = measure.of(eta[repeated], y[repeated], np.ones(len(repeated)))
        np.testing.assert_allclose(measure.of(eta, y, w), once, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_a_proportion_is_its_trials(seed, n):
    eta, _, trials = rows(seed, n)
    hits = np.random.default_rng(seed).binomial(trials.astype(int), 0.5).astype(float)
    hits[:2] = 0.0, trials[1]
    both = np.concatenate([eta, eta])
    singles = np.repeat([1.0, 0.0], n), np.append(hits, trials - hits)
    for name, measure in MEASURES.items():
        grouped, expanded = measure.of(eta, hits / trials, trials), measure.of(both, *singles)
        if name == "deviance":  # a proportion is compared with itself, single trials with certainty
            grouped, expanded = np.diff(grouped), np.diff(expanded)
        np.testing.assert_allclose(grouped, expanded, rtol=1e-9, atol=1e-12)


def test_deviance_of_a_proportion_is_zero_at_the_proportion():
    y, w = np.array([0.25, 0.5]), np.array([4.0, 10.0])
    eta = np.log(y / (1 - y))[:, None]
    assert losses.deviance(eta, y, w)[0] == pytest.approx(0.0, abs=1e-15)


def test_certainty_costs_what_a_probability_of_1e_5_costs():
    eta = np.array([[-800.0], [-40.0], [-np.log(1e5 - 1)]])
    for one in eta:
        assert losses.deviance(one[None], np.ones(1), np.ones(1))[0] == pytest.approx(-2 * np.log(1e-5), rel=1e-12)


def test_rounding_makes_no_difference_between_equal_predictors():
    eta = np.array([0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2])[:, None]
    assert eta[0] != eta[1]
    assert losses.auc(eta, np.array([1.0, 0.0, 1.0, 0.0]), np.ones(4))[0] == 0.5


def test_infinite_predictors_are_ranked_and_tie_with_each_other():
    eta = np.array([np.inf, np.inf, 0.0, -np.inf])[:, None]
    assert losses.auc(eta, np.array([1.0, 0.0, 1.0, 0.0]), np.ones(4))[0] == (0.5 + 1 + 0 + 1) / 4


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_measures_that_need_both_outcomes_are_undefined_without(y):
    for measure in MEASURES.values():
        found = measure.of(np.zeros((3, 2)), np.full(3, y), np.ones(3))
        assert np.isnan(found).all() == measure.both


def test_an_even_chance_expects_no_event():
    eta = np.array([0.0, 1e-17, -1e-17])[:, None]
    assert losses.accuracy(eta, np.array([0.0, 0.0, 1.0]), np.ones(3))[0] == pytest.approx(2 / 3)
