"""Weighted Gram matrices and equilibrated solves."""

from __future__ import annotations

import numpy as np
import pytest

from glminfer.numerics import linalg


def random_spd(p: int, seed: int, scales: np.ndarray | None = None) -> np.ndarray:
    A = np.random.default_rng(seed).standard_normal((3 * p, p))
    return A.T @ A if scales is None else (A.T @ A) * np.outer(scales, scales)


@pytest.mark.parametrize("m", [1, 2, 7])
@pytest.mark.parametrize("p", [0, 1, 5])
@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_gram_is_the_weighted_product(m: int, p: int, lowest: float) -> None:
    rng = np.random.default_rng(m + 10 * p)
    X, W = rng.standard_normal((40, p)), rng.uniform(lowest, 1.0, (40, m))
    expected = np.stack([X.T @ np.diag(W[:, k]) @ X for k in range(m)])
    np.testing.assert_allclose(linalg.gram(X, W), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("m", [1, 3])
def test_gram_is_exactly_symmetric(m: int) -> None:
    rng = np.random.default_rng(0)
    G = linalg.gram(rng.standard_normal((101, 6)), rng.random((101, m)))
    np.testing.assert_array_equal(G, np.swapaxes(G, 1, 2))


def test_gram_of_no_rows_is_zero() -> None:
    np.testing.assert_array_equal(linalg.gram(np.empty((0, 3)), np.empty((0, 1))), np.zeros((1, 3, 3)))


@pytest.mark.parametrize("p", [1, 4, 9])
def test_solve_and_inverse(p: int) -> None:
    A = random_spd(p, p)
    factored = linalg.factor(A)
    assert factored is not None
    b = np.random.default_rng(1).standard_normal((p, 2))
    np.testing.assert_allclose(linalg.solve(factored, b), np.linalg.solve(A, b), rtol=1e-9)
    np.testing.assert_allclose(linalg.solve(factored, b[:, 0]), np.linalg.solve(A, b[:, 0]), rtol=1e-9)
    inverse = linalg.inverse(A)
    assert inverse is not None
    np.testing.assert_allclose(A @ inverse, np.eye(p), atol=1e-10)
    np.testing.assert_array_equal(inverse, inverse.T)


def test_scale_does_not_matter() -> None:
    """Columns of size 1e8 beside 1e-8: the inverse is that of the equilibrated matrix, scaled exactly."""
    scales = 2.0 ** np.array([27, -27, 0, 13, -40])  # powers of two: scaling is exact
    plain, scaled = linalg.inverse(random_spd(5, 3)), linalg.inverse(random_spd(5, 3, scales))
    assert plain is not None
    assert scaled is not None
    np.testing.assert_allclose(scaled * np.outer(scales, scales), plain, rtol=1e-13)


@pytest.mark.parametrize(
    "A",
    [
        np.array([[1.0, 1.0], [1.0, 1.0]]),
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        np.diag([1.0, 0.0]),
        np.diag([1.0, -1.0]),
        np.array([[1.0, np.nan], [np.nan, 1.0]]),
        np.array([[1.0, 1.0], [1.0, 1.0 + 2e-16]]),
    ],
)
def test_what_is_not_positive_definite_has_no_factor(A: np.ndarray) -> None:
    assert linalg.factor(A) is None
    assert linalg.inverse(A) is None


def test_no_columns() -> None:
    empty = np.empty((0, 0))
    factored = linalg.factor(empty)
    assert factored is not None
    assert linalg.solve(factored, np.empty(0)).shape == (0,)
    assert linalg.inverse(empty).shape == (0, 0)


def test_arguments_are_not_overwritten() -> None:
    A, b = random_spd(4, 0), np.arange(4.0)
    before = A.copy(), b.copy()
    linalg.solve(linalg.factor(A), b)
    linalg.inverse(A)
    np.testing.assert_array_equal(A, before[0])
    np.testing.assert_array_equal(b, before[1])


def test_symmetric_part() -> None:
    A = np.arange(8.0).reshape(2, 2, 2)
    np.testing.assert_array_equal(linalg.symmetric(A), (A + A.transpose(0, 2, 1)) / 2)
