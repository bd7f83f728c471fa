"""Parquet files as a table that is read piece by piece, and predictions written to one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.frames import Columns
from glminfer.data.levels import Levels, conformed, levels_of, united
from glminfer.data.parquet_files import (
    Stamp,
    batches_of,
    columns_of,
    common_type,
    is_categorical,
    is_number,
    key_type,
    opened,
    refuse_changed,
    refuse_without_pyarrow,
    stamp,
    whole_frame,
    write_tables,
)
from glminfer.data.parquet_folders import matching_files
from glminfer.data.pieces import Filled, Held
from glminfer.data.progress import progress
from glminfer.data.rows_stored import held
from glminfer.data.stored import Writer
from glminfer.data.stored_columns import stored_columns
from glminfer.data.stored_matrix import narrowed
from glminfer.errors import DataError, InputError, checked_keywords
from glminfer.numerics.threads import ahead, in_turn

_ROWS = 1 << 15  # of a piece: its arrays are small enough to be made in memory used before (docs/performance.md)
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
    keys : tuple of dict
        For each file the values of columns that the names of its folders give.
    stamps : tuple of (int, int)
        Bytes of each file and when it was written: a file that is written again is not read as if it were the same.
    shadowed : tuple of str
        Names that folders give and the files have as columns, which go first.
    """

    files: tuple[str, ...]
    names: tuple[str, ...]
    lengths: tuple[int, ...]
    scratch: str | None = None
    piece_rows: int = _ROWS
    keys: tuple[dict[str, Any], ...] = ()
    stamps: tuple[Stamp, ...] = ()
    shadowed: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows of all files."""
        return sum(self.lengths)

    def pieces(self, wanted: Iterable[str], labels: Iterable[str]) -> ParquetPieces:
        """Some columns, read when they are asked for; those in ``labels`` only tell rows apart."""
        types, labels = self._types(wanted, labels), set(labels)
        coded = {name: kind for name, kind in types.items() if not is_number(kind)}
        declared = [name for name, kind in types.items() if is_categorical(kind)]
        known = united(map(levels_of, self._read(coded, labels)), declared) if coded else {}
        return ParquetPieces(self, types, labels, known)

    def chunks(self, wanted: Iterable[str], labels: Iterable[str]) -> Iterator[Columns]:
        """The same one piece after the other; a piece knows its own levels only."""
        return self._read(self._types(wanted, labels), set(labels))

    def to_pandas(self) -> pd.DataFrame:
        """All of it in memory."""
        for described in zip(self.files, self.stamps, self.lengths, strict=True):
            refuse_changed(*described)
        return whole_frame(self.files, self.names, self.keys)

    def _types(self, wanted: Iterable[str], labels: Iterable[str]) -> dict[str, Any]:
        """The type of each column wanted, the same in all files."""
        names = dict.fromkeys([*wanted, *labels])
        schemas = {path: opened(path).schema_arrow for path in self.files}
        by_folder = {name: key_type(keys[name] for keys in self.keys) for name in names if name in self.keys[0]}
        return {name: by_folder.get(name) or common_type(name, schemas) for name in names}

    @property
    def sizes(self) -> list[list[int]]:
        """Rows of the pieces of each file."""
        most = self.piece_rows
        return [[min(most, n - start) for start in range(0, n, most)] for n in self.lengths]

    def _read(self, types: dict[str, Any], labels: set[str]) -> Iterator[Columns]:
        return ahead(columns_of(batch, types, labels) for batch in self._batches(types))

    def _batches(self, types: dict[str, Any]) -> Iterator[Any]:
        described = zip(self.files, self.stamps, self.lengths, strict=True)
        for one, keys, sizes in zip(described, self.keys, self.sizes, strict=True):
            refuse_changed(*one)
            yield from batches_of(one[0], types, keys, sizes)
            refuse_changed(*one)


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
    def read_again(self) -> bool:
        """Always."""
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Columns of the files that the names of folders give as well."""
        twice = ", ".join(name for name in self.table.shadowed if name in self.types)
        return (f"{twice}: taken from the columns of the files, not from the names of their folders",) if twice else ()

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
        return held(self.map(_narrow, each, function, *shared), self.table.scratch)

    def kept(self, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """One array of parts for every piece, in a temporary file."""
        writer = Writer(self.table.scratch)
        for part in parts:
            writer.append(part)
        return writer.stored().whole()

    def _pieces(self, types: dict[str, Any]) -> Iterator[Columns]:
        read = (conformed(piece, self.known) for piece in self.table._read(types, self.labels))
        return progress(read, self.table.n_rows, "rows read", lambda _, piece: piece.n)


def _narrow(columns: Columns, one: Any, function: Callable[..., Filled], *shared: Any) -> Filled:
    """A piece whose numbers take no more room than they need."""
    filled = function(columns, one, *shared)
    return replace(filled, block=replace(filled.block, X=narrowed(filled.block.X)))


@checked_keywords
def parquet(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    columns: Sequence[str] | None = None,
    scratch: str | os.PathLike[str] | None = None,
) -> Parquet:
    """How is a model fitted to data that do not fit in memory? Name the Parquet files in place of a data frame.

    The numbers of the model go to temporary files, and every sum over rows (105) reads them block by block.
    The fit is the one the same rows give in memory.

    Parameters
    ----------
    path : str, path or sequence of them
        A file, a folder (all its ``.parquet`` files), a pattern such as ``"trials/*.parquet"``, or several of these.
        Rows are in the order of the files, those of a folder or pattern sorted by name. A folder whose files lie in
        folders called ``mouse=Ada/session=3`` has the columns mouse and session as well: numbers if all values are
        whole numbers, labels otherwise.
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
    refuse_without_pyarrow()
    files = matching_files(path)
    described = [opened(file.path) for file in files]
    own = dict.fromkeys(name for file in described for name in file.schema_arrow.names if not _INDEX.fullmatch(name))
    keys = tuple({name: value for name, value in file.keys.items() if name not in own} for file in files)
    lengths = tuple(file.metadata.num_rows for file in described)
    where = None if scratch is None else os.fspath(scratch)
    stamps, shadowed = tuple(stamp(file.path) for file in files), tuple(name for name in files[0].keys if name in own)
    paths = tuple(file.path for file in files)
    found = Parquet(paths, (*own, *keys[0]), lengths, where, keys=keys, stamps=stamps, shadowed=shadowed)
    if columns is None:
        return found
    frames.refuse_unknown(columns, found)
    return replace(found, names=tuple(columns))


def write(path: str | os.PathLike[str], tables: Iterable[pd.DataFrame], read: Parquet | None = None) -> Parquet:
    """Write tables of the same columns one after the other into a file, which is there only once it is complete."""
    target = os.path.abspath(path)
    if read is not None and target in map(os.path.abspath, read.files):
        raise InputError(f"to={str(path)!r} is one of the files that are read; choose another name.")
    try:
        write_tables(f"{target}.part", tables)
        os.replace(f"{target}.part", target)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be written: {error}.") from error
    finally:
        with suppress(FileNotFoundError):
            os.remove(f"{target}.part")
    return parquet(target)
