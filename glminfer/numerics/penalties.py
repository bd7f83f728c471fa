"""Penalties: how an objective is maximised when it is not the likelihood alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from glminfer.errors import Status
from glminfer.numerics import kernels, linalg
from glminfer.numerics.blocks import Array, Terms
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution, Step
from glminfer.numerics.objectives import Likelihood, Summable

_EPS = np.finfo(float).eps


@dataclass(frozen=True, slots=True)
class Firth:
    """Firth's bias reduction: finite estimates whatever the data, for ``penalty=``.

    Solves U(b) + ½ Σ h g x = 0 (31), with h the leverages and g = f'/f; for the logit this maximises the penalised
    log-likelihood ℓ(b) + ½ log det I(b). The estimate exists under separation too, and its bias is of second order.
    Standard errors come from the expected information at the estimate.

    References
    ----------
    Firth (1993), Biometrika 80; Kosmidis & Firth (2009), Biometrika 96; Heinze & Schemper (2002), Stat. Med. 21.

    Examples
    --------
    >>> import glminfer as gi
    >>> fit = gi.logit("y ~ x", {"y": [0, 0, 0, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6]}, penalty=gi.Firth())
    >>> bool(fit.converged and 0 < fit.coef["x"] < 5)
    True
    """

    @property
    def name(self) -> str:
        """What the summary calls it."""
        return "Firth's bias reduction"

    def maximise(self, rows: Summable, family: Family, start: Array, control: Control) -> Solution:
        """Solve the adjusted score equations of one model from ``start`` (p,)."""
        clock = time.perf_counter()
        point = _evaluate(rows, family, start)
        trace = [_step(point, 0.0, clock)]
        limit = control.limit(1000)
        while control.tol < point.decrement < np.inf and len(trace) <= limit:
            found, size = _advance(rows, family, point, control)
            if size == 0.0:
                break
            point = found
            trace.append(_step(point, size, clock))
        close = point.decrement <= max(control.tol, 1e-8 if len(trace) <= limit else 0.0)
        status = Status.CONVERGED if close else Status.LIMIT
        n_iter = np.array([len(trace) - 1])
        return Solution(point.coef[None], point.terms, (status,), n_iter, np.array([point.decrement]), tuple(trace))


@dataclass(frozen=True, slots=True)
class _Point:
    """One estimate, its adjusted score, the step it asks for and how far that is in standard errors."""

    coef: Array
    terms: Terms
    score: Array
    step: Array
    decrement: float
    penalised: float


def _evaluate(rows: Summable, family: Family, coef: Array) -> _Point:
    terms = Likelihood(rows, family)(coef[None])
    information = terms.information[0]
    covariance = linalg.inverse(information) if np.isfinite(information).all() else None
    if covariance is None:
        return _Point(coef, terms, terms.score[0], np.zeros_like(coef), np.inf, -np.inf)
    score = terms.score[0] + rows.sum(kernels.bias_score, coef[None], family, covariance)
    step = covariance @ score
    penalised = float(terms.loglik[0] - 0.5 * np.linalg.slogdet(covariance)[1])
    return _Point(coef, terms, score, step, float(np.sqrt(max(score @ step, 0.0))), penalised)


def _advance(rows: Summable, family: Family, point: _Point, control: Control) -> tuple[_Point, float]:
    """The next point and the fraction of the step taken; 0 when no fraction helps."""
    size = min(1.0, 5.0 / max(float(point.decrement), 1e-300) * np.sqrt(len(point.coef)))
    for _ in range(control.max_halvings):
        trial = _evaluate(rows, family, point.coef + size * point.step)
        if _better(trial, point, canonical=family.link == "logit"):
            return trial, size
        size /= 2
    return point, 0.0


def _better(trial: _Point, point: _Point, canonical: bool) -> bool:
    """A higher penalised likelihood where there is one (logit); a smaller adjusted score elsewhere."""
    if canonical and point.decrement > 1e-5:
        return bool(trial.penalised >= point.penalised - 8 * _EPS * abs(point.penalised))
    return trial.decrement < point.decrement


def _step(point: _Point, size: float, clock: float) -> Step:
    largest = float(np.abs(point.score).max(initial=0.0))
    return Step(point.penalised, largest, float(size), time.perf_counter() - clock)
