"""The tested part of a fit with coded factors: what `rearranged` moves, without a dense column for any level (144)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.rows_coded import CodedRows, in_codes
from glminfer.fit.nested import Stage, span
from glminfer.fit.single import Summit, climb, in_basis
from glminfer.fit.solving import Method
from glminfer.fit.starts import flat_start
from glminfer.numerics import kernels, linalg, permutations, permutations_coded
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.permutations_coded import CodedScores
from glminfer.numerics.rank import coordinate_basis, learn_basis
from glminfer.numerics.rank_coded import NearlyDependentError
from glminfer.numerics.room import refuse_without_room
from glminfer.numerics.selection import Selection
from glminfer.numerics.subspaces import Coordinates

Codes = NDArray[np.intp]
_COPIES = 4  # of the tested columns
_COLLINEAR = 1e-10  # share of the tested columns' information that must be left beside the nuisance columns
_OTHERS = "Test fewer columns at once, leave the long factor out, or use score_test(…, cluster=…)."


@dataclass(frozen=True, slots=True, eq=False)
class CodedTested:
    """The tested part of a model on all rows of positive weight (n), and the null model on some of them (t).

    Attributes
    ----------
    method : Method
    family : Family
    summit : Summit
        The null model: rows in columns that are independent where its rows say something, and their estimate.
    null : CodedScores
    Z : Mixed
        The nuisance columns (n, q).
    X : (n, d)
        The tested columns, orthogonal to the nuisance columns in the metric of the null model.
    """

    method: Method
    family: Family
    summit: Summit
    null: CodedScores
    Z: Mixed
    X: Array

    def scores(self) -> CodedScores:
        """Scores and weights of the null model on its t rows."""
        return self.null

    def residual(self) -> Array:
        """What is left of the tested columns after least squares on the nuisance columns, all rows alike (90)."""
        left = permutations_coded.left_by_least_squares(self.Z, self.X)
        return np.asarray(left / np.linalg.norm(self.X, axis=0))


def tested_codes(where: Stage, others: list[int], targets: Codes) -> CodedTested | None:
    """The tested part of a stage beside the columns ``others``; None where only dense columns tell it."""
    smaller = span(where, others)
    if not isinstance(smaller, Coordinates) or not len(smaller.kept):
        return None
    added = np.setdiff1d(np.arange(smaller.r), smaller.kept)
    rows = in_codes(where.space.rows)
    rows = rows.at(np.flatnonzero(rows.weights[:, 0] > 0))
    refuse_without_room((_COPIES, rows.n, len(added)), f"{len(added):,} columns of {rows.n:,} rows to move", _OTHERS)
    tested = rows.map(kernels.combined, (np.arange(smaller.r)[:, None] == added).astype(float))
    nuisance = in_basis(rows, coordinate_basis(smaller.r, smaller.kept))
    method = Method(where.family.link, control=where.control)
    try:
        return _beside(cast(CodedRows, nuisance), tested, targets, method, where)
    except NearlyDependentError:
        return None


def _beside(nuisance: CodedRows, tested: Array, targets: Codes, method: Method, where: Stage) -> CodedTested | None:
    rows = nuisance.at(targets)
    basis = learn_basis(rows, rows.width, None)  # a level may have no rows there
    rows = cast(CodedRows, in_basis(rows, basis))
    summit = climb(rows, where.family, method, flat_start(rows, where.family))
    T = basis.T if summit.inner is None else basis.T @ summit.inner.T
    left = cast(CodedRows, summit.rows)
    found = left.map(permutations.contributions, summit.solution.coef, where.family)
    null = permutations_coded.coded_scores(left.X, found[:, 0], found[:, 1])
    if null is None or permutations_coded.left_by_least_squares(nuisance.X, tested[:, :0]) is None:
        return None
    X = _orthogonal(null, nuisance.X, tested, targets, cast(Any, T))
    return CodedTested(method, where.family, summit, null, nuisance.X, X)


def _orthogonal(null: CodedScores, Z: Mixed, tested: Array, targets: Codes, T: Selection) -> Array:
    """The tested columns less what the nuisance columns explain of them, as many as that leaves directions of."""
    if not tested.shape[1]:
        return tested
    there = tested[targets]
    weighted = there * null.weight[:, None]
    X = tested - Z @ np.asarray(T @ linalg.solve(null.factored, (weighted.T @ null.Z).T))
    size = np.sqrt(np.einsum("nd,nd->d", weighted, there))
    X = X / np.where(size > 0, size, 1.0)
    values, axes = np.linalg.eigh(permutations_coded.variance(null, X[targets].T[:, None])[0])
    return np.asarray(X @ axes[:, values > _COLLINEAR])


def coded_ratio_statistics(part: CodedTested, moved: Array) -> Callable[[NDArray[Any]], Array]:
    """Likelihood ratios of arrangements of the columns ``moved`` (n, d), refitted one by one (92)."""
    rows, loglik = cast(CodedRows, part.summit.rows), float(part.summit.solution.terms.loglik[0])
    start = np.append(part.summit.solution.coef[0], np.zeros(moved.shape[1]))

    def statistics(sources: NDArray[Any]) -> Array:
        each = (replace(rows, X=rows.X.beside(moved[places])) for places in sources)
        found = [climb(one, part.family, part.method, start).solution.terms.loglik[0] for one in each]
        return np.maximum(2 * (np.array(found) - loglik), 0.0)

    return statistics
