"""Columns in temporary files, taken in chunk by chunk and given out piece by piece, with the levels of all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.columns import Column, Factor, Masked, sorted_factor
from glminfer.data.frames import Columns
from glminfer.data.pieces import Filled, Held
from glminfer.data.progress import progress
from glminfer.data.rows_stored import StoredRows
from glminfer.data.stored import Stored, Writer
from glminfer.numerics.threads import in_turn

Levels = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StoredColumn:
    """Numbers, or codes of levels, and where they are missing (None: nowhere, or said by NaN or the code -1)."""

    values: Stored
    mask: Stored | None = None
    levels: Levels | None = None
    ordered: bool = False

    def rows(self, where: slice) -> Column:
        """Some rows."""
        return self._column(self.values.rows(where), None if self.mask is None else self.mask.rows(where))

    def whole(self) -> Column:
        """All rows."""
        return self._column(self.values.whole(), None if self.mask is None else self.mask.whole())

    def _column(self, values: NDArray[Any], mask: NDArray[Any] | None) -> Column:
        if self.levels is not None:
            return Factor(values, self.levels, self.ordered)
        return Masked(values, mask) if mask is not None and mask.any() else values


@dataclass(slots=True, eq=False)
class ColumnWriter:
    """Takes in one column chunk by chunk.

    Attributes
    ----------
    folder : str or None
    sort : bool
        Whether levels are sorted in the end; declared categories keep their order.
    """

    folder: str | None
    sort: bool
    values: Writer = field(init=False)
    mask: Writer | None = None
    places: dict[Any, int] | None = None
    ordered: bool = False

    def __post_init__(self) -> None:
        self.values = Writer(self.folder)

    def append(self, column: Column) -> None:
        """Write the values of a chunk."""
        if isinstance(column, Factor):
            self._write_codes(column)
        elif isinstance(column, Masked):
            self._write_mask(column.mask)
            self.values.append(column.values)
        else:
            if self.mask is not None:
                self._write_mask(np.zeros(len(column), dtype=bool))
            self.values.append(column)

    def _write_mask(self, mask: NDArray[np.bool_]) -> None:
        if self.mask is None:
            self.mask = Writer(self.folder)
            self.mask.append(np.zeros(self.values.n, dtype=bool))
        self.mask.append(mask)

    def _write_codes(self, factor: Factor) -> None:
        self.places = {} if self.places is None else self.places
        found = [self.places.setdefault(level, len(self.places)) for level in factor.levels]
        self.ordered = factor.ordered
        self.values.append(np.array([*found, -1], dtype=np.int32)[factor.codes])

    def stored(self) -> StoredColumn:
        """The column as written."""
        mask = None if self.mask is None else self.mask.stored()
        if self.places is None:
            return StoredColumn(self.values.stored(), mask)
        levels = tuple(self.places)
        if not self.sort or levels == tuple(sorted(levels)):
            return StoredColumn(self.values.stored(), None, levels, self.ordered)
        return self._sorted(levels)

    def _sorted(self, levels: Levels) -> StoredColumn:
        codes, again = self.values.stored(), Writer(self.folder)
        for start in range(0, len(codes), _ROWS):
            factor = sorted_factor(codes.rows(slice(start, start + _ROWS)), list(levels))
            again.append(factor.codes.astype(np.int32))
        return StoredColumn(again.stored(), None, factor.levels, self.ordered)


_ROWS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class StoredPieces:
    """Columns of a table in files, cut into pieces.

    Attributes
    ----------
    columns : dict
    stops : list of int
        Where each piece ends.
    folder : str or None
    """

    columns: dict[str, StoredColumn]
    stops: list[int]
    folder: str | None = None

    @property
    def slices(self) -> list[slice]:
        """The rows of each piece."""
        return [slice(start, stop) for start, stop in zip([0, *self.stops], self.stops, strict=False)]

    def whole(self, names: Iterable[str]) -> Columns:
        """Some columns over all rows, as maps of their files."""
        return Columns({name: self.columns[name].whole() for name in names}, None, self.n)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.stops[-1] if self.stops else 0

    def piece(self, where: slice) -> Columns:
        """One piece."""
        return Columns({name: c.rows(where) for name, c in self.columns.items()}, None, where.stop - where.start)

    def map(self, function: Callable[..., Any], each: Sequence[Any], *shared: Any) -> Iterator[Any]:
        """``function(columns, each[k], *shared)`` of every piece k, in their order."""
        parts = list(zip(self.slices, each, strict=True))
        found = in_turn(lambda part: function(self.piece(part[0]), part[1], *shared), parts)
        return progress(found, self.n, "rows", lambda k, _: parts[k][0].stop - parts[k][0].start)

    def hold(self, function: Callable[..., Filled], each: Sequence[Any], *shared: Any) -> Held:
        """Rows of numbers from ``function``, written to files."""
        writers = [Writer(self.folder) for _ in range(5)]
        told: Any = None
        for filled in self.map(function, each, *shared):
            block = filled.block
            fields = (block.X, block.y, block.weights, block.offset, filled.trials)
            for writer, values in zip(writers, fields, strict=True):
                if values is not None:
                    writer.append(values)
            told = filled.told if told is None else told + filled.told
        X, y, weights, offset = (writer.stored() for writer in writers[:4])
        trials = writers[4].stored().whole() if writers[4].n else None
        return Held(StoredRows(X, y, weights, offset), trials, told)

    def kept(self, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """One array of parts for every piece, in a file."""
        writer = Writer(self.folder)
        for part in parts:
            writer.append(part)
        return writer.stored().whole()


def stored_pieces(
    chunks: Iterable[Columns], declared: Iterable[str], names: Iterable[str], folder: str | None
) -> StoredPieces:
    """Take in a table.

    Parameters
    ----------
    chunks : iterable of Columns
    declared : iterable of str
        Columns whose levels keep the order in which they come, instead of being sorted.
    names : iterable of str
        The columns the chunks have.
    folder : str or None
        Where the files go.
    """
    kept = set(declared)
    writers = {name: ColumnWriter(folder, name not in kept) for name in names}
    stops: list[int] = []
    for chunk in chunks:
        for name, writer in writers.items():
            writer.append(chunk.data[name])
        stops.append(chunk.n + (stops[-1] if stops else 0))
    return StoredPieces({name: writer.stored() for name, writer in writers.items()}, stops, folder)
