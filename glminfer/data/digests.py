"""What must be known of all values of an expression to learn a design, kept small: pieces of it can be put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from glminfer.data.columns import Column, Factor, Masked, pick, sorted_factor
from glminfer.data.evaluation import Value, count_infinite
from glminfer.errors import FormulaError


def digest(value: Value) -> Value:
    """A value with fewer rows: one for each level that has some, or each infinite number; columns stay."""
    column = value.column
    if isinstance(column, Factor):
        kept = Factor(np.unique(column.codes), column.levels, column.ordered)
        return Value(kept, value.contrast, value.states)
    if isinstance(column, Masked) or column.dtype.kind not in "bf":
        return Value(pick(column, slice(0, 0)), value.contrast, value.states)
    if column.dtype.kind == "b":
        return Value(distinct(column), value.contrast, value.states)
    if not count_infinite(value):
        return Value(column[:0], value.contrast, value.states)
    odd = np.isinf(column) if column.ndim == 1 else np.isinf(column).any(axis=1)
    return Value(column[odd], value.contrast, value.states)


def distinct(column: Column) -> Column:
    """The distinct values of a complete column."""
    if isinstance(column, Factor):
        return Factor(np.unique(column.codes), column.levels, column.ordered)
    if isinstance(column, Masked) or column.ndim > 1:
        return column
    if column.size:  # most outcomes have two values: no need to sort
        ends = np.unique([column.min(), column.max()])
        if ((column == ends[0]) | (column == ends[-1])).all():
            return ends
    return np.unique(column)


def together(a: Mapping[str, Value], b: Mapping[str, Value]) -> dict[str, Value]:
    """Digests of two pieces as one; a piece without rows in use has none."""
    both = {text: replace(a[text], column=joint(a[text].column, b[text].column, text)) for text in a if text in b}
    return {**a, **b, **both}


def joint(a: Any, b: Any, text: str) -> Column:
    """Digests of a column as one; levels that differ are those of values, and sorted."""
    if isinstance(a, Factor) != isinstance(b, Factor):
        raise FormulaError(
            f"{text} gives labels for some rows and numbers for others; it must give the same kind for all of them."
        )
    if not isinstance(a, Factor):
        return np.concatenate([a, b])
    if a.levels == b.levels:
        return Factor(np.union1d(a.codes, b.codes), a.levels, a.ordered)
    levels = list(dict.fromkeys((*a.levels, *b.levels)))
    place = {level: i for i, level in enumerate(levels)}
    used = [place[f.levels[code]] for f in (a, b) for code in f.codes.tolist()]
    found = sorted_factor(np.arange(len(levels)), levels)
    return Factor(np.unique(found.codes[used]), found.levels, a.ordered)
