"""Tidy tables of many models: one row per coefficient of each, one row per model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.batch import chunks, rows_of
from glminfer.fit.panels import FitsRecord, Panel
from glminfer.fit.singles import HOLE
from glminfer.inference.distributions import critical, two_sided
from glminfer.inference.intervals import checked_dof, checked_level
from glminfer.inference.many_covariance import coefficients, spreads, standard_errors, unknown
from glminfer.inference.many_labels import coefficient_statuses, first_columns, labels, roles
from glminfer.inference.multiplicity import adjust as adjusted
from glminfer.numerics import batched
from glminfer.numerics.blocks import Array
from glminfer.numerics.threads import in_order

_ROLE = "\0role"  # a column that holds what a coefficient is in every model, whatever it is called in each


@checked_keywords
def tidy(
    fits: FitsRecord,
    *,
    adjust: str | None = "fdr_bh",
    family: str | Sequence[str] | None = "term",
    cov: str = "model",
    cluster: Any = None,
    dof: float | None = None,
    level: float = 0.95,
    exponentiate: bool = False,
) -> pd.DataFrame:
    """What does each coefficient of each model say? One row per model and coefficient.

    Parameters
    ----------
    adjust : str or None
        How p-values are adjusted for the number of models, as in `adjust` (89); None leaves the column out.
    family : str, list of str or None
        Within what: "term", each coefficient over all models (a candidate's own coefficient is one family, whatever
        the candidates are called); further columns of the table split families, ``["term", "session"]``; None is one
        family of all rows.
    cov, cluster, dof, level, exponentiate
        As in `tidy` of a single fit.

    Returns
    -------
    DataFrame
        First the grouping column, outcome or covariate; then term, estimate, std_error, statistic, p_value,
        p_adjusted, conf_low, conf_high, df, log10_p, status. A model that failed has its rows, with a status.

    References
    ----------
    Benjamini & Hochberg (1995), JRSS B 57.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=5, seed=1)
    >>> fits = gi.logit_many("contrast_left + contrast_right", trials, outcomes=trials.filter(regex="^n") > 0)
    >>> fits.tidy().columns[:3].tolist()
    ['outcome', 'term', 'estimate']
    """
    checked_level(level)
    checked_dof(dof)
    found, text, notes = spreads(fits, cov, cluster)
    errors = [standard_errors(p, s, fits.call["control"]) for p, s in zip(fits.panels, found, strict=True)]
    degrees = [spread.dof if dof is None else dof for spread in found]
    pairs = zip(fits.panels, errors, degrees, strict=True)
    parts = [_statements(panel, se, df, level, exponentiate) for panel, se, df in pairs]
    sizes = [len(panel.columns) for panel in fits.panels]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    terms, statuses = labels(fits.panels, [panel.columns for panel in fits.panels]), coefficient_statuses(fits)
    table = pd.DataFrame({**first_columns(fits, sizes), "term": terms, **columns, "status": statuses})
    table.attrs = {"covariance": text, "notes": (*notes, *unknown(fits, found, errors))}
    return table if adjust is None else _adjusted(fits, table, adjust, family)


def _statements(panel: Panel, se: Array, dof: Array | float, level: float, exponentiate: bool) -> dict[str, Any]:
    """Wald statements about every coefficient of a panel (20), (21)."""
    estimate = panel.found.values
    degrees = np.broadcast_to(np.asarray(dof, dtype=float), estimate.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        statistic = estimate / se
        half = critical(level, degrees) * se
        ends = estimate - half, estimate + half
        estimate, low, high = (np.exp(v) if exponentiate else v for v in (estimate, *ends))
    p, log10_p = two_sided(statistic, degrees)
    numbers = {
        "estimate": estimate,
        "std_error": se,
        "statistic": statistic,
        "p_value": p,
        "conf_low": low,
        "conf_high": high,
        "df": degrees,
        "log10_p": log10_p,
    }
    return {name: values.ravel() for name, values in numbers.items()}


def _adjusted(fits: FitsRecord, table: pd.DataFrame, method: str, family: str | Sequence[str] | None) -> pd.DataFrame:
    """p_adjusted within families, "term" meaning the role of a coefficient (89)."""
    chosen = [] if family is None else [family] if isinstance(family, str) else list(family)
    for name in chosen:
        if name not in table.columns:
            raise InputError(f"family: the table has no column {name!r}. Its columns are {', '.join(table.columns)}.")
    families = [_ROLE if name == "term" else name for name in chosen]
    out = adjusted(table.assign(**{_ROLE: roles(fits)}), method, families or None)
    out.attrs["adjustment"] = out.attrs["adjustment"].replace(_ROLE, "term")
    return out.drop(columns=_ROLE)


def own_rows(fits: FitsRecord) -> np.ndarray:
    """Rows of the table that are about candidates."""
    return np.concatenate([np.tile([HOLE in role for role in panel.roles], len(panel)) for panel in fits.panels])


@checked_keywords
def glance(fits: FitsRecord) -> pd.DataFrame:
    """How does each model do as a whole? One row per model.

    Returns
    -------
    DataFrame
        First the grouping column, outcome or covariate; then the columns of `glance` of a single fit, and ``note``:
        what separates or aliases a model, or why it could not be fitted.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=5, seed=1)
    >>> fits = gi.logit_many("contrast_right", trials, outcomes=trials.filter(regex="^n") > 0)
    >>> len(fits.glance()), set(fits.glance().status)
    (5, {'converged'})
    """
    parts = [pd.DataFrame(_whole_models(panel)) for panel in fits.panels]
    table = pd.concat(parts, ignore_index=True)
    first = first_columns(fits, [1] * len(parts))
    return pd.concat([pd.DataFrame(first), table], axis=1) if first else table


def _whole_models(panel: Panel) -> dict[str, Any]:
    found, sample = panel.found, panel.stock.sample
    n, k, loglik, null = found.nobs, found.rank, found.loglik, found.null_loglik
    pearson, tjur = _goodness(panel)
    fitted = np.isfinite(loglik)
    bare, bare_null = loglik - found.constant, null - found.constant
    trials = _trials(panel)
    with np.errstate(divide="ignore", invalid="ignore"):
        mcfadden = 1 - bare / bare_null
        nagelkerke = np.expm1(2 * (bare_null - bare) / trials) / np.expm1(2 * bare_null / trials)
    blank = np.where(fitted, 1.0, np.nan)
    return {
        "nobs": n,
        "df_resid": n - k,
        "df_null": n - int(sample.design.has_intercept),
        "loglik": loglik,
        "null_deviance": 2 * (found.saturated - null),
        "deviance": np.maximum(2 * (found.saturated - loglik), 0.0),
        "aic": 2 * k - 2 * loglik,
        "bic": np.log(np.maximum(n, 1)) * k - 2 * loglik,
        "pearson_chi2": pearson,
        "mcfadden": mcfadden,
        "tjur": tjur if sample.trials is None else blank * np.nan,
        "nagelkerke": nagelkerke,
        "status": found.status,
        "n_iter": found.n_iter,
        "n_dropped": sample.n_dropped + found.n_missing,
        "note": np.array([found.notes.get(i, "") for i in range(len(panel))], dtype=object),
    }


def _trials(panel: Panel) -> Array:
    """Trials of each model: Σw for grouped outcomes, else the rows of positive weight."""
    if panel.stock.sample.trials is None:
        return np.asarray(panel.found.nobs, dtype=float)
    return _over_models(panel, lambda which: rows_of(panel.stock.block(which)).sum(batched.tallies)[:1])[:, 0]


def _goodness(panel: Panel) -> tuple[Array, Array]:
    """Pearson χ² and Tjur's difference of mean probabilities of each model (29)."""

    def work(which: Any) -> Array:
        inside, whole = (rows_of(block) for block in (panel.block(which), panel.stock.block(which)))
        pearson, hits, misses = inside.sum(batched.goodness, coefficients(panel, which))
        total, events, _ = whole.sum(batched.tallies)
        events_inside = inside.sum(batched.tallies)[1]
        hits = hits + (events - events_inside)  # rows fitted exactly: probability 1 for their events, 0 for the others
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([pearson, hits / events - misses / (total - events)])

    both = _over_models(panel, work)
    return both[:, 0], both[:, 1]


def _over_models(panel: Panel, work: Any) -> Array:
    """``work(models)`` -> (c, k) for all models with estimates, as (m, c)."""
    have = np.flatnonzero(np.isfinite(panel.found.loglik))
    parts = chunks(panel.stock.rows.whole.n, have)
    values = in_order(work, parts)
    out = np.full((len(panel), len(values[0]) if values else 2), np.nan)
    for which, part in zip(parts, values, strict=True):
        out[which] = np.broadcast_to(part, (len(part), len(which))).T
    return out
