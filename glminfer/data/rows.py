"""Rows: the one protocol by which everything over n rows is computed.

``rows.sum(kernel, *arrays)`` adds up a pure function over blocks of rows; ``rows.map(kernel, *arrays)`` gives one value
per block, in row order. The result never depends on the number of threads, nor on where the rows are: blocks are cut at
fixed rows, and their sums added in pairs of pairs (106). A strip is what one thread adds up at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.data.pairs import added
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.threads import in_order, one_by_one

Kernel = Callable[..., Any]
BLOCK_NUMBERS = 1 << 18  # one block of X is two megabytes: it stays in the cache (measured: docs/decisions.md)
_LEAST_ROWS = 512  # of a block, however many columns there are
_STRIPS = 32


class Rows(Protocol):
    """What an engine (memory, files, cluster) offers."""

    @property
    def n(self) -> int:
        """Number of rows, those of zero weight included."""

    @property
    def width(self) -> int:
        """Number of columns."""

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""

    @property
    def coded(self) -> Mixed | None:
        """The columns without any rows (0, p) where some of them are kept as codes, else None."""

    def sum(self, kernel: Kernel, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""

    def map(self, kernel: Kernel, *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, joined in row order."""

    def grouped(self, codes: NDArray[np.intp]) -> Rows:
        """The same rows, blocks carrying integer codes of a grouping column."""

    def with_columns(self, kernel: Kernel, *arrays: Any) -> Rows:
        """The same rows with other columns, ``kernel(block, *arrays)``."""

    def with_offset(self, offset: Array) -> Rows:
        """The same rows with another offset, (n, 1)."""

    def without(self, gone: NDArray[np.bool_]) -> Rows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""

    def every(self, step: int) -> Rows:
        """Each ``step``-th row, brought to memory: a subsample to start from."""

    def some(self, places: NDArray[np.intp]) -> Block:
        """The rows at some places, in that order, brought to memory."""

    def part(self, places: NDArray[np.intp]) -> Block:
        """The same with columns as they are kept, codes or numbers, for what only multiplies with them."""

    def distinct(self) -> tuple[MemoryRows, NDArray[np.intp] | slice]:
        """Rows for questions about the likelihood, in memory, alike rows once; and which of them each row is."""

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field of the blocks over all rows, brought to memory where it is not there already."""


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """Rows held in memory as one block, cut into cache-sized blocks when computed on.

    Parameters
    ----------
    whole : Block
        All rows.
    block_rows : int, optional
        Rows in a block; by default as many as fill the second-level cache.
    """

    whole: Block
    block_rows: int = 0

    @property
    def n(self) -> int:
        """Number of rows, those of zero weight included."""
        return self.whole.n

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.whole.X.shape[1])

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""
        return int(self.sum(kernels.count_used))

    @property
    def coded(self) -> None:
        """No columns are codes."""
        return

    def _strips(self) -> list[list[slice]]:
        return strips(self.n, self.width, self.block_rows)

    @property
    def _is_one_block(self) -> bool:
        return self.n <= block_size(self.width, self.block_rows)

    def sum(self, kernel: Kernel, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""
        if self._is_one_block:
            return kernel(self.whole, *arrays)
        return added(one_by_one(lambda strip: strip_sum(self.whole.rows, strip, kernel, arrays), self._strips()))

    def map(self, kernel: Kernel, *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, joined in row order."""
        if self._is_one_block:
            return np.asarray(kernel(self.whole, *arrays))
        blocks = [where for strip in self._strips() for where in strip]
        return joined(in_order(lambda where: kernel(self.whole.rows(where), *arrays), blocks))

    def grouped(self, codes: NDArray[np.intp]) -> MemoryRows:
        """The same rows, blocks carrying integer codes of a grouping column."""
        return replace(self, whole=self.whole.with_groups(codes))

    def with_columns(self, kernel: Kernel, *arrays: Any) -> MemoryRows:
        """The same rows with other columns, ``kernel(block, *arrays)``."""
        return self.with_X(self.map(kernel, *arrays))

    def with_X(self, X: Array) -> MemoryRows:
        """The same rows with other columns."""
        return replace(self, whole=replace(self.whole, X=X))

    def with_weights(self, weights: Array) -> MemoryRows:
        """The same rows with other weights, (n, 1) or (n, m)."""
        return replace(self, whole=replace(self.whole, weights=weights))

    def with_offset(self, offset: Array) -> MemoryRows:
        """The same rows with another offset, (n, 1) or (n, m)."""
        return replace(self, whole=replace(self.whole, offset=offset))

    def models(self, which: NDArray[np.intp]) -> MemoryRows:
        """The same rows for some of the models."""
        return replace(self, whole=self.whole.models(which))

    def without(self, gone: NDArray[np.bool_]) -> MemoryRows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""
        return self.with_weights(np.where(gone[:, None], 0.0, self.whole.weights))

    def every(self, step: int) -> MemoryRows:
        """Each ``step``-th row: a subsample to start from."""
        part = self.whole.rows(slice(None, None, step))
        return replace(self, whole=replace(part, X=np.ascontiguousarray(part.X)))

    def some(self, places: NDArray[np.intp]) -> Block:
        """The rows at some places, in that order."""
        return self.whole.rows(places)

    part = some

    def distinct(self) -> tuple[MemoryRows, slice]:
        """The rows themselves."""
        return self, slice(None)

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field of the block."""
        return np.asarray(getattr(self.whole, name))


# how sums are carried out ---------------------------------------------------------------------------------------------


def strips(n: int, p: int, block_rows: int = 0) -> list[list[slice]]:
    """Blocks of ``n`` rows of ``p`` columns, in at most 32 strips, each of 1, 2, 4, … blocks: a node of (106)."""
    blocks = cut(n, block_size(p, block_rows)) or [slice(0, 0)]
    per_strip = 1 << (-(-len(blocks) // _STRIPS) - 1).bit_length()
    return [blocks[k : k + per_strip] for k in range(0, len(blocks), per_strip)]


def cut(n: int, size: int) -> list[slice]:
    """Blocks of ``size`` rows each, the last of what is left."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def block_size(p: int, block_rows: int = 0) -> int:
    """Rows of a block, as given, or as many as fill the second-level cache."""
    return block_rows or max(_LEAST_ROWS, BLOCK_NUMBERS // max(p, 1))


def strip_sum(block: Callable[[slice], Block], strip: Sequence[slice], kernel: Kernel, arrays: Sequence[Any]) -> Any:
    """Σ of ``kernel(block, *arrays)`` over the blocks of one strip."""
    return added(kernel(block(where), *arrays) for where in strip)


def joined(values: Sequence[Array]) -> Array:
    """Values of blocks as those of all rows."""
    return values[0] if len(values) == 1 else np.concatenate(values)


# rows in memory ------------------------------------------------------------------------------------------------------


def in_memory(rows: Rows) -> MemoryRows:
    """The rows brought to memory, where they are not there already: for work that needs all of them at once."""
    if isinstance(rows, MemoryRows):
        return rows
    return MemoryRows(Block(rows.values("X"), rows.values("y"), rows.values("weights"), rows.values("offset")))


def memory_rows(X: Array, y: Array, weights: Array, offset: Array) -> MemoryRows:
    """Rows of one model: X (n, p) and vectors (n,)."""
    columns = (np.asarray(v, dtype=float).reshape(len(X), -1) for v in (y, weights, offset))
    return MemoryRows(Block(np.ascontiguousarray(X, dtype=float), *columns))
