"""Coming near the maximum over many rows at little cost, before Newton's method takes the last steps over all of them.

None of it decides anything: the steps that follow start where it ends, and converge to the same estimate from anywhere.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glminfer.data.rows import Rows
from glminfer.errors import Status
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array, Terms
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution, Step, maximise, newton_step
from glminfer.numerics.objectives import Likelihood

_MANY_ROWS = 20_000  # from here on there is something to gain
_FEWER = 16  # a subsample has one row in so many, or fewer
_MOST = 1 << 23  # numbers of a subsample: 67 MB, however many rows lie in files or on other machines
_STEADY = 200  # rows of a subsample per column, from which its curvature is good to a few percent
_WORTH = 8  # columns from which the matrix product is most of a pass
_NEAR = 0.5  # a decrement from which on the curvature hardly changes on the way to the maximum
_THERE = 5e-11  # a decrement that the pass in double precision takes for the maximum, with room to spare
_PASSES = 20
_POOR = 1 / 32  # a rate along its own curvature that says single precision is not enough for these columns
_SINGLE = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Approach:
    """Where the last steps start (1, p), and the steps taken over all rows to come there."""

    coef: Array
    n_iter: NDArray[np.intp] | int = 0
    trace: tuple[Step, ...] = ()


def subsample(rows: Rows) -> Rows | None:
    """An even part of the rows in memory, where there are many rows for each column.

    With coded factors there is none: a level has few rows in it, and one outcome where it has bad luck.
    """
    if rows.coded is not None or rows.n < max(_MANY_ROWS, 400 * rows.width):
        return None
    return rows.every(max(_FEWER, -(-rows.n * rows.width // _MOST)))


def approach(rows: Rows, fam: Family, start: Array, few: Rows | None, unit: float = 1.0) -> Approach:
    """From a start (p,) to near the maximum: on a subsample, along its curvature (123), in single precision."""
    if few is not None:
        start = _after_subsample(rows, fam, start, few)
    if rows.n < _MANY_ROWS or rows.width < _WORTH or rows.coded is not None:  # codes have no product to spare
        return Approach(start[None])
    objective, coarse = Likelihood(rows, fam, rounded=True), Control(tol=_NEAR, max_iter=25)
    found = maximise(objective, start[None], coarse, unit=unit)
    near = Approach(found.coef, found.n_iter, found.trace)
    if unit < 1.0:  # what follows is judged in standard errors
        return near
    return _by_slopes(rows, fam, near, found.terms) if found.status[0] is Status.CONVERGED else near


def _by_slopes(rows: Rows, fam: Family, near: Approach, terms: Terms) -> Approach:
    """Steps along the curvature at ``near``, each of which needs the score only (127), until one ends at the maximum.

    Where several more would be needed the curvature is computed again.
    """
    step, before = newton_step(terms)
    near, own = _stepped(near, step), True
    for _ in range(_PASSES):
        clock, terms = time.perf_counter(), _with_slope(rows, fam, near.coef[0], terms)
        step, decrement = newton_step(terms)
        if not decrement[0] < before[0] / 2:
            return near
        rate = max((1 + own) * decrement[0] / before[0], _SINGLE)
        near, before = _stepped(_seen(near, terms, clock), step), decrement
        if decrement[0] * rate <= _THERE or (own and rate > _POOR):
            return near
        own = _passes_left(decrement[0] * rate, rate) > _price(rows.width, fam)
        if own:
            clock, terms = time.perf_counter(), Likelihood(rows, fam, rounded=True)(near.coef)
            step, before = newton_step(terms)
            near = _stepped(_seen(near, terms, clock), step)
    return near


def _with_slope(rows: Rows, fam: Family, coef: Array, terms: Terms) -> Terms:
    """Log-likelihood and score at the coefficients (p,), beside information and curvature from elsewhere."""
    loglik, score = Likelihood(rows, fam).slope(coef)
    return replace(terms, loglik=np.array([loglik]), score=score[None])


def _stepped(near: Approach, step: Array) -> Approach:
    return replace(near, coef=near.coef + step, n_iter=near.n_iter + 1)


def _seen(near: Approach, terms: Terms, clock: float) -> Approach:
    """With a line of the trace for where it is."""
    seconds = near.trace[-1].seconds + time.perf_counter() - clock
    line = Step(float(terms.loglik[0]), float(np.abs(terms.score[0]).max(initial=0.0)), 1.0, seconds)
    return replace(near, trace=(*near.trace, line))


def _passes_left(decrement: float, rate: float) -> int:
    """Passes from a decrement to the maximum, each gaining the factor ``rate``."""
    return math.ceil(math.log(_THERE / decrement) / math.log(rate)) if rate < 1 else _PASSES


def _price(p: int, fam: Family) -> float:
    """What a pass with a matrix product costs beside one without: more if a row's part is cheap, as for the logit."""
    return 1.6 + p / 80 if fam.unweighted is not None else 1.0 + p / 200


def continued(near: Approach, found: Solution) -> Solution:
    """The last steps with those before them."""
    if not near.trace:
        return found
    before = near.trace[-1].seconds
    last = [replace(step, seconds=before + step.seconds) for step in found.trace]
    if near.n_iter == len(near.trace):  # the last of them led to where these begin
        last[:1] = [replace(step, step_size=1.0) for step in last[:1]]
    else:
        last = last[1:]
    return replace(found, n_iter=found.n_iter + near.n_iter, trace=(*near.trace, *last))


def resumed(before: Solution, found: Solution) -> Solution:
    """Steps that begin where others ended, with those."""
    if not before.trace:
        return replace(found, n_iter=found.n_iter + before.n_iter)
    seconds = before.trace[-1].seconds
    last = (replace(step, seconds=seconds + step.seconds) for step in found.trace[1:])
    return replace(found, n_iter=found.n_iter + before.n_iter, trace=(*before.trace, *last))


def _after_subsample(rows: Rows, fam: Family, start: Array, few: Rows) -> Array:
    found = _fit_of_few(few, fam, start)
    if found is None:
        return start
    return _along(rows, few, fam, found) if few.n >= _STEADY * few.width else found.coef[0]


def _fit_of_few(few: Rows, fam: Family, start: Array) -> Solution | None:
    """The estimate of a subsample to well within its standard errors, itself started from a smaller one."""
    fewer = subsample(few)
    before = None if fewer is None else _fit_of_few(fewer, fam, start)
    start = start if before is None else before.coef[0]
    found = maximise(Likelihood(few, fam), start[None], Control(tol=0.5, max_iter=25))
    if found.status[0] is not Status.CONVERGED:
        return before
    return replace(found, coef=found.coef + newton_step(found.terms)[0])


def _along(rows: Rows, few: Rows, fam: Family, found: Solution) -> Array:
    """One step on the score of all rows with the curvature of the subsample (123); it needs no matrix product."""
    loglik, score = Likelihood(rows, fam).slope(found.coef[0])
    times = float(rows.sum(kernels.totals)[0] / few.sum(kernels.totals)[0])
    information, curvature = times * found.terms.information, times * found.terms.curvature
    step, decrement = newton_step(Terms(np.array([loglik]), score[None], information, curvature))
    usual = decrement[0] ** 2 <= max(times, _FEWER) * (2 * rows.width + 10)  # as far as a sample is from the whole
    return np.asarray(found.coef[0] + step[0]) if usual else found.coef[0]
