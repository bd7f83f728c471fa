"""Tidy tables of a fit: one row per coefficient, one row per fit, one row per observation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.records import FitRecord
from glminfer.inference.covariance import Covariance, shown_covariance
from glminfer.inference.diagnostics import influence, row_residuals
from glminfer.inference.intervals import METHODS, check_likelihood_based, wald
from glminfer.inference.limits import limits
from glminfer.inference.placement import spread
from glminfer.inference.prediction import link_values, probability

_COLUMNS = pd.Index(  # an index of texts takes long to make, beside a small fit
    ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "df", "log10_p", "status"]
)


@checked_keywords
def tidy(
    fit: FitRecord,
    *,
    cov: str | Covariance = "model",
    cluster: Any = None,
    dof: float | None = None,
    level: float = 0.95,
    conf_method: str = "wald",
    exponentiate: bool = False,
) -> pd.DataFrame:
    """What does each coefficient say? One row per coefficient, in column order.

    Parameters
    ----------
    cov, cluster
        Covariance the standard errors come from, as in `vcov`: "HC0" to "HC3", or with ``cluster`` "CR1" (its default),
        "CR0", "CR2", "CR3", "jackknife". A ridge fit has "bayes" and "sandwich", and no p-value until one of them is
        named; an elastic-net fit has none, and NaN for all but its estimates.
    dof : float, optional
        Refer the statistic to t(dof). By default the normal; with G clusters t(G - 1); for "CR2" t with Satterthwaite's
        degrees of freedom, each coefficient its own. ``dof=float("inf")`` gives the normal.
    level : float
        Confidence level of the interval.
    conf_method : {"wald", "profile", "score"}
        How the interval is made; the statistic and p-value are Wald's in every case.
    exponentiate : bool
        Give odds ratios exp(b) and their interval (logit link); std_error stays on the log scale.

    Returns
    -------
    DataFrame
        term, estimate, std_error, statistic, p_value, conf_low, conf_high, df, log10_p, status. Aliased coefficients
        have NaN and a status that names the relation; separated ones ±inf and no Wald statement. ``attrs`` holds the
        covariance in words and the notes that belong to it.

    References
    ----------
    Equations (19)-(21) and (30) of the theory page.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> table = gi.logit("choice ~ contrast_left + contrast_right", trials).tidy()
    >>> table.term.tolist()
    ['Intercept', 'contrast_left', 'contrast_right']
    """
    one_of(conf_method, METHODS, "conf_method")
    chosen = shown_covariance(fit, cov, cluster)
    found = wald(fit, chosen, dof, level)
    low, high = found.conf_low, found.conf_high
    if conf_method != "wald":
        check_likelihood_based(conf_method, chosen.kind if chosen.tests else "model", cluster, dof)
        low, high = limits(fit, conf_method, level, range(len(fit.columns)))
    scale = _exponential(fit) if exponentiate else lambda values: values
    columns = (
        list(fit.columns),
        scale(found.estimate),
        found.std_error,
        found.statistic,
        found.p_value,
        scale(low),
        scale(high),
        found.dof,
        found.log10_p,
        fit.coefficient_status,
    )
    table = pd.DataFrame(dict(enumerate(columns)))
    table.columns = _COLUMNS.copy()
    table.attrs = {"covariance": f"{chosen.kind} ({chosen.description})", "notes": chosen.notes}
    return table


def _exponential(fit: FitRecord) -> Any:
    if fit.family.link != "logit":
        raise InputError(
            f"exponentiate=True gives odds ratios, which belong to the logit link; this fit has the {fit.family.link} "
            "link. Leave it out, or fit with gi.logit."
        )

    def exponential(values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # an end beyond e^709 is infinite
            return np.asarray(np.exp(values))

    return exponential


@checked_keywords
def glance(fit: FitRecord) -> pd.DataFrame:
    """How does the fit do as a whole? One row.

    Returns
    -------
    DataFrame
        nobs (rows of positive weight), df_resid, df_null, loglik, null_deviance, deviance (27), aic, bic (28),
        pearson_chi2, mcfadden, tjur, nagelkerke (29), status, n_iter, n_dropped. ``tjur`` is NaN for grouped outcomes.
        Ridge and elastic-net fits have one column more, effective_df (59), (68), which takes the place of the number of
        coefficients in df_resid, aic and bic.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> int(gi.logit("choice ~ contrast_right", trials).glance().df_null[0]) == len(trials) - 1
    True
    """
    pearson, tjur = fit.goodness
    row = {
        "nobs": fit.nobs,
        "df_resid": fit.df_resid,
        "df_null": fit.df_null,
        "loglik": fit.loglik,
        "null_deviance": fit.null_deviance,
        "deviance": fit.deviance,
        "aic": fit.aic,
        "bic": fit.bic,
        "pearson_chi2": pearson,
        "mcfadden": fit.mcfadden,
        "tjur": tjur,
        "nagelkerke": fit.nagelkerke,
        "status": str(fit.status),
        "n_iter": fit.n_iter,
        "n_dropped": fit.n_dropped,
    }
    if fit.shrinkage is not None:
        row["effective_df"] = fit.effective_df
    return pd.DataFrame([row])


_AUGMENTED = (".fitted", ".se_fit", ".prob", ".resid", ".hat", ".std_resid", ".cooksd")


@checked_keywords
def augment(fit: FitRecord, newdata: Any = None) -> pd.DataFrame:
    """What does the fit say about each row? The data with fitted values and diagnostics.

    Parameters
    ----------
    newdata : frame, optional
        Other rows; they get .fitted, .se_fit and .prob.

    Returns
    -------
    DataFrame
        The columns of the data and .fitted (link), .se_fit, .prob, .resid (deviance), .hat (23), .std_resid (deviance)
        (25), .cooksd (24). Rows that were not used keep their place with NaN. Columns of these names that the data
        have from another fit are replaced.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> table = gi.logit("choice ~ contrast_right", trials).augment()
    >>> [name for name in table if name.startswith(".")]
    ['.fitted', '.se_fit', '.prob', '.resid', '.hat', '.std_resid', '.cooksd']
    """
    found = link_values(fit, newdata, chosen=shown_covariance(fit))
    assert found.se is not None
    columns = {".fitted": found.eta, ".se_fit": found.se, ".prob": probability(fit, found.eta)}
    if newdata is None:
        columns[".resid"] = row_residuals(fit, "deviance")
        columns |= {f".{name}": values for name, values in influence(fit).items()}
    frame = fit.frame(newdata)
    frame = frame.drop(columns=[name for name in _AUGMENTED if name in frame])
    made = {name: spread(values, found.keep, found.n) for name, values in columns.items()}
    return pd.concat([frame, pd.DataFrame(made, index=frame.index)], axis=1)
