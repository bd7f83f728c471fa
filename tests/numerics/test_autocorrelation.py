"""Residuals that follow each other, against sums over pairs of rows written out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import few

from glminfer.numerics.autocorrelation import following, variance_factors


def cut(rng: np.random.Generator, n: int, sessions: int) -> np.ndarray:
    """Where sessions start in n rows; some of them may have one row."""
    inner = np.sort(rng.choice(np.arange(1, n), sessions - 1, replace=False))
    return np.concatenate([[0], inner, [n]])


def pairs(starts: np.ndarray, lag: int) -> list[tuple[int, int]]:
    """Rows i and i + lag of the same session."""
    return [(i, i + lag) for a, b in pairwise(starts) for i in range(a, b - lag)]


@few
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 6), st.integers(1, 50))
def test_products_of_neighbours_never_cross_a_session_border(seed, n, sessions, lags):
    rng = np.random.default_rng(seed)
    r, starts = rng.standard_normal(n), cut(rng, n, min(sessions, n))
    found = following(r, starts, lags)
    every = [(i, j) for lag in range(1, lags + 1) for i, j in pairs(starts, lag)]
    power = np.mean(r**2)
    products = [r[i] * r[j] for i, j in every]
    assert found.correlation == pytest.approx(np.mean(products) / power if every else 0.0, rel=1e-9, abs=1e-12)
    if not every:
        assert found.z == 0.0
    elif lags > 1:
        assert found.z == pytest.approx(np.sum(products) / power / np.sqrt(len(every)), rel=1e-9, abs=1e-12)
    else:
        left = max(abs(np.sum(products)) - np.max(np.abs(products)), 0.0)
        assert abs(found.z) == pytest.approx(left / power / np.sqrt(len(every)), rel=1e-9, abs=1e-12)


@few
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 6), st.integers(1, 50))
def test_factors_are_sums_of_products_of_autocovariances(seed, n, sessions, lags):
    rng = np.random.default_rng(seed)
    r, starts, shares = rng.standard_normal(n), cut(rng, n, min(sessions, n)), rng.standard_normal((n, 3))
    expected = np.ones(3)
    for lag in range(1, lags + 1):
        every = pairs(starts, lag)
        if every:
            rho = np.mean([r[i] * r[j] for i, j in every]) / np.mean(r**2)
            together = np.array([sum(c[i] * c[j] for i, j in every) for c in shares.T]) / (shares**2).sum(axis=0)
            expected += 2 * (1 - lag / (lags + 1)) * rho * together
    np.testing.assert_allclose(variance_factors(r, shares, starts, lags), expected, rtol=1e-8, atol=1e-10)


def test_nothing_to_say_without_residuals_or_shares():
    starts = np.array([0, 3])
    assert following(np.zeros(3), starts, 1).z == 0.0
    np.testing.assert_array_equal(variance_factors(np.zeros(3), np.zeros((3, 2)), starts, 2), 1.0)
