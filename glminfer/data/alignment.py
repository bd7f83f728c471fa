"""Values given beside a frame, brought into the order of its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.errors import DataError, counted


def in_frame_order(value: Any, index: pd.Index | None, n: int, what: str) -> Any:
    """An array or Series as ``n`` values in the order of the rows.

    A pandas Series goes by its index labels; where the frame has none, its rows are numbered from 0.

    Raises
    ------
    DataError
        For a wrong length, labels that are not there, or labels that occur twice.
    """
    if isinstance(value, pd.Series):
        return _by_label(value, pd.RangeIndex(n) if index is None else index, what)
    if isinstance(value, pd.DataFrame):
        raise DataError(f"{what}= is a DataFrame of {value.shape[1]} columns; give one column, {what}=frame['name'].")
    values = value if hasattr(value, "dtype") or not hasattr(value, "to_numpy") else value.to_numpy()
    if np.ndim(values) == 0:
        raise DataError(f"{what}= is {value!r}; give a column name or one value for each of the {counted(n, 'row')}.")
    values = values if hasattr(values, "dtype") else np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if len(values) != n:
        raise DataError(
            f"{what}= has {counted(len(values), 'value')} and the data have {counted(n, 'row')}. {_WAY_OUT}"
        )
    return values.to_numpy() if type(values).__module__.startswith(("polars", "pyarrow")) else values


_WAY_OUT = "Give one value for each row of the data as passed, or put the values into a column and name it."


def _by_label(series: pd.Series, index: pd.Index, what: str) -> Any:
    places = by_label(series.index, index, what, "Series")
    return series if places is None else series.iloc[places]


def by_label(given: pd.Index, index: pd.Index, what: str, kind: str) -> NDArray[np.intp] | None:
    """Where the rows of the data are among labels that were given; None when they are the same."""
    if given is index or given.equals(index):
        return None
    _check_labels(given, index, what)
    places = given.get_indexer(index)
    absent = places < 0
    if absent.any():
        label = _plain(index[int(np.argmax(absent))])
        raise DataError(
            f"{what}= is a {kind} of {counted(len(given), 'value' if kind == 'Series' else 'row')} whose index lacks "
            f"{counted(int(absent.sum()), 'row')} of the data ({counted(len(index), 'row')}), such as {label!r}. "
            f"A {kind} goes by its index; for values in row order give an array, {what}.to_numpy()."
        )
    return np.asarray(places, dtype=np.intp)


def _check_labels(given: pd.Index, index: pd.Index, what: str) -> None:
    for owner, labels in ((f"{what}=", given), ("the data", index)):
        if not labels.is_unique:
            label = _plain(labels[int(np.argmax(labels.duplicated()))])
            raise DataError(
                f"The index of {owner} has labels that occur more than once, such as {label!r}, so the {what} "
                "cannot be aligned with the rows. Put them into a column, or call reset_index(drop=True) on both."
            )
    if _is_numbering(given) and _is_numbering(index) and len(given) != len(index):
        raise DataError(
            f"{what}= has {counted(len(given), 'value')} and the data have {counted(len(index), 'row')}. {_WAY_OUT}"
        )


def _is_numbering(index: pd.Index) -> bool:
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
