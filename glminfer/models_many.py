"""The front door to many models: functions that fit them, and the record they return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from glminfer.data.dictionaries import kept
from glminfer.errors import InputError, checked_keywords, counted, nearest
from glminfer.fit import autocorrelation
from glminfer.fit.caller import names_around
from glminfer.fit.many import fit_each, fit_many
from glminfer.fit.panels import FitsRecord
from glminfer.fit.shelves import IF_SEPARATED
from glminfer.fit.singles import refitted
from glminfer.inference import many_deviance, many_intervals, many_labels, many_tests, permutation
from glminfer.models import Fit, as_fit
from glminfer.numerics.newton import Control, refuse_unused
from glminfer.numerics.penalties import Firth
from glminfer.numerics.threads import one_blas_thread
from glminfer.report import many_summary, many_tables, plots_many


@checked_keywords
def logit_many(
    rhs: str,
    data: Any,
    *,
    outcomes: Any,
    names: Sequence[str] | None = None,
    by: Any = None,
    weights: Any = None,
    trials: Any = None,
    offset: Any = None,
    subset: Any = None,
    missing: Literal["drop", "raise"] = "drop",
    event: Any = None,
    penalty: Firth | Literal["firth_if_separated"] | None = None,
    control: Control | None = None,
    env: Mapping[str, Any] | None = None,
) -> Fits:
    """Which of many outcomes depend on the same covariates? One design, a logistic regression for each outcome.

    All models advance together: an iteration costs one matrix product (84), not one fit after another.

    Parameters
    ----------
    rhs : str
        The right side of a formula, ``"contrast_left + contrast_right + C(feedback)"``.
    data : frame
        The covariates, as in `logit`.
    outcomes : frame, array or list of str
        One column per model: 0/1, bool, or two labels. A pandas frame goes by its index, anything else by position; a
        list names columns of the data. Missing outcomes leave the row out of that model only.
    names : list of str, optional
        Names of the columns of an array.
    by : str, Series or array, optional
        A grouping column: every model is fitted in each group of rows.
    weights, trials, offset, subset, missing, env
        As in `logit`, for all models; with ``trials`` the outcomes are proportions.
    event : optional
        The value to model, the same in every outcome.
    penalty : Firth, "firth_if_separated" or None
        ``gi.Firth()`` reduces the bias of all models; "firth_if_separated" of those whose maximum likelihood
        estimate is infinite, which their status says.
    control : Control, optional
        Tolerance and limits of the solver; ``compress`` and ``coded`` belong to single fits and are refused.

    Returns
    -------
    Fits
        One model per outcome (and group). A model that cannot be fitted has a status; it raises nothing, and changes
        nothing in the others.

    Raises
    ------
    InputError
        If the formula or the data cannot be used, or a column is no outcome.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=30, seed=1)
    >>> spiked = trials.filter(regex="^n") > 0
    >>> fits = gi.logit_many("contrast_left + contrast_right", trials, outcomes=spiked)
    >>> len(fits), fits["n007"].converged
    (30, True)
    """
    call = {name: kept(value) for name, value in locals().items() if name in _ARGUMENTS}
    call |= {"data": kept(data), "penalty": checked_penalty(penalty)}
    refuse_unused(control, "many models, which share their columns", _SINGLE)
    with one_blas_thread():
        return as_fits(fit_many(rhs, call["data"], outcomes, names, call, names_around()))


@checked_keywords
def logit_each(
    formula: str,
    data: Any,
    *,
    covariates: Any = None,
    names: Sequence[str] | None = None,
    by: Any = None,
    weights: Any = None,
    trials: Any = None,
    offset: Any = None,
    subset: Any = None,
    missing: Literal["drop", "raise"] = "drop",
    event: Any = None,
    penalty: Firth | Literal["firth_if_separated"] | None = None,
    control: Control | None = None,
    env: Mapping[str, Any] | None = None,
) -> Fits:
    """Which of many candidates improve one model? The formula with each of them added, one logistic regression each.

    What the models share is computed once; a candidate borders it (86).

    Parameters
    ----------
    formula : str
        ``"feedback ~ contrast_left * contrast_right"``; each candidate is added to it, or stands where ``{x}`` is:
        ``"choice ~ contrast * {x}"``.
    data : frame
        Outcome and shared covariates, as in `logit`.
    covariates : frame, array, list of str or dict, optional
        One column per model. A pandas frame goes by its index, anything else by position; a list names columns of the
        data. A dict of several columns each, ``{"VISp": ["n1", "n2"], ...}``, adds each group of candidates jointly.
        Bools count as 0 and 1; dates and objects are refused, in their row of the tables. A candidate's missing rows
        are left out of its model only. Without covariates the formula is fitted as it is in each group of ``by``.
    names : list of str, optional
        Names of the columns of an array.
    by : str, Series or array, optional
        A grouping column: every model is fitted in each group of rows. The design (levels, knots, means) is learned
        once, from all rows.
    weights, trials, offset, subset, missing, event, env
        As in `logit`.
    penalty, control
        As in `logit_many`.

    Returns
    -------
    Fits
        One model per candidate (and group). Tables call a candidate's coefficient by its name, and adjust p-values
        over all candidates. ``lr_test()`` tests what a candidate, or a group of them, adds.

    Raises
    ------
    InputError
        If the formula or the data cannot be used, or a candidate is in the formula already.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=30, seed=1)
    >>> counts = trials.filter(regex="^n")
    >>> fits = gi.logit_each("choice ~ contrast_left + contrast_right", trials, covariates=counts)
    >>> fits["n007"].coef.index.tolist()
    ['Intercept', 'contrast_left', 'contrast_right', 'n007']
    """
    call = {name: kept(value) for name, value in locals().items() if name in _ARGUMENTS}
    call |= {"data": kept(data), "penalty": checked_penalty(penalty)}
    refuse_unused(control, "many models, which share their columns", _SINGLE)
    with one_blas_thread():
        return as_fits(fit_each(formula, call["data"], covariates, names, call, names_around()))


_SINGLE = ("compress", "coded", "step_size")  # knobs of single fits
_ARGUMENTS = ("by", "weights", "trials", "offset", "subset", "missing", "event", "control", "env")


def checked_penalty(penalty: Firth | str | None) -> Firth | str | None:
    """A penalty many models know."""
    if penalty is None or penalty == Firth() or penalty == IF_SEPARATED:
        return penalty
    raise InputError(f"penalty={penalty!r} is not known here; use gi.Firth(), {IF_SEPARATED!r}, or None.")


def as_fits(record: FitsRecord) -> Fits:
    """The record with its verbs."""
    return Fits(**{f.name: getattr(record, f.name) for f in fields(record)})


class Fits(FitsRecord):
    """Many fitted logistic regressions, as arrays over models; ``fits["n007"]`` is one of them as a `Fit`.

    Attributes
    ----------
    names : list
        The key of every model: its outcome or covariate, its group, or both as a pair.
    coef : DataFrame
        Estimates, one row per model.
    status : Series
        How each model ended.
    notes : tuple of str
        What all models share: rows, levels, aliased columns.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=3, seed=1)
    >>> fits = gi.logit_many("contrast_right", trials, outcomes=trials.filter(regex="^n") > 0)
    >>> fits.names
    ['n000', 'n001', 'n002']
    """

    tidy = many_tables.tidy
    glance = many_tables.glance
    lr_test = many_tests.lr_test
    score_test = many_tests.score_test
    anova = many_deviance.anova
    confint = many_intervals.confint
    plot_volcano = plots_many.plot_volcano
    plot_p_values = plots_many.plot_p_values
    plot_by_area = plots_many.plot_by_area
    permutation_test = permutation.permutation_test

    @property
    def names(self) -> list[Any]:
        """The key of every model, in order."""
        return many_labels.names(self)

    @property
    def status(self) -> pd.Series:
        """How each model ended."""
        return pd.Series(np.concatenate([p.found.status for p in self.panels]), index=self._index(), name="status")

    @property
    def coef(self) -> pd.DataFrame:
        """Estimates: one row per model, one column per coefficient."""
        parts = [pd.DataFrame(p.found.values, columns=list(p.columns)) for p in self.panels]
        table = pd.concat(parts, ignore_index=True)
        table.index = self._index()
        return table

    def _index(self) -> pd.Index:
        columns = many_labels.first_columns(self, [1] * len(self.panels))
        if len(columns) == 1:
            return pd.Index(*columns.values(), name=next(iter(columns)))
        return pd.MultiIndex.from_arrays(list(columns.values()), names=list(columns))

    def __getattr__(self, name: str) -> Any:
        """An error that says where to find it; not there yet while a pickle is read."""
        if name.startswith("_") or "panels" not in vars(self):
            raise AttributeError(name)
        offered = sorted(verb for verb in vars(Fits) if not verb.startswith("_"))
        raise AttributeError(
            f"{counted(len(self), 'model')} together have no {name!r}.{nearest(name, offered)} What belongs to one "
            f"fit is asked of it, such as fits[{self.names[0]!r}]; all together have: {', '.join(offered)}."
        )

    def __iter__(self) -> Iterator[Any]:
        return iter(self.names)

    def __contains__(self, key: Any) -> bool:
        return key in self.names

    def __getitem__(self, key: Any) -> Fit:
        panel, k = many_labels.located(self, key)
        with one_blas_thread():
            return as_fit(autocorrelation.noted(refitted(self, panel, k)))

    def __repr__(self) -> str:
        return repr(many_summary.overview(self))

    def _repr_html_(self) -> str:
        return str(many_summary.overview(self)._repr_html_())  # type: ignore[operator]
