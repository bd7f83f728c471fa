"""The same model refitted by statsmodels, side by side: the only module here that imports it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.records import FitRecord
from glminfer.inference.covariance import covariance, standard_errors


@checked_keywords
def crosscheck(fit: FitRecord) -> pd.DataFrame:
    """Does another package agree? The same columns and rows fitted by ``statsmodels.GLM``.

    Returns
    -------
    DataFrame
        term, estimate, statsmodels, relative_difference, std_error, std_error_statsmodels, std_error_difference
        (relative). An estimate smaller than its standard error is compared relative to that: where it is zero but for
        rounding there is nothing else to compare it with. Aliased columns are left out of both fits; so are rows and
        columns that are separated, for which statsmodels has no answer (their rows hold NaN).

    Raises
    ------
    InputError
        If the fit is penalised, or every row is separated, so that nothing is left to compare.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> table = gi.logit("choice ~ contrast_left + contrast_right", trials).crosscheck()
    >>> bool((table.relative_difference < 1e-8).all())
    True
    """
    if fit.penalty is not None:
        raise InputError(f"statsmodels has no {fit.penalty.name} to compare with; crosscheck a fit without penalty=.")
    _, sample = fit.with_rows()
    rows = sample.weights > 0
    if fit.separated_rows is not None:
        rows &= ~fit.separated_rows
    columns = np.flatnonzero(fit.finite)
    if not rows.any() or not columns.size:
        raise InputError("Every row is separated, so no finite estimate is left to compare with statsmodels.")
    params, errors = _statsmodels(fit, rows, columns)
    mine, my_errors = fit.values, standard_errors(fit, covariance(fit))
    return pd.DataFrame(
        {
            "term": list(fit.columns),
            "estimate": mine,
            "statsmodels": params,
            "relative_difference": np.abs(mine - params) / np.maximum(np.abs(params), errors),
            "std_error": my_errors,
            "std_error_statsmodels": errors,
            "std_error_difference": np.abs(my_errors - errors) / errors,
        }
    )


def _statsmodels(fit: FitRecord, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors (p,) of statsmodels on the same rows; NaN for columns left out."""
    import statsmodels.api as sm

    links = sm.families.links
    link = {
        "logit": links.Logit,
        "probit": links.Probit,
        "cloglog": links.CLogLog,
        "loglog": links.LogLog,
        "cauchit": links.Cauchy,
    }[fit.family.link]
    _, sample = fit.with_rows()
    model = sm.GLM(
        sample.y[rows],
        sample.X[np.ix_(rows, columns)],
        family=sm.families.Binomial(link()),
        var_weights=sample.weights[rows],
        offset=sample.offset[rows],
    )
    # the deviance stands still when the coefficients are still 1e-8 away
    result = model.fit(tol_criterion="params", atol=0.0, rtol=1e-11, maxiter=200)
    params, errors = np.full((2, len(fit.values)), np.nan)
    params[columns], errors[columns] = result.params, result.bse
    return params, errors
