"""Many columns at once: outcomes or covariates given beside a frame, as one matrix with names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.alignment import by_label
from glminfer.data.columns import Column
from glminfer.errors import DataError, InputError, counted

Values = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ManyColumns:
    """Named columns in the row order of a frame, read one by one or as a matrix.

    Attributes
    ----------
    names : tuple of str
    frame : frame or None
        Where the columns are, if not in ``matrix`` alone.
    places : (n,) positions or None
        Row of ``frame`` for each row of the data; None when they are in the same order.
    matrix : (n_frame, m) array of numbers or bools, or None
        All columns at once, where they are of one kind.
    """

    names: tuple[str, ...]
    frame: Any
    places: NDArray[np.intp] | None
    matrix: Values | None

    def column(self, k: int) -> Column:
        """One column, a value for each row of the data."""
        if self.matrix is not None:
            values = self.matrix[:, k]
            return values if self.places is None else values[self.places]
        column = frames.take(self.frame, [self.names[k]]).data[self.names[k]]
        return column if self.places is None else frames.pick(column, self.places)

    def block(self) -> Values | None:
        """The whole matrix in the row order of the data, or None when the columns are of several kinds."""
        if self.matrix is None or self.places is None:
            return self.matrix
        return np.asarray(self.matrix[self.places])


def many_columns(given: Any, data: Any, what: str, names: Sequence[str] | None = None) -> ManyColumns:
    """Columns given as a frame, an array with names, or a list of names of columns of the data.

    Raises
    ------
    InputError
        For names that occur twice, no columns, or rows that are not those of the data.
    """
    if isinstance(given, str):
        raise InputError(f"{what}={given!r} is one name; give a list of columns, {what}=[{given!r}].")
    if isinstance(given, np.ndarray) and given.dtype.names is None:
        return _of_array(given, data, what, names)
    if type(given).__name__ == "Series":
        raise InputError(f"{what}= is one column, a Series; give a frame or a list of names, {what}=series.to_frame().")
    if names is not None:
        raise InputError(f"names= belongs to an array of {what}; here the columns have names already.")
    if isinstance(given, Sequence) and not hasattr(given, "columns"):
        return _of_names(given, data, what)
    found = _unique(frames.names(given), what)
    given = given.copy(deep=False) if isinstance(given, pd.DataFrame) else given
    return ManyColumns(found, given, _places(given, data, what), _numbers(given))


def _of_names(given: Sequence[Any], data: Any, what: str) -> ManyColumns:
    if not all(isinstance(name, str) for name in given):
        raise InputError(f"{what}= is a list; give names of columns of the data, a frame, or an array.")
    found = _unique(given, what)
    known = frames.names(data)
    for name in found:
        if name not in known:
            raise frames.unknown_column(name, known)
    part = data[list(found)] if isinstance(data, pd.DataFrame) and set(found) <= set(data.columns) else None
    return ManyColumns(found, data, None, None if part is None else _numbers(part))


def _of_array(given: NDArray[Any], data: Any, what: str, names: Sequence[str] | None) -> ManyColumns:
    if given.ndim != 2 or given.dtype.kind not in "biuf":
        raise InputError(
            f"{what}= is an array of shape {given.shape} and type {given.dtype}; give numbers or bools, one row per "
            f"row of the data and one column for each of the {what}, or a frame."
        )
    n = frames.length(data)
    if len(given) != n:
        raise DataError(f"{what}= has {counted(len(given), 'row')} and the data have {counted(n, 'row')}.")
    width = len(str(max(given.shape[1] - 1, 0)))
    form = f"{what.removesuffix('s')}_%0{width}d"
    chosen = [form % k for k in range(given.shape[1])] if names is None else names
    if len(chosen) != given.shape[1]:
        raise InputError(f"names= has {counted(len(chosen), 'name')} for {counted(given.shape[1], 'column')}.")
    found = _unique(chosen, what)
    return ManyColumns(found, None, None, given)


def _unique(given: Iterable[Any], what: str) -> tuple[str, ...]:
    names = tuple(map(str, given))
    if not names:
        raise InputError(f"{what}= has no columns, so there is nothing to fit.")
    if len(set(names)) < len(names):
        name = names[int(np.argmax(pd.Index(names).duplicated()))]
        raise InputError(f"{what}= has {name!r} more than once, and a table could not tell them apart. Rename one.")
    return names


def _places(given: Any, data: Any, what: str) -> NDArray[np.intp] | None:
    """Where each row of the data is among the rows given: by index labels for pandas, else by position."""
    n, found = frames.length(data), frames.length(given)
    if isinstance(given, pd.DataFrame):
        index = frames.index(data)
        return by_label(given.index, pd.RangeIndex(n) if index is None else index, what, "DataFrame")
    if found != n:
        raise DataError(f"{what}= has {counted(found, 'row')} and the data have {counted(n, 'row')}.")
    return None


def _numbers(given: Any) -> Values | None:
    """The columns as one matrix, when all are NumPy numbers or bools of one type."""
    if isinstance(given, pd.DataFrame):
        kinds = set(given.dtypes)
        kind = next(iter(kinds)) if len(kinds) == 1 else None
        return given.to_numpy() if isinstance(kind, np.dtype) and kind.kind in "biuf" else None
    if isinstance(given, Mapping):
        columns = list(given.values())
        kinds = {getattr(column, "dtype", None) for column in columns}
        kind = next(iter(kinds)) if len(kinds) == 1 else None
        plain = isinstance(kind, np.dtype) and kind.kind in "biuf" and all(np.ndim(c) == 1 for c in columns)
        return np.column_stack([np.asarray(c) for c in columns]) if plain and columns else None
    return None


def with_column(frame: Any, name: str, values: Any) -> Any:
    """A frame with one more column (or a column replaced), in the row order of the frame."""
    stored = _stored(values)
    if isinstance(frame, Mapping):
        return {**frame, name: stored}
    table = frames.to_pandas(frame).copy(deep=False)
    table[name] = stored
    return table


def with_columns(frame: Any, given: ManyColumns) -> Any:
    """A frame with many more columns."""
    stored = {name: _stored(given.column(k)) for k, name in enumerate(given.names)}
    if isinstance(frame, Mapping):
        return {**frame, **stored}
    table = frames.to_pandas(frame)
    kept = table[[name for name in table.columns if str(name) not in stored]]
    return pd.concat([kept, pd.DataFrame(stored, index=table.index)], axis=1)


def _stored(column: Column) -> Any:
    if isinstance(column, frames.Factor):
        return pd.Categorical.from_codes(column.codes, pd.Index(column.levels), ordered=column.ordered)
    if isinstance(column, frames.Masked):
        return pd.arrays.BooleanArray(column.values, column.mask) if column.values.dtype == bool else _nullable(column)
    return column


def _nullable(column: frames.Masked) -> Any:
    return pd.arrays.IntegerArray(column.values.astype(np.int64), column.mask)
