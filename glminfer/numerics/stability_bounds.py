"""How many columns of low selection probability can look stable: the error bounds of stability selection.

A column is called stable if it is selected in at least a share π of 2B subsamples of half the rows; each selects q of p
columns on average. The number of stable columns that a random choice selects as often as these is at most

    p min{1, q²/p² / (2π - 1)}                                     for any procedure                       (79)
    p C(π, B) q²/p²                                                if the share is unimodal                (80)
    p min{D(q²/p², 2π - 1, B, -1/2), D(q/p, π, 2B, -1/4)}          if it is r-concave                      (81)

on average (Meinshausen and Bühlmann 2010; Shah and Samworth 2013, equations 6 to 8).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from glminfer.numerics.blocks import Array

_SMALL = 1e-12  # a share is rounded to multiples of one over the number of subsamples, but not for rounding errors
_SHIFTS = (-30.0, 30.0)  # where log a lies: from a point mass at zero to a uniform distribution


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a stability selection.

    Attributes
    ----------
    p : int
        Number of columns.
    pairs : int
        B.
    bound : str
        A name in `BOUNDS`.
    """

    p: int
    pairs: int
    bound: str

    def errors(self, threshold: float, q: float) -> float:
        """The bound on the expected number of false selections; p where there is none."""
        return float(self.p * min(1.0, BOUNDS[self.bound](threshold, q / self.p, self.pairs)))

    @property
    def thresholds(self) -> Array:
        """The shares of the 2B subsamples above one half."""
        return np.arange(self.pairs + 1, 2 * self.pairs + 1) / (2 * self.pairs)

    def threshold(self, q: int, errors: float) -> float | None:
        """The smallest threshold with this bound; None if even 1 is not enough."""
        shares, low, high = self.thresholds, 0, self.pairs
        while low < high:  # the bound falls with the threshold
            middle = (low + high) // 2
            low, high = (low, middle) if self.errors(shares[middle], q) <= errors * (1 + _SMALL) else (middle + 1, high)
        return float(shares[low]) if low < len(shares) else None

    def q(self, threshold: float, errors: float) -> int:
        """The largest number of selected columns with this bound; 0 if even 1 is too many."""
        low, high = 0, self.p
        while low < high:  # the bound rises with q
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.errors(threshold, middle) <= errors * (1 + _SMALL) else (low, middle - 1)
        return low


def any_procedure(threshold: float, theta: float, _pairs: int) -> float:
    """θ²/(2π - 1), whatever the distribution of the share (79)."""
    return theta**2 / (2 * threshold - 1)


def unimodal(threshold: float, theta: float, pairs: int) -> float:
    """C(π, B) θ² for a share of pairs with a unimodal distribution (80)."""
    step = 1 / (2 * pairs)
    if threshold > 0.75:
        return theta**2 * 4 * (1 - threshold + step) / (1 + 2 * step)
    if threshold <= 0.5 + min(theta**2, step + 0.75 * theta**2):
        return 1.0
    return theta**2 / max(2 * (2 * threshold - 1 - step), 2 * threshold - 1)  # the same where π is a share of pairs


def r_concave(threshold: float, theta: float, pairs: int) -> float:
    """The smaller of the tails of the share of pairs (r = -1/2) and of subsamples (r = -1/4) (81)."""
    often = int(np.ceil(2 * pairs * threshold - 1e-9))
    return min(tail(theta**2, often - pairs, pairs, -0.5), tail(theta, often, 2 * pairs, -0.25))


BOUNDS: dict[str, Callable[[float, float, int], float]] = {
    "unimodal": unimodal,
    "r-concave": r_concave,
    "none": any_procedure,
}


# the tail of r-concave distributions ---------------------------------------------------------------------------------


def tail(mean: float, count: int, steps: int, r: float) -> float:
    """D: the largest P(X ≥ count/steps) of an r-concave X on 0, 1/steps, …, 1 with this mean (81).

    The largest tail has probabilities proportional to (a + i)^(1/r) up to some k, and what is left at k + 1: between
    nothing and what the same law would give. Searched for k by k.
    """
    centre = mean * steps
    if centre <= 0:
        return 0.0
    if count <= 2 * centre + 1:  # a flat distribution reaches so far
        return 1.0
    first = max(count - 1, int(np.ceil(2 * centre)) + 1)
    shifts = [_shift(k, centre, 1 / r) for k in range(first, steps + 1)]
    pieces = zip(range(first, steps), shifts[1:], shifts[:-1], strict=True)
    return max((_largest(_Piece(k, centre, 1 / r), count, low, high) for k, low, high in pieces), default=0.0)


def _masses(k: int, log_shift: float, power: float) -> tuple[Array, Array]:
    i = np.arange(k + 1.0)
    return i, (1.0 + i / np.exp(log_shift)) ** power


def _shift(k: int, centre: float, power: float) -> float:
    """log a for which (a + i)^power on 0 … k has this mean."""

    def excess(log_shift: float) -> float:
        i, mass = _masses(k, log_shift, power)
        return float(i @ mass / mass.sum() - centre)

    return float(scipy.optimize.brentq(excess, *_SHIFTS, xtol=1e-12))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Distributions on 0 … k + 1 with the mean wanted: one for each shift."""

    k: int
    centre: float
    power: float

    def lost(self, log_shift: float, count: int) -> float:
        """P(X < count/steps)."""
        i, mass = _masses(self.k, log_shift, self.power)
        height = (self.k + 1 - self.centre) / ((self.k + 1 - i) @ mass)
        return float(height * mass[:count].sum())


def _largest(piece: _Piece, count: int, low: float, high: float) -> float:
    """The largest P(X ≥ count/steps) for shifts between two, the ends included."""
    inner = scipy.optimize.minimize_scalar(
        piece.lost, bounds=(low, high), args=(count,), method="bounded", options={"xatol": 1e-9}
    )
    return 1.0 - min(piece.lost(low, count), piece.lost(high, count), float(inner.fun))
