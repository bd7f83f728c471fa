"""Small symmetric systems of many models at once, each in a lane of its own: arrays are (p, p, m) and (p, m).

Every operation is elementwise along the lanes, so what a model gets does not depend, to the last bit, on its
neighbours, on how many there are, or on whether one of them fails.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array

WIDTH = 16  # lanes come in multiples of this: what BLAS and sums round does then not depend on their number


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


def product(left: Array, right: Array) -> Array:
    """A matrix product that does to a lane (column) of ``right`` the same wherever it stands, be it the only one.

    BLAS does so in double precision; in single precision only within tiles of one width.
    """
    if right.shape[1] == 1:
        return product(left, np.repeat(right, WIDTH, axis=1))[:, :1]
    if right.dtype != np.float32 or not (len(left) and len(right)):  # without columns there are no tiles
        return np.asarray(left @ right)
    out: Array = np.empty((len(left), right.shape[1]), right.dtype)
    np.matmul(left, _tiles(right), out=_tiles(out))
    return out


def _tiles(values: Array) -> Array:
    return values.reshape(len(values), -1, WIDTH).transpose(1, 0, 2)


def solved(A: Array, b: Array, sizes: Array | None = None) -> tuple[Array, Array]:
    """A⁻¹ b of each lane and its smallest pivot relative to the diagonal; NaN and 0 if A is not positive definite.

    With ``sizes`` (p, p, m) the pivot is relative to the diagonal of those.
    """
    p = len(b)
    work = np.empty((p, p + 1, *b.shape[1:]), b.dtype)
    work[:, :p], work[:, p] = A, b
    pivots, change = np.empty_like(b), np.empty_like(work)
    with np.errstate(all="ignore"):  # a lane that fails ends as NaN
        for j in range(p):
            pivots[j] = work[j, j]
            row = np.divide(work[j, j + 1 :], pivots[j], out=work[j, j + 1 :])
            below = work[j + 1 :, j + 1 :]
            below -= np.multiply(work[j + 1 :, j, None], row, out=change[j + 1 :, j + 1 :])
        x = work[:, p]
        for j in range(p - 1, 0, -1):
            x[:j] -= np.multiply(work[:j, j], x[j], out=change[0, :j])
        least = (pivots / (A if sizes is None else sizes)[range(p), range(p)]).min(axis=0)
        sound = (least > 0) & (pivots > 0).all(axis=0) & np.isfinite(x).all(axis=0)
    return np.where(sound, x, np.nan), np.where(sound, least, 0.0)


def inverted(upper: Array) -> Array:
    """Upper triangles of A⁻¹ of each lane from those of A, which are positive definite: each row swept out in turn."""
    p = int((np.sqrt(8 * len(upper) + 1) - 1) / 2)
    first, second = pairs(p)
    A = np.empty((p, p, *upper.shape[1:]), upper.dtype)
    A[first, second] = upper  # what is below the diagonal is never looked at
    change = np.empty_like(A[0])
    for j in range(p):
        column = np.concatenate([A[:j, j], A[j, j:]])
        row = column / column[j]
        for i in range(p):
            if i != j:
                A[i, i:] -= np.multiply(column[i], row[i:], out=change[i:])
        A[:j, j], A[j, j:], A[j, j] = row[:j], row[j:], -1.0 / column[j]
    return np.negative(A[first, second])


def form(A: Array, u: Array) -> Array:
    """u'A u of each lane."""
    return np.asarray((u * (A * u).sum(axis=1)).sum(axis=0))
