"""Separation of rows with coded factors: levels of one outcome at once, anything else by a sparse linear programme.

A level whose rows are all events, or all not, is separated by its own dummy, and one with a slope of its own where its
events lie on one side of the others: no programme is needed to see it (117), (146). What is left is an ordinary
problem, whose rows have few numbers that are not zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.rows import Rows
from glminfer.data.rows_coded import CodedRows
from glminfer.fit.separation import Mask, Recession, largest, one_direction
from glminfer.numerics import kernels
from glminfer.numerics.alike import takes_codes
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.families import Family
from glminfer.numerics.linalg import factor, solve
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.rank import learn_basis

_EXACT = 1e-9  # of a dummy: what may be left of it after projection on the columns that make it
_WITHOUT = 8  # levels without a column of their own whose dummies may be combinations of the others
_CHUNK = 4096  # rows whose inequalities are looked at at once


def levels_apart(rows: Rows) -> Mask | None:
    """The rows in levels of one outcome, as far as the columns can tell these levels apart; None if there are none."""
    separated = np.zeros(rows.n, dtype=bool)
    for k, part in enumerate(cast(Mixed, rows.coded).parts):
        counts = rows.sum(_outcomes, k)
        one = (counts[:, 0] > 0) & ((counts[:, 1] == counts[:, 0]) | (counts[:, 2] == counts[:, 0]))
        if one.any() and (slot := _dummies(rows, k)) is not None:
            told = part.places[:, slot] >= 0
            if np.count_nonzero(~told) <= _WITHOUT:  # with more of them, what follows decides
                for level in np.flatnonzero(one & ~told):
                    told[level] = _is_combination(rows, k, int(level))
            separated |= rows.map(_in_levels, k, one & told)
    return separated & (rows.values("weights")[:, 0] > 0) if separated.any() else None


def slopes_apart(rows: Rows) -> Mask | None:
    """The rows that an intercept and a slope of their own level separate; None if there are none (146)."""
    separated = np.zeros(rows.n, dtype=bool)
    for k, part in enumerate(cast(Mixed, rows.coded).parts):
        slot = _dummies(rows, k) if part.places.shape[1] == 2 else None
        if slot is not None:
            told = (part.places >= 0).all(axis=1)
            separated |= rows.map(_beyond, k, 1 - slot, rows.sum(_ranges, k, 1 - slot), told)
    separated &= rows.values("weights")[:, 0] > 0
    return separated if separated.any() else None


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Least and largest number in each level, of rows with events and of rows with others, (2, L) each.

    Rows that have both are among both.
    """

    least: Array
    most: Array

    def __add__(self, other: _Ranges) -> _Ranges:
        return _Ranges(np.minimum(self.least, other.least), np.maximum(self.most, other.most))


@takes_codes
def _ranges(block: Block, part: int, slot: int) -> _Ranges:
    codes, v, L = _numbers_of(block, part, slot)
    least, most = np.full((2, L), np.inf), np.full((2, L), -np.inf)
    used, y = block.weights[:, 0] > 0, block.y[:, 0]
    for kind, mark in enumerate((used & (y > 0.0), used & (y < 1.0))):
        np.minimum.at(least[kind], codes[mark], v[mark])
        np.maximum.at(most[kind], codes[mark], v[mark])
    return _Ranges(least, most)


@takes_codes
def _beyond(block: Block, part: int, slot: int, ranges: _Ranges, told: Mask) -> Mask:
    """Whether each row lies beyond all rows of the other outcome, in levels where these two do not overlap."""
    codes, v, _ = _numbers_of(block, part, slot)
    (first, second), (first_end, second_end) = ranges.least, ranges.most
    up, down = told & (second_end <= first), told & (first_end <= second)
    beyond = [
        side[codes] & ((v < least[codes]) | (v > most[codes]))
        for side, least, most in ((up, first, second_end), (down, second, first_end))
    ]
    return np.asarray(beyond[0] | beyond[1])


def _numbers_of(block: Block, part: int, slot: int) -> tuple[NDArray[np.int32], Array, int]:
    """Level and number of each row, and how many levels there are."""
    found = cast(Mixed, block.X).parts[part]
    return found.codes, cast(Array, found.values)[:, slot], len(found.places)


@takes_codes
def _outcomes(block: Block, part: int) -> Array:
    """Rows of positive weight, those that are all events, and those that have none, of each level, (L, 3)."""
    found = cast(Mixed, block.X).parts[part]
    used, y, L = block.weights[:, 0] > 0, block.y[:, 0], len(found.places)
    return np.column_stack([np.bincount(found.codes, mark, L) for mark in (used, used & (y == 1.0), used & (y == 0.0))])


@takes_codes
def _in_levels(block: Block, part: int, levels: Mask) -> Mask:
    """Whether each row is in one of some levels (L,), (n,)."""
    return levels[cast(Mixed, block.X).parts[part].codes]


def _dummies(rows: Rows, part: int) -> int | None:
    """Which of a factor's columns is its dummy; None where it has products with numbers only."""
    if cast(Mixed, rows.coded).parts[part].values is None:
        return 0
    ones = np.flatnonzero(rows.sum(_ones, part) == rows.n)
    return int(ones[0]) if ones.size else None


@takes_codes
def _ones(block: Block, part: int) -> NDArray[np.intp]:
    """Rows that have a one in each column of their level, (s,)."""
    values = cast(Array, cast(Mixed, block.X).parts[part].values)
    return np.asarray(np.count_nonzero(values == 1.0, axis=0))


def _is_combination(rows: Rows, part: int, level: int) -> bool:
    """Whether the dummy of a level that has no column is a combination of the columns, as that of the reference is."""
    products = rows.sum(kernels.column_products)
    factored = factor(products)
    if factored is None:
        return False
    sums = rows.sum(_with_level, part, level)
    t = solve(factored, sums[:-1])
    return float(sums[-1] - sums[:-1] @ t) <= _EXACT * float(sums[-1])


@takes_codes
def _with_level(block: Block, part: int, level: int) -> Array:
    """Sums of the columns over the rows of a level, and their number, (p + 1,)."""
    here = ((cast(Mixed, block.X).parts[part].codes == level) & (block.weights[:, 0] > 0)).astype(float)
    return np.append(here @ block.X, here.sum())


def recession(rows: CodedRows, separated: Mask) -> Recession:
    """The cone of directions in which these rows move and no others do (15)."""
    null = null_space(rows, separated)
    sign = np.where(rows.y[:, 0] > 0.5, 1.0, -1.0)
    places, cone = np.flatnonzero(separated), np.zeros((0, null.shape[1]))
    for start in range(0, len(places), _CHUNK):
        some = places[start : start + _CHUNK]
        moved = (rows.X[some] @ null) * sign[some, None]
        unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        cone = np.unique(np.vstack([cone, np.round(unit, 9)]), axis=0)
    used = np.flatnonzero(rows.weights[:, 0] > 0)
    scale = rows.X[used].largest()
    return Recession(null, cone, np.where(scale > 0, scale, 1.0))


def null_space(rows: CodedRows, separated: Mask) -> Array:
    """A basis (p, k) of the directions in which no other row moves: dependent columns less what makes them."""
    found = learn_basis(rows.without(separated), rows.width, None).relations
    null = np.zeros((rows.width, len(found)))
    for k, (j, relation) in enumerate(sorted(found.items())):
        null[:, k] = -relation
        null[j, k] = 1.0
    return null


def find(rows: CodedRows, fam: Family, coef: Array) -> Mask | None:
    """The rows that some direction of recession moves, or None when the maximum exists (17)."""
    used = np.flatnonzero(rows.weights[:, 0] > 0)
    y, suspicion = rows.y[used, 0], rows.map(kernels.suspicion, coef, fam)[used]
    sign = np.where(y == 1.0, 1.0, np.where(y == 0.0, -1.0, 0.0))
    scaled = _sparse(rows.X[used])
    separated = np.zeros(len(used), dtype=bool)
    while not separated.all():  # each round removes rows that one direction separates
        left = np.flatnonzero(~separated)

        def null(still: Mask, left: Any = left) -> Array:
            gone = np.ones(rows.n, dtype=bool)
            gone[used[left[still]]] = False
            return null_space(rows, gone) * largest(rows.X[used].largest()[None], axis=0)[:, None]

        found = one_direction(scaled[left], sign[left], suspicion[left], null)
        if found is None:
            break
        separated[left[found]] = True
    if not separated.any():
        return None
    mask = np.zeros(rows.n, dtype=bool)
    mask[used] = separated
    return mask


def _sparse(X: Mixed) -> Any:
    """The rows as a sparse matrix, columns and then rows scaled to largest entry 1."""
    from scipy.sparse import csr_array, diags_array

    at = np.arange(len(X))
    i, j, v = [np.repeat(at, len(X.spots))], [np.tile(X.spots, len(X))], [X.dense.ravel()]
    for part in X.parts:
        values = np.ones((len(X), 1)) if part.values is None else part.values
        for places, value in zip(part.places.T, values.T, strict=True):
            there = (places >= 0)[part.codes]
            i, j, v = [*i, at[there]], [*j, places[part.codes[there]]], [*v, value[there]]
    made = csr_array((np.concatenate(v), (np.concatenate(i), np.concatenate(j))), shape=X.shape)
    made = made @ diags_array(1.0 / largest(X.largest()[None], axis=0))
    size = abs(made).max(axis=1).toarray().ravel()
    return csr_array(diags_array(1.0 / np.where(size > 0, size, 1.0)) @ made)
