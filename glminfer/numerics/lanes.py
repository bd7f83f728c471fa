"""Small symmetric systems of many models at once, each in a lane of its own: arrays are (p, p, m) and (p, m).

Every operation is elementwise along the lanes, so what a model gets does not depend, to the last bit, on its
neighbours, on how many there are, or on whether one of them fails.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array


@lru_cache(maxsize=64)
def pairs(p: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of each entry of an upper triangle."""
    first, second = np.triu_indices(p)
    return first, second


def unpacked(upper: Array, p: int) -> Array:
    """Symmetric (p, p, m) matrices from their upper triangles (p(p+1)/2, m)."""
    first, second = pairs(p)
    out = np.empty((p, p, *upper.shape[1:]), upper.dtype)
    out[first, second] = upper
    out[second, first] = upper
    return out


def solved(A: Array, b: Array) -> tuple[Array, Array]:
    """A⁻¹ b of each lane, and its smallest pivot relative to the diagonal; NaN where A is not positive definite."""
    p = len(b)
    work = np.concatenate([A, b[:, None]], axis=1)
    least = np.ones(b.shape[1:], b.dtype)
    with np.errstate(all="ignore"):  # a lane that fails ends as NaN
        for j in range(p):
            pivot = work[j, j]
            least = np.fmin(least, np.where(A[j, j] > 0, pivot / A[j, j], -1.0))
            rows = work[j, j + 1 :] / pivot
            work[j + 1 :, j + 1 :] -= work[j + 1 :, j, None] * rows
            work[j, j + 1 :] = rows
        x = work[:, p]
        for j in range(p - 2, -1, -1):
            x[j] -= (work[j, j + 1 : p] * x[j + 1 :]).sum(axis=0)
    broken = ~(least > 0)
    return np.where(broken, np.nan, x), np.where(np.isfinite(x).all(axis=0), least, 0.0)


def inverted(upper: Array) -> Array:
    """Upper triangles of A⁻¹ of each lane from those of A, which are positive definite (Gauss and Jordan)."""
    p = int((np.sqrt(8 * len(upper) + 1) - 1) / 2)
    A = unpacked(upper, p)
    scale = 1.0 / np.sqrt(A[range(p), range(p)])
    A *= scale[:, None]
    A *= scale
    change = np.empty_like(A)
    for j in range(p):
        pivot, column = A[j, j].copy(), A[:, j].copy()
        row = A[j] / pivot
        A -= np.multiply(column[:, None], row, out=change)
        A[j], A[:, j], A[j, j] = row, -column / pivot, 1.0 / pivot
    A *= scale[:, None]
    A *= scale
    first, second = pairs(p)
    return np.asarray((A[first, second] + A[second, first]) / 2)


def form(A: Array, u: Array) -> Array:
    """u'A u of each lane."""
    return np.asarray((u * (A * u).sum(axis=1)).sum(axis=0))
