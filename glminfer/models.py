"""The front door: functions that fit, and the classes they return (a record with the verbs as methods)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from glminfer.data.design import learn
from glminfer.data.dictionaries import kept
from glminfer.data.formula import updated
from glminfer.errors import (
    DataError,
    InputError,
    checked_keywords,
    counted,
    one_of,
)
from glminfer.fit import autocorrelation
from glminfer.fit.caller import names_around, warn_about
from glminfer.fit.records import FitRecord, Lost
from glminfer.fit.single import fit_single
from glminfer.fit.solving import SOLVERS, Method, storage_of
from glminfer.inference import (
    covariance,
    deviance,
    diagnostics,
    hypotheses,
    intervals,
    lag_effects,
    likelihood,
    limits,
    multiplicity,
    nonlinear,
    permutation,
    prediction,
    score_tests,
    steps,
    wild,
)
from glminfer.numerics.families import FAMILIES
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import PENALTIES, AnyPenalty
from glminfer.numerics.threads import one_blas_thread
from glminfer.report import crosscheck, summary, tables

_RESPONSE_ARGUMENTS = ("weights", "trials", "offset", "subset", "missing", "event", "env")


@checked_keywords
def logit(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    trials: Any = None,
    offset: Any = None,
    subset: Any = None,
    missing: Literal["drop", "raise"] = "drop",
    event: Any = None,
    penalty: AnyPenalty | None = None,
    solver: Literal["newton", "bfgs", "lbfgs", "gradient"] = "newton",
    control: Control | None = None,
    env: Mapping[str, Any] | None = None,
    order: Any = None,
    by: Any = None,
) -> Fit:
    """How do covariates change the log-odds of the event? Fit a logistic regression.

    log(p / (1 - p)) = X b + offset, with b at the maximum of the likelihood (3), found by Newton's method (7).

    Parameters
    ----------
    formula : str
        R-style, ``"choice ~ contrast_left * contrast_right + C(mouse)"``. The left side is a 0/1, bool or two-label
        column, a condition, or ``cbind(successes, failures)``.
    data : frame
        A pandas DataFrame, any frame narwhals reads (polars, pyarrow, DuckDB, …), or a dict of arrays; for data larger
        than memory `parquet` files or a Dask DataFrame.
    weights : str, Series or array, optional
        Prior weights, as in R's glm: how often a row counts.
    trials : str, Series or array, optional
        Number of trials of each row, when the outcome is a proportion.
    offset : str, Series or array, optional
        A known part of the linear predictor.
    subset : str or mask, optional
        Rows to use: a condition such as ``"rt < 2"`` or a boolean mask.
    missing : {"drop", "raise"}
        What to do with rows that have missing values; dropped rows are counted in ``fit.notes``.
    event : optional
        The outcome value to model; by default 1, True, or the second label.
    penalty : Firth, Ridge or ElasticNet, optional
        ``gi.Firth()`` for bias-reduced estimates, finite under separation; ``gi.Ridge(0.1)`` for estimates shrunk
        towards zero, ``gi.ElasticNet(0.1)`` for some that are zero. Maximum likelihood by default.
    solver : {"newton", "bfgs", "lbfgs", "gradient"}
        How the maximum is found; all give the same estimate.
    control : Control, optional
        Tolerance and limits of the solver.
    env : dict, optional
        Functions used in the formula, by name.
    order, by : str, Series or array, optional
        Numbers that grow from row to row as they were recorded, and what tells sessions apart. If residuals follow each
        other in that order, ``fit.notes`` says so (98). By default a column "trial", with "session" if there is one,
        or an index of times.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        If the formula, the data or the outcome cannot be used; the message names what and the way out.

    Warns
    -----
    SeparationWarning
        If some estimates are infinite (15).
    ConvergenceWarning
        If the solver stopped before the maximum.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, chapter 4.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> fit.converged
    True
    """
    options = {name: value for name, value in locals().items() if name in _RESPONSE_ARGUMENTS}
    return _fit(formula, data, _method("logit", solver, control, penalty), options, {"order": order, "by": by})


@checked_keywords
def glm(
    formula: str,
    data: Any,
    *,
    link: Literal["logit", "probit", "cloglog", "loglog", "cauchit"] = "logit",
    weights: Any = None,
    trials: Any = None,
    offset: Any = None,
    subset: Any = None,
    missing: Literal["drop", "raise"] = "drop",
    event: Any = None,
    penalty: AnyPenalty | None = None,
    solver: Literal["newton", "bfgs", "lbfgs", "gradient"] = "newton",
    control: Control | None = None,
    env: Mapping[str, Any] | None = None,
    order: Any = None,
    by: Any = None,
) -> Fit:
    """How do covariates change the probability of the event, on another link? Fit a binomial GLM.

    p = F(X b + offset) with F the inverse of ``link``; everything else is as in `logit`.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
        The link function.
    formula, data, weights, trials, offset, subset, missing, event, penalty, solver, control, env, order, by
        As in `logit`.

    Returns
    -------
    Fit

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.glm("choice ~ contrast_right", trials, link="probit").converged
    True
    """
    options = {name: value for name, value in locals().items() if name in _RESPONSE_ARGUMENTS}
    return _fit(formula, data, _method(link, solver, control, penalty), options, {"order": order, "by": by})


def _method(link: str, solver: str, control: Control | None, penalty: AnyPenalty | None) -> Method:
    one_of(link, FAMILIES, "link")
    one_of(solver, SOLVERS, "solver")
    if not isinstance(control, Control | None):
        raise InputError(f"control={control!r} is not a gi.Control; write control=gi.Control(max_iter=50).")
    if penalty is not None and not isinstance(penalty, PENALTIES):
        known = ", ".join(f"gi.{kind.__name__}" for kind in PENALTIES)
        raise InputError(f"penalty={penalty!r} is not a penalty; choose one of: {known}, as in penalty=gi.Firth().")
    if control is not None and control.step_size is not None and solver != "gradient":
        raise InputError(f"Control(step_size=...) is for solver='gradient'; solver={solver!r} finds its own steps.")
    if penalty is not None and solver != "newton":
        raise InputError(f"solver={solver!r} is for maximum likelihood; leave it out with penalty=.")
    return Method(link, solver, control or Control(), None if penalty is None else penalty.simplest)


def _fit(formula: str, data: Any, method: Method, options: dict[str, Any], recorded: dict[str, Any]) -> Fit:
    data, options, recorded = (kept(given) for given in (data, options, recorded))
    how = {name: getattr(method, name) for name in ("link", "solver", "control", "penalty")}
    call = {"formula": formula, "data": data, **how, **options, **recorded}
    with one_blas_thread():
        sample = learn(formula, data, **options, caller=names_around(), storage=storage_of(method))
        record = autocorrelation.noted(fit_single(sample, method, call))
    warn_about(record)
    return as_fit(record)


def _refitted(fit: FitRecord, data: Any, options: dict[str, Any]) -> Fit:
    """The same model from its data; functions of the formula come from the fit."""
    call = {**fit.call, **options, "data": data}
    method = Method(fit.family.link, fit.solver, fit.control, fit.penalty)
    with one_blas_thread():
        given = {**options, "env": dict(fit.design.scope.env), "storage": storage_of(method)}
        sample = learn(fit.design.formula.text, data, **given)
        again = fit_single(sample, method, call)
    return as_fit(replace(again, notes=fit.notes))  # which an order that was lost with the pickle may have made


def _difference(again: FitRecord, fit: FitRecord) -> str:
    """What tells two fits apart; empty when nothing but rounding does."""
    if again.columns != fit.columns:
        return f"they give the columns {', '.join(again.columns)}, where the fit has {', '.join(fit.columns)}"
    if again.nobs != fit.nobs or not np.isclose(again.loglik, fit.loglik, rtol=1e-8):
        return (
            f"{counted(again.nobs, 'row')} with log-likelihood {again.loglik:.6g}, where the fit has "
            f"{counted(fit.nobs, 'row')} and {fit.loglik:.6g}"
        )
    error = np.nan_to_num(covariance.standard_errors(fit, covariance.shown_covariance(fit)))
    unit = np.where(fit.finite, np.maximum(np.abs(fit.values) + error, np.finfo(float).tiny), 1.0)
    apart = ~np.isclose(again.values / unit, fit.values / unit, rtol=0, atol=1e-6, equal_nan=True)
    told = [
        f"{fit.columns[j]} is {again.values[j]:.6g}, where the fit has {fit.values[j]:.6g}"
        for j in np.flatnonzero(apart)
    ]
    return told[0] if told else ""


def as_fit(record: FitRecord) -> Fit:
    """The record with its verbs."""
    fit = object.__new__(Fit)  # all fields at once: frozen ones are slow to set one by one
    vars(fit).update(vars(record))
    return fit


class Fit(FitRecord):
    """A fitted logistic GLM: estimates, and every question one can ask of them as a method.

    Attributes
    ----------
    formula, event : str
        What was fitted, and which outcome is modelled.
    nobs, rank, df_resid, df_null : int
        Rows of positive weight, estimable coefficients, and degrees of freedom.
    coef : Series
        Estimates on the link scale: NaN where aliased, ±inf where separated.
    loglik, deviance, null_deviance, aic, bic : float
        Goodness of fit (27), (28).
    status : Status
        How the fit ended; ``converged`` is True only at a finite maximum.
    aliased : dict
        Aliased column and the relation that makes it redundant.
    notes : tuple of str
        Everything worth knowing about rows, levels and columns.
    trace : DataFrame
        The solver's steps.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> fit.coef.index.tolist()
    ['Intercept', 'contrast_left', 'contrast_right']
    """

    tidy = tables.tidy
    glance = tables.glance
    augment = tables.augment
    summary = summary.summary
    vcov = covariance.vcov
    confint = intervals.confint
    wald_test = hypotheses.wald_test
    lincom = hypotheses.lincom
    simultaneous = multiplicity.simultaneous
    delta = nonlinear.delta
    lag_effects = lag_effects.lag_effects
    predict = prediction.predict
    residuals = diagnostics.residuals
    score = prediction.score
    lr_test = likelihood.lr_test
    score_test = score_tests.score_test
    permutation_test = permutation.permutation_test
    wild_bootstrap_test = wild.wild_bootstrap_test
    anova = deviance.anova
    drop1 = steps.drop1
    add1 = steps.add1
    profile = limits.profile
    crosscheck = crosscheck.crosscheck

    @property
    def formula(self) -> str:
        """The formula fitted."""
        return self.design.formula.text

    @property
    def event(self) -> str:
        """The outcome modelled."""
        return self.design.response.event

    @property
    def coef(self) -> pd.Series:
        """Estimates by coefficient name."""
        return pd.Series(self.values.copy(), index=list(self.columns), name="coef")

    @property
    def trace(self) -> pd.DataFrame:
        """One row per step of the solver: step, loglik, max_abs_score, step_size, seconds.

        ``step_size`` is the fraction of the Newton step taken, the learning rate of gradient descent, or the length of
        a quasi-Newton move in standardised coordinates.
        """
        rows = [(s.loglik + self.count_constant, s.max_abs_score, s.step_size, s.seconds) for s in self.steps]
        table = pd.DataFrame(rows, columns=["loglik", "max_abs_score", "step_size", "seconds"])
        table.insert(0, "step", np.arange(len(rows)))
        return table

    @checked_keywords
    def update(self, change: str) -> Fit:
        """Refit with a changed formula; ``.`` stands for the old side, as in R.

        Parameters
        ----------
        change : str
            For example ``"~ . - x"`` or ``". ~ . + z"``.

        Examples
        --------
        >>> import glminfer as gi
        >>> trials = gi.datasets.simulate_session(seed=1)
        >>> gi.logit("choice ~ contrast_left + contrast_right", trials).update("~ . - contrast_left").rank
        2
        """
        self.with_rows()
        functions = {
            **self.design.scope.env,
            **(self.call["env"] or {}),
        }  # those of the formula, wherever it is updated
        return glm(**{**self.call, "formula": updated(self.formula, change), "env": functions})

    @checked_keywords
    def with_data(
        self, data: Any, *, weights: Any = None, trials: Any = None, offset: Any = None, subset: Any = None
    ) -> Fit:
        """Give the rows back to an unpickled fit.

        Parameters
        ----------
        data : frame
            The data it was fitted to.
        weights, trials, offset, subset : optional
            Needed again only if they were given as arrays or Series, not by name.

        Raises
        ------
        DataError
            If these data do not give the same fit.

        Examples
        --------
        >>> import glminfer as gi, pickle
        >>> trials = gi.datasets.simulate_session(seed=1)
        >>> fit = pickle.loads(pickle.dumps(gi.logit("choice ~ contrast_right", trials)))
        >>> len(fit.with_data(trials).augment()) == len(trials)
        True
        """
        given = {"weights": weights, "trials": trials, "offset": offset, "subset": subset}
        options = {name: self.call[name] for name in _RESPONSE_ARGUMENTS}
        options |= {name: value for name, value in given.items() if value is not None}
        lost = [name for name, value in options.items() if value is Lost.ARGUMENT]
        if lost:
            raise DataError(
                f"{lost[0]}= was given as an array, which the pickle left behind; give it again: {lost[0]}=..."
            )
        again = _refitted(self, kept(data), kept(options))
        difference = _difference(again, self)
        if difference:
            raise DataError(f"These data do not give this fit: {difference}. Use the data it was fitted to.")
        return again

    def __str__(self) -> str:
        return summary.summary(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return summary.summary(self).html
