"""Whole columns of a table in pieces, in temporary files, for what looks at other rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glminfer.data.columns import Column, Factor, Masked
from glminfer.data.frames import Columns
from glminfer.data.stored import Writer


@dataclass(slots=True, eq=False)
class ColumnWriter:
    """Takes in one column piece by piece; factors have the same levels in all of them."""

    folder: str | None
    values: Writer = field(init=False)
    mask: Writer | None = None
    last: Factor | None = None

    def __post_init__(self) -> None:
        self.values = Writer(self.folder)

    def append(self, column: Column) -> None:
        """Write the values of a piece."""
        if isinstance(column, Factor):
            self.last = column
            self.values.append(column.codes)
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

    def whole(self) -> Column:
        """All rows, as maps of the files."""
        values = self.values.stored().whole()
        if self.last is not None:
            return Factor(values, self.last.levels, self.last.ordered)
        return values if self.mask is None else Masked(values, self.mask.stored().whole())


def stored_columns(pieces: Iterable[Columns], names: Sequence[str], folder: str | None) -> Columns:
    """Some columns of all pieces as maps of temporary files.

    Parameters
    ----------
    pieces : iterable of Columns
    names : sequence of str
    folder : str or None
        Where the files go.
    """
    writers, n = {name: ColumnWriter(folder) for name in names}, 0
    for piece in pieces:
        n += piece.n
        for name, writer in writers.items():
            writer.append(piece.data[name])
    return Columns({name: writer.whole() for name, writer in writers.items()}, None, n)
