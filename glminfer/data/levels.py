"""Levels of a table in pieces: each piece knows its own, all of them together have those of the table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from glminfer.data.columns import Column, Factor
from glminfer.data.frames import Columns

Levels = dict[str, tuple[tuple[Any, ...], bool]]  # of columns of labels: their levels, and whether these are ordered


def levels_of(columns: Columns) -> Levels:
    """The levels of one piece."""
    factors = {name: column for name, column in columns.data.items() if isinstance(column, Factor)}
    return {name: (factor.levels, factor.ordered) for name, factor in factors.items()}


def united(found: Iterable[Levels], declared: Collection[str]) -> Levels:
    """Levels of all pieces: in the order in which they come where they were declared, else sorted."""
    every: dict[str, dict[Any, None]] = {}
    ordered: dict[str, bool] = {}
    for piece in found:
        for name, (levels, is_ordered) in piece.items():
            every.setdefault(name, {}).update(dict.fromkeys(levels))
            ordered[name] = is_ordered
    return {
        name: (tuple(levels) if name in declared else tuple(sorted(levels)), ordered[name])
        for name, levels in every.items()
    }


def conformed(columns: Columns, known: Levels) -> Columns:
    """A piece with the levels of the whole table."""
    data = {name: _recoded(column, *known[name]) if name in known else column for name, column in columns.data.items()}
    return Columns(data, None, columns.n)


def _recoded(column: Column, levels: tuple[Any, ...], ordered: bool) -> Factor:
    if not isinstance(column, Factor):  # a piece in which all is missing has numbers where others have labels
        return Factor(np.full(len(column), -1, dtype=np.int32), levels, ordered)
    place = {level: i for i, level in enumerate(levels)}
    return Factor(np.array([*(place[level] for level in column.levels), -1], np.int32)[column.codes], levels, ordered)
