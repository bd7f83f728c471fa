"""Rows of which many are alike: their columns are stored and summed once (109).

Trials of a few conditions have few distinct rows of covariates, however many trials there are. A log-likelihood sees
alike rows as one row with the sum of their weights; what needs each row gets it, made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.columns import occurring
from glminfer.data.pairs import added
from glminfer.data.rows import Kernel, MemoryRows, joined, strip_sum, strips
from glminfer.numerics import kernels
from glminfer.numerics.alike import ignores_columns, may_sum_once, same_value
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.threads import in_order

_LOOK = 4096  # rows looked at
_MANY = 512  # distinct rows among them from which it cannot pay
_WORTH = 8  # rows per distinct row for it to pay
_ROWS = 50_000  # rows below which there is little to gain
_FIELDS = 4  # numbers of a row without columns: outcome, weight, offset, kind
_TABLE = 1 << 20  # codes that are counted in a table; more are looked up

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Alike:
    """Which rows are alike.

    Attributes
    ----------
    codes : (n,) int
        The distinct row that each row is.
    first : (u,) int
        A row of each kind.
    """

    codes: Codes
    first: NDArray[np.intp]


def find_alike(values: Mapping[str, NDArray[Any]], offset: Array, n: int, compress: bool | None) -> Alike | None:
    """Rows alike in all values of the formula and in the offset; None where there are too few to pay.

    Parameters
    ----------
    values : mapping of (n,) or (n, k) arrays
        Numbers, or codes of levels, of the factors of a formula.
    offset : (n,)
    n : int
        Number of rows.
    compress : bool, optional
        Whether to look for alike rows: by default where a look at some rows says it pays.
    """
    if compress is False or not n or (compress is None and n < _ROWS):
        return None
    columns = [column for value in values.values() for column in np.atleast_2d(value.T)]
    columns += [offset] if offset.any() else []
    if compress is None and not _few_kinds(columns, n):
        return None
    found = _coded(columns, n, n if compress else n // _WORTH)
    if found is None:
        return None
    return Alike(*found)


def _few_kinds(columns: Sequence[NDArray[Any]], n: int) -> bool:
    """Whether a look at some rows finds few kinds of them; columns of many numbers are noticed at once."""
    step = -(-n // _LOOK)
    parts = [column[::step] for column in columns]
    if any(len(np.unique(part)) > _MANY for part in parts):
        return False
    return not parts or len(np.unique(np.column_stack(parts).astype(float), axis=0)) <= _MANY


def _coded(columns: Sequence[NDArray[Any]], n: int, most: int) -> tuple[Codes, NDArray[np.intp]] | None:
    """One code for each combination of values that occurs, and a row of each; None if there are more than ``most``."""
    codes: NDArray[Any] = np.zeros(n, dtype=np.int32)
    size = 1
    for column in columns:
        more, kinds = _kinds(column)
        codes, size = (more, kinds) if size == 1 else (_paired(codes, more, kinds, size * kinds), size * kinds)
        if size > most:
            codes, size = _present(codes, size)
        if size > most:
            return None
    codes, size = _present(codes, size)
    return codes.astype(np.intp, copy=False), _a_row_of_each(codes, size)


def _a_row_of_each(codes: NDArray[Any], size: int) -> NDArray[np.intp]:
    first = np.full(size, -1)
    for start in range(0, len(codes), _LOOK):
        part = codes[start : start + _LOOK]
        first[part] = np.arange(start, start + len(part))
        if first.min() >= 0:
            break
    return first


def _paired(codes: NDArray[Any], more: NDArray[Any], kinds: int, size: int) -> NDArray[Any]:
    """One code for each pair of codes."""
    out: NDArray[Any] = np.multiply(codes, kinds, dtype=np.int32 if size <= np.iinfo(np.int32).max else np.int64)
    np.add(out, more, out=out, casting="same_kind")
    return out


def _kinds(column: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Codes of the values of a column, and how many there are."""
    if column.dtype.kind in "biu":
        low, high = int(column.min()), int(column.max())
        if high - low < _TABLE:
            return column - low if low else column, high - low + 1
    codes, levels = pd.factorize(column)
    return codes, len(levels)


def _present(codes: NDArray[Any], size: int) -> tuple[NDArray[Any], int]:
    """The same codes without those that do not occur."""
    if size > _TABLE:
        found, levels = pd.factorize(codes)
        return found, len(levels)
    there = occurring(codes, size)
    if there.all():
        return codes, size
    return (np.cumsum(there) - 1)[codes], int(there.sum())


@dataclass(frozen=True, slots=True)
class RepeatedRows:
    """Rows of which many are alike.

    Parameters
    ----------
    once : Block
        Each kind of row: columns (u, p), mean outcome, sum of weights, offset, number of rows of positive weight.
    codes : (n,) int
        The kind of each row.
    y, weights : (n, 1)
    groups : (n,) int or None
        Codes of a grouping column.
    """

    once: Block
    codes: Codes
    y: Array
    weights: Array
    groups: NDArray[np.intp] | None = None

    @property
    def n(self) -> int:
        """Number of rows, those of zero weight included."""
        return len(self.codes)

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.once.X.shape[1])

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""
        return int(self.sum(kernels.count_used))

    @property
    def coded(self) -> None:
        """No columns are codes."""
        return

    def sum(self, kernel: Kernel, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``; alike rows once where that is the same."""
        if may_sum_once(kernel):
            return MemoryRows(self.once).sum(kernel, *arrays)
        block, parts = self._cut(kernel)
        return added(in_order(lambda strip: strip_sum(block, strip, kernel, arrays), parts))

    def map(self, kernel: Kernel, *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, joined in row order."""
        if same_value(kernel):
            return np.asarray(MemoryRows(self.once).map(kernel, *arrays)[self.codes])
        block, parts = self._cut(kernel)
        return joined(in_order(lambda rows: kernel(block(rows), *arrays), [rows for strip in parts for rows in strip]))

    def _cut(self, kernel: Kernel) -> tuple[Callable[[slice], Block], list[list[slice]]]:
        """Blocks with the columns a kernel needs, and where they are."""
        if ignores_columns(kernel):
            return self._blind, strips(self.n, _FIELDS)
        return self._block, strips(self.n, self.width)

    def some(self, places: NDArray[np.intp]) -> Block:
        """The rows at some places, in that order."""
        return self._block(places)

    part = some

    def _block(self, where: slice | NDArray[np.intp]) -> Block:
        return replace(self._blind(where), X=self.once.X.take(self.codes[where], axis=0))

    def _blind(self, where: slice | NDArray[np.intp]) -> Block:
        """A block without columns."""
        codes = self.codes[where]
        groups = None if self.groups is None else self.groups[where]
        none = np.empty((len(codes), 0))
        return Block(none, self.y[where], self.weights[where], self.once.offset.take(codes, axis=0), groups)

    def grouped(self, codes: NDArray[np.intp]) -> RepeatedRows:
        """The same rows, blocks carrying integer codes of a grouping column."""
        return replace(self, groups=codes)

    def with_columns(self, kernel: Kernel, *arrays: Any) -> RepeatedRows | MemoryRows:
        """The same rows with other columns, ``kernel(block, *arrays)``."""
        if not same_value(kernel):
            return in_full(self).with_columns(kernel, *arrays)
        return replace(self, once=replace(self.once, X=MemoryRows(self.once).map(kernel, *arrays)))

    def with_offset(self, offset: Array) -> RepeatedRows | MemoryRows:
        """The same rows with another offset, (n, 1); alike rows stay together if it is the same for them."""
        one = np.empty((self.once.n, 1))
        one[self.codes] = offset
        if np.array_equal(one[self.codes], offset):
            return replace(self, once=replace(self.once, offset=one))
        return in_full(self).with_offset(offset)

    def without(self, gone: NDArray[np.bool_]) -> RepeatedRows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""
        weights = np.where(gone[:, None], 0.0, self.weights)
        once = together(self.once.X, self.codes, self.y[:, 0], weights[:, 0], self.once.offset[:, 0])
        return replace(self, once=once, weights=weights)

    def every(self, step: int) -> MemoryRows:
        """Where to start from: all kinds of rows, as they are few whatever the ``step``."""
        del step
        return MemoryRows(self.once)

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field over all rows."""
        if name in ("y", "weights"):
            return self.y if name == "y" else self.weights
        return np.asarray(getattr(self.once, name).take(self.codes, axis=0))

    def distinct(self) -> tuple[MemoryRows, Codes]:
        """Each kind of row, and the kind of each row."""
        return MemoryRows(self.once), self.codes


def in_full(rows: RepeatedRows) -> MemoryRows:
    """Every row with columns of its own."""
    return MemoryRows(Block(rows.values("X"), rows.y, rows.weights, rows.values("offset"), rows.groups))


def repeated_rows(X: Array, alike: Alike, y: Array, weights: Array, offset: Array) -> RepeatedRows:
    """Rows from the columns of each kind of row (u, p), and vectors (n,)."""
    once = together(X, alike.codes, y, weights, offset[alike.first])
    return RepeatedRows(once, alike.codes, y[:, None], weights[:, None])


def together(X: Array, codes: Codes, y: Array, weights: Array, offset: Array) -> Block:
    """Alike rows as one: weights are summed, outcomes averaged by weight (109)."""
    u = len(X)
    total: Array = np.bincount(codes, weights, u).astype(np.float64, copy=False)
    events: Array = np.bincount(codes, weights * y, u).astype(np.float64, copy=False)
    counts = np.bincount(codes, None if weights.min(initial=1.0) > 0 else weights > 0, u).astype(np.float64)
    mean = np.divide(events, total, out=np.zeros(u), where=total > 0)
    return Block(X, mean[:, None], total[:, None], offset[:, None], counts=counts[:, None])
