"""Newton's method (IRLS) for m models at once.

Each pass over the rows evaluates one trial point of every unfinished model. A trial that raises the log-likelihood is
the next iterate, so an accepted step costs one pass; otherwise the step is halved (9). A model is finished when its
Newton decrement (8), its distance from the maximum in standard errors, is below the tolerance: score and information
are then known at the very estimate reported.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import InputError, Status, checked_keywords
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array, Terms
from glminfer.numerics.bordered import Bordered
from glminfer.numerics.subspaces import Coordinates, Held

Spaces: TypeAlias = Sequence[Array] | None
Chosen: TypeAlias = NDArray[np.intp] | slice

_ALL = slice(None)
_EPS = np.finfo(float).eps
_ARMIJO = 1e-4
_NEAR = 1e-5  # a decrement whose square, the gain to come, is lost in the rounding of a log-likelihood
_CLOSE = 1e-3  # a decrement from which on half of it is a step ahead, whatever rounding makes of the log-likelihood
_ROUNDING = 1e-6  # a decrement below this that no longer shrinks is at rounding level
_RETREATS = 6  # halvings of a step that leads to where no curvature is left, before it is accepted
_NO_PROGRESS = 0.5  # a rate of Newton's decrement that at rounding level is one of standing still
_LIGHT = 1e-2  # a mean weight below which standard errors say little of how near the maximum an estimate is
_DRIFT = 5  # so many steps in a row at a linear rate: the estimate is running away


class Objective(Protocol):
    """Coefficients (m, p) of the models given to their Terms."""

    def __call__(self, coef: Array, models: NDArray[np.intp] | None = None) -> Terms:
        """Evaluate."""

    @property
    def concave(self) -> bool:
        """Whether every stationary point is the maximum."""


@dataclass(frozen=True, slots=True)
class Control:
    """Knobs of the solvers.

    Parameters
    ----------
    tol : float
        The fit ends when its distance from the maximum, in standard errors, is below this (Newton decrement, (8));
        first-order methods stop earlier where their line search no longer sees a gain.
    max_iter : int or None
        Accepted steps before giving up; None means 100 for Newton, 1,000 for quasi-Newton methods and 100,000 for
        gradient descent.
    max_halvings : int
        How often one step may be halved.
    step_size : float or None
        Fixed step of ``solver="gradient"`` on the mean log-likelihood of the standardised columns; None backtracks.
    compress : bool or None
        Whether rows that are alike in all covariates are computed on once, which is exact (109); None does so for large
        data where a look at some of the rows says it pays. Rows in files and in Dask are kept one by one, and True is
        refused.
    coded : bool or None
        Whether factors coded by dummies are kept as one code for each row instead of a column for each level, which is
        exact (113); None does so for factors of 100 columns or more in large data. Rows that are alike come first.

    Examples
    --------
    >>> import glminfer as gi
    >>> gi.Control(max_iter=5).max_iter
    5
    """

    tol: float = 1e-10
    max_iter: int | None = None
    max_halvings: int = 40
    step_size: float | None = None
    compress: bool | None = None
    coded: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no solver can use."""
        for name, least in (("max_iter", 1), ("max_halvings", 0)):
            value = getattr(self, name)
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if value is not None and not (whole and int(value) >= least):
                raise InputError(f"{name}={value!r} must be a whole number, {least} or more.")
        for name in ("tol", "step_size"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Real) and 0 < float(value) < np.inf):
                raise InputError(f"{name}={value!r} must be a number greater than 0.")
        for name in ("compress", "coded"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, bool):
                raise InputError(f"{name}={value!r} must be True, False, or None for what pays.")

    def limit(self, default: int) -> int:
        """The iteration limit, or a solver's default."""
        return default if self.max_iter is None else self.max_iter


def refuse_unused(control: Control | None, what: str, names: Sequence[str]) -> None:
    """Refuse knobs that are turned where nothing listens to them: False and None ask for nothing."""
    if not isinstance(control, Control | None):
        raise InputError(f"control={control!r} is not a gi.Control; write control=gi.Control(tol=1e-8).")
    for name in names:
        value = getattr(control, name, None)
        if value not in (None, False):
            raise InputError(
                f"Control({name}={value!r}) has no effect in {what}. Leave it out; gi.logit knows it, for one model."
            )


Control.__init__ = checked_keywords(Control.__init__)  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Step:
    """One accepted step, as kept for the user's trace."""

    loglik: float
    max_abs_score: float
    step_size: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Solution:
    """Where a solver ended: coefficients (m, p), the Terms at them, a status and a count of steps per model."""

    coef: Array
    terms: Terms
    status: tuple[Status, ...]
    n_iter: NDArray[np.intp]
    decrement: Array
    trace: tuple[Step, ...] = ()


@dataclass(slots=True)
class _State:
    """The moving part of the iteration: all arrays are indexed by model."""

    coef: Array
    terms: Terms
    step: Array
    decrement: Array
    size: Array
    accepted: Array
    halvings: NDArray[np.intp]
    n_iter: NDArray[np.intp]
    drift: NDArray[np.intp]
    status: list[Status | None]
    spaces: Spaces
    no_progress: float
    unit: float
    trace: list[Step] = field(default_factory=list)


def unit_of(weight: float, rows: int) -> float:
    """What squared decrements are divided by: the mean weight where weights are small, else 1 (156)."""
    mean = weight / max(rows, 1)
    return mean if 0 < mean < _LIGHT else 1.0


def newton_step(terms: Terms, spaces: Spaces = None) -> tuple[Array, Array]:
    """Step H⁻¹s (7) and decrement √(s'H⁻¹s) (8) of each model; NaN where no curvature is left.

    The observed curvature is used where it is positive definite, the expected information elsewhere. With ``spaces``
    model k moves only along the columns of ``spaces[k]`` (p, q).
    """
    if len(terms.score) > 2 and (batch := _solved_together(terms, spaces)) is not None:
        return batch
    step = np.full_like(terms.score, np.nan)
    for k, score in enumerate(terms.score):
        B = None if spaces is None else spaces[k]
        found = _solved(terms.curvature[k], score, B)
        if found is None and terms.curvature is not terms.information:
            found = _solved(terms.information[k], score, B)
        if found is not None:
            step[k] = found
    squared = np.einsum("mp,mp->m", step, terms.score)  # silent where it overflows
    return step, np.sqrt(np.maximum(squared, 0.0))


def _solved_together(terms: Terms, spaces: Spaces) -> tuple[Array, Array] | None:
    """The same for all models in one call; None unless every matrix is safely positive definite."""
    if isinstance(terms.curvature, Bordered):
        return None
    if spaces is None:
        step = linalg.solve_all(terms.curvature, terms.score)
    elif len({B.shape[1] for B in spaces}) > 1 or not np.isfinite(terms.curvature).all():
        return None
    else:
        B = np.stack(list(spaces))
        with np.errstate(over="ignore", invalid="ignore"):  # a wild start, which the models alone have an answer to
            inside = np.swapaxes(B, 1, 2) @ terms.curvature @ B
        inner = linalg.solve_all(inside, np.einsum("mpq,mp->mq", B, terms.score))
        step = None if inner is None else np.einsum("mpq,mq->mp", B, inner)
    if step is None:
        return None
    return step, np.sqrt(np.maximum(np.einsum("mp,mp->m", step, terms.score), 0.0))


def _solved(curvature: Array, score: Array, B: Array | None) -> Array | None:
    """The step for one curvature matrix, within the span of B; None where it is not positive definite there."""
    if not np.isfinite(score).all():
        return None
    if isinstance(B, Coordinates | Held):
        return B.step(curvature, score)
    with np.errstate(over="ignore", invalid="ignore"):  # next to no curvature: a step that no halving brings back
        factored = linalg.factor(curvature if B is None else linalg.symmetric(B.T @ curvature @ B))
        if factored is None:
            return None
        return linalg.solve(factored, score) if B is None else np.asarray(B @ linalg.solve(factored, B.T @ score))


def maximise(
    objective: Objective,
    start: Array,
    control: Control,
    *,
    patient: bool = False,
    spaces: Spaces = None,
    no_progress: float = _NO_PROGRESS,
    unit: float = 1.0,
) -> Solution:
    """Maximise the objective of every model from ``start`` (m, p).

    With ``spaces``, model k is held to ``start[k]`` plus the span of ``spaces[k]``: fixed coefficients and nested
    models are such affine subspaces.

    A model whose estimate runs away at a steady rate, as under separation, is stopped early unless ``patient``. Close
    to the maximum, a decrement that falls by less than the factor ``no_progress`` is taken for rounding; the factor
    must be near 1 for an objective whose curvature is not its own: its steps gain digits at a steady rate only.

    Decrements are judged with weights divided by ``unit`` (156), so that small weights need as many steps as others.

    Sources: Nelder & Wedderburn (1972) for IRLS; Boyd & Vandenberghe (2004), section 9.5, for the decrement.
    """
    clock = time.perf_counter()
    terms = objective(start)
    state = _begin(start, terms, spaces, no_progress, unit)
    _record(state, clock)
    limit = control.limit(100)
    watchful = objective.concave and not patient
    _judge(state, control.tol, limit, watchful)
    while (active := np.flatnonzero([s is None for s in state.status])).size:
        models = None if active.size == len(start) else active
        here = _ALL if models is None else active
        trial = state.coef[here] + state.size[here, None] * state.step[here]
        _advance(state, active, trial, objective(trial, models), control.max_halvings)
        _record(state, clock)
        _judge(state, control.tol, limit, watchful)
    status = tuple(s for s in state.status if s is not None)
    decrement = state.decrement * np.sqrt(unit)
    return Solution(state.coef, state.terms, status, state.n_iter, decrement, tuple(state.trace))


def _begin(start: Array, terms: Terms, spaces: Spaces, no_progress: float, unit: float) -> _State:
    m = len(start)
    step, decrement = _measured(newton_step(terms, spaces), unit)
    halvings, n_iter, drift = np.zeros((3, m), dtype=np.intp)
    status: list[Status | None] = [None] * m
    moving = (start.copy(), terms, step, decrement, np.ones(m), np.zeros(m), halvings, n_iter, drift, status)
    return _State(*moving, spaces, no_progress, unit)


def _measured(ahead: tuple[Array, Array], unit: float) -> tuple[Array, Array]:
    """A step and its decrement, as it is with weights divided by ``unit`` (156)."""
    return ahead[0], ahead[1] / np.sqrt(unit)


def _advance(state: _State, active: NDArray[np.intp], trial: Array, terms: Terms, max_halvings: int) -> None:
    """Accept the trials that raise the log-likelihood, halve the steps of the others (9)."""
    here = _ALL if active.size == len(state.coef) else active
    spaces = None if state.spaces is None else [state.spaces[k] for k in active]
    ahead = _measured(newton_step(terms, spaces), state.unit)
    good = _rises(state, here, terms) & (~np.isnan(ahead[1]) | (state.halvings[here] >= _RETREATS))
    good |= (state.decrement[here] < _CLOSE) & (ahead[1] < state.decrement[here] / 2)
    if good.all():
        _accept(state, active, trial, terms, ahead)
        return
    _accept(state, active[good], trial[good], terms.take(np.flatnonzero(good)), (ahead[0][good], ahead[1][good]))
    bad = active[~good]
    state.size[bad] /= 2
    state.halvings[bad] += 1
    for k in bad[state.halvings[bad] > max_halvings]:
        near = state.decrement[k] < _ROUNDING
        state.status[k] = Status.CONVERGED if near else Status.LIMIT


def _rises(state: _State, here: Chosen, terms: Terms) -> NDArray[np.bool_]:
    """Whether each trial raises the log-likelihood by enough, as far as rounding lets one see."""
    old, decrement = state.terms.loglik[here], state.decrement[here]
    # so near the maximum the gain is below the rounding of the sum, and the full step is right whatever its sign
    slack = np.where(decrement < _NEAR, 1e-12, 8 * _EPS) * np.abs(old)
    with np.errstate(invalid="ignore"):
        enough = terms.loglik - old + slack >= _ARMIJO * state.size[here] * decrement**2 * state.unit
    # nearer still there is nothing to judge by
    return np.asarray(((decrement < _ROUNDING) | enough) & np.isfinite(terms.score).all(axis=1))


def _accept(state: _State, models: NDArray[np.intp], coef: Array, terms: Terms, ahead: tuple[Array, Array]) -> None:
    if not models.size:
        return
    here = _ALL if models.size == len(state.coef) else models
    step, decrement = ahead
    rate = decrement / state.decrement[here]
    # a separated fit loses a constant share of its decrement per step (e^-1/2 for the logit); a finite one far more
    steady = (state.size[here] == 1.0) & (rate > 0.3) & (rate < 0.95) & (decrement < 0.5)
    state.drift[here] = np.where(steady, state.drift[here] + 1, 0)
    stuck = (decrement < _ROUNDING) & (rate > state.no_progress)
    state.coef[here], state.step[here], state.decrement[here] = coef, step, decrement
    state.terms = _replaced(state.terms, models, terms)
    state.accepted[here] = state.size[here]
    state.size[here], state.halvings[here] = 1.0, 0
    state.n_iter[here] += 1
    for k in models[stuck]:
        state.status[k] = Status.CONVERGED


def _replaced(old: Terms, models: NDArray[np.intp], new: Terms) -> Terms:
    """Fresh Terms where the given models carry new values: records never change after they are handed out."""
    if models.size == len(old.loglik):
        return new

    def put(array: Array, values: Array) -> Array:
        out = array.copy()
        out[models] = values
        return out

    information = put(old.information, new.information)
    same = old.curvature is old.information
    curvature = information if same else put(old.curvature, new.curvature)
    reach = None if old.reach is None or new.reach is None else put(old.reach, new.reach)
    return Terms(put(old.loglik, new.loglik), put(old.score, new.score), information, curvature, reach)


def _judge(state: _State, tol: float, limit: int, watchful: bool) -> None:
    """Give a status to the models that are finished."""
    for k, status in enumerate(state.status):
        if status is not None:
            continue
        if np.isnan(state.decrement[k]):
            state.status[k] = Status.LIMIT
        elif state.decrement[k] <= tol:
            state.status[k] = Status.CONVERGED
        elif state.n_iter[k] >= limit or (watchful and state.drift[k] >= _DRIFT):
            state.status[k] = Status.LIMIT


def _record(state: _State, clock: float) -> None:
    """Keep one line of the trace for a single model; rejected trials leave no line."""
    if len(state.coef) > 1 or (state.trace and len(state.trace) > state.n_iter[0]):
        return
    score = float(np.abs(state.terms.score[0]).max(initial=0.0))
    state.trace.append(Step(float(state.terms.loglik[0]), score, float(state.accepted[0]), time.perf_counter() - clock))
