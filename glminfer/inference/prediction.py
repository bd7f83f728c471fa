"""Predictions for the fitted rows or for new ones: link, probability, class, contributions of terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.rows_parquet import Parquet
from glminfer.errors import DataError, InputError, checked_keywords, counted, is_number, one_of, told
from glminfer.fit.records import FitRecord
from glminfer.inference.answers import answered
from glminfer.inference.covariance import Covariance, covariance
from glminfer.inference.distributions import critical
from glminfer.inference.intervals import checked_level
from glminfer.inference.matrix import known, root_of
from glminfer.inference.placement import spread
from glminfer.numerics import kernels, linalg
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.selection import Selection

_AT_ONCE = 16  # columns of all rows held at once
TYPES = ("response", "link", "class", "terms")


@dataclass(frozen=True, slots=True)
class LinkValues:
    """Linear predictors of complete rows and where they stand among the rows given.

    Attributes
    ----------
    eta : (m,)
        ±inf where separated; NaN where separation leaves the sign open.
    se : (m,) or None
        Standard errors; NaN where eta is not finite.
    keep : (m,) positions among the n rows
    n : int
    index : Index or None
    """

    eta: Array
    se: Array | None
    keep: NDArray[np.intp]
    n: int
    index: pd.Index | None

    def series(self, values: Array, name: str) -> pd.Series:
        """Values in the place of their rows."""
        return pd.Series(spread(values, self.keep, self.n), index=self.index, name=name)


def link_values(
    fit: FitRecord,
    newdata: Any = None,
    unseen: Literal["raise", "nan"] = "raise",
    chosen: Covariance | None = None,
) -> LinkValues:
    """Linear predictors of the fitted rows, or of new rows, with standard errors when a covariance is given."""
    return _fitted_values(fit, chosen) if newdata is None else _new_values(fit, newdata, unseen, chosen)


def _fitted_values(fit: FitRecord, chosen: Covariance | None) -> LinkValues:
    rows, sample = fit.with_rows()
    eta = rows.map(kernels.eta, fit.working[None])[:, 0]
    se = None if chosen is None else root_of(known(fit, chosen, partial(rows.map, kernels.quadratic)))
    if fit.separated_rows is not None:
        eta = np.where(fit.separated_rows, np.where(sample.y > 0.5, np.inf, -np.inf), eta)
        silent = ~fit.separated_rows & (sample.weights == 0)
        if silent.any():
            eta[silent] = _beyond(fit, sample.rows.some(np.flatnonzero(silent)).X, eta[silent])
        se = None if se is None else np.where(np.isfinite(eta), se, np.nan)
    return LinkValues(eta, se, sample.used, sample.columns.n, sample.columns.index)


def _new_values(fit: FitRecord, newdata: Any, unseen: Literal["raise", "nan"], chosen: Covariance | None) -> LinkValues:
    new = fit.design.block(newdata, unseen=unseen, coded=None)
    eta = _beyond(fit, new.X, _linear_predictor(fit, new.X) + new.offset)
    se = None
    if chosen is not None:
        Z = new.X @ fit.T
        se = np.where(np.isfinite(eta), root_of(known(fit, chosen, partial(linalg.row_forms, Z))), np.nan)
    return LinkValues(eta, se, new.keep, new.n, new.index)


def _linear_predictor(fit: FitRecord, X: Array) -> Array:
    """X b, by way of the working columns where there are any: with columns far from zero b cancels digits."""
    T = fit.T
    plain = T.identity if isinstance(T, Selection) else np.array_equal(T, np.eye(*T.shape))
    return np.asarray(X @ fit.linear if plain else (X @ T) @ fit.working)


def _beyond(fit: FitRecord, X: Array, eta: Array) -> Array:
    """Send to ±inf the rows that move along the directions of recession; NaN where the sign is open."""
    if fit.recession is None:
        return eta
    signs = fit.recession.signs(X)
    with np.errstate(invalid="ignore"):
        return np.where(signs == 0, eta, signs * np.inf)


@checked_keywords
def predict(
    fit: FitRecord,
    newdata: Any = None,
    type: Literal["response", "link", "class", "terms"] = "response",
    interval: Literal["confidence"] | None = None,
    level: float = 0.95,
    threshold: float = 0.5,
    unseen: Literal["raise", "nan"] = "raise",
    cov: str = "model",
    cluster: Any = None,
    to: str | PathLike[str] | None = None,
) -> pd.Series | pd.DataFrame | Parquet:
    """What does the model expect for these rows?

    Parameters
    ----------
    newdata : frame, optional
        Rows to predict; the fitted rows by default. Transforms keep their training values and ``offset()`` is
        honoured. Rows with missing predictors keep their place with NaN.
    type : {"response", "link", "class", "terms"}
        Probability of the event, linear predictor eta, label of the likelier class, or the contribution of each term
        to eta (centred at the training means when there is an intercept; the columns add up to eta).
    interval : {"confidence"}, optional
        Adds standard errors (delta method on the probability scale (22)) and interval ends mapped from the link.
    level : float
        Confidence level.
    threshold : float
        Probability above which the event is predicted (2); for ``type="class"``.
    unseen : {"raise", "nan"}
        What a level unknown to the fit means: an error, or NaN.
    cov, cluster
        Covariance of the estimates, as in `vcov`.
    to : str or path, optional
        A Parquet file to write the predictions to, a row for each row given: with ``newdata=gi.parquet(…)`` neither
        the rows nor the predictions need to fit in memory.

    Returns
    -------
    Series or DataFrame
        On the index of the data. With ``interval`` the columns estimate, std_error, conf_low, conf_high. With ``to``
        the file written, as `parquet` gives it.

    Raises
    ------
    InputError
        If a predictor column is absent or holds an unknown level.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_right", trials)
    >>> fit.predict({"contrast_right": [0.0, 1.0]}, interval="confidence").columns.tolist()
    ['estimate', 'std_error', 'conf_low', 'conf_high']
    """
    one_of(type, TYPES, "type")
    _check_options(type, interval, threshold)
    checked_level(level)
    if interval is None and (level != 0.95 or cov != "model" or cluster is not None):
        raise InputError("level=, cov= and cluster= are about intervals; add interval='confidence', or leave them out.")
    chosen = None if interval is None else covariance(fit, cov, cluster)

    def ask(rows: Any) -> pd.Series | pd.DataFrame:
        if type == "terms":
            return _terms(fit, rows, unseen)
        if chosen is not None:
            found = link_values(fit, rows, unseen, chosen)
            return _with_interval(fit, found, type, critical(level, _degrees(fit, rows, unseen, chosen)))
        return _plain(fit, link_values(fit, rows, unseen), type, threshold)

    return answered(fit.design, newdata, ask, to)


def _plain(fit: FitRecord, found: LinkValues, type: str, threshold: float) -> pd.Series:
    if type == "class":
        return classes(found, fit.design.response.levels, probability(fit, found.eta), threshold)
    return found.series(found.eta if type == "link" else probability(fit, found.eta), f"predicted_{type}")


def _check_options(type: str, interval: str | None, threshold: float) -> None:
    if interval is not None:
        one_of(interval, ["confidence"], "interval")
        if type in ("class", "terms"):
            raise InputError(f"interval= goes with type='response' or type='link', not with type={type!r}.")
    if not (is_number(threshold) and 0.0 <= threshold <= 1.0):
        raise InputError(f"threshold={told(threshold)} is not a probability: it must lie between 0 and 1.")
    if threshold != 0.5 and type != "class":
        raise InputError(f"threshold={threshold} decides between classes, with type='class'; type={type!r} has none.")


def probability(fit: FitRecord, eta: Array) -> Array:
    """F(eta), exact at ±inf."""
    finite = np.isfinite(eta)
    inside = fit.family.mean(np.where(finite, eta, 0.0))
    return np.where(finite, inside, np.where(np.isnan(eta), np.nan, (eta > 0) * 1.0))


def classes(found: LinkValues, levels: tuple[Any, ...] | None, p: Array, threshold: float) -> pd.Series:
    """The label of the likelier class of each row, by the probabilities p (m,) of the event."""
    labels = np.array([None, *(levels or (0, 1))], dtype=object)
    codes = np.where(np.isnan(p), 0, 1 + (p > threshold))
    all_codes = np.zeros(found.n, dtype=int)
    all_codes[found.keep] = codes
    values = pd.Series(labels[all_codes], index=found.index, name="predicted_class", dtype=object)
    return values if (all_codes == 0).any() else values.infer_objects()


def _degrees(fit: FitRecord, newdata: Any, unseen: Literal["raise", "nan"], chosen: Covariance) -> Array:
    """Degrees of freedom of the linear predictors, one for all or one for each."""
    if chosen.leverages is None:
        return np.array(chosen.dof)
    if newdata is None:
        return fit.with_rows()[0].map(_dof_of_rows, chosen)
    return chosen.dof_for(fit.design.block(newdata, unseen=unseen).X @ fit.T)


def _dof_of_rows(block: Block, chosen: Covariance) -> Array:
    return chosen.dof_for(block.X)


def _with_interval(fit: FitRecord, found: LinkValues, type: str, quantile: Array) -> pd.DataFrame:
    assert found.se is not None
    half = quantile * found.se
    estimate, se, low, high = found.eta, found.se, found.eta - half, found.eta + half
    if type == "response":
        slope = fit.family.slope(np.where(np.isfinite(estimate), estimate, 0.0))
        se = se * slope  # (22)
        estimate, low, high = (probability(fit, v) for v in (estimate, low, high))
    columns = {"estimate": estimate, "std_error": se, "conf_low": low, "conf_high": high}
    return pd.DataFrame({name: found.series(v, name) for name, v in columns.items()}, index=found.index)


Combined = Callable[[Array, Array], Array]


def _terms(fit: FitRecord, newdata: Any, unseen: Literal["raise", "nan"]) -> pd.DataFrame:
    combined, offset, where = _combinations(fit, newdata, unseen)
    spans = {name: span for name, span in fit.design.terms.items() if name != "Intercept"}
    parts = np.zeros((len(fit.linear), len(spans)))
    for k, span in enumerate(spans.values()):
        parts[span, k] = fit.linear[span]
    centre = fit.means if fit.design.has_intercept else np.zeros_like(fit.means)
    each = combined(parts, centre)
    columns = {"constant": np.full(len(each), float((centre @ fit.T) @ fit.working))}
    for k, (name, span) in enumerate(spans.items()):
        columns[name] = _beyond_term(fit, combined, span, each[:, k])
    if offset.any():
        columns["offset"] = offset
    return pd.DataFrame({name: where.series(v, name) for name, v in columns.items()}, index=where.index)


def _combinations(fit: FitRecord, newdata: Any, unseen: Literal["raise", "nan"]) -> tuple[Combined, Array, LinkValues]:
    """What gives combinations of the columns about some values, the offset, and the place of each row."""
    nothing = np.empty(0)
    if newdata is None:
        _, sample = fit.with_rows()
        where = LinkValues(nothing, None, sample.used, sample.columns.n, sample.columns.index)
        return lambda A, c: sample.rows.map(kernels.combined_about, A, c), sample.offset, where
    new = fit.design.block(newdata, unseen=unseen, coded=None)
    return partial(kernels.about, new.X), new.offset, LinkValues(nothing, None, new.keep, new.n, new.index)


def _beyond_term(fit: FitRecord, combined: Combined, span: slice, contribution: Array) -> Array:
    """A contribution through an infinite coefficient is infinite where the column is not zero."""
    infinite = ~fit.finite[span] & ~np.isin(fit.columns[span], list(fit.aliased))
    if not infinite.any():
        return contribution
    all_of_them, p = span.start + np.flatnonzero(infinite), len(fit.linear)
    for start in range(0, len(all_of_them), _AT_ONCE):
        at = all_of_them[start : start + _AT_ONCE]
        X = combined((np.arange(p)[:, None] == at).astype(float), np.zeros(p))
        with np.errstate(invalid="ignore"):
            contribution = contribution + np.where(X != 0, X * fit.values[at], 0.0).sum(axis=1)
    return contribution


@checked_keywords
def score(fit: FitRecord, newdata: Any = None) -> pd.DataFrame:
    """How well does the fit predict these outcomes?

    Parameters
    ----------
    newdata : frame, optional
        Rows with outcomes; the fitted rows by default (an optimistic answer: they were used to fit).

    Returns
    -------
    DataFrame
        One row: accuracy (at probability 0.5), auc, brier, log_loss (cross-entropy (3)) and n (number of trials),
        each trial counted by its weight.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.logit("choice ~ contrast_left + contrast_right", trials).score().columns.tolist()
    ['accuracy', 'auc', 'brier', 'log_loss', 'n']
    """
    if newdata is None:
        _, sample = fit.with_rows()
        y, weights, eta = sample.y, sample.weights, _fitted_values(fit, None).eta
    else:
        new = fit.design.block(newdata, response=True, coded=None)
        assert new.y is not None
        assert new.weights is not None
        y, weights = new.y, new.weights
        eta = _beyond(fit, new.X, _linear_predictor(fit, new.X) + new.offset)
    known = np.isfinite(probability(fit, eta)) & (weights > 0)
    if not known.any():
        raise DataError(
            f"None of the {counted(len(y), 'complete row')} of the data can be scored: each needs its outcome, all "
            "predictors and a positive weight."
        )
    return pd.DataFrame([_score(fit, y[known], weights[known], eta[known])])


def _score(fit: FitRecord, y: Array, weights: Array, eta: Array) -> dict[str, float]:
    p = probability(fit, eta)
    hits, misses, total = weights * y, weights * (1 - y), weights.sum()
    loglik = np.where(
        np.isfinite(eta), fit.family.pointwise(y, np.where(np.isfinite(eta), eta, 0.0))[0], _certain(y, p)
    )
    return {
        "accuracy": float(np.where(p > 0.5, hits, misses).sum() / total),
        "auc": _auc(p, hits, misses),
        "brier": float((hits * (1 - p) ** 2 + misses * p**2).sum() / total),
        "log_loss": float(-(weights @ loglik) / total),
        "n": float(total) if total % 1 else int(total),
    }


def _certain(y: Array, p: Array) -> Array:
    """Log-likelihood where the fitted probability is exactly 0 or 1."""
    return np.where(y == p, 0.0, -np.inf)


def _auc(p: Array, hits: Array, misses: Array) -> float:
    """Probability that an event has the larger fitted probability, ties counted half."""
    _, where = np.unique(p, return_inverse=True)
    above, below = np.bincount(where, hits), np.bincount(where, misses)
    if above.sum() == 0 or below.sum() == 0:
        return float("nan")
    lower = np.cumsum(below) - below
    return float((above * (lower + below / 2)).sum() / (above.sum() * below.sum()))
