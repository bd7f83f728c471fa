"""The design matrix, written straight from the columns in blocks of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.threads import in_order

Floats = NDArray[np.float64]
BLOCK = 4096  # rows: a block of twenty columns stays in the second-level cache
PARALLEL = 100_000  # rows from which threads pay


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric factor: values (n,) or (n, k)."""

    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Codes:
    """A categorical factor: level codes (n,) and the row of numbers of each level (levels, k)."""

    codes: NDArray[np.signedinteger[Any]]
    table: Floats


Source = Numbers | Codes


def fill(pieces: Sequence[tuple[slice, Sequence[Source]]], n: int, p: int) -> Floats:
    """Fill the (n, p) matrix.

    Parameters
    ----------
    pieces : sequence of (slice, sources)
        Columns of each term and the factors whose product they hold; none for the intercept.
    n, p : int
        Rows and columns.

    Returns
    -------
    (n, p) float64 array in C order
    """
    X = np.empty((n, p))
    if n < PARALLEL:
        starts = [range(0, n, BLOCK)]
    else:
        half = BLOCK * (n // (2 * BLOCK))
        starts = [range(0, half, BLOCK), range(half, n, BLOCK)]

    @np.errstate(all="ignore")  # set in each thread: a product that overflows is no news to print
    def run(part: range) -> None:
        for start in part:
            rows = slice(start, min(start + BLOCK, n))
            for where, sources in pieces:
                _write(X[rows, where], sources, rows)

    in_order(run, starts)
    return X


def _write(out: Floats, sources: Sequence[Source], rows: slice) -> None:
    if not sources:
        out[...] = 1.0
    elif len(sources) == 1:
        values = _block(sources[0], rows)
        out[...] = values if values.ndim == 2 else values[:, None]
    else:
        out[...] = _product([_block(source, rows) for source in sources])


def _block(source: Source, rows: slice) -> NDArray[Any]:
    if isinstance(source, Codes):
        return source.table.take(source.codes[rows], axis=0)
    return source.values[rows]


def _product(blocks: Sequence[NDArray[Any]]) -> Floats:
    """All products of one column from each block; the leftmost block runs fastest."""
    result = np.atleast_2d(blocks[0].T).T.astype(np.float64, copy=False)
    for block in blocks[1:]:
        columns = np.atleast_2d(block.T).T
        result = (columns[:, :, None] * result[:, None, :]).reshape(len(result), -1)
    return result


def plan(terms: Mapping[str, slice], sources: Mapping[str, Sequence[Source]]) -> list[tuple[slice, Sequence[Source]]]:
    """Terms that have columns, with the factors whose product they are."""
    return [(where, sources[name]) for name, where in terms.items() if where.stop > where.start]
