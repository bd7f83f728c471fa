"""What is in Parquet files: columns, types, and rows as columns. The only module that knows pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from glminfer.data import frames
from glminfer.data.columns import Column, Factor
from glminfer.data.frames import Columns
from glminfer.errors import DataError

Stamp: TypeAlias = tuple[int, int]
_BUFFER = 1 << 20  # bytes read at a time of each column, which is all that is held of a file

# files ---------------------------------------------------------------------------------------------------------------


def refuse_without_pyarrow() -> None:
    """Say how to install what is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("gi.parquet reads files with pyarrow: pip install 'glminfer[parquet]'.") from error


def opened(path: str) -> Any:
    """The description at the end of a file."""
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)
    except (OSError, ValueError) as error:  # what pyarrow raises is one of these
        raise _unreadable(path, error) from error


def stamp(path: str) -> Stamp:
    """Bytes of a file, and when it was last written (ns)."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


def refuse_changed(path: str, seen: Stamp, rows: int) -> None:
    """Raise if a file is another one than it was when `gi.parquet` described it."""
    if os.path.exists(path) and stamp(path) == seen:
        return
    found = opened(path).metadata.num_rows  # says what is wrong with a file that is gone or broken
    if found != rows:
        raise _of_other_length(path, "fewer" if found < rows else "more")
    raise DataError(
        f"The file {path!r} has been written again since gi.parquet described it: it had {seen[0]:,} bytes and has "
        f"{stamp(path)[0]:,}, of another time. Numbers of both would be mixed. Describe them again with gi.parquet "
        "and fit again; fit.with_data(gi.parquet(…)) is for the same rows in new files."
    )


def _of_other_length(path: str, which: str) -> DataError:
    return DataError(f"The file {path!r} has changed while it was read: it has {which} rows. Fit again.")


def batches_of(path: str, types: dict[str, Any], keys: dict[str, Any], sizes: list[int]) -> Iterator[Any]:
    """Tables of the given numbers of rows, with the values that the names of the file's folders give."""
    import pyarrow as pa

    own = [name for name in types if name not in keys]
    tables = _own_batches(path, own, sizes) if own else iter([None] * len(sizes))
    for table, size in zip(tables, sizes, strict=True):
        given = {name: pa.repeat(pa.scalar(keys[name], types[name]), size) for name in types if name in keys}
        read = {} if table is None else dict(zip(table.column_names, table.columns, strict=True))
        yield pa.table(read | given)


def _own_batches(path: str, names: list[str], sizes: list[int]) -> Iterator[Any]:
    """Tables of the given numbers of rows, which must be all the file has."""
    import pyarrow as pa

    left, batches = None, _raw_batches(path, names, max(sizes, default=1))
    for size in sizes:
        while left is None or len(left) < size:
            more = next(batches, None)
            if more is None:
                raise _of_other_length(path, "fewer")
            left = more if left is None or not len(left) else pa.concat_tables([left, more])
        yield left.slice(0, size).combine_chunks()
        left = left.slice(size)
    if (left is not None and len(left)) or any(map(len, batches)):
        raise _of_other_length(path, "more")


def _raw_batches(path: str, names: list[str], rows: int) -> Iterator[Any]:
    import pyarrow as pa

    try:
        for batch in opened(path).iter_batches(rows, columns=names):
            yield pa.Table.from_batches([batch])
    except (OSError, ValueError) as error:
        raise error if isinstance(error, DataError) else _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> DataError:
    said = str(error).strip().rstrip(".").splitlines()[0]
    return DataError(
        f"The file {path!r} cannot be read as Parquet ({said}). It may be truncated or still be written: write it "
        "again, or leave it out of the files given to gi.parquet."
    )


# types ---------------------------------------------------------------------------------------------------------------


def key_type(values: Iterable[Any]) -> Any:
    """The type of what folder names say: whole numbers or text."""
    import pyarrow as pa

    return pa.string() if any(isinstance(value, str) for value in values) else pa.int64()


def common_type(name: str, schemas: dict[str, Any]) -> Any:
    """The type of a column, which must be the same in all files; a file in which all is missing may have none."""
    import pyarrow as pa

    found: dict[str, Any] = {}
    for path, schema in schemas.items():
        if schema.get_field_index(name) < 0:
            known = sum(other.get_field_index(name) >= 0 for other in schemas.values())
            raise DataError(
                f"The file {path!r} has no column {name!r}, which {known} of the {len(schemas)} files have. "
                "Write the column to it, or leave the file out of those given to gi.parquet."
            )
        kind = schema.field(name).type
        if not pa.types.is_null(kind):
            found.setdefault(_spelled(kind), (kind, path))
    if len(found) > 1:
        (first, (_, at)), (second, (_, where)) = list(found.items())[:2]
        raise DataError(
            f"{name} is {first} in {at!r} and {second} in {where!r}; a column has one type. Write the files with the "
            "same type."
        )
    return next((kind for kind, _ in found.values()), pa.float64())


def _spelled(kind: Any) -> str:
    """A type as said in messages; two spellings of text are the same, and so are categories with wider codes."""
    if is_categorical(kind):
        return f"{'ordered ' if kind.ordered else ''}categories of {_spelled(kind.value_type)}"
    return "text" if _is_text(kind) else str(kind)


def is_categorical(kind: Any) -> bool:
    """Whether a column has declared levels."""
    import pyarrow as pa

    return bool(pa.types.is_dictionary(kind))


def is_number(kind: Any) -> bool:
    """Whether a column holds numbers or bools."""
    import pyarrow as pa

    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(check(kind) for check in checks)


def _is_coded(kind: Any) -> bool:
    return is_categorical(kind) or _is_text(kind)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


# columns -------------------------------------------------------------------------------------------------------------


def columns_of(table: Any, types: dict[str, Any], labels: set[str]) -> Columns:
    """A table of one chunk as columns."""
    import pyarrow as pa

    coded = [name for name, kind in types.items() if _is_coded(kind)]
    plain = [name for name in types if name not in coded]
    arrays = {name: _of_type(table.column(name).chunk(0), types[name]) for name in types}
    data: dict[str, Column] = {name: _factor(arrays[name]) for name in coded}
    ready = [name for name in plain if _is_array(arrays[name])]
    data |= {name: arrays[name].to_numpy(zero_copy_only=False) for name in ready}
    others = [name for name in plain if name not in data]
    if others:
        rest = pa.table({name: arrays[name] for name in others})
        data |= frames.take(rest, [name for name in others if name not in labels], labels & set(others)).data
    return Columns(data, None, len(table))


def _is_array(array: Any) -> bool:
    """Whether a column is a NumPy array as it is: numbers or bools, none missing."""
    import pyarrow as pa

    return array.null_count == 0 and is_number(array.type) and not pa.types.is_decimal(array.type)


def _of_type(array: Any, kind: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(len(array), kind) if pa.types.is_null(array.type) else array


def _factor(array: Any) -> Factor:
    """Text or categories as codes, in the order in which the levels come."""
    coded = array if is_categorical(array.type) else array.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Factor(codes, tuple(coded.dictionary.to_pylist()), bool(coded.type.ordered))


# whole tables --------------------------------------------------------------------------------------------------------


def whole_frame(files: Sequence[str], names: Sequence[str], keys: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """All rows of some columns in memory."""
    import pyarrow as pa

    own = [name for name in names if name not in keys[0]]
    tables = [opened(path).read(columns=own) for path in files]
    lengths = [len(table) for table in tables]
    whole: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas().reset_index(drop=True)
    for name in (name for name in names if name in keys[0]):
        whole[name] = np.repeat(np.array([given[name] for given in keys], dtype=object), lengths)
    return whole.infer_objects()[list(names)]


def write_tables(path: str, tables: Iterable[pd.DataFrame]) -> None:
    """Write tables of the same columns one after the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = (pa.Table.from_pandas(table, preserve_index=False) for table in tables)
    first = next(rows)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for table in rows:
            writer.write_table(table)
