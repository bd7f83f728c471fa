"""Intervals of coefficients whose estimate is infinite: the values that a test of the limit does not reject (53).

As the coefficient goes to its infinity, the likelihood held there rises to that of the fit, so there is one finite end.
No standard error says where to look for it: the search straddles it in steps that double, then closes in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from glminfer.errors import Status
from glminfer.fit.nested import Nested, Stage, alone, complement, everything, stage_of
from glminfer.fit.records import FitRecord
from glminfer.inference.likelihood import score_comparison
from glminfer.numerics.blocks import Array

_DOUBLINGS = 100  # of a step that looks for an end: what is farther out is infinite
_NOTHING = 1e-10  # below the limit of the likelihood: residuals, and with them the score statistic, are zero
_HALVINGS = 12  # of the way to a value whose held maximum is not found from the nearest known one


@dataclass(slots=True)
class _Held:
    """Maxima of the likelihood with a functional of the working coefficients held at one value after another.

    Attributes
    ----------
    where : Stage
    space : (r, r - 1)
        Directions that leave the functional alone.
    onward : (r,)
        Along which it moves by 1, and towards its infinity the likelihood only rises.
    top : float
        Log-likelihood of the limit.
    enough : float
        A log-likelihood at which it need not be known whether it is the maximum.
    """

    where: Stage
    space: Array
    onward: Array
    top: float
    enough: float
    known: dict[float, Nested] = field(default_factory=dict)

    def at(self, value: float) -> Nested:
        """The maximum there, or a point that is high enough."""
        if value not in self.known:
            found = self._towards(value)
            for _ in range(_HALVINGS):
                if self.settled(found):
                    break
                middle = (self._nearest(value) + value) / 2
                self.known[middle] = self._towards(middle)
                found = max(found, self._towards(value), key=lambda one: one.loglik)
            self.known[value] = found
        return self.known[value]

    def settled(self, found: Nested) -> bool:
        """Whether this is the maximum, or high enough."""
        return found.status is not Status.LIMIT or found.loglik >= self.enough

    def likelihood_root(self, found: Nested) -> float:
        """√(2(ℓmax - ℓp)), (53)."""
        return float(np.sqrt(np.maximum(2 * (self.top - found.loglik), 0.0)))

    def score_root(self, found: Nested) -> float:
        """Root of the score statistic at the held maximum; zero where the rows say nothing more of the functional."""
        tested = score_comparison(self.where, found, (self.space, everything(self.where)))
        return float(np.sqrt(tested.statistic)) if tested.df else 0.0

    def _nearest(self, value: float) -> float:
        return min(self.known, key=lambda other: abs(other - value), default=0.0)

    def _towards(self, value: float) -> Nested:
        """From the nearest value that is known, and if that leads nowhere from where the predictor is flattest."""
        near, point = self._nearest(value), value * self.onward
        coef = self.known[near].coef if self.known else np.zeros_like(point)
        found = alone(self.where, self.space, point, coef + (value - near) * self.onward)
        if self.settled(found):
            return found
        again = alone(self.where, self.space, point, np.full_like(point, np.nan))
        return again if self.settled(again) or again.loglik > found.loglik else found


def one_sided(fit: FitRecord, functional: Array, sign: float, target: float, method: str) -> tuple[float, float]:
    """The interval of a coefficient whose estimate is ±inf, by the likelihood ratio ("profile") or the score (53).

    ``functional`` (r,) acts on the working coefficients of all rows; ``sign`` is that of the infinite estimate.
    NaN is an end that was not found.
    """
    where, top = stage_of(fit), fit.loglik - fit.count_constant
    space = complement(where, functional[None])
    enough = top - (target**2 / 2 if method == "profile" else _NOTHING)  # a lower bound of the maximum will do
    held = _Held(where, space, _onward(fit, functional, sign), top, enough)

    root = held.likelihood_root if method == "profile" else held.score_root

    def excess(value: float) -> float:
        found = held.at(value)
        reached = root(found) if held.settled(found) else np.nan
        if not np.isfinite(reached):
            raise _LostError
        return reached - target

    try:
        end = _end(excess, sign * float(np.abs(functional / where.scale).max()))
    except _LostError:
        end = float("nan")
    return (end, np.inf) if sign > 0 else (-np.inf, end)


class _LostError(Exception):
    """A held maximum was not found."""


def _onward(fit: FitRecord, functional: Array, sign: float) -> Array:
    """A direction (r,) along which the functional moves by 1, and towards its infinity the likelihood only rises."""
    from scipy.optimize import linprog

    assert fit.recession is not None
    assert fit.space is not None
    null, cone = fit.space.coordinates() @ fit.recession.null, fit.recession.cone
    moved = sign * functional @ null
    rows = np.column_stack([-cone, np.ones(len(cone))])  # cone @ v >= t, t as large as may be
    goal = np.append(np.zeros(null.shape[1]), -1.0)
    bounds = [(None, None)] * null.shape[1] + [(0.0, 1.0)]
    found = linprog(goal, rows, np.zeros(len(cone)), np.append(moved, 0.0)[None], [1.0], bounds, method="highs")
    v = found.x[:-1] if found.x is not None else np.linalg.lstsq(moved[None], np.ones(1), rcond=None)[0]
    return np.asarray(sign * null @ v)


def _end(excess: Callable[[float], float], step: float) -> float:
    """Where a function that falls in the direction of ``step`` is zero; infinite against it if it never is positive."""
    from scipy.optimize import brentq

    inner, outer, length = 0.0, -step, step
    for _ in range(_DOUBLINGS):  # a value that is compatible with the data, towards the infinite estimate
        if excess(inner) <= 0:
            break
        inner, outer, length = inner + length, inner, 2 * length
    else:
        raise _LostError
    for _ in range(_DOUBLINGS):  # and one that is not
        if excess(outer) > 0:
            return float(brentq(excess, min(inner, outer), max(inner, outer), xtol=1e-12 * abs(step), rtol=1e-12))
        inner, outer, length = outer, outer - length, 2 * length
    return float(-np.sign(step) * np.inf)
