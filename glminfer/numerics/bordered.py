"""Information matrices of factors with many levels: a block for each level, bordered by the other columns (113).

A row is in one level of a factor, so the columns of two levels have no products. What is stored is therefore the
corner of the other columns, their products with the columns of each level, and one small block for each level; the
levels are eliminated first (114). Where something needs all p × p numbers, ``np.asarray`` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.room import refuse_without_room

Places = NDArray[np.intp]
_TINY = np.finfo(float).tiny  # the smallest number that has an inverse
_SMALLEST_PIVOT = 4 * np.finfo(float).eps  # squared, times the number of columns, as in linalg


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the columns of a bordered matrix are.

    Attributes
    ----------
    border : (q,)
        Position of each column of the border.
    levels : (L, s)
        Position of each column of each level; -1 where a level has no such column.
    """

    border: Places
    levels: Places

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.border) + int(np.count_nonzero(self.levels >= 0))

    @property
    def there(self) -> NDArray[np.bool_]:
        """(L, s) whether a level has a column."""
        return self.levels >= 0

    def split(self, values: Array) -> tuple[Array, Array]:
        """Values (..., p) of the columns as those of the border (..., q) and of the levels (..., L, s)."""
        inside = np.zeros((*values.shape[:-1], *self.levels.shape))
        inside[..., self.there] = values[..., self.levels[self.there]]
        return values[..., self.border], inside

    def joined(self, border: Array, levels: Array) -> Array:
        """The opposite of `split`."""
        out = np.empty((*border.shape[:-1], self.width))
        out[..., self.border] = border
        out[..., self.levels[self.there]] = levels[..., self.there]
        return out

    def chosen(self, kept: Places) -> Layout:
        """The layout of some of the columns, in the order they have."""
        place = np.full(self.width + 1, -1)
        place[kept] = np.arange(len(kept))
        border = place[self.border]
        return Layout(border[border >= 0], place[self.levels])


@dataclass(frozen=True, slots=True, eq=False)
class Bordered:
    """Symmetric matrices of one layout (113); leading axes, if any, are models.

    Attributes
    ----------
    layout : Layout
    corner : (..., q, q)
        A: the border with itself.
    sides : (..., L, s, q)
        B: the columns of each level with the border.
    blocks : (..., L, s, s)
        D: the columns of each level with each other.
    """

    layout: Layout
    corner: Array
    sides: Array
    blocks: Array

    __array_priority__ = 1000  # arrays leave the product to __rmatmul__

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array it stands for."""
        p = self.layout.width
        return (*self.corner.shape[:-2], p, p)

    @property
    def ndim(self) -> int:
        """As of the array it stands for."""
        return self.corner.ndim

    @property
    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(bool(np.isfinite(part).all()) for part in (self.corner, self.sides, self.blocks))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """All numbers."""
        del copy
        refuse_without_room(self.shape)
        out = np.zeros(self.shape, dtype=dtype)
        at, there = self.layout, self.layout.there
        out[..., at.border[:, None], at.border] = self.corner
        out[..., at.levels[there][:, None], at.border] = self.sides[..., there, :]
        out[..., at.border[:, None], at.levels[there]] = np.swapaxes(self.sides[..., there, :], -1, -2)
        level, first, second = np.nonzero(there[:, :, None] & there[:, None, :])
        out[..., at.levels[level, first], at.levels[level, second]] = self.blocks[..., level, first, second]
        return out

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, Bordered):
            return np.asarray(self) + other
        return self._with(self.corner + other.corner, self.sides + other.sides, self.blocks + other.blocks)

    def __getitem__(self, models: Any) -> Bordered:
        return self._with(self.corner[models], self.sides[models], self.blocks[models])

    def __setitem__(self, models: Any, values: Bordered) -> None:
        for name in ("corner", "sides", "blocks"):
            getattr(self, name)[models] = getattr(values, name)

    def __len__(self) -> int:
        return self.shape[0]

    def copy(self) -> Bordered:
        """The same numbers in arrays of their own."""
        return self._with(self.corner.copy(), self.sides.copy(), self.blocks.copy())

    def _with(self, corner: Array, sides: Array, blocks: Array) -> Bordered:
        return Bordered(self.layout, corner, sides, blocks)

    def diagonal(self) -> Array:
        """(..., p)."""
        corner, blocks = (np.diagonal(part, axis1=-2, axis2=-1) for part in (self.corner, self.blocks))
        return self.layout.joined(corner, blocks)

    def __matmul__(self, vectors: Array) -> Array:
        """The product of one matrix with (p,) or (p, k)."""
        border, levels = self.layout.split(np.asarray(vectors, dtype=float).T)
        L, s = levels.shape[-2:]
        flat = self.sides.reshape(L * s, len(self.corner))
        outer = border @ self.corner + levels.reshape(*levels.shape[:-2], L * s) @ flat
        inner = np.einsum("...ls,lst->...lt", levels, self.blocks) + (border @ flat.T).reshape(levels.shape)
        return np.asarray(self.layout.joined(outer, inner).T)

    def __rmatmul__(self, vectors: Array) -> Array:
        return np.asarray((self @ np.asarray(vectors).T).T)

    def chosen(self, kept: Places) -> Bordered:
        """The matrix of some of its columns."""
        layout = self.layout.chosen(kept)
        border = np.isin(self.layout.border, kept)
        there = layout.there.astype(float)
        sides = self.sides[..., border] * there[:, :, None]
        blocks = self.blocks * (there[:, :, None] * there[:, None, :])
        return Bordered(layout, self.corner[..., border, :][..., border], sides, blocks)


@dataclass(frozen=True, slots=True, eq=False)
class Eliminated:
    """One positive definite bordered matrix after its levels were eliminated (114).

    Attributes
    ----------
    layout : Layout
    solved : (L, s, q)
        G = D⁻¹B.
    inner : (L, s, s)
        D⁻¹, zero where a level has no such column.
    root : (q, q)
        Lower Cholesky factor of the equilibrated Schur complement A - B'D⁻¹B.
    scale : (q,)
        What it was divided by.
    """

    layout: Layout
    solved: Array
    inner: Array
    root: Array
    scale: Array

    def solve(self, b: Array) -> Array:
        """The inverse times (p,) or (p, k) (115)."""
        border, levels = self.layout.split(np.asarray(b, dtype=float).T)
        outer = self.outer(border - np.einsum("...ls,lsq->...q", levels, self.solved))
        inner = np.einsum("...ls,lst->...lt", levels, self.inner) - np.einsum("lsq,...q->...ls", self.solved, outer)
        return np.asarray(self.layout.joined(outer, inner).T)

    def outer(self, b: Array) -> Array:
        """The inverse of the Schur complement times each row of b (..., q)."""
        if not len(self.scale):
            return b.copy()
        flat = np.atleast_2d(b / self.scale)
        x, _ = scipy.linalg.lapack.dpotrs(self.root, flat.T, lower=1)
        return np.asarray((x.T / self.scale).reshape(b.shape))


def eliminated(matrix: Bordered, smallest: float = _SMALLEST_PIVOT) -> Eliminated | None:
    """Eliminate the levels, then factor what is left (114); None unless the matrix is safely positive definite."""
    if not matrix.finite:
        return None
    inner = inverse_blocks(matrix.blocks, matrix.layout.there, smallest * matrix.layout.width)
    if inner is None:
        return None
    solved = inner @ matrix.sides
    left = schur(matrix, solved)
    scale = np.sqrt(np.where(matrix.corner.diagonal() > 0, matrix.corner.diagonal(), 1.0))
    if not len(scale):
        return Eliminated(matrix.layout, solved, inner, left, scale)
    L, info = scipy.linalg.lapack.dpotrf(left / (scale[:, None] * scale), lower=1)
    if info != 0 or not L.diagonal().min() ** 2 >= smallest * matrix.layout.width:
        return None
    return Eliminated(matrix.layout, solved, inner, L, scale)


def schur(matrix: Bordered, solved: Array) -> Array:
    """A - B'D⁻¹B (q, q)."""
    q = len(matrix.corner)
    rows = matrix.blocks.shape[-3] * matrix.blocks.shape[-1]
    left = matrix.corner - matrix.sides.reshape(rows, q).T @ solved.reshape(rows, q)
    return np.asarray((left + left.T) / 2)


def inverse_blocks(blocks: Array, there: NDArray[np.bool_], smallest: float) -> Array | None:
    """The inverse of each block (L, s, s), zero for columns that are not there; None where a pivot vanishes."""
    diagonal = np.diagonal(blocks, axis1=-2, axis2=-1)
    if not (diagonal[there] >= _TINY).all():
        return None
    if blocks.shape[-1] == 1:
        return np.divide(1.0, blocks, out=np.zeros_like(blocks), where=there[:, :, None])
    scale = np.sqrt(np.where(there, diagonal, 1.0))
    unit = blocks / (scale[:, :, None] * scale[:, None, :])
    at = np.arange(blocks.shape[-1])
    unit[:, at, at] = 1.0
    try:
        root = np.linalg.cholesky(unit)
    except np.linalg.LinAlgError:
        return None
    if (root[:, at, at] ** 2).min(initial=1.0) < smallest:
        return None
    half = np.linalg.inv(root)
    found = (np.swapaxes(half, 1, 2) @ half) / (scale[:, :, None] * scale[:, None, :])
    return np.asarray(np.where(there[:, :, None] & there[:, None, :], found, 0.0))
