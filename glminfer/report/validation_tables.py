"""Tables of cross-validations: one row per penalty, one row per outer fold, one row for the whole, and as text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from glminfer.errors import checked_keywords
from glminfer.fit.path_records import PathRecord
from glminfer.fit.validation import NestedRecord, ValidationRecord
from glminfer.inference.distributions import critical
from glminfer.inference.intervals import checked_level
from glminfer.inference.table import Table, headed


@checked_keywords
def tidy(cv: ValidationRecord, *, level: float = 0.95) -> pd.DataFrame:
    """How well does each penalty predict rows that were held out? One row per λ of the path.

    Parameters
    ----------
    level : float
        Level of the interval, from t with one degree of freedom less than folds. It is rough: the fits to different
        folds share most of their rows.

    Returns
    -------
    DataFrame
        step, lambda, C (69), estimate, the mean over folds (70), std_error (71), conf_low, conf_high, n_nonzero (of the
        path fitted to all rows).

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=20)
    >>> gi.cross_validate(path, folds=5, seed=1).tidy().columns.tolist()
    ['step', 'lambda', 'C', 'estimate', 'std_error', 'conf_low', 'conf_high', 'n_nonzero']
    """
    path, found = cv.path, cv.curve
    half = float(critical(checked_level(level), np.array(found.defined.sum() - 1.0))) * found.std_error
    return pd.DataFrame(
        {
            "step": np.arange(len(found.mean)),
            "lambda": path.lambdas,
            "C": path.Cs,
            "estimate": found.mean,
            "std_error": found.std_error,
            "conf_low": found.mean - half,
            "conf_high": found.mean + half,
            "n_nonzero": path.n_nonzero,
        }
    )


@checked_keywords
def glance(cv: ValidationRecord) -> pd.DataFrame:
    """Which penalty, and how well does it predict? One row.

    Returns
    -------
    DataFrame
        measure, n_folds, nobs; lambda_min, C_min, estimate_min, std_error_min and n_nonzero_min at the penalty with the
        best mean; the same with ``_1se`` at the largest penalty within one standard error of it (72); null, the same
        measure of the constant alone. ``estimate_min`` is the best of many and so a little too good:
        `nested_cross_validate` gives an honest one.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=20)
    >>> table = gi.cross_validate(path, folds=5, seed=1).glance()
    >>> bool(table.lambda_1se[0] >= table.lambda_min[0])
    True
    """
    row: dict[str, object] = {"measure": cv.measure.name, "n_folds": cv.folds.count, "nobs": cv.nobs}
    for rule, at in (("min", cv.curve.best), ("1se", cv.curve.one_se)):
        row |= {
            f"lambda_{rule}": cv.path.lambdas[at],
            f"C_{rule}": cv.path.Cs[at],
            f"estimate_{rule}": cv.curve.mean[at],
            f"std_error_{rule}": cv.curve.std_error[at],
            f"n_nonzero_{rule}": int(cv.path.n_nonzero[at]),
        }
    return pd.DataFrame([{**row, "null": cv.curve.null}])


def as_table(cv: ValidationRecord) -> Table:
    """The choices and the constant, one row each, under a heading."""
    path, found = cv.path, cv.curve
    rows = [
        {
            "choice": name,
            "lambda": path.lambdas[at],
            "C": path.Cs[at],
            cv.measure.name: found.mean[at],
            "std_error": found.std_error[at],
            "n_nonzero": str(path.n_nonzero[at]),
        }
        for name, at in (("min", found.best), ("1se", found.one_se))
    ]
    rows.append({"choice": "constant alone", cv.measure.name: found.null, "n_nonzero": ""})
    heading = [
        f"Cross-validation of {_path_told(path)}",
        f"{cv.folds.told}; {cv.nobs:,} rows; measure: {cv.measure.label} "
        f"({'larger' if cv.measure.larger_is_better else 'smaller'} is better)",
        *(f"Note: {note}" for note in cv.notes),
    ]
    return headed(pd.DataFrame(rows), heading)


def _path_told(path: PathRecord) -> str:
    text = " ".join(path.design.formula.text.split())
    shown = text if len(text) <= 80 else f"{text[:60]} …"
    return f"{shown}, {path.design.response.event}; l1_ratio {path.mixture.l1_ratio:g}, {len(path.lambdas)} λ"


# nested --------------------------------------------------------------------------------------------------------------


@checked_keywords
def nested_tidy(cv: NestedRecord) -> pd.DataFrame:
    """What was chosen in each outer fold, and how did it do there? One row per outer fold and repeat.

    Returns
    -------
    DataFrame
        repeat, fold, n_train, n_test (rows), lambda, C (69), n_nonzero, estimate (the measure on the rows held out),
        null (the same for the constant alone).

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=200, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=10)
    >>> len(gi.nested_cross_validate(path, outer=4, inner=4, seed=1).tidy())
    4
    """
    total = float(cv.path.total)
    return pd.DataFrame(
        {
            "repeat": [one.repeat for one in cv.found],
            "fold": [one.fold for one in cv.found],
            "n_train": [one.n_train for one in cv.found],
            "n_test": [len(one.rows) for one in cv.found],
            "lambda": [one.lambda_ for one in cv.found],
            "C": [1.0 / ((total - one.weight) * one.lambda_) if one.lambda_ > 0 else np.inf for one in cv.found],
            "n_nonzero": [one.n_nonzero for one in cv.found],
            "estimate": [one.score for one in cv.found],
            "null": [one.null for one in cv.found],
        }
    )


@checked_keywords
def nested_glance(cv: NestedRecord, *, level: float = 0.95) -> pd.DataFrame:
    """How well do paths of this kind predict new rows, and how sure is that? One row.

    Parameters
    ----------
    level : float
        Level of the interval, t with one degree of freedom less than outer folds of all repeats.

    Returns
    -------
    DataFrame
        measure, estimate (mean over outer folds), std_error, which allows for the rows that fits to different folds
        share and is no less than that of independent rows (73), conf_low, conf_high, fold_sd (standard deviation
        over folds), null (the constant alone in the same folds: for accuracy, the share of the likelier outcome),
        n_folds, repeats, nobs.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=200, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=10)
    >>> table = gi.nested_cross_validate(path, outer=4, inner=4, seed=1).glance()
    >>> bool(table.conf_low[0] < table.estimate[0] < table.conf_high[0])
    True
    """
    s = cv.spread
    half = float(critical(checked_level(level), np.array(float(s.dof)))) * s.std_error
    row = {
        "measure": cv.measure.name,
        "estimate": s.mean,
        "std_error": s.std_error,
        "conf_low": s.mean - half,
        "conf_high": s.mean + half,
        "fold_sd": s.sd,
        "null": s.null,
        "n_folds": len({one.fold for one in cv.found}),
        "repeats": cv.found[-1].repeat,
        "nobs": cv.path.nobs,
    }
    return pd.DataFrame([row])


def nested_as_table(cv: NestedRecord) -> Table:
    """The mean with its spread under a heading."""
    table = nested_glance(cv)[["measure", "estimate", "std_error", "conf_low", "conf_high", "fold_sd", "null"]]
    better = "larger" if cv.measure.larger_is_better else "smaller"
    heading = [
        f"Nested cross-validation of {_path_told(cv.path)}",
        f"{cv.path.nobs:,} rows; outer: {cv.told}; {cv.chosen}",
        f"{cv.measure.label} ({better} is better); null: the constant alone",
        *(f"Note: {note}" for note in cv.notes),
    ]
    return headed(table, heading)


def held_out_probabilities(cv: NestedRecord) -> pd.Series:
    """What was expected of each row by fits that had not seen it? Mean over repeats.

    Returns
    -------
    Series
        Probability of the event on the index of the data; NaN for rows that were not used or have no weight.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=200, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=10)
    >>> bool(gi.nested_cross_validate(path, outer=4, inner=4, seed=1).held_out().between(0, 1).all())
    True
    """
    _, sample = cv.path.with_rows()
    total, count = np.zeros(len(sample.used)), np.zeros(len(sample.used))
    for one in cv.found:
        total[one.rows] += 1.0 / (1.0 + np.exp(-one.eta))
        count[one.rows] += 1
    values = np.full(sample.columns.n, np.nan)
    values[sample.used] = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return pd.Series(values, index=sample.columns.index, name="held_out")
