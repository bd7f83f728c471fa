"""Single-term steps from a fit: what dropping or adding each term would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.nested import (
    Nested,
    everything,
    nested_fits,
    refuse_penalised,
    refuse_without_likelihood,
    span,
    stage_of,
    whole,
)
from glminfer.fit.records import FitRecord
from glminfer.fit.widening import Wider, stepwise
from glminfer.inference import terms as term_names
from glminfer.inference.deviance_wald import test_names
from glminfer.inference.likelihood import Comparison, ratio, score_comparison
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array

TESTS = ("LR", "score")
_REFUSALS = {"LR": refuse_without_likelihood, "score": refuse_penalised}


@checked_keywords
def drop1(fit: FitRecord, test: str = "LR") -> Table:
    """Which single term can go? Every term that no other term contains, dropped in turn (52).

    Parameters
    ----------
    test : {"LR", "score"}
        Likelihood ratio, or Rao's score at the smaller model.

    Returns
    -------
    DataFrame
        term, df, deviance and aic of the model without it, statistic, p_value. Terms inside an interaction are not
        dropped before it. Of a fit with ``penalty=gi.Firth()`` the tests compare maxima of its penalised likelihood
        (55); deviance and aic are those of the likelihood there.

    References
    ----------
    Chambers & Hastie (1992), Statistical Models in S, chapter 6; R's drop1.glm.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.logit("choice ~ contrast_left * contrast_right", trials).drop1().term.tolist()
    ['contrast_left:contrast_right']
    """
    _REFUSALS[one_of(test, TESTS, "test")](fit, "drop1")
    where = stage_of(fit)
    terms = [term for term in term_names.names(fit) if not term_names.relatives(fit, term)]
    spaces = [span(where, term_names.columns_without(fit, [term])) for term in terms]
    smalls = nested_fits(where, spaces)
    if test == "LR":
        found = [ratio(small, whole(fit)) for small in smalls]
    else:
        larger = everything(where)
        found = [score_comparison(where, s, (space, larger)) for s, space in zip(smalls, spaces, strict=True)]
    return headed(_table(fit, terms, smalls, found), _heading(fit, "Each term dropped", test))


@checked_keywords
def add1(fit: FitRecord, scope: str | Sequence[str], test: str = "LR") -> Table:
    """Which single term would help? Every term of the scope added in turn, on the rows of the fit (52).

    Parameters
    ----------
    scope : str or list of str
        The terms "a + b" or a list, or a formula "~ . + a*b", of which the terms are added that contain no other new
        one, as R's add1 does.
    test : {"LR", "score"}
        Likelihood ratio, or Rao's score at the fit itself (nothing is refitted for the test).

    Returns
    -------
    DataFrame
        term, df, deviance and aic of the model with it, statistic, p_value. Of a fit with ``penalty=gi.Firth()`` the
        tests compare maxima of the penalised likelihood of each model with the term added (55).

    Raises
    ------
    InputError
        If a term misses values in rows of the fit, or a formula lacks a term of the fit.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.logit("choice ~ contrast_left", trials).add1("contrast_right + C(mouse)").term.tolist()
    ['contrast_right', 'C(mouse)']
    """
    _REFUSALS[one_of(test, TESTS, "test")](fit, "add1")
    wider = stepwise(fit, scope)
    small = span(wider.stage, wider.columns_of(wider.old))
    spaces = [span(wider.stage, wider.columns_of([*wider.old, term])) for term in wider.added]
    base, *larges = nested_fits(wider.stage, [small, *spaces], within=[small, *spaces])
    _check_base(fit, base, wider)
    if test == "LR":
        found = [ratio(held, large) for held, large in zip(_held(wider, base, small, spaces), larges, strict=True)]
    else:
        found = [score_comparison(wider.stage, base, (small, space)) for space in spaces]
    return headed(_table(fit, wider.added, larges, found), _heading(fit, "Each term added", test))


def _held(wider: Wider, base: Nested, small: Array, spaces: Sequence[Array]) -> list[Nested]:
    """The smaller model of each comparison: the same in all, unless the penalty is that of the larger one (55)."""
    if wider.stage.penalty is None:
        return [base] * len(spaces)
    return nested_fits(wider.stage, [small] * len(spaces), within=spaces)


def _heading(fit: FitRecord, what: str, test: str) -> list[str]:
    return [f"{what}: {test_names(fit)[test]}, χ² reference", f"Model: {fit.design.formula.text} (AIC {fit.aic:,.2f})"]


def _check_base(fit: FitRecord, base: Nested, wider: Wider) -> None:
    """The old terms among the wider columns must be the fit itself (a coding may change when margins are added)."""
    if base.rank != fit.rank or not np.isclose(base.loglik, fit.loglik - fit.count_constant, rtol=1e-7, atol=1e-7):
        raise InputError(
            f"Adding {', '.join(wider.added)} changes how the terms of the fit are coded, so the fit is not nested in "
            "the wider model. Add the terms in a formula of your own and compare the fits by gi.anova(fit, wider)."
        )


def _table(fit: FitRecord, terms: Sequence[str], models: Sequence[Nested], found: Sequence[Comparison]) -> pd.DataFrame:
    saturated = fit.saturated_loglik - fit.count_constant
    loglik = np.array([model.loglik for model in models])
    rank = np.array([model.rank for model in models])
    columns: dict[str, Any] = {
        "term": list(terms),
        "df": [c.df for c in found],
        "deviance": 2 * (saturated - loglik),
        "aic": 2 * rank - 2 * (loglik + fit.count_constant),
        "statistic": [c.statistic if c.df else np.nan for c in found],
        "p_value": [c.p_value for c in found],
    }
    return pd.DataFrame(columns)
