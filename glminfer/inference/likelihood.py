"""Likelihood-ratio and score tests of terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.rows import in_memory
from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.nested import (
    Nested,
    Stage,
    combinations,
    independent,
    nested_fits,
    refuse_without_likelihood,
    span,
    stage_of,
    whole,
)
from glminfer.fit.records import FitRecord
from glminfer.inference import terms as term_names
from glminfer.inference.clusters import groupings, subsets
from glminfer.inference.distributions import chi2_tail
from glminfer.inference.nesting import refuse_unless_nested
from glminfer.inference.table import Table, headed
from glminfer.numerics import kernels, linalg
from glminfer.numerics.blocks import Array, Terms
from glminfer.numerics.objectives import Likelihood
from glminfer.numerics.subspaces import Coordinates, Held

_TITLES = {
    "LR": "Likelihood-ratio test, χ² reference",
    "penalised LR": "Penalised likelihood-ratio test, χ² reference",
    "score": "Score test (Rao), χ² reference",
}


@dataclass(frozen=True, slots=True)
class Meat:
    """A robust variance of efficient scores.

    Attributes
    ----------
    of : (where, small, A) -> (d, d)
        Σ uu' over rows or clusters.
    units : int
        How many rows or clusters there are. With as many directions the statistic is a constant: their scores u_g
        span the space they are tested in, and u'(Σ u_g u_g')⁻u = units whatever they are.
    """

    of: Callable[[Stage, Nested, Array], Array]
    units: float

    def judged(self, statistic: float, rank: int) -> Comparison:
        """The test; no number where it does not depend on the data."""
        return Comparison(float("nan") if rank >= self.units else statistic, rank)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of a smaller model in a larger one."""

    statistic: float
    df: int

    @property
    def p_value(self) -> float:
        """Upper tail of χ²(df); NaN when nothing was tested."""
        return chi2_tail(self.statistic, self.df) if self.df > 0 and not np.isnan(self.statistic) else float("nan")


def ratio(small: Nested, large: Nested) -> Comparison:
    """Twice the log-likelihood, or penalised log-likelihood, gained; NaN when no column is gained."""
    df = large.rank - small.rank
    return Comparison(max(2 * (large.height - small.height), 0.0) if df else float("nan"), df)


@checked_keywords
def lr_test(fit: FitRecord, other_or_terms: FitRecord | str | Sequence[str]) -> Table:
    """Do these terms improve the fit? The likelihood-ratio test 2(ℓ₁ - ℓ₀) ~ χ²(df) (50).

    Of fits with ``penalty=gi.Firth()`` it compares maxima of the penalised likelihood of the larger model (55).

    Parameters
    ----------
    other_or_terms : Fit, str or list of str
        A fit nested in this one or containing it, made from the same rows; or the terms to drop: "g", "x1 + z", a list.
        Exactly the columns of these terms are dropped (see ``anova`` for tests that respect marginality).

    Returns
    -------
    DataFrame
        One row: hypothesis, statistic, df, p_value, test. df counts estimable columns.

    Raises
    ------
    InputError
        If the fits differ in rows, outcome, weights, offset, link or penalty, have no likelihood to compare, or neither
        is nested in the other.

    References
    ----------
    Wilks (1938), Ann. Math. Stat. 9; Heinze & Schemper (2002), Stat. Med. 21, for the penalised likelihood.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> int(fit.lr_test("contrast_left + contrast_right").df[0])
    2
    """
    refuse_without_likelihood(fit, "lr_test")
    if isinstance(other_or_terms, FitRecord):
        return _compared(fit, other_or_terms)
    dropped = term_names.chosen(fit, other_or_terms)
    where = stage_of(fit)
    small = nested_fits(where, [span(where, term_names.columns_without(fit, dropped))])[0]
    found = ratio(small, whole(fit))
    return _ratio_row(fit, f"{' = '.join(dropped)} = 0", found, [f"Model: {fit.design.formula.text}"])


def _compared(fit: FitRecord, other: FitRecord) -> Table:
    check_comparable([fit, other])
    small, large = sorted([fit, other], key=lambda f: f.rank)
    if small.rank == large.rank:
        raise InputError(
            f"Both models have {small.rank} estimable coefficients, so neither is nested in the other: "
            f"{small.design.formula.text!r} and {large.design.formula.text!r}. Compare them by AIC (fit.aic)."
        )
    formulas = [f"Model 0: {small.design.formula.text}", f"Model 1: {large.design.formula.text}"]
    hypothesis = f"{small.design.formula.text} in {large.design.formula.text}"
    return _ratio_row(fit, hypothesis, ratio_of_fits(small, large), formulas)


def ratio_of_fits(small: FitRecord, large: FitRecord) -> Comparison:
    """The likelihood ratio of two comparable fits; of penalised ones under the penalty of the larger (55)."""
    if large.penalty is None:
        refuse_unless_nested(small, large)
        return ratio(whole(small), whole(large))
    where = stage_of(large)
    return ratio(nested_fits(where, [_inside(small, large, where)])[0], whole(large))


def _inside(small: FitRecord, large: FitRecord, where: Stage) -> Array:
    """Basis of a fit's columns in the working coordinates of a larger one."""
    assert small.space is not None
    found = combinations(in_memory(where.space.rows), small.space.rows.values("X"))
    if found is None:
        raise InputError(
            f"{small.design.formula.text!r} is not nested in {large.design.formula.text!r}: some of its columns are no "
            "combination of the other's, and penalised likelihoods are compared within one model only. Compare each "
            "with a model that contains both."
        )
    return independent(where, found)


def _ratio_row(fit: FitRecord, hypothesis: str, found: Comparison, heading: list[str]) -> Table:
    if fit.penalty is None:
        return one_row(hypothesis, found, "LR", heading)
    return one_row(hypothesis, found, "penalised LR", [*heading, "Penalty: Jeffreys prior of the larger model"])


def one_row(hypothesis: str, found: Comparison, test: str, heading: Sequence[str]) -> Table:
    """The table of one test."""
    numbers = {"statistic": found.statistic, "df": found.df, "p_value": found.p_value}
    return headed(pd.DataFrame([{"hypothesis": hypothesis, **numbers, "test": test}]), [_TITLES[test], *heading])


def check_comparable(fits: Sequence[FitRecord]) -> None:
    """Refuse to compare fits of different rows, outcomes, weights, offsets, links or penalties."""
    first = fits[0]
    for fit in fits:
        refuse_without_likelihood(fit, "A comparison of fits")
    for other in fits[1:]:
        if first.penalty != other.penalty:
            raise InputError(
                f"The fits have different penalties, {_penalty(first)} and {_penalty(other)}, so their likelihoods "
                "cannot be compared. Refit them with the same one."
            )
        if first.family.link != other.family.link:
            raise InputError(f"The fits have different links, {first.family.link} and {other.family.link}.")
        _check_rows(first, other)


def _penalty(fit: FitRecord) -> str:
    return "none" if fit.penalty is None else f"gi.{fit.penalty!r}"


def _check_rows(first: FitRecord, other: FitRecord) -> None:
    a, b = first.with_rows()[1], other.with_rows()[1]
    if not np.array_equal(a.used, b.used):
        only_a, only_b = len(np.setdiff1d(a.used, b.used)), len(np.setdiff1d(b.used, a.used))
        raise InputError(
            f"The fits use different rows: {first.design.formula.text!r} has {len(a.used):,} ({only_a:,} of its own), "
            f"{other.design.formula.text!r} has {len(b.used):,} ({only_b:,} of its own), so their likelihoods cannot "
            f"be compared. {_why_rows(first, other)}Refit both on the rows complete in all columns, for example "
            "data.dropna(subset=[...])."
        )
    for name, what in (("y", "outcomes"), ("weights", "weights"), ("offset", "offsets")):
        if not np.array_equal(getattr(a, name), getattr(b, name)):
            raise InputError(f"The fits have different {what}, so their likelihoods cannot be compared.")


def _why_rows(first: FitRecord, other: FitRecord) -> str:
    told = [note for fit in (first, other) for note in fit.notes if " dropped: " in note]
    return f"Rows were lost: {'; '.join(dict.fromkeys(told))}. " if told else ""


# score tests ---------------------------------------------------------------------------------------------------------


def score_comparison(where: Stage, small: Nested, spaces: tuple[Array, Array], meat: Meat | None = None) -> Comparison:
    """Score test of a smaller subspace in a larger one, at the smaller model's estimate (51).

    The efficient score u = A's moves along the directions A of the larger subspace that are orthogonal, in the metric
    of the information, to the smaller one; its variance is A'HA, or what ``meat`` makes of the rows.
    """
    smaller, larger = spaces
    if larger.shape[1] <= smaller.shape[1]:
        return Comparison(float("nan"), 0)
    if isinstance(smaller, Coordinates | Held) and isinstance(larger, Coordinates) and small.separated is None:
        told = _of_coordinates if isinstance(smaller, Coordinates) else _of_functionals
        found = told(where, small, smaller, larger, meat)
        if found is not None:
            return found
    where, terms, _, A = efficient(where, small, (np.asarray(smaller), np.asarray(larger)))
    u = A.T @ terms.score[0]
    if meat is None:
        return Comparison(*linalg.quadratic_form(u, A.T @ terms.information[0] @ A))
    return meat.judged(*linalg.quadratic_form(u, meat.of(where, small, A)))


def _of_coordinates(
    where: Stage, small: Nested, smaller: Coordinates, larger: Coordinates, meat: Meat | None
) -> Comparison | None:
    """The same where the subspaces are coordinates: s'I⁻¹s of the larger less that of the smaller, or A as above."""
    terms = Likelihood(where.space.rows, where.family)(small.coef[None])
    score, information, added = terms.score[0], terms.information[0], larger.without(smaller)
    steps = [space.step(information, score) for space in (larger, smaller)]
    if steps[0] is None or steps[1] is None:
        return None
    if meat is None:
        return Comparison(float(score @ steps[0] - score @ steps[1]), len(added))
    unit = (np.arange(len(score))[:, None] == added).astype(float)
    beside = smaller.step(information, information @ unit)
    assert beside is not None
    A = unit - beside
    return meat.judged(*linalg.quadratic_form(A.T @ score, meat.of(where, small, A)))


def _of_functionals(
    where: Stage, small: Nested, smaller: Held, larger: Coordinates, meat: Meat | None
) -> Comparison | None:
    """The same where functionals C of all coordinates are held: A = I⁻¹C' is orthogonal to what they leave free."""
    terms = Likelihood(where.space.rows, where.family)(small.coef[None])
    factored = linalg.factor(terms.information[0])
    if factored is None or larger.shape[1] < larger.r:
        return None
    A = linalg.solve(factored, smaller.functionals.T)
    variance = smaller.functionals @ A if meat is None else meat.of(where, small, A)
    found = linalg.quadratic_form(A.T @ terms.score[0], (variance + variance.T) / 2)
    return Comparison(*found) if meat is None else meat.judged(*found)


def efficient(where: Stage, small: Nested, spaces: tuple[Array, Array]) -> tuple[Stage, Terms, Array, Array]:
    """The rows that say something, their terms at the smaller model's estimate, its subspace, and the directions A."""
    smaller, larger = spaces
    where = _without(where, small.separated)
    terms = Likelihood(where.space.rows, where.family)(small.coef[None])
    if small.separated is not None:
        smaller, larger = (informed(where, terms.information[0], space) for space in spaces)
    return where, terms, smaller, _efficient(terms.information[0], smaller, larger)


def _without(where: Stage, separated: NDArray[np.bool_] | None) -> Stage:
    """The stage with separated rows weighing nothing: in the limit they carry neither score nor information."""
    if separated is None:
        return where
    return replace(where, space=replace(where.space, rows=where.space.rows.without(separated)))


def informed(where: Stage, information: Array, space: Array) -> Array:
    """The part (r, q') of a subspace that rows which are not separated still say something about."""
    unit = np.linalg.qr(space * where.scale[:, None])[0] / where.scale[:, None]
    values, vectors = np.linalg.eigh(linalg.symmetric(unit.T @ information @ unit))
    return np.asarray(unit @ vectors[:, values > 1e-10 * values.max(initial=0.0)])


def _efficient(information: Array, smaller: Array, larger: Array) -> Array:
    """Directions of the larger subspace orthogonal to the smaller one in the metric of the information."""
    scale = np.sqrt(np.einsum("pq,pr,rq->q", larger, information, larger))
    unit = larger / np.where(scale > 0, scale, 1.0)
    _, _, right = np.linalg.svd(smaller.T @ information @ unit, full_matrices=True)
    return np.asarray(unit @ right[smaller.shape[1] :].T)


def score_meat(fit: FitRecord, cov: str, cluster: Any) -> Meat | None:
    """The variance of efficient scores by name: None for the model's, else Σuu' over rows or clusters."""
    if cluster is None:
        one_of(cov, ["model", "HC0"], "cov of a score test")
        return None if cov == "model" else Meat(_row_meat, fit.nobs)
    one_of(cov, ["model", "CR0", "CR1"], "cov of a clustered score test")
    _, sample = fit.with_rows()
    ways = tuple(subsets(groupings(fit, cluster), sample.weights > 0))
    of = partial(_cluster_meat, ways=ways, n=None if cov == "CR0" else fit.nobs)
    return Meat(of, ways[0][1].count if len(ways) == 1 else np.inf)


def _row_meat(where: Stage, small: Nested, A: Array) -> Array:
    return np.asarray(where.space.rows.sum(kernels.score_products, small.coef[None], where.family, A))


def _cluster_meat(where: Stage, small: Nested, A: Array, *, ways: Any, n: int | None) -> Array:
    """Σ uu' over clusters, each way with its own G/(G-1) unless n is None, joined by inclusion-exclusion."""
    factor = 1.0 if n is None else (n - 1) / (n - small.rank)
    total = np.zeros((A.shape[1], A.shape[1]))
    for sign, way in ways:
        rows = where.space.rows.grouped(way.codes)
        sums = rows.sum(kernels.score_sums, small.coef[None], where.family, A, way.count)
        total += sign * factor * (1.0 if n is None else way.count / (way.count - 1)) * sums.T @ sums
    return total
