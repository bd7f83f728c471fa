"""Score tests of terms, to add to a fit or of the fit itself (51)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.nested import Stage, everything, nested_fits, refuse_penalised, span, stage_of
from glminfer.fit.records import FitRecord
from glminfer.fit.widening import widened
from glminfer.inference import terms as term_names
from glminfer.inference.clusters import groupings
from glminfer.inference.likelihood import Comparison, one_row, score_comparison, score_meat
from glminfer.inference.table import Table
from glminfer.numerics.blocks import Array

_FEW = 10  # clusters


@dataclass(frozen=True, slots=True)
class _Asked:
    """The terms that are tested, what the table says of them, and the spaces of the models without and with them."""

    terms: Sequence[str]
    heading: str
    stage: Stage
    small: Array
    large: Array


@checked_keywords
def score_test(fit: FitRecord, terms: str | Sequence[str], cov: str = "model", cluster: Any = None) -> Table:
    """Would these terms improve the fit, or do they? Rao's score test at the estimate without them (51).

    Parameters
    ----------
    terms : str or list of str
        Terms to add: "z", "x:g + z", a list; no model with them is fitted. Or terms of the fit, which are dropped as in
        `lr_test`, so that the model without them is fitted instead.
    cov : {"model", "HC0", "CR0", "CR1"}
        Variance of the scores: from the information, or robust; with ``cluster`` CR1 is the default.
    cluster : str or array, optional
        Clusters within which rows may depend on each other.

    Returns
    -------
    DataFrame
        One row: hypothesis, statistic, df, p_value, test. df counts the columns that are independent of the others.

    Raises
    ------
    InputError
        If a term cannot be built, or has missing values in rows of the fit.

    References
    ----------
    Rao (1948), Proc. Camb. Phil. Soc. 44; Boos (1992), Am. Stat. 46, for the robust form.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left", trials)
    >>> fit.score_test("contrast_right").hypothesis[0]
    'contrast_right = 0'
    >>> fit.score_test("contrast_left").hypothesis[0]
    'contrast_left = 0'
    """
    refuse_penalised(fit, "score_test")
    meat = score_meat(fit, cov, cluster)
    asked = _asked(fit, terms)
    base = nested_fits(asked.stage, [asked.small])[0]
    found = score_comparison(asked.stage, base, (asked.small, asked.large), meat)
    lines = [f"Model: {fit.design.formula.text}{asked.heading}"]
    lost = asked.large.shape[1] - asked.small.shape[1] - found.df
    if meat is not None and lost > 0:
        lines.append(f"Note: the variance of the scores has rank {found.df}, {lost} too few for a joint test")
    lines += [*variance_lines(fit, cov, cluster), *constant_lines([found])]
    return one_row(f"{' = '.join(asked.terms)} = 0", found, "score", lines)


def _asked(fit: FitRecord, terms: str | Sequence[str]) -> _Asked:
    own = _of_the_fit(fit, terms)
    if own:
        where = stage_of(fit)
        small = span(where, term_names.columns_without(fit, own))
        return _Asked(own, "", where, small, everything(where))
    wider = widened(fit, terms)
    small, large = (span(wider.stage, wider.columns_of(names)) for names in (wider.old, [*wider.old, *wider.added]))
    return _Asked(wider.added, f", with {', '.join(wider.added)} to add", wider.stage, small, large)


def _of_the_fit(fit: FitRecord, terms: str | Sequence[str]) -> list[str]:
    """The terms by their names, if the fit has all of them."""
    try:
        return term_names.chosen(fit, terms)
    except InputError:
        return []


def constant_lines(found: Sequence[Comparison]) -> list[str]:
    """Why a score test has a rank but no statistic."""
    if not any(one.df and np.isnan(one.statistic) for one in found):
        return []
    return [
        "Note: no joint test of as many columns as there are clusters (or rows): the statistic would be their number, "
        "whatever the data. Test fewer columns at once, or use cov='model'"
    ]


def variance_lines(fit: FitRecord, cov: str, cluster: Any) -> list[str]:
    """What a table of score tests says of their variance."""
    if cluster is None:
        return [f"Variance of the scores: {cov}"]
    ways = groupings(fit, cluster)
    told = ", ".join(f"{way.count:,} clusters of {way.name}" for way in ways)
    few = [f"Note: {way.count} clusters of {way.name} are few for a χ² reference" for way in ways if way.count < _FEW]
    return [f"Variance of the scores: {'CR1' if cov == 'model' else cov} ({told})", *few]
