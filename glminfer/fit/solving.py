"""How the likelihood of one model is maximised where it has a maximum: the solvers, and the steps the user allows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from glminfer.data.rows import Rows
from glminfer.data.sample_rows import Storage
from glminfer.errors import Status
from glminfer.fit.approach import approach, continued, resumed
from glminfer.fit.starts import flat_start
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family, family
from glminfer.numerics.first_order import first_order, standardising
from glminfer.numerics.newton import Control, Solution, maximise
from glminfer.numerics.objectives import Likelihood
from glminfer.numerics.penalties import AnyPenalty

SOLVERS = ("newton", "bfgs", "lbfgs", "gradient")
_STEEPER = 10.0  # times the slopes of the logit: where few heavy rows decide, the highest summit may be steep
_SAME_HEIGHT = 1e-12  # relative: sums of log-likelihoods that differ by no more differ by rounding


@dataclass(frozen=True, slots=True)
class Method:
    """How the likelihood is maximised; ``unit`` is what weights are measured in (156)."""

    link: str = "logit"
    solver: str = "newton"
    control: Control = field(default_factory=Control)
    penalty: AnyPenalty | None = None
    unit: float = 1.0


def storage_of(method: Method) -> Storage:
    """How the rows of a fit are stored: long factors as codes for maximum likelihood by Newton, unless asked for.

    Penalties and first-order methods need all numbers of a matrix at once or a column at a time: there codes gain
    nothing.
    """
    control, newton = method.control, method.penalty is None and method.solver == "newton"
    return Storage(control.compress, control.coded if newton or control.coded is not None else False)


def scouting(method: Method) -> Method:
    """Newton tells soon whether there is a maximum; a first-order method would walk for ever along a separation."""
    return method if method.solver == "newton" else Method(method.link, unit=method.unit)


def solve(rows: Rows, fam: Family, method: Method, start: Array, few: Rows | None = None) -> Solution:
    """Maximise the likelihood of one model by the method's solver; ``few`` is a subsample, where there is one."""
    objective = Likelihood(rows, fam)
    if method.solver != "newton":
        products = rows.sum(kernels.column_products)
        total = float(rows.sum(kernels.totals)[0]) or 1.0
        first = standardising(products, _unit_constant(rows), rows.nobs), total
        return first_order(method.solver, objective, start, method.control, first, method.unit)
    if not fam.concave:
        return _best_of_starts(rows, fam, method, start)
    if method.control.max_iter is not None:  # every step counts
        return maximise(objective, start[None], method.control, unit=method.unit)
    near = approach(rows, fam, start, few, method.unit)
    found = maximise(objective, near.coef, method.control, unit=method.unit)
    if found.status[0] is Status.LIMIT and not found.n_iter[0]:  # a start so far out that no step is possible
        found = maximise(objective, flat_start(rows, fam)[None], method.control, unit=method.unit)
    return continued(near, found)


def _unit_constant(rows: Rows) -> Array | None:
    """The first column, as a combination of columns, when it is 1 in every row."""
    if not rows.width or rows.sum(kernels.count_ones) < rows.n:
        return None
    return np.asarray(np.eye(rows.width)[0])


def _best_of_starts(rows: Rows, fam: Family, method: Method, start: Array) -> Solution:
    """A likelihood that is not concave: climb from several starts, keep the highest."""
    flat = flat_start(rows, fam)
    smooth = solve(rows, family("logit"), method, flat).coef[0]
    slopes = smooth - flat
    starts = [start, np.zeros(len(start)), flat, flat + slopes * np.pi / 4, smooth, flat + slopes * _STEEPER]
    found = [maximise(Likelihood(rows, fam), at[None], method.control, unit=method.unit) for at in starts]
    done = [s for s in found if s.status[0] is Status.CONVERGED] or found
    top = max(float(s.terms.loglik[0]) for s in done)
    # of those that end on the same summit the first: rounding must not choose
    return next(s for s in done if float(s.terms.loglik[0]) >= top - _SAME_HEIGHT * abs(top))


def finished(rows: Rows, fam: Family, method: Method, solution: Solution) -> Solution:
    """No separation after all: let Newton finish the steps it was stopped at, as many as are left of those allowed."""
    left = left_of(method, solution)
    if solution.status[0] is Status.CONVERGED or method.solver != "newton" or left is None:
        return solution
    objective = Likelihood(rows, fam)
    found = resumed(solution, maximise(objective, solution.coef, left.control, patient=True, unit=left.unit))
    left = left_of(method, found)
    if found.status[0] is Status.CONVERGED or left is None:
        return found
    return maximise(objective, flat_start(rows, fam)[None], left.control, patient=True, unit=left.unit)


def left_of(method: Method, solution: Solution) -> Method | None:
    """The method with the steps that are left of those the user allows; None where there are none."""
    allowed, taken = method.control.max_iter, int(solution.n_iter[0])
    if allowed is None:
        return method
    return replace(method, control=replace(method.control, max_iter=allowed - taken)) if taken < allowed else None
