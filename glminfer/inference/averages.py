"""Type III hypotheses of fits with coded factors: averages over the levels of long factors (142), (143).

Sum-coded columns of a factor are all different from zero in the rows of one level, so they cannot be coded. None are
needed: a factor may keep its dummies if coefficients of other terms are averaged over its levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from glminfer.data.grammar import Term
from glminfer.data.recoding import keeps_dummies, positions, recoded_sample, sum_coded
from glminfer.errors import Status
from glminfer.fit.nested import Stage, complement, span
from glminfer.fit.records import FitRecord
from glminfer.fit.single import fit_single
from glminfer.fit.solving import Method
from glminfer.inference import terms as term_names
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control
from glminfer.numerics.rank_coded import NearlyDependentError
from glminfer.numerics.selection import Selection

_SAME = 1e-9  # of a functional in scaled coefficients, that is rounding


@dataclass(frozen=True, slots=True)
class Recoded:
    """A fit with sum-to-zero contrasts, but dummies of the factors ``kept``, of which no term has two."""

    fit: FitRecord
    kept: frozenset[str]

    def hypothesis(self, where: Stage, name: str) -> Array:
        """The subspace of the working coefficients in which a term is zero under sum-to-zero contrasts (143)."""
        if not any(True for _ in _above(self.fit, self.kept, name)):
            return span(where, term_names.columns_without(self.fit, [name]))
        return complement(where, _estimable(self.fit, where, self.functionals(name)))

    def functionals(self, name: str) -> Array:
        """(q, p) What is zero if a term is, as combinations of the coefficients of the columns (142)."""
        own = positions(self.fit.design, name).ravel()
        C = np.zeros((len(own), len(self.fit.columns)))
        C[np.arange(len(own)), own] = 1.0
        for factor, larger in _above(self.fit, self.kept, name):
            share = 1.0 / len(self.fit.design.factors[factor].levels)
            C[np.arange(len(own))[:, None], _beside(self.fit, name, larger, factor)] = share
        return C


def recoded(fit: FitRecord) -> Recoded | None:
    """The fit in columns for type III tests; None where only dense columns will do."""
    if not isinstance(fit.T, Selection):
        return None
    kept = keeps_dummies(fit.design)
    design = sum_coded(fit.design, kept)
    same = all(design.factors[text].reduced is factor.reduced for text, factor in fit.design.factors.items())
    if not all(_plain_margins(fit, factor) for factor in kept):
        return None
    if same:
        return Recoded(fit, kept)
    _, sample = fit.with_rows()
    made = recoded_sample(design, sample, fit.call["data"], fit.control.coded)
    if made is None:
        return None
    control = Control(tol=fit.control.tol, max_halvings=fit.control.max_halvings, coded=fit.control.coded)
    try:
        found = fit_single(made, Method(fit.family.link, control=control), fit.call)
    except NearlyDependentError:
        return None
    usable = isinstance(found.T, Selection) and found.rank == fit.rank and found.status is not Status.LIMIT
    return Recoded(found, kept) if usable else None


def _plain_margins(fit: FitRecord, factor: str) -> bool:
    """Whether what a term contains beside the factor, where that has contrasts, is a term with the same columns."""
    coded = [dict(zip(term.factors, full, strict=True)) for term, full in _terms(fit)]
    margins: list[dict[str, bool]] = [{}] if fit.design.has_intercept else []
    beside = [{text: full for text, full in one.items() if text != factor} for one in coded if one.get(factor) is False]
    return all(one in [*margins, *coded] for one in beside)


def _terms(fit: FitRecord) -> Iterator[tuple[Term, tuple[bool, ...]]]:
    return zip(fit.design.formula.terms, fit.design.full, strict=True)


def _above(fit: FitRecord, kept: frozenset[str], name: str) -> Iterator[tuple[str, str]]:
    """Terms that a term makes with one factor that kept its dummies, and that factor."""
    own = next((frozenset(t.factors) for t, _ in _terms(fit) if t.name == name), frozenset())
    for term, full in _terms(fit):
        more = [f for f, whole in zip(term.factors, full, strict=True) if f in kept - own and not whole]
        if len(more) == 1 and frozenset(term.factors) == own | set(more):
            yield more[0], term.name


def _beside(fit: FitRecord, name: str, larger: str, factor: str) -> Array:
    """(q, levels - 1) The columns that a larger term has for each column of a term."""
    axes = {t.name: t.factors for t, _ in _terms(fit)}
    order = [axes[larger].index(text) for text in (*axes.get(name, ()), factor)]
    found = np.transpose(positions(fit.design, larger), order)
    return cast(Array, found.reshape(-1, found.shape[-1]))


def _estimable(fit: FitRecord, where: Stage, C: Array) -> Array:
    """Functionals (q, p) of the coefficients as those of the working ones, (k, r).

    Aliased columns leave coefficients free. What these can undo is no restriction, and is left out.
    """
    T, relations = where.space.basis.T, where.space.basis.relations
    if not relations:
        return np.asarray(C @ T)
    size = np.sqrt(fit.with_rows()[1].rows.sum(kernels.column_products).diagonal())
    size = np.where(size > 0, size, 1.0)
    free = -np.column_stack([relations[j] for j in sorted(relations)])
    free[sorted(relations), np.arange(len(relations))] = 1.0
    C = C / (np.abs(C) @ (1.0 / size))[:, None]
    moved = C @ (free / (np.abs(free) * size[:, None]).max(axis=0))
    _, singular, right = np.linalg.svd(np.linalg.qr(moved.T, mode="r"))
    return np.asarray(right[int((singular > _SAME).sum()) :] @ C @ T)
