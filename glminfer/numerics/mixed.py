"""A design matrix of which some columns are kept as codes: factors with many levels, and their products with numbers.

A row has numbers in the columns of one level only, so the dummies of a thousand levels are one integer for each row.
Kernels marked as able to (`alike.takes_codes`) get such a matrix in place of an array; what it can do is what
they need: products with vectors from either side, weighted Gram matrices (113) and quadratic forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Layout, Places
from glminfer.numerics.room import refuse_without_room
from glminfer.numerics.selection import Selection
from glminfer.numerics.spread import Spread


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """The columns of one factor.

    Attributes
    ----------
    codes : (n,) int32
        Level of each row.
    values : (n, s) or None
        What the row has in each column of its level; None is one column of ones.
    places : (L, s)
        Position of each column of each level among the columns of the matrix; -1 where there is none.
    """

    codes: NDArray[np.int32]
    values: Array | None
    places: Places

    def rows(self, where: slice | NDArray[np.intp]) -> Coded:
        """The rows of a slice, or at some positions."""
        return Coded(self.codes[where], None if self.values is None else self.values[where], self.places)

    def table(self, columns: Array) -> Array:
        """Rows of an array (p, m) at the places of the levels, (L, s, m); zero where there is no column."""
        out = np.zeros((*self.places.shape, columns.shape[1]), dtype=columns.dtype)
        out[self.places >= 0] = columns[self.places[self.places >= 0]]
        return out

    def found(self, table: Array) -> Array:
        """What each row finds in a table (L, s, m), times its values and summed over s: (n, m)."""
        if self.values is None:
            return np.asarray(table[:, 0].take(self.codes, axis=0))
        parts = (v[:, None] * table[:, a].take(self.codes, axis=0) for a, v in enumerate(self.values.T))
        return np.asarray(sum(parts))

    def weights(self, weights: Array) -> list[Array]:
        """Weights (n,) times the values of each of the s columns."""
        return [weights] if self.values is None else [weights * v for v in self.values.T]

    def sums(self, weights: Array) -> Array:
        """Weighted sums of the columns, (L, s)."""
        L = len(self.places)
        return np.stack([np.bincount(self.codes, w, L) for w in self.weights(weights)], axis=1)

    def products(self, weights: Array, others: Array) -> Array:
        """Weighted products with other columns (n, k), (L, s, k): sparse products, which need no sorting."""
        return np.stack([scattered(w, self.codes, len(self.places), others) for w in self.weights(weights)], axis=1)

    def blocks(self, weights: Array) -> Array:
        """Weighted products of the columns of each level with each other, (L, s, s)."""
        if self.values is None:
            return self.sums(weights)[:, :, None]
        return self.products(weights, self.values)

    def crossed(self, weights: Array, other: Coded) -> Array:
        """Weighted products with the columns of another factor, (L, s, M, t)."""
        L, M = len(self.places), len(other.places)
        pairs = self.codes.astype(np.int64) * M + other.codes
        tables = [[np.bincount(pairs, v, L * M) for v in other.weights(w)] for w in self.weights(weights)]
        return np.asarray(tables).reshape(len(tables), -1, L, M).transpose(2, 0, 3, 1)


def scattered(weights: Array, codes: NDArray[Any], count: int, values: Array) -> Array:
    """Sums of weighted rows of ``values`` (n, k) by code, (count, k)."""
    from scipy.sparse import csc_array

    n = len(codes)
    return np.asarray(csc_array((weights, codes, np.arange(n + 1, dtype=codes.dtype)), shape=(count, n)) @ values)


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """A matrix (n, p) of dense columns and coded factors.

    Attributes
    ----------
    dense : (n, d) float64, C order
    spots : (d,)
        Position of each of them.
    parts : tuple of Coded
        The first one, that with most columns, is eliminated from information matrices; the others are in the border.
    layout : Layout
        Of those matrices.
    """

    dense: Array
    spots: Places
    parts: tuple[Coded, ...]
    layout: Layout

    __array_priority__ = 1000  # arrays leave the product to __rmatmul__

    @property
    def shape(self) -> tuple[int, int]:
        """As of the array it stands for."""
        return len(self.dense), self.layout.width

    def __len__(self) -> int:
        return len(self.dense)

    def astype(self, dtype: Any) -> Mixed:
        """The same numbers in another precision."""
        parts = (replace(p, values=None if p.values is None else p.values.astype(dtype)) for p in self.parts)
        return replace(self, dense=self.dense.astype(dtype), parts=tuple(parts))

    def __getitem__(self, where: slice | NDArray[np.intp]) -> Mixed:
        """The rows of a slice, or at some positions."""
        return Mixed(self.dense[where], self.spots, tuple(part.rows(where) for part in self.parts), self.layout)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """All numbers."""
        del copy
        refuse_without_room(self.shape, f"{self.shape[0]:,} rows of {self.shape[1]:,} columns")
        out = np.zeros(self.shape, dtype=dtype)
        out[:, self.spots] = self.dense
        at = np.arange(len(out))
        for part in self.parts:
            values = np.ones((len(out), 1)) if part.values is None else part.values
            for places, value in zip(part.places.T, values.T, strict=True):
                there = (places >= 0)[part.codes]
                out[at[there], places[part.codes[there]]] = value[there]
        return out

    def __matmul__(self, columns: Array) -> Array:
        """X times (p,) or (p, m), or a selection of the columns."""
        if isinstance(columns, Selection):
            return cast(Array, self.working(columns))
        columns = np.asarray(columns, dtype=float)
        if columns.ndim == 1:
            return np.asarray((self @ columns[:, None])[:, 0])
        total = self.dense @ columns[self.spots]
        for part in self.parts:
            total += part.found(part.table(columns))
        return np.asarray(total)

    def __rmatmul__(self, rows: Array) -> Array:
        """Rows (n,) or (m, n) times X."""
        rows = np.asarray(rows)
        if rows.ndim == 1:
            return np.asarray((rows[None] @ self)[0])
        out = np.empty((len(rows), self.layout.width))
        out[:, self.spots] = rows @ self.dense
        for part in self.parts:
            there = part.places >= 0
            for k, row in enumerate(rows):
                out[k, part.places[there]] = part.sums(row)[there]
        return out

    def scattered(self, weights: Array, where: NDArray[Any], k: int) -> Array:
        """Sums of weighted rows by position, (k, p)."""
        refuse_without_room((k, self.layout.width), f"The sums of {k:,} groups over {self.layout.width:,} columns")
        out = np.zeros((k, self.layout.width))
        out[:, self.spots] = scattered(weights, where, k, self.dense)
        for part in self.parts:
            L = len(part.places)
            pairs = where.astype(np.int64) * L + part.codes
            for places, w in zip(part.places.T, part.weights(weights), strict=True):
                out[:, places[places >= 0]] = np.bincount(pairs, w, k * L).reshape(k, L)[:, places >= 0]
        return out

    def absolute(self) -> Mixed:
        """The absolute values."""
        parts = (Coded(p.codes, None if p.values is None else np.abs(p.values), p.places) for p in self.parts)
        return Mixed(np.abs(self.dense), self.spots, tuple(parts), self.layout)

    def gram(self, weights: Array) -> Bordered:
        """XᵀWX for each model (113) with weights (n, m)."""
        each = [self._gram(np.ascontiguousarray(w)) for w in weights.T]
        stacked = (np.stack([getattr(one, name) for one in each]) for name in ("corner", "sides", "blocks"))
        return Bordered(self.layout, *stacked)

    def _gram(self, weights: Array) -> Bordered:
        first, *others = self.parts
        there = self.layout.there
        sides = [first.products(weights, self.dense)]
        for other in others:
            sides.append(first.crossed(weights, other)[:, :, other.places >= 0])
        blocks = first.blocks(weights) * (there[:, :, None] & there[:, None, :])
        return Bordered(self.layout, self._corner(weights), np.concatenate(sides, axis=2) * there[:, :, None], blocks)

    def _corner(self, weights: Array) -> Array:
        """The dense columns, and the factors that are not eliminated, with each other."""
        left = self._dense_products(weights)
        if len(self.parts) == 1:
            return left
        others = self.parts[1:]
        beside = [part.products(weights, self.dense)[part.places >= 0] for part in others]
        rows = [np.hstack([left, *(products.T for products in beside)])]
        for part, products in zip(others, beside, strict=True):
            each = [_with_itself(part, weights) if o is part else _of_pair(part, o, weights) for o in others]
            rows.append(np.hstack([products, *each]))
        corner = np.vstack(rows)
        return np.asarray((corner + corner.T) / 2)

    def _dense_products(self, weights: Array) -> Array:
        if weights.min(initial=0.0) >= 0.0:  # A'A is less work than A'B, and exactly symmetric
            root = self.dense * np.sqrt(weights)[:, None]
            return np.asarray(root.T @ root)
        left = self.dense.T @ (self.dense * weights[:, None])
        return np.asarray((left + left.T) / 2)

    def quadratic(self, V: Array | Spread) -> Array:
        """x'Vx of each row x, (n,)."""
        if not isinstance(V, Spread) or not np.array_equal(self.layout.levels, V.layout.levels):
            X = np.asarray(self)
            return np.asarray(np.einsum("ij,ij->i", X @ V, X))
        along = self @ V.along
        total = np.einsum("ij,ij->i", V.weighed(along), along)
        first = self.parts[0]
        if first.values is None:
            return np.asarray(total + V.blocks[:, 0, 0].take(first.codes))
        found = V.blocks.take(first.codes, axis=0)
        return np.asarray(total + np.einsum("is,ist,it->i", first.values, found, first.values))

    def squares(self) -> Array:
        """Sum of squares of each column, (p,)."""
        out = np.zeros(self.layout.width)
        out[self.spots] = np.einsum("ij,ij->j", self.dense, self.dense)
        ones = np.ones(len(self))
        for part in self.parts:
            there = part.places >= 0
            squared = Coded(part.codes, None if part.values is None else part.values**2, part.places)
            out[part.places[there]] = squared.sums(ones)[there]
        return out

    def largest(self) -> Array:
        """Largest absolute value of each column, (p,)."""
        out = np.zeros(self.layout.width)
        out[self.spots] = np.abs(self.dense).max(axis=0, initial=0.0)
        for part in self.parts:
            values = np.ones((len(self), 1)) if part.values is None else np.abs(part.values)
            for places, value in zip(part.places.T, values.T, strict=True):
                sizes = np.zeros(len(places))
                np.maximum.at(sizes, part.codes, value)
                out[places[places >= 0]] = sizes[places >= 0]
        return out

    def chosen(self, kept: Places) -> Mixed:
        """Some of the columns, in the order they have."""
        place = np.full(self.layout.width + 1, -1)
        place[kept] = np.arange(len(kept))
        spots = place[self.spots]
        dense = self.dense if (spots >= 0).all() else np.ascontiguousarray(self.dense[:, spots >= 0])
        parts = tuple(Coded(part.codes, part.values, place[part.places]) for part in self.parts)
        return mixed(dense, spots[spots >= 0], parts)

    def working(self, T: Selection) -> Mixed:
        """Working columns X T: some of the columns, and combinations in place of dense ones."""
        Z = self.chosen(T.places)
        return Z.with_dense(np.isin(Z.spots, T.mixed), self._combined(T.combinations)) if len(T.mixed) else Z

    def _combined(self, columns: Array) -> Array:
        """X times (p, m), in extended precision where the machine has it; the same for a row in whatever block."""
        wide: Any = columns.astype(np.longdouble)
        total = np.zeros((len(self), columns.shape[1]), dtype=np.longdouble)
        for column, times in zip(self.dense.T, wide[self.spots], strict=True):
            if times.any():
                total += column[:, None] * times
        for part in self.parts:
            if (table := part.table(wide)).any():
                total += part.found(table)
        return total.astype(np.float64)

    def beside(self, columns: Array) -> Mixed:
        """The same with further dense columns (n, d) at its end."""
        p, d = self.layout.width, columns.shape[1]
        return mixed(np.hstack([self.dense, columns]), np.append(self.spots, np.arange(p, p + d)), self.parts)

    def farthest(self, other: Mixed) -> Array:
        """Largest absolute difference of each column from that of other rows of the same columns, (p,)."""
        out = np.zeros(self.layout.width)
        out[self.spots] = np.abs(self.dense - other.dense).max(axis=0, initial=0.0)
        for part, apart in zip(self.parts, other.parts, strict=True):
            ones = np.ones((len(self), 1))
            mine, theirs = (ones if one.values is None else one.values for one in (part, apart))
            same = part.codes == apart.codes
            for places, a, b in zip(part.places.T, mine.T, theirs.T, strict=True):
                sizes = np.zeros(len(places))
                np.maximum.at(sizes, part.codes, np.abs(np.where(same, a - b, a)))
                np.maximum.at(sizes, apart.codes, np.where(same, 0.0, np.abs(b)))
                out[places[places >= 0]] = sizes[places >= 0]
        return out

    def with_dense(self, which: NDArray[np.bool_], columns: Array) -> Mixed:
        """The same with other numbers in some of the dense columns."""
        dense = self.dense.copy()
        dense[:, which] = columns
        return Mixed(dense, self.spots, self.parts, self.layout)


def _with_itself(part: Coded, weights: Array) -> Array:
    """All columns of a factor with each other."""
    L, s = part.places.shape
    full = np.zeros((L, s, L, s))
    at = np.arange(L)
    full[at, :, at, :] = part.blocks(weights)
    there = part.places >= 0
    return full[there][:, there]


def _of_pair(part: Coded, other: Coded, weights: Array) -> Array:
    """All columns of a factor with those of another."""
    return np.asarray(part.crossed(weights, other)[part.places >= 0][:, other.places >= 0])


def stacked(matrices: Sequence[Mixed]) -> Mixed:
    """Matrices of the same columns as one, rows below rows."""
    first = matrices[0]
    if len(matrices) == 1:
        return first
    parts = []
    for k, part in enumerate(first.parts):
        values = [one.parts[k].values for one in matrices]
        joined = None if part.values is None else np.concatenate(cast(list[Array], values))
        parts.append(Coded(np.concatenate([one.parts[k].codes for one in matrices]), joined, part.places))
    return Mixed(np.concatenate([one.dense for one in matrices]), first.spots, tuple(parts), first.layout)


def mixed(dense: Array, spots: Places, parts: tuple[Coded, ...]) -> Mixed:
    """A mixed matrix, its longest factor first."""
    order = sorted(parts, key=lambda part: -int(np.count_nonzero(part.places >= 0)))
    order = [part for part in order if (part.places >= 0).any()] or order[:1]
    border = np.concatenate([spots, *(part.places[part.places >= 0] for part in order[1:])]).astype(np.intp)
    return Mixed(dense, spots, tuple(order), Layout(border, order[0].places))
