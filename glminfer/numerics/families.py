"""Binomial families: what one row contributes, as functions of the linear predictor eta.

With F the inverse link, f its derivative, a = f/F and b = f/(1-F) (reverse and forward hazards) and g = f'/f,

    loglik   = y log F + (1-y) log(1-F)                      (3)
    score    = y a - (1-y) b                                 (5)
    expected = a b                                           (6)
    observed = y a (a - g) + (1-y) b (b + g)

All are written so that nothing cancels and nothing overflows for abs(eta) up to 800.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy

from glminfer.numerics.blocks import Array

Pointwise: TypeAlias = tuple[Array, Array, Array, Array]

_LARGEST_EXPONENT = 709.78  # exp of more is not representable
_FACTORS = 512  # of a product
_CLEAR = 1e-2  # a mean of log(1 + x) above this has all digits in spite of the rounding of 1 + x
_SQRT_2_OVER_PI = np.sqrt(2.0 / np.pi)


@dataclass(frozen=True, slots=True)
class Family:
    """A binomial family with one link; every function takes arrays and is elementwise.

    Attributes
    ----------
    link : str
        Name of the link.
    pointwise : callable
        ``(y, eta) -> (loglik, score, expected, observed)`` per unit weight; ``observed`` is the very array
        ``expected`` when the link is canonical.
    mean, survival, slope : callable
        F, 1-F and f of eta.
    quantile : callable
        The link itself: eta of a probability.
    bend : callable
        g = f'/f of eta: how fast the slope changes.
    concave : bool
        Whether the log-likelihood is concave in eta.
    unweighted : callable or None
        ``(y, eta) -> (loglik (m,), score, expected, observed)``, the log-likelihood summed over the rows of each model:
        where that is cheaper than row by row.
    """

    link: str
    pointwise: Callable[[Array, Array], Pointwise]
    mean: Callable[[Array], Array]
    survival: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    quantile: Callable[[Array], Array]
    bend: Callable[[Array], Array]
    concave: bool = True
    unweighted: Callable[[Array, Array], Pointwise] | None = None

    def __reduce__(self) -> tuple[Callable[[str], Family], tuple[str]]:
        return family, (self.link,)


def family(link: str) -> Family:
    """The family of a link name: logit, probit, cloglog, loglog or cauchit."""
    return FAMILIES[link]


# logit: mean, slope and 1 - mean all come from exp(-abs(eta)), so the tails never cancel (1)
def logit_parts(eta: Array) -> tuple[Array, Array, Array]:
    """exp(-abs(eta)), and the larger and the smaller of the two probabilities."""
    small = np.exp(-np.abs(eta))
    large_side = 1.0 / (1.0 + small)
    return small, large_side, small * large_side


def _logit_pointwise(y: Array, eta: Array) -> Pointwise:
    small, large_side, small_side = logit_parts(eta)
    score = _logit_score(y, eta, large_side, small_side)
    expected = small_side * large_side
    return y * eta - np.maximum(eta, 0.0) - np.log1p(small), score, expected, expected


def _logit_score(y: Array, eta: Array, large_side: Array, small_side: Array) -> Array:
    positive = eta >= 0
    mean = np.where(positive, large_side, small_side)
    survival = np.where(positive, small_side, large_side)
    return np.asarray(y * survival - (1.0 - y) * mean)


def _logit_unweighted(y: Array, eta: Array) -> Pointwise:
    small, large_side, small_side = logit_parts(eta)
    score = _logit_score(y, eta, large_side, small_side)
    expected = small_side * large_side
    loglik = (y * eta - np.maximum(eta, 0.0)).sum(axis=0) - _sum_of_log1p(small)
    return loglik, score, expected, expected


def _sum_of_log1p(small: Array) -> Array:
    """Σ log(1 + x) over the rows of x (n, m) in [0, 1]: a logarithm for many rows instead of one for each.

    A product of 512 factors between 1 and 2 is no larger than a double holds. 1 + x forgets what x has below 1e-16, so
    rows that are fitted almost perfectly are added up one by one.
    """
    n = len(small)
    products = max(-(-n // _FACTORS), 1)
    whole, factors = n - n % products, 1.0 + small
    together = np.multiply.reduce(factors[:whole].reshape(-1, products, small.shape[1]), axis=0)
    total = np.log(together).sum(axis=0) + np.log(factors[whole:]).sum(axis=0)
    return np.asarray(total if (total >= _CLEAR * n).all() else np.log1p(small).sum(axis=0))  # (128)


def _logit_mean(eta: Array) -> Array:
    _, large_side, small_side = logit_parts(eta)
    return np.where(eta >= 0, large_side, small_side)


def _logit_slope(eta: Array) -> Array:
    _, large_side, small_side = logit_parts(eta)
    return large_side * small_side


def _logit_quantile(p: Array) -> Array:
    return np.log(p) - np.log1p(-p)


# probit: the hazards through the scaled complementary error function, exact in both tails
def _probit_pointwise(y: Array, eta: Array) -> Pointwise:
    z = eta * np.sqrt(0.5)
    a = _SQRT_2_OVER_PI / scipy.special.erfcx(-z)
    b = _SQRT_2_OVER_PI / scipy.special.erfcx(z)
    loglik = y * scipy.special.log_ndtr(eta) + (1.0 - y) * scipy.special.log_ndtr(-eta)
    score = y * a - (1.0 - y) * b
    observed = y * a * _probit_excess(-eta, a) + (1.0 - y) * b * _probit_excess(eta, b)
    return loglik, score, a * b, observed


def _probit_excess(eta: Array, hazard: Array) -> Array:
    """b - eta, by the asymptotic series of the hazard b far out, where the two are almost equal."""
    far = eta > 50.0
    s = 1.0 / np.where(far, eta, 50.0) ** 2
    return np.where(far, np.sqrt(s) * (1 - 2 * s + 10 * s**2 - 74 * s**3 + 706 * s**4), hazard - eta)


def _probit_slope(eta: Array) -> Array:
    return np.asarray(np.exp(-0.5 * eta * eta) / np.sqrt(2.0 * np.pi))


# complementary log-log, with x = exp(eta): 1 - F = exp(-x)
def _cloglog_hazards(eta: Array) -> tuple[Array, Array, Array]:
    """x, the reverse hazard a = x / expm1(x), and a - g = a - 1 + x without cancellation."""
    x = np.exp(np.minimum(eta, _LARGEST_EXPONENT))
    near = x < 1e-2
    small = np.where(near, x, 0.0)
    inside = np.where(near | (x > 700.0), 1.0, x)
    a = np.where(near, 1.0 - small / 2 + small**2 / 12 - small**4 / 720, inside / np.expm1(inside))
    a = np.where(x > 700.0, 0.0, a)
    excess = np.where(near, small / 2 + small**2 / 12 - small**4 / 720, a - 1.0 + x)
    return x, a, excess


def _cloglog_log_mean(eta: Array, x: Array) -> Array:
    """log F = log(1 - exp(-x)), which is eta - x/2 + x^2/24 - x^4/2880 as x goes to 0, and -exp(-x) as x grows."""
    near = x < 1e-2
    small, inside = np.where(near, x, 0.0), np.where(near, 1.0, x)
    series = eta - small / 2 + small**2 / 24 - small**4 / 2880
    tail = np.exp(-inside)
    return np.where(near, series, np.where(x > 1.0, np.log1p(-tail), np.log(-np.expm1(-inside))))


def _cloglog_pointwise(y: Array, eta: Array) -> Pointwise:
    x, a, excess = _cloglog_hazards(eta)
    failing = y < 1.0
    lost = failing & (eta > _LARGEST_EXPONENT)  # exp(eta) itself is not representable
    loglik = np.where(lost, -np.inf, y * _cloglog_log_mean(eta, x) - (1.0 - y) * x)
    score = np.where(lost, -np.inf, y * a - (1.0 - y) * x)
    expected = a * np.where(x > 700.0, 0.0, x)
    observed = y * a * np.where(x > 700.0, 0.0, excess) + (1.0 - y) * x
    return loglik, score, expected, observed


def _cloglog_mean(eta: Array) -> Array:
    return np.asarray(-np.expm1(-np.exp(np.minimum(eta, _LARGEST_EXPONENT))))


def _cloglog_survival(eta: Array) -> Array:
    return np.asarray(np.exp(-np.exp(np.minimum(eta, _LARGEST_EXPONENT))))


def _cloglog_slope(eta: Array) -> Array:
    x = np.exp(np.minimum(eta, 50.0))
    return np.asarray(x * np.exp(-x))


def _cloglog_quantile(p: Array) -> Array:
    return np.asarray(np.log(-np.log1p(-p)))


def _cloglog_bend(eta: Array) -> Array:
    return np.asarray(-np.expm1(np.minimum(eta, _LARGEST_EXPONENT)))


# log-log is the complementary log-log of the other outcome: F(eta) = 1 - F_cloglog(-eta)
def _loglog_pointwise(y: Array, eta: Array) -> Pointwise:
    loglik, score, expected, observed = _cloglog_pointwise(1.0 - y, -eta)
    return loglik, -score, expected, observed


# cauchit: F as an angle, exact in both tails
def _cauchit_mean(eta: Array) -> Array:
    return np.asarray(np.arctan2(1.0, -eta) / np.pi)


def _cauchit_survival(eta: Array) -> Array:
    return np.asarray(np.arctan2(1.0, eta) / np.pi)


def _cauchit_slope(eta: Array) -> Array:
    return np.asarray(1.0 / (np.pi * (1.0 + eta * eta)))


def _cauchit_pointwise(y: Array, eta: Array) -> Pointwise:
    mean, survival, slope = _cauchit_mean(eta), _cauchit_survival(eta), _cauchit_slope(eta)
    a, b = slope / mean, slope / survival
    g = -2.0 * eta / (1.0 + eta * eta)
    loglik = y * np.log(mean) + (1.0 - y) * np.log(survival)
    observed = y * a * (a - g) + (1.0 - y) * b * (b + g)
    return loglik, y * a - (1.0 - y) * b, a * b, observed


def _cauchit_quantile(p: Array) -> Array:
    return np.asarray(-1.0 / np.tan(np.pi * p))


FAMILIES = {
    "logit": Family(
        "logit",
        _logit_pointwise,
        _logit_mean,
        lambda eta: _logit_mean(-eta),
        _logit_slope,
        _logit_quantile,
        lambda eta: -np.tanh(eta / 2),
        unweighted=_logit_unweighted,
    ),
    "probit": Family(
        "probit",
        _probit_pointwise,
        lambda eta: scipy.special.ndtr(eta),
        lambda eta: scipy.special.ndtr(-eta),
        _probit_slope,
        lambda p: scipy.special.ndtri(p),
        np.negative,
    ),
    "cloglog": Family(
        "cloglog",
        _cloglog_pointwise,
        _cloglog_mean,
        _cloglog_survival,
        _cloglog_slope,
        _cloglog_quantile,
        _cloglog_bend,
    ),
    "loglog": Family(
        "loglog",
        _loglog_pointwise,
        lambda eta: _cloglog_survival(-eta),
        lambda eta: _cloglog_mean(-eta),
        lambda eta: _cloglog_slope(-eta),
        lambda p: -np.log(-np.log(p)),
        lambda eta: -_cloglog_bend(-eta),
    ),
    "cauchit": Family(
        "cauchit",
        _cauchit_pointwise,
        _cauchit_mean,
        _cauchit_survival,
        _cauchit_slope,
        _cauchit_quantile,
        lambda eta: -2.0 * eta / (1.0 + eta * eta),
        concave=False,
    ),
}
