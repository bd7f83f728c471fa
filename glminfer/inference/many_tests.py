"""Tests of terms over many models: likelihood ratios and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.formula import named_terms
from glminfer.data.progress import progress
from glminfer.errors import InputError, Status, checked_keywords, one_of
from glminfer.fit.batch import chunks, rows_of
from glminfer.fit.far_columns import far
from glminfer.fit.nested import nested_fits, span, stage_of
from glminfer.fit.panels import FitsRecord, Models, Panel, Stock
from glminfer.fit.singles import HOLE, PLACE, refitted
from glminfer.fit.subpanels import Smaller, refuse_reduced, smaller, without, without_all
from glminfer.inference import terms as term_names
from glminfer.inference.clusters import groupings_of
from glminfer.inference.distributions import chi2_tails
from glminfer.inference.likelihood import score_comparison, score_meat
from glminfer.inference.many_labels import first_columns, labels
from glminfer.inference.multiplicity import adjust as adjusted
from glminfer.numerics import batched, lanes
from glminfer.numerics.blocks import Array
from glminfer.numerics.threads import one_by_one


@dataclass(frozen=True, slots=True)
class Tested:
    """One test of each model of a panel: vectors (m,), NaN and df 0 where nothing could be tested."""

    statistic: Array
    df: NDArray[np.intp]

    @property
    def p_value(self) -> Array:
        """Upper tail of χ²(df)."""
        known = np.where(self.df > 0, self.statistic, np.nan)
        return chi2_tails(known, np.maximum(self.df, 1))


def chosen(panel: Panel, terms: str | Sequence[str] | None) -> list[str]:
    """Terms by the names of a panel; by default what a candidate adds, or everything but the intercept."""
    names = [name for name in panel.terms if name != "Intercept"]
    if terms is None:
        return of_candidate(panel) or _some(names)
    named_terms(terms)
    if terms in (HOLE, [HOLE]) and HOLE not in panel.terms and of_candidate(panel):
        return of_candidate(panel)
    wanted = [terms] if isinstance(terms, str) and terms in panel.terms else terms
    if not isinstance(wanted, str) and all(name in panel.terms for name in wanted) and len(wanted):
        return list(dict.fromkeys(wanted))
    texts = wanted.replace(HOLE, PLACE) if isinstance(wanted, str) else [name.replace(HOLE, PLACE) for name in wanted]
    try:
        return [name.replace(PLACE, HOLE) for name in term_names.chosen_in(panel.stock.sample.design, texts)]
    except InputError as error:
        raise type(error)(str(error).replace(PLACE, HOLE)) from None


def _some(names: list[str]) -> list[str]:
    if not names:
        raise InputError("The models have no term but the intercept, so there is nothing to test.")
    return names


def of_candidate(panel: Panel) -> list[str]:
    """The terms that a candidate, or a group of them, adds."""
    if HOLE in panel.terms and not panel.stock.candidates:
        return [HOLE]
    return [name for name in panel.terms if HOLE in name]


def columns_of(panel: Panel, terms: Sequence[str]) -> list[int]:
    """Positions of the columns of some terms."""
    return sorted({j for name in terms for j in panel.terms[name]})


# likelihood ratios ---------------------------------------------------------------------------------------------------


@checked_keywords
def lr_test(
    fits: FitsRecord, terms: str | Sequence[str] | None = None, *, adjust: str | None = "fdr_bh"
) -> pd.DataFrame:
    """Do these terms improve each model? Likelihood-ratio tests 2(ℓ₁ - ℓ₀) ~ χ²(df) (50).

    Parameters
    ----------
    terms : str or list of str, optional
        The terms to drop: "g", "x1 + z", a list; ``{x}`` is the candidate. By default everything a candidate, or a
        group of them, adds; for many outcomes everything but the intercept.
    adjust : str or None
        How p-values are adjusted over all rows (89), as in `adjust`.

    Returns
    -------
    DataFrame
        One row per model: its group, outcome or covariate, hypothesis, statistic, df, p_value, p_adjusted, status.

    Raises
    ------
    InputError
        If a term is unknown or the fits are penalised.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=5, seed=1)
    >>> fits = gi.logit_each("choice ~ contrast_left", trials, covariates=trials.filter(regex="^n"))
    >>> fits.lr_test().columns.tolist()
    ['covariate', 'hypothesis', 'statistic', 'df', 'p_value', 'p_adjusted', 'status']
    """
    refuse_reduced(fits, "lr_test")
    asked = [chosen(panel, terms) for panel in fits.panels]
    columns = [columns_of(panel, terms) for panel, terms in zip(fits.panels, asked, strict=True)]
    pairs = zip(fits.panels, columns, strict=True)
    found = [ratio(panel, without_all(panel, gone) or smaller(fits, panel, gone)) for panel, gone in pairs]
    return one_row_each(fits, asked, found, adjust)


def ratio(panel: Panel, small: Smaller) -> Tested:
    """Twice the log-likelihood that the models gain over smaller ones."""
    found = panel.found
    df = np.where(comparable(panel), np.maximum(found.rank - small.rank, 0), 0)
    gain = 2 * (found.loglik - found.constant - small.loglik)
    return Tested(np.where(df > 0, np.maximum(gain, 0.0), np.nan), df)


def comparable(panel: Panel) -> NDArray[np.bool_]:
    """Models at the maximum of their likelihood, attained or not."""
    found = panel.found
    return np.asarray(np.isfinite(found.loglik) & ~found.firth & (found.status != str(Status.LIMIT)))


def one_row_each(
    fits: FitsRecord, asked: Sequence[Sequence[str]], found: Sequence[Tested], adjust: str | None
) -> pd.DataFrame:
    """A table of one test per model."""
    columns = {
        **first_columns(fits, [1] * len(found)),
        "hypothesis": labels(fits.panels, [[f"{' = '.join(terms)} = 0"] for terms in asked]),
        "statistic": np.concatenate([one.statistic for one in found]),
        "df": np.concatenate([one.df for one in found]),
        "p_value": np.concatenate([one.p_value for one in found]),
        "status": np.concatenate([panel.found.status for panel in fits.panels]),
    }
    table = pd.DataFrame(columns)
    return table if adjust is None else adjusted(table, adjust)


# scores --------------------------------------------------------------------------------------------------------------


@checked_keywords
def score_test(
    fits: FitsRecord,
    terms: str | Sequence[str] | None = None,
    cov: str = "model",
    cluster: Any = None,
    *,
    adjust: str | None = "fdr_bh",
) -> pd.DataFrame:
    """What do the scores of these terms say, at the estimates without them? Rao's score test of each model (51), (87).

    Parameters
    ----------
    terms : str or list of str, optional
        Terms of the models, as in ``lr_test``.
    cov : {"model", "HC0", "CR0", "CR1"}
        Variance of the scores: from the information, or robust; with ``cluster`` CR1 is the default.
    cluster : str or array, optional
        Clusters within which rows may depend on each other.
    adjust : str or None
        How p-values are adjusted over all rows (89), as in `adjust`.

    Returns
    -------
    DataFrame
        As ``lr_test``.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=5, seed=1)
    >>> fits = gi.logit_each("choice ~ contrast_left", trials, covariates=trials.filter(regex="^n"))
    >>> len(fits.score_test())
    5
    """
    refuse_reduced(fits, "score_test")
    _check_variance(cov, cluster)
    asked = [chosen(panel, terms) for panel in fits.panels]
    found = [chosen_scores(fits, p, t, cov, cluster) for p, t in zip(fits.panels, asked, strict=True)]
    return one_row_each(fits, asked, found, adjust)


def _check_variance(cov: str, cluster: Any) -> None:
    if cluster is None:
        one_of(cov, ["model", "HC0"], "cov of a score test")
    else:
        one_of(cov, ["model", "CR0", "CR1"], "cov of a clustered score test")


def chosen_scores(fits: FitsRecord, panel: Panel, terms: Sequence[str], cov: str, cluster: Any) -> Tested:
    """Score tests of some terms in every model of a panel."""
    columns, stock = columns_of(panel, terms), panel.stock
    frame = _coordinates(stock, without(stock, columns).embedding(stock))
    if not frame[1].shape[1]:  # terms without estimable columns
        return Tested(np.full(len(panel), np.nan), np.zeros(len(panel), dtype=np.intp))
    small = smaller(fits, panel, columns)
    ways = () if cluster is None else groupings_of(stock.sample, fits.call["data"], cluster)
    regular = np.isfinite(small.working).all(axis=0) & _plain(panel)
    few = len(ways) == 1 and frame[1].shape[1] >= ways[0].count  # a constant, which the single test has words for
    batch = np.flatnonzero(regular) if len(ways) < 2 and not few else np.zeros(0, dtype=np.intp)
    statistic, df = np.full(len(panel), np.nan), np.zeros(len(panel), dtype=np.intp)

    def work(which: Models) -> Array:
        return _statistics(stock, small.working[:, which], which, frame, (cov, ways[0] if ways else None))

    parts = chunks(stock.rows.whole.n, batch)
    for which, values in zip(parts, progress(one_by_one(work, parts), len(parts), "batches of models"), strict=True):
        statistic[which], df[which] = values, frame[1].shape[1]
    others = np.setdiff1d(np.flatnonzero(comparable(panel)), batch)

    def alone(k: int) -> tuple[float, int]:
        return _single_score(fits, panel, k, columns, (cov, cluster))

    for k, one in zip(others, progress(one_by_one(alone, others.tolist()), len(others), "models"), strict=True):
        statistic[k], df[k] = one
    return Tested(statistic, df)


def _plain(panel: Panel) -> NDArray[np.bool_]:
    """Models whose columns are all independent, as those of the panel, and not too far from zero to be added up."""
    converged = panel.found.status == str(Status.CONVERGED)
    return np.asarray(converged & (panel.found.rank == panel.stock.estimable) & ~far(panel))


def _coordinates(stock: Stock, inside: Array) -> tuple[Array, Array]:
    """Bases of a subspace of the working coordinates and of a complement of it."""
    whole = stock.rows.whole
    scale = np.ones(stock.estimable)
    scale[: whole.X.shape[1]] = np.sqrt(np.maximum((whole.X**2).sum(axis=0), 1e-300))
    left = np.linalg.qr(inside * scale[:, None], mode="complete")[0]
    return inside, np.asarray(left[:, inside.shape[1] :] / scale[:, None])


def _statistics(stock: Stock, coef: Array, which: Models, frame: tuple[Array, Array], how: tuple[str, Any]) -> Array:
    """u'V⁻¹u of the efficient scores u = A's of some models (51)."""
    block = stock.block(which)
    sums = rows_of(block).sum(batched.mean_sums, coef)
    score, information = rows_of(block).sum(batched.outcome_sums) - sums.mean, sums.information
    inside, outside = frame
    A = _efficient(information, inside, outside)
    u = np.einsum("rak,rk->ak", A, score)
    middle = information if how == ("model", None) else _meat(block, coef, how, inside.shape[1])
    V = np.einsum("rak,rsk,sbk->abk", A, middle, A, optimize=True)
    solved, _ = lanes.solved(V, u)
    return np.asarray((u * solved).sum(axis=0))


def _efficient(information: Array, inside: Array, outside: Array) -> Array:
    """Directions outside the subspace, orthogonal to it in the metric of each model's information: (R, d, k)."""
    A = np.repeat(outside[:, :, None], information.shape[2], axis=2)
    if not inside.shape[1]:
        return A
    within = np.einsum("ra,rsk,sb->abk", inside, information, inside, optimize=True)
    across = np.einsum("ra,rsk,sb->abk", inside, information, outside, optimize=True)
    for b in range(outside.shape[1]):
        A[:, b] -= inside @ lanes.solved(within, across[:, b])[0]
    return A


def _meat(block: Any, coef: Array, how: tuple[str, Any], rank: int) -> Array:
    """Σ uu' over rows, or over clusters with its correction."""
    kind, way = how
    if way is None:
        return np.asarray(rows_of(block).sum(batched.score_moments, coef, coef, 0))
    rows = rows_of(block).grouped(way.codes)
    meat = batched.outer_sums(rows.sum(batched.group_scores, coef, way.count))
    if kind == "CR0":
        return meat
    n = np.broadcast_to((block.weights > 0).sum(axis=0), meat.shape[2:])
    G = np.broadcast_to((rows.sum(batched.group_presence, way.count) > 0).sum(axis=0), meat.shape[2:])
    return np.asarray(meat * ((n - 1) / (n - rank) * G / (G - 1)))


def _single_score(
    fits: FitsRecord, panel: Panel, k: int, columns: Sequence[int], how: tuple[str, Any]
) -> tuple[float, int]:
    fit = refitted(fits, panel, k)
    where = stage_of(fit)
    small = span(where, [j for j in range(len(panel.columns)) if j not in set(columns)])
    base = nested_fits(where, [small])[0]
    found = score_comparison(where, base, (small, np.eye(fit.rank)), score_meat(fit, *how))
    return found.statistic, found.df
