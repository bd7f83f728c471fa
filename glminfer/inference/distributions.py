"""Reference distributions: p-values and quantiles in both tails, without importing scipy.stats."""

from __future__ import annotations

import numpy as np
import scipy

from glminfer.numerics.blocks import Array

_LN10 = np.log(10.0)


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
    with np.errstate(divide="ignore"):
        return np.where(normal, p, student), np.where(normal, log10_p, np.log10(student))


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
