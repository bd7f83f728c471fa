"""Rows that follow each other: which belong to one session, and in which order they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Column, Factor, Masked, missing, numbers, pick
from glminfer.errors import DataError, FormulaError, counted

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sessions:
    """Some rows, session by session and in order within each.

    Attributes
    ----------
    name : str
        What a session is called: "session", "mouse × session"; empty when all rows are one.
    labels : tuple
        The value of each session, in the order in which they first occur.
    codes : (n,)
        Session 0 … G-1 of each row.
    rows : (n,)
        Positions of the rows: those of session 0 in their order, then those of session 1, …
    starts : (G + 1,)
        Where each session starts in ``rows``.
    """

    name: str
    labels: tuple[Any, ...]
    codes: Codes
    rows: Codes
    starts: Codes

    @property
    def lengths(self) -> Codes:
        """Rows of each session, (G,)."""
        return np.diff(self.starts)

    @property
    def count(self) -> int:
        """Number of sessions."""
        return len(self.starts) - 1

    def label(self, code: int) -> str:
        """``session = 'Ada-1'``."""
        return f"{self.name} = {self.labels[code]!r}" if self.name else "the data"

    def told(self) -> str:
        """``3 sessions of mouse``; ``all rows``."""
        return f"{self.count:,} groups of {self.name}" if self.name else "all rows"


def sessions(data: Any, rows: Codes, order: Any = None, by: Any = None) -> Sessions:
    """Put rows of a frame into sessions and into their order.

    Parameters
    ----------
    data : frame
    rows : (n,) int
        The rows asked about, as positions in the frame.
    order : str, Series or array, optional
        Numbers that grow from each row to the next within a session; by default the order of the frame.
    by : str, list of str, Series or array, optional
        What tells sessions apart; by default all rows are one session.

    Raises
    ------
    DataError
        If a value is missing in one of the rows, or two rows of a session have the same place in the order.
    """
    ways = [_codes(item, data, rows) for item in _items(by, data)]
    codes, labels = _crossed([(codes, labels) for _, codes, labels in ways], len(rows))
    name = " × ".join(name for name, _, _ in ways)
    place = None if order is None else _places(order, data, rows)
    arranged = np.argsort(codes, kind="stable") if place is None else np.lexsort((place, codes))
    found = Sessions(name, labels, codes, arranged, np.append(0, np.cumsum(np.bincount(codes, minlength=len(labels)))))
    if place is not None:
        _refuse_ties(found, place, order)
    return found


def _items(by: Any, data: Any) -> list[Any]:
    """One item per column that tells sessions apart; a list of names is several, other values are one column."""
    if by is None:
        return []
    names = isinstance(by, list | tuple) and all(isinstance(item, str) for item in by)
    return list(by) if names and (len(by) != frames.length(data) or set(by) <= set(frames.names(data))) else [by]


def _column(value: Any, data: Any, rows: Codes, what: str) -> tuple[str, Column]:
    """Name and values of a column on the rows asked about, none of them missing."""
    try:
        column = (frames.label_column if what == "by" else frames.aligned_column)(value, data, what)
    except FormulaError as error:
        raise FormulaError(f"{error} A column added since the fit is given by its values, {what}=data[…].") from None
    if len(rows) and len(column) <= rows.max():
        raise DataError(f"The data of the fit now have {counted(len(column), 'row')}, fewer than when it was fitted.")
    name = value if isinstance(value, str) else str(getattr(value, "name", None) or what)
    column = pick(column, rows)
    gone = int(np.count_nonzero(missing(column)))
    if gone:
        raise DataError(
            f"{what}: {name} is missing in {gone:,} of the {counted(len(rows), 'row')} used, so it is not known where "
            f"they belong. Fill the values, or refit without these rows: subset=data[{name!r}].notna()."
        )
    return name, column


def _codes(item: Any, data: Any, rows: Codes) -> tuple[str, Codes, tuple[Any, ...]]:
    name, column = _column(item, data, rows, "by")
    return (name, *coded(column))


def coded(column: Column) -> tuple[Codes, tuple[Any, ...]]:
    """Codes 0, 1, … of the values of a column in the order in which they first occur, and the values."""
    if isinstance(column, Factor):
        codes, found = pd.factorize(column.codes)
        values = np.asarray(column.levels, dtype=object)[found]
    else:
        codes, values = pd.factorize(column.values if isinstance(column, Masked) else column)
    return codes.astype(np.intp, copy=False), tuple(np.asarray(values).tolist())


def _crossed(ways: Sequence[tuple[Codes, tuple[Any, ...]]], n: int) -> tuple[Codes, tuple[Any, ...]]:
    if not ways:
        return np.zeros(n, dtype=np.intp), ("all rows",)
    codes, labels = ways[0]
    for others, names in ways[1:]:
        codes, found = coded(codes * np.intp(len(names)) + others)
        labels = tuple((labels[k // len(names)], names[k % len(names)]) for k in found)
    return codes, labels


def _places(order: Any, data: Any, rows: Codes) -> NDArray[np.float64]:
    name, column = _column(order, data, rows, "order")
    return numbers(column, name, "order=, which needs numbers that grow from row to row")


def _refuse_ties(found: Sessions, place: NDArray[np.float64], order: Any) -> None:
    at, codes = place[found.rows], found.codes[found.rows]
    tied = np.flatnonzero((np.diff(at) == 0) & (np.diff(codes) == 0))
    if len(tied):
        name = order if isinstance(order, str) else str(getattr(order, "name", None) or "order")
        where = found.label(int(codes[tied[0]]))
        more = "more columns in by= tell sessions apart" if found.name else "by= says which rows are one session"
        raise DataError(
            f"order: {name} is {at[tied[0]]:g} in more than one row of {where}, so their order is not known; {more}."
        )
