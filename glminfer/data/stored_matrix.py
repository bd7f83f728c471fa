"""The design matrix in temporary files: its numbers, or numbers and the codes of long factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from glminfer.data.stored import Stored, Writer
from glminfer.numerics.blocks import Array
from glminfer.numerics.kernels import sums_and_squares
from glminfer.numerics.mixed import Coded, Mixed


@dataclass(frozen=True, slots=True, eq=False)
class CodedWriter:
    """Writers of one coded factor; none for values that are all one."""

    codes: Writer
    values: Writer | None


@dataclass(slots=True, eq=False)
class MatrixWriter:
    """Takes in a matrix piece by piece: an array, or a `Mixed` matrix with the same factors in each."""

    folder: str | None
    numbers: Writer = field(init=False)
    parts: Sequence[CodedWriter] = ()
    last: Array | Mixed | None = None

    def __post_init__(self) -> None:
        self.numbers = Writer(self.folder)

    def reserve(self, X: Array | Mixed) -> Callable[[], None]:
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

    def _begin(self, X: Array | Mixed) -> None:
        self.numbers = Writer(self.folder)  # rows without columns may have come before
        parts = X.parts if isinstance(X, Mixed) else ()
        self.parts = [
            CodedWriter(Writer(self.folder), None if part.values is None else Writer(self.folder)) for part in parts
        ]

    def stored(self) -> Stored | Mixed:
        """All rows: a file, or a matrix of maps of files."""
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
