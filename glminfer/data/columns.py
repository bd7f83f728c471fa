"""One column: a NumPy array of numbers or bools, or a factor of codes and levels, whatever it was stored as."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.errors import DataError

Mask = NDArray[np.bool_]
_ROWS = 1 << 16  # rows looked at at once


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A column of labels.

    Attributes
    ----------
    codes : (n,) integer array
        Position in ``levels``; -1 is missing.
    levels : tuple
        Text, numbers or bools, in category order or sorted.
    ordered : bool
        Whether the column was declared ordered.
    """

    codes: NDArray[np.signedinteger[Any]]
    levels: tuple[Any, ...]
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """A column of integers or bools of which some are missing (``mask`` True)."""

    values: NDArray[Any]
    mask: Mask

    def __len__(self) -> int:
        return len(self.values)


_FEW = 5000  # labels up to which Python objects are coded sooner than Arrow's

Column = NDArray[Any] | Factor | Masked


def missing(column: Column) -> Mask:
    """True where the value is missing."""
    if isinstance(column, Factor):
        return column.codes < 0
    if isinstance(column, Masked):
        return column.mask
    if column.dtype.kind == "f":
        gone = np.isnan(column)
        return gone if gone.ndim == 1 else np.asarray(gone.any(axis=1))
    return np.zeros(len(column), dtype=bool)


def any_missing(column: Column) -> bool:
    """Whether any value is missing; cheaper than the mask."""
    if isinstance(column, Factor):
        return bool(column.codes.size and column.codes.min() < 0)
    if isinstance(column, Masked):
        return bool(column.mask.any())
    # a sum is one pass and NaN only if a NaN (or both infinities) went in
    return (
        column.dtype.kind == "f" and bool(np.isnan(np.add.reduce(column, axis=None))) and bool(np.isnan(column).any())
    )


def pick(column: Column, rows: NDArray[Any] | slice) -> Column:
    """The rows at these positions; a masked column without missing values among them becomes plain."""
    if isinstance(column, Factor):
        return Factor(column.codes[rows], column.levels, column.ordered)
    if isinstance(column, Masked):
        mask, values = column.mask[rows], np.asarray(column.values[rows])
        return Masked(values, mask) if mask.any() else values
    return np.asarray(column[rows])


def taken(column: Column, rows: NDArray[np.intp]) -> Column:
    """The rows at these positions, with a missing value where the position is -1."""
    gone = rows < 0
    if not gone.any():
        return pick(column, rows)
    if isinstance(column, Factor):
        return Factor(np.where(gone, -1, column.codes[rows]), column.levels, column.ordered)
    if isinstance(column, Masked):
        return Masked(column.values[rows], column.mask[rows] | gone)
    values = column[rows]
    if values.dtype.kind != "f":
        return Masked(values, gone)
    values[gone] = np.nan
    return values


def numbers(column: Column, name: str, what: str) -> NDArray[np.float64]:
    """The column as floats with NaN where missing, or an error that says what it was meant to be."""
    if isinstance(column, Factor):
        raise DataError(f"{name} is a column of labels ({_few(column.levels)}) and cannot be used as {what}.")
    if isinstance(column, Masked):
        return np.where(column.mask, np.nan, column.values).astype(np.float64)
    return np.asarray(column, dtype=np.float64)


def column_of(values: Any, name: str) -> Column:
    """Convert stored values (pandas Series, extension array, NumPy array, list) to a `Column`.

    Raises
    ------
    DataError
        For dates, durations, complex numbers, mixed types and nested values, with the way out.
    """
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype):
        return _from_numpy(values.to_numpy() if isinstance(values, pd.Series) else np.asarray(values), name)
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_categorical(values, name)
    if isinstance(dtype, pd.StringDtype):
        return _from_strings(values)
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return _from_extension(pd.Series(values), name)
    return _from_numpy(np.asarray(values), name)


def label_column_of(values: Any, name: str) -> Column:
    """The same for a column of labels: dates, too, are labels, in the order of time."""
    try:
        return column_of(values, name)
    except DatesError:
        dates = pd.Series(values)
        text = dates.astype(str).astype(object)
        return _from_strings(text.where(dates.notna(), None).to_numpy())


# NumPy ---------------------------------------------------------------------------------------------------------------


def _from_numpy(array: NDArray[Any], name: str) -> Column:
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}; a column has one value per row.")
    kind = array.dtype.kind
    if kind in "biu" or (kind == "f" and array.dtype.itemsize in (4, 8)):
        return array
    if kind == "f":
        return array.astype(np.float64)
    if kind in "UST":
        return _from_strings(array.astype(object))
    if kind in "mM":
        raise _dates(name, str(array.dtype))
    if kind == "c":
        raise DataError(f"{name} holds complex numbers; use its real and imaginary parts, or abs, as columns.")
    return _from_objects(array, name)


def _from_objects(array: NDArray[Any], name: str) -> Column:
    kind = pd.api.types.infer_dtype(array, skipna=True)
    if kind in {"string", "bytes"}:
        return _from_strings(array)
    if kind == "empty":
        return np.full(len(array), np.nan)
    if kind in {"boolean", "integer", "floating", "mixed-integer-float", "decimal"}:
        return _from_python_numbers(array, kind)
    if kind in _DATES:
        raise _dates(name, kind)
    raise _mixed(array, name, kind)


def _from_python_numbers(array: NDArray[Any], kind: str) -> Column:
    gone = pd.isna(array)
    if kind in {"boolean", "integer"}:
        plain: Any = np.bool_ if kind == "boolean" else np.int64
        try:
            values = np.where(gone, plain(0), array).astype(plain)
        except OverflowError:
            return _floats(array, gone)
        return Masked(values, gone) if gone.any() else values
    return _floats(array, gone)


def _floats(array: NDArray[Any], gone: Mask) -> NDArray[np.float64]:
    return np.where(gone, np.nan, array).astype(np.float64)


# labels --------------------------------------------------------------------------------------------------------------


def _from_strings(values: Any) -> Factor:
    array: Any = values.array if isinstance(values, pd.Series) else values
    if len(array) < _FEW:
        array = np.asarray(array, dtype=object)
    codes, found = pd.factorize(array)
    return sorted_factor(codes, [_text(level) for level in np.asarray(found, dtype=object).tolist()])


def _text(level: Any) -> str:
    return level.decode("utf-8", "backslashreplace") if isinstance(level, bytes) else str(level)


def sorted_factor(codes: NDArray[Any], found: list[Any]) -> Factor:
    """A factor whose levels are sorted, from codes into an unsorted list of levels."""
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty(len(found) + 1, dtype=np.int16 if len(found) < 2**15 else np.int64)
    rank[order] = np.arange(len(found))
    rank[-1] = -1  # code -1, missing, stays -1
    return Factor(rank[codes], tuple(found[i] for i in order))


def _from_categorical(values: Any, name: str) -> Factor:
    array = values.array if isinstance(values, pd.Series) else values
    if not isinstance(array, pd.Categorical):
        array = pd.Categorical(array)
    categories = array.categories
    kind = categories.dtype.kind if isinstance(categories.dtype, np.dtype) else "O"
    levels = tuple(_plain(level) for level in categories) if kind in "biufO" else tuple(map(str, categories))
    if not all(isinstance(level, str | int | float | bool) for level in levels):
        levels = tuple(map(str, levels))
    if len(set(levels)) < len(levels):
        raise DataError(f"{name} has two categories that read the same ({_few(levels)}); rename one of them.")
    return Factor(array.codes, levels, bool(array.ordered))


def distinct_numbers(column: Column) -> list[Any]:
    """The distinct values of a numeric column; none for labels and bools, whose levels are known anyway."""
    if isinstance(column, Factor):
        return []
    values = column.values[~column.mask] if isinstance(column, Masked) else column
    values = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return [] if values.dtype.kind == "b" else pd.unique(values).tolist()


def _plain(level: Any) -> Any:
    return level.item() if isinstance(level, np.generic) else level


def occurring(codes: NDArray[Any], size: int) -> Mask:
    """Which of the codes 0, …, size - 1 occur; where all do, the first rows tell."""
    there = np.zeros(size, dtype=bool)
    for start in range(0, len(codes), _ROWS):
        there[codes[start : start + _ROWS]] = True
        if there.all():
            break
    return there


def factorised(array: NDArray[Any]) -> Factor:
    """Numbers or bools as a factor with sorted levels; bools always have both."""
    if array.dtype.kind == "b":
        return Factor(array.astype(np.intp), (False, True))
    codes, found = pd.factorize(array)
    return sorted_factor(codes, found.tolist())


# extension types -----------------------------------------------------------------------------------------------------


def _from_extension(series: pd.Series, name: str) -> Column:
    kind = getattr(series.dtype, "kind", "O")
    if kind in "mM" or isinstance(series.dtype, pd.PeriodDtype):
        raise _dates(name, str(series.dtype))
    if "dictionary" in str(series.dtype):
        return _from_categorical(series.astype("category"), name)
    if isinstance(series.dtype, pd.IntervalDtype):
        return _from_categorical(series.astype("category"), name)
    if kind in "biu":
        return _from_masked(series, np.dtype(bool) if kind == "b" else np.dtype(np.int64))
    if kind == "f":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return _from_objects(np.asarray(series.astype(object)), name)


def _from_masked(series: pd.Series, plain: np.dtype[Any]) -> Column:
    gone = series.isna().to_numpy(dtype=bool)
    if not gone.any():
        return series.to_numpy(dtype=plain)
    return Masked(series.to_numpy(dtype=plain, na_value=plain.type(0)), gone)


# errors --------------------------------------------------------------------------------------------------------------


_DATES = {"datetime64", "datetime", "date", "timedelta64", "timedelta", "time", "period"}


class DatesError(DataError):
    """A column of dates, times or time spans where numbers or labels are needed."""


def _dates(name: str, kind: str) -> DatesError:
    span = "delta" in kind or kind.startswith("m8") or "duration" in kind
    way = f"{name}.dt.total_seconds()" if span else f"({name} - {name}.min()).dt.total_seconds()"
    return DatesError(
        f"{name} holds {'time spans' if span else 'dates or times'} ({kind}), which have no natural unit in a model. "
        f"Add a column of numbers, such as {way}, or of labels, and use that."
    )


def _mixed(array: NDArray[Any], name: str, kind: str) -> DataError:
    types: dict[str, Any] = {}
    for value in array[~pd.isna(array)][:100_000]:
        types.setdefault(type(value).__name__, value)
    told = " and ".join(f"{kind} (such as {value!r})" for kind, value in list(types.items())[:3]) or kind
    return DataError(
        f"{name} holds {told}; a column is numbers or labels. Convert it, for example with .astype(str) for labels."
    )


def _few(levels: Iterable[Any], most: int = 5) -> str:
    known = list(levels)
    return ", ".join(map(repr, known[:most])) + (", …" if len(known) > most else "")
