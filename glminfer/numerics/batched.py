"""Sums over rows for many logistic models at once, a lane for each: arrays are (p, m), models along the last axis.

For the logit the outcome enters the score through t = Xᵀ(w y) only (83): a pass over the rows needs the means of all
models, and their information is one matrix product of the working weights with the products of columns (84). See
``lanes`` for why models are lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import bordered_lanes, lanes, levels
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.bordered import Layout
from glminfer.numerics.mixed import Mixed

R = TypeVar("R")


def _quiet(kernel: Callable[..., R]) -> Callable[..., R]:
    """No floating-point warnings: a lane that runs wild, or holds infinite values, is looked at again by itself."""

    @wraps(kernel)
    def quiet(*args: Any) -> R:
        with np.errstate(all="ignore"):
            return kernel(*args)

    return quiet


@dataclass(frozen=True, slots=True)
class Sums:
    """What one pass over the rows gives; adding two adds their rows.

    Attributes
    ----------
    mean : (p, m)
        Σ w μ x (83).
    upper : (p(p+1)/2, m)
        Upper triangles of the information Σ w μ(1-μ) x x' (84).
    loglik, bound : (m,)
        Log-likelihood (3) and the certificate's sum (16); NaN where a pass does not look at them.
    layout : Layout or None
        Where columns come in levels ``upper`` holds only what can differ from zero, packed as in `bordered_lanes`.
    """

    mean: Array
    upper: Array
    loglik: Array
    bound: Array
    layout: Layout | None = None

    def __add__(self, other: Sums) -> Sums:
        loglik, bound = self.loglik + other.loglik, self.bound + other.bound
        return Sums(self.mean + other.mean, self.upper + other.upper, loglik, bound, self.layout)

    @property
    def information(self) -> Array:
        """(p, p, m) matrices."""
        return _unpacked(self.layout, self.upper, len(self.mean))

    def step(self, score: Array) -> tuple[Array, Array]:
        """Newton's step (p, m) and the smallest relative pivot of each model, as ``lanes.solved``."""
        if self.layout is None:
            return lanes.solved(self.information, score)
        return bordered_lanes.solved(self.layout, self.upper, score)


def _unpacked(layout: Layout | None, upper: Array, p: int) -> Array:
    return lanes.unpacked(upper, p) if layout is None else bordered_lanes.unpacked(layout, upper)


def _layout(block: Block) -> Layout | None:
    own = 0 if block.own is None else block.own.shape[1]
    return levels.with_own(block.X, own) if isinstance(block.X, Mixed) else None


@dataclass(frozen=True, slots=True)
class Turned:
    """What a step changes to first order; adding two adds their rows.

    Attributes
    ----------
    upper : (p(p+1)/2, m)
        Upper triangles of the change of the information (110).
    squares : (m,)
        Σ (x'd)² over the rows that weigh something: at least the square of the largest |x'd|.
    """

    upper: Array
    squares: Array

    def __add__(self, other: Turned) -> Turned:
        return Turned(self.upper + other.upper, self.squares + other.squares)


@_quiet
def mean_sums(block: Block, coef: Array) -> Sums:
    """Means and information of each model (83), (84)."""
    mean, slope = _means(block, coef)
    return _unjudged(block, _moments(block, *_weighted(block, mean, slope)))


def _unjudged(block: Block, moments: tuple[Array, Array]) -> Sums:
    unknown = np.full(moments[0].shape[1], np.nan, moments[0].dtype)
    return Sums(*moments, unknown, unknown.copy(), _layout(block))


@_quiet
def alike_sums(block: Block, coef: Array) -> Sums:
    """The same where all models have the same coefficients (r, 1) of shared columns, and zeros of their own (86)."""
    lanes_of_one = _means(replace(block, own=None), np.repeat(coef, lanes.WIDTH, axis=1))
    mean, slope = (values[:, :1] for values in lanes_of_one)
    return _unjudged(block, _moments(block, *_weighted(block, mean, slope)))


@_quiet
def whole_sums(block: Block, coef: Array) -> Sums:
    """The same with the log-likelihood and the certificate, from the same exponentials."""
    eta = linear(block, coef)
    small, inverse = _halves(eta)
    likelihood = _likelihood(block, eta, small)
    small *= inverse
    small *= inverse  # μ(1-μ)
    inverse -= 0.5
    mean = np.copysign(inverse, eta, out=inverse)
    mean += 0.5
    return Sums(*_moments(block, *_weighted(block, mean, small)), likelihood[0], likelihood[1], _layout(block))


@_quiet
def turned_sums(block: Block, coef: Array, step: Array) -> Turned:
    """What a step does to the information of each model, and how far it moves the rows (110)."""
    along = _combined(block, step)
    mean, slope = _means(block, coef)
    mean *= -2.0
    mean += 1.0
    slope *= mean
    slope *= along  # (110)
    along *= along
    if not (block.weights == 1.0).all():
        slope *= block.weights
        along *= block.weights > 0
    return Turned(_second_moments(block, slope), along.sum(axis=0))


def _halves(eta: Array) -> tuple[Array, Array]:
    """e = exp(-|eta|) and 1/(1 + e)."""
    small = np.abs(eta)
    np.negative(small, out=small)
    np.exp(small, out=small)
    inverse = small + 1.0
    return small, np.reciprocal(inverse, out=inverse)


def _weighted(block: Block, mean: Array, slope: Array) -> tuple[Array, Array]:
    if (block.weights == 1.0).all():
        return mean, slope
    return mean * block.weights, slope * block.weights


def linear(block: Block, coef: Array) -> Array:
    """Linear predictor (n, m) of the coefficients (p, m), those of own columns last."""
    eta = _combined(block, coef)
    if block.offset.any():
        eta += block.offset
    return eta


def _combined(block: Block, coef: Array) -> Array:
    """The columns times coefficients, (n, m)."""
    r = block.X.shape[1]
    eta = levels.combined(block.X, coef[:r])
    if block.own is not None:
        for a in range(block.own.shape[1]):
            eta += block.own[:, a] * coef[r + a]
    return np.asarray(eta)


def _mean(block: Block, coef: Array) -> Array:
    odds = linear(block, coef)
    np.negative(odds, out=odds)
    np.exp(odds, out=odds)
    odds += 1.0
    return np.reciprocal(odds, out=odds)


def _means(block: Block, coef: Array) -> tuple[Array, Array]:
    mean = _mean(block, coef)
    slope = 1.0 - mean
    slope *= mean
    return mean, slope


def _totals(block: Block, mean: Array) -> Array:
    """Σ mean·x, (p, m)."""
    shared = levels.totals(block.X, mean)
    if block.own is None:
        return shared
    own = np.einsum("nm,nqm->qm", mean, block.own)
    return np.concatenate([np.broadcast_to(shared, (len(shared), own.shape[1])), own])


def _moments(block: Block, mean: Array, slope: Array) -> tuple[Array, Array]:
    """Σ mean·x (p, m) and the upper triangles of Σ slope·x x' (p(p+1)/2, m)."""
    return _totals(block, mean), _second_moments(block, slope)


def _second_moments(block: Block, slope: Array) -> Array:
    """Upper triangles of Σ slope·x x', (p(p+1)/2, m), or their entries that can differ from zero."""
    X, own = block.X, block.own
    if isinstance(X, Mixed):
        return levels.second_moments(X, own, slope, _second_moments(replace(block, X=X.dense), slope))
    r = X.shape[1]
    first, second = lanes.pairs(r)
    upper = lanes.product(X.T.take(first, axis=0) * X.T.take(second, axis=0), slope)  # (84)
    if own is None:
        return upper
    q = own.shape[1]
    shared, borders, corners = _places(r, q)
    out = np.empty((len(lanes.pairs(r + q)[0]), own.shape[2]), slope.dtype)
    out[shared] = upper
    for a in range(q):
        tilted = slope * own[:, a]
        out[borders[a]] = lanes.product(X.T, tilted)
        for b in range(a, q):
            out[corners[a, b]] = np.einsum("nm,nm->m", tilted, own[:, b])
    return out


@lru_cache(maxsize=64)
def _places(r: int, q: int) -> tuple[NDArray[np.intp], list[NDArray[np.intp]], dict[tuple[int, int], int]]:
    """Where a triangle of r + q columns has the triangle of the first r, the borders of the others, and their own."""
    first, second = lanes.pairs(r + q)
    borders = [np.flatnonzero((first < r) & (second == r + a)) for a in range(q)]
    corners = {(int(a) - r, int(b) - r): k for k, (a, b) in enumerate(zip(first, second, strict=True)) if a >= r}
    return np.flatnonzero(second < r), borders, corners


@_quiet
def outcome_sums(block: Block) -> Array:
    """t = Σ w y x of each model, (p, m) (83)."""
    weighted = block.y if (block.weights == 1.0).all() else block.y * block.weights
    if block.own is None:
        return levels.totals(block.X, weighted) if isinstance(block.X, Mixed) else np.asarray(block.X.T @ weighted)
    weighted = np.ascontiguousarray(np.broadcast_to(weighted, (block.n, block.own.shape[2])))  # alike, shared or not
    shared = levels.totals(block.X, weighted) if isinstance(block.X, Mixed) else block.X.T @ weighted
    own = [(weighted * block.own[:, a]).sum(axis=0)[None] for a in range(block.own.shape[1])]
    return np.concatenate([shared, *own])


def tallies(block: Block) -> Array:
    """Σ w, Σ w y and the number of rows of positive weight of each model, packed as (3, m)."""
    m = max(block.y.shape[1], block.weights.shape[1])
    if (block.weights == 1.0).all():
        count = np.full(m, float(block.n))
        return np.stack([count, np.broadcast_to(block.y.sum(axis=0), m), count])
    weights = np.ascontiguousarray(np.broadcast_to(block.weights, (block.n, m)))  # summed alike, shared or not
    return np.stack([weights.sum(axis=0), (weights * block.y).sum(axis=0), (weights > 0).sum(axis=0)])


@_quiet
def closing_sums(block: Block, coef: Array) -> Array:
    """Log-likelihood (3) and the certificate's sum (16) of each model, packed as (2, m)."""
    eta = linear(block, coef)
    return np.stack(_likelihood(block, eta, _halves(eta)[0]))


def _likelihood(block: Block, eta: Array, small: Array) -> tuple[Array, Array]:
    """Log-likelihood and a bound of Σ exp(|eta|)/w, given exp(-|eta|)."""
    gain = block.y * eta
    gain -= np.maximum(eta, 0.0)
    if (block.weights == 1.0).all():
        return gain.sum(axis=0) - _log_products(1.0 + small), (1.0 / small).sum(axis=0)
    used = block.weights > 0
    weights = np.where(used, block.weights, 1.0)
    loglik = np.where(used, weights * gain, 0.0).sum(axis=0) - _weighted_logs(weights, np.where(used, small, 0.0))
    return loglik, np.where(used, 1.0 / (weights * small), 0.0).sum(axis=0)


def _weighted_logs(weights: Array, small: Array) -> Array:
    """Σ w log(1 + small), the rows where all weigh 1 taken as without weights: to the last bit the same for a model."""
    plain = (weights == 1.0).all(axis=1)
    others = (weights * np.log1p(small))[~plain] if not plain.all() else small[:0]
    return np.asarray(_log_products(1.0 + small[plain]) + others.sum(axis=0))


_FACTORS = 512  # so many numbers between 1 and 2 have a product that is a number


def _log_products(factors: Array) -> Array:
    """Σ log of numbers between 1 and 2 down the rows: one logarithm for hundreds of them."""
    parts = [factors[k : k + _FACTORS].prod(axis=0) for k in range(0, len(factors), _FACTORS)]
    return np.asarray(np.log(parts).sum(axis=0))


# what robust covariances are made of ---------------------------------------------------------------------------------


@_quiet
def score_moments(block: Block, coef: Array, covariance: Array, power: int) -> Array:
    """Σ w² s² (1 - h)^(-power) x x' of each model, (p, p, m) (32)."""
    score = _scores(block, coef)
    if power:
        slope = _means(block, coef)[1] * block.weights
        left = 1.0 - slope * quadratic(block, covariance)
        full = left <= _FULL  # such a row fits itself exactly and adds nothing
        score = np.where(full, 0.0, score / np.sqrt(np.where(full, 1.0, left)) ** power)
    upper = _moments(block, score, score * score)[1]
    return _unpacked(_layout(block), upper, len(coef))


_FULL = 1e-10


def _scores(block: Block, coef: Array) -> Array:
    return np.asarray(block.weights * (block.y - _means(block, coef)[0]))


def quadratic(block: Block, covariance: Array) -> Array:
    """x'Vx of each row and model, (n, m)."""
    X, own, r = block.X, block.own, block.X.shape[1]
    out = levels.quadratic(X, covariance) if isinstance(X, Mixed) else _squares(X, covariance)
    for a in range(0 if own is None else own.shape[1]):
        assert own is not None
        out += 2.0 * own[:, a] * levels.combined(X, covariance[:r, r + a])
        for b in range(own.shape[1]):
            out += own[:, a] * own[:, b] * covariance[r + a, r + b]
    return np.asarray(out)


def _squares(X: Array, covariance: Array) -> Array:
    first, second = lanes.pairs(X.shape[1])
    doubled = np.where(first == second, 1.0, 2.0)[:, None] * covariance[first, second]
    return np.asarray((X[:, first] * X[:, second]) @ doubled)


@_quiet
def group_scores(block: Block, coef: Array, count: int) -> Array:
    """Σ w s x over the rows of each of ``count`` groups and each model, (G, p, m)."""
    score = _scores(block, coef)
    if isinstance(block.X, Mixed):
        return levels.group_scores(block.X, block.own, score, np.asarray(block.groups), count)
    columns = [score * block.X[:, a, None] for a in range(block.X.shape[1])]
    if block.own is not None:
        columns += [score * block.own[:, a] for a in range(block.own.shape[1])]
    sums = grouped_sums(np.asarray(block.groups), np.concatenate(columns, axis=1), count)
    return sums.reshape(count, len(columns), score.shape[1])


def group_presence(block: Block, count: int) -> Array:
    """Rows of positive weight of each group and model, (G, m)."""
    return grouped_sums(np.asarray(block.groups), (block.weights > 0).astype(float), count)


def grouped_sums(codes: NDArray[np.intp], values: Array, count: int) -> Array:
    """Sums of the rows of ``values`` (n, k) by group, (G, k)."""
    from scipy.sparse import csc_array

    n = len(codes)
    return np.asarray(csc_array((np.ones(n), codes, np.arange(n + 1)), shape=(count, n)) @ values)


def outer_sums(u: Array) -> Array:
    """Σ_g u_g u_g' of each model, (p, p, m), from (G, p, m)."""
    p = u.shape[1]
    out = np.empty((p, p, u.shape[2]))
    for a in range(p):
        for b in range(a, p):
            out[a, b] = out[b, a] = (u[:, a] * u[:, b]).sum(axis=0)
    return out


@_quiet
def goodness(block: Block, coef: Array) -> Array:
    """Pearson χ², Σwμ over events and Σwμ over non-events of each model, packed as (3, m)."""
    eta = linear(block, coef)
    small = np.exp(-np.abs(eta))
    large_side = 1.0 / (1.0 + small)
    small_side = small * large_side
    mean = np.where(eta >= 0, large_side, small_side)
    residual = block.y - mean
    pearson = np.where(residual == 0.0, 0.0, residual * residual / (small_side * large_side))
    used = block.weights > 0
    parts = [pearson, mean * block.y, mean * (1.0 - block.y)]
    return np.stack([np.where(used, block.weights * part, 0.0).sum(axis=0) for part in parts])
