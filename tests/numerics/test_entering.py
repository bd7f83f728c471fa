"""Which columns enter first, halves and splits of units, and p-values of many splits joined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_cases import REFERENCE, sparse

from glminfer.numerics.elastic_net import Mixture, default_lambdas, elastic_net_path
from glminfer.numerics.entering import aggregated, complementary_pairs, entering, one_outcome, splits


def mixture(p, **change):
    return Mixture(**{"l1_ratio": 1.0, "factor": np.ones(p)} | change)


def plain(n):
    return np.ones(n), np.zeros(n)


def test_the_first_to_enter_are_those_of_the_path():
    X, y = sparse(80, 120, seed=1)
    found = entering(X, y, *plain(80), mixture(120), 10)
    top = default_lambdas(X, y, *plain(80), mixture(120))[0]
    lambdas = top * 0.95 ** np.arange(1, 80)
    path = elastic_net_path(X, y, *plain(80), mixture(120), lambdas)
    ever = np.maximum.accumulate(path.coef != 0, axis=0)
    step = int(np.flatnonzero(ever.sum(axis=1) <= 10)[-1])
    np.testing.assert_array_equal(found > 0, ever[step])
    first = lambdas[np.argmax(ever, axis=0)]
    np.testing.assert_allclose(found[found > 0], first[found > 0], rtol=1e-9)


def test_rows_of_weight_zero_are_absent():
    X, y = sparse(90, 40, seed=2)
    weights = np.where(np.arange(90) % 3 == 0, 0.0, 1.0)
    kept = weights > 0
    some = entering(X, y, weights, np.zeros(90), mixture(40), 8)
    alone = entering(X[kept], y[kept], *plain(kept.sum()), mixture(40), 8)
    np.testing.assert_allclose(some, alone, rtol=1e-8)


def test_columns_without_a_penalty_are_always_in_and_do_not_count():
    X, y = sparse(80, 30, seed=3)
    factor = np.ones(30)
    factor[[5, 6]] = 0.0
    found = entering(X, y, *plain(80), mixture(30, factor=factor), 4)
    assert np.isinf(found[[5, 6]]).all()
    assert 1 <= np.count_nonzero(np.isfinite(found) & (found > 0)) <= 4


def test_scale_and_order_of_columns_do_not_matter():
    X, y = sparse(70, 50, seed=4)
    order, scale = np.random.default_rng(0).permutation(50), np.exp(np.random.default_rng(1).normal(size=50))
    found = entering(X, y, *plain(70), mixture(50), 6)
    np.testing.assert_allclose(entering(X[:, order] * scale, y, *plain(70), mixture(50), 6), found[order], rtol=1e-8)


@pytest.mark.parametrize("y", [np.zeros(20), np.ones(20)])
def test_one_outcome_selects_nothing(y):
    X = np.random.default_rng(0).normal(size=(20, 5))
    assert one_outcome(y, np.ones(20))
    assert not entering(X, y, *plain(20), mixture(5), 3).any()


def test_one_outcome_is_that_of_the_rows_that_count():
    y = np.array([0.0, 0.0, 1.0])
    assert one_outcome(y, np.array([1.0, 2.0, 0.0]))
    assert not one_outcome(y, np.ones(3))
    assert not one_outcome(np.array([0.5, 0.5]), np.ones(2))  # shares of trials
    assert one_outcome(y, np.zeros(3))


def test_constant_columns_never_enter():
    X, y = sparse(60, 10, seed=5)
    X[:, 4] = 3.0
    found = entering(X, y, *plain(60), mixture(10), 10)
    assert found[4] == 0
    assert np.isfinite(found).all()


@given(st.integers(4, 60), st.integers(1, 10), st.integers(0, 1000))
def test_pairs_are_disjoint_halves(units, pairs, seed):
    taken = complementary_pairs(units, pairs, np.random.default_rng(seed))
    assert taken.shape == (2 * pairs, units)
    assert (taken.sum(axis=1) == units // 2).all()
    assert not (taken[::2] & taken[1::2]).any()


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 1000))
def test_splits_have_two_parts(units, share, seed):
    taken = splits(units, 5, share, np.random.default_rng(seed))
    assert (taken.sum(axis=1) >= 1).all()
    assert (~taken).sum(axis=1).min() >= 1
    assert len(set(taken.sum(axis=1))) == 1


def test_joined_p_values_are_those_of_order_statistics_and_near_hdi():
    frozen = REFERENCE["multi_split"]
    joined = aggregated(np.array(frozen["p_values"]), frozen["gamma_min"])
    np.testing.assert_allclose(joined, frozen["order_statistics"], rtol=1e-12)
    assert (joined <= np.array(frozen["hdi"]) * (1 + 1e-12)).all()  # interpolated quantiles lie above order statistics
    np.testing.assert_allclose(joined, frozen["hdi"], rtol=0.05)


@settings(max_examples=50)
@given(st.integers(1, 40), st.floats(0.01, 0.9), st.integers(0, 1000))
def test_joined_p_values_are_the_infimum_over_all_quantiles(count, least, seed):
    p = np.random.default_rng(seed).uniform(size=(count, 3)) ** 3
    shares = np.linspace(least, 1.0, 4001)
    quantiles = np.sort(p, axis=0)[np.maximum(np.ceil(shares * count - 1e-9).astype(int), 1) - 1]
    brute = np.minimum(1.0, (1 - np.log(least)) * (quantiles / shares[:, None]).min(axis=0))
    joined = aggregated(p, least)
    assert (joined <= brute * (1 + 1e-9)).all()
    np.testing.assert_allclose(joined, brute, rtol=0.02)


def test_joined_p_values_keep_their_level():
    """Uniform p-values, as dependent as they can be and independent: P(joined <= 0.05) stays below 0.05."""
    rng = np.random.default_rng(0)
    same = np.repeat(rng.uniform(size=(1, 20_000)), 50, axis=0)
    apart = rng.uniform(size=(50, 20_000))
    half = np.where(rng.uniform(size=(50, 1)) < 0.5, same, apart)
    for p in (same, apart, half):
        assert (aggregated(p, 0.05) <= 0.05).mean() < 0.055
