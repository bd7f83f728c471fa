"""Columns that lag() and history() make of other rows, computed over all rows before any is left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from glminfer.data.columns import Column, Factor, Masked, factorised, taken
from glminfer.data.expressions import Expression, Sequence
from glminfer.data.frames import Columns
from glminfer.data.learning import evaluated
from glminfer.data.scope import Scope
from glminfer.data.selection import Selection
from glminfer.data.sequential import SEQUENTIAL, Codes
from glminfer.errors import DataError, FormulaError


def with_sequences(columns: Columns, expressions: Iterable[Expression], scope: Scope) -> Columns:
    """The columns, and under its text each call of lag() and history() among the expressions."""
    found = [sequence for e in expressions for sequence in e.sequences]
    for sequence in found:
        if sequence.text not in columns.data:
            columns = with_sequences(columns, sequence.parts, scope)
            columns = replace(columns, data={**columns.data, sequence.text: _computed(sequence, columns, scope)})
    return columns


def _computed(sequence: Sequence, columns: Columns, scope: Scope) -> Column:
    x = _over_all_rows(sequence.x, columns, scope, sequence.text)
    by = None if sequence.by is None else _sessions(_over_all_rows(sequence.by, columns, scope, sequence.text))
    try:
        return SEQUENTIAL[sequence.function](x, by=by, **dict(sequence.options))
    except DataError as error:
        raise DataError(f"{sequence.function}(): {error}") from None


def _over_all_rows(found: Expression, columns: Columns, scope: Scope, text: str) -> Column:
    """One column from an expression: its values where what it needs is there, missing elsewhere."""
    selection = Selection(columns.n)
    selection.leave_out_missing([(name, columns.data[name]) for name in found.columns])
    values = evaluated([found], columns, selection, scope)
    if not values:
        return np.full(columns.n, np.nan)
    value = values[found.text]
    if value.states or value.contrast is not None:
        raise FormulaError(
            f"{found.text} in {text}: functions that learn from the rows of the fit, and codings of factors, go "
            "outside of it, as in center(lag(x, 1))."
        )
    if not isinstance(value.column, Factor | Masked) and value.column.ndim > 1:
        raise FormulaError(f"{found.text} in {text} is a matrix; write one term for each of its columns.")
    return taken(value.column, selection.places())


def _sessions(by: Column) -> Codes:
    """A number for each session, -1 where it is missing."""
    if isinstance(by, Masked):
        codes = factorised(by.values).codes
        return np.where(by.mask, -1, codes)
    return np.asarray((by if isinstance(by, Factor) else factorised(by)).codes, dtype=np.intp)
