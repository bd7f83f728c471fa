"""Newton's method for many logistic models over the same rows, a lane for each.

The likelihood is evaluated once, at the end. A step is taken when the slope along it has not turned steeply negative at
its end (85); as the likelihood is concave, a vanishing decrement is the maximum however it was reached. A model that
does not finish soon is left to the general solver, which halves steps on the likelihood.

The way is made in single precision, where exponentials and products cost a third; its end is one pass in double, which
gives the exact score, information and likelihood close to the maximum. The step from there is so small that what it
does to them is known from their derivatives, and need not be looked at again (110), (111).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import lanes
from glminfer.numerics.batched import Sums, alike_sums, mean_sums, turned_sums, whole_sums
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Layout

Models = NDArray[np.intp]
Kernel = Callable[..., Sums]

CLEAR = 1e-6  # a relative pivot above this is safe to compute with (as in ``rank``)
_PASSES = 40
_SLOW = 5  # so many steps in a row at a linear rate: the estimate is running away
_TURNED = 0.5  # share of the first slope that the slope at the end of a step may have turned to
_ROUNDING = 1e-6  # a decrement below this that no longer shrinks is at rounding level
_ROUGH = 5e-3  # where single precision ends: another step takes this below 1e-5
_MOVED = 1e-5  # rows that move less change the information by less than 1e-10 of itself beyond the first order
_PLAIN = 1e-3  # with a relative pivot above this single precision tells how the information turns


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
    coef, step : (p, m)
        Where it is, and the next step there.
    upper : (p(p+1)/2, m)
        Upper triangles of the information there.
    layout : Layout or None
        As in `Sums`.
    loglik, bound : (m,)
        As in `Sums`.
    decrement, pivot : (m,)
        Distance from the maximum in standard errors (8); smallest pivot of the information relative to its diagonal.
    n_iter : (m,) int
    done : (m,) bool
        Whether the decrement vanished.
    """

    coef: Array
    step: Array
    upper: Array
    layout: Layout | None
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
    unit: float


def climb(
    rows: Summable,
    target: Array,
    start: Array,
    tol: float,
    limit: int,
    rough: Summable | None = None,
    unit: float = 1.0,
) -> Climbed:
    """Maximise every model from ``start`` (p, m), where ``target`` is t = Xᵀ(w y) (p, m).

    With the same rows in single precision, ``rough``, the way is made there; models that get nowhere on it start anew.
    Then ``start`` may also be (p, 1), the same for all models and zero for columns of their own. Decrements are judged
    with weights divided by ``unit`` (156).
    """
    if rough is None:
        state = _begun(rows, target, start, whole_sums, unit)
    else:
        with np.errstate(over="ignore"):  # models it is too small for start anew
            start, n_iter = _near(rough, target.astype(np.float32), start, limit, unit)
        state = _begun(rows, target, start, whole_sums, unit)
        state.n_iter[:] = n_iter
        _judge(state, tol, limit)
        _finish(state, rough, tol)
    _walk(state, rows, target, tol, limit, whole_sums)
    decrement, sums = np.sqrt(np.maximum(state.slope * unit, 0.0)), state.sums
    ends = state.coef, state.step, sums.upper, sums.layout, sums.loglik, sums.bound, decrement, state.pivot
    return Climbed(*ends, state.n_iter, state.done & np.isfinite(sums.loglik))


def _near(rough: Summable, target: Array, start: Array, limit: int, unit: float) -> tuple[Array, NDArray[np.intp]]:
    """Where single precision leads, and in how many steps; the start of models that get nowhere."""
    kernel = mean_sums if start.shape == target.shape else alike_sums
    found = _begun(rough, target, start.astype(np.float32), kernel, unit)
    _walk(found, rough, target, _ROUGH, limit, mean_sums)
    ends = found.coef.astype(np.float64) + found.step
    return np.where(found.done, ends, start), np.where(found.done, found.n_iter + 1, 0)


def _finish(state: _State, rough: Summable, tol: float) -> None:
    """The last step of models so near that it changes their sums as foretold (110), to a known decrement (111)."""
    near = ~(state.done | state.left) & (state.slope <= tol) & (state.pivot > _PLAIN)
    if not near.any():
        return
    within, part = _fewer(rough, np.flatnonzero(near), len(near))
    ends = (values.take(within, axis=1).astype(np.float32) for values in (state.coef, state.step))
    turned = part.sum(turned_sums, *ends)
    moved = np.sqrt(turned.squares)
    ahead = np.sqrt(np.maximum(state.slope[within], 0.0)) * moved / 2  # (111)
    with np.errstate(invalid="ignore"):
        taken = near[within] & (moved <= _MOVED) & (ahead <= tol)
    take = within[taken]
    state.coef[:, take] += state.step[:, take]
    state.sums.upper[:, take] += turned.upper[:, taken]
    state.sums.loglik[take] += state.slope[take] / 2 * state.unit
    state.slope[take] = ahead[taken] ** 2
    state.n_iter[take] += 1
    state.done[take] = True


def _fewer(rows: Summable, active: Models, m: int) -> tuple[Models, Summable]:
    """Lanes to work on, of m, and their rows: those that are not active leave when they are half of them or more."""
    if 2 * active.size > m:
        return np.arange(m), rows
    some = padded(active)
    return some, rows.models(some)


def _walk(state: _State, rows: Summable, target: Array, tol: float, limit: int, kernel: Kernel) -> None:
    """Newton steps until each model's decrement is below ``tol``, in the precision of the state."""
    _judge(state, tol, limit)
    active = np.flatnonzero(~(state.done | state.left))
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


def padded(models: Models) -> Models:
    """The models, the last one repeated up to a multiple of the width."""
    return np.pad(models, (0, -len(models) % lanes.WIDTH), mode="edge")


def _begun(rows: Summable, target: Array, start: Array, kernel: Kernel, unit: float) -> _State:
    """What is known at the start."""
    sums = rows.sum(kernel, start)
    with np.errstate(invalid="ignore"):  # infinite values end as NaN
        score = target - sums.mean
    step, pivot = sums.step(score)
    slope = (step * score).sum(axis=0) / unit
    n_iter, slow = np.zeros((2, len(slope)), dtype=np.intp)
    done, left = np.zeros(len(slope), dtype=bool), ~np.isfinite(slope)
    coef, size = np.broadcast_to(start, step.shape).copy(), np.ones_like(slope)
    return _State(coef, step, sums, slope, pivot, size, n_iter, slow, done, left, unit)


def _advance(state: _State, part: Summable, target: Array, within: Models, kernel: Kernel) -> None:
    """One pass: take the steps whose slope at the end is not steeply negative, halve the others (85)."""
    old, step = state.slope[within], state.step.take(within, axis=1)
    trial = state.coef.take(within, axis=1) + state.size[within] * step
    sums = part.sum(kernel, trial)
    score = target.take(within, axis=1) - sums.mean
    ahead, pivot = sums.step(score)
    slope = (ahead * score).sum(axis=0) / state.unit
    with np.errstate(invalid="ignore"):
        near = old < _ROUNDING**2
        good = np.isfinite(slope) & (near | ((step * score).sum(axis=0) >= -_TURNED * old * state.unit))  # (85)
    moving = ~(state.done | state.left)[within]
    taken, bad = good & moving, within[~good & moving]
    take = within[taken]
    _accept(state, take, slope[taken])
    _put(state, within, taken, trial, ahead, sums)
    state.pivot[take] = pivot[taken]
    state.size[bad] /= 2


def _put(state: _State, within: Models, taken: NDArray[np.bool_], trial: Array, ahead: Array, sums: Sums) -> None:
    """Write coefficients, next steps and sums of the models that moved."""
    whole = np.array_equal(within, np.arange(len(state.size)))
    if whole and taken.all():
        state.coef, state.step, state.sums = trial, ahead, sums
        return
    pairs = [(getattr(state.sums, name), getattr(sums, name)) for name in ("mean", "upper", "loglik", "bound")]
    for old, new in [(state.coef, trial), (state.step, ahead), *pairs]:
        if whole:
            np.copyto(old, new, where=taken)
        else:
            old[..., within[taken]] = new[..., taken]


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
