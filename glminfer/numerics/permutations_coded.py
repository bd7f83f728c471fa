"""Score statistics of moved columns beside coded factors: the nuisance columns are eliminated, never made (144), (145).

Shapes: n rows, q nuisance columns, d tested columns, B permutations, G groups of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from glminfer.numerics import linalg, spread
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Eliminated
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.permutations import Codes, GroupScores, clear, grouped_sums, quadratic_forms
from glminfer.numerics.room import refuse_without_room


@dataclass(frozen=True, slots=True, eq=False)
class CodedScores:
    """What a score test of further columns needs of one null model.

    Attributes
    ----------
    score, weight : (n,)
        w s and w S of each row.
    Z : Mixed
        The nuisance columns, independent where rows have a weight.
    information : Bordered
        Z'WZ.
    factored : Eliminated
    """

    score: Array
    weight: Array
    Z: Mixed
    information: Bordered
    factored: Eliminated


def coded_scores(Z: Mixed, score: Array, weight: Array) -> CodedScores | None:
    """The null model with nuisance columns Z, from its scores and weights (n,); None where they are dependent."""
    information = Z.gram(weight[:, None])[0]
    factored = linalg.factor(cast(Array, information))
    return None if factored is None else CodedScores(score, weight, Z, information, cast(Eliminated, factored))


def left_by_least_squares(Z: Mixed, columns: Array) -> Array | None:
    """What least squares on Z leaves of columns (n, d), all rows alike (90); None where those of Z are dependent."""
    factored = linalg.factor(cast(Array, Z.gram(np.ones((len(Z), 1)))[0]))
    if factored is None:
        return None
    for _ in range(2):  # once more for what rounding left
        columns = columns - Z @ linalg.solve(factored, (columns.T @ Z).T)
    return columns


def variance(null: CodedScores, moved: Array) -> Array:
    """X'WX - X'WZ (Z'WZ)⁻¹ Z'WX (B, d, d) of columns (d, B, n) (144)."""
    d, B, n = moved.shape
    weighted = moved * null.weight
    along = (weighted.reshape(d * B, n) @ null.Z).reshape(d, B, null.Z.shape[1])
    solved = linalg.solve(null.factored, along.reshape(d * B, -1).T).T.reshape(along.shape)
    raw = np.einsum("aBn,bBn->Bab", weighted, moved, optimize=True)
    V = raw - np.einsum("aBq,bBq->Bab", along, solved)
    V = (V + np.swapaxes(V, 1, 2)) / 2
    for a in range(d):
        clear(V[:, a, a], raw[:, a, a])
    return np.asarray(V)


def moved_statistics(null: CodedScores, moved: Array) -> Array:
    """Rao's score statistic (B,) of adding the columns ``moved`` (d, B, n) (91)."""
    return quadratic_forms((moved @ null.score).T, variance(null, moved))


def group_scores(null: CodedScores, X: Array, codes: Codes, count: int) -> GroupScores:
    """The sums over ``count`` groups with codes (n,) that signs and weights of groups are applied to (145)."""
    d, q = X.shape[1], null.Z.shape[1]
    refuse_without_room((count, q, d), f"Scores of {count:,} groups over {q:,} columns")
    R = cast(Array, spread.root(null.information, null.factored))
    crossed = [null.Z.scattered(null.weight * x, codes, count) @ R for x in X.T]
    outer = np.einsum("n,na,nb->nab", null.weight, X, X).reshape(len(X), -1)
    return GroupScores(
        grouped_sums(X * null.score[:, None], codes, count),
        np.stack(crossed, axis=2),
        grouped_sums(outer, codes, count).reshape(count, d, d),
        np.asarray(null.Z.scattered(null.score, codes, count) @ R),
    )
