"""Directions of the coefficients in which no cluster has a score, where factors are coded (140), (141)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered
from glminfer.numerics.spread import Root, Spread

_FULL = 1e-12  # a reciprocal condition above which a matrix has all its rank


@dataclass(frozen=True, slots=True)
class Part:
    """The covariance of the model within some directions, and how many of them there are."""

    covariance: Spread
    rank: int


def blind_part(root: Root, meat: Bordered, floor: float) -> Part:
    """The covariance of the model within the null space of a meat that is bordered as the information is (140).

    Directions within single levels come first, then those of the border: as in the elimination of the levels. Squared
    scores of at most ``floor``, in directions of unit variance by the model, are none.
    """
    H, layout = root.matrix, root.matrix.layout
    values, axes = np.linalg.eigh(np.swapaxes(root.inner, 1, 2) @ meat.blocks @ root.inner)
    along = root.inner @ axes  # of unit length in the metric of each level's block
    there = (along**2).any(axis=1)  # a level may have fewer columns
    seen = values > floor
    inverse = (along * np.divide(1.0, values, out=np.zeros_like(values), where=seen)[:, None, :]) @ _turned(along)
    within = (along * (~seen)[:, None, :]) @ _turned(along)
    F, left = _beyond(meat, inverse)
    moved = layout.split((H @ F).T)[1]
    F = F - layout.joined(np.zeros((F.shape[1], len(layout.border))), np.einsum("kls,lst->klt", moved, within)).T
    own, Z = scipy.linalg.eigh(left, F.T @ (H @ F))
    Z = Z[:, own <= floor]
    return Part(Spread(layout, within, F @ Z, np.ones(Z.shape[1])), int((~seen & there).sum()) + Z.shape[1])


def _turned(blocks: Array) -> Array:
    return np.swapaxes(blocks, 1, 2)


def _beyond(meat: Bordered, inverse: Array) -> tuple[Array, Array]:
    """What the border sees of the scores beyond the levels: directions (p, q), and the meat along them (q, q)."""
    solved = inverse @ meat.sides
    F = meat.layout.joined(np.eye(len(meat.corner)), -np.moveaxis(solved, 2, 0)).T
    left = F.T @ (meat @ F)
    return F, (left + left.T) / 2


def seen_part(V: Spread, scores: Array, along: Array, floor: float) -> Part | None:
    """The covariance of the model within the span of the scores u (G, r) of G clusters, ``along`` V u' (141).

    None where the span is as wide as that of G scores can be whose sum is zero.
    """
    gram = scores @ along
    if whole(gram + np.trace(gram) / gram.size):
        return None
    values, axes = np.linalg.eigh((gram + gram.T) / 2)
    kept = values > floor
    return Part(Spread(V.layout, np.zeros_like(V.blocks), along @ axes[:, kept], 1.0 / values[kept]), int(kept.sum()))


def whole(A: Array) -> bool:
    """Whether a matrix is safely positive definite."""
    L, info = scipy.linalg.lapack.dpotrf(A, lower=1)
    return not info and bool(scipy.linalg.lapack.dpocon(L, np.abs(A).sum(axis=0).max(), uplo=b"L")[0] > _FULL)
