"""Confidence intervals of the coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords, is_number, one_of, told
from glminfer.fit.records import FitRecord
from glminfer.inference.covariance import Covariance, covariance, standard_errors
from glminfer.inference.distributions import critical, two_sided
from glminfer.inference.limits import limits
from glminfer.numerics.blocks import Array

METHODS = ("profile", "score", "wald")


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
    if not (is_number(level) and 0.0 < level < 1.0):
        raise InputError(
            f"level={told(level)} is not a confidence level: it must lie strictly between 0 and 1, such as 0.95."
        )
    return float(level)


def wald(
    fit: FitRecord,
    cov: str | Covariance = "model",
    dof: float | None = None,
    level: float = 0.95,
    cluster: Any = None,
) -> Wald:
    """Estimates with standard errors, z or t statistics (20) and intervals (21)."""
    checked_level(level)
    checked_dof(dof)
    chosen = covariance(fit, cov, cluster)
    degrees = chosen.dof_for(fit.T) if dof is None else np.full(len(fit.values), float(dof))
    se = standard_errors(fit, chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = fit.values / se
    if not chosen.tests:
        statistic = np.full_like(statistic, np.nan)
    p, log10_p = two_sided(statistic, degrees)
    half = critical(level, degrees) * se
    return Wald(fit.values, se, statistic, p, log10_p, fit.values - half, fit.values + half, degrees)


def checked_dof(dof: float | None) -> None:
    """Degrees of freedom given by the user are positive."""
    if dof is not None and not (is_number(dof) and dof > 0):
        raise InputError(
            f"dof={told(dof)} is not a number of degrees of freedom: it must be positive, or inf for the normal."
        )


@checked_keywords
def confint(
    fit: FitRecord,
    level: float = 0.95,
    method: str = "profile",
    terms: list[str] | None = None,
    cov: str = "model",
    cluster: Any = None,
    dof: float | None = None,
) -> pd.DataFrame:
    """Which values of each coefficient are compatible with the data? Profile, score or Wald intervals (21), (53).

    Parameters
    ----------
    level : float
        Confidence level.
    method : {"profile", "score", "wald"}
        The values that the likelihood-ratio or the score test does not reject, or b ± q·SE.
    terms : list of str, optional
        Names of terms or coefficients; all by default.
    cov, cluster
        The covariance Wald intervals come from, as in `vcov`.
    dof : float, optional
        Degrees of freedom of the t reference of Wald intervals; by default the normal, and with clusters t(G - 1) or,
        for "CR2", Satterthwaite's degrees of freedom.

    Returns
    -------
    DataFrame
        term, conf_low, conf_high on the link scale; ±inf where an end does not exist, NaN for aliased coefficients
        (and for separated ones by Wald). An end that was not found is NaN, and ``attrs["notes"]`` says so.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.logit("choice ~ contrast_right", trials).confint().columns.tolist()
    ['term', 'conf_low', 'conf_high']
    """
    one_of(method, METHODS, "method")
    where = list(range(len(fit.columns))) if terms is None else positions(fit, terms)
    if method != "wald":
        check_likelihood_based(method, cov, cluster, dof)
        low, high = limits(fit, method, checked_level(level), where)
        table = pd.DataFrame({"term": [fit.columns[j] for j in where], "conf_low": low, "conf_high": high})
        table.attrs["notes"] = _not_found(fit, table, method)
        return table
    found = wald(fit, cov, dof, level, cluster)
    table = pd.DataFrame({"term": list(fit.columns), "conf_low": found.conf_low, "conf_high": found.conf_high})
    return table if terms is None else table.iloc[where].reset_index(drop=True)


def _not_found(fit: FitRecord, table: pd.DataFrame, method: str) -> tuple[str, ...]:
    lost = table.term[table.isna().any(axis=1) & ~table.term.isin(list(fit.aliased))]
    if lost.empty:
        return ()
    return (f"no {method} interval of {', '.join(lost)}: the maximum with it held was not found far from the estimate",)


def check_likelihood_based(method: str, cov: str, cluster: Any, dof: float | None) -> None:
    """Refuse a robust covariance or a t reference with an interval made from the likelihood."""
    if cov != "model" or cluster is not None or dof is not None:
        raise InputError(
            f"method={method!r} comes from the likelihood, which has no robust form; with cov=, cluster= or dof= use "
            "method='wald'."
        )


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
