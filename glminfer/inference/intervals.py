"""Confidence intervals of the coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.records import FitRecord
from glminfer.inference.covariance import covariance, standard_errors
from glminfer.inference.distributions import critical, two_sided
from glminfer.numerics.blocks import Array


@dataclass(frozen=True, slots=True)
class Wald:
    """Wald statements about every coefficient: vectors (p,) in column order."""

    estimate: Array
    std_error: Array
    statistic: Array
    p_value: Array
    log10_p: Array
    conf_low: Array
    conf_high: Array
    dof: Array


def checked_level(level: float) -> float:
    """A confidence level strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise InputError(
            f"level={level} is not a confidence level: it must lie strictly between 0 and 1, such as 0.95."
        )
    return float(level)


def wald(fit: FitRecord, cov: str = "model", dof: float | None = None, level: float = 0.95) -> Wald:
    """Estimates with standard errors, z or t statistics (20) and intervals (21)."""
    checked_level(level)
    chosen = covariance(fit, cov)
    degrees = np.full(len(fit.values), chosen.dof if dof is None else float(dof))
    if not (degrees > 0).all():
        raise InputError(
            f"dof={dof} is not a number of degrees of freedom: it must be positive, or inf for the normal."
        )
    se = standard_errors(fit, chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = fit.values / se
    p, log10_p = two_sided(statistic, degrees)
    half = critical(level, degrees) * se
    return Wald(fit.values, se, statistic, p, log10_p, fit.values - half, fit.values + half, degrees)


@checked_keywords
def confint(
    fit: FitRecord,
    level: float = 0.95,
    method: str = "wald",
    terms: list[str] | None = None,
    cov: str = "model",
    dof: float | None = None,
) -> pd.DataFrame:
    """Which values of each coefficient are compatible with the data? Intervals b ± q·SE (21).

    Parameters
    ----------
    level : float
        Confidence level.
    method : {"wald"}
        How the interval is made.
    terms : list of str, optional
        Names of terms or coefficients; all by default.
    cov : {"model"}
        The covariance the standard errors come from.
    dof : float, optional
        Degrees of freedom of the t reference; the normal by default.

    Returns
    -------
    DataFrame
        term, conf_low, conf_high on the link scale; NaN for aliased and separated coefficients.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.logit("choice ~ contrast_right", trials).confint().columns.tolist()
    ['term', 'conf_low', 'conf_high']
    """
    one_of(method, ["wald"], "method")
    found = wald(fit, cov, dof, level)
    table = pd.DataFrame({"term": list(fit.columns), "conf_low": found.conf_low, "conf_high": found.conf_high})
    return table if terms is None else table.iloc[positions(fit, terms)].reset_index(drop=True)


def positions(fit: FitRecord, terms: list[str] | str) -> list[int]:
    """Positions of the coefficients that terms or coefficient names stand for."""
    found: list[int] = []
    for term in [terms] if isinstance(terms, str) else terms:
        if term in fit.design.terms:
            where = fit.design.terms[term]
            found += range(where.start, where.stop)
        else:
            found.append(fit.columns.index(one_of(term, fit.columns, "coefficient")))
    return found
