"""Analysis of deviance: every term of a fit tested in one table, and chains of nested fits (52)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.nested import (
    Nested,
    Stage,
    everything,
    nested_fits,
    refuse_penalised,
    refuse_without_likelihood,
    span,
    spanning,
    stage_of,
    whole,
)
from glminfer.fit.records import FitRecord
from glminfer.inference import terms as term_names
from glminfer.inference.averages import Recoded, recoded
from glminfer.inference.deviance_wald import heading, ratio_tests, wald_rows
from glminfer.inference.likelihood import (
    Comparison,
    Meat,
    check_comparable,
    ratio,
    ratio_of_fits,
    score_comparison,
    score_meat,
)
from glminfer.inference.score_tests import constant_lines, variance_lines
from glminfer.inference.sum_coding import sum_coordinates
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array

TYPES = {"1": "I", "2": "II", "3": "III"}
TESTS = ("LR", "wald", "score")
_REFUSALS = {"LR": refuse_without_likelihood, "score": refuse_penalised}


@dataclass(frozen=True, slots=True)
class Pair:
    """A term and the two subspaces whose difference tests it; ``large`` None is the whole fit."""

    term: str
    small: Array
    large: Array | None


@checked_keywords
def anova(
    fit: FitRecord,
    *others: FitRecord,
    type: str | int = "II",
    test: str = "LR",
    cov: str = "model",
    cluster: Any = None,
) -> Table:
    """Which terms matter? Analysis of deviance of one fit, or of a chain of nested fits.

    Parameters
    ----------
    *others : Fit
        Further fits of the same rows: the table then compares each with the one before it.
    type : {"I", "II", "III"}
        I: terms in order, each added to those before it. II: each term added to the largest model without the terms
        that contain it. III: each term dropped from the whole model on sum-coded columns, whatever coding the fit
        has (the centring of numeric columns in interactions still matters).
    test : {"LR", "wald", "score"}
        Likelihood ratio, Wald or Rao's score. Of a fit with ``penalty=gi.Firth()`` "LR" compares the maxima of the
        penalised likelihood of the larger model of each row (55); the other is held in it.
    cov, cluster
        Covariance of Wald and score tests (see ``vcov``); likelihood ratios take "model" only.

    Returns
    -------
    DataFrame
        One row per term: term, df, statistic, p_value (type I also deviance and df_resid after the term). Aliased
        columns do not count. For several fits one row per model: formula, df_resid, deviance, df, statistic, p_value.

    Raises
    ------
    InputError
        If fits use different rows, outcomes, links or penalties, or have no likelihood to compare.

    References
    ----------
    Fox & Weisberg (2019), An R Companion to Applied Regression, section 6.3; R's anova.glm and car's Anova.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> gi.logit("choice ~ contrast_left + C(mouse)", trials).anova().term.tolist()
    ['contrast_left', 'C(mouse)']
    """
    kind = TYPES.get(str(type), str(type))
    one_of(kind, list(TYPES.values()), "type")
    one_of(test, TESTS, "test")
    if others:
        return _chain([fit, *others], test)
    if test == "LR" and (cov != "model" or cluster is not None):
        raise InputError(
            "A likelihood ratio has no robust form; use test='wald' or test='score' with cov= or cluster=."
        )
    if test == "wald":
        return wald_rows(fit, kind, cov, cluster)
    _REFUSALS[test](fit, f"anova(test={test!r})")
    table, found = _table(fit, kind, test, score_meat(fit, cov, cluster) if test == "score" else None)
    variance = [*variance_lines(fit, cov, cluster), *constant_lines(found)] if test == "score" else []
    return headed(table, [*heading(fit, kind, test), *variance])


def _table(fit: FitRecord, kind: str, test: str, meat: Meat | None) -> tuple[pd.DataFrame, list[Comparison]]:
    columns = recoded(fit) if kind == "III" else None
    where = stage_of(fit if columns is None else columns.fit)
    pairs = PAIRS[kind](fit, where) if columns is None else _averaged(columns, where)
    larger = everything(where)
    within = [larger if pair.large is None else pair.large for pair in pairs]
    smalls = nested_fits(where, [pair.small for pair in pairs], within=within)
    larges = _larges(fit, where, pairs)
    if test == "score":
        found = [
            score_comparison(where, small, (pair.small, large), meat)
            for pair, large, small in zip(pairs, within, smalls, strict=True)
        ]
    else:
        found = [ratio(small, large) for small, large in zip(smalls, larges, strict=True)]
    table = _rows([pair.term for pair in pairs], found)
    return _with_deviance(fit, table, larges) if kind == "I" else table, found


def _larges(fit: FitRecord, where: Stage, pairs: Sequence[Pair]) -> list[Nested]:
    """The larger model of each pair; the fit itself is not fitted again."""
    own = [pair.large for pair in pairs if pair.large is not None]
    found = iter(nested_fits(where, own, within=own))
    return [whole(fit) if pair.large is None else next(found) for pair in pairs]


def _rows(terms: Sequence[str], found: Sequence[Comparison]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "term": list(terms),
            "df": [c.df for c in found],
            "statistic": [c.statistic if c.df else np.nan for c in found],
            "p_value": [c.p_value for c in found],
        }
    )


def _with_deviance(fit: FitRecord, table: pd.DataFrame, larges: Sequence[Nested]) -> pd.DataFrame:
    saturated = fit.saturated_loglik - fit.count_constant
    table["deviance"] = [2 * (saturated - large.loglik) for large in larges]
    table["df_resid"] = [fit.nobs - large.rank for large in larges]
    return table


# pairs of models -----------------------------------------------------------------------------------------------------


def _sequential(fit: FitRecord, where: Stage) -> list[Pair]:
    terms = term_names.names(fit)
    base = ["Intercept"] if fit.design.has_intercept else []
    spaces = [span(where, term_names.columns_of(fit, base + terms[:k])) for k in range(len(terms))]
    return [
        Pair(t, small, large) for t, small, large in zip(terms, spaces, [*spaces[1:], None][: len(terms)], strict=True)
    ]


def _marginal(fit: FitRecord, where: Stage) -> list[Pair]:
    pairs = []
    for term in term_names.names(fit):
        above = term_names.relatives(fit, term)
        small = span(where, term_names.columns_without(fit, [term, *above]))
        pairs.append(Pair(term, small, span(where, term_names.columns_without(fit, above)) if above else None))
    return pairs


def _sum_coded(fit: FitRecord, where: Stage) -> list[Pair]:
    M = sum_coordinates(fit, where)
    terms = term_names.names(fit)
    clear = not where.space.basis.relations  # a column that is aliased is so in any coding
    without = [M[:, term_names.columns_without(fit, [t])] for t in terms]
    return [
        Pair(t, spanning(where, part, np.full(part.shape[1], clear)), None)
        for t, part in zip(terms, without, strict=True)
    ]


def _averaged(columns: Recoded, where: Stage) -> list[Pair]:
    return [Pair(term, columns.hypothesis(where, term), None) for term in term_names.names(columns.fit)]


PAIRS: dict[str, Callable[[FitRecord, Stage], list[Pair]]] = {"I": _sequential, "II": _marginal, "III": _sum_coded}


# chains of fits ------------------------------------------------------------------------------------------------------


def _chain(fits: Sequence[FitRecord], test: str) -> Table:
    check_comparable(fits)
    if test != "LR":
        raise InputError(f"Several fits are compared by test='LR'; test={test!r} belongs to the terms of one fit.")
    rows = [_chain_row(None, fits[0]), *(_chain_row(a, b) for a, b in pairwise(fits))]
    title = f"Analysis of deviance: each model against the one before it, {ratio_tests(fits[0])}, χ² reference"
    return headed(pd.DataFrame(rows), [title])


def _chain_row(before: FitRecord | None, fit: FitRecord) -> dict[str, Any]:
    row = {"formula": fit.design.formula.text, "df_resid": fit.df_resid, "deviance": fit.deviance}
    if before is None or before.rank == fit.rank:
        return {**row, "df": np.nan, "statistic": np.nan, "p_value": np.nan}
    larger, smaller = (fit, before) if fit.rank > before.rank else (before, fit)
    found = ratio_of_fits(smaller, larger)
    return {**row, "df": float(found.df), "statistic": found.statistic, "p_value": found.p_value}
