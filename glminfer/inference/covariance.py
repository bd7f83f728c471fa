"""Covariance matrices of the estimates, chosen when a claim is made, never by refitting."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords, described, one_of
from glminfer.fit.records import FitRecord
from glminfer.inference import clustered
from glminfer.inference.matrix import Covariance, known, refuse_robust, refuse_untested
from glminfer.inference.robust import heteroscedasticity_robust
from glminfer.inference.vanishing import without_rounding
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.selection import Selection

__all__ = [
    "INDEPENDENT",
    "KINDS",
    "Covariance",
    "covariance",
    "covariance_for_tests",
    "named_covariance",
    "shown_covariance",
    "standard_errors",
    "vcov",
]

INDEPENDENT = ("model", "HC0", "HC1", "HC2", "HC3")
SHRUNKEN = ("bayes", "sandwich")
KINDS = (*INDEPENDENT, *clustered.KINDS)


def _refuse_unnamed(cov: Any) -> None:
    """A covariance is asked for by name: a matrix would have lost how it was made."""
    if not isinstance(cov, str | Covariance | None):
        raise InputError(
            f"cov= is the name of a covariance, such as 'HC1', and this is {described(cov)}. Give the name that "
            "fit.vcov would take; it is computed where it is needed."
        )


def covariance(fit: FitRecord, cov: str | Covariance | None = "model", cluster: Any = None) -> Covariance:
    """The covariance of the working coefficients by name (19), (32)-(37), (59).

    Parameters
    ----------
    cov : str, optional
        One of `KINDS`, or of the names a penalty knows; "model" (or None) becomes "CR1" when ``cluster`` is given, and
        the first of a penalty's names for its fits. A Covariance is returned as it is.
    cluster : str, list, Series or array, optional
        What puts rows into clusters: a column of the data, values aligned with it, or a list of these (multiway).
    """
    _refuse_unnamed(cov)
    if isinstance(cov, Covariance):
        return cov
    if fit.penalty is not None and not fit.penalty.covariances:
        raise InputError(
            f"This fit has a penalty that selects ({fit.penalty.name}), and no covariance of its estimates is valid "
            "after selection. See fit.notes for ways to evidence, or refit without penalty=."
        )
    own = () if fit.penalty is None or "model" in fit.penalty.covariances else ("model", *fit.penalty.covariances)
    kind = "model" if cov is None else cov
    if kind not in (*KINDS, *SHRUNKEN):
        one_of(kind, own or KINDS, "cov")
    if own:
        return _of_penalised(fit, "CR1" if cluster is not None and kind == "model" else kind)
    if kind in SHRUNKEN:
        raise InputError(
            f"cov={kind!r} is a covariance of ridge estimates, and this fit has no such penalty. For standard errors "
            f"that hold when the outcome varies more than the model says choose one of: {', '.join(INDEPENDENT[1:])}."
        )
    if cluster is None:
        return _of_independent_rows(fit, kind)
    if kind.startswith("HC"):
        raise InputError(
            f"cov={kind!r} is for independent rows, and cluster= says that rows belong together. "
            f"Choose one of: {', '.join(clustered.KINDS)}; or leave cluster= out."
        )
    return without_rounding(fit, clustered.cluster_robust(fit, "CR1" if kind == "model" else kind, cluster))


def _of_independent_rows(fit: FitRecord, kind: str) -> Covariance:
    if kind in clustered.KINDS:
        raise InputError(
            f"cov={kind!r} needs cluster=: the column that says which rows belong together, such as cluster='mouse'. "
            f"For independent rows choose one of: {', '.join(INDEPENDENT)}."
        )
    if kind == "model":
        return Covariance(fit.working_covariance, "model", np.inf, "inverse expected information, no correction")
    return without_rounding(fit, heteroscedasticity_robust(fit, kind))


def _of_penalised(fit: FitRecord, kind: str) -> Covariance:
    """(I + P)⁻¹, or (I + P)⁻¹ I (I + P)⁻¹ (59)."""
    assert fit.penalty is not None
    known = fit.penalty.covariances
    if kind not in ("model", *known):
        refuse_robust(kind, fit)
    V, chosen = fit.working_covariance, known[0] if kind == "model" else kind
    matrix, text = (V @ fit.information @ V, _SAMPLES) if chosen == "sandwich" else (V, _POSTERIOR)
    unnamed = "" if kind != "model" else f"; p-values if you name one: {' or '.join(f'cov={k!r}' for k in known)}"
    return Covariance(matrix, chosen, np.inf, text + unnamed, tests=kind != "model")


_POSTERIOR = "inverse of information plus penalty: posterior, with the penalty as prior"
_SAMPLES = "variance of the shrunken estimates over samples; their bias is left out"


def shown_covariance(fit: FitRecord, cov: str | Covariance | None = "model", cluster: Any = None) -> Covariance:
    """The same for tables of estimates, which say of a penalty that selects that it has none."""
    _refuse_unnamed(cov)
    asked = cov not in ("model", None) or cluster is not None
    if asked or fit.penalty is None or fit.penalty.covariances:
        return covariance(fit, cov, cluster)
    return Covariance(
        np.full_like(fit.information, np.nan), "none", np.inf, "no standard error is valid after selection", tests=False
    )


def covariance_for_tests(fit: FitRecord, cov: str | Covariance | None, cluster: Any) -> Covariance:
    """The same, for statistics and p-values."""
    chosen = covariance(fit, cov, cluster)
    refuse_untested(chosen, fit)
    return chosen


def named_covariance(fit: FitRecord, chosen: Covariance) -> Array:
    """(p, p) covariance of the coefficients of the columns; NaN where an estimate is not finite."""
    identity = isinstance(fit.T, Selection) and fit.T.identity
    V = np.array(chosen.matrix) if identity else fit.T @ chosen.matrix @ fit.T.T
    lost = np.isnan(standard_errors(fit, chosen))
    V[lost], V[:, lost] = np.nan, np.nan
    return np.asarray(V)


@checked_keywords
def vcov(fit: FitRecord, cov: str = "model", cluster: Any = None) -> pd.DataFrame:
    """How do the estimates vary together? Their covariance matrix, T V Tᵀ (19), (32)-(37), (59).

    Parameters
    ----------
    cov : {"model", "HC0", "HC1", "HC2", "HC3", "CR0", "CR1", "CR2", "CR3", "jackknife", "bayes", "sandwich"}
        "model": the inverse of the expected (Fisher) information at the estimate. "HC0" to "HC3": valid when the
        outcome varies more or less than the model says, for independent rows. "CR0" to "jackknife", with ``cluster``:
        valid when rows of one cluster depend on each other; "CR1" is the default there. Fits with ``gi.Ridge`` have
        the last two and no other: "bayes", (I + P)⁻¹, is the default, "sandwich" is (I + P)⁻¹ I (I + P)⁻¹ (59).
    cluster : str, list, Series or array, optional
        Which rows belong together: a column of the data (in the formula or not), values aligned with it, or a list of
        these for several ways of clustering at once.

    Returns
    -------
    DataFrame (r, r)
        Over the estimable coefficients, on the link scale. Rows of separated coefficients are NaN.

    Raises
    ------
    InputError
        If the covariance is not defined: "CR…" without clusters, a missing cluster value, a penalised fit.

    References
    ----------
    McCullagh & Nelder (1989), section 4.4; White (1980); MacKinnon & White (1985); Liang & Zeger (1986);
    Bell & McCaffrey (2002); Cameron, Gelbach & Miller (2011).

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> fit.vcov().shape
    (3, 3)
    >>> fit.vcov(cluster="session").index.tolist()
    ['Intercept', 'contrast_left', 'contrast_right']
    """
    keep = [j for j, name in enumerate(fit.columns) if name not in fit.aliased]
    names = [fit.columns[j] for j in keep]
    V = named_covariance(fit, covariance(fit, cov, cluster))
    return pd.DataFrame(V[np.ix_(keep, keep)], index=names, columns=names)


def standard_errors(fit: FitRecord, chosen: Covariance) -> Array:
    """(p,) standard errors; NaN where an estimate is not finite."""
    se = np.sqrt(known(fit, chosen, partial(linalg.variances, fit.T)))
    return np.where(fit.finite, se, np.nan)
