"""Sums over groups of rows that each lie in one level of a coded factor: they are bordered as those of rows are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered
from glminfer.numerics.mixed import Mixed, scattered

Groups = NDArray[np.intp]


def levels_of_groups(X: Mixed, groups: Groups, used: NDArray[np.bool_], count: int) -> Groups | None:
    """The level of the eliminated factor that each group lies in, (count,); None unless each lies in one."""
    codes = X.parts[0].codes
    level = np.zeros(count, dtype=np.intp)
    level[groups[used]] = codes[used]
    return level if np.array_equal(level[groups[used]], codes[used]) else None


def group_meat(X: Mixed, scores: Array, groups: Groups, level: Groups) -> Bordered:
    """Σ u_g u_g' over groups, with u_g the sum of ``scores`` (n,) times the columns over the rows of a group (33)."""
    count, layout = len(level), X.layout
    first, *others = X.parts
    inside: Array = np.stack([np.bincount(groups, w, count) for w in first.weights(scores)], axis=1).astype(float)
    beside = [scattered(scores, groups, count, X.dense)]
    for part in others:
        L, there = len(part.places), part.places >= 0
        sums = [np.bincount(groups * L + part.codes, w, count * L).reshape(count, L) for w in part.weights(scores)]
        beside.append(np.stack(sums, axis=2).astype(float)[:, there])
    border, there, L = np.hstack(beside), layout.there, len(layout.levels)
    sides = np.stack([scattered(column, level, L, border) for column in inside.T], axis=1)
    blocks = np.stack([scattered(column, level, L, inside) for column in inside.T], axis=1)
    mask = there[:, :, None]
    return Bordered(layout, border.T @ border, sides * mask, blocks * (mask & there[:, None, :]))
