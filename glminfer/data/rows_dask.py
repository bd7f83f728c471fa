"""Dask data frames: partitions as pieces, blocks of rows where the partitions are. The only module that knows dask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import pairwise
from operator import attrgetter
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Column, Factor, Masked
from glminfer.data.frames import Columns
from glminfer.data.levels import Levels, conformed, levels_of, united
from glminfer.data.looks import Question
from glminfer.data.pieces import Filled, Held
from glminfer.data.progress import counting, watched
from glminfer.data.rows import Kernel, MemoryRows, added, in_memory, joined, strip_sum, strips
from glminfer.data.scope import Scope
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.threads import one_blas_thread

_FAN = 8  # so many partial sums are added at a time


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
        dask = _dask()

        taken = partial(frames.take, wanted=list(wanted), labels=list(labels))
        read = dask.persist(*_each(taken, self._partitions(wanted, labels)))
        lengths, found = zip(*dask.compute(*_each(_described, read)), strict=True)
        known = united(found, self._declared())
        parts = dask.persist(*_each(partial(conformed, known=known), read))
        return DaskPieces(parts, np.cumsum(lengths).tolist())

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
    parts : sequence of delayed Columns
    stops : list of int
        Where each partition ends.
    """

    parts: Sequence[Any]
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
        dask = _dask()

        wanted = list(names)
        found = dask.compute(*_each(partial(frames.take, wanted=wanted), self.parts)) if wanted else ()
        return Columns(
            {name: _end_to_end([part.data[name] for part in found]) for name in wanted}, None, self.stops[-1]
        )

    def map(self, function: Callable[..., Any], each: Sequence[Any], *shared: Any) -> Iterator[Any]:
        """``function(columns, each[k], *shared)`` of every partition k, brought here in their order."""
        dask = _dask()

        return iter(dask.compute(*self._run(function, each, shared)))

    def hold(self, function: Callable[..., Filled], each: Sequence[Any], *shared: Any) -> Held:
        """Rows of numbers from ``function``, kept where the partitions are."""
        dask = _dask()

        filled = dask.persist(*self._run(function, each, shared))
        told, *trials = dask.compute(_tree(_each(attrgetter("told"), filled)), *_each(attrgetter("trials"), filled))
        counts = [len(part.positions()) for part in each]
        used = [
            (f, n) for f, n in zip(filled, counts, strict=True) if n
        ]  # partitions without rows in use are no blocks
        blocks = _each(attrgetter("block"), [f for f, _ in used])
        rows = DaskRows(tuple(blocks), (0, *np.cumsum([n for _, n in used]).tolist()), told.sums.shape[1])
        return Held(rows, None if trials[0] is None else np.concatenate(trials), told)

    def kept(self, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """One array of parts for every piece, here."""
        return np.concatenate(list(parts))

    def _run(self, function: Callable[..., Any], each: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
        sent = [_Sent.of(thing) for thing in shared]
        runs = [partial(_answered, function=function, own=_Sent(own), shared=sent) for own in each]
        return [_task(run, part) for run, part in zip(runs, self.parts, strict=True)]


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


def _answered(columns: Columns, function: Callable[..., Any], own: _Sent, shared: Sequence[_Sent]) -> Any:
    with one_blas_thread():
        return function(columns, own.arrived(), *(thing.arrived() for thing in shared))


def _described(columns: Columns) -> tuple[int, Levels]:
    return columns.n, levels_of(columns)


def _block_sum(block: Block, kernel: Kernel, arrays: Sequence[Any]) -> Any:
    parts = strips(block.n, block.X.shape[1])
    with one_blas_thread():
        return added(strip_sum(block.rows, strip, kernel, arrays) for strip in parts)


def _block_map(block: Block, kernel: Kernel, arrays: Sequence[Any]) -> Array:
    with one_blas_thread():
        return np.asarray(kernel(block, *arrays))


def _thinned(block: Block, step: int, start: int) -> Block:
    return block.rows(slice(-start % step, None, step))


def _replaced(block: Block, values: Any, field: str) -> Block:
    return replace(block, **{field: values})


def _with_columns(block: Block, kernel: Kernel, arrays: Sequence[Any]) -> Block:
    return replace(block, X=np.ascontiguousarray(_block_map(block, kernel, arrays)))


# rows ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class DaskRows:
    """Rows of one model in blocks that lie where Dask keeps them.

    Attributes
    ----------
    blocks : tuple of delayed Block
    edges : tuple of int
        Where each block starts among the rows, and where the last one ends.
    width : int
        Number of columns.
    """

    blocks: tuple[Any, ...]
    edges: tuple[int, ...]
    width: int

    @property
    def n(self) -> int:
        """Number of rows, those of zero weight included."""
        return self.edges[-1]

    @property
    def nobs(self) -> int:
        """Number of rows of positive weight."""
        return int(self.sum(kernels.count_used))

    def sum(self, kernel: Kernel, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``: as in memory within a block, then over a tree (106)."""
        return self._answers(partial(_block_sum, kernel=kernel, arrays=arrays), lambda parts: [_tree(parts)])[0]

    def map(self, kernel: Kernel, *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, brought here in row order."""
        return joined(self._answers(partial(_block_map, kernel=kernel, arrays=arrays), list))

    def _answers(self, function: Callable[[Block], Any], then: Callable[[list[Any]], list[Any]]) -> Sequence[Any]:
        """What ``then`` makes of the function's answers for all blocks, computed; a bar counts rows meanwhile."""
        parts = _each(function, self.blocks)
        if not watched():
            return tuple(_dask().compute(*then(parts)))
        sizes = dict(zip((part.key for part in parts), np.diff(self.edges).tolist(), strict=True))
        with counting(self.n, "rows") as add:
            return _counted(parts, then, lambda key: add(sizes.get(key, 0)))

    def grouped(self, codes: NDArray[np.intp]) -> DaskRows:
        """The same rows, blocks carrying integer codes of a grouping column."""
        return self._with("groups", codes)

    def with_columns(self, kernel: Kernel, *arrays: Any) -> DaskRows:
        """The same rows with other columns, ``kernel(block, *arrays)``."""
        dask = _dask()

        blocks = dask.persist(*_each(partial(_with_columns, kernel=kernel, arrays=arrays), self.blocks))
        width = dask.compute(_each(_width, blocks[:1]))[0][0]
        return replace(self, blocks=blocks, width=width)

    def with_offset(self, offset: Array) -> DaskRows:
        """The same rows with another offset, (n, 1)."""
        return self._with("offset", offset)

    def without(self, gone: NDArray[np.bool_]) -> DaskRows:
        """The same rows, those marked in ``gone`` (n,) weighing nothing."""
        return self._with("weights", np.where(gone[:, None], 0.0, self.values("weights")))

    def _with(self, field: str, values: NDArray[Any]) -> DaskRows:
        dask = _dask()

        pieces = [values[start:stop] for start, stop in pairwise(self.edges)]
        tasks = [_task(partial(_replaced, values=v, field=field), b) for v, b in zip(pieces, self.blocks, strict=True)]
        return replace(self, blocks=dask.persist(*tasks))

    def every(self, step: int) -> MemoryRows:
        """Each ``step``-th row, brought here: a subsample to start from."""
        dask = _dask()

        starts = self.edges[:-1]
        tasks = [_task(partial(_thinned, step=step, start=s), b) for s, b in zip(starts, self.blocks, strict=True)]
        parts = dask.compute(*tasks)
        fields = (np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "y", "weights", "offset"))
        return MemoryRows(Block(*fields))

    def some(self, places: NDArray[np.intp]) -> Block:
        """The rows at some places, in that order, brought here."""
        return in_memory(self).some(places)

    def distinct(self) -> tuple[MemoryRows, slice]:
        """All rows, brought here."""
        return in_memory(self), slice(None)

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field of the blocks over all rows, brought here."""
        dask = _dask()

        return joined(dask.compute(*_each(attrgetter(name), self.blocks)))


def _width(block: Block) -> int:
    return int(block.X.shape[1])


# watching ------------------------------------------------------------------------------------------------------------


def _counted(parts: list[Any], then: Callable[[list[Any]], list[Any]], done: Callable[[Any], None]) -> Sequence[Any]:
    """The same, calling ``done`` with the key of each part when it is there."""
    dask = _dask()

    client = getattr(dask.base.get_scheduler(), "__self__", None)
    if client is None:  # threads, processes or one after the other in this process
        watching: Any = import_module("dask.callbacks")
        with watching.Callback(posttask=lambda key, *_: done(key)):
            return tuple(dask.compute(*then(parts), optimize_graph=False))
    cluster: Any = import_module("distributed")
    parts = list(dask.persist(*parts))
    for future in cluster.as_completed(cluster.futures_of(parts)):
        done(future.key)
    return tuple(dask.compute(*then(parts)))


# graphs --------------------------------------------------------------------------------------------------------------


def _dask() -> Any:
    import dask

    return dask


def _task(function: Callable[..., Any], *given: Any) -> Any:
    return _dask().delayed(function, pure=False)(*given)


def _each(function: Callable[..., Any], parts: Iterable[Any]) -> list[Any]:
    return [_task(function, part) for part in parts]


def _tree(parts: Sequence[Any]) -> Any:
    """Their sum, a few neighbours at a time: the same order whoever finishes first (106)."""
    while len(parts) > 1:
        parts = [_task(added, list(parts[k : k + _FAN])) for k in range(0, len(parts), _FAN)]
    return parts[0]


def _end_to_end(parts: Sequence[Any]) -> Column:
    """One column of those of the partitions."""
    if any(isinstance(part, Factor) for part in parts):
        return Factor(np.concatenate([part.codes for part in parts]), parts[0].levels, parts[0].ordered)
    if any(isinstance(part, Masked) for part in parts):
        masks = [part.mask if isinstance(part, Masked) else np.zeros(len(part), dtype=bool) for part in parts]
        values = [part.values if isinstance(part, Masked) else part for part in parts]
        return Masked(np.concatenate(values), np.concatenate(masks))
    return np.concatenate(parts)
