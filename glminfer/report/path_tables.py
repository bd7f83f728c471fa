"""Tidy tables of a path: one row per coefficient and λ, one row per λ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy

from glminfer.errors import checked_keywords
from glminfer.fit.path_records import PathRecord


@checked_keywords
def tidy(path: PathRecord) -> pd.DataFrame:
    """How do the coefficients change with the penalty? One row per λ and coefficient, zeros kept.

    Returns
    -------
    DataFrame
        step (0 is the largest λ), lambda, C (69), term (Intercept first), estimate on the scale of the columns.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=5)
    >>> path.tidy().shape
    (15, 5)
    """
    terms, values = list(path.names), path.solution.coef
    if path.mixture.intercept:
        terms, values = ["Intercept", *terms], np.column_stack([path.solution.intercept, values])
    L, k = values.shape
    return pd.DataFrame(
        {
            "step": np.repeat(np.arange(L), k),
            "lambda": np.repeat(path.lambdas, k),
            "C": np.repeat(path.Cs, k),
            "term": np.tile(np.array(terms, dtype=object), L),
            "estimate": values.ravel(),
        }
    )


@checked_keywords
def glance(path: PathRecord) -> pd.DataFrame:
    """How does each λ do as a whole? One row per λ.

    Returns
    -------
    DataFrame
        step, lambda, C (69), l1_ratio, n_nonzero (the intercept not counted), dev_ratio (the part of the null deviance
        explained), deviance (27), df (effective degrees of freedom (68), the intercept counted), aic, bic (28) and
        ebic, which adds 2 log of the number of models with as many columns. The criteria take df for the number of
        coefficients; they compare the λ of one path, they do not judge a model.

    References
    ----------
    Zou, Hastie & Tibshirani (2007), Annals of Statistics 35; Chen & Chen (2008), Biometrika 95.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> table = path.glance()
    >>> int(table.n_nonzero[0]), int(table.n_nonzero.iloc[-1])
    (0, 2)
    """
    L, p, df = len(path.lambdas), len(path.names), path.df
    bic = np.log(path.nobs) * df - 2 * path.loglik
    return pd.DataFrame(
        {
            "step": np.arange(L),
            "lambda": path.lambdas,
            "C": path.Cs,
            "l1_ratio": np.full(L, path.mixture.l1_ratio),
            "n_nonzero": path.n_nonzero,
            "dev_ratio": path.dev_ratio,
            "deviance": path.deviance,
            "df": df,
            "aic": 2 * df - 2 * path.loglik,
            "bic": bic,
            "ebic": bic + 2 * _log_choices(p, path.n_nonzero),
        }
    )


def _log_choices(p: int, k: np.ndarray) -> np.ndarray:
    """log of p choose k."""
    gammaln = scipy.special.gammaln
    return np.asarray(gammaln(p + 1) - gammaln(k + 1) - gammaln(p - k + 1))
