"""Sums over groups of rows that each lie in one level of a coded factor: they are bordered as those of rows are."""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.alike import takes_codes
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.bordered import Bordered, Layout
from glminfer.numerics.families import Family
from glminfer.numerics.mixed import Mixed, scattered
from glminfer.numerics.scores import row_scores

Groups = NDArray[np.intp]


class Summed(Protocol):
    """Rows in groups, over which a kernel can be summed."""

    def sum(self, kernel: Any, *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""


def levels_of_groups(rows: Summed, count: int) -> Groups | None:
    """The level of the eliminated factor that each group lies in, (count,); None unless each lies in one."""
    found = rows.sum(_codes_of_groups, count)
    level: Groups = found[:, 1] // np.maximum(found[:, 0], 1)
    return None if rows.sum(_elsewhere, level) else level


@takes_codes
def _codes_of_groups(block: Block, count: int) -> Groups:
    """Rows of positive weight of each group, and the sum of their codes, (count, 2)."""
    out = np.zeros((count, 2), dtype=np.intp)
    groups, codes = _used(block)
    np.add.at(out[:, 0], groups, 1)
    np.add.at(out[:, 1], groups, codes)
    return out


@takes_codes
def _elsewhere(block: Block, level: Groups) -> int:
    """Rows of positive weight in another level than their group's."""
    groups, codes = _used(block)
    return int(np.count_nonzero(codes != level[groups]))


def _used(block: Block) -> tuple[Groups, NDArray[Any]]:
    """Groups, and codes of the eliminated factor, of the rows of positive weight."""
    used = block.weights[:, 0] > 0
    return np.asarray(block.groups)[used], cast(Mixed, block.X).parts[0].codes[used]


def group_meat(rows: Summed, layout: Layout, coef: Array, family: Family, level: Groups) -> Bordered:
    """Σ u_g u_g' over groups, with u_g the sum of the scores of the rows of a group (33)."""
    L, s = layout.levels.shape
    sums = rows.sum(_group_scores, coef[None], family, len(level))
    inside, border = sums[:, :s], np.ascontiguousarray(sums[:, s:])
    sides = np.stack([scattered(column, level, L, border) for column in inside.T], axis=1)
    blocks = np.stack([scattered(column, level, L, np.ascontiguousarray(inside)) for column in inside.T], axis=1)
    mask = layout.there[:, :, None]
    return Bordered(layout, border.T @ border, sides * mask, blocks * (mask & layout.there[:, None, :]))


@takes_codes
def _group_scores(block: Block, coef: Array, family: Family, count: int) -> Array:
    """Scores of each group in the columns of its level, and in those of the border, (count, s + q)."""
    X, groups, scores = cast(Any, block.X), np.asarray(block.groups), row_scores(block, coef, family)
    first, *others = X.parts
    sums: list[Any] = [np.bincount(groups, w, count)[:, None] for w in first.weights(scores)]
    sums.append(scattered(scores, groups, count, X.dense))
    for part in others:
        L, there = len(part.places), part.places >= 0
        each = [np.bincount(groups * L + part.codes, w, count * L).reshape(count, L) for w in part.weights(scores)]
        sums.append(np.stack(each, axis=2)[:, there])
    return np.hstack(sums)
