"""Linear algebra of information matrices: weighted Gram products, equilibrated Cholesky solves."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias, cast

import numpy as np
import scipy
from numpy.typing import NDArray

from glminfer.numerics import spread
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Eliminated, eliminated
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.selection import Selection
from glminfer.numerics.spread import Spread

_CHUNK = 1 << 16
_SMALLEST_PIVOT = 4 * np.finfo(float).eps  # squared, times the number of columns


Factored: TypeAlias = tuple[Array, Array] | Eliminated


def gram(X: Array, weights: Array) -> Array:
    """XᵀWX for each model: (m, p, p) from X (n, p) and weights (n, m); bordered where factors are coded."""
    if isinstance(X, Mixed):
        return cast(Array, X.gram(weights))
    if weights.shape[1] == 1:
        return _gram_one(X, weights)[None]
    first, second = _pairs(X.shape[1])
    rows = max(64, _CHUNK // max(len(first), 1))
    chunks = (slice(start, start + rows) for start in range(0, len(X), rows))
    sums = np.zeros((weights.shape[1], len(first)))
    for where in chunks:  # the column products of a few rows stay in the cache
        sums += weights[where].T @ (X[where][:, first] * X[where][:, second])
    out = np.empty((weights.shape[1], X.shape[1], X.shape[1]))
    out[:, first, second] = sums
    out[:, second, first] = sums
    return out


def quadratic_forms(X: Array, matrices: Array) -> Array:
    """x'Ax of each row x of X (n, p) and each symmetric matrix A of ``matrices`` (m, p, p): (n, m)."""
    if len(matrices) == 1:
        return np.asarray(np.einsum("ij,ij->i", X @ matrices[0], X)[:, None])
    first, second = _pairs(X.shape[1])
    packed = matrices[:, first, second] * np.where(first == second, 1.0, 2.0)
    rows = max(64, _CHUNK // max(len(first), 1))
    out = np.empty((len(X), len(matrices)))
    for start in range(0, len(X), rows):
        few = X[start : start + rows]
        out[start : start + rows] = (few[:, first] * few[:, second]) @ packed.T
    return out


def cubes(X: Array, weights: Array) -> Array:
    """Σ w x_j x_k x_l over the rows of X (n, p), for each column of weights (n, m): (m, p², p)."""
    m, p = weights.shape[1], X.shape[1]
    first, second = _pairs(p)
    weighted = weights.T[:, None, :] * X.T  # (m, p, n)
    sums = (weighted.reshape(m * p, -1) @ (X[:, first] * X[:, second])).reshape(m, p, -1)
    out = np.empty((m, p, p, p))
    out[:, :, first, second] = sums
    out[:, :, second, first] = sums
    return out.reshape(m, p * p, p)


def _gram_one(X: Array, weights: Array) -> Array:
    if weights.min(initial=0.0) >= 0.0:  # A'A is half the work of A'B, and exactly symmetric
        root = X * np.sqrt(weights)
        return np.asarray(root.T @ root)
    return symmetric(X.T @ (X * weights))


def rounded_gram(X: Array, weights: Array) -> Array:
    """``gram`` multiplied in single precision, where there is one model and no weight is negative."""
    if weights.shape[1] > 1 or weights.min(initial=0.0) < 0.0:
        return gram(X, weights)
    root = X.astype(np.float32)
    root *= np.sqrt(weights).astype(np.float32)
    product = np.asarray(root.T @ root, dtype=float)
    held = np.isfinite(product).all() and product.diagonal().min(initial=1.0) > 0  # too large or too small a column
    return product[None] if held else gram(X, weights)


@lru_cache(maxsize=64)
def _pairs(p: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(p)
    return first, second


def symmetric(A: Array) -> Array:
    """The symmetric part of the last two axes."""
    return np.asarray((A + np.swapaxes(A, -1, -2)) / 2)


def _scales(A: Array) -> Array:
    diagonal = A.diagonal(axis1=-2, axis2=-1)
    return np.asarray(np.sqrt(np.where(diagonal > 0, diagonal, 1.0)))


def factor(A: Array) -> Factored | None:
    """Cholesky factor of one equilibrated matrix and its scales, or None when it is not positive definite."""
    if isinstance(A, Bordered):
        return eliminated(A)
    if A.shape[0] == 0:
        return A, np.empty(0)
    scale = _scales(A)
    L, info = scipy.linalg.lapack.dpotrf(A / (scale[:, None] * scale), lower=1)
    # a pivot at rounding level is no evidence of curvature; NaN anywhere reaches a pivot, and fails the comparison
    if info != 0 or not L.diagonal().min() ** 2 >= _SMALLEST_PIVOT * A.shape[0]:
        return None
    return L, scale


def solve(factored: Factored, b: Array) -> Array:
    """A⁻¹ b from the factor of A; b is (p,) or (p, k)."""
    if isinstance(factored, Eliminated):
        return factored.solve(b)
    L, scale = factored
    if L.shape[0] == 0:
        return b.copy()
    divided = (b.T / scale).T
    x, _ = scipy.linalg.lapack.dpotrs(L, divided, lower=1)
    return np.asarray((x.T / scale).T).reshape(b.shape)


def solve_all(A: Array, b: Array) -> Array | None:
    """A⁻¹ b of each of m systems (m, p, p), (m, p); None unless all are safely positive definite."""
    if isinstance(A, Bordered) or not (np.isfinite(A).all() and np.isfinite(b).all()):
        return None
    scale = _scales(A)
    try:
        L = np.linalg.cholesky(A / (scale[:, :, None] * scale[:, None, :]))
    except np.linalg.LinAlgError:
        return None
    if (np.diagonal(L, axis1=1, axis2=2) ** 2).min(initial=1.0) < _SMALLEST_PIVOT * A.shape[1]:
        return None
    forward = np.linalg.solve(L, (b / scale)[:, :, None])
    return np.asarray(np.linalg.solve(np.swapaxes(L, 1, 2), forward)[:, :, 0] / scale)


def quadratic_form(u: Array, V: Array) -> tuple[float, int]:
    """u'V⁻u and the rank of V, whatever the units of u: V is scaled to unit diagonal first."""
    scale = _scales(V)
    values, vectors = np.linalg.eigh(V / np.outer(scale, scale))
    kept = values > 1e-10 * values.max(initial=0.0)
    along = (vectors.T @ (u / scale))[kept]
    return float(along**2 @ (1.0 / values[kept])), int(kept.sum())


def inverse(A: Array) -> Array | None:
    """Inverse of one symmetric positive definite matrix, or None when it is not."""
    factored = factor(A)
    if factored is None:
        return None
    if isinstance(factored, Eliminated):
        return cast(Array, spread.inverse(factored))
    L, scale = factored
    if L.shape[0] == 0:
        return L
    lower, _ = scipy.linalg.lapack.dpotri(L, lower=1)
    full = lower + lower.T  # above its diagonal is nothing
    full.flat[:: len(full) + 1] /= 2
    return np.asarray(full / (scale[:, None] * scale))


def variances(T: Array | Selection, V: Array | Spread) -> Array:
    """The diagonal of T V T' (p,)."""
    if not isinstance(T, Selection):
        V = np.asarray(V)
        return np.asarray(np.maximum(np.einsum("pr,rs,ps->p", T, V, T, optimize=False), 0.0))
    out = np.zeros(T.height)
    out[T.places] = V.diagonal()
    if len(T.mixed):
        beside = V @ np.eye(len(T.places))[:, T.mixed]
        core, C = beside[T.mixed], T.combinations
        own = np.zeros((T.height, len(T.mixed)))
        own[T.places] = beside
        own[T.places[T.mixed]], out[T.places[T.mixed]] = 0.0, 0.0
        out += 2 * (own * C).sum(axis=1) + ((C @ core) * C).sum(axis=1)
    return np.maximum(out, 0.0)


def sandwich(bread: Array, meat: Array) -> Array:
    """V M V."""
    if isinstance(bread, Spread) and isinstance(meat, Bordered):
        return cast(Array, spread.sandwich(bread, meat))
    return np.asarray(bread @ meat @ bread)


def row_forms(Z: Array, V: Array) -> Array:
    """z'Vz of each row of Z (n, r)."""
    if isinstance(Z, Mixed):
        return Z.quadratic(V)
    return np.asarray(np.einsum("ij,ij->i", Z @ V, Z))


def all_finite(V: Array) -> bool:
    """Whether every number of a covariance or information matrix is finite."""
    if isinstance(V, Bordered):
        return V.finite
    parts = (V.blocks, V.along, V.core) if isinstance(V, Spread) else (V,)
    return all(bool(np.isfinite(part).all()) for part in parts)


def inverses(A: Array) -> tuple[Array, Array]:
    """Inverse (m, p, p) and log-determinant (m,) of m symmetric matrices; NaN for those that are not safely positive
    definite, which changes no digit of the others."""
    A = np.asarray(A)
    found = _inverted(A)
    if found is not None:
        return found
    alone = [_inverted(one[None]) or (np.full_like(one[None], np.nan), np.full(1, np.nan)) for one in A]
    return np.concatenate([V for V, _ in alone]), np.concatenate([logdet for _, logdet in alone])


def _inverted(A: Array) -> tuple[Array, Array] | None:
    """The same for all at once, or None when one of them fails."""
    if not np.isfinite(A).all():
        return None
    scale = _scales(A)
    try:
        L = np.linalg.cholesky(A / (scale[:, :, None] * scale[:, None, :]))
    except np.linalg.LinAlgError:
        return None
    pivots = np.diagonal(L, axis1=1, axis2=2)
    if (pivots**2).min(initial=1.0) < 4 * np.finfo(float).eps * A.shape[1]:
        return None
    root = np.linalg.inv(L) / scale[:, None, :]
    return np.swapaxes(root, 1, 2) @ root, 2 * np.log(pivots * scale).sum(axis=1)
