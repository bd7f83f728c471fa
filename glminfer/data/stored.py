"""Arrays in temporary files: written once, front to back, and read by rows.

The files have no name in the file system (Windows: they are deleted when closed), so nothing is left behind whatever
ends the process: an exception, Ctrl-C, or a kill.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import DataError

_SOME = 1 << 20  # rows
_GONE = "A temporary file with the rows of the model has become shorter than it was. Fit again."


class Nameless:
    """A file without a name, closed and gone when nothing refers to it any more."""

    __slots__ = ("__weakref__", "file", "fileno", "lock")

    def __init__(self, folder: str | None) -> None:
        self.file = tempfile.TemporaryFile(prefix="glminfer-", dir=folder, buffering=0)  # noqa: SIM115
        self.fileno = self.file.fileno()
        self.lock = threading.Lock()
        weakref.finalize(self, self.file.close)

    def write(self, left: memoryview, place: int) -> int:
        """Write at a place, and say how many bytes were written; several threads may do so at once."""
        if hasattr(os, "pwrite"):
            return os.pwrite(self.fileno, left, place)
        with self.lock:  # Windows
            self.file.seek(place)
            return int(self.file.write(left))


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """An array (n,) or (n, k) in a temporary file.

    Attributes
    ----------
    file : Nameless
    dtype : dtype
    shape : tuple of int
    folder : str or None
        Where further files go; None is the system's folder for temporary files.
    shown : dtype or None
        Type of the rows that are read, if it is not that of the file.
    """

    file: Nameless
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    folder: str | None = None
    shown: np.dtype[Any] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def rows(self, where: slice) -> NDArray[Any]:
        """Some rows, read into fresh memory; the next ones are read ahead."""
        start, stop, _ = where.indices(len(self))
        out = np.empty((max(stop - start, 0), *self.shape[1:]), self.dtype)
        if out.size:
            self._read(memoryview(out.reshape(-1).view(np.uint8)), start * self.row)
        if hasattr(os, "posix_fadvise"):
            row = self.row
            os.posix_fadvise(self.file.fileno, stop * row, (stop - start) * row, os.POSIX_FADV_WILLNEED)
        out = out.astype(self.dtype if self.shown is None else self.shown, copy=False)
        out.flags.writeable = False
        return out

    def _read(self, left: memoryview, place: int) -> None:
        """Fill a buffer from a place in the file; several threads may do so at once."""
        if not hasattr(os, "preadv"):  # Windows
            left[:] = memoryview(self._mapped(place, len(left)))
            return
        while left:
            count = os.preadv(self.file.fileno, [left], place)
            if not count:
                raise DataError(_GONE)
            left, place = left[count:], place + count

    def whole(self) -> NDArray[Any]:
        """All rows, as a map of the file (or of another): what is read of it the system may give up again."""
        if self.shown is not None and self.shown != self.dtype:
            return as_shown(self).stored().whole()
        pages = self._mapped(0, len(self) * self.row)
        return np.frombuffer(pages, self.dtype).reshape(self.shape) if len(pages) else np.empty(self.shape, self.dtype)

    def _mapped(self, place: int, length: int) -> Any:
        if not length:
            return b""
        skip = place % mmap.ALLOCATIONGRANULARITY
        pages = mmap.mmap(self.file.fileno, length + skip, offset=place - skip, access=mmap.ACCESS_READ)
        return memoryview(pages)[skip:]


@dataclass(slots=True, eq=False)
class Writer:
    """Writes an array to a temporary file, some rows after the other."""

    folder: str | None
    file: Nameless | None = None
    dtype: np.dtype[Any] | None = None
    n: int = 0
    columns: tuple[int, ...] = ()

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows; the type is that of the first ones."""
        self.reserve(rows)()

    def reserve(self, rows: NDArray[Any]) -> Callable[[], None]:
        """A place for rows behind those before; what is returned writes them, in whatever thread it is called."""
        if self.file is None:
            self.file, self.dtype, self.columns = self._opened(), rows.dtype, rows.shape[1:]
        place = self.n * math.prod(self.columns) * np.dtype(self.dtype).itemsize
        self.n += len(rows)
        return lambda: self._write(
            np.ascontiguousarray(rows.astype(self.dtype, casting="same_kind", copy=False)), place
        )

    def stored(self) -> Stored:
        """The array as written; nothing can be added to it any more."""
        if self.file is None:
            self.append(np.empty(0))
        assert self.file is not None
        assert self.dtype is not None
        return Stored(self.file, self.dtype, (self.n, *self.columns), self.folder)

    def _opened(self) -> Nameless:
        try:
            return Nameless(self.folder)
        except OSError as error:
            raise self._failed(error, 0) from error

    def _write(self, rows: NDArray[Any], place: int) -> None:
        assert self.file is not None
        left = memoryview(rows.reshape(-1).view(np.uint8)) if rows.size else memoryview(b"")
        try:
            while left:
                count = self.file.write(left, place)
                left, place = left[count:], place + count
        except OSError as error:
            raise self._failed(error, rows.nbytes) from error

    def _failed(self, error: OSError, size: int) -> DataError:
        folder = self.folder or tempfile.gettempdir()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return DataError(
                f"The folder for temporary files, {folder!r}, cannot be written to ({error.strerror}). {_WAY_OUT}"
            )
        free = shutil.disk_usage(folder).free / 1e6
        return DataError(
            f"The folder for temporary files, {folder!r}, is full: {free:,.0f} MB are free and {size / 1e6:,.0f} MB "
            f"were to be written next. Rows of files are kept there as numbers as long as their fit is in use. "
            f"{_WAY_OUT}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """One number for each of n rows, (n, 1), stored nowhere."""

    value: float
    n: int

    def rows(self, where: slice) -> NDArray[np.float64]:
        """Some rows."""
        start, stop, _ = where.indices(self.n)
        return np.full((max(stop - start, 0), 1), self.value)

    def whole(self) -> NDArray[np.float64]:
        """All rows, as a view of the one number."""
        return np.broadcast_to(self.value, (self.n, 1))


class Readable(Protocol):
    """Rows that are read from files."""

    @property
    def folder(self) -> str | None:
        """Where further files go."""

    def __len__(self) -> int:
        """Number of rows."""

    def rows(self, where: slice) -> NDArray[Any]:
        """Some of them."""


def as_shown(found: Readable) -> Writer:
    """A file of the same numbers as they are read, to which more can be added."""
    writer = Writer(found.folder)
    for start in range(0, max(len(found), 1), _SOME):
        writer.append(found.rows(slice(start, start + _SOME)))
    return writer


@dataclass(slots=True, eq=False)
class FieldWriter:
    """A `Writer` of one number for each row: nothing if it is the same for all, a byte each for small whole ones."""

    folder: str | None
    written: Writer | None = None
    constant: Constant | None = None

    def append(self, rows: NDArray[np.float64]) -> None:
        """Take in rows, (k, 1)."""
        if self.written is None and self._goes_on(rows):
            return
        if self.written is None:
            self.written = Writer(self.folder)
            if self.constant is not None:
                self._add(self.constant.rows(slice(None)))
        self._add(rows)

    def _add(self, rows: NDArray[np.float64]) -> None:
        assert self.written is not None
        if self.written.dtype is not None and self.written.dtype != np.int8:  # a dtype equals None if it is float64
            self.written.append(rows)
            return
        with np.errstate(invalid="ignore"):
            small = rows.astype(np.int8)
        if np.array_equal(small, rows):
            self.written.append(small)
            return
        before = self.written
        self.written = Writer(self.folder) if before.file is None else as_shown(self._as_doubles(before))
        self.written.append(rows)

    @staticmethod
    def _as_doubles(written: Writer) -> Stored:
        return replace(written.stored(), shown=np.dtype(np.float64))

    def _goes_on(self, rows: NDArray[np.float64]) -> bool:
        if not rows.size:
            return True
        before = Constant(float(rows[0, 0]), 0) if self.constant is None else self.constant
        if not (rows == before.value).all():
            return False
        self.constant = Constant(before.value, before.n + len(rows))
        return True

    def stored(self) -> Stored | Constant:
        """The column as written."""
        if self.written is not None:
            return self._as_doubles(self.written)
        return self.constant or Constant(0.0, 0)


_WAY_OUT = "Name a folder on a larger disk, gi.parquet(…, scratch='/large/disk'), or set TMPDIR."
