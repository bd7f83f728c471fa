"""Mixed and bordered matrices are the arrays they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glminfer.numerics import linalg, spread
from glminfer.numerics.bordered import eliminated
from glminfer.numerics.mixed import Coded, Mixed, mixed
from glminfer.numerics.selection import Selection
from glminfer.numerics.subspaces import Coordinates, Held

quick = settings(max_examples=25, deadline=None, derandomize=True)
shapes = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 2), st.booleans())


def made(seed: int, slots: int, factors: int, reference: bool, n: int = 200) -> Mixed:
    """Columns in random order: three dense ones, one or two factors, some levels without some columns."""
    rng = np.random.default_rng(seed)
    sizes = [5, 4][:factors]
    width = 3 + sum(L * slots for L in sizes)
    order, parts, at = rng.permutation(width), [], 3
    gone: list[int] = []
    for L in sizes:
        places = order[at : at + L * slots].reshape(L, slots).copy()
        at += L * slots
        if reference:
            gone.append(int(places[0, 0]))
            places[0, 0] = -1
        values = None if slots == 1 else np.column_stack([np.ones(n), rng.normal(size=(n, slots - 1))])
        parts.append((rng.integers(0, L, n).astype(np.int32), values, places))
    kept = np.setdiff1d(np.arange(width), gone)
    new = np.full(width + 1, -1)
    new[kept] = np.arange(len(kept))
    coded = tuple(Coded(codes, values, new[places]) for codes, values, places in parts)
    return mixed(rng.normal(size=(n, 3)), new[order[:3]], coded)


@quick
@given(shapes)
def test_products(shape: tuple[int, int, int, bool]) -> None:
    X = made(*shape)
    full, rng = np.asarray(X), np.random.default_rng(1)
    n, p = full.shape
    A, W, w = rng.normal(size=(p, 2)), rng.normal(size=(3, n)), rng.normal(size=(n, 2))
    np.testing.assert_allclose(X @ A, full @ A, atol=1e-12)
    np.testing.assert_allclose(X @ A[:, 0], full @ A[:, 0], atol=1e-12)
    np.testing.assert_allclose(W @ X, W @ full, atol=1e-11)
    np.testing.assert_allclose(np.asarray(X.gram(w)), linalg.gram(full, w), atol=1e-11)
    np.testing.assert_allclose(X.largest(), np.abs(full).max(axis=0))
    np.testing.assert_allclose(X.squares(), (full**2).sum(axis=0))
    np.testing.assert_allclose(np.asarray(X.absolute()), np.abs(full))
    some, where = np.sort(rng.choice(n, 20, replace=False)), rng.integers(0, 6, n)
    np.testing.assert_array_equal(np.asarray(X[some]), full[some])
    np.testing.assert_allclose(X.scattered(w[:, 0], where, 6), [w[where == g, 0] @ full[where == g] for g in range(6)])
    kept = np.sort(rng.choice(p, p - 2, replace=False))
    np.testing.assert_array_equal(np.asarray(X.chosen(kept)), full[:, kept])
    assert X.shape == full.shape
    other = rng.integers(0, n, n)
    np.testing.assert_allclose(X.farthest(X[other]), np.abs(full - full[other]).max(axis=0))
    np.testing.assert_array_equal(np.asarray(X.beside(w)), np.hstack([full, w]))


def definite(shape: tuple[int, int, int, bool]) -> tuple[Mixed, np.ndarray]:
    """Columns that are independent: of a second factor one level is left out, and of both where there is a constant."""
    X = made(*shape)
    w = np.random.default_rng(2).uniform(0.5, 1.5, (len(X), 1))
    full = np.asarray(X)
    kept: list[int] = []
    for j in range(full.shape[1]):
        if np.linalg.matrix_rank(full[:, [*kept, j]]) > len(kept):
            kept.append(j)
    return X.chosen(np.array(kept)), w


@quick
@given(shapes)
def test_inverses(shape: tuple[int, int, int, bool]) -> None:
    X, w = definite(shape)
    H = X.gram(w)[0]
    dense, rng = np.asarray(H), np.random.default_rng(3)
    found = eliminated(H)
    assert found is not None
    V, exact, b = spread.inverse(found), np.linalg.inv(dense), rng.normal(size=(len(dense), 2))
    tolerance = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(found.solve(b), exact @ b, **tolerance)
    np.testing.assert_allclose(found.solve(b[:, 0]), exact @ b[:, 0], **tolerance)
    np.testing.assert_allclose(np.asarray(V), exact, **tolerance)
    np.testing.assert_allclose(V.diagonal(), np.diagonal(exact), **tolerance)
    np.testing.assert_allclose(V @ b, exact @ b, **tolerance)
    np.testing.assert_allclose(b.T @ V, b.T @ exact, **tolerance)
    np.testing.assert_allclose(
        X.quadratic(V), np.einsum("ij,jk,ik->i", np.asarray(X), exact, np.asarray(X)), **tolerance
    )
    meat = X.gram(w**2)[0]
    np.testing.assert_allclose(np.asarray(spread.sandwich(V, meat)), exact @ np.asarray(meat) @ exact, **tolerance)
    C = spread.root(H, found)
    np.testing.assert_allclose(np.asarray(C) @ np.asarray(C).T, exact, **tolerance)
    np.testing.assert_allclose(b.T @ C, b.T @ np.asarray(C), **tolerance)
    np.testing.assert_allclose(C.against(b.T @ C), b.T, rtol=1e-7, atol=1e-9)


@quick
@given(shapes)
def test_subspaces(shape: tuple[int, int, int, bool]) -> None:
    X, w = definite(shape)
    H = X.gram(w)[0]
    dense, rng = np.asarray(H), np.random.default_rng(4)
    r, s = len(dense), np.random.default_rng(5).normal(size=len(dense))
    for space in (Coordinates(r, np.sort(rng.choice(r, r - 3, replace=False))), Held(rng.normal(size=(2, r)))):
        B = np.asarray(space)
        assert B.shape == space.shape
        step = space.step(H, s)
        assert step is not None
        np.testing.assert_allclose(step, B @ np.linalg.solve(B.T @ dense @ B, B.T @ s), rtol=1e-8, atol=1e-11)


def test_a_matrix_that_is_not_definite_has_no_factor() -> None:
    X, w = definite((1, 2, 1, True))
    H = X.gram(w)[0]
    assert eliminated(X.gram(np.where(X.parts[0].codes[:, None] == 2, 0.0, w))[0]) is None
    H.corner[0, 0] = -1.0
    assert eliminated(H) is None
    H.corner[0, 0] = np.nan
    assert eliminated(H) is None


@pytest.mark.parametrize("mixed_columns", [[], [1], [0, 3]])
def test_selections(mixed_columns: list[int]) -> None:
    rng = np.random.default_rng(0)
    places = np.array([0, 2, 3, 5, 6])
    combinations = rng.normal(size=(8, len(mixed_columns)))
    T = Selection(8, places, np.array(mixed_columns, dtype=int), combinations)
    full = np.zeros((8, 5))
    full[places, np.arange(5)] = 1.0
    full[:, mixed_columns] = combinations
    np.testing.assert_array_equal(np.asarray(T), full)
    A, L, V = rng.normal(size=(5, 3)), rng.normal(size=(2, 8)), rng.normal(size=(5, 5))
    np.testing.assert_allclose(T @ A, full @ A)
    np.testing.assert_allclose(T @ A[:, 0], full @ A[:, 0])
    np.testing.assert_allclose(L @ T, L @ full)
    np.testing.assert_allclose(A.T @ T.T, A.T @ full.T)
    np.testing.assert_array_equal(T[[1, 2]], full[[1, 2]])
    np.testing.assert_array_equal(T[3], full[3])
    np.testing.assert_allclose(linalg.variances(T, V @ V.T), np.diagonal(full @ V @ V.T @ full.T), atol=1e-12)
    inner = Selection(5, np.array([0, 1, 3]), np.array([2]), rng.normal(size=(5, 1)))
    np.testing.assert_allclose(np.asarray(T @ inner), full @ np.asarray(inner))
    assert T.identity is False
