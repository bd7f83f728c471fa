"""Dask data frames: partitions as pieces, blocks of rows where the partitions are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import pairwise
from operator import add
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import fragments, frames
from glminfer.data.columns import Column, Factor, Masked
from glminfer.data.dask_values import Values, of_each
from glminfer.data.fragments import Fragments
from glminfer.data.frames import Columns
from glminfer.data.levels import Levels, conformed, levels_of, united
from glminfer.data.looks import Question
from glminfer.data.pairs import Partial
from glminfer.data.pieces import Filled, Held
from glminfer.data.progress import counting, watched
from glminfer.data.rows import Kernel, MemoryRows, block_size, in_memory, joined
from glminfer.data.rows_coded import CodedRows, count_groups, in_full, rows_of_blocks, rows_of_coded_blocks
from glminfer.data.scope import Scope
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.threads import one_blas_thread

_FAN = 8  # so many partial sums are added at a time, and so many of them come here


@dataclass(frozen=True, slots=True, eq=False)
class DaskTable:
    """A Dask DataFrame as a table in pieces."""

    frame: Any

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(map(str, self.frame.columns))

    @property
    def n_rows(self) -> int:
        """Number of rows: computed when asked for."""
        return len(self.frame)

    def pieces(self, wanted: Iterable[str], labels: Iterable[str]) -> DaskPieces:
        """Some columns, read once and kept where the partitions are, with the levels of all of them."""
        taken = partial(frames.take, wanted=list(wanted), labels=list(labels))
        read = of_each(taken, self._partitions(wanted, labels))
        lengths, found = zip(*read.each(_described).here(), strict=True)
        known = united(found, self._declared())
        return DaskPieces(read, known, np.cumsum(lengths).tolist())

    def chunks(self, wanted: Iterable[str], labels: Iterable[str]) -> Iterator[Columns]:
        """The same one partition after the other, kept nowhere."""
        wanted, labels = list(wanted), list(labels)
        for part in self._partitions(wanted, labels):
            yield replace(frames.take(part.compute(), wanted, labels), index=None)

    def to_pandas(self) -> pd.DataFrame:
        """All of it in memory."""
        whole: pd.DataFrame = self.frame.compute()
        return whole.reset_index(drop=True)

    def _partitions(self, wanted: Iterable[str], labels: Iterable[str]) -> list[Any]:
        asked = {*wanted, *labels}
        found: list[Any] = self.frame[[name for name in self.frame.columns if str(name) in asked]].to_delayed()
        return found

    def _declared(self) -> set[str]:
        """Columns whose levels were declared and keep their order."""
        kinds = zip(self.names, self.frame.dtypes, strict=True)
        return {name for name, kind in kinds if isinstance(kind, pd.CategoricalDtype)}


@dataclass(frozen=True, slots=True, eq=False)
class DaskPieces:
    """Columns of the partitions, kept where these are.

    Attributes
    ----------
    parts : Values
        Of Columns; a partition knows its own levels only.
    known : dict
        Levels of the columns of labels in all of them.
    stops : list of int
        Where each partition ends.
    """

    parts: Values
    known: Levels
    stops: list[int]

    @property
    def read_again(self) -> bool:
        """Never."""
        return False

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: partitions have their columns from one place."""
        return ()

    def whole(self, names: Iterable[str]) -> Columns:
        """Some columns over all rows, brought here."""
        wanted = list(names)
        found = self.parts.each(partial(_taken, wanted=wanted, known=self.known)).here() if wanted else []
        data = {name: _end_to_end([part.data[name] for part in found]) for name in wanted}
        return Columns(data, None, self.stops[-1])

    def map(self, function: Callable[..., Any], each: Sequence[Any], *shared: Any) -> Iterator[Any]:
        """``function(columns, each[k], *shared)`` of every partition k, brought here in their order."""
        return iter(self._run(function, each, shared).here())

    def hold(self, function: Callable[..., Filled], each: Sequence[Any], *shared: Any) -> Held:
        """Rows of numbers from ``function``, kept where the partitions are."""
        filled = self._run(function, each, shared).kept()
        told, trials, columns = zip(*filled.each(_beside).here(), strict=True)
        lengths = [len(part.positions()) for part in each]
        as_all = next(one for one, length in zip(columns, lengths, strict=True) if length)  # nothing has no codes
        rows = _as_in_memory(filled.each(_fragments), np.cumsum([0, *lengths]).tolist(), as_all)
        return Held(rows, None if trials[0] is None else np.concatenate(trials), reduce(add, told))

    def kept(self, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """One array of parts for every piece, here."""
        return np.concatenate(list(parts))

    def _run(self, function: Callable[..., Any], each: Sequence[Any], shared: Sequence[Any]) -> Values:
        sent = [_Sent.of(thing) for thing in shared]
        answered = partial(_answered, known=self.known, function=function, shared=sent)
        return self.parts.each(answered, ({"own": _Sent(own)} for own in each))


class _Sent:
    """Something on its way to the workers: dask does not look into it, and functions of the user travel by value."""

    __slots__ = ("functions", "thing")

    def __init__(self, thing: Any, functions: Any = None) -> None:
        self.thing, self.functions = thing, functions

    def __getstate__(self) -> tuple[Any, Any]:
        return self.thing, self.functions

    def __setstate__(self, state: tuple[Any, Any]) -> None:
        self.thing, self.functions = state

    @staticmethod
    def of(thing: Any) -> _Sent:
        if not isinstance(thing, Question):
            return _Sent(thing)
        scope = thing.reading.scope
        functions = scope.only(set().union(*(e.roots for e in thing.reading.expressions)) | scope.env.keys()).env
        return _Sent(replace(thing, reading=replace(thing.reading, scope=Scope())), dict(functions))

    def arrived(self) -> Any:
        if self.functions is None:
            return self.thing
        return replace(self.thing, reading=replace(self.thing.reading, scope=Scope(self.functions)))


# done where the partitions are ---------------------------------------------------------------------------------------


def _answered(
    columns: Columns, known: Levels, function: Callable[..., Any], own: _Sent, shared: Sequence[_Sent]
) -> Any:
    with one_blas_thread():
        return function(conformed(columns, known), own.arrived(), *(thing.arrived() for thing in shared))


def _taken(columns: Columns, wanted: Sequence[str], known: Levels) -> Columns:
    return frames.take(conformed(columns, known), wanted)


def _described(columns: Columns) -> tuple[int, Levels]:
    return columns.n, levels_of(columns)


def _beside(filled: Filled) -> tuple[Any, Any, Any]:
    return filled.told, filled.trials, filled.block.X[:0]


def _fragments(filled: Filled) -> Fragments:
    return Fragments((filled.block,))


def _together(partials: Sequence[Partial]) -> Partial:
    return reduce(add, partials)


# rows ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class DaskRows:
    """Rows of one model where Dask keeps them, in blocks that are cut as they would be in memory.

    Attributes
    ----------
    parts : Values
        Of Fragments, each of which begins where a block in memory does.
    edges : tuple of int
        Where each starts among the rows, and where the last one ends.
    columns : (0, p) array or Mixed
        The columns without rows.
    groups : int
        How many groups the rows are in, if they are.
    """

    parts: Values
    edges: tuple[int, ...]
    columns: Array | Mixed
    groups: int = 0

    @property
    def n(self) -> int:
        """Number of rows, those of zero weight included."""
        return self.edges[-1]

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""
        return int(self.sum(kernels.count_used))

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.columns.shape[1])

    @property
    def coded(self) -> Mixed | None:
        """The columns without any rows where some of them are codes."""
        return self.columns if isinstance(self.columns, Mixed) else None

    def _size(self, kernel: Kernel) -> int:
        return block_size(self.width) if self.coded is None else rows_of_blocks(self.coded, kernel, self.groups)

    def sum(self, kernel: Kernel, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``: added in the pairs in which rows in memory are (106)."""
        size = self._size(kernel)
        function = partial(fragments.sums, size=size, kernel=kernel, arrays=arrays)
        sums = self.parts.each(function, ({"first": start // size} for start in self.edges[:-1]))
        return _together(self._here(sums, _fewer(sums))).total

    def map(self, kernel: Kernel, *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, brought here in row order."""
        mapped = self.parts.each(partial(fragments.mapped, size=self._size(kernel), kernel=kernel, arrays=arrays))
        return joined(self._here(mapped, mapped))

    def _here(self, parts: Values, made: Values) -> list[Any]:
        """What is made of the parts, one for each block, computed; a bar counts rows meanwhile."""
        if not watched():
            return made.here()
        sizes = np.diff(self.edges).tolist()
        with counting(self.n, "rows") as add_rows:
            return made.here_counting(parts, lambda k: add_rows(sizes[k]))

    def grouped(self, codes: NDArray[np.intp]) -> DaskRows | MemoryRows | CodedRows:
        """The same rows, blocks carrying integer codes of a grouping column."""
        return self._cut_anew(self._with("groups", codes).parts, self.columns, count_groups(codes))

    def with_columns(self, kernel: Kernel, *arrays: Any) -> DaskRows | MemoryRows | CodedRows:
        """The same rows with other columns, ``kernel(block, *arrays)``."""
        function = partial(fragments.with_columns, size=self._size(kernel), kernel=kernel, arrays=arrays)
        parts = self.parts.each(function).kept()
        return self._cut_anew(parts, parts.some([0]).each(fragments.without_rows).here()[0], self.groups)

    def _cut_anew(self, parts: Values, columns: Array | Mixed, groups: int) -> DaskRows | MemoryRows | CodedRows:
        """Other fragments of the same rows, cut anew where blocks have other sizes now."""
        if _whole_blocks(columns, groups) == _whole_blocks(self.columns, self.groups):
            return DaskRows(parts, self.edges, columns, groups)
        return _as_in_memory(parts, self.edges, columns, groups)

    def with_offset(self, offset: Array) -> DaskRows:
        """The same rows with another offset, (n, 1)."""
        return self._with("offset", offset)

    def without(self, gone: NDArray[np.bool_]) -> DaskRows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""
        return self._with("weights", np.where(gone[:, None], 0.0, self.values("weights")))

    def _with(self, field: str, values: NDArray[Any]) -> DaskRows:
        own = ({"values": values[a:b]} for a, b in pairwise(self.edges))
        return replace(self, parts=self.parts.each(partial(fragments.with_values, field=field), own).kept())

    def every(self, step: int) -> MemoryRows | CodedRows:
        """Each ``step``-th row, brought here: a subsample to start from."""
        own = ({"start": start} for start in self.edges[:-1])
        return _of_block(fragments.together(self.parts.each(partial(fragments.thinned, step=step), own).here()))

    def some(self, places: NDArray[np.intp]) -> Block:
        """The rows at some places, in that order, brought here, with dense columns."""
        return in_full(self.part(places))

    def part(self, places: NDArray[np.intp]) -> Block:
        """The same with columns as they are kept."""
        wanted, back = fragments.by_holder(self.edges, places)
        own = ({"places": some} for _, some in wanted)
        found = self.parts.some(k for k, _ in wanted).each(fragments.picked, own).here()
        return fragments.together(found).rows(back)

    def distinct(self) -> tuple[MemoryRows, slice]:
        """All rows, brought here."""
        return in_memory(self), slice(None)

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field of the blocks over all rows, brought here; codes become columns here."""
        if name == "X" and self.coded is not None:
            return np.asarray(self.every(1).values("X"))
        return joined(self.parts.each(partial(fragments.values, name=name)).here())


def _fewer(sums: Values) -> Values:
    """Partial sums of neighbours added until few are left: those of all blocks need not come here."""
    while len(sums) > _FAN:
        sums = sums.in_groups(_together, (min(_FAN, len(sums) - k) for k in range(0, len(sums), _FAN)))
    return sums


def _whole_blocks(columns: Array | Mixed, groups: int) -> int:
    """Fragments have a multiple of so many rows."""
    return rows_of_coded_blocks(columns, groups) if isinstance(columns, Mixed) else block_size(columns.shape[1])


def _of_block(block: Block) -> MemoryRows | CodedRows:
    """Rows in memory."""
    X: Any = block.X
    coded = isinstance(X, Mixed)
    return CodedRows(X, block.y, block.weights, block.offset, block.groups) if coded else MemoryRows(block)


def _as_in_memory(
    parts: Values, edges: Sequence[int], columns: Array | Mixed, groups: int = 0
) -> DaskRows | MemoryRows | CodedRows:
    """Rows cut where blocks in memory are; those of a single block come here, as there is nothing to distribute."""
    size = _whole_blocks(columns, groups)
    cuts = fragments.nearest_cuts(edges, size)
    wanted = [_rows(edges, a, b) for a, b in pairwise(cuts)]
    pieces = parts.some(k for some in wanted for k, _ in some)
    pieces = pieces.each(fragments.between, (ends for some in wanted for _, ends in some))
    whole = pieces.in_groups(partial(fragments.assembled, size=size), map(len, wanted))
    if edges[-1] <= size:
        return _of_block(fragments.together(whole.here()[0].parts))
    return DaskRows(whole.kept(), tuple(cuts), columns, groups)


def _rows(edges: Sequence[int], start: int, stop: int) -> list[tuple[int, dict[str, int]]]:
    """The parts that hold the rows from start to stop, and where in each of them these are."""
    some = range(bisect_right(edges, start) - 1, bisect_left(edges, stop))
    ends = ((k, max(start, edges[k]) - edges[k], min(stop, edges[k + 1]) - edges[k]) for k in some)
    return [(k, {"start": a, "stop": b}) for k, a, b in ends if a < b]


def _end_to_end(parts: Sequence[Any]) -> Column:
    """One column of those of the partitions."""
    if any(isinstance(part, Factor) for part in parts):
        return Factor(np.concatenate([part.codes for part in parts]), parts[0].levels, parts[0].ordered)
    if any(isinstance(part, Masked) for part in parts):
        masks = [part.mask if isinstance(part, Masked) else np.zeros(len(part), dtype=bool) for part in parts]
        values = [part.values if isinstance(part, Masked) else part for part in parts]
        return Masked(np.concatenate(values), np.concatenate(masks))
    return np.concatenate(parts)
