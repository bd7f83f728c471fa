"""Ridge regression: a quadratic penalty on the coefficients, for one model or many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from glminfer.errors import InputError, Status, checked_keywords
from glminfer.numerics import newton
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family, family
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.objectives import Likelihood, Ridged, Summable
from glminfer.numerics.posing import Columns, Peak, Posed, every_column
from glminfer.numerics.rank import Basis


def check_strength(lambda_: Any, example: str) -> None:
    """Refuse what is no strength of a penalty."""
    if isinstance(lambda_, bool) or not (isinstance(lambda_, Real) and 0 <= float(lambda_) < np.inf):
        raise InputError(f"lambda_={lambda_!r} must be a number, 0 or more, such as {example}.")


def check_switch(standardize: bool) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(standardize, bool):
        raise InputError(f"standardize={standardize!r} must be True or False.")


@dataclass(frozen=True, slots=True)
class Ridge:
    """A quadratic (L2) penalty on all coefficients but the intercept, for ``penalty=``.

    Minimises -ℓ(b)/Σw + λ/2 Σ b² (58). The estimate exists whatever the data are: under separation, with more columns
    than rows, with columns that depend on each other, of which none is aliased.

    Parameters
    ----------
    lambda_ : float
        Strength λ of the penalty on the scale of glmnet: beside the mean log-likelihood of a trial. scikit-learn's C is
        1/(λ Σw). 0 is maximum likelihood.
    standardize : bool
        Whether the penalty is on the coefficients of the columns divided by their standard deviations (with 1/n and the
        weights), as in glmnet. The coefficients are reported for the columns as they are.

    References
    ----------
    Le Cessie & van Houwelingen (1992), Appl. Stat. 41; Hastie, Tibshirani & Friedman (2009), section 3.4.

    Examples
    --------
    >>> import glminfer as gi
    >>> data = {"y": [0, 0, 0, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6]}
    >>> fit = gi.logit("y ~ x", data, penalty=gi.Ridge(0.1))
    >>> bool(fit.converged and 0 < fit.coef["x"] < 2)
    True
    """

    lambda_: float
    standardize: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no penalty."""
        check_strength(self.lambda_, "gi.Ridge(0.1)")
        check_switch(self.standardize)

    @property
    def name(self) -> str:
        """What the summary calls it."""
        return f"ridge (λ = {self.lambda_:.6g}{', on standardised columns' if self.standardize else ''})"

    @property
    def algorithm(self) -> str:
        """What the summary calls its solver."""
        return "Newton (IRLS)"

    @property
    def covariances(self) -> tuple[str, ...]:
        """Bayesian, and of repeated samples."""
        return ("bayes", "sandwich")

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing needs to be known before."""
        return ()

    @property
    def simplest(self) -> Ridge | None:
        """A penalty of zero is none."""
        return self if self.lambda_ else None

    def no_likelihood(self, _link: str, /) -> str:
        """Shrunken estimates are the maximum of no likelihood that tests could be made of."""
        return (
            f"{self.name} shrinks the estimates, so that twice a difference of log-likelihoods has no χ² distribution. "
            "Use Wald statements with a covariance that is named, such as confint(method='wald', cov='bayes') or "
            "wald_test(..., cov='sandwich'), or refit without penalty=."
        )

    def pose(self, rows: Summable, columns: Columns) -> Posed:
        """The problem on all columns."""
        basis, total, sizes = every_column(rows, columns)
        unit = sizes if self.standardize else np.ones_like(sizes)
        return _Shrunken(basis, np.where(columns.free, 0.0, self.lambda_ * total * unit**2))  # (58)


Ridge.__init__ = checked_keywords(Ridge.__init__)  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class _Shrunken:
    """A quadratic penalty on working coefficients: half the sum of ``shrinkage`` times their squares."""

    basis: Basis
    shrinkage: Array

    def maximise(self, rows: Summable, fam: Family, start: Array, control: Control) -> Peak:
        """Maximise the penalised likelihood from ``start`` (1, r)."""
        found = self._climb(rows, fam, start, control)
        if not fam.concave:  # the logit's estimate is another place to start from; the higher maximum is kept
            smooth = self._climb(rows, family("logit"), start, control).coef
            found = _higher(found, self._climb(rows, fam, smooth, control))
        return Peak(replace(found, terms=Likelihood(rows, fam)(found.coef)), self.shrinkage)

    def _climb(self, rows: Summable, fam: Family, start: Array, control: Control) -> Solution:
        return newton.maximise(Ridged(rows, fam, self.shrinkage), start, control, patient=True)


def _higher(one: Solution, other: Solution) -> Solution:
    """Model by model, the solution that is higher, or the one that is finished."""
    done = [np.array([status is Status.CONVERGED for status in found.status]) for found in (one, other)]
    better = np.where(done[0] == done[1], other.terms.loglik > one.terms.loglik, done[1])
    return replace(
        one,
        coef=np.where(better[:, None], other.coef, one.coef),
        status=tuple(b if pick else a for a, b, pick in zip(one.status, other.status, better, strict=True)),
        n_iter=np.where(better, other.n_iter, one.n_iter),
        decrement=np.where(better, other.decrement, one.decrement),
        trace=other.trace if better.all() else one.trace,
    )
