"""The columns beside X: outcome, prior weights and offset on the used rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.evaluation import Value, refuse_infinite
from glminfer.data.expressions import Expression
from glminfer.errors import DataError, counted

Floats = NDArray[np.float64]


def outcome(pieces: Sequence[Expression], values: Mapping[str, Value]) -> list[tuple[str, Any]]:
    """Name and values of each part of the left side."""
    for piece in pieces:
        refuse_infinite(values[piece.text], piece.text)
    return [(piece.column or piece.text, values[piece.text].column) for piece in pieces]


def prior_weights(weights: Floats | None, n: int) -> Floats:
    """Prior weights, 1 where none are given; negative and infinite ones are refused."""
    if weights is None:
        return np.ones(n)
    negative = int(np.count_nonzero(weights < 0))
    if negative:
        raise DataError(
            f"weights= is negative in {counted(negative, 'row')} (smallest {weights.min():g}); a weight is how many "
            "times a row counts, 0 or more."
        )
    refuse_infinite_values(weights, "weights=")
    return weights


def refuse_infinite_values(values: Floats, what: str) -> None:
    """Raise when a weight or an offset is infinite."""
    refuse_infinite(Value(values), what)


def offset(expressions: Sequence[Expression], values: Mapping[str, Value], extra: Floats | None, n: int) -> Floats:
    """The sum of ``offset=`` and every ``offset()`` of the formula."""
    total = np.zeros(n)
    if extra is not None:
        refuse_infinite_values(extra, "offset=")
        total += extra
    for found in expressions:
        total += numeric_offset(found.text, values[found.text])
    return total


def numeric_offset(text: str, value: Value) -> Floats:
    """The value of one ``offset()`` as floats."""
    column = value.column
    if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "biuf":
        raise DataError(f"offset({text}) must be one column of numbers.")
    refuse_infinite(value, f"offset({text})")
    return column.astype(np.float64, copy=False)
