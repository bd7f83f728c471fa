"""Which rows are used and what the expressions give on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from glminfer.data import frames
from glminfer.data.columns import Mask
from glminfer.data.evaluation import Evaluator, Incomplete, States, Value, incomplete_rows
from glminfer.data.expressions import Expression, all_columns, expression
from glminfer.data.formula import spelled
from glminfer.data.frames import Columns
from glminfer.data.scope import Scope
from glminfer.data.selection import Selection, mask_of


def subset_mask(
    subset: Any, columns: Columns, frame: Any, scope: Scope, known: frozenset[str], n_rows: int | None = None
) -> Mask:
    """A subset, given as a condition on the columns or as a mask, as one bool for each row.

    ``n_rows``, for messages, is the number of rows of the data when the columns are a piece of them.
    """
    if not isinstance(subset, str):
        column = frames.aligned_column(subset, frame, "subset")
        return mask_of(column, "…", columns.n)
    condition = expression(spelled(subset), known)
    complete = Selection(columns.n)
    complete.leave_out_missing([(name, columns.data[name]) for name in condition.columns])
    if not complete.n:
        return np.zeros(columns.n, dtype=bool)
    value = Evaluator(chosen(columns, condition.columns, complete), scope).value(condition)
    mask = np.zeros(columns.n, dtype=bool)
    mask[complete.positions] = mask_of(value.column, repr(subset), n_rows or columns.n)
    return mask


def chosen(columns: Columns, names: Iterable[str], selection: Selection) -> Columns:
    """Some columns at the rows in use, without a copy while all rows are."""
    part = frames.take(columns, names)
    if selection.rows is None:
        return part
    return frames.select(part, selection.rows)


def evaluated(
    expressions: Sequence[Expression],
    columns: Columns,
    selection: Selection,
    scope: Scope,
    states: Mapping[str, States] | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Value]:
    """Values of all expressions on the rows where each of them has one.

    A row that misses one leaves, and all are evaluated anew without it: what a transform learns, it learns from the
    rows that are used.
    """
    while True:
        check()
        if not selection.n:
            return {}
        values, gone = one_pass(expressions, columns, selection, scope, states)
        if not gone:
            return values
        selection.leave_out(gone)


def one_pass(
    expressions: Sequence[Expression],
    columns: Columns,
    selection: Selection,
    scope: Scope,
    states: Mapping[str, States] | None = None,
) -> tuple[dict[str, Value], list[tuple[str, Mask]]]:
    """Values of the expressions on the rows in use, and which of these rows miss one, by expression."""
    evaluator = Evaluator(chosen(columns, all_columns(list(expressions)), selection), scope)
    values: dict[str, Value] = {}
    gone: list[tuple[str, Mask]] = []
    for found in expressions:
        if found.text in values:
            continue
        try:
            value = evaluator.value(found, None if states is None else states[found.text])
        except Incomplete as incomplete:
            gone.append((found.text, incomplete.rows))
            continue
        mask = incomplete_rows(value)
        if mask is not None:
            gone.append((found.text, mask))
        values[found.text] = value
    return values, gone
