"""Rows of which some columns are kept as codes: factors with many levels need no dummies (113).

Kernels that only multiply with the columns see them as a `Mixed` matrix; all others get dense columns, made block by
block, so that every question has its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.pairs import added
from glminfer.data.rows import BLOCK_NUMBERS, Kernel, MemoryRows, joined, strip_sum, strips
from glminfer.numerics import kernels
from glminfer.numerics.alike import ignores_columns, may_see_codes
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.room import refuse_without_room
from glminfer.numerics.threads import in_order

_FIELDS = 4  # numbers of a row without columns: outcome, weight, offset, code
_PER_TABLE = 4  # rows of a block are at least this part of the numbers in one sum over it


@dataclass(frozen=True, slots=True)
class CodedRows:
    """Rows in memory with coded factors.

    Parameters
    ----------
    X : Mixed
        Columns (n, p).
    y, weights, offset : (n, 1)
    groups : (n,) int or None
        Codes of a grouping column.
    """

    X: Mixed
    y: Array
    weights: Array
    offset: Array
    groups: NDArray[np.intp] | None = None

    @property
    def n(self) -> int:
        """Number of rows, those of zero weight included."""
        return len(self.y)

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.X.shape[1]

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""
        return int(self.sum(kernels.count_used))

    def sum(self, kernel: Kernel, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""
        block, parts = self._cut(kernel)
        return added(in_order(lambda strip: strip_sum(block, strip, kernel, arrays), parts))

    def map(self, kernel: Kernel, *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, joined in row order."""
        block, parts = self._cut(kernel)
        return joined(in_order(lambda rows: kernel(block(rows), *arrays), [rows for strip in parts for rows in strip]))

    def _cut(self, kernel: Kernel) -> tuple[Callable[[slice], Block], list[list[slice]]]:
        """Blocks with the columns as a kernel can take them, and where they are."""
        if ignores_columns(kernel):
            return self._blind, strips(self.n, _FIELDS)
        if not may_see_codes(kernel):
            return self._full, strips(self.n, self.width)
        size = max(BLOCK_NUMBERS // (len(self.X.spots) + _FIELDS), self._table() // _PER_TABLE)
        return self._block, strips(self.n, 1, max(size, 1))

    def _table(self) -> int:
        """Numbers in a bordered matrix of the columns, or in sums of the columns over groups."""
        groups = 0 if self.groups is None else int(self.groups.max(initial=0)) + 1
        return max(int(self.X.layout.levels.size * (len(self.X.layout.border) + 1)), groups * self.width)

    def _fields(self, where: slice | NDArray[np.intp], X: Array) -> Block:
        groups = None if self.groups is None else self.groups[where]
        return Block(X, self.y[where], self.weights[where], self.offset[where], groups)

    def _block(self, where: slice | NDArray[np.intp]) -> Block:
        """A block with coded columns; a mixed matrix stands for the array in what kernels so marked do with it."""
        return self._fields(where, cast(Array, self.X[where]))

    def _full(self, where: slice | NDArray[np.intp]) -> Block:
        """A block with dense columns."""
        return self._fields(where, np.asarray(self.X[where]))

    def _blind(self, where: slice | NDArray[np.intp]) -> Block:
        """A block without columns."""
        return self._fields(where, np.empty((len(self.y[where]), 0)))

    def some(self, places: NDArray[np.intp]) -> Block:
        """The rows at some places, in that order."""
        return self._full(places)

    def part(self, places: NDArray[np.intp]) -> Block:
        """The same with coded columns, for what only multiplies with them."""
        return self._block(places)

    def grouped(self, codes: NDArray[np.intp]) -> CodedRows:
        """The same rows, blocks carrying integer codes of a grouping column."""
        return replace(self, groups=codes)

    def with_columns(self, kernel: Kernel, *arrays: Any) -> CodedRows | MemoryRows:
        """The same rows with other columns, ``kernel(block, *arrays)``: coded where the kernel keeps them so."""
        if may_see_codes(kernel) and isinstance(kernel(self._block(slice(0, 0)), *arrays), Mixed):
            return replace(self, X=kernel(self._block(slice(0, self.n)), *arrays))
        return MemoryRows(replace(self._blind(slice(0, self.n)), X=self.map(kernel, *arrays)))

    def with_offset(self, offset: Array) -> CodedRows:
        """The same rows with another offset, (n, 1)."""
        return replace(self, offset=offset)

    def without(self, gone: NDArray[np.bool_]) -> CodedRows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""
        return replace(self, weights=np.where(gone[:, None], 0.0, self.weights))

    def every(self, step: int) -> CodedRows:
        """Each ``step``-th row: a subsample to start from."""
        part = self._block(slice(None, None, step))
        X = self.X[slice(None, None, step)]
        return CodedRows(replace(X, dense=np.ascontiguousarray(X.dense)), part.y, part.weights, part.offset)

    def distinct(self) -> tuple[MemoryRows, slice]:
        """The rows themselves, with dense columns."""
        return MemoryRows(self._full(slice(0, self.n))), slice(None)

    def in_full(self) -> MemoryRows:
        """The rows with dense columns, if there is room for them."""
        what = f"Within a level of a factor columns are nearly dependent, and {self.n:,} rows of {self.width:,} columns"
        way = "Centre the numeric columns that interact with the factor, or leave one of them out."
        refuse_without_room((self.n, self.width), what, way)
        return MemoryRows(self._full(slice(0, self.n)))

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field over all rows."""
        return np.asarray(getattr(self, name))
