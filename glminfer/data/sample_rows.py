"""How the rows of a sample are stored: each with columns of its own, alike rows once, or long factors as codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glminfer.data.extremes import ordinary, refuse_extreme, refuse_sizes
from glminfer.data.factors import Learned
from glminfer.data.formula import Formula
from glminfer.data.long_factors import columns
from glminfer.data.rows import MemoryRows, Rows, memory_rows
from glminfer.data.rows_coded import CodedRows
from glminfer.data.rows_repeated import RepeatedRows, find_alike, repeated_rows
from glminfer.numerics import kernels
from glminfer.numerics.mixed import Mixed

Floats = NDArray[np.float64]
_VECTORS: tuple[Literal["y", "weights", "offset"], ...] = ("y", "weights", "offset")


@dataclass(frozen=True, slots=True)
class Storage:
    """What of the rows is stored once or as codes: None is where it pays (see `gi.Control`)."""

    compress: bool | None = False
    coded: bool | None = False


def sample_rows(
    formula: Formula, learned: Learned, vectors: tuple[Floats, Floats, Floats], storage: Storage
) -> tuple[MemoryRows | RepeatedRows | CodedRows, Floats | None]:
    """Rows from the values of the factors and from outcomes, weights and offsets.

    Alike rows are stored once, or else factors of many levels as codes, where that pays. Beside them the sums of the
    columns and of their squares over all rows, (2, p), if they were looked at.
    """
    n, values = len(vectors[0]), learned.values
    alike = find_alike(values, vectors[2], n, storage.compress)
    if alike is not None:
        n, values = len(alike.first), {text: column[alike.first] for text, column in values.items()}
    X = columns(formula, learned, values, n, storage.coded if alike is None else False)
    if isinstance(X, Mixed):
        if not ordinary(squares := X.squares()).all():
            refuse_sizes(squares, X.largest(), learned.names)
        y, weights, offset = (v[:, None] for v in vectors)
        return CodedRows(X, y, weights, offset), None
    rows = memory_rows(X, *vectors) if alike is None else repeated_rows(X, alike, *vectors)
    sums = rows.sum(kernels.all_column_sums)
    refuse_extreme(X, sums[1], learned.names)
    return rows, sums


def some_rows(rows: Rows, places: NDArray[Any]) -> MemoryRows | CodedRows:
    """Some of the rows, by mask or positions, stored as they are."""
    if isinstance(rows, CodedRows):
        return rows.at(places)
    vectors = (rows.values(name)[places] for name in _VECTORS)
    return memory_rows(rows.values("X")[places], *vectors)


def with_outcome(rows: Rows, y: Floats) -> MemoryRows | CodedRows:
    """The same rows with another outcome (n,)."""
    if isinstance(rows, CodedRows):
        return replace(rows, y=y[:, None])
    return memory_rows(rows.values("X"), y, rows.values("weights"), rows.values("offset"))


def with_columns_at(rows: Rows, spots: NDArray[np.intp], own: Floats) -> MemoryRows | CodedRows:
    """The same rows with other numbers in some of the columns."""
    if isinstance(rows, CodedRows) and np.isin(spots, rows.X.spots).all():
        return replace(rows, X=rows.X.with_dense(np.isin(rows.X.spots, spots), own[:, np.argsort(spots)]))
    X = rows.values("X").copy()
    X[:, spots] = own
    return memory_rows(X, *(rows.values(name) for name in _VECTORS))
