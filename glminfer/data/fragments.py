"""Rows that lie elsewhere, in fragments of whole blocks: each block is cut at the same rows as in memory (106).

Their columns are numbers, or a `Mixed` matrix where some of them are kept as codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.pairs import Partial, partial_sum
from glminfer.data.rows import Kernel, cut, joined
from glminfer.data.rows_coded import as_taken
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed, stacked
from glminfer.numerics.threads import one_blas_thread

_FIELDS = ("y", "weights", "offset")


@dataclass(frozen=True, slots=True)
class Fragments:
    """Rows that follow each other, in parts; each begins where a block does."""

    parts: tuple[Block, ...]

    @property
    def _slices(self) -> list[slice]:
        ends = accumulate((part.n for part in self.parts), initial=0)
        return [slice(a, b) for a, b in pairwise(ends)]

    def _blocks(self, size: int) -> Iterator[Block]:
        return (part.rows(where) for part in self.parts for where in cut(part.n, size))

    def _changed(self, field: str, values: NDArray[Any]) -> Fragments:
        changed = (replace(part, **{field: values[s]}) for part, s in zip(self.parts, self._slices, strict=True))
        return Fragments(tuple(changed))


# what is done with them -----------------------------------------------------------------------------------------------


def sums(rows: Fragments, first: int, size: int, kernel: Kernel, arrays: Sequence[Any]) -> Partial:
    """What a sum over blocks is made of, from the blocks here, of which the first has this number."""
    with one_blas_thread():
        return partial_sum((kernel(as_taken(block, kernel), *arrays) for block in rows._blocks(size)), first)


def mapped(rows: Fragments, size: int, kernel: Kernel, arrays: Sequence[Any]) -> Array:
    """``kernel(block, *arrays)`` of the blocks here, in row order."""
    with one_blas_thread():
        return joined([np.asarray(kernel(as_taken(block, kernel), *arrays)) for block in rows._blocks(size)])


def with_columns(rows: Fragments, size: int, kernel: Kernel, arrays: Sequence[Any]) -> Fragments:
    """The same rows with other columns, ``kernel(block, *arrays)``."""
    with one_blas_thread():
        made = [kernel(as_taken(block, kernel), *arrays) for block in rows._blocks(size)]
    return rows._changed("X", below_each_other(made))


def with_values(rows: Fragments, field: str, values: NDArray[Any]) -> Fragments:
    """The same rows with another field."""
    return rows._changed(field, values)


def thinned(rows: Fragments, step: int, start: int) -> Block:
    """Each ``step``-th of all rows, of which the first here has the number ``start``."""
    wanted = (slice(-(start + s.start) % step, None, step) for s in rows._slices)
    return together([part.rows(where) for part, where in zip(rows.parts, wanted, strict=True)])


def picked(rows: Fragments, places: NDArray[np.intp]) -> Block:
    """The rows at some places among those here, in that order."""
    slices = rows._slices
    wanted, back = by_holder([0, *(s.stop for s in slices)], places)
    return together([rows.parts[k].rows(own) for k, own in wanted]).rows(back)


def values(rows: Fragments, name: str) -> Array:
    """One field over the rows here, with all columns as numbers."""
    return joined([np.asarray(getattr(part, name)) for part in rows.parts])


def without_rows(rows: Fragments) -> Array | Mixed:
    """The columns, (0, p)."""
    return rows.parts[0].X[:0]


# where they are cut ---------------------------------------------------------------------------------------------------


def nearest_cuts(edges: Sequence[int], size: int) -> list[int]:
    """Where blocks of ``size`` rows begin, next to the edges; the first and the last of these stay."""
    inner = {(edge + size // 2) // size * size for edge in edges[1:-1]}
    return [edges[0], *sorted(at for at in inner if edges[0] < at < edges[-1]), edges[-1]]


def by_holder(
    edges: Sequence[int], places: NDArray[np.intp]
) -> tuple[list[tuple[int, NDArray[np.intp]]], NDArray[Any]]:
    """Which part holds which of some places, counted from its first row; and the order that puts them back."""
    where = np.searchsorted(edges, places, side="right") - 1
    wanted = [(int(k), places[where == k] - edges[int(k)]) for k in np.unique(where)]
    return wanted or [(0, places)], np.argsort(np.argsort(where, kind="stable"), kind="stable")


def between(rows: Fragments, start: int, stop: int) -> Fragments:
    """Some of the rows, as views."""
    wanted = (slice(max(start - s.start, 0), max(stop - s.start, 0)) for s in rows._slices)
    return Fragments(tuple(part.rows(where) for part, where in zip(rows.parts, wanted, strict=True)))


def assembled(pieces: Sequence[Fragments], size: int) -> Fragments:
    """Rows that follow each other as fragments of whole blocks; only a block whose rows were apart is copied."""
    found: list[Block] = []
    begun: list[Block] = []  # rows of one block
    for part in (part for piece in pieces for part in piece.parts):
        lacking = -sum(one.n for one in begun) % size
        begun.append(part.rows(slice(0, lacking)))
        if part.n < lacking:
            continue
        whole = part.n - (part.n - lacking) % size
        found += [together(begun), part.rows(slice(lacking, whole))]
        begun = [part.rows(slice(whole, None))]
    return Fragments(tuple(part for part in (*found, together(begun)) if part.n))


def together(parts: Sequence[Block]) -> Block:
    """Rows that follow each other as one block, copied where they are several."""
    some = [part for part in parts if part.n] or list(parts[:1])
    if len(some) == 1:
        return some[0]
    groups = [part.groups for part in some if part.groups is not None]
    y, weights, offset = (np.concatenate([getattr(part, name) for part in some]) for name in _FIELDS)
    X = below_each_other([part.X for part in some])
    return Block(X, y, weights, offset, np.concatenate(groups) if groups else None)


def below_each_other(columns: Sequence[Array | Mixed]) -> Array:
    """The columns of rows that follow each other; a `Mixed` matrix stands for an array, as in a block."""
    if isinstance(columns[0], Mixed):
        return cast(Array, stacked(cast(Sequence[Mixed], columns)))
    return np.ascontiguousarray(joined(cast(Sequence[Array], columns)))
