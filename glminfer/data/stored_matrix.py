"""The design matrix in temporary files: its numbers, or numbers and the codes of long factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from glminfer.data.stored import Stored, Writer, as_shown
from glminfer.numerics.blocks import Array
from glminfer.numerics.kernels import sums_and_squares
from glminfer.numerics.mixed import Coded, Mixed

_TYPES = (np.dtype(np.int8), np.dtype(np.float32), np.dtype(np.float64))
_FIRST = 64  # rows that mostly tell whether a type will do


def narrowed(X: Array | Mixed) -> Any:
    """The same numbers in the smallest type that holds them exactly: counts and dummies need no doubles."""
    if isinstance(X, Mixed):
        return X
    return next((X.astype(kind) for kind in _TYPES[:-1] if _holds(kind, X[:_FIRST]) and _holds(kind, X)), X)


def _holds(kind: np.dtype[Any], X: Array) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.array_equal(X.astype(kind), X)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """An array (n, k) of doubles in files of several types, one after the other.

    Attributes
    ----------
    parts : tuple of Stored
    folder : str or None
        Where further files go.
    """

    parts: tuple[Stored, ...]
    folder: str | None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        return len(self), *self.parts[0].shape[1:]

    def rows(self, where: slice) -> Array:
        """Some rows, read into fresh memory."""
        start, stop, _ = where.indices(len(self))
        ends = np.cumsum([len(part) for part in self.parts]).tolist()
        begins = [0, *ends[:-1]]
        found = [
            part.rows(slice(max(start - begin, 0), stop - begin))
            for part, begin, end in zip(self.parts, begins, ends, strict=True)
            if begin < stop and start < end
        ]
        return found[0] if len(found) == 1 else np.concatenate([self.parts[0].rows(slice(0, 0)), *found])

    def whole(self) -> Array:
        """All rows, as a map of a file."""
        return self.parts[0].whole() if len(self.parts) == 1 else as_shown(self).stored().whole()


@dataclass(slots=True, eq=False)
class SegmentWriter:
    """Writes numbers in the type in which they come, or in that of those before if it holds them as well."""

    folder: str | None
    writers: list[Writer] = field(default_factory=list)

    def reserve(self, rows: Any) -> Callable[[], None]:
        """A place for rows behind those before; what is returned writes them, in whatever thread it is called."""
        if not self.writers or _TYPES.index(rows.dtype) > _TYPES.index(self.writers[-1].dtype):
            self.writers.append(Writer(self.folder))
        return self.writers[-1].reserve(rows)

    def stored(self) -> Segments:
        """The array as written; nothing can be added to it any more."""
        doubles = (replace(writer.stored(), shown=_TYPES[-1]) for writer in self.writers or [Writer(self.folder)])
        return Segments(tuple(doubles), self.folder)


@dataclass(frozen=True, slots=True, eq=False)
class CodedWriter:
    """Writers of one coded factor; none for values that are all one."""

    codes: Writer
    values: Writer | None


@dataclass(slots=True, eq=False)
class MatrixWriter:
    """Takes in a matrix piece by piece: an array, or a `Mixed` matrix with the same factors in each."""

    folder: str | None
    numbers: SegmentWriter = field(init=False)
    parts: Sequence[CodedWriter] = ()
    last: Any = None

    def __post_init__(self) -> None:
        self.numbers = SegmentWriter(self.folder)

    def reserve(self, X: Any) -> Callable[[], None]:
        """A place for the rows of a piece; what is returned writes them, in whatever thread it is called."""
        if not len(X) and self.last is not None:
            return lambda: None
        if self.last is None or not len(self.last):
            self._begin(X)
        self.last = X
        if not isinstance(X, Mixed):
            return self.numbers.reserve(X)
        writes = [self.numbers.reserve(X.dense)]
        for writer, part in zip(self.parts, X.parts, strict=True):
            writes.append(writer.codes.reserve(part.codes))
            if writer.values is not None and part.values is not None:
                writes.append(writer.values.reserve(part.values))
        return lambda: _all(writes)

    def _begin(self, X: Any) -> None:
        self.numbers = SegmentWriter(self.folder)  # rows without columns may have come before
        parts = X.parts if isinstance(X, Mixed) else ()
        self.parts = [
            CodedWriter(Writer(self.folder), None if part.values is None else Writer(self.folder)) for part in parts
        ]

    def stored(self) -> Segments | Mixed:
        """All rows: files, or a matrix of maps of files."""
        numbers = self.numbers.stored()
        if not isinstance(self.last, Mixed):
            return numbers
        parts = []
        for writer, part in zip(self.parts, self.last.parts, strict=True):
            values = None if writer.values is None else writer.values.stored().whole()
            parts.append(Coded(writer.codes.stored().whole(), values, part.places))
        return Mixed(numbers.whole(), self.last.spots, tuple(parts), self.last.layout)


def _all(writes: Sequence[Callable[[], None]]) -> None:
    for write in writes:
        write()


def sums_of(X: Array | Mixed) -> Array:
    """Column sums and sums of squares, (2, p)."""
    if isinstance(X, Mixed):
        return np.stack([np.ones(len(X)) @ X, X.squares()])
    return sums_and_squares(X, X)
