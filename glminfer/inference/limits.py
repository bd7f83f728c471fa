"""Interval ends and profile curves of coefficients and linear combinations, from the likelihood (53)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.nested import complement, nested_fits, refuse_penalised, refuse_without_likelihood
from glminfer.fit.records import FitRecord
from glminfer.inference.distributions import critical
from glminfer.inference.estimable import refuse_lost
from glminfer.inference.linear import read
from glminfer.inference.one_sided import one_sided
from glminfer.inference.profile import ROOTS, both_ends, free_stage
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array

_CURVE_LEVEL = 0.999
_CURVE_POINTS = 21


def limits(fit: FitRecord, method: str, level: float, columns: Sequence[int]) -> tuple[Array, Array]:
    """Lower and upper ends of the coefficients of some columns; ±inf where there is no end, NaN where aliased."""
    refuse = refuse_without_likelihood if method == "profile" else refuse_penalised
    refuse(fit, f"confint(method={method!r})")
    target = float(critical(level, np.array(np.inf)))
    low, high = np.full((2, len(fit.columns)), np.nan)
    finite = [j for j in columns if fit.finite[j]]
    if finite:
        low[finite], high[finite] = both_ends(fit, fit.T[finite], target, ROOTS[method])
    for j in columns:
        if not fit.finite[j] and fit.columns[j] not in fit.aliased:
            low[j], high[j] = _of_infinite(fit, j, target, method)
    return low[list(columns)], high[list(columns)]


def _of_infinite(fit: FitRecord, j: int, target: float, method: str) -> tuple[float, float]:
    """A separated coefficient: one finite end at most, none where the direction is open."""
    if np.isnan(fit.values[j]):
        return -np.inf, np.inf
    assert fit.space is not None
    return one_sided(fit, fit.space.basis.T[j], float(np.sign(fit.values[j])), target, method)


@checked_keywords
def profile(fit: FitRecord, term: str) -> pd.DataFrame:
    """How fast does the likelihood fall as one coefficient moves away from its estimate? The profile curve (53).

    Parameters
    ----------
    term : str
        A coefficient, or a linear combination such as "a - 2*b".

    Returns
    -------
    DataFrame
        value (of the coefficient), zeta (signed root of the likelihood ratio: a straight line when Wald is right),
        deviance (of the model held there).

    Raises
    ------
    InputError
        If the combination has no finite estimate, or the fit is penalised.

    References
    ----------
    Venzon & Moolgavkar (1988), Appl. Stat. 37; Bates & Watts (1988), section 6.1, for zeta.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> curve = gi.logit("choice ~ contrast_right", trials).profile("contrast_right")
    >>> bool(curve.zeta.is_monotonic_increasing)
    True
    """
    low, high = profile_ends(fit, term, _CURVE_LEVEL)
    functional, shift = _functional(fit, term)
    where = free_stage(fit)
    centre = float(functional @ where.estimate)
    half = _CURVE_POINTS // 2
    left, right = np.linspace(low - shift, centre, half + 1), np.linspace(centre, high - shift, half + 1)
    values = np.concatenate([left, right[1:]])
    factored = linalg.factor(where.metric)
    assert factored is not None
    tangent = linalg.solve(factored, functional)
    points = where.estimate + np.outer((values - centre) / (functional @ tangent), tangent)
    space = complement(where, functional[None])
    held = nested_fits(where, [space] * len(values), points)
    lost = np.maximum(2 * (max(h.height for h in held) - np.array([h.height for h in held])), 0.0)
    zeta = np.sign(values - centre) * np.sqrt(lost)
    return pd.DataFrame({"value": values + shift, "zeta": zeta, "deviance": fit.deviance + lost})


def profile_ends(fit: FitRecord, term: str, level: float) -> tuple[float, float]:
    """The profile interval of a coefficient or linear combination with a finite estimate."""
    refuse_without_likelihood(fit, "profile")
    functional, shift = _functional(fit, term)
    target = float(critical(level, np.array(np.inf)))
    low, high = both_ends(fit, functional[None], target, ROOTS["profile"])
    return float(low[0]) + shift, float(high[0]) + shift


def _functional(fit: FitRecord, term: str) -> tuple[Array, float]:
    """A coefficient or combination as a functional of the working coefficients, and a constant to add."""
    if term in fit.columns:
        L, shift = np.eye(1, len(fit.columns), fit.columns.index(term)), 0.0
        refuse_lost(fit, L, (term,))
    else:
        asked = read(fit, term)
        if len(asked.L) != 1:
            raise InputError(
                f"{term!r} stands for {len(asked.L)} combinations; profile one, such as {asked.rows[0]!r}."
            )
        L, shift = asked.L, -float(asked.rhs[0])
        refuse_lost(fit, L, asked.rows)
    return L[0] @ fit.T, shift
