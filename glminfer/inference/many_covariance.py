"""Covariances of the estimates of many models, batched where they are sums over rows or clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.progress import progress
from glminfer.errors import DataError, InputError, counted, one_of
from glminfer.fit.batch import chunks, rows_of
from glminfer.fit.far_columns import far
from glminfer.fit.panels import FitsRecord, Models, Panel
from glminfer.fit.singles import refitted
from glminfer.inference import clustered
from glminfer.inference.clusters import Grouping, groupings_of
from glminfer.inference.covariance import INDEPENDENT, KINDS
from glminfer.inference.matrix import Covariance
from glminfer.inference.robust import POWER, TEXT, heteroscedasticity_robust
from glminfer.inference.vanishing import negligible
from glminfer.numerics import batched, lanes
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import Firth
from glminfer.numerics.threads import one_by_one

MODEL = "model (inverse expected information, no correction)"
_BATCHED = ("CR0", "CR1")


@dataclass(frozen=True, slots=True)
class Spread:
    """Covariances of the models of a panel.

    Attributes
    ----------
    packed : (m, R(R+1)/2)
        Upper triangles, in working coefficients; NaN where there is none.
    dof : (m, p)
        Degrees of freedom of the reference of each coefficient; infinite is the normal.
    robust : bool
        Whether variances may be rounding of zero, of which there is none to report (`vanishing`).
    """

    packed: Array
    dof: Array
    robust: bool = True

    def matrices(self, which: Models | slice = slice(None)) -> Array:
        """(R, R, k) matrices of some models, a lane each."""
        part = self.packed[which].T
        return lanes.unpacked(part, _order(part.shape[0]))


def _order(size: int) -> int:
    return int((np.sqrt(8 * size + 1) - 1) / 2)


def standard_errors(panel: Panel, spread: Spread, control: Control | None) -> Array:
    """(m, p) standard errors; NaN where an estimate is not finite, or a robust variance zero but for rounding."""
    variance = _variances(panel, spread.packed)
    known = np.isfinite(panel.found.values)
    if spread.robust:
        of_model = _variances(panel, panel.found.covariance)
        relative = np.divide(variance, of_model, out=np.full_like(variance, np.nan), where=known & (of_model > 0))
        known &= ~(relative <= negligible(relative, (control or Control()).tol, panel.stock.unit)[:, None])
    return np.where(known, np.sqrt(variance), np.nan)


def unknown(fits: FitsRecord, found: Sequence[Spread], errors: Sequence[Array]) -> tuple[str, ...]:
    """A note that counts the models with variances that are zero but for rounding."""
    lost = 0
    for panel, spread, se in zip(fits.panels, found, errors, strict=True):
        there = np.isfinite(panel.found.values) & np.isfinite(spread.packed[:, :1])
        lost += int((there & np.isnan(se)).any(axis=1).sum())
    if not lost:
        return ()
    return (
        f"{counted(lost, 'model')} with coefficients in which the scores of every cluster or row are zero: no robust "
        "standard error there",
    )


def _variances(panel: Panel, packed: Array) -> Array:
    """(m, p) variances of the coefficients of the columns."""
    T = panel.stock.T
    R = T.shape[1]
    variance = np.zeros((len(panel), len(T)))
    places = {pair: k for k, pair in enumerate(zip(*np.triu_indices(R), strict=True))}
    for j, row in enumerate(T):
        at = np.flatnonzero(row)
        for a in at:
            for b in at[at >= a]:
                variance[:, j] += (1.0 if a == b else 2.0) * row[a] * row[b] * packed[:, places[(a, b)]]
    return np.maximum(variance, 0.0)


def spreads(fits: FitsRecord, cov: Any, cluster: Any) -> tuple[list[Spread], str, tuple[str, ...]]:
    """Covariances of every panel, what they are in words, and what to know about them (19), (32)-(37)."""
    kind = one_of("model" if cov is None else cov, KINDS, "cov")
    if cluster is None:
        return _independent(fits, kind)
    if kind.startswith("HC"):
        raise InputError(
            f"cov={kind!r} is for independent rows, and cluster= says that rows belong together. "
            f"Choose one of: {', '.join(clustered.KINDS)}; or leave cluster= out."
        )
    kind = "CR1" if kind == "model" else kind
    _defined(fits, kind)
    found = [_clustered(fits, panel, kind, cluster) for panel in fits.panels]
    texts = sorted({text for _, text in found})
    return [spread for spread, _ in found], f"{kind} ({'; '.join(texts)})", _firth_note(fits, kind)


def _independent(fits: FitsRecord, kind: str) -> tuple[list[Spread], str, tuple[str, ...]]:
    if kind not in INDEPENDENT:
        raise InputError(
            f"cov={kind!r} needs cluster=: the column that says which rows belong together, such as cluster='mouse'. "
            f"For independent rows choose one of: {', '.join(INDEPENDENT)}."
        )
    normal = [np.full(panel.found.values.shape, np.inf) for panel in fits.panels]
    if kind == "model":
        return (
            [Spread(p.found.covariance, dof, robust=False) for p, dof in zip(fits.panels, normal, strict=True)],
            MODEL,
            (),
        )
    _defined(fits, kind)
    found = [Spread(_robust(fits, panel, kind), dof) for panel, dof in zip(fits.panels, normal, strict=True)]
    text = f"heteroscedasticity-robust, correction {TEXT[kind]}" if kind != "HC0" else "heteroscedasticity-robust"
    return found, f"{kind} ({text})", _firth_note(fits, kind)


def _defined(fits: FitsRecord, kind: str) -> None:
    if isinstance(fits.penalty, Firth):
        raise DataError(
            f"cov={kind!r} is defined for maximum likelihood, and these fits have penalty=gi.{fits.penalty!r}. "
            "Use cov='model', or fit without a penalty."
        )


def _firth_note(fits: FitsRecord, kind: str) -> tuple[str, ...]:
    count = sum(int(panel.found.firth.sum()) for panel in fits.panels)
    return (f"{count:,} bias-reduced fits have no {kind} covariance",) if count else ()


def _over_chunks(panel: Panel, work: Any, what: str) -> Array:
    """``work(models)`` -> (…, k) of all models that have maximum-likelihood estimates, as (m, …)."""
    found = panel.found
    have = np.flatnonzero(np.isfinite(found.loglik) & ~found.firth)
    out = np.full((len(panel), *np.shape(found.covariance)[1:]), np.nan)
    parts = chunks(panel.stock.rows.whole.n, have)
    done = progress(one_by_one(work, parts), len(parts), what)
    for which, values in zip(parts, done, strict=True):
        out[which] = values.T
    return out


def coefficients(panel: Panel, which: Models) -> Array:
    """(R, k) working coefficients of some models."""
    return np.ascontiguousarray(panel.found.working[which].T)


def _robust(fits: FitsRecord, panel: Panel, kind: str) -> Array:
    """V (Σ w² s² c x x') V of each model (32)."""
    power = POWER[kind]
    if kind == "HC1":
        _residual_rows(panel, kind)

    def work(which: Models) -> Array:
        V = lanes.unpacked(panel.found.covariance[which].T, panel.stock.estimable)
        meat = rows_of(panel.block(which)).sum(batched.score_moments, coefficients(panel, which), V, power)
        return _sandwich(V, meat)

    out = _over_chunks(panel, work, "models")
    if kind == "HC1":
        out *= (panel.found.nobs / np.maximum(panel.found.nobs - panel.found.rank, 1))[:, None]
    return _far_ones_alone(fits, panel, out, (kind, None))


def _far_ones_alone(fits: FitsRecord, panel: Panel, packed: Array, how: tuple[str, Any]) -> Array:
    """The covariances, those of models with columns far from zero from their single fits."""
    for k in np.flatnonzero(far(panel) & np.isfinite(packed).all(axis=1)):
        packed[k] = _alone(fits, panel, int(k), how)[0]
    return packed


def _alone(fits: FitsRecord, panel: Panel, k: int, how: tuple[str, Any]) -> tuple[Array, Covariance, Array]:
    """Packed covariance of one model from its single fit, what it is, and the coefficients in working coordinates."""
    fit = refitted(fits, panel, k)
    kind, cluster = how
    chosen = heteroscedasticity_robust(fit, kind) if cluster is None else clustered.cluster_robust(fit, kind, cluster)
    turned, (first, second) = panel.stock.coordinates @ fit.T, lanes.pairs(panel.stock.estimable)
    return (turned @ chosen.matrix @ turned.T)[first, second], chosen, fit.T


def _residual_rows(panel: Panel, kind: str) -> None:
    have = np.isfinite(panel.found.loglik)
    if (panel.found.nobs - panel.found.rank)[have].min(initial=1) <= 0:
        raise DataError(
            f"cov={kind!r} divides by n - k, which is 0 for at least one model. Use {kind[:2]}0, which has no "
            "correction."
        )


def _sandwich(V: Array, meat: Array) -> Array:
    """Upper triangles (R(R+1)/2, k) of V M V."""
    first, second = lanes.pairs(len(V))
    half = np.einsum("abk,bck->ack", V, meat)
    return np.asarray(np.einsum("abk,bck->ack", half, V)[first, second])


# clusters ------------------------------------------------------------------------------------------------------------


def _clustered(fits: FitsRecord, panel: Panel, kind: str, cluster: Any) -> tuple[Spread, str]:
    ways = groupings_of(panel.stock.sample, fits.call["data"], cluster)
    if kind in _BATCHED and len(ways) == 1:
        return _clustered_batch(fits, panel, (kind, cluster), ways[0])
    return _one_by_one(fits, panel, kind, cluster)


def _clustered_batch(fits: FitsRecord, panel: Panel, how: tuple[str, Any], way: Grouping) -> tuple[Spread, str]:
    """V (Σ_g u_g u_g') V (33)."""
    kind = how[0]
    found, G = panel.found, np.zeros(len(panel))
    if kind == "CR1":
        _residual_rows(panel, kind)

    def work(which: Models) -> Array:
        V = lanes.unpacked(found.covariance[which].T, panel.stock.estimable)
        rows = rows_of(panel.block(which)).grouped(way.codes)
        counted = rows_of(panel.stock.block(which)).grouped(way.codes)  # separated rows count as clusters do
        G[which] = (counted.sum(batched.group_presence, way.count) > 0).sum(axis=0)
        return _sandwich(V, batched.outer_sums(rows.sum(batched.group_scores, coefficients(panel, which), way.count)))

    packed = _over_chunks(panel, work, "models")
    G = np.where(G > 0, G, way.count)
    if kind == "CR1":
        packed *= _cr1(G, found.nobs, found.rank)[:, None]
    packed[G < 2] = np.nan
    packed = _far_ones_alone(fits, panel, packed, how)
    dof = np.repeat(np.maximum(G - 1.0, 1.0)[:, None], found.values.shape[1], axis=1)
    return Spread(packed, dof), f"{clustered.named((way,))}, {clustered.TEXT[kind]}"


def _cr1(G: Array, n: NDArray[Any], k: NDArray[Any]) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(G / (G - 1) * (n - 1) / (n - k))


def _one_by_one(fits: FitsRecord, panel: Panel, kind: str, cluster: Any) -> tuple[Spread, str]:
    """Corrections that need each model's own hat matrices, or refits."""
    found = panel.found
    have = np.flatnonzero(np.isfinite(found.loglik) & ~found.firth)
    packed, dof = np.full_like(found.covariance, np.nan), np.full(found.values.shape, np.inf)

    def work(k: int) -> tuple[Array, Array, str]:
        packed, chosen, T = _alone(fits, panel, k, (kind, cluster))
        return packed, chosen.dof_for(T), chosen.description

    done = list(progress(one_by_one(work, have.tolist()), len(have), "models"))
    for k, (V, degrees, _) in zip(have, done, strict=True):
        packed[k], dof[k] = V, degrees
    return Spread(packed, dof), done[-1][2] if done else clustered.TEXT[kind]
