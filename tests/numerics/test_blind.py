"""Directions that no cluster's score sees: equal to what dense matrices say."""

from __future__ import annotations

import numpy as np
import pytest

from glminfer.numerics import linalg, spread
from glminfer.numerics.blind import blind_part, seen_part, whole
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Layout, eliminated
from glminfer.numerics.spread import Spread

FLOOR = 1e-12


def bordered(seed: int, unseen: tuple[int, ...] = (), border: bool = False) -> tuple[Bordered, Bordered]:
    """An information matrix of 6 levels with 2 columns (one with 1), and a meat that sees less."""
    rng = np.random.default_rng(seed)
    levels = np.arange(12).reshape(6, 2) + 3
    levels[5, 1] = -1
    layout = Layout(np.arange(3), levels)
    sums = [np.zeros((3, 3)), np.zeros((6, 2, 3)), np.zeros((6, 2, 2))]
    found = []
    for lost, less in (((), False), (unseen, border)):
        corner, sides, blocks = (part.copy() for part in sums)
        for level in np.repeat(np.arange(6), 9):
            u, a = rng.normal(size=3), rng.normal(size=2) * layout.there[level]
            if less:
                u[1] = u[0]
            if level in lost:
                a[0] = 0.0
            corner += np.outer(u, u)
            sides[level] += np.outer(a, u)
            blocks[level] += np.outer(a, a)
        found.append(Bordered(layout, corner, sides, blocks))
    return found[0], found[1]


def dense(H: Array, B: Array) -> tuple[Array, int]:
    """(140) by eigenvectors."""
    values, axes = np.linalg.eigh(B)
    N = axes[:, values < FLOOR * values.max()]
    return N @ np.linalg.solve(N.T @ H @ N, N.T) if N.size else np.zeros_like(H), N.shape[1]


@pytest.mark.parametrize("unseen", [(), (2,), (0, 3, 5), (0, 1, 2, 3, 4, 5)])
@pytest.mark.parametrize("border", [False, True])
def test_the_null_space_of_a_bordered_meat(unseen: tuple[int, ...], border: bool) -> None:
    H, B = bordered(len(unseen), unseen, border)
    found = eliminated(H)
    assert found is not None
    part = blind_part(spread.root(H, found), B, FLOOR)
    expected, rank = dense(np.asarray(H), np.asarray(B))
    assert part.rank == rank == len(unseen) + border
    np.testing.assert_allclose(np.asarray(part.covariance), expected, atol=1e-11)


@pytest.mark.parametrize("G", [4, 9])
def test_the_span_of_scores(G: int) -> None:
    H, _ = bordered(1)
    V = linalg.inverse(H)
    assert isinstance(V, Spread)
    U = np.random.default_rng(0).normal(size=(G, H.shape[0]))
    U[-1] = -U[:-1].sum(axis=0)
    assert seen_part(V, U, V @ U.T, FLOOR) is None  # as wide as it can be
    U[1], U[0] = 0.0, U[0] + U[1]
    part = seen_part(V, U, V @ U.T, FLOOR)
    assert part is not None
    assert part.rank == G - 2
    dense_V = np.asarray(V)
    expected = dense_V @ U.T @ np.linalg.pinv(U @ dense_V @ U.T, rcond=1e-10) @ U @ dense_V
    np.testing.assert_allclose(np.asarray(part.covariance), expected, atol=1e-11)


def test_whole() -> None:
    A = np.random.default_rng(0).normal(size=(6, 6))
    assert whole(A @ A.T)
    A[5] = A[4] + A[3]
    assert not whole(A @ A.T)
    assert not whole(-np.eye(3))
