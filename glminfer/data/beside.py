"""Covariates given beside a formula: many columns of numbers, without a name in the formula for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.columns import numbers
from glminfer.data.many_columns import many_columns
from glminfer.errors import DataError, counted

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Columns of numbers over all rows of the data.

    Attributes
    ----------
    names : tuple of str
    values : (n, k) float64
        NaN where missing; the array given, not a copy, when it is of this type and in the order of the rows.
    """

    names: tuple[str, ...]
    values: Floats

    def incomplete(self) -> list[tuple[str, Floats]]:
        """The columns that miss a value, by name."""
        at = [j for j in _not_finite(self.values) if np.isnan(self.values[:, j]).any()]
        return [(self.names[j], self.values[:, j]) for j in at]

    def rows(self, used: NDArray[np.intp]) -> Floats:
        """The columns at some positions; no copy when these are all rows. Infinite values are refused."""
        values = self.values if len(used) == len(self.values) else self.values[used]
        for j in _not_finite(values):
            count = int(np.isinf(values[:, j]).sum())
            if count:
                raise DataError(
                    f"covariates= has inf in column {self.names[j]!r} ({counted(count, 'row')}); look for a logarithm "
                    "of 0 or a division by 0."
                )
        return values


def beside(covariates: Any, data: Any) -> Beside:
    """Read covariates in the order of the rows of the data.

    Parameters
    ----------
    covariates : frame, dict of columns, array (n, k), or list of names of columns of the data
        A pandas frame goes by its index; anything else by position. The columns of an array are called x0, x1, …
    data : frame

    Raises
    ------
    InputError
        For a wrong number of rows, columns that are not numbers, or a name that occurs twice.
    """
    plain = isinstance(covariates, np.ndarray) and covariates.dtype.names is None and covariates.ndim == 2
    found = many_columns(
        covariates, data, "covariates", [f"x{j}" for j in range(covariates.shape[1])] if plain else None
    )
    block = found.block()
    if block is None:
        each = (numbers(found.column(k), name, "a covariate") for k, name in enumerate(found.names))
        block = np.column_stack(list(each))
    return Beside(found.names, np.asarray(block, dtype=np.float64))


def checked_against(names: tuple[str, ...], columns: tuple[str, ...]) -> None:
    """Refuse a covariate that has the name of a column of the formula."""
    both = set(names) & set(columns)
    if both:
        raise DataError(
            f"{min(both)!r} is a column of the formula and of covariates=; rename one, so that tables can tell them."
        )


def _not_finite(values: Floats) -> NDArray[np.intp]:
    """Columns with a missing or infinite value."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums = values.sum(axis=0)  # one pass without a temporary of the same size
    suspect = np.flatnonzero(~np.isfinite(sums))
    return suspect[~np.isfinite(values[:, suspect]).all(axis=0)]
