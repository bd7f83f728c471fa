"""Newton's method for many logistic models over the same rows, a lane for each.

The likelihood is evaluated once, at the end. A step is taken when the slope along it has not turned steeply negative at
its end (85); as the likelihood is concave, a vanishing decrement is the maximum however it was reached. A model that
does not finish soon is left to the general solver, which halves steps on the likelihood.

The way is made in single precision, where exponentials and products cost a third, and its end in double: a Newton step
from there corrects what was rounded, and likelihood, score and information are those of the estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import lanes
from glminfer.numerics.batched import WIDTH, Sums, first_sums, mean_sums, whole_sums
from glminfer.numerics.blocks import Array

Models = NDArray[np.intp]
Kernel = Callable[..., Sums]

CLEAR = 1e-6  # a relative pivot above this is safe to compute with (as in ``rank``)
_PASSES = 40
_SLOW = 5  # so many steps in a row at a linear rate: the estimate is running away
_TURNED = 0.5  # share of the first slope that the slope at the end of a step may have turned to
_ROUNDING = 1e-6  # a decrement below this that no longer shrinks is at rounding level
_ROUGH = 2e-4  # where single precision ends: two more steps, with the information found there, take this below 1e-10


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
    upper : (p(p+1)/2, m)
        Upper triangles of the information there.
    loglik, bound : (m,)
        As in `Sums`.
    decrement, pivot : (m,)
        Distance from the maximum in standard errors (8); smallest pivot of the information relative to its diagonal.
    n_iter : (m,) int
    done : (m,) bool
        Whether the decrement vanished.
    """

    coef: Array
    upper: Array
    loglik: Array
    bound: Array
    decrement: Array
    pivot: Array
    n_iter: NDArray[np.intp]
    done: NDArray[np.bool_]


@dataclass(slots=True)
class _State:
    """The moving part of the iteration, all models of a chunk."""

    coef: Array
    step: Array
    sums: Sums
    slope: Array
    pivot: Array
    size: Array
    n_iter: NDArray[np.intp]
    slow: NDArray[np.intp]
    done: NDArray[np.bool_]
    left: NDArray[np.bool_]


def climb(
    rows: Summable, target: Array, start: Array, tol: float, limit: int, rough: Summable | None = None
) -> Climbed:
    """Maximise every model from ``start`` (p, m), where ``target`` is t = Xᵀ(w y) (p, m).

    With the same rows in single precision, ``rough``, the way is made there; models that get nowhere on it start anew.
    """
    if rough is None:
        begun = _begin(rows, target, start)
    else:
        coarse = _begin(rough, target.astype(np.float32), start.astype(np.float32))
        begun = _resumed(rows, target, start, _walk(rough, coarse, target.astype(np.float32), _ROUGH, limit))
    state = _walk(rows, begun, target, tol, limit, whole_sums)
    decrement, sums = np.sqrt(np.maximum(state.slope, 0.0)), state.sums
    ends = state.coef, sums.upper, sums.loglik, sums.bound, decrement, state.pivot
    return Climbed(*ends, state.n_iter, state.done & np.isfinite(sums.loglik))


def _resumed(rows: Summable, target: Array, start: Array, near: _State) -> _State:
    """Where single precision led, the next step from the exact score and the information found there; others anew."""
    coef = np.where(near.done, near.coef + near.step, start)
    score = target - rows.sum(first_sums, coef)
    step, pivot = lanes.solved(near.sums.information.astype(np.float64), score)
    unknown = Sums(*(np.full(getattr(near.sums, name).shape, np.nan) for name in Sums.__slots__))
    state = _state(coef, step, unknown, (step * score).sum(axis=0), pivot)
    state.n_iter[:] = np.where(near.done, near.n_iter + 1, 0)
    far = padded(np.flatnonzero(~near.done))
    if far.size:
        anew = _begin(rows.models(far), target.take(far, axis=1), start.take(far, axis=1))
        _put(state, far, np.ones(len(far), dtype=bool), anew.coef, anew.step, anew.sums)
        state.slope[far], state.pivot[far], state.left[far] = anew.slope, anew.pivot, anew.left
    return state


def _walk(rows: Summable, state: _State, target: Array, tol: float, limit: int, kernel: Kernel = mean_sums) -> _State:
    """Newton steps, at least one, until each model's decrement is below ``tol``, in the precision of the state."""
    state.left |= state.n_iter >= limit
    active = np.flatnonzero(~state.left)
    within, part = np.arange(len(state.slope)), rows
    for _ in range(_PASSES):
        if not active.size:
            break
        if 2 * active.size <= len(within):  # those that are finished leave
            within = padded(active)
            part = rows.models(within)
        _advance(state, part, target, within, kernel)
        _judge(state, tol, limit)
        active = np.flatnonzero(~(state.done | state.left))
    return state


def padded(models: Models) -> Models:
    """The models, the last one repeated up to a multiple of the width."""
    return np.pad(models, (0, -len(models) % WIDTH), mode="edge")


def _begin(rows: Summable, target: Array, start: Array) -> _State:
    sums = rows.sum(mean_sums, start)
    score = target - sums.mean
    step, pivot = lanes.solved(sums.information, score)
    return _state(start.copy(), step, sums, (step * score).sum(axis=0), pivot)


def _state(coef: Array, step: Array, sums: Sums, slope: Array, pivot: Array) -> _State:
    m = len(slope)
    n_iter, slow = np.zeros((2, m), dtype=np.intp)
    done, left = np.zeros(m, dtype=bool), ~np.isfinite(slope)
    return _State(coef, step, sums, slope, pivot, np.ones_like(slope), n_iter, slow, done, left)


def _advance(state: _State, part: Summable, target: Array, within: Models, kernel: Kernel) -> None:
    """One pass: take the steps whose slope at the end is not steeply negative, halve the others (85)."""
    old, step = state.slope[within], state.step.take(within, axis=1)
    trial = state.coef.take(within, axis=1) + state.size[within] * step
    sums = part.sum(kernel, trial)
    score = target.take(within, axis=1) - sums.mean
    ahead, pivot = lanes.solved(sums.information, score)
    slope = (ahead * score).sum(axis=0)
    with np.errstate(invalid="ignore"):
        near = old < _ROUNDING**2
        good = np.isfinite(slope) & (near | ((step * score).sum(axis=0) >= -_TURNED * old))  # (85)
    moving = ~(state.done | state.left)[within]
    taken, bad = good & moving, within[~good & moving]
    take = within[taken]
    _accept(state, take, slope[taken])
    _put(state, take, taken, trial, ahead, sums)
    state.pivot[take] = pivot[taken]
    state.size[bad] /= 2


def _put(state: _State, take: Models, taken: NDArray[np.bool_], trial: Array, ahead: Array, sums: Sums) -> None:
    """Write coefficients, next steps and sums of the models that moved."""
    if np.array_equal(take, np.arange(len(state.size))):
        state.coef, state.step, state.sums = trial, ahead, sums
        return
    state.coef[:, take], state.step[:, take] = trial[:, taken], ahead[:, taken]
    for name in Sums.__slots__:
        getattr(state.sums, name)[..., take] = getattr(sums, name)[..., taken]


def _accept(state: _State, take: Models, slope: Array) -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
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
