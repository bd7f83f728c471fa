"""Reading the values of one column, and printing values in messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import DataError, counted

Array = NDArray[Any]


class UnseenLevels(DataError):
    """A transform met levels it has learned nothing of; carries the mask of their rows."""

    def __init__(self, message: str, rows: NDArray[np.bool_]) -> None:
        super().__init__(message)
        self.rows = rows


def labels_of(values: Any) -> tuple[Array, tuple[Any, ...]] | None:
    """Codes and levels of labelled values (factors, pandas Categoricals, strings); None for numbers."""
    if hasattr(values, "codes"):
        return np.asarray(values.codes), tuple(values.levels if hasattr(values, "levels") else values.categories)
    if np.asarray(values).dtype.kind not in "OUST":
        return None
    return distinct(np.asarray(values))


def distinct(array: Array) -> tuple[Array, tuple[Any, ...]]:
    """Codes and sorted distinct values."""
    found, codes = np.unique(array, return_inverse=True)
    return codes, tuple(found.tolist())


def used_levels(codes: Array, levels: tuple[Any, ...]) -> tuple[Any, ...]:
    """The levels that have a row, in their order."""
    return tuple(levels[i] for i in np.flatnonzero(np.bincount(codes, minlength=len(levels))))


def shown(values: Iterable[Any], most: int = 6) -> str:
    """Values as printed in messages: ``1, 2 and 3``, or the first few of many."""
    known = list(values)
    words = [_word(v) for v in known[:most]]
    if len(known) > most:
        return ", ".join([*words, "…"])
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _word(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) else repr(value)


def shown_distinct(array: Array) -> str:
    """The distinct values of an array as printed in messages."""
    return shown(np.unique(array).tolist())


def numbers_of(values: Any) -> NDArray[np.float64]:
    """One or several columns of numbers as float64; labels are refused by value."""
    labels = labels_of(values)
    if labels is not None:
        raise DataError(f"needs numbers, and was given labels ({shown(labels[1])}).")
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DataError(f"needs numbers, and was given a column of {array.dtype}.")
    return array.astype(np.float64, copy=False)


def column_of(values: Any) -> NDArray[np.float64]:
    """A single column of numbers, (n,)."""
    array = numbers_of(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"takes one column, and was given an array of shape {array.shape}.")
    return array


def known_rows(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows to learn from: those without NaN (such rows are dropped later, and counted); inf is refused."""
    missing = _in_any_column(np.isnan(array))
    known = array[~missing] if missing.any() else array
    infinite = _in_any_column(np.isinf(known))
    if infinite.any():
        raise DataError(
            f"was given inf in {counted(int(infinite.sum()), 'row')}; look for a logarithm of 0 or a division by 0."
        )
    if not len(known):
        raise DataError("was given no rows to learn from.")
    return known


def _in_any_column(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask if mask.ndim == 1 else np.asarray(mask.any(axis=1))


def whole_number(option: str, value: Any, least: int) -> int:
    """The value of an option that counts something."""
    if isinstance(value, int | float | np.number) and float(value).is_integer() and value >= least:
        return int(value)
    raise DataError(f"{option}={value!r} must be a whole number, {least} or more.")


def refuse_outside(x: NDArray[np.float64], low: float, high: float, learned: str, way_out: str) -> None:
    """Refuse values beyond the range a basis was learned on."""
    outside = x[(x < low) | (x > high)]
    if outside.size:
        raise DataError(
            f"{counted(outside.size, 'row')} ({shown_distinct(outside)}) fell outside the range {low:g} to {high:g} "
            f"that {learned} learned on, where nothing is known about the curve. {way_out}"
        )
