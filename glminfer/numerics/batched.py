"""Newton's method for many logistic models over the same rows, a lane for each.

For the logit the outcome enters the score through t = Xᵀ(w y) only (83): a pass over the rows needs the means of all
models, and their information is one matrix product of the working weights with the products of columns (84). The
likelihood itself is evaluated once, at the end. A step is taken when the slope along it has not turned steeply negative
at its end (85); as the likelihood is concave, a vanishing decrement is the maximum however it was reached. A model that
does not finish soon is left to the general solver, which halves steps on the likelihood.

Arrays are (p, m), models along the last axis; see ``lanes`` for why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import lanes
from glminfer.numerics.blocks import Array, Block

Models = NDArray[np.intp]

WIDTH = 8  # lanes come in multiples of this: what BLAS and sums round does then not depend on their number
CLEAR = 1e-6  # a relative pivot above this is safe to compute with (as in ``rank``)
_PASSES = 40
_SLOW = 5  # so many steps in a row at a linear rate: the estimate is running away
_TURNED = 0.5  # share of the first slope that the slope at the end of a step may have turned to
_ROUNDING = 1e-6  # a decrement below this that no longer shrinks is at rounding level


def _quiet(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """No floating-point warnings: a lane that runs wild, or holds infinite values, is looked at again by itself."""

    @wraps(kernel)
    def quiet(*args: Any) -> Array:
        with np.errstate(all="ignore"):
            return kernel(*args)

    return quiet


class Summable(Protocol):
    """Rows of many models, as far as the solver needs to know them."""

    def sum(self, kernel: Callable[..., Any], *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""

    def models(self, which: Models) -> Summable:
        """The same rows for some of the models."""


@dataclass(frozen=True, slots=True)
class Climbed:
    """Where each model ended.

    Attributes
    ----------
    coef : (p, m)
    information : (p, p, m)
        At the coefficients.
    decrement, pivot : (m,)
        Distance from the maximum in standard errors (8); smallest pivot of the information relative to its diagonal.
    n_iter : (m,) int
    done : (m,) bool
        Whether the decrement vanished.
    """

    coef: Array
    information: Array
    decrement: Array
    pivot: Array
    n_iter: NDArray[np.intp]
    done: NDArray[np.bool_]


@_quiet
def mean_sums(block: Block, coef: Array) -> Array:
    """Σ w μ x and Σ w μ(1-μ) x x' of each model, packed as (1 + p, p, m) (83), (84)."""
    mean, slope = _means(block, coef)
    if not (block.weights == 1.0).all():
        mean, slope = mean * block.weights, slope * block.weights
    return _moments(block, mean, slope)


def linear(block: Block, coef: Array) -> Array:
    """Linear predictor (n, m) of the coefficients (p, m), those of own columns last."""
    r = block.X.shape[1]
    eta = block.X @ coef[:r]
    if block.own is not None:
        for a in range(block.own.shape[1]):
            eta += block.own[:, a] * coef[r + a]
    if block.offset.any():
        eta += block.offset
    return np.asarray(eta)


def _means(block: Block, coef: Array) -> tuple[Array, Array]:
    odds = linear(block, coef)
    np.negative(odds, out=odds)
    np.exp(odds, out=odds)
    odds += 1.0
    mean = np.reciprocal(odds, out=odds)
    slope = 1.0 - mean
    slope *= mean
    return mean, slope


def _moments(block: Block, mean: Array, slope: Array) -> Array:
    X, own = block.X, block.own
    r, q = X.shape[1], 0 if own is None else own.shape[1]
    out = np.empty((1 + r + q, r + q, mean.shape[1]))
    first, second = lanes.pairs(r)
    upper = (X[:, first] * X[:, second]).T @ slope  # (84)
    out[0, :r] = X.T @ mean
    out[1 + first, second] = upper
    out[1 + second, first] = upper
    if own is not None:
        for a in range(q):
            tilted = slope * own[:, a]
            out[0, r + a] = (mean * own[:, a]).sum(axis=0)
            out[1 : 1 + r, r + a] = out[1 + r + a, :r] = X.T @ tilted
            for b in range(a, q):
                out[1 + r + a, r + b] = out[1 + r + b, r + a] = (tilted * own[:, b]).sum(axis=0)
    return out


@_quiet
def outcome_sums(block: Block) -> Array:
    """t = Σ w y x of each model, (p, m) (83)."""
    weighted = block.y if (block.weights == 1.0).all() else block.y * block.weights
    if block.own is None:
        return np.asarray(block.X.T @ weighted)
    weighted = np.ascontiguousarray(np.broadcast_to(weighted, (block.n, block.own.shape[2])))  # alike, shared or not
    shared = block.X.T @ weighted
    own = [(weighted * block.own[:, a]).sum(axis=0)[None] for a in range(block.own.shape[1])]
    return np.concatenate([shared, *own])


def tallies(block: Block) -> Array:
    """Σ w, Σ w y and the number of rows of positive weight of each model, packed as (3, m)."""
    m = max(block.y.shape[1], block.weights.shape[1])
    weights = np.ascontiguousarray(np.broadcast_to(block.weights, (block.n, m)))  # summed alike, shared or not
    return np.stack([weights.sum(axis=0), (weights * block.y).sum(axis=0), (weights > 0).sum(axis=0)])


@_quiet
def closing_sums(block: Block, coef: Array) -> Array:
    """Log-likelihood (3) and the certificate's bound (16) of each model, packed as (2, m)."""
    eta = linear(block, coef)
    small = np.exp(-np.abs(eta))
    loglik = block.y * eta - np.maximum(eta, 0.0) - np.log(1.0 + small)
    toward = (2.0 * block.y - 1.0) * eta  # how far on the right side a row of one kind of trials is
    ratio = np.where(toward > 0, 1.0 / small, small)
    pure = (block.y == 0.0) | (block.y == 1.0)
    if not (block.weights == 1.0).all():
        used = block.weights > 0
        loglik = np.where(used, block.weights * loglik, 0.0)
        ratio = ratio / np.where(used, block.weights, 1.0)
        pure = pure & used
    if not pure.all():
        ratio = np.where(pure, ratio, 0.0)
    return np.stack([loglik.sum(axis=0), ratio.sum(axis=0)])


@dataclass(slots=True)
class _State:
    """The moving part of the iteration, all models of a chunk."""

    coef: Array
    information: Array
    step: Array
    slope: Array
    pivot: Array
    size: Array
    n_iter: NDArray[np.intp]
    slow: NDArray[np.intp]
    done: NDArray[np.bool_]
    left: NDArray[np.bool_]


def climb(rows: Summable, target: Array, start: Array, tol: float, limit: int) -> Climbed:
    """Maximise every model from ``start`` (p, m), where ``target`` is t = Xᵀ(w y) (p, m)."""
    state = _begin(rows, target, start)
    _judge(state, tol, limit)
    active = np.flatnonzero(~(state.done | state.left))
    within, part = np.arange(start.shape[1]), rows
    for _ in range(_PASSES):
        if not active.size:
            break
        if 2 * active.size <= len(within):  # those that are finished leave
            within = padded(active)
            part = rows.models(within)
        _advance(state, part, target, within)
        _judge(state, tol, limit)
        active = np.flatnonzero(~(state.done | state.left))
    decrement = np.sqrt(np.maximum(state.slope, 0.0))
    return Climbed(state.coef, state.information, decrement, state.pivot, state.n_iter, state.done)


def padded(models: Models) -> Models:
    """The models, the last one repeated up to a multiple of the width."""
    return np.pad(models, (0, -len(models) % WIDTH), mode="edge")


def _begin(rows: Summable, target: Array, start: Array) -> _State:
    m = start.shape[1]
    sums = rows.sum(mean_sums, start)
    step, pivot = lanes.solved(sums[1:], target - sums[0])
    slope = (step * (target - sums[0])).sum(axis=0)
    counts = np.zeros((2, m), dtype=np.intp)
    flags = np.zeros((2, m), dtype=bool)
    return _State(start.copy(), sums[1:], step, slope, pivot, np.ones(m), *counts, *flags)


def _advance(state: _State, part: Summable, target: Array, within: Models) -> None:
    """One pass: take the steps whose slope at the end is not steeply negative, halve the others (85)."""
    old, step = state.slope[within], state.step[:, within]
    trial = state.coef[:, within] + state.size[within] * step
    sums = part.sum(mean_sums, trial)
    score = target[:, within] - sums[0]
    ahead, pivot = lanes.solved(sums[1:], score)
    slope = (ahead * score).sum(axis=0)
    with np.errstate(invalid="ignore"):
        near = old < _ROUNDING**2
        good = np.isfinite(slope) & (near | ((step * score).sum(axis=0) >= -_TURNED * old))  # (85)
    moving = ~(state.done | state.left)[within]
    take, bad = within[good & moving], within[~good & moving]
    _accept(state, take, slope[good & moving])
    for name, values in (("coef", trial), ("step", ahead), ("information", sums[1:])):
        getattr(state, name)[..., take] = values[..., good & moving]
    state.pivot[take] = pivot[good & moving]
    state.size[bad] /= 2


def _accept(state: _State, take: Models, slope: Array) -> None:
    with np.errstate(invalid="ignore"):
        rate = np.sqrt(slope / state.slope[take])
    steady = (state.size[take] == 1.0) & (rate > 0.3) & (rate < 0.95) & (slope < 0.25)
    state.slow[take] = np.where(steady, state.slow[take] + 1, 0)
    state.done[take] |= (slope < _ROUNDING**2) & (rate > 0.5)
    state.slope[take] = slope
    state.size[take] = 1.0
    state.n_iter[take] += 1


def _judge(state: _State, tol: float, limit: int) -> None:
    """Which models are finished, and which are left to the general solver."""
    state.done |= state.slope <= tol * tol
    lost = ~np.isfinite(state.slope) | (state.slow >= _SLOW) | (state.size < 1e-3) | (state.n_iter >= limit)
    state.left |= lost & ~state.done


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
    return _moments(block, score, score * score)[1:]


_FULL = 1e-10


def _scores(block: Block, coef: Array) -> Array:
    return np.asarray(block.weights * (block.y - _means(block, coef)[0]))


def quadratic(block: Block, covariance: Array) -> Array:
    """x'Vx of each row and model, (n, m)."""
    X, own, r = block.X, block.own, block.X.shape[1]
    first, second = lanes.pairs(r)
    doubled = np.where(first == second, 1.0, 2.0)[:, None] * covariance[first, second]
    out = (X[:, first] * X[:, second]) @ doubled
    for a in range(0 if own is None else own.shape[1]):
        assert own is not None
        out += 2.0 * own[:, a] * (X @ covariance[:r, r + a])
        for b in range(own.shape[1]):
            out += own[:, a] * own[:, b] * covariance[r + a, r + b]
    return np.asarray(out)


@_quiet
def group_scores(block: Block, coef: Array, count: int) -> Array:
    """Σ w s x over the rows of each of ``count`` groups and each model, (G, p, m)."""
    score = _scores(block, coef)
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
