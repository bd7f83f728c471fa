"""Residuals, leverage and influence of each row."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from glminfer.data.values import whole_number
from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.records import FitRecord
from glminfer.inference.placement import placed
from glminfer.inference.prediction import link_values, probability
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family

TYPES = ("deviance", "pearson", "working", "response", "quantile")


@checked_keywords
def residuals(
    fit: FitRecord,
    type: Literal["deviance", "pearson", "working", "response", "quantile"] = "deviance",
    seed: int | None = None,
) -> pd.Series:
    """How far is each outcome from its fitted probability?

    Parameters
    ----------
    type : {"deviance", "pearson", "working", "response", "quantile"}
        With r = y - μ, variance V = μ(1-μ) and weight w (prior weight times trials) (25):
        deviance sign(r)√d with d the row's part of the deviance; pearson r√(w/V); working r/μ'(eta);
        response r; quantile Φ⁻¹ of a uniform draw between F(y⁻) and F(y) (26), standard normal when the model holds.
    seed : int, optional
        Seed of the quantile residuals' draws.

    Returns
    -------
    Series
        On the index of the data; rows not used hold NaN.

    References
    ----------
    McCullagh & Nelder (1989), section 2.4; Dunn & Smyth (1996), J. Comput. Graph. Stat. 5.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_right", trials)
    >>> bool(abs((fit.residuals() ** 2).sum() - fit.deviance) < 1e-8)
    True
    """
    one_of(type, TYPES, "type")
    if seed is not None and type != "quantile":
        raise InputError(f"seed= is for type='quantile', which draws random numbers; type={type!r} does not.")
    values = _quantile(fit, seed) if type == "quantile" else row_residuals(fit, type)
    return placed(fit, values, f"residual_{type}")


def row_residuals(fit: FitRecord, type: str) -> Array:
    """Residuals of the used rows, (n,)."""
    _, sample = fit.with_rows()
    eta = link_values(fit).eta
    certain = np.isinf(eta)
    finite = np.where(np.isfinite(eta), eta, 0.0)
    mean, survival = fit.family.mean(finite), fit.family.survival(finite)
    raw = sample.y * survival - (1.0 - sample.y) * mean
    if type == "response":
        return np.where(certain, sample.y - probability(fit, eta), raw)
    if type == "working":
        return np.where(certain, np.nan, _working(fit.family, sample.y, finite))
    if type == "pearson":
        value = np.sqrt(sample.weights) * _pearson(fit.family, sample.y, finite)
    else:
        loglik = fit.family.pointwise(sample.y, finite)[0]
        part = scipy.special.xlogy(sample.y, sample.y) + scipy.special.xlogy(1 - sample.y, 1 - sample.y) - loglik
        value = np.sign(raw) * np.sqrt(np.maximum(2 * sample.weights * part, 0.0))
    return np.where(certain, 0.0, value)


def _pearson(family: Family, y: Array, eta: Array) -> Array:
    """(y - μ)/√V = y √((1-μ)/μ) - (1-y) √(μ/(1-μ)), from logarithms: exact where μ or 1-μ is not representable."""
    event, other = (family.pointwise(np.full_like(eta, outcome), eta)[0] for outcome in (1.0, 0.0))
    with np.errstate(over="ignore"):
        return _weighted(y, np.exp((other - event) / 2), np.exp((event - other) / 2))


def _working(family: Family, y: Array, eta: Array) -> Array:
    """(y - μ)/μ' = y/b - (1-y)/a with a and b the hazards of the family: exact where μ' is not representable."""
    a, minus_b = (family.pointwise(np.full_like(eta, outcome), eta)[1] for outcome in (1.0, 0.0))
    with np.errstate(divide="ignore"):
        return _weighted(y, 1 / np.abs(minus_b), 1 / np.abs(a))


def _weighted(y: Array, event: Array, other: Array) -> Array:
    """y·event - (1-y)·other, where a part of no weight may be infinite."""
    return y * np.where(y > 0, event, 0.0) - (1 - y) * np.where(y < 1, other, 0.0)


def _quantile(fit: FitRecord, seed: int | None) -> Array:
    """Φ⁻¹(F(y⁻) + U (F(y) - F(y⁻))) with F the fitted binomial distribution (26)."""
    _, sample = fit.with_rows()
    eta = link_values(fit).eta
    p, q = probability(fit, eta), _complement(fit, eta)
    trials = (np.ones(len(p)) if sample.trials is None else sample.trials).astype(int)
    events = np.round(sample.y * trials).astype(int)
    uniform = np.random.default_rng(None if seed is None else whole_number("seed", seed, 0)).uniform(size=len(p))
    low = _mixed(_at_most(events - 1, trials, p, q), _at_most(events, trials, p, q), uniform)
    # the same from the other end, by counting failures: exact where low is near 1
    failures = trials - events
    high = _mixed(_at_most(failures - 1, trials, q, p), _at_most(failures, trials, q, p), 1 - uniform)
    return np.asarray(np.where(low < 0.5, scipy.special.ndtri(low), -scipy.special.ndtri(high)))


def _mixed(start: Array, end: Array, share: Array) -> Array:
    return np.asarray(start + share * (end - start))


def _at_most(k: NDArray[np.intp], n: NDArray[np.intp], p: Array, q: Array) -> Array:
    """P(at most k of n), p and q = 1 - p given separately so that neither tail cancels."""
    inside = np.clip(k, 0, np.maximum(n - 1, 0))
    with np.errstate(invalid="ignore"):
        value = np.where(p < 0.5, scipy.special.bdtr(inside, n, p), scipy.special.bdtrc(n - inside - 1, n, q))
    return np.asarray(np.where(k < 0, 0.0, np.where(k >= n, 1.0, value)))


def _complement(fit: FitRecord, eta: Array) -> Array:
    """1 - F(eta), exact in its tail and at ±inf."""
    finite = np.isfinite(eta)
    inside = fit.family.survival(np.where(finite, eta, 0.0))
    return np.where(finite, inside, np.where(np.isnan(eta), np.nan, (eta < 0) * 1.0))


def leverage(fit: FitRecord) -> Array:
    """Hat values h = w S x'Vx of the used rows (23); NaN where a row weighs nothing, 0 where it is separated."""
    rows, sample = fit.with_rows()
    h = rows.map(kernels.hat, fit.working[None], fit.family, fit.working_covariance)
    return np.where(sample.weights > 0, h, np.nan)


def influence(fit: FitRecord) -> dict[str, Array]:
    """Leverage, standardised deviance residuals and Cook's distances of the used rows (23)-(25)."""
    h = leverage(fit)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        std_resid = row_residuals(fit, "deviance") / np.sqrt(1 - h)
        cooks = (row_residuals(fit, "pearson") / (1 - h)) ** 2 * h / fit.effective_df  # (24)
    return {"hat": h, "std_resid": std_resid, "cooksd": cooks}
