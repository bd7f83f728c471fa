"""A regularization path: from a sample of rows, and covariates beside it, to the record of a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from glminfer.data.beside import Beside, checked_against
from glminfer.data.design import Sample
from glminfer.errors import DataError, counted
from glminfer.fit.path_arguments import Spacing, checked_lambda, factors
from glminfer.fit.path_records import PathRecord, PathRows
from glminfer.numerics.binomial import count_constant, saturated_loglik
from glminfer.numerics.blocks import Array
from glminfer.numerics.elastic_net import Mixture, Near, PathSolution, default_lambdas, elastic_net_path
from glminfer.numerics.newton import Control
from glminfer.numerics.standardised import centred
from glminfer.numerics.threads import one_blas_thread

_NAMED = 8  # columns spelled out in a note
_LEAST, _EXPLAINED, _GAIN = 5, 0.999, 1e-5  # of the end of a default sequence: glmnet's mnlam, devmax and fdev


@dataclass(frozen=True, slots=True)
class Penalised:
    """How a path is penalised and solved.

    Attributes
    ----------
    l1_ratio : float
    factor : dict, array or None
        Penalty factors as given.
    standardize : bool
    spacing : Spacing
    control : Control
    """

    l1_ratio: float
    factor: Any
    standardize: bool
    spacing: Spacing
    control: Control


def fit_path(sample: Sample, covariates: Beside | None, how: Penalised, call: Mapping[str, Any]) -> PathRecord:
    """Fit the path of a sample and the covariates beside it.

    Raises
    ------
    DataError
        If nothing is there to be penalised, or a covariate has the name of a column of the formula.
    """
    names = _names(sample, covariates)
    rows = _rows(sample, covariates)
    mixture = Mixture(how.l1_ratio, factors(how.factor, names), how.standardize, sample.design.has_intercept)
    solution = _solved(sample, rows, mixture, how)
    constant = count_constant(sample.y, sample.weights, sample.trials)
    return PathRecord(
        design=sample.design,
        names=names,
        covariates=covariates.names if covariates is not None else (),
        mixture=mixture,
        control=how.control,
        solution=solution,
        nobs=int(np.count_nonzero(sample.weights)),
        n_dropped=sample.n_dropped,
        total=float(sample.weights.sum()),
        count_constant=float(constant),
        saturated_loglik=float(saturated_loglik(sample.y, sample.weights, sample.trials) + constant),
        grouped=sample.trials is not None,
        notes=(*sample.notes, *_column_notes(names, solution), *_solver_notes(solution)),
        rows=rows,
        sample=sample,
        call=call,
    )


def _names(sample: Sample, covariates: Beside | None) -> tuple[str, ...]:
    own = sample.design.columns[int(sample.design.has_intercept) :]
    if covariates is not None:
        checked_against(covariates.names, own)
        own = (*own, *covariates.names)
    if not own:
        raise DataError(
            f"{sample.design.formula.text!r} has no columns to penalise; write them into the formula ('choice ~ .'), "
            "or give them with covariates=."
        )
    if "Intercept" in own:
        raise DataError(
            "A penalised column is called Intercept, as is the constant of a path in its tables. Leave the column out "
            "(a formula has a constant of its own unless '- 1' is in it), or rename it."
        )
    return own


def _rows(sample: Sample, covariates: Beside | None) -> PathRows:
    """The penalised columns side by side; nothing is copied where one source has them all."""
    own = sample.X[:, int(sample.design.has_intercept) :]
    parts = [own] if own.shape[1] else []
    if covariates is not None:
        parts.append(covariates.rows(sample.used))
    X = parts[0] if len(parts) == 1 else np.column_stack(parts)
    shift = np.zeros(X.shape[1])
    if sample.design.has_intercept:
        X, shift = centred(X, sample.weights)
    return PathRows(X, shift, sample.y, sample.weights, sample.offset)


def _solved(sample: Sample, rows: PathRows, mixture: Mixture, how: Penalised) -> PathSolution:
    """The path in the columns as given."""
    arrays, spaced = (rows.X, rows.y, rows.weights, rows.offset), how.spacing
    if spaced.lambdas is not None:
        lambdas = spaced.lambdas
    elif spaced.Cs is not None:
        lambdas = 1.0 / (rows.weights.sum() * spaced.Cs)  # (69)
    else:
        lambdas = default_lambdas(*arrays, mixture, spaced.n_lambdas, spaced.lambda_min_ratio)
    saturated = float(saturated_loglik(sample.y, sample.weights, sample.trials))
    enough = _Enough(saturated) if spaced.stop_early else None
    return _unshifted(elastic_net_path(*arrays, mixture, lambdas, how.control, enough), rows)


def _unshifted(solution: PathSolution, rows: PathRows) -> PathSolution:
    if not rows.shift.any():
        return solution
    return replace(solution, intercept=solution.intercept - solution.coef @ rows.shift)


@dataclass(frozen=True, slots=True)
class _Enough:
    """glmnet's rule for the end of a default sequence."""

    saturated: float

    def __call__(self, loglik: Array, null: float) -> bool:
        """Whether the deviance is explained, or another λ explains hardly more of it."""
        ratio = (loglik - null) / (self.saturated - null)
        if len(ratio) < _LEAST:
            return False
        return bool(ratio[-1] > _EXPLAINED or ratio[-1] - ratio[-2] < _GAIN)


def _column_notes(names: tuple[str, ...], solution: PathSolution) -> list[str]:
    still = [names[j] for j in np.flatnonzero(~solution.varies)]
    if not still:
        return []
    named = ", ".join(still[:_NAMED]) + (f" and {len(still) - _NAMED:,} more" if len(still) > _NAMED else "")
    return [f"constant, so their coefficients stay zero: {named}"]


def _solver_notes(solution: PathSolution) -> list[str]:
    if solution.converged.all():
        return []
    count, worst = int((~solution.converged).sum()), float(solution.kkt.max())
    return [f"not at the optimum at {count:,} of {counted(len(solution.kkt), 'λ')}: violation up to {worst:.1e}"]


def coef_at(path: PathRecord, lambda_: float) -> pd.Series:
    """What are the coefficients at one λ? Solved there, from the nearest solution of the path.

    A λ of the path gives the coefficients of the path; any other is solved to the same tolerance, never interpolated.

    Parameters
    ----------
    lambda_ : float
        The penalty; ``1/(Σw C)`` for scikit-learn's C.

    Returns
    -------
    Series
        Coefficients by name, the intercept first.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> path.coef_at(0.05).index.tolist()
    ['Intercept', 'contrast_left', 'contrast_right']
    """
    constant, coef = coefficients(path, lambda_)
    if not path.mixture.intercept:
        return pd.Series(coef, index=list(path.names), name="coef")
    return pd.Series(np.append(constant, coef), index=["Intercept", *path.names], name="coef")


def coefficients(path: PathRecord, lambda_: Any) -> tuple[float, Array]:
    """Intercept and coefficients (p,) at one λ."""
    wanted, found = checked_lambda(lambda_), path.solution
    at = np.flatnonzero(np.isclose(found.lambdas, wanted, rtol=1e-12, atol=0))
    if not at.size:
        found, at = _solved_at(path, wanted), np.array([0])
    return float(found.intercept[at[0]]), found.coef[at[0]].copy()


def _solved_at(path: PathRecord, lambda_: float) -> PathSolution:
    """One more λ, from the next larger one of the path."""
    rows, found = path.with_rows()[0], path.solution
    larger = np.flatnonzero(found.lambdas > lambda_)
    near = None
    if larger.size:
        k = larger[-1]
        near = Near(found.lambdas[k], found.intercept[k] + found.coef[k] @ rows.shift, found.coef[k])
    arrays = (rows.X, rows.y, rows.weights, rows.offset)
    with one_blas_thread():
        solution = elastic_net_path(*arrays, path.mixture, np.array([lambda_]), path.control, near=near)
    return _unshifted(solution, rows)
