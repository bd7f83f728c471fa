"""Which rows are used: subset, missing values by cause, and what is said about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.columns import Column, Factor, Mask, Masked, any_missing, missing
from glminfer.errors import DataError, counted, every

Rows = NDArray[np.intp]


@dataclass(slots=True)
class Selection:
    """The rows still in use while a sample is put together, and why the others left.

    Attributes
    ----------
    n_given : int
        Rows of the data.
    rows : array of positions, or None
        None while every row is in use, so that nothing needs to be copied.
    n_rows : int
        Rows after ``subset``.
    causes : dict
        Rows lost to each column, expression or argument; a row may be lost to several.
    after_subset : slice or positions
        The rows ``subset`` leaves, missing values or not.
    """

    n_given: int
    rows: Rows | None = None
    n_rows: int = -1
    causes: dict[str, int] = field(default_factory=dict)
    after_subset: slice | Rows = field(default_factory=lambda: slice(None))

    def __post_init__(self) -> None:
        if self.n_rows < 0:
            self.n_rows = self.n_given

    @property
    def n(self) -> int:
        """Rows in use."""
        return self.n_given if self.rows is None else len(self.rows)

    @property
    def n_dropped(self) -> int:
        """Rows lost to missing values."""
        return self.n_rows - self.n

    @property
    def positions(self) -> Rows:
        """Positions of the rows in use."""
        return np.arange(self.n_given) if self.rows is None else self.rows

    def places(self) -> Rows:
        """For every row given its place among the rows in use, -1 where it is not."""
        places = np.full(self.n_given, -1)
        places[self.positions] = np.arange(self.n)
        return places

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """The rows in use of an array over all rows."""
        return array if self.rows is None else array[self.rows]

    def subset(self, mask: Mask) -> None:
        """Keep the rows of a mask over all rows."""
        if not mask.all():
            self.rows = np.flatnonzero(mask)
            self.after_subset, self.n_rows = self.rows, len(self.rows)

    def leave_out(self, gone: Sequence[tuple[str, Mask]]) -> None:
        """Drop rows jointly, given masks over the rows in use by cause."""
        for cause, mask in gone:
            self.causes[cause] = self.causes.get(cause, 0) + int(np.count_nonzero(mask))
        if gone:
            keep = ~np.logical_or.reduce([mask for _, mask in gone])
            self.rows = self.positions[keep]

    def leave_out_among(self, rows: Rows, gone: Sequence[tuple[str, Mask]]) -> None:
        """The same for masks over the rows that were in use before others left."""
        out = np.zeros(self.n_given, dtype=bool)
        for cause, mask in gone:
            self.causes[cause] = self.causes.get(cause, 0) + int(np.count_nonzero(mask))
            out[rows[mask]] = True
        self.rows = self.positions[~out[self.positions]]

    def leave_out_missing(self, columns: Sequence[tuple[str, Column]]) -> None:
        """Drop the rows that miss a value in any of some columns over all rows."""
        found = [(name, self.of(missing(column))) for name, column in columns if any_missing(column)]
        self.leave_out([(name, mask) for name, mask in found if mask.any()])

    def told(self) -> str:
        """What became of the rows: ``400 rows, 100 dropped: 100 missing in z``; empty when all are used."""
        if not self.n_dropped:
            return ""
        return f"{counted(self.n_rows, 'row')}, {self.n_dropped:,} dropped: {self.reasons()}"

    def notes(self) -> list[str]:
        """What a fit notes of its rows."""
        subset = f"subset: {self.n_rows:,} of {counted(self.n_given, 'row')}" if self.n_rows < self.n_given else ""
        return [note for note in (subset, self.told()) if note]

    def lost(self) -> str:
        """The same as an aside in an error message."""
        if not self.n_dropped:
            return ""
        verb = "was" if self.n_dropped == 1 else "were"
        return f"{self.n_dropped:,} of {counted(self.n_rows, 'row')} {verb} dropped: {self.reasons()}"

    def reasons(self) -> str:
        """Counts by cause."""
        return ", ".join(f"{count:,} missing in {cause}" for cause, count in self.causes.items())

    def check(self, missing_rows: str) -> None:
        """Refuse an empty sample, and any missing value when ``missing`` is "raise"."""
        if not self.n_given:
            raise DataError("The data have no rows, so there is nothing to fit.")
        if not self.n_rows:
            raise DataError(f"subset= leaves none of the {counted(self.n_given, 'row')}, so there is nothing to fit.")
        if self.n_dropped and missing_rows == "raise":
            verb = "have" if self.n_dropped > 1 else "has"
            raise DataError(
                f"{self.n_dropped:,} of {counted(self.n_rows, 'row')} {verb} missing values "
                f"({self.reasons()}) and missing='raise'. Fill them, or leave them out with missing='drop'."
            )
        if not self.n:
            raise DataError(
                f"No rows are left to fit: {every(self.n_rows, 'row')} {'have' if self.n_rows > 1 else 'has'} missing "
                f"values ({self.reasons()}). "
                "Leave the emptiest column out of the formula."
            )


def mask_of(column: Any, what: str, n: int) -> Mask:
    """A subset as a mask: bools, missing values read as False."""
    if isinstance(column, Masked):
        column = np.where(column.mask, False, column.values)
    if isinstance(column, Factor) or column.dtype.kind != "b":
        kind = "labels" if isinstance(column, Factor) else f"numbers ({column.dtype})"
        raise DataError(
            f"subset={what} gives {kind}, but it must be True or False for each of the {counted(n, 'row')}; "
            "write a condition such as 'rt < 2'."
        )
    return np.asarray(column)
