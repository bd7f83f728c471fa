"""Rank and aliasing of designs with coded factors: the rules of `rank`, from bordered products (113), (114).

Columns are aliased in column order, as everywhere: of dependent columns the last one has no estimate. The levels are
eliminated first whatever that order is, so what is found is which columns of the border depend on all others; the
last column with a part in such a relation is the one that is aliased.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import DataError
from glminfer.numerics import kernels
from glminfer.numerics.alike import takes_codes
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.bordered import Bordered, Eliminated, Places, eliminated, inverse_blocks, schur
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.objectives import Summable
from glminfer.numerics.selection import Selection

_EPS = np.finfo(float).eps
_ALIASED = 1e-11  # residual norm of an aliased column, relative to its centred norm
_CLEAR = 1e-6  # a squared relative residual above this is safe to compute with as it is
_WITHIN = 1e-8  # the same within a level, below which too many digits are lost: as where numbers are far from zero
_PART = 1e-8  # share of a column in a relation, relative to the largest, that is more than rounding
_NOTHING = 1e-13  # the same, that is rounding
_ROUNDS = 6


class NearlyDependentError(DataError):
    """Columns of a level are so nearly dependent, in it or on others, that only dense columns tell them apart."""

    def __init__(self) -> None:
        super().__init__(
            "Within a level of a factor columns are so nearly dependent that codes cannot tell them apart. Centre "
            "the numeric columns that interact with the factor, or use control=gi.Control(coded=False)."
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Which columns are estimable, and how to compute with them (see `rank.Basis`)."""

    T: Selection
    relations: dict[int, Array]


@dataclass(slots=True)
class _Search:
    """Columns still in, relations of those that are out, and residuals that stand for nearly dependent columns.

    A residual has a number in every row: it can stand in the place of a column of ``numbers``, not of one of a level.
    """

    rows: Summable
    products: Bordered
    norms: Array
    centred: Array
    numbers: NDArray[np.bool_]
    kept: Places
    relations: dict[int, Array]
    residuals: dict[int, tuple[Array, float]]


def coded_basis(rows: Summable, products: Bordered, constant: Array | None) -> Found:
    """Decide which columns are estimable, from the products of all of them."""
    p = products.layout.width
    norms, centred = np.sqrt(products.diagonal()), _centred(products, constant)
    search = _Search(rows, products, norms, centred, np.ones(p, dtype=bool), np.arange(p), {}, {})
    if eliminated(products, _CLEAR / p) is None:
        search.numbers = rows.sum(_numbers) > 0
        _leave_out_empty(search)
        _leave_out_within(search)
        while (found := _doubtful(search)) is not None:
            _decide(search, *found)
    mixed = np.searchsorted(search.kept, sorted(search.residuals))
    combinations = np.array([search.residuals[j][0] for j in sorted(search.residuals)]).reshape(-1, p).T
    return Found(Selection(p, search.kept, mixed, combinations), search.relations)


@takes_codes
def _numbers(block: Block) -> Array:
    """In how many of the rows each column is a number, not one of the columns of a level, (p,)."""
    out = np.full(block.X.shape[1], float(len(block.X)))
    if isinstance(block.X, Mixed):
        for part in block.X.parts:
            out[part.places[part.places >= 0]] = 0.0
    return out


def _centred(products: Bordered, constant: Array | None) -> Array:
    """Norms of the columns, those of columns other than the constant about their means."""
    squared = products.diagonal()
    if constant is not None:
        along = products @ constant
        total = constant @ along
        inside = along**2 / total if total > 0 else np.zeros_like(along)
        squared = np.where(constant == 0, squared - inside, squared)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _out(search: _Search, j: int, relation: Array) -> None:
    """Leave a column out; relations with it are made of the columns that make it, residuals on it are found anew."""
    for k, other in search.relations.items():
        if other[j]:
            search.relations[k] = other + other[j] * relation
            search.relations[k][j] = 0.0
    search.residuals.clear()
    search.relations[j] = relation
    search.kept = search.kept[search.kept != j]


def _leave_out_empty(search: _Search) -> None:
    """Columns of nothing but zeros, such as levels whose rows weigh nothing."""
    nothing = np.zeros(len(search.norms))
    empty = search.norms == 0
    search.relations |= {int(j): nothing for j in np.flatnonzero(empty)}
    search.kept = np.flatnonzero(~empty)


def _leave_out_within(search: _Search) -> None:
    """Columns of a level that depend on others of that level: slopes of levels with too few values."""
    layout = search.products.layout.chosen(search.kept)
    order = np.argsort(np.where(layout.levels >= 0, layout.levels, np.iinfo(np.intp).max), axis=1)
    for last in range(1, layout.levels.shape[1]):
        _one_more(search, order, last)


def _one_more(search: _Search, order: Places, last: int) -> None:
    """In every level, its column number ``last`` in column order, given those before it."""
    L, s = order.shape
    levels, all_levels = np.arange(L), search.products.layout.levels
    there = np.isin(all_levels, search.kept) & (all_levels >= 0)
    new = order[:, last]
    present = there[levels, new]
    before = there.copy()
    for later in range(last, s):
        before[levels, order[:, later]] = False
    blocks = search.products.blocks * (before[:, :, None] & before[:, None, :])
    inner = inverse_blocks(blocks, before, 0.0)
    if inner is None or not present.any():
        return
    t = np.zeros((L, s))
    t[levels, new] = 1.0
    against = search.products.blocks[levels, :, new] * before
    left = search.products.blocks[levels, new, new]
    for _ in range(3):  # refine on the rows: each round gains as many digits as the products hold
        t -= np.einsum("lst,lt->ls", inner, against)
        sums = search.rows.sum(kernels.level_combination, t)
        against, left = sums[:, :s] * before, sums[:, s]
    size = np.where(there, search.norms[all_levels], 0.0)
    limit = np.maximum(_ALIASED * size[levels, new], 2 * _EPS * (np.abs(t) * size).sum(axis=1))
    for level in np.flatnonzero(present & (np.sqrt(np.maximum(left, 0.0)) <= limit)):
        relation = np.zeros(len(search.norms))
        relation[all_levels[level][before[level]]] = -t[level][before[level]]
        _out(search, int(all_levels[level, new[level]]), relation)


def _doubtful(search: _Search) -> tuple[int, Places] | None:
    """A column of the border that nearly depends on all that are clear, and those clear ones; None if there is none."""
    chosen = search.products.chosen(search.kept)
    inner = inverse_blocks(chosen.blocks, chosen.layout.there, _WITHIN)
    if inner is None:
        raise NearlyDependentError
    left = schur(chosen, inner @ chosen.sides)
    order = np.argsort(chosen.layout.border)
    left = left[np.ix_(order, order)]
    columns = search.kept[chosen.layout.border[order]]
    clear = _clear_pivots(left, search.norms[columns] ** 2)
    unclear = [int(j) for j in columns[~clear] if j not in search.residuals]
    if not unclear:
        return None
    gone = set(columns[~clear].tolist())
    return unclear[0], np.array([j for j in search.kept if j not in gone], dtype=np.intp)


def _clear_pivots(left: Array, sizes: Array) -> NDArray[np.bool_]:
    """Which columns of a matrix keep a safe part of their size after elimination of the clear ones before them."""
    left = left.copy()
    clear = np.zeros(len(left), dtype=bool)
    for k in range(len(left)):
        clear[k] = left[k, k] > _CLEAR * sizes[k]
        if clear[k]:
            left[k:, k:] -= np.outer(left[k:, k], left[k, k:]) / left[k, k]
    return clear


def _decide(search: _Search, j: int, clear: Places) -> None:
    """Project the column on the clear ones, refine on the rows, and judge what is left."""
    factored = eliminated(search.products.chosen(clear), _EPS**2)
    assert factored is not None
    t, left = _projected(search, j, clear, factored)
    rounding = 2 * _EPS * float(np.abs(t) @ search.norms)
    if left > max(_ALIASED * search.centred[j], rounding):
        if not search.numbers[j]:
            raise NearlyDependentError
        search.residuals[j] = t, left**2
        return
    size = np.abs(t) * search.norms
    last = int(np.flatnonzero(size > _PART * size.max())[-1])
    relation = -t / t[last]
    relation[last] = 0.0
    _out(search, last, without_rounding(relation, search.norms))


def without_rounding(relation: Array, norms: Array) -> Array:
    """A relation without the columns that rounding put into it, which would keep zeros from being zeros."""
    size = np.abs(relation) * norms
    return np.asarray(np.where(size > _NOTHING * size.max(initial=0.0), relation, 0.0))


def _projected(search: _Search, j: int, clear: Places, factored: Eliminated) -> tuple[Array, float]:
    """(t, residual norm) with X t the residual of column j on the clear columns and on the residuals before it."""
    t = np.eye(1, len(search.norms), j)[0]
    products, left = search.products @ t, float(search.norms[j])
    for _ in range(_ROUNDS):
        t[clear] -= factored.solve(products[clear])
        for residual, squared in search.residuals.values():  # orthogonal to each other and to the clear columns
            t -= residual * ((residual @ products) / squared)
        packed = search.rows.sum(kernels.combination, t)
        products, before, left = packed[:-1], left, float(np.sqrt(packed[-1]))
        scaled = np.linalg.norm(products[clear] / search.norms[clear])
        if left <= 4 * _EPS * float(np.abs(t) @ search.norms) or scaled <= 1e-13 * left or left > 0.99 * before:
            break
    return t, left
