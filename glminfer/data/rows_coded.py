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
from glminfer.data.rows import Kernel, MemoryRows, Rows, block_size, joined, strip_sum, strips
from glminfer.numerics import kernels
from glminfer.numerics.alike import ignores_columns, may_see_codes
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.room import refuse_without_room
from glminfer.numerics.threads import in_order

_FIELDS = 4  # numbers of a row beside the columns: outcome, weight, offset, code
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

    @property
    def coded(self) -> Mixed:
        """The columns without any rows."""
        return self.X[:0]

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
        size = rows_of_blocks(self.X, kernel, count_groups(self.groups))
        return lambda where: as_taken(self.part(where), kernel), strips(self.n, 1, size)

    def part(self, places: slice | NDArray[np.intp]) -> Block:
        """The rows at some places; a mixed matrix stands for the array in what kernels so marked do with it."""
        groups = None if self.groups is None else self.groups[places]
        X = cast(Array, self.X[places])
        return Block(X, self.y[places], self.weights[places], self.offset[places], groups)

    def at(self, places: NDArray[Any]) -> CodedRows:
        """Some of the rows, by mask or positions, in that order."""
        fields = (self.y[places], self.weights[places], self.offset[places])
        return CodedRows(self.X[places], *fields, None if self.groups is None else self.groups[places])

    def some(self, places: NDArray[np.intp]) -> Block:
        """The same with dense columns."""
        return in_full(self.part(places))

    def grouped(self, codes: NDArray[np.intp]) -> CodedRows:
        """The same rows, blocks carrying integer codes of a grouping column."""
        return replace(self, groups=codes)

    def with_columns(self, kernel: Kernel, *arrays: Any) -> CodedRows | MemoryRows:
        """The same rows with other columns, ``kernel(block, *arrays)``: coded where the kernel keeps them so."""
        if may_see_codes(kernel) and isinstance(kernel(self.part(slice(0, 0)), *arrays), Mixed):
            return replace(self, X=kernel(self.part(slice(0, self.n)), *arrays))
        return MemoryRows(replace(self.part(slice(0, self.n)), X=self.map(kernel, *arrays)))

    def with_offset(self, offset: Array) -> CodedRows:
        """The same rows with another offset, (n, 1)."""
        return replace(self, offset=offset)

    def without(self, gone: NDArray[np.bool_]) -> CodedRows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""
        return replace(self, weights=np.where(gone[:, None], 0.0, self.weights))

    def every(self, step: int) -> CodedRows:
        """Each ``step``-th row: a subsample to start from."""
        part, X = self.part(slice(None, None, step)), self.X[slice(None, None, step)]
        return CodedRows(replace(X, dense=np.ascontiguousarray(X.dense)), part.y, part.weights, part.offset)

    def distinct(self) -> tuple[MemoryRows, slice]:
        """The rows themselves, with dense columns."""
        return MemoryRows(in_full(self.part(slice(0, self.n)))), slice(None)

    def in_full(self) -> MemoryRows:
        """The rows with dense columns, if there is room for them."""
        what = f"Within a level of a factor columns are nearly dependent, and {self.n:,} rows of {self.width:,} columns"
        way = "Centre the numeric columns that interact with the factor, or leave one of them out."
        refuse_without_room((self.n, self.width), what, way)
        return MemoryRows(in_full(self.part(slice(0, self.n))))

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field over all rows."""
        return np.asarray(getattr(self, name))


# blocks of them ------------------------------------------------------------------------------------------------------


def rows_of_blocks(X: Mixed, kernel: Kernel, groups: int = 0) -> int:
    """Rows of a block for a kernel, in which some columns are codes."""
    dense = not (may_see_codes(kernel) or ignores_columns(kernel))
    return block_size(X.shape[1]) if dense else rows_of_coded_blocks(X, groups)


def rows_of_coded_blocks(X: Mixed, groups: int = 0) -> int:
    """Rows of a block that has codes: whole blocks of dense columns, so that rows elsewhere can be cut for both.

    Few enough to stay in the cache, but many beside a bordered matrix of the columns, or sums over groups.
    """
    table = max(X.layout.levels.size * (len(X.layout.border) + 1), groups * X.shape[1])
    least, dense = max(block_size(len(X.spots) + _FIELDS), table // _PER_TABLE), block_size(X.shape[1])
    return -(-least // dense) * dense


def count_groups(codes: NDArray[np.intp] | None) -> int:
    """Number of groups."""
    return 0 if codes is None else int(codes.max(initial=0)) + 1


def as_taken(block: Block, kernel: Kernel) -> Block:
    """A block with its columns as a kernel can take them: none, numbers, or codes."""
    if not isinstance(block.X, Mixed) or may_see_codes(kernel):
        return block
    return replace(block, X=np.empty((block.n, 0))) if ignores_columns(kernel) else in_full(block)


def in_full(block: Block) -> Block:
    """A block with dense columns."""
    return replace(block, X=np.asarray(block.X))


def in_codes(rows: Rows) -> CodedRows:
    """Rows with coded factors brought to memory, where they are not there already."""
    return rows if isinstance(rows, CodedRows) else cast(CodedRows, rows.every(1))
