"""Cluster-robust covariances: CR0 to CR3, the jackknife, and several ways of clustering at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from glminfer.errors import counted
from glminfer.fit.records import FitRecord
from glminfer.inference.clusters import Grouping, groupings, subsets
from glminfer.inference.jackknife import jackknife
from glminfer.inference.matrix import Covariance, Leverages, bread_root, refuse_robust
from glminfer.inference.robust import residual_rows
from glminfer.inference.vanishing import ROUNDING, unseen, unseen_across_levels, unseen_within_levels
from glminfer.numerics import scores, spread
from glminfer.numerics.blind import whole
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Layout
from glminfer.numerics.grouped_codes import group_meat, levels_of_groups
from glminfer.numerics.room import refuse_without_room
from glminfer.numerics.spread import Root, Spread

_AT_ONCE = 200_000  # numbers in one table of cluster matrices, per block of rows
_BLOCKS = 32  # of rows, each with a matrix of every cluster in it
_FEW = 10  # clusters below which cluster-robust tests need care
TEXT = {
    "CR0": "no correction",
    "CR1": "correction G/(G - 1) · (n - 1)/(n - k)",
    "CR2": "correction (I - H)^(-1/2)",
    "CR3": "correction (I - H)^(-1), (G - 1)/G",
    "jackknife": "refits without each cluster, (G - 1)/G",
}


@dataclass(frozen=True, slots=True)
class _Meat:
    """The middle of a sandwich C K C' in the coordinates of the bread's root C."""

    matrix: Array
    leverages: Leverages | None = None


def cluster_robust(fit: FitRecord, kind: str, cluster: Any) -> Covariance:
    """The covariance of estimates from rows that belong together within clusters (33)-(37)."""
    refuse_robust(kind, fit)
    _, sample = fit.with_rows()
    ways = groupings(fit, cluster)
    root = bread_root(fit)
    if isinstance(root, Root):
        if len(ways) == 1 and kind in ("CR0", "CR1"):
            matrix, missed = _of_levels(fit, ways[0], kind, root)
            dof, text, notes = _told(fit, kind, ways)
            return Covariance(matrix, kind, dof, text, (*notes, *missed))
        refuse_without_room((_BLOCKS, *fit.information.shape), f"Matrices of clusters over {fit.rank:,} coefficients")
        root = np.asarray(root)
    made: tuple[str, ...] = ()
    floor = 0.0
    if len(ways) == 1:
        found = KINDS[kind](fit, ways[0], root)
        made = () if kind == "jackknife" else unseen(fit, found.matrix, root, ways[0].count)
    else:
        parts = [sign * KINDS[kind](fit, way, root).matrix for sign, way in subsets(ways, sample.weights > 0)]
        floor = ROUNDING * max(float(np.abs(part).max(initial=0.0)) for part in parts)
        matrix, made = _usable(fit, np.asarray(sum(parts)), root, floor)
        found = _Meat(matrix)
    dof, text, notes = _told(fit, kind, ways)
    return Covariance(root @ found.matrix @ root.T, kind, dof, text, (*notes, *made), found.leverages, floor=floor)


def _told(fit: FitRecord, kind: str, ways: tuple[Grouping, ...]) -> tuple[float, str, tuple[str, ...]]:
    """Degrees of freedom, description and notes."""
    return min(way.count for way in ways) - 1.0, f"{named(ways)}, {TEXT[kind]}", _few(fit, kind, ways)


def _of_levels(fit: FitRecord, way: Grouping, kind: str, root: Root) -> tuple[Array, tuple[str, ...]]:
    """CR0 or CR1 of a fit with coded factors (33), never r × r numbers, and what to say of coefficients it misses.

    The meat of clusters that each lie in one level is bordered, as that of rows. Otherwise the covariance is a product
    of the (r, G) columns V u_g.
    """
    rows, _ = fit.with_rows()
    V, G = cast(Spread, fit.working_covariance), way.count
    factor = _correction(fit, way) if kind == "CR1" else 1.0
    meat = _inside_levels(fit, way, rows.coded.layout) if rows.coded is not None else None
    if meat is not None:
        return cast(Array, factor * spread.sandwich(V, meat)), unseen_within_levels(fit, root, meat, G)
    what = f"Scores of {G:,} clusters over {fit.rank:,} coefficients"
    refuse_without_room((3, G, fit.rank), what, "Clusters inside levels of the longest factor need none; nor does HC1.")
    u = scores.score_sums(rows.grouped(way.codes), fit.working, fit.family, G)
    along = V @ u.T
    made = unseen_across_levels(fit, u, along) if fit.rank >= G else _unseen(fit, u @ root, root)
    return cast(Array, Spread(V.layout, np.zeros_like(V.blocks), along, np.full(G, factor))), made


def _unseen(fit: FitRecord, scores: Array, root: Root) -> tuple[str, ...]:
    """The note where clusters (G, r) are more than coefficients, unless the products of their scores are regular."""
    K = scores.T @ scores
    return () if whole(K) else unseen(fit, K, np.asarray(root), len(scores))


def _inside_levels(fit: FitRecord, way: Grouping, layout: Layout) -> Bordered | None:
    """Σ u_g u_g' where each cluster lies in one level of the eliminated factor; None where some do not."""
    rows = fit.with_rows()[0].grouped(way.codes)
    level = levels_of_groups(rows, way.count)
    return None if level is None else group_meat(rows, layout, fit.working, fit.family, level)


def named(ways: tuple[Grouping, ...]) -> str:
    """``30 clusters of mouse``, or ``2-way: 30 clusters of mouse, 12 of session``."""
    first, *rest = ways
    if not rest:
        return f"{counted(first.count, 'cluster')} of {first.name}"
    others = ", ".join(f"{way.count:,} of {way.name}" for way in rest)
    return f"{len(ways)}-way: {counted(first.count, 'cluster')} of {first.name}, {others}"


def _few(fit: FitRecord, kind: str, ways: tuple[Grouping, ...]) -> tuple[str, ...]:
    fewest = min(ways, key=lambda way: way.count)
    G, said = fewest.count, f"{counted(fewest.count, 'cluster')} of {fewest.name}"
    notes = []
    if fit.rank > G and len(ways) == 1:
        notes.append(
            f"{said} for {counted(fit.rank, 'coefficient')}: the covariance has rank {G - 1} at most, so no more than "
            f"{counted(G - 1, 'coefficient')} can be tested at once"
        )
    if G < _FEW:
        better = "; cov='CR2' is safer" if kind in ("CR0", "CR1") and len(ways) == 1 else ""
        too_small = "standard errors are too small" if kind in ("CR0", "CR1") else "p-values and intervals are rough"
        notes.append(f"{said} are few: {too_small} with fewer than {_FEW}{better}")
    return tuple(notes)


def _usable(fit: FitRecord, K: Array, root: Array, floor: float) -> tuple[Array, tuple[str, ...]]:
    """The multiway matrix, made positive semi-definite if a coefficient had no variance otherwise, and what to say.

    Eigenvalues are taken relative to the model's covariance, so that they do not depend on the scale of the columns.
    """
    values, vectors = np.linalg.eigh((K + K.T) / 2)
    count = int((values < -max(1e-12 * np.abs(values).max(initial=0.0), floor)).sum())
    if not count:
        return K, ()
    what = f"the multiway covariance has {counted(count, 'negative eigenvalue')}"
    what += f" (smallest {values.min():.2g} times the model's)"
    along = fit.T @ root
    negative = np.einsum("pr,rs,ps->p", along, K, along) < 0
    lost = [name for name, wrong in zip(fit.columns, negative & fit.finite, strict=True) if wrong]
    if not lost:
        return K, (f"{what}: a combination of coefficients may have no standard error; more clusters are needed",)
    note = f"{what}, set to zero because the variance of {', '.join(lost)} was negative: do not rely on it"
    return (vectors * np.maximum(values, 0.0)) @ vectors.T, (note,)


def _cr0(fit: FitRecord, way: Grouping, root: Array) -> _Meat:
    """Σ u_g u_g' over the score sums of clusters (33)."""
    rows, _ = fit.with_rows()
    u = scores.score_sums(rows.grouped(way.codes), fit.working, fit.family, way.count) @ root
    return _Meat(u.T @ u)


def _cr1(fit: FitRecord, way: Grouping, root: Array) -> _Meat:
    """CR0 · G/(G - 1) · (n - 1)/(n - k) (33)."""
    return _Meat(_correction(fit, way) * _cr0(fit, way, root).matrix)


def _correction(fit: FitRecord, way: Grouping) -> float:
    G, n = way.count, fit.nobs
    return G / (G - 1) * (n - 1) / residual_rows(fit, "CR1")


def _cr2(fit: FitRecord, way: Grouping, root: Array) -> _Meat:
    """Score sums inflated by (I - H_gg)^(-1/2) (34), with what their degrees of freedom depend on."""
    found = [_inflated(fit, way, root, part, 0.5) for part in _parts(fit, way)]
    total = sum(matrix for matrix, _ in found)
    parts = [leverages for _, leverages in found]
    joined = (np.concatenate([getattr(p, name) for p in parts]) for name in ("values", "inverse", "vectors"))
    return _Meat(np.asarray(total), Leverages(root, *joined))


def _cr3(fit: FitRecord, way: Grouping, root: Array) -> _Meat:
    """Score sums inflated by (I - H_gg)⁻¹, times (G - 1)/G: one Newton step without each cluster (35)."""
    total = sum(_inflated(fit, way, root, part, 1.0)[0] for part in _parts(fit, way))
    return _Meat((way.count - 1) / way.count * np.asarray(total))


def _jackknife(fit: FitRecord, way: Grouping, root: Array) -> _Meat:
    """Refits without each cluster about their mean, times (G - 1)/G."""
    away = np.linalg.solve(root, jackknife(fit, way).T)
    away = away - away.mean(axis=1, keepdims=True)
    return _Meat((way.count - 1) / way.count * (away @ away.T))


def _parts(fit: FitRecord, way: Grouping) -> list[tuple[int, int]]:
    """Ranges of clusters whose matrices are held in memory at once."""
    step = max(1, _AT_ONCE // max(len(fit.working), 1) ** 2)
    return [(first, min(first + step, way.count)) for first in range(0, way.count, step)]


def _inflated(
    fit: FitRecord, way: Grouping, root: Array, part: tuple[int, int], power: float
) -> tuple[Array, Leverages]:
    """Σ over some clusters of the outer product of (I - M_g)^(-power) C'u_g, where M_g = C'Z'WSZ C.

    M_g (r, r) has the eigenvalues of the hat matrix H_gg of the cluster's rows, and
    A'(I - AA')^(-q) = (I - A'A)^(-q)A', so no matrix is as large as a cluster. Where an eigenvalue is 1 the cluster
    alone decides a direction: its score there is zero, and the generalised inverse leaves it out.
    """
    rows, _ = fit.with_rows()
    u, information = scores.moment_sums(rows.grouped(way.codes), fit.working, fit.family, *part)
    values, vectors = np.linalg.eigh(root.T @ information @ root)
    left = 1.0 - values
    inverse = np.divide(1.0, left, out=np.zeros_like(left), where=left > scores.FULL)
    along = np.einsum("gij,gi->gj", vectors, u @ root) * inverse**power
    found = np.einsum("gij,gj->gi", vectors, along)
    return found.T @ found, Leverages(root, np.clip(values, 0.0, 1.0), inverse, vectors)


KINDS: dict[str, Callable[[FitRecord, Grouping, Array], _Meat]] = {
    "CR0": _cr0,
    "CR1": _cr1,
    "CR2": _cr2,
    "CR3": _cr3,
    "jackknife": _jackknife,
}
