"""Any data frame to the used columns as NumPy arrays or coded factors. The only module that knows narwhals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.alignment import in_frame_order
from glminfer.data.columns import (
    Column,
    Factor,
    Masked,
    any_missing,
    column_of,
    label_column_of,
    missing,
    numbers,
    pick,
)
from glminfer.data.dictionaries import column_values, dict_length
from glminfer.data.pieces import InPieces, in_pieces
from glminfer.errors import DataError, FormulaError, nearest

__all__ = [
    "Column",
    "Columns",
    "Factor",
    "Masked",
    "aligned",
    "aligned_column",
    "any_missing",
    "index",
    "label_column",
    "length",
    "missing",
    "names",
    "pick",
    "select",
    "take",
    "to_pandas",
    "unknown_column",
]

Rows = NDArray[np.intp]
Wanted = Mapping[str, Callable[[Any, str], Column]]  # column name and how its values are converted


@dataclass(frozen=True, slots=True)
class Columns:
    """The used columns of a frame, all of length ``n``.

    Attributes
    ----------
    data : dict
        Column name to array, `Factor` or `Masked`.
    index : pandas.Index or None
        None stands for 0, 1, …, n-1: data that are not pandas.
    n : int
        Number of rows.
    native : object
        The frame as given.
    """

    data: dict[str, Column]
    index: pd.Index | None
    n: int
    native: Any = None


# what a frame has ----------------------------------------------------------------------------------------------------


def names(frame: Any) -> tuple[str, ...]:
    """Column names as strings, in order."""
    if isinstance(frame, Columns):
        return tuple(frame.data)
    if isinstance(frame, pd.DataFrame):
        return tuple(map(str, np.asarray(frame.columns, dtype=object)))  # Arrow's texts are slow one by one
    if isinstance(frame, Mapping):
        return tuple(map(str, frame))
    if _is_structured(frame):
        return tuple(frame.dtype.names)
    if (table := in_pieces(frame)) is not None:
        return table.names
    return tuple(_narwhals(frame).collect_schema().names())


def index(frame: Any) -> pd.Index | None:
    """The row labels of a pandas frame; None for anything else."""
    if isinstance(frame, pd.DataFrame | Columns):
        return frame.index
    return None


def length(frame: Any) -> int:
    """Number of rows."""
    if isinstance(frame, Columns):
        return frame.n
    if isinstance(frame, pd.DataFrame) or _is_structured(frame):
        return len(frame)
    if isinstance(frame, Mapping):
        return dict_length(frame)
    if (table := in_pieces(frame)) is not None:
        return table.n_rows
    return len(_collected(_narwhals(frame), names(frame)[:1]))


# taking columns ------------------------------------------------------------------------------------------------------


def take(frame: Any, wanted: Iterable[str], labels: Iterable[str] = ()) -> Columns:
    """Convert the wanted columns of a frame, and no others.

    Parameters
    ----------
    frame : pandas.DataFrame, dict of arrays, structured array, or any frame narwhals reads
        Lazy frames are collected once, with the wanted columns only.
    wanted : iterable of str
        Column names.
    labels : iterable of str
        Those whose values only tell rows apart; they may be dates.

    Returns
    -------
    Columns

    Raises
    ------
    FormulaError
        For a column that is not there, with the nearest name.
    DataError
        For a column of dates or of mixed values, or a name that occurs twice.
    """
    wanted = dict.fromkeys(wanted, column_of) | dict.fromkeys(labels, label_column_of)
    if isinstance(frame, pd.DataFrame):
        return _from_pandas(frame, wanted)
    if isinstance(frame, Columns):
        return _known(frame, wanted)
    if isinstance(frame, Mapping):
        return _from_dict(frame, wanted)
    if _is_structured(frame):
        return _from_dict({name: frame[name] for name in frame.dtype.names}, wanted)
    if (table := in_pieces(frame)) is not None:
        return _from_pieces(table, wanted, labels)
    return _from_narwhals(frame, wanted)


def to_pandas(frame: Any) -> pd.DataFrame:
    """The whole frame as a pandas DataFrame, for tables that carry the user's columns along."""
    if isinstance(frame, pd.DataFrame):
        return frame
    if isinstance(frame, Columns):
        return to_pandas(frame.native)
    if isinstance(frame, Mapping):
        n = dict_length(frame)
        return pd.DataFrame({name: column_values(value, n) for name, value in frame.items()})
    if _is_structured(frame):
        return pd.DataFrame({name: frame[name] for name in frame.dtype.names})
    if (in_parts := in_pieces(frame)) is not None:
        return in_parts.to_pandas()
    table = _collected(_narwhals(frame), names(frame))
    return pd.DataFrame({name: _stored(table[name]) for name in table.columns})


def select(columns: Columns, rows: Rows) -> Columns:
    """The rows at these positions."""
    data = {name: pick(column, rows) for name, column in columns.data.items()}
    labels = None if columns.index is None else columns.index[rows]
    return Columns(data, labels, len(rows), None)


def aligned_column(value: Any, frame: Any, what: str) -> Column:
    """Values for every row of a frame, from a column name, a Series (by its index) or an array.

    Parameters
    ----------
    value : str, pandas.Series or array of length n
        A Series is brought into the frame's order by its index labels, never by position.
    frame : frame or Columns
    what : str
        What the values are for, in messages: "weights".
    """
    if isinstance(value, str):
        return take(frame, (value,)).data[value]
    return column_of(in_frame_order(value, index(frame), length(frame), what), what)


def label_column(value: Any, frame: Any, what: str) -> Column:
    """`aligned_column` for values that only tell rows apart, such as clusters; they may be dates."""
    if isinstance(value, str):
        return take(frame, (), labels=(value,)).data[value]
    return label_column_of(in_frame_order(value, index(frame), length(frame), what), what)


def aligned(value: Any, frame: Any, what: str) -> NDArray[np.float64]:
    """`aligned_column` as floats, NaN where missing."""
    name = f"{what}={value!r}" if isinstance(value, str) else what
    return numbers(aligned_column(value, frame, what), name, what)


def unknown_column(name: str, known: Sequence[str]) -> FormulaError:
    """The error for a column that is not there."""
    return FormulaError(f"The data have no column {name!r}.{nearest(name, known)} {_listed(known)}")


def refuse_unknown(wanted: Iterable[str], frame: InPieces) -> None:
    """Raise for the first column that is not there."""
    for name in wanted:
        if name not in frame.names:
            raise unknown_column(name, frame.names)


def _listed(known: Sequence[str], most: int = 12) -> str:
    if not known:
        return "They have no columns."
    more = f", … ({len(known)} in all)" if len(known) > most else ""
    return f"The columns are {', '.join(known[:most])}{more}."


def _from_pandas(frame: pd.DataFrame, wanted: Wanted) -> Columns:
    labels = _labels(frame.columns, wanted)
    data = {}
    for name, convert in wanted.items():
        series = frame[labels[name]]
        if isinstance(series, pd.DataFrame):
            raise DataError(
                f"{series.shape[1]} columns are called {name!r}, so the formula cannot tell them apart; rename them."
            )
        data[name] = convert(series, name)
    return Columns(data, frame.index, len(frame), frame)


def _labels(columns: pd.Index, wanted: Iterable[str]) -> dict[str, Any]:
    """Column labels by their names as strings (labels may be numbers or tuples)."""
    found: dict[str, Any] = {name: name for name in wanted if name in columns}
    if not found.keys() >= set(wanted):
        found = {str(label): label for label in columns} | found
    for name in wanted:
        if name not in found:
            raise unknown_column(name, tuple(map(str, columns)))
    return found


def _known(columns: Columns, wanted: Iterable[str]) -> Columns:
    for name in wanted:
        if name not in columns.data:
            raise unknown_column(name, tuple(columns.data))
    return Columns({name: columns.data[name] for name in wanted}, columns.index, columns.n, columns.native)


def _from_dict(frame: Mapping[Any, Any], wanted: Wanted) -> Columns:
    known = {str(key): value for key, value in frame.items()}
    n = dict_length(frame)
    for name in wanted:
        if name not in known:
            raise unknown_column(name, tuple(known))
    data = {name: convert(column_values(known[name], n), name) for name, convert in wanted.items()}
    return Columns(data, None, n, frame)


def _from_pieces(frame: InPieces, wanted: Wanted, labels: Iterable[str]) -> Columns:
    refuse_unknown(wanted, frame)
    columns = frame.pieces(wanted, labels).whole(wanted)
    return Columns(columns.data, None, columns.n if wanted else frame.n_rows, frame)


def _is_structured(frame: Any) -> bool:
    return isinstance(frame, np.ndarray) and frame.dtype.names is not None


# every other frame ---------------------------------------------------------------------------------------------------


def _narwhals(frame: Any) -> Any:
    import narwhals as nw

    try:
        return nw.from_native(frame)
    except TypeError:
        kind = f"an array of shape {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise DataError(
            f"The data are {kind}, which has no named columns; give a DataFrame (pandas, polars, pyarrow, DuckDB, …) "
            "or a dict of columns."
        ) from None


def _collected(frame: Any, wanted: Sequence[str]) -> Any:
    import narwhals as nw

    chosen = frame.select(*wanted)
    return chosen.collect() if isinstance(chosen, nw.LazyFrame) else chosen


def _from_narwhals(native: Any, wanted: Wanted) -> Columns:
    frame = _narwhals(native)
    known = tuple(frame.collect_schema().names())
    for name in wanted:
        if name not in known:
            raise unknown_column(name, known)
    table = _collected(frame, tuple(wanted) or known[:1])
    data = {name: convert(_series_values(table[name]), name) for name, convert in wanted.items()}
    labels = table.to_native().index if table.implementation.is_pandas_like() else None
    return Columns(data, labels, len(table), native)


def _series_values(series: Any) -> Any:
    """A narwhals series as something pandas or NumPy understands."""
    import narwhals as nw

    dtype = series.dtype
    categories = list(dtype.categories) if dtype == nw.Enum else _declared(series) if dtype == nw.Categorical else None
    if categories is not None:
        return pd.Categorical(series.cast(nw.String).to_list(), categories=categories)
    if dtype == nw.Categorical or dtype == nw.String:
        return pd.Series(series.cast(nw.String).to_list(), dtype=object)
    if dtype == nw.Decimal:  # value by value: a cast in Arrow is not always rounded to the nearest float
        return np.array([np.nan if value is None else float(value) for value in series.to_list()])
    return _with_nulls(series) if series.null_count() else series.to_numpy()


def _stored(series: Any) -> Any:
    """A series with all its values, dates included."""
    return series.to_list() if series.dtype.is_temporal() or series.dtype.is_nested() else _series_values(series)


def _declared(series: Any) -> list[str] | None:
    """Categories in declared order; None where their order only records what came first (polars)."""
    native = series.to_native()
    if series.implementation.is_pandas_like():
        return list(native.cat.categories)
    if hasattr(native, "unify_dictionaries"):  # pyarrow
        chunks = native.unify_dictionaries().chunks
        return list(chunks[0].dictionary.to_pylist()) if chunks else []
    return None


def _with_nulls(series: Any) -> Any:
    """Integers and bools stay what they are beside missing values."""
    dtype, missing = series.dtype, series.is_null().to_numpy()
    if dtype.is_integer() or str(dtype) == "Boolean":
        values = series.fill_null(False if str(dtype) == "Boolean" else 0).to_numpy()
        return pd.arrays.BooleanArray(values, missing) if values.dtype == bool else _masked_integers(values, missing)
    return series.to_numpy()


def _masked_integers(values: NDArray[Any], missing: NDArray[np.bool_]) -> Any:
    return pd.arrays.IntegerArray(values.astype(np.int64), missing)
