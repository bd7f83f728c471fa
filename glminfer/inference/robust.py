"""Heteroscedasticity-robust covariances of independent rows: HC0 to HC3."""

from __future__ import annotations

import numpy as np

from glminfer.errors import DataError, counted
from glminfer.fit.records import FitRecord
from glminfer.inference.matrix import Covariance, bread_of, refuse_robust
from glminfer.numerics import linalg, scores

POWER = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}
TEXT = {"HC0": "no correction", "HC1": "n/(n - k)", "HC2": "1/(1 - h)", "HC3": "1/(1 - h)²"}


def heteroscedasticity_robust(fit: FitRecord, kind: str) -> Covariance:
    """V (Σ w² s² c z z') V of independent rows, with the correction c of its name (32).

    Sources: White (1980); MacKinnon & White (1985); Long & Ervin (2000) for HC3 by default in small samples.
    """
    refuse_robust(kind, fit)
    rows, _ = fit.with_rows()
    V = bread_of(fit)
    found = rows.sum(scores.meat, fit.working[None], fit.family, V, POWER[kind])
    matrix = linalg.sandwich(V, found.matrix)
    if kind == "HC1":
        matrix = matrix * (fit.nobs / residual_rows(fit, kind))
    text = f"heteroscedasticity-robust, correction {TEXT[kind]}" if kind != "HC0" else "heteroscedasticity-robust"
    if fit.grouped and not POWER[kind]:  # a single trial fits itself only where it is separated
        found = rows.sum(scores.meat, fit.working[None], fit.family, V, 1)
    return Covariance(matrix, kind, np.inf, text, _leverage_note(found.full, kind))


def residual_rows(fit: FitRecord, kind: str) -> int | float:
    """n - k, which some corrections divide by."""
    if fit.df_resid <= 0:
        raise DataError(
            f"cov={kind!r} divides by n - k, which is {fit.df_resid} here: {counted(fit.nobs, 'row')} and "
            f"{counted(fit.rank, 'coefficient')}. Use {kind[:2]}0, which has no correction, or fewer covariates."
        )
    return fit.df_resid


def _leverage_note(count: int, kind: str) -> tuple[str, ...]:
    if not count:
        return ()
    fits = "row has leverage 1 (it fits itself exactly) and adds"
    if count > 1:
        fits = "rows have leverage 1 (they fit themselves exactly) and add"
    return (f"{count:,} {fits} nothing to {kind}",)
