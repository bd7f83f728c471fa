"""Columns of levels among those many models share: what never meets in a row has no products (113).

The dummies of a factor, and their products with numbers, have numbers in the rows of their own level only. They are
found in the numbers themselves, so that it does not matter how they came to be, and stand as codes in a `Mixed` matrix,
which the sums of `batched` take in place of an array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import lanes
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Layout
from glminfer.numerics.mixed import Coded, Mixed, mixed

_HALF = 0.5  # a column of a level has zeros in at least this share of the rows
_WITHIN = 3  # columns of one level, at most
_LEAST = 16  # levels from which codes are faster (measured: docs/decisions.md)
_SHARE = 0.5  # of the columns, that are of levels


def leveled(Z: Array) -> Array | Mixed:
    """The same columns (n, r), those of levels as codes where there are many of them."""
    there = Z != 0
    sparse = np.flatnonzero(there.mean(axis=0) <= _HALF) if len(Z) else np.zeros(0, dtype=np.intp)
    if len(sparse) < _LEAST:
        return Z
    codes, members = _codes(there[:, sparse])
    places = np.where(members < 0, -1, sparse[members])
    if (places >= 0).sum() == Z.shape[1]:  # something must be left to border the levels
        codes, places = np.where(codes == 0, len(places), codes).astype(np.int32) - np.int32(1), places[1:]
    inside = places[places >= 0]
    if len(places) < _LEAST or len(inside) < _SHARE * Z.shape[1]:
        return Z
    spots = np.setdiff1d(np.arange(Z.shape[1]), inside)
    values = _values(Z, codes, places)
    nothing = np.full((1, places.shape[1]), -1)  # rows in no level
    return mixed(np.ascontiguousarray(Z[:, spots]), spots, (Coded(codes, values, np.vstack([places, nothing])),))


def some_of(columns: Array | Mixed, places: NDArray[np.intp], Z: Array) -> Array | Mixed:
    """Some of the columns, which are Z: of levels as codes where these are among them, and something beside them."""
    if not isinstance(columns, Mixed):
        return Z
    chosen = columns.chosen(places)
    inside = np.count_nonzero(chosen.layout.there)
    return chosen if 0 < inside < len(places) else Z


def _codes(there: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """The level of each row, and the columns (L, s) of each level, -1 for none: rows without a level have number L."""
    from scipy.sparse import csc_array

    rows, columns = np.divmod(np.flatnonzero(there), there.shape[1])
    pattern = csc_array((np.ones(len(rows)), (rows, columns)), shape=there.shape)
    first = _apart((pattern.T @ pattern).tocsr())
    level = np.full(there.shape[1], -1)
    level[first] = np.arange(len(first))
    codes = np.full(len(there), len(first), dtype=np.int32)
    codes[rows[level[columns] >= 0]] = level[columns[level[columns] >= 0]]
    members = [[int(j)] for j in first]
    for j in np.flatnonzero(level < 0):
        inside = np.unique(codes[pattern.indices[pattern.indptr[j] : pattern.indptr[j + 1]]])
        if len(inside) == 1 and inside[0] < len(first) and len(members[inside[0]]) < _WITHIN:
            members[inside[0]].append(int(j))
    width = max(map(len, members))
    return codes, np.array([[*row, *[-1] * (width - len(row))] for row in members], dtype=np.intp)


def _apart(meets: Any) -> NDArray[np.intp]:
    """Columns of which no two meet: those that meet the fewest others first, of these the fullest."""
    chosen: list[int] = []
    taken = np.zeros(meets.shape[0], dtype=bool)
    for j in np.lexsort((-meets.diagonal(), np.diff(meets.indptr))):
        if not taken[j]:
            chosen.append(int(j))
            taken[meets.indices[meets.indptr[j] : meets.indptr[j + 1]]] = True
    return np.array(sorted(chosen), dtype=np.intp)


def _values(Z: Array, codes: NDArray[np.int32], places: NDArray[np.intp]) -> Array | None:
    """What each row has in the columns of its level; None where this is always one."""
    values = np.zeros((len(Z), places.shape[1]))
    rows = np.flatnonzero(codes < len(places))
    for a, column in enumerate(places[codes[rows]].T):
        values[rows, a] = np.where(column >= 0, Z[rows, column], 0.0)
    return None if places.shape[1] == 1 and (values[rows] == 1.0).all() else values


# sums over rows ------------------------------------------------------------------------------------------------------


def combined(X: Array | Mixed, coef: Array) -> Array:
    """The columns times coefficients (r, m), (n, m)."""
    if not isinstance(X, Mixed):
        return lanes.product(X, coef)
    (part,) = X.parts
    there = part.places >= 0
    total = lanes.product(X.dense, coef[X.spots])
    for a in range(there.shape[1]):
        table = np.zeros((len(there), coef.shape[1]), coef.dtype)
        table[there[:, a]] = coef[part.places[there[:, a], a]]
        found = table.take(part.codes, axis=0)
        if part.values is not None:
            found *= part.values[:, a, None]
        total += found
    return total


def totals(X: Array | Mixed, values: Array) -> Array:
    """Σ values·x, (r, m)."""
    if not isinstance(X, Mixed):
        return lanes.product(X.T, values)
    (part,) = X.parts
    out = np.empty((X.shape[1], values.shape[1]), values.dtype)
    out[X.spots] = lanes.product(X.dense.T, values)
    there = part.places >= 0
    out[part.places[there]] = _by_level(X, _each(X), values)[there]
    return out


def second_moments(X: Mixed, own: Array | None, values: Array, corner: Array) -> Array:
    """The entries of Σ values·x x' that are not zero by their places, packed as in `bordered_lanes`: (K, m) (155).

    ``corner`` are the upper triangles of the border: dense columns, then own ones.
    """
    each, d = _each(X), X.dense.shape[1]
    s = each.shape[1]
    first, second = lanes.pairs(s)
    mixed_products = [each[:, a, None] * X.dense for a in range(s)]
    sums = _by_level(X, np.hstack([*mixed_products, each[:, first] * each[:, second]]), values)
    sides = [sums[:, : s * d].reshape(len(sums), s, d, -1)]
    for a in range(0 if own is None else own.shape[1]):
        assert own is not None
        sides.append(_by_level(X, each, values * own[:, a])[:, :, None])
    m = max(corner.shape[1], *(part.shape[-1] for part in sides))
    beside = np.concatenate([_for_all(part, m) for part in sides], axis=2)
    parts = (_for_all(part, m) for part in (corner, beside, sums[:, s * d :]))
    return np.concatenate([part.reshape(-1, m) for part in parts])


def _for_all(part: Array, m: int) -> Array:
    """What is the same for all models, for each of them."""
    return np.broadcast_to(part, (*part.shape[:-1], m))


def _each(X: Mixed) -> Array:
    """What each row has in the columns of its level, (n, s): nothing where it is in none."""
    (part,) = X.parts
    if part.values is not None:
        return part.values
    return (part.places >= 0).astype(X.dense.dtype).take(part.codes, axis=0)


def _by_level(X: Mixed, factors: Array, values: Array) -> Array:
    """Sums of values (n, m) times each of k factors (n, k) by level: (L, k, m)."""
    (part,) = X.parts
    return scattered(part.codes, len(part.places), factors, values)


def scattered(codes: NDArray[Any], count: int, factors: Array, values: Array) -> Array:
    """Sums of values (n, m) times each of k factors (n, k) by code: (count, k, m), one sparse product."""
    from scipy.sparse import csc_array

    if values.shape[1] == 1:  # a lane is summed alike wherever it stands, be it the only one
        return scattered(codes, count, factors, np.repeat(values, lanes.WIDTH, axis=1))[..., :1]
    n, k = factors.shape
    at = (codes[:, None] * k + np.arange(k)).astype(np.int32).ravel()
    starts = np.arange(n + 1, dtype=np.int32) * np.int32(k)
    matrix = csc_array((factors.ravel(), at, starts), shape=(count * k, n))
    return np.asarray(matrix @ values).reshape(count, k, -1)


# forms and groups ----------------------------------------------------------------------------------------------------


def quadratic(X: Mixed, V: Array) -> Array:
    """x'Vx of each row with the V (r, r, m) of each model, (n, m)."""
    (part,) = X.parts
    each, there = _each(X), part.places >= 0
    first, second = lanes.pairs(len(X.spots))
    doubled = np.where(first == second, 1.0, 2.0)[:, None] * V[X.spots[first], X.spots[second]]
    out = (X.dense[:, first] * X.dense[:, second]) @ doubled
    for a in range(each.shape[1]):
        rows = part.places[:, a]
        for j, spot in enumerate(X.spots):
            out += 2.0 * (each[:, a] * X.dense[:, j])[:, None] * _found(part, V[rows, spot], there[:, a])
        for b in range(each.shape[1]):
            both = there[:, a] & there[:, b]
            out += (each[:, a] * each[:, b])[:, None] * _found(part, V[rows, part.places[:, b]], both)
    return np.asarray(out)


def _found(part: Coded, table: Array, there: NDArray[np.bool_]) -> Array:
    """The entry of each row's level, zero where it has none."""
    return np.asarray(np.where(there[:, None], table, 0.0).take(part.codes, axis=0))


def group_scores(X: Mixed, own: Array | None, score: Array, groups: NDArray[np.intp], count: int) -> Array:
    """Σ score·x over the rows of each of ``count`` groups, (G, r + q, m)."""
    (part,) = X.parts
    q = 0 if own is None else own.shape[1]
    out = np.zeros((count, X.shape[1] + q, score.shape[1]))
    out[:, X.spots] = scattered(groups, count, X.dense, score)
    for a in range(q):
        assert own is not None
        out[:, X.shape[1] + a] = scattered(groups, count, np.ones((len(X), 1)), score * own[:, a])[:, 0]
    L = len(part.places)
    pairs, at = np.unique(groups * L + part.codes, return_inverse=True)
    group, places = pairs // L, part.places[pairs % L]
    pair, column = np.nonzero(places >= 0)
    out[group[pair], places[pair, column]] = scattered(at, len(pairs), _each(X), score)[pair, column]
    return out


def with_own(X: Mixed, own: int) -> Layout:
    """Where the entries of information matrices are when each model has columns of its own, last in the border."""
    border = np.concatenate([X.layout.border, X.shape[1] + np.arange(own)])
    return Layout(border, X.layout.levels)
