"""Step-down p-values from the largest statistics of arrangements (157), without keeping the statistics.

Model k is reached in an arrangement if some model whose observed statistic is no larger than k's has one there that is
as large as k's. So a model with observed t and arranged T covers the observed statistics from t to T, and what counts
is the union of what all models cover: a few intervals for each arrangement, however many models there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array

_TIE = 1e-8  # relative: statistics that differ by less are equal up to rounding, as in ``permutations.reached``


@dataclass(frozen=True, slots=True)
class Covered:
    """Intervals of observed statistics that arrangements reach; adding two takes the models of both.

    Attributes
    ----------
    arrangement : (k,) int
    low, high : (k,)
    """

    arrangement: NDArray[np.intp]
    low: Array
    high: Array

    def __add__(self, other: Covered) -> Covered:
        arrangement = np.concatenate([self.arrangement, other.arrangement])
        return Covered(arrangement, np.concatenate([self.low, other.low]), np.concatenate([self.high, other.high]))


def nothing() -> Covered:
    """What no model covers."""
    return Covered(np.zeros(0, dtype=np.intp), np.zeros(0), np.zeros(0))


def covered(statistics: Array) -> Covered:
    """What some models (1 + n, k) cover in each of n arrangements, the observed statistics first."""
    order = np.argsort(statistics[0])
    observed, reach = statistics[0, order], np.maximum.accumulate(statistics[1:, order], axis=1)
    begins = np.ones(reach.shape, dtype=bool)
    begins[:, 1:] = observed[1:] > reach[:, :-1]
    arrangement, first = np.nonzero(begins)
    last = np.append(first[1:], 0) - 1
    last[np.append(arrangement[1:] != arrangement[:-1], True)] = reach.shape[1] - 1
    low, high = observed[first], reach[arrangement, last]
    some = high >= low - _slack(low)
    return Covered(arrangement[some], low[some], high[some])


def counts(found: Covered, observed: Array) -> NDArray[np.intp]:
    """In how many arrangements each of the observed statistics (m,) is covered."""
    order = np.argsort(observed)
    t, m = observed[order], len(observed) + 1
    slack = _slack(t)
    begin = found.arrangement * m + np.searchsorted(t + slack, found.low)
    end = found.arrangement * m + np.searchsorted(t - slack, found.high, side="right")
    first = np.argsort(begin, kind="stable")
    begin, end = begin[first], np.maximum.accumulate(end[first])
    begin[1:] = np.maximum(begin[1:], end[:-1])
    some = begin < end
    change = np.bincount(begin[some] % m, minlength=m) - np.bincount(end[some] % m, minlength=m)
    out = np.empty(len(observed), dtype=np.intp)
    out[order] = np.cumsum(change)[:-1]
    return out


def in_order(p: Array, observed: Array) -> Array:
    """p-values that never fall from a larger observed statistic to a smaller one (157)."""
    order = np.argsort(-observed, kind="stable")
    out = np.empty_like(p)
    out[order] = np.maximum.accumulate(p[order])
    return out


def _slack(observed: Array) -> Array:
    return np.asarray(_TIE * np.maximum(np.abs(observed), 1.0))
