"""Parquet files as a table that is read piece by piece. The only module that knows pyarrow."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Column, Factor
from glminfer.data.frames import Columns
from glminfer.data.levels import Levels, conformed, levels_of, united
from glminfer.data.pieces import Filled, Held
from glminfer.data.progress import progress
from glminfer.data.rows_stored import held
from glminfer.data.stored import Writer
from glminfer.data.stored_columns import stored_columns
from glminfer.errors import DataError, InputError, checked_keywords
from glminfer.numerics.threads import ahead, in_turn

_ROWS = (
    1 << 15
)  # of a piece: small enough for its arrays to be made in memory that was used before (docs/performance.md)
_INDEX = re.compile(r"__index_level_\d+__")  # how pandas stores an index without a name


@dataclass(frozen=True, slots=True)
class Parquet:
    """A table in Parquet files with the same columns, of which nothing but the description has been read.

    Attributes
    ----------
    files : tuple of str
        In the order of their rows.
    names : tuple of str
        The columns.
    lengths : tuple of int
        Rows of each file.
    scratch : str or None
        Folder for temporary files.
    piece_rows : int
        Most rows read at a time.
    """

    files: tuple[str, ...]
    names: tuple[str, ...]
    lengths: tuple[int, ...]
    scratch: str | None = None
    piece_rows: int = _ROWS

    @property
    def n_rows(self) -> int:
        """Number of rows of all files."""
        return sum(self.lengths)

    def pieces(self, wanted: Iterable[str], labels: Iterable[str]) -> ParquetPieces:
        """Some columns, read when they are asked for; those in ``labels`` only tell rows apart."""
        types, labels = self._types(wanted, labels), set(labels)
        coded = {name: kind for name, kind in types.items() if _is_coded(kind) or name in labels}
        declared = [name for name, kind in types.items() if _is_categorical(kind)]
        known = united(map(levels_of, self._read(coded, labels)), declared) if coded else {}
        return ParquetPieces(self, types, labels, known)

    def chunks(self, wanted: Iterable[str], labels: Iterable[str]) -> Iterator[Columns]:
        """The same one piece after the other; a piece knows its own levels only."""
        return self._read(self._types(wanted, labels), set(labels))

    def to_pandas(self) -> pd.DataFrame:
        """All of it in memory."""
        import pyarrow as pa

        tables = [_opened(path).read(columns=list(self.names)) for path in self.files]
        whole: pd.DataFrame = pa.concat_tables(tables, promote_options="default").to_pandas()
        return whole.reset_index(drop=True)

    def _types(self, wanted: Iterable[str], labels: Iterable[str]) -> dict[str, Any]:
        """The type of each column wanted, the same in all files."""
        schemas = {path: _opened(path).schema_arrow for path in self.files}
        return {name: _common_type(name, schemas) for name in dict.fromkeys([*wanted, *labels])}

    @property
    def sizes(self) -> list[list[int]]:
        """Rows of the pieces of each file."""
        most = self.piece_rows
        return [[min(most, n - start) for start in range(0, n, most)] for n in self.lengths]

    def _read(self, types: dict[str, Any], labels: set[str]) -> Iterator[Columns]:
        files = zip(self.files, self.sizes, strict=True)
        batches = (batch for path, sizes in files for batch in _batches(path, list(types), sizes))
        return ahead(_columns(batch, types, labels) for batch in batches)


@dataclass(frozen=True, slots=True, eq=False)
class ParquetPieces:
    """Columns of Parquet files, read anew whenever they are asked for: it is faster than to keep them in other files.

    Attributes
    ----------
    table : Parquet
    types : dict
        The columns and their types.
    labels : set of str
        Those that only tell rows apart.
    known : dict
        Levels of the columns of labels.
    """

    table: Parquet
    types: dict[str, Any]
    labels: set[str]
    known: Levels

    @property
    def stops(self) -> list[int]:
        """Where each piece ends among all rows."""
        ends: list[int] = np.cumsum([n for sizes in self.table.sizes for n in sizes], dtype=int).tolist()
        return ends

    def whole(self, names: Iterable[str]) -> Columns:
        """Some columns over all rows, as maps of temporary files."""
        wanted = list(names)
        pieces = self._pieces({name: self.types[name] for name in wanted}) if wanted else iter(())
        return stored_columns(pieces, wanted, self.table.scratch)

    def map(self, function: Callable[..., Any], each: Sequence[Any], *shared: Any) -> Iterator[Any]:
        """``function(columns, each[k], *shared)`` of every piece k, in their order."""
        parts = zip(self._pieces(self.types), each, strict=True)
        return in_turn(lambda part: function(*part, *shared), parts)

    def hold(self, function: Callable[..., Filled], each: Sequence[Any], *shared: Any) -> Held:
        """Rows of numbers from ``function``, written to temporary files."""
        return held(self.map(function, each, *shared), self.table.scratch)

    def kept(self, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """One array of parts for every piece, in a temporary file."""
        writer = Writer(self.table.scratch)
        for part in parts:
            writer.append(part)
        return writer.stored().whole()

    def _pieces(self, types: dict[str, Any]) -> Iterator[Columns]:
        read = (conformed(piece, self.known) for piece in self.table._read(types, self.labels))
        return progress(read, self.table.n_rows, "rows read", lambda _, piece: piece.n)


@checked_keywords
def parquet(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    columns: Sequence[str] | None = None,
    scratch: str | os.PathLike[str] | None = None,
) -> Parquet:
    """How is a model fitted to data that do not fit in memory? Name the Parquet files in place of a data frame.

    The numbers of the model go to temporary files, and every sum over rows (105) maps them to memory block by block.
    The fit is the one the same rows give in memory.

    Parameters
    ----------
    path : str, path or sequence of them
        A file, a folder (all its ``.parquet`` files), a pattern such as ``"trials/*.parquet"``, or several of these.
        Rows are in the order of the files, those of a folder or pattern sorted by name.
    columns : sequence of str, optional
        The columns to know, for formulas with ``.``; all by default. Only columns that a model uses are ever read.
    scratch : str or path, optional
        Folder for temporary files, which need about 8 bytes per row and column of the design matrix. The system's by
        default (``TMPDIR``). They go with the fit, whatever ends it.

    Returns
    -------
    Parquet
        To be given as ``data`` to `logit` and `glm`, or as ``newdata`` to `predict`.

    Raises
    ------
    DataError
        If there are no such files, one cannot be read, or lacks a column.

    Examples
    --------
    >>> import glminfer as gi, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> trials[:500].to_parquet(folder / "part-0.parquet")
    >>> trials[500:].to_parquet(folder / "part-1.parquet")
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", gi.parquet(folder))
    >>> fit.nobs == len(trials)
    True
    """
    _refuse_without_pyarrow()
    files = _files(path)
    opened = [(_opened(file), file) for file in files]
    names = dict.fromkeys(name for file, _ in opened for name in file.schema_arrow.names if not _INDEX.fullmatch(name))
    lengths = tuple(file.metadata.num_rows for file, _ in opened)
    found = Parquet(files, tuple(names), lengths, None if scratch is None else os.fspath(scratch))
    if columns is None:
        return found
    frames.refuse_unknown(columns, found)
    return Parquet(files, tuple(columns), lengths, found.scratch)


def write(path: str | os.PathLike[str], tables: Iterable[pd.DataFrame], read: Parquet | None = None) -> Parquet:
    """Write tables of the same columns one after the other into a file, which is there only once it is complete."""
    import pyarrow.parquet as pq

    target = os.path.abspath(path)
    if read is not None and target in map(os.path.abspath, read.files):
        raise InputError(f"to={str(path)!r} is one of the files that are read; choose another name.")
    partial, rows = f"{target}.part", map(_arrow, tables)
    first = next(rows)
    try:
        with pq.ParquetWriter(partial, first.schema) as writer:
            for table in chain([first], rows):
                writer.write_table(table)
        os.replace(partial, target)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be written: {error}.") from error
    finally:
        with suppress(FileNotFoundError):
            os.remove(partial)
    return parquet(target)


def _arrow(table: pd.DataFrame) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(table, preserve_index=False)


# files ---------------------------------------------------------------------------------------------------------------


def _refuse_without_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("gi.parquet reads files with pyarrow: pip install 'glminfer[parquet]'.") from error


def _files(path: Any) -> tuple[str, ...]:
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    return tuple(file for one in given for file in _matching(os.fspath(one)))


def _matching(path: str) -> list[str]:
    if os.path.isdir(path):
        path = os.path.join(path, "*.parquet")
    found = sorted(glob(path)) if has_magic(path) else [path]
    if not found or not all(map(os.path.exists, found)):
        raise DataError(
            f"There is no file {path!r} (looked for in {os.getcwd()!r}). Give a Parquet file, a folder of .parquet "
            "files, or a pattern such as 'trials/*.parquet'."
        )
    return found


def _opened(path: str) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (OSError, ValueError) as error:  # what pyarrow raises is one of these
        raise _unreadable(path, error) from error


def _batches(path: str, names: list[str], sizes: list[int]) -> Iterator[Any]:
    """Tables of the given numbers of rows, which must be all the file has."""
    import pyarrow as pa

    left, batches = None, _raw_batches(path, names, max(sizes, default=1))
    for size in sizes:
        while left is None or len(left) < size:
            more = next(batches, None)
            if more is None:
                raise DataError(f"The file {path!r} has changed while it was read: it has fewer rows. Fit again.")
            left = more if left is None or not len(left) else pa.concat_tables([left, more])
        yield left.slice(0, size).combine_chunks()
        left = left.slice(size)
    if (left is not None and len(left)) or any(map(len, batches)):
        raise DataError(f"The file {path!r} has changed while it was read: it has more rows. Fit again.")


def _raw_batches(path: str, names: list[str], rows: int) -> Iterator[Any]:
    import pyarrow as pa

    try:
        for batch in _opened(path).iter_batches(rows, columns=names):
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


def _common_type(name: str, schemas: dict[str, Any]) -> Any:
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
    if _is_categorical(kind):
        return f"{'ordered ' if kind.ordered else ''}categories of {_spelled(kind.value_type)}"
    return "text" if _is_text(kind) else str(kind)


def _is_categorical(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_dictionary(kind))


def _is_coded(kind: Any) -> bool:
    return _is_categorical(kind) or _is_text(kind)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


# columns -------------------------------------------------------------------------------------------------------------


def _columns(table: Any, types: dict[str, Any], labels: set[str]) -> Columns:
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

    kind = array.type
    known = pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)
    return array.null_count == 0 and bool(known or pa.types.is_boolean(kind))


def _of_type(array: Any, kind: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(len(array), kind) if pa.types.is_null(array.type) else array


def _factor(array: Any) -> Factor:
    """Text or categories as codes, in the order in which the levels come."""
    coded = array if _is_categorical(array.type) else array.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Factor(codes, tuple(coded.dictionary.to_pylist()), bool(coded.type.ordered))
