"""The largest of several correlated statistics: tail probabilities and quantiles of max(abs(T)).

T is multivariate normal or t with a correlation matrix that may be singular (all pairwise differences of a factor's
levels are). With N(T) the number of statistics beyond c,

    P(max abs(T) > c) = Σ_j P(abs(T_j) > c) E[1/N(T) | abs(T_j) > c],                          (39)

so that every point drawn lies in the tail, however far out: the relative error does not grow there. The points are
those of a lattice, and one seed gives one answer.

Source: Adler, Blanchet & Liu (2012), Ann. Appl. Probab. 22, applied to finitely many statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from glminfer.numerics.blocks import Array

_MOST, _FEWEST = 1 << 14, 1 << 10  # points for each statistic
_WORK = 1 << 20  # points × statistics²


@dataclass(frozen=True, slots=True)
class Largest:
    """max(abs(T_j)) of q statistics.

    Attributes
    ----------
    correlation : (q, q)
    dof : float
        Degrees of freedom; infinite is the normal.
    normal : (q, N, q)
        For each statistic, draws of normal statistics with this correlation.
    uniform : (N,)
        Where each draw lies in the tail it is conditioned on.
    chi2 : (q, N) or None
        Draws of χ²(dof + 1), for the common scale of t statistics.
    """

    correlation: Array
    dof: float
    normal: Array
    uniform: Array
    chi2: Array | None

    def tail(self, c: float) -> float:
        """P(max abs(T_j) > c) (39)."""
        p = float(self._below(np.array(-c)))
        beyond = -self._quantile(self.uniform * p)  # T_j given T_j > c; the other tail is its mirror image
        return 2 * p * sum(self._share(j, c, beyond) for j in range(len(self.correlation)))

    def _share(self, j: int, c: float, beyond: Array) -> float:
        """E[1/N(T)] given the values of T_j."""
        rest = self.normal[j]
        if self.chi2 is not None:
            rest = rest * np.sqrt((self.dof + beyond**2) / self.chi2[j])[:, None]
        given = rest + np.outer(beyond - rest[:, j], self.correlation[j])
        given[:, j] = beyond
        return float((1.0 / np.maximum((np.abs(given) >= c).sum(axis=1), 1)).mean())

    def _below(self, value: Array) -> Array:
        return np.asarray(scipy.special.ndtr(value) if np.isinf(self.dof) else scipy.special.stdtr(self.dof, value))

    def _quantile(self, p: Array) -> Array:
        return np.asarray(scipy.special.ndtri(p) if np.isinf(self.dof) else scipy.special.stdtrit(self.dof, p))

    def quantile(self, level: float) -> float:
        """c with P(max abs(T_j) <= c) = level."""
        from scipy.optimize import brentq  # slow to import

        alone = -float(self._quantile(np.array((1 - level) / 2)))
        bonferroni = -float(self._quantile(np.array((1 - level) / 2 / len(self.correlation))))
        if self.tail(alone) <= 1 - level:  # one statistic, or all of them the same
            return alone
        return float(brentq(lambda c: self.tail(c) - (1 - level), alone, 1.01 * bonferroni, xtol=1e-8))


def largest(correlation: Array, dof: float, seed: int) -> Largest:
    """Prepare the integral for a correlation matrix (q, q)."""
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-12 * values.max()
    root = vectors[:, kept] * np.sqrt(values[kept])
    q, s = root.shape
    count = int(np.clip(_WORK // q**2, _FEWEST, _MOST))
    points = _lattice(s + 2, q * count, seed).reshape(q, count, s + 2)
    half = (dof + 1) / 2
    chi2 = None if np.isinf(dof) else np.asarray(2 * scipy.special.gammaincinv(half, points[:, :, 1]), dtype=float)
    return Largest(correlation, dof, scipy.special.ndtri(points[:, :, 2:]) @ root.T, points[0, :, 0], chi2)


def _lattice(dimensions: int, count: int, seed: int) -> Array:
    """Richtmyer's points k√prime (mod 1), randomly shifted and folded, (count, dimensions)."""
    steps = np.sqrt(_primes(dimensions)) % 1.0
    points = (np.arange(1, count + 1)[:, None] * steps + np.random.default_rng(seed).random(dimensions)) % 1.0
    return np.asarray(np.clip(np.abs(2 * points - 1), 1e-12, 1 - 1e-12))


def _primes(count: int) -> Array:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return np.array(found, dtype=float)
