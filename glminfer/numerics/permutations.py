"""Score statistics of columns whose rows were moved, for many outcomes and many permutations as matrix products.

Shapes: n rows, q nuisance columns, d tested columns, m outcomes (null models), B permutations, G groups of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import linalg
from glminfer.numerics.alike import takes_codes
from glminfer.numerics.blocks import Array, Block, Terms
from glminfer.numerics.families import Family
from glminfer.numerics.kernels import weighted

Codes = NDArray[np.intp]
_TIE = 1e-8  # statistics this close, relative to the larger or to 1, are the same number but for rounding
_COLLINEAR = 1e-10  # share of a moved column's information that must be left beside the nuisance columns


@dataclass(frozen=True, slots=True)
class NullScores:
    """What a score test of further columns needs of null models over the same rows.

    Attributes
    ----------
    score : (n, m)
        w s of each row and null model.
    weight : (n, m)
        w S, the working weights.
    nuisance : (n, m, q)
        W Z R with R R' = (Z'WZ)⁻¹: the nuisance columns, orthonormal in the metric of each null model.
    """

    score: Array
    weight: Array
    nuisance: Array


@takes_codes
def contributions(block: Block, coef: Array, family: Family) -> Array:
    """w s and w S of each row under m models, side by side (n, 2m)."""
    _, score, expected, _ = family.pointwise(block.y, block.eta(coef))
    return np.column_stack([weighted(block.weights, score), weighted(block.weights, expected)])


def null_scores(Z: Array, score: Array, weight: Array) -> NullScores:
    """Null models with nuisance columns Z (n, q), from their scores and weights (n, m)."""
    information = linalg.gram(Z, weight)
    R = np.stack([inverse_root(one) for one in information])
    return NullScores(score, weight, weight[:, :, None] * np.einsum("nq,mqk->nmk", Z, R, optimize=True))


def inverse_root(A: Array) -> Array:
    """R with R R' = A⁻¹ of one information matrix; directions without information are left out as zeros."""
    if not len(A):
        return A
    diagonal = np.diagonal(A)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(A / np.outer(scale, scale))
    kept = values > _COLLINEAR * values.max(initial=0.0)
    root = np.divide(1.0, np.sqrt(np.where(kept, values, 1.0)), where=kept, out=np.zeros_like(values))
    return np.asarray(vectors * root / scale[:, None])


def scattered(null: NullScores, sources: Codes, n: int) -> NullScores:
    """One null model (m = 1) on the rows that its rows (t,) take their values from: B models over n rows.

    Moving columns by ``sources`` (B, t), or the scores back to where they come from, gives the same sums.
    """
    B = len(sources)
    places = (sources + n * np.arange(B)[:, None]).ravel()
    columns = np.column_stack([null.score, null.weight, null.nuisance[:, 0]])
    moved = np.empty((n, B, columns.shape[1]))
    for j, values in enumerate(columns.T):
        moved[:, :, j] = np.bincount(places, np.tile(values, B), B * n).reshape(B, n).T
    return NullScores(moved[:, :, 0], moved[:, :, 1], moved[:, :, 2:])


def moved_statistics(null: NullScores, moved: Array) -> Array:
    """Rao's score statistic (B, m) of adding the columns ``moved`` (d, B, n) to each null model (91).

    U = X'u, V = X'WX - X'WZ (Z'WZ)⁻¹ Z'WX and T = U'V⁻¹U: one matrix product for all permutations and outcomes each.
    """
    d, B, n = moved.shape
    m, q = null.nuisance.shape[1:]
    flat = moved.reshape(d * B, n)
    U = (flat @ null.score).reshape(d, B, m)
    along = (flat @ null.nuisance.reshape(n, m * q)).reshape(d, B, m, q)
    V = np.empty((B, m, d, d))
    for a in range(d):
        for b in range(a + 1):
            raw = (moved[a] * moved[b]) @ null.weight
            V[:, :, a, b] = V[:, :, b, a] = raw - np.einsum("Bmq,Bmq->Bm", along[a], along[b])
            if a == b:
                clear(V[:, :, a, a], raw)
    return quadratic_forms(np.moveaxis(U, 0, -1), V)


def clear(V: Array, raw: Array) -> None:
    """Zero, in place, what rounding leaves of a variance where the nuisance columns explain a column."""
    V[_COLLINEAR * raw >= V] = 0.0


def quadratic_forms(u: Array, V: Array) -> Array:
    """u'V⁻u of each of many vectors (…, d) and matrices (…, d, d); directions without variance count nothing."""
    diagonal = np.diagonal(V, axis1=-2, axis2=-1)
    alive = diagonal > 0
    scale = np.sqrt(np.where(alive, diagonal, 1.0))
    z = np.where(alive, u / scale, 0.0)
    if u.shape[-1] == 1:
        return np.asarray(z[..., 0] ** 2)
    values, vectors = np.linalg.eigh(V / (scale[..., :, None] * scale[..., None, :]))
    kept = values > _COLLINEAR * values.max(axis=-1, keepdims=True, initial=0.0)
    rotated = np.einsum("...ij,...i->...j", vectors, z)
    return np.asarray(np.where(kept, rotated**2 / np.where(kept, values, 1.0), 0.0).sum(axis=-1))


# groups whose signs are flipped --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroupScores:
    """Sums over groups of rows of one null model, for tested columns that are orthogonal to its nuisance columns.

    Attributes
    ----------
    score : (G, d)
        Score sums X_g'u_g.
    nuisance : (G, q, d)
        R'Z_g'W_g X_g; adds up to zero over the groups.
    information : (G, d, d)
        X_g'W_g X_g.
    nuisance_score : (G, q)
        R'Z_g'u_g; adds up to zero over the groups.
    """

    score: Array
    nuisance: Array
    information: Array
    nuisance_score: Array


def group_scores(null: NullScores, X: Array, codes: Codes, count: int) -> GroupScores:
    """The sums of one null model (m = 1) over ``count`` groups with codes (n,); X is (n, d)."""
    score, weight, nuisance = null.score[:, 0], null.weight[:, 0], null.nuisance[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):  # a row without weight has no score either
        directed = np.where(weight[:, None] > 0, nuisance / weight[:, None] * score[:, None], 0.0)
    outer = np.einsum("n,na,nb->nab", weight, X, X).reshape(len(X), -1)
    crossed = np.einsum("nq,nd->nqd", nuisance, X).reshape(len(X), -1)
    together = grouped_sums(np.column_stack([X * score[:, None], crossed, outer, directed]), codes, count)
    d, q = X.shape[1], nuisance.shape[1]
    parts = np.split(together, np.cumsum([d, q * d, d * d]), axis=1)
    return GroupScores(parts[0], parts[1].reshape(count, q, d), parts[2].reshape(count, d, d), parts[3])


def grouped_sums(values: Array, codes: Codes, count: int) -> Array:
    """Sums (count, k) of the rows of ``values`` (n, k) by their codes."""
    return np.column_stack([np.bincount(codes, column, count) for column in values.T])


def flipped_statistics(groups: GroupScores, signs: Array) -> Array:
    """Standardised sign-flip score statistics (B,) for signs (B, G) (93)."""
    U = signs @ groups.score
    along = np.einsum("Bg,gqd->Bqd", signs, groups.nuisance)
    raw = groups.information.sum(axis=0)
    V = raw - np.einsum("Bqa,Bqb->Bab", along, along)
    for a in range(len(raw)):
        clear(V[:, a, a], raw[a, a])
    return quadratic_forms(U, V)


def bootstrapped_statistics(groups: GroupScores, weights: Array, refreshed: bool) -> Array:
    """Cluster-robust statistics (B,) of weighted score sums, for weights (B, G) (97).

    With ``refreshed`` the variance is made of score sums after one scoring step on the weighted scores, as a Wald test
    has it; without, of the weighted score sums themselves.
    """
    U = weights @ groups.score
    parts = weights[:, :, None] * groups.score
    if refreshed:
        step = np.linalg.solve(groups.information.sum(axis=0), U.T).T
        parts = parts - np.einsum("gab,Bb->Bga", groups.information, step)
        parts -= np.einsum("gqd,Bq->Bgd", groups.nuisance, weights @ groups.nuisance_score)
    return quadratic_forms(U, np.einsum("Bga,Bgb->Bab", parts, parts))


# refits --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MovedLikelihood:
    """The log-likelihood of nuisance columns and moved columns: model k has the columns ``moved[:, k]``.

    Attributes
    ----------
    rows : Block
        Nuisance columns in X (n, q), and outcome, weights and offset (n, 1).
    family : Family
    moved : (d, B, n)
    """

    rows: Block
    family: Family
    moved: Array

    def __call__(self, coef: Array, models: Codes | None = None) -> Terms:
        """Terms at the coefficients (m, q + d): nuisance first."""
        moved = self.moved if models is None else self.moved[:, models]
        q = self.rows.X.shape[1]
        y, weights, offset = (a.T for a in (self.rows.y, self.rows.weights, self.rows.offset))
        with np.errstate(over="ignore", invalid="ignore"):  # a wild trial is not finite, and its step is halved
            eta = coef[:, :q] @ self.rows.X.T + np.einsum("md,dmn->mn", coef[:, q:], moved) + offset
            loglik, score, expected, observed = self.family.pointwise(y, eta)
            s = weighted(weights, score)
            total = np.hstack([s @ self.rows.X, np.einsum("mn,dmn->md", s, moved)])
            information = self._gram(weighted(weights, expected), moved)
            curvature = information if observed is expected else self._gram(weighted(weights, observed), moved)
            return Terms(np.asarray(weighted(weights, loglik).sum(axis=1)), total, information, curvature)

    def _gram(self, weight: Array, moved: Array) -> Array:
        q, d = self.rows.X.shape[1], len(moved)
        out = np.empty((len(weight), q + d, q + d))
        out[:, :q, :q] = linalg.gram(self.rows.X, np.ascontiguousarray(weight.T))
        for a in range(d):
            own = weight * moved[a]
            out[:, q + a, :q] = out[:, :q, q + a] = own @ self.rows.X
            for b in range(a + 1):
                out[:, q + a, q + b] = out[:, q + b, q + a] = np.einsum("mn,mn->m", own, moved[b])
        return out

    @property
    def concave(self) -> bool:
        """Whether every stationary point is the maximum."""
        return self.family.concave


def normal_scale(statistics: Array, df: NDArray[np.intp]) -> Array:
    """Statistics near χ²(df) on the scale of a normal deviate, so that those of different df can be compared (99)."""
    share = 2.0 / (9.0 * np.maximum(df, 1))
    return np.asarray((np.cbrt(statistics / np.maximum(df, 1)) - (1.0 - share)) / np.sqrt(share))


def reached(statistics: Array, observed: Array) -> NDArray[np.bool_]:
    """Which statistics are at least as large as the observed one; equal up to rounding counts."""
    slack = _TIE * np.maximum(np.abs(observed), 1.0)
    return np.asarray(statistics >= observed - slack)


def reaching(sorted_statistics: Array, observed: Array) -> NDArray[np.intp]:
    """How many of the sorted statistics (n,) reach each observed one (m,)."""
    slack = _TIE * np.maximum(np.abs(observed), 1.0)
    return np.asarray(len(sorted_statistics) - np.searchsorted(sorted_statistics, observed - slack))
