"""Penalties: how an objective is maximised when it is not the likelihood alone.

A penalty is a frozen record that the user makes (`Penalty`). Posed on the columns of one design (`Posed`) it says in
which coordinates it is solved, and solves it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import newton
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.objectives import Likelihood, Summable, bias_reduction
from glminfer.numerics.rank import Basis, learn_basis

NO_PROGRESS = 0.98  # a decrement that falls by less than this close to the solution is at rounding level


@dataclass(frozen=True, slots=True)
class Columns:
    """What a penalty may know of the p columns of a design.

    Attributes
    ----------
    free : (p,) bool
        The intercept, which is never shrunk.
    constant : (p,) or None
        A combination of columns that is 1 in every row, when the design has one.
    """

    free: NDArray[np.bool_]
    constant: Array | None


class Posed(Protocol):
    """A penalty on the columns of one design."""

    @property
    def basis(self) -> Basis:
        """The working columns in which it is solved."""

    def maximise(self, rows: Summable, family: Family, start: Array, control: Control) -> Solution:
        """Solve m models from ``start`` (m, r); the terms returned are those of the likelihood alone."""


class Penalty(Protocol):
    """What a penalty must tell of itself."""

    @property
    def name(self) -> str:
        """What the summary calls it."""

    @property
    def algorithm(self) -> str:
        """What the summary calls its solver."""

    def no_likelihood(self, link: str) -> str:
        """Why the estimate is the maximum of no likelihood, and the way out; empty if it is the maximum of one."""

    def pose(self, rows: Summable, columns: Columns) -> Posed:
        """The problem on the design columns of these rows."""


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

    @property
    def algorithm(self) -> str:
        """What the summary calls its solver."""
        return "Fisher scoring"

    def no_likelihood(self, link: str) -> str:
        """Why the estimate is the maximum of no likelihood; empty for the logit."""
        if link == "logit":
            return ""
        return (
            f"Firth's bias reduction has a penalised likelihood for the logit link only, not for {link}. Use Wald "
            "statements (tidy, wald_test, confint(method='wald')), or refit without penalty=."
        )

    def pose(self, rows: Summable, columns: Columns) -> Posed:
        """The problem on the estimable columns."""
        return _Reduced(learn_basis(rows, len(columns.free), columns.constant))


@dataclass(frozen=True, slots=True)
class _Reduced:
    """Bias reduction on the working columns."""

    basis: Basis

    def maximise(self, rows: Summable, family: Family, start: Array, control: Control) -> Solution:
        """Solve the adjusted score equations of m models from ``start`` (m, r)."""
        return bias_reduced(rows, family, start, control)


def bias_reduced(rows: Summable, family: Family, start: Array, control: Control) -> Solution:
    """Firth's estimates of m models from ``start`` (m, r), all at once, each with a status of its own (31).

    The outcomes, weights and offsets of the rows have one column each, or one for each model. The terms returned are
    those of the likelihood at the estimates, without the penalty; the trace shows the penalised log-likelihood.
    """
    objective = bias_reduction(rows, family, start.shape[1])
    found = newton.maximise(objective, start, unhurried(control), patient=True, no_progress=NO_PROGRESS)
    trace = found.trace if objective.penalises else tuple(replace(step, loglik=np.nan) for step in found.trace)
    return replace(found, terms=Likelihood(rows, family)(found.coef), trace=trace)


def unhurried(control: Control) -> Control:
    """Many more steps than Newton needs: Fisher scoring gains its digits at a steady rate."""
    return replace(control, max_iter=control.limit(1000))


AnyPenalty: TypeAlias = Firth
PENALTIES = (Firth,)
