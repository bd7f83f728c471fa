"""The front door to regularization paths: the function that fits one, and the class it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import pandas as pd

from glminfer.data.beside import beside
from glminfer.data.design import learn
from glminfer.data.dictionaries import kept
from glminfer.errors import InputError, checked_keywords
from glminfer.fit.caller import names_around, warn_of_limit
from glminfer.fit.path import Penalised, coef_at, fit_path
from glminfer.fit.path_arguments import N_LAMBDAS, checked_ratio, spacing
from glminfer.fit.path_records import PathRecord
from glminfer.inference import debiased, path_prediction
from glminfer.numerics.newton import Control, refuse_unused
from glminfer.numerics.threads import one_blas_thread
from glminfer.report import path_summary, path_tables, plots_path

_RESPONSE_ARGUMENTS = ("weights", "trials", "offset", "subset", "missing", "event", "env")


@checked_keywords
def logit_path(
    formula: str,
    data: Any,
    *,
    l1_ratio: float = 1.0,
    lambdas: Sequence[float] | None = None,
    Cs: Sequence[float] | None = None,
    n_lambdas: int = N_LAMBDAS,
    lambda_min_ratio: float | None = None,
    stop_early: bool = False,
    standardize: bool = True,
    penalty_factor: Mapping[str, float] | Sequence[float] | None = None,
    covariates: Any = None,
    weights: Any = None,
    trials: Any = None,
    offset: Any = None,
    subset: Any = None,
    missing: Literal["drop", "raise"] = "drop",
    event: Any = None,
    control: Control | None = None,
    env: Mapping[str, Any] | None = None,
) -> Path:
    """How do the coefficients change as a penalty is relaxed? Fit a logistic regression at many penalties.

    At each λ the minimum of -ℓ(b)/Σw + λ Σ c_j [(1 - l1_ratio)/2 b_j² + l1_ratio abs(b_j)] (60), with the conventions
    of glmnet. There may be more columns than rows.

    Parameters
    ----------
    formula : str
        As in `logit`; ``"choice ~ ."`` takes every other column, ``"choice ~ 1"`` leaves them to ``covariates``.
    data : frame
    l1_ratio : float
        0 is the ridge, 1 the lasso, between is the elastic net.
    lambdas : sequence of float, optional
        Penalties to solve at, in any order; all are returned, the largest first.
    Cs : sequence of float, optional
        The same in scikit-learn's units, C = 1/(Σw λ) (69).
    n_lambdas, lambda_min_ratio
        The default sequence: so many λ, evenly spaced on the log scale, from the smallest without a coefficient (62) to
        this part of it; 1e-4 where there are more rows than columns, else 1e-2.
    stop_early : bool
        End the default sequence where the deviance hardly falls any more, as glmnet does: when 99.9 % of it is
        explained, or one more λ adds less than 1e-5 to that part.
    standardize : bool
        Whether the penalty is on the coefficients of columns divided by their standard deviation; the coefficients
        returned belong to the columns as they are.
    penalty_factor : dict or sequence, optional
        c_j by column name (1 for the others), or one for each column; rescaled to sum to the number of columns. 0
        leaves a column without penalty.
    covariates : frame, dict of columns or array (n, k), optional
        More columns of numbers, beside those of the formula, without a name in it for each. A pandas frame goes by its
        index; the columns of an array are called x0, x1, …
    weights, trials, offset, subset, missing, event, env
        As in `logit`.
    control : Control, optional
        ``tol`` bounds the violation of optimality (61) at every λ, on the scale of the objective (1e-10 by default; in
        proportion to λ below 1e-4); ``max_iter`` bounds the Newton steps at one λ.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the formula, the data, the outcome or an option cannot be used.

    Warns
    -----
    ConvergenceWarning
        If some λ were left before their optimum.

    References
    ----------
    Friedman, Hastie & Tibshirani (2010), Journal of Statistical Software 33(1).

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1, n_neurons=40)
    >>> path = gi.logit_path("choice ~ . - mouse - session - reaction_time - feedback", trials)
    >>> len(path.lambdas), int(path.n_nonzero[0])
    (100, 0)
    """
    options = {name: value for name, value in locals().items() if name in _RESPONSE_ARGUMENTS}
    spaced = spacing(lambdas, Cs, n_lambdas, lambda_min_ratio, stop_early)
    how = Penalised(checked_ratio(l1_ratio), penalty_factor, bool(standardize), spaced, _checked_control(control))
    data, options = kept(data), kept(options)
    call = {"formula": formula, "data": data, "covariates": covariates, "spacing": spaced, **options}
    with one_blas_thread():
        more = None if covariates is None else beside(covariates, data)
        also = [] if more is None else more.incomplete()
        sample = learn(formula, data, **options, caller=names_around(), also=also)
        path = fit_path(sample, more, how, call)
    warn_of_limit(path)
    return Path(**{f.name: getattr(path, f.name) for f in fields(path)})


def _checked_control(control: Control | None) -> Control:
    refuse_unused(control, "a path, which keeps dense columns", ("compress", "coded"))
    if control is not None and control.step_size is not None:
        raise InputError("Control(step_size=...) is for solver='gradient'; a path finds its own steps.")
    return control or Control()


class Path(PathRecord):
    """Logistic regressions of one formula at many penalties, and every question one can ask of them as a method.

    Attributes
    ----------
    formula, event : str
        What was fitted, and which outcome is modelled.
    lambdas, Cs : (L,)
        The penalties, the largest first, and the same in scikit-learn's units.
    kkt : (L,)
        The largest violation of the conditions of optimality at each λ (61).
    n_nonzero, dev_ratio, deviance, loglik, df : (L,)
        What `glance` shows.
    nobs, n_dropped : int
    notes : tuple of str

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> bool(path.kkt.max() <= 1e-10)
    True
    """

    tidy = path_tables.tidy
    glance = path_tables.glance
    summary = path_summary.summary
    predict = path_prediction.predict
    plot = plots_path.plot_path
    coef_at = coef_at
    debias = debiased.debias

    @property
    def formula(self) -> str:
        """The formula fitted."""
        return self.design.formula.text

    @property
    def event(self) -> str:
        """The outcome modelled."""
        return self.design.response.event

    @property
    def kkt(self) -> pd.Series:
        """The largest violation of the conditions of optimality by step (61)."""
        return pd.Series(self.solution.kkt.copy(), name="kkt")

    def __str__(self) -> str:
        return path_summary.summary(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return path_summary.summary(self).html
