"""Covariance matrices of the estimates, chosen when a claim is made, never by refitting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from glminfer.errors import checked_keywords, one_of
from glminfer.fit.records import FitRecord
from glminfer.numerics.blocks import Array


@dataclass(frozen=True, slots=True)
class Covariance:
    """A covariance matrix and what it is.

    Attributes
    ----------
    matrix : (r, r)
        Covariance of the working coefficients.
    kind : str
        Its name, as asked for.
    dof : float
        Degrees of freedom of the reference distribution; infinite is the normal.
    description : str
        The sentence printed under a table.
    """

    matrix: Array
    kind: str
    dof: float
    description: str


def _model(fit: FitRecord) -> Covariance:
    return Covariance(fit.working_covariance, "model", np.inf, "inverse expected information, no correction")


KINDS: dict[str, Callable[[FitRecord], Covariance]] = {"model": _model}


def covariance(fit: FitRecord, cov: str = "model") -> Covariance:
    """The covariance of the working coefficients by name (19)."""
    return KINDS[one_of(cov, KINDS, "cov")](fit)


def named_covariance(fit: FitRecord, chosen: Covariance) -> Array:
    """(p, p) covariance of the coefficients of the columns; NaN where an estimate is not finite."""
    V = fit.T @ chosen.matrix @ fit.T.T
    lost = ~fit.finite
    V[lost], V[:, lost] = np.nan, np.nan
    return np.asarray(V)


@checked_keywords
def vcov(fit: FitRecord, cov: str = "model") -> pd.DataFrame:
    """How do the estimates vary together? Their covariance matrix, T H⁻¹ Tᵀ (19).

    Parameters
    ----------
    cov : {"model"}
        "model": the inverse of the expected (Fisher) information at the estimate.

    Returns
    -------
    DataFrame (r, r)
        Over the estimable coefficients, on the link scale. Rows of separated coefficients are NaN.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, section 4.4.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.logit("choice ~ contrast_left + contrast_right", trials).vcov().shape
    (3, 3)
    """
    keep = [j for j, name in enumerate(fit.columns) if name not in fit.aliased]
    names = [fit.columns[j] for j in keep]
    V = named_covariance(fit, covariance(fit, cov))
    return pd.DataFrame(V[np.ix_(keep, keep)], index=names, columns=names)


def standard_errors(fit: FitRecord, chosen: Covariance) -> Array:
    """(p,) standard errors; NaN where an estimate is not finite."""
    se = np.sqrt(np.maximum(np.einsum("pr,rs,ps->p", fit.T, chosen.matrix, fit.T, optimize=False), 0.0))
    return np.where(fit.finite, se, np.nan)
