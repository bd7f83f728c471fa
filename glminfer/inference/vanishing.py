"""Robust variances that are zero by construction: where the scores of every cluster, or row, sum to zero.

With ``y ~ x*g`` and clusters ``g`` each cluster has coefficients of its own, so its scores for them are zero at the
estimate, whatever the data; a row that fits itself has a residual of zero. The sandwich is then zero in those
coefficients up to rounding, which is no statement about how precise they are.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from glminfer.errors import DataError, counted
from glminfer.fit.records import FitRecord, weight_unit
from glminfer.inference.matrix import Covariance
from glminfer.numerics import linalg
from glminfer.numerics.blind import blind_part, seen_part
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered
from glminfer.numerics.spread import Root, Spread

ROUNDING = 1e-13  # of the largest variance, in units of the model's: what the sums of a sandwich cannot tell from zero
_SHARE = 0.1  # of a variance that is missing, from which it is said
_WHOLE = 1 - 1e-9  # all of it: there is no standard error
_WIDE = 1e-4  # a tolerance beyond which nothing is taken for zero: real variances are not as small beside the model's
_NAMED = 6  # coefficients spelled out in a message


def negligible(relative: Array, tol: float, unit: float) -> Array:
    """Robust variances (..., p) over the model's that are zero but for rounding: the floor of each model, (...).

    Scores sum to zero as far as the iteration went, to ``tol`` standard errors or (with a wide tolerance) nearer, with
    weights measured in ``unit`` (156).
    """
    largest = np.max(relative, axis=-1, initial=0.0, where=np.isfinite(relative))
    return np.asarray(np.maximum(ROUNDING * largest, (10 * min(tol, _WIDE)) ** 2 * unit))


def without_rounding(fit: FitRecord, chosen: Covariance) -> Covariance:
    """The covariance, with the variances it has none of marked; refused where it has none at all."""
    finite = np.flatnonzero(fit.finite)
    variances = partial(linalg.variances, fit.T)
    relative = (variances(chosen.matrix) / np.where(fit.finite, variances(fit.working_covariance), 1.0))[finite]
    if not np.isfinite(relative).all() or not finite.size:
        return chosen
    floor = max(float(negligible(relative, fit.control.tol, weight_unit(fit))), chosen.floor)
    lost = [fit.columns[j] for j in finite[relative <= floor]]
    if len(lost) == len(finite):
        _refuse(fit, chosen, lost)
    return replace(chosen, floor=floor, notes=(*chosen.notes, *_note(chosen, lost)))


def unseen(fit: FitRecord, K: Array, root: Array, clusters: int) -> tuple[str, ...]:
    """A note on coefficients that single clusters decide, from the middle (r, r) of the sandwich C K C'.

    Where G clusters should give K a rank of min(r, G - 1) and it has less, scores of every cluster are zero along its
    other axes. What a coefficient varies along them, by the model, is missing in its robust variance.
    """
    values, axes = np.linalg.eigh(K)
    blind = values <= _nothing(fit, float(values.max(initial=0.0)))
    if blind.all() or int((~blind).sum()) >= min(len(K), clusters - 1):
        return ()
    along = np.asarray(fit.T @ root)
    return _deciding(fit, ((along @ axes[:, blind]) ** 2).sum(axis=1), (along**2).sum(axis=1))


def unseen_within_levels(fit: FitRecord, root: Root, meat: Bordered, clusters: int) -> tuple[str, ...]:
    """The same for clusters that each lie in one level of a coded factor, from their bordered meat (140)."""
    largest = float((meat.diagonal() / root.matrix.diagonal()).max(initial=0.0))
    blind = blind_part(root, meat, _nothing(fit, largest))
    seen = len(fit.working) - blind.rank
    if not seen or seen >= min(len(fit.working), clusters - 1):
        return ()
    return _deciding(fit, linalg.variances(fit.T, blind.covariance), linalg.variances(fit.T, fit.working_covariance))


def unseen_across_levels(fit: FitRecord, scores: Array, along: Array) -> tuple[str, ...]:
    """The same for other clusters of a fit with coded factors, from their scores u (G, r) and V u' (141)."""
    V, sizes = cast(Spread, fit.working_covariance), np.einsum("gr,rg->g", scores, along)
    seen = seen_part(V, scores, along, _nothing(fit, float(sizes.max(initial=0.0))))
    if seen is None or not seen.rank or seen.rank >= min(scores.shape[1], len(scores) - 1):
        return ()
    known = linalg.variances(fit.T, V)
    return _deciding(fit, known - linalg.variances(fit.T, seen.covariance), known)


def _nothing(fit: FitRecord, largest: float) -> float:
    """Squared scores, in units of the model's variance, that are zero but for rounding."""
    return max(ROUNDING * largest, (10 * min(fit.control.tol, _WIDE)) ** 2 * weight_unit(fit))


def _deciding(fit: FitRecord, missing: Array, known: Array) -> tuple[str, ...]:
    """The note, from the variance (p,) that no cluster's score sees and the whole of it."""
    share = np.divide(missing, known, out=np.zeros_like(known), where=known > 0)
    names = [
        name
        for name, part, finite in zip(fit.columns, share, fit.finite, strict=True)
        if finite and _SHARE < part < _WHOLE
    ]
    if not names:
        return ()
    return (
        f"single clusters decide {_some(names)}, at least in part, so that scores of every cluster are zero there: "
        "standard errors of these leave out how clusters vary, and are too small",
    )


def _refuse(fit: FitRecord, chosen: Covariance, lost: list[str]) -> None:
    units, way = _units(chosen)
    raise DataError(
        f"cov={chosen.kind!r} is not defined for this fit: the scores of {units} are zero in all of its coefficients "
        f"({_some(lost)}), because {units} has coefficients of its own. Every standard error would be zero, which says "
        f"nothing of {counted(fit.nobs, 'row')}. {way}"
    )


def _note(chosen: Covariance, lost: list[str]) -> tuple[str, ...]:
    if not lost:
        return ()
    units, way = _units(chosen)
    return (f"no {chosen.kind} standard error for {_some(lost)}: the scores of {units} are zero there. {way}",)


def _units(chosen: Covariance) -> tuple[str, str]:
    """Whose scores were summed, and the way out."""
    if chosen.kind.startswith("HC"):
        return "every row", "Use cov='model'."
    return "every cluster", "Choose clusters that the formula has no coefficients for, or cov='model' or 'HC3'."


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
