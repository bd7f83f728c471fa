"""How residuals follow each other along sessions, and what that does to the variance of estimates (98)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Following:
    """Products of residuals with those of the next ``lags`` rows of their session.

    Attributes
    ----------
    lags : int
    correlation : float
        Their mean, relative to the mean square of the residuals.
    z : float
        Their sum in standard deviations of independent residuals; for one lag without the largest product, so that two
        rare rows beside each other do not make it alone.
    """

    lags: int
    correlation: float
    z: float


def following(residuals: Array, starts: Codes, lags: int) -> Following:
    """How residuals (n,), session by session from ``starts`` (G + 1,), agree with the next rows' (98)."""
    n = len(residuals)
    ends = np.repeat(starts[1:], np.diff(starts))
    stop = np.minimum(np.arange(n) + 1 + lags, ends)
    pairs = int((stop - np.arange(n) - 1).sum())
    power = float(residuals @ residuals) / max(n, 1)
    if not pairs or not power > 0:
        return Following(lags, 0.0, 0.0)
    below = np.append(0.0, np.cumsum(residuals))
    products = residuals * (below[stop] - below[1:])
    total = float(products.sum())
    largest = float(np.abs(products).max()) if lags == 1 else 0.0
    kept = np.sign(total) * max(abs(total) - largest, 0.0)
    return Following(lags, total / pairs / power, float(kept / (power * np.sqrt(pairs))))


def variance_factors(residuals: Array, shares: Array, starts: Codes, lags: int) -> Array:
    """How many times as large the variance of each estimate is as with independent rows, (p,) (98).

    ``shares`` (n, p) is what each residual (n,) adds to each estimate. Products of autocovariances up to ``lags`` rows,
    with weights that fall to zero (Bartlett).
    """
    pairs = np.array([np.maximum(np.diff(starts) - lag, 0).sum() for lag in range(lags + 1)])
    raw = _autocovariances(residuals, starts, lags)
    r = np.divide(raw, pairs, out=np.zeros(lags + 1), where=pairs > 0)
    falling = 2.0 * (1.0 - np.arange(lags + 1) / (lags + 1.0)) * r / (r[0] if r[0] > 0 else 1.0)
    falling[0] = 1.0
    own = [_autocovariances(column, starts, lags) for column in shares.T]
    return np.array([falling @ c / c[0] if c[0] > 0 else 1.0 for c in own])


def _autocovariances(values: Array, starts: Codes, lags: int) -> Array:
    """Σ x_i x_{i+l} within sessions for l = 0 … lags, (lags + 1,): one transform of all sessions, zeros between."""
    gaps = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) * lags
    size = 1 << int(np.ceil(np.log2(len(values) + len(starts) * lags)))
    spread = np.zeros(size)
    spread[np.arange(len(values)) + gaps] = values
    return np.asarray(np.fft.irfft(np.abs(np.fft.rfft(spread)) ** 2, size)[: lags + 1])
