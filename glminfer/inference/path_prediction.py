"""Predictions along a path: for the fitted rows or for new ones, at one penalty."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from glminfer.data.beside import Beside, beside
from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.path import coefficients
from glminfer.fit.path_records import PathRecord
from glminfer.inference.prediction import LinkValues, classes
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import family

TYPES = ("response", "link", "class")


@checked_keywords
def predict(
    path: PathRecord,
    newdata: Any = None,
    *,
    lambda_: float,
    type: Literal["response", "link", "class"] = "response",
    covariates: Any = None,
    threshold: float = 0.5,
    unseen: Literal["raise", "nan"] = "raise",
) -> pd.Series:
    """What does the model at one λ expect for these rows?

    Parameters
    ----------
    newdata : frame, optional
        Rows to predict; the fitted rows by default. Rows with missing predictors keep their place with NaN.
    lambda_ : float
        The penalty; any, not only those of the path (see `coef_at`).
    type : {"response", "link", "class"}
        Probability of the event, linear predictor, or label of the likelier class.
    covariates : frame or array, optional
        For new data, the covariates that were given beside the formula; by default they are looked up by name in
        ``newdata``.
    threshold : float
        Probability above which the event is predicted; for ``type="class"``.
    unseen : {"raise", "nan"}
        What a level unknown to the path means: an error, or NaN.

    Returns
    -------
    Series
        On the index of the data.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> bool(path.predict(trials.head(3), lambda_=0.01).between(0, 1).all())
    True
    """
    one_of(type, TYPES, "type")
    if threshold != 0.5 and type != "class":
        raise InputError(f"threshold={threshold} decides between classes, with type='class'; type={type!r} has none.")
    constant, coef = coefficients(path, lambda_)
    if newdata is None and covariates is not None:
        raise InputError("covariates= goes with newdata=; the fitted rows have theirs.")
    found = (
        _fitted(path, constant, coef) if newdata is None else _new(path, newdata, covariates, unseen, constant, coef)
    )
    p = family("logit").mean(found.eta)
    if type == "class":
        return classes(found, path.design.response.levels, p, threshold)
    return found.series(found.eta if type == "link" else p, f"predicted_{type}")


def _fitted(path: PathRecord, constant: float, coef: Array) -> LinkValues:
    rows, sample = path.with_rows()
    eta = rows.X @ coef + (constant + coef @ rows.shift) + rows.offset
    return LinkValues(eta, None, sample.used, sample.columns.n, sample.columns.index)


def _new(
    path: PathRecord, newdata: Any, covariates: Any, unseen: Literal["raise", "nan"], constant: float, coef: Array
) -> LinkValues:
    new = path.design.block(newdata, unseen=unseen)
    own = new.X[:, int(path.design.has_intercept) :]
    split = own.shape[1]
    eta = own @ coef[:split] + constant + new.offset
    if path.covariates:
        eta = eta + _beside(path, newdata, covariates).rows(new.keep) @ coef[split:]
    elif covariates is not None:
        raise InputError("This path was fitted without covariates=; leave it out.")
    return LinkValues(eta, None, new.keep, new.n, new.index)


def _beside(path: PathRecord, newdata: Any, covariates: Any) -> Beside:
    """The covariates beside the formula for the new rows, (n, k)."""
    if covariates is None:
        return beside(list(path.covariates), newdata)
    given = beside(covariates, newdata)
    if given.names != path.covariates:
        raise InputError(
            f"covariates= has the columns {_few(given.names)}, and the path was fitted with {_few(path.covariates)}; "
            "give the same columns in the same order."
        )
    return given


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (f", … ({len(names):,} in all)" if len(names) > 6 else "")
