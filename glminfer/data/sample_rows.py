"""How the rows of a sample are stored: each with columns of its own, or alike rows once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glminfer.data.extremes import refuse_extreme
from glminfer.data.factors import Learned, matrix
from glminfer.data.formula import Formula
from glminfer.data.rows import MemoryRows, memory_rows
from glminfer.data.rows_repeated import RepeatedRows, find_alike, repeated_rows

Floats = NDArray[np.float64]


def sample_rows(
    formula: Formula, learned: Learned, vectors: tuple[Floats, Floats, Floats], compress: bool | None
) -> MemoryRows | RepeatedRows:
    """Rows from the values of the factors and from outcomes, weights and offsets, alike ones once where that pays."""
    n, values = len(vectors[0]), learned.values
    alike = find_alike(values, vectors[2], n, compress)
    if alike is not None:
        n, values = len(alike.first), {text: column[alike.first] for text, column in values.items()}
    X = matrix(formula, learned, values, n)
    refuse_extreme(X, learned.names)
    return memory_rows(X, *vectors) if alike is None else repeated_rows(X, alike, *vectors)
