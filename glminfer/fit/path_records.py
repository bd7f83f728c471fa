"""What a path is: a frozen record of elastic-net fits at many penalties, with the rows it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from glminfer.data.design import Design, Sample
from glminfer.errors import RowsNeededError, Status
from glminfer.numerics.blocks import Array
from glminfer.numerics.elastic_net import Mixture, PathSolution, problem_of
from glminfer.numerics.newton import Control
from glminfer.numerics.path_degrees import effective_df


@dataclass(frozen=True, slots=True, eq=False)
class PathRows:
    """The used rows of a path.

    Attributes
    ----------
    X : (n, p)
        The penalised columns less ``shift``; a view of the covariates given where no row and no shift is taken off.
    shift : (p,)
        Zero unless the means are so far from zero that digits would be lost.
    y, weights, offset : (n,)
        Outcome in [0, 1], prior weight times trials, known part of the linear predictor.
    """

    X: Array
    shift: Array
    y: Array
    weights: Array
    offset: Array


@dataclass(frozen=True, eq=False)
class PathRecord:
    """Elastic-net fits of one formula at L penalties (n rows, p penalised columns).

    Attributes
    ----------
    design : Design
        How the formula becomes numbers.
    names : (p,) tuple of str
        The penalised columns: those of the formula, then the covariates beside it.
    covariates : tuple of str
        The covariates beside the formula; empty without any.
    mixture : Mixture
        l1_ratio, penalty factors as given, standardize, intercept.
    control : Control
    solution : PathSolution
        λ (largest first), intercepts, coefficients (L, p), log-likelihoods, violations of optimality.
    nobs, n_dropped : int
        Rows of positive weight; rows left out for missing values.
    total : float
        Sum of the weights: C = 1/(total λ).
    count_constant, saturated_loglik : float
        As in a fit: binomial coefficients, and the log-likelihood of one mean per row.
    grouped : bool
        Whether the outcome counts trials.
    notes : tuple of str
    rows : PathRows or None
        None after a pickle.
    sample : Sample or None
    call : dict
        The arguments.
    """

    made_by: ClassVar[tuple[str, ...]] = ("gi.logit_path",)

    design: Design
    names: tuple[str, ...]
    covariates: tuple[str, ...]
    mixture: Mixture
    control: Control
    solution: PathSolution
    nobs: int
    n_dropped: int
    total: float
    count_constant: float
    saturated_loglik: float
    grouped: bool
    notes: tuple[str, ...]
    rows: PathRows | None
    sample: Sample | None
    call: Mapping[str, Any]

    @property
    def lambdas(self) -> Array:
        """The penalties, the largest first, (L,)."""
        return np.array(self.solution.lambdas)

    @property
    def Cs(self) -> Array:
        """The same in scikit-learn's units, C = 1/(Σw λ) (69)."""
        everywhere = np.full(len(self.lambdas), np.inf)
        return np.asarray(np.divide(1.0, self.total * self.lambdas, out=everywhere, where=self.lambdas > 0))

    @property
    def loglik(self) -> Array:
        """Log-likelihoods with the binomial coefficients, (L,)."""
        return np.asarray(self.solution.loglik + self.count_constant)

    @property
    def deviance(self) -> Array:
        """Deviances, (L,) (27)."""
        return np.asarray(2 * (self.saturated_loglik - self.loglik))

    @property
    def null_deviance(self) -> float:
        """Deviance of the intercept (and offset) alone."""
        return 2 * (self.saturated_loglik - self.solution.null_loglik - self.count_constant)

    @property
    def dev_ratio(self) -> Array:
        """The part of the null deviance explained, (L,)."""
        return np.asarray(1 - self.deviance / self.null_deviance)

    @property
    def n_nonzero(self) -> NDArray[np.intp]:
        """Coefficients different from zero, the intercept not counted, (L,)."""
        return np.asarray(np.count_nonzero(self.solution.coef, axis=1))

    @cached_property
    def df(self) -> Array:
        """Effective degrees of freedom, the intercept included, (L,) (68)."""
        if self.mixture.l1_ratio == 1:
            return np.asarray(self.n_nonzero + float(self.mixture.intercept))
        rows = self.with_rows()[0]
        problem = problem_of(rows.X, rows.y, rows.weights, rows.offset, self.mixture)
        constant = [len(self.names)] if self.mixture.intercept else []
        active = [np.append(np.flatnonzero(coef), constant).astype(np.intp) for coef in self.solution.coef]
        return effective_df(problem, self.lambdas, active, list(self._etas(rows)[:, problem.source.rows]))

    def _etas(self, rows: PathRows) -> Array:
        """Linear predictors of the used rows, (L, n)."""
        constants = self.solution.intercept + self.solution.coef @ rows.shift
        return np.asarray(self.solution.coef @ rows.X.T + constants[:, None] + rows.offset)

    @property
    def status(self) -> Status:
        """Converged where every λ is at its optimum."""
        return Status.CONVERGED if self.solution.converged.all() else Status.LIMIT

    def with_rows(self) -> tuple[PathRows, Sample]:
        """The rows and the sample, or an error that says how to get them back."""
        if self.rows is None or self.sample is None:
            raise RowsNeededError(
                "This path was unpickled without its rows, which are needed here. Fit it again with gi.logit_path."
            )
        return self.rows, self.sample

    def __copy__(self) -> PathRecord:
        """Itself: nothing of it changes."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> PathRecord:
        """Itself: nothing of it changes."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the rows and the data."""
        df = self.df if self.rows is not None else self.__dict__.get("df")
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**kept, "rows": None, "sample": None, "call": {}, "df": df}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
