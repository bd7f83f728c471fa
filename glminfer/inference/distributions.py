"""Reference distributions: p-values and quantiles in both tails, without importing scipy.stats."""

from __future__ import annotations

import numpy as np
import scipy

from glminfer.numerics.blocks import Array

_LN10 = np.log(10.0)
_SMALLEST_EXACT = 1e-290
"""Below this probabilities lose digits, and then vanish."""
_FRACTION_TERMS = 20
"""Enough for every number of degrees of freedom where a probability underflows."""


def two_sided(statistic: Array, dof: Array) -> tuple[Array, Array]:
    """(p, log10 p) of statistics referred to t(dof), the normal where dof is infinite (20), (30)."""
    size = -np.abs(statistic)
    normal = np.isinf(dof)
    p = 2 * scipy.special.ndtr(size)
    log10_p = (scipy.special.log_ndtr(size) + np.log(2.0)) / _LN10
    if normal.all():
        return p, log10_p
    finite = np.where(normal, 1.0, dof)
    student = 2 * scipy.special.stdtr(finite, size)
    return np.where(normal, p, student), np.where(normal, log10_p, _log10_student(student, size, finite))


def _log10_student(p: Array, size: Array, dof: Array) -> Array:
    """log₁₀ of the two-sided p of t(dof), also where p itself is too small to be a number."""
    size, dof = np.broadcast_arrays(size, dof)
    with np.errstate(divide="ignore"):
        out = np.log10(p)
    vanished = (p < _SMALLEST_EXACT) & np.isfinite(size)
    out[vanished] = _log_incomplete_beta(size[vanished], dof[vanished]) / _LN10
    return out


def _log_incomplete_beta(size: Array, dof: Array) -> Array:
    """The logarithm of p = I_x(dof/2, 1/2), x = dof/(dof + t²), by its continued fraction (131)."""
    a, ratio = dof / 2, np.abs(size) / np.sqrt(dof)
    root = np.hypot(1.0, ratio)
    log_root = np.where(ratio < 1, np.log1p(np.minimum(ratio, 1) ** 2) / 2, np.log(root))  # many dof multiply its error
    x = root**-2.0
    fraction = np.ones_like(x)
    for m in range(_FRACTION_TERMS, 0, -1):
        odd = -(a + m) * (a + 0.5 + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        even = m * (0.5 - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + even / (1 + odd / fraction)
    fraction = 1 - (a + 0.5) * x / ((a + 1) * fraction)
    return -dof * log_root + np.log(ratio / root) - np.log(a) - scipy.special.betaln(a, 0.5) - np.log(fraction)


def critical(level: float, dof: Array) -> Array:
    """The quantile q with P(abs(T) ≤ q) = level for t(dof), the normal where dof is infinite."""
    normal = np.isinf(dof)
    tail = (1 + level) / 2
    q = np.full(np.shape(dof), scipy.special.ndtri(tail))
    return q if normal.all() else np.where(normal, q, scipy.special.stdtrit(np.where(normal, 1.0, dof), tail))


def chi2_tail(statistic: float, df: float) -> float:
    """P(χ²(df) > statistic)."""
    return float(scipy.special.chdtrc(df, statistic))


def chi2_tails(statistic: Array, df: Array) -> Array:
    """The same of many statistics, those of one degree of freedom as squares of normal ones, which is far quicker."""
    out = np.empty(np.shape(statistic))
    one = np.broadcast_to(df, out.shape) == 1
    out[one] = 2 * scipy.special.ndtr(-np.sqrt(statistic[one]))
    out[~one] = scipy.special.chdtrc(np.broadcast_to(df, out.shape)[~one], statistic[~one])
    return out


def f_tail(statistic: float, df: float, df_denom: float) -> float:
    """P(F(df, df_denom) > statistic); with infinite df_denom, of χ²(df)/df."""
    return chi2_tail(statistic * df, df) if np.isinf(df_denom) else float(scipy.special.fdtrc(df, df_denom, statistic))
