"""Covariance matrices of coefficients of factors with many levels: a block for each level, plus a product (116).

The inverse of a bordered matrix, and sandwiches around it, are a block-diagonal matrix and a matrix whose rank is that
of the border. Variances and quadratic forms come from these parts; ``np.asarray`` makes all p × p numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Eliminated, Layout
from glminfer.numerics.room import refuse_without_room

_STRIP = 256  # columns that are made symmetric at once


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """E + F K F', with E block diagonal over the levels and zero in the border (116).

    Attributes
    ----------
    layout : Layout
    blocks : (L, s, s)
        E.
    along : (p, k)
        F.
    core : (k, k) or (k,)
        K, symmetric; or its diagonal, where that is all there is.
    """

    layout: Layout
    blocks: Array
    along: Array
    core: Array

    __array_priority__ = 1000  # arrays leave the product to __rmatmul__

    @property
    def shape(self) -> tuple[int, int]:
        """As of the array it stands for."""
        return self.layout.width, self.layout.width

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """All numbers."""
        del dtype, copy
        refuse_without_room(self.shape)
        out = self.weighed(self.along) @ self.along.T
        there, at = self.layout.there, self.layout.levels
        level, first, second = np.nonzero(there[:, :, None] & there[:, None, :])
        out[at[level, first], at[level, second]] += self.blocks[level, first, second]
        for start in range(0, len(out), _STRIP):  # rounding differs above and below the diagonal
            part = slice(start, start + _STRIP)
            out[start:, part] = (out[start:, part] + out[part, start:].T) / 2
            out[part, start:] = out[start:, part].T
        return out

    def diagonal(self) -> Array:
        """Variances (p,)."""
        product = np.einsum("pk,pk->p", self.weighed(self.along), self.along)
        own = np.diagonal(self.blocks, axis1=-2, axis2=-1)
        return np.asarray(product + self.layout.joined(np.zeros(len(self.layout.border)), own))

    def inner(self, vectors: Array) -> Array:
        """E times (p, k)."""
        border, levels = self.layout.split(np.asarray(vectors, dtype=float).T)
        return np.asarray(
            self.layout.joined(np.zeros_like(border), np.einsum("...ls,lst->...lt", levels, self.blocks)).T
        )

    def __matmul__(self, vectors: Array) -> Array:
        """The product with (p,) or (p, k)."""
        vectors = np.asarray(vectors, dtype=float)
        return np.asarray(self.inner(vectors) + self.along @ self.weighed((self.along.T @ vectors).T).T)

    def weighed(self, rows: Array) -> Array:
        """Rows (..., k) times K."""
        return np.asarray(rows * self.core if self.core.ndim == 1 else rows @ self.core)

    def __rmatmul__(self, vectors: Array) -> Array:
        return np.asarray((self @ np.asarray(vectors).T).T)

    def __mul__(self, factor: float) -> Spread:
        return Spread(self.layout, self.blocks * factor, self.along, self.core * factor)

    __rmul__ = __mul__


def inverse(found: Eliminated) -> Spread:
    """The inverse of a bordered matrix: E = D⁻¹ and F = [I; -G], K = (A - B'G)⁻¹ (115)."""
    q = len(found.scale)
    along = found.layout.joined(np.eye(q), -np.moveaxis(found.solved, 2, 0)).T
    return Spread(found.layout, found.inner, along, found.outer(np.eye(q)))


def sandwich(bread: Spread, meat: Bordered) -> Spread:
    """V M V for V = E + F K F' (116)."""
    left = meat @ bread.along  # M F
    own = meat.blocks if meat.blocks.ndim == 3 else meat.blocks[0]
    blocks = bread.blocks @ own @ bread.blocks
    k = len(bread.core)
    core = np.zeros((2 * k, 2 * k))
    core[:k, k:] = core[k:, :k] = bread.core
    core[k:, k:] = bread.core @ (bread.along.T @ left) @ bread.core
    return Spread(bread.layout, blocks, np.hstack([bread.inner(left), bread.along]), (core + core.T) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """C with C C' the inverse of a bordered matrix H, known by its products (115).

    Attributes
    ----------
    matrix : Bordered
        H.
    outer : (p, q)
        The columns of C that belong to the border: F R⁻ᵀ with R R' the Schur complement.
    inner : (L, s, s)
        The blocks of the others: E R⁻ᵀ of each level.
    """

    matrix: Bordered
    outer: Array
    inner: Array

    __array_priority__ = 1000

    def __rmatmul__(self, L: Array) -> Array:
        """L C for (k, p)."""
        levels = self.matrix.layout.split(np.asarray(L, dtype=float))[1]
        inside = np.einsum("...ls,lst->...lt", levels, self.inner)
        there = self.matrix.layout.there
        return np.concatenate([L @ self.outer, inside[..., there]], axis=-1)

    def __matmul__(self, vectors: Array) -> Array:
        """C times (p, k), rows of ``vectors`` in the order of C's columns."""
        q, layout = self.outer.shape[1], self.matrix.layout
        levels = np.zeros((vectors.shape[1], *layout.levels.shape))
        levels[:, layout.there] = vectors[q:].T
        border = np.zeros((vectors.shape[1], len(layout.border)))
        inside = np.einsum("...lt,lst->...ls", levels, self.inner)
        return np.asarray(self.outer @ vectors[:q] + layout.joined(border, inside).T)

    def against(self, right: Array) -> Array:
        """The (k, p) rows A with A C = ``right`` (k, p)."""
        return np.asarray((self @ right.T).T @ self.matrix)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """All numbers."""
        del dtype, copy
        p = self.matrix.layout.width
        refuse_without_room((p, p))
        return np.eye(p) @ self


def root(matrix: Bordered, found: Eliminated) -> Root:
    """The root of the inverse of a bordered matrix, from its elimination."""
    V = inverse(found)
    half = scipy.linalg.solve_triangular(found.root, np.diag(1.0 / found.scale), lower=True)
    there = found.layout.there
    blocks = np.where(there[:, :, None] & there[:, None, :], found.inner, 0.0)
    at = np.arange(blocks.shape[-1])
    blocks[:, at, at] += ~there  # a factor exists where a level has fewer columns
    inner = np.linalg.cholesky(blocks) * (there[:, :, None] & there[:, None, :])
    return Root(matrix, V.along @ half.T, inner)
