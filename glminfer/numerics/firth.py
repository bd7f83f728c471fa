"""Firth's bias reduction, for one model or many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import InputError, Status, checked_keywords, one_of
from glminfer.numerics import newton
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.objectives import Likelihood, Summable, bias_reduction
from glminfer.numerics.posing import Columns, Peak, Posed
from glminfer.numerics.rank import Basis, learn_basis

NO_PROGRESS = 0.98  # a decrement that falls by less than this close to the solution is at rounding level


@dataclass(frozen=True, slots=True, repr=False)
class Firth:
    """Firth's bias reduction: finite estimates whatever the data, for ``penalty=``.

    Solves U(b) + ½ Σ h g x = 0 (31), with h the leverages and g = f'/f; for the logit this maximises the penalised
    log-likelihood ℓ(b) + ½ log det I(b) (54). The estimate exists under separation too, and its bias is of second
    order. Standard errors come from the expected information at the estimate.

    Parameters
    ----------
    intercept : {"reduced", "corrected"}
        "corrected": the intercept is then estimated again, by maximum likelihood given the slopes, so that the mean
        fitted probability is the observed share of events (57), which Firth's is not; for predictions, logit only. The
        method is known as FLIC. The slopes are the same.

    Raises
    ------
    InputError
        If an intercept is to be corrected where there is none, or for another link than the logit.

    References
    ----------
    Firth (1993), Biometrika 80; Kosmidis & Firth (2009), Biometrika 96; Heinze & Schemper (2002), Stat. Med. 21; Puhr,
    Heinze, Nold, Lusa & Geroldinger (2017), Stat. Med. 36, for the corrected intercept.

    Examples
    --------
    >>> import glminfer as gi
    >>> data = {"y": [0, 0, 0, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6]}
    >>> fit = gi.logit("y ~ x", data, penalty=gi.Firth())
    >>> bool(fit.converged and 0 < fit.coef["x"] < 5)
    True
    """

    intercept: Literal["reduced", "corrected"] = "reduced"

    def __post_init__(self) -> None:
        """Refuse an unknown intercept."""
        one_of(self.intercept, ["reduced", "corrected"], "intercept")

    def __repr__(self) -> str:
        return "Firth()" if self.intercept == "reduced" else "Firth(intercept='corrected')"

    @property
    def name(self) -> str:
        """What the summary calls it."""
        return "Firth's bias reduction" + (", intercept corrected" if self.intercept == "corrected" else "")

    @property
    def algorithm(self) -> str:
        """What the summary calls its solver."""
        return "Newton on the adjusted score"

    @property
    def covariances(self) -> tuple[str, ...]:
        """Its estimates have the model's covariance."""
        return ("model",)

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing needs to be known before."""
        return ()

    @property
    def simplest(self) -> Firth:
        """Itself."""
        return self

    def no_likelihood(self, link: str, /) -> str:
        """Why the estimate is the maximum of no likelihood; empty for the logit."""
        if link != "logit":
            return (
                f"Firth's bias reduction has a penalised likelihood for the logit link only, not for {link}. Use Wald "
                "statements (tidy, wald_test, confint(method='wald')), or refit without penalty=."
            )
        if self.intercept == "corrected":
            return (
                "a corrected intercept is not at the maximum of the penalised likelihood. Ask the fit with "
                "penalty=gi.Firth(), which has the same slopes; or use Wald statements (tidy, wald_test, "
                "confint(method='wald'))."
            )
        return ""

    def pose(self, rows: Summable, columns: Columns) -> Posed:
        """The problem on the estimable columns."""
        basis = learn_basis(rows, len(columns.free), columns.constant)
        if self.intercept == "reduced":
            return _Reduced(basis)
        if columns.link != "logit":
            raise InputError(
                f"intercept='corrected' makes the mean fitted probability that of the outcomes for the logit link, not "
                f"for {columns.link}; use gi.Firth()."
            )
        if not columns.free.any():
            raise InputError("intercept='corrected' needs an intercept in the formula; use gi.Firth().")
        return _Reduced(basis, np.isin(basis.kept, np.flatnonzero(columns.free)))


Firth.__init__ = checked_keywords(Firth.__init__)  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class _Reduced:
    """Bias reduction on the working columns; ``corrected`` marks the intercept if it is to be estimated again."""

    basis: Basis
    corrected: NDArray[np.bool_] | None = None

    def maximise(self, rows: Summable, family: Family, start: Array, control: Control) -> Peak:
        """Solve the adjusted score equations from ``start`` (1, r)."""
        found = bias_reduced(rows, family, start, control)
        return Peak(found if self.corrected is None else _corrected(rows, family, found, self.corrected, control))


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


def _corrected(
    rows: Summable, family: Family, found: Solution, intercept: NDArray[np.bool_], control: Control
) -> Solution:
    """The intercept by maximum likelihood, all else held (57)."""
    along = intercept.astype(float)[:, None]
    again = newton.maximise(Likelihood(rows, family), found.coef, control, spaces=[along] * len(found.coef))
    both = zip(found.status, again.status, strict=True)
    status = tuple(first if first is not Status.CONVERGED else second for first, second in both)
    return replace(found, coef=again.coef, terms=again.terms, status=status)
