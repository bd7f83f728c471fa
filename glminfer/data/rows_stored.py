"""Rows in temporary files, read to memory block by block: the sums of `MemoryRows`, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glminfer.data.pairs import added
from glminfer.data.pieces import Filled, Held
from glminfer.data.progress import progress
from glminfer.data.rows import Kernel, MemoryRows, in_memory, joined, strip_sum, strips
from glminfer.data.rows_coded import CodedRows
from glminfer.data.stored import Constant, FieldWriter, Stored, Writer
from glminfer.data.stored_matrix import MatrixWriter, Segments, SegmentWriter
from glminfer.numerics.alike import ignores_columns
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.threads import in_order, in_turn, one_by_one

Field = Stored | Segments | Constant | Array


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows of one model of which some fields are in files, others in memory.

    Parameters
    ----------
    X : Segments
    y, weights, offset : Stored, Constant or array, (n, 1)
    groups : (n,) or None
        Codes of a grouping column.
    """

    X: Segments
    y: Field
    weights: Field
    offset: Field
    groups: NDArray[np.intp] | None = None

    @property
    def n(self) -> int:
        """Number of rows, those of zero weight included."""
        return len(self.X)

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.X.shape[1]

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""
        return sum(int(np.count_nonzero(_rows(self.weights, where) > 0)) for where in self._blocks())

    @property
    def coded(self) -> None:
        """No columns are codes."""
        return

    def _strips(self) -> list[list[slice]]:
        return strips(self.n, self.width)

    def _blocks(self) -> list[slice]:
        return [where for strip in self._strips() for where in strip]

    def block(self, where: slice) -> Block:
        """Some rows, read to memory."""
        return replace(self._blind(where), X=_rows(self.X, where))

    def _blind(self, where: slice) -> Block:
        """A block without columns."""
        y, weights, offset = (_rows(found, where) for found in (self.y, self.weights, self.offset))
        return Block(np.empty((len(y), 0)), y, weights, offset, None if self.groups is None else self.groups[where])

    def sum(self, kernel: Kernel, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""
        parts, block = self._strips(), self._blind if ignores_columns(kernel) else self.block
        sums = one_by_one(lambda strip: strip_sum(block, strip, kernel, arrays), parts)
        return added(progress(sums, self.n, "rows", lambda k, _: parts[k][-1].stop - parts[k][0].start))

    def map(self, kernel: Kernel, *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, joined in row order."""
        return joined(list(self._mapped(kernel, arrays)))

    def _mapped(self, kernel: Kernel, arrays: Sequence[Any]) -> Iterator[Array]:
        blocks = self._blocks()
        values = in_turn(lambda where: np.array(kernel(self.block(where), *arrays)), blocks)
        return progress(values, self.n, "rows", lambda k, _: blocks[k].stop - blocks[k].start)

    def grouped(self, codes: NDArray[np.intp]) -> StoredRows:
        """The same rows, blocks carrying integer codes of a grouping column."""
        return replace(self, groups=codes)

    def with_columns(self, kernel: Kernel, *arrays: Any) -> StoredRows:
        """The same rows with other columns, ``kernel(block, *arrays)``, in a file of their own."""
        writer = SegmentWriter(self.X.folder)
        for values in self._mapped(kernel, arrays):
            writer.reserve(values)()
        return replace(self, X=writer.stored())

    def with_offset(self, offset: Array) -> StoredRows:
        """The same rows with another offset, (n, 1)."""
        return replace(self, offset=offset)

    def without(self, gone: NDArray[np.bool_]) -> StoredRows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""
        return replace(self, weights=np.where(gone[:, None], 0.0, self.values("weights")))

    def every(self, step: int) -> MemoryRows:
        """Each ``step``-th row, brought to memory: a subsample to start from."""
        n = -(-self.n // step)
        few = Block(np.empty((n, self.width)), np.empty((n, 1)), np.empty((n, 1)), np.empty((n, 1)))
        in_order(lambda where: self._thin(few, where, step), self._blocks())
        return MemoryRows(few)

    def _thin(self, few: Block, where: slice, step: int) -> None:
        """Copy each ``step``-th row of a block to where it belongs."""
        part = self.block(where).rows(slice(-where.start % step, None, step))
        there = few.rows(slice(first := -(-where.start // step), first + part.n))
        for name in ("X", "y", "weights", "offset"):
            getattr(there, name)[...] = getattr(part, name)

    def some(self, places: NDArray[np.intp]) -> Block:
        """The rows at some places, in that order, brought to memory."""
        return in_memory(self).some(places)

    part = some

    def distinct(self) -> tuple[MemoryRows, slice]:
        """All rows, brought to memory."""
        return in_memory(self), slice(None)

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field of the blocks over all rows: a map of its file, or the array in memory."""
        found: Field = getattr(self, name)
        return found if isinstance(found, np.ndarray) else found.whole()


def _rows(found: Field, where: slice) -> Array:
    return found[where] if isinstance(found, np.ndarray) else found.rows(where)


def held(pieces: Iterable[Filled], folder: str | None) -> Held:
    """Pieces as numbers, written to temporary files one after the other."""
    X, fields, trials = MatrixWriter(folder), [FieldWriter(folder) for _ in range(3)], Writer(folder)
    told: list[Any] = []

    def placed() -> Iterator[Callable[[], None]]:
        for piece in pieces:
            block = piece.block
            for writer, values in zip(fields, (block.y, block.weights, block.offset), strict=True):
                writer.append(values)
            if piece.trials is not None:
                trials.append(piece.trials)
            told[:] = [piece.told if not told else told[0] + piece.told]
            yield X.reserve(block.X)

    for _ in in_turn(lambda write: write(), placed()):
        pass
    rows = _stored_rows(X.stored(), [writer.stored() for writer in fields])
    return Held(rows, trials.stored().whole() if trials.n else None, told[0] if told else None)


def _stored_rows(X: Segments | Mixed, fields: Sequence[Stored | Constant]) -> StoredRows | CodedRows:
    """Rows read block by block; those with coded factors are mapped, and few bytes each."""
    y, weights, offset = fields
    if isinstance(X, Mixed):
        return CodedRows(X, y.whole(), weights.whole(), offset.whole())
    return StoredRows(X, y, weights, offset)
