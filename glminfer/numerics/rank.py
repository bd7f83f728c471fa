"""Rank and aliasing in column order, and the working basis the solver computes in (18).

The working columns are Z = X T. T is the identity for ordinary columns. A column whose mean is large beside its spread
is centred (when the constant is in the model), and a nearly dependent column is replaced by its residual on the columns
before it; T stays unit upper triangular in these cases, so coefficients map back exactly as T γ. A column that depends
on the columns before it is aliased: T has no column for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy
from numpy.typing import NDArray

from glminfer.numerics import kernels, linalg
from glminfer.numerics.alike import same_for_alike, sums_alike, takes_codes
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.bordered import Bordered, Eliminated
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.objectives import Summable
from glminfer.numerics.rank_coded import coded_basis, without_rounding
from glminfer.numerics.selection import Selection, places_only

_EPS = np.finfo(float).eps
ALIASED = 1e-11  # residual norm of an aliased column, relative to its centred norm
_CLEAR = 1e-6  # a squared relative residual above this is safe to compute with as it is
_SHIFTED = 1e3  # squared mean over variance above which a column is centred


@dataclass(frozen=True, slots=True)
class Basis:
    """How the r working columns are made of the p design columns.

    Attributes
    ----------
    T : (p, r)
        Working columns Z = X T; coefficients of the design columns are T γ.
    kept : (r,) int
        The design column each working column stands for.
    shift : (p,)
        What is subtracted from each column before anything else (zero for most).
    relations : dict
        Aliased column -> its coefficients (p,) on the design columns.
    means : (p,)
        Column means over the rows of positive weight; zeros when the design has no constant.
    """

    T: Array
    kept: NDArray[np.intp]
    shift: Array
    constant: Array | None
    relations: dict[int, Array]
    means: Array

    @property
    def rank(self) -> int:
        """Number of working columns."""
        return int(self.T.shape[1])

    @property
    def plain(self) -> bool:
        """Whether the working columns are the design columns themselves."""
        if isinstance(self.T, Selection):
            return self.T.identity
        return bool(self.T.shape[0] == self.T.shape[1] and np.array_equal(self.T, np.eye(len(self.T))))

    def columns(self, X: Array) -> Array:
        """Z = X T, with the subtraction of the shift done first: it is exact where the shift is near the values."""
        if self.plain:
            return X
        if isinstance(X, Mixed):
            return X @ self.T
        shifted = X - self.shift
        T = np.asarray(self.T)
        triangular = T + np.outer(self.constant, self.shift @ T) if self.constant is not None else T
        Z = shifted[:, self.kept]
        for j, column in enumerate(triangular.T):  # most working columns are one design column
            others = np.flatnonzero(column)
            if others.size > 1:
                Z[:, j] = _combined(shifted[:, others], column[others])
        return np.ascontiguousarray(Z)


def _combined(X: Array, t: Array) -> Array:
    """X t, in extended precision where the machine has it: what is left of nearly dependent columns are last digits."""
    return np.asarray(X.astype(np.longdouble) @ t.astype(np.longdouble), dtype=np.float64)


@takes_codes
@same_for_alike
def working_columns(block: Block, basis: Basis) -> Array:
    """Z = X T of a block."""
    return basis.columns(block.X)


def coordinate_basis(p: int, which: NDArray[np.intp]) -> Basis:
    """Some of many columns, as they are, without p × q numbers."""
    return Basis(cast(Array, places_only(p, which)), which, np.zeros(p), None, {}, np.zeros(p))


def full_basis(p: int, means: Array) -> Basis:
    """The design columns as they are."""
    return Basis(np.eye(p), np.arange(p), np.zeros(p), None, {}, means)


def subset_basis(p: int, which: NDArray[np.intp]) -> Basis:
    """Some of p columns, as they are."""
    return Basis(np.eye(p)[:, which], which, np.zeros(p), None, {}, np.zeros(p))


@dataclass(frozen=True, slots=True)
class _Shifted:
    """Rows seen after the subtraction of the column shifts."""

    rows: Summable
    shift: Array

    def products(self) -> Array:
        """XᵀX of the shifted columns."""
        return np.asarray(self.rows.sum(_shifted_products, self.shift))

    def combination(self, t: Array) -> tuple[Array, float]:
        """(Xᵀr, rᵀr) of the combination r = X t of shifted columns."""
        packed = self.rows.sum(_shifted_combination, self.shift, t)
        return packed[:-1], float(packed[-1])


@sums_alike
def _shifted_products(block: Block, shift: Array) -> Array:
    return kernels.column_products(kernels.shifted(block, shift))


@sums_alike
def _shifted_combination(block: Block, shift: Array, t: Array) -> Array:
    return kernels.combination(kernels.shifted(block, shift), t)


def learn_basis(
    rows: Summable, p: int, constant: Array | None, few: Summable | None = None, sums: Array | None = None
) -> Basis:
    """Decide which columns are estimable, in column order, and how to compute with them.

    Parameters
    ----------
    rows : Rows
        Rows over the p design columns.
    p : int
        Number of columns.
    constant : (p,) or None
        A combination of columns that is 1 in every row, when the design has one.
    few : Rows, optional
        Some of the rows: where they prove that all columns are clear, the products of all rows are not needed (122).
    sums : (2, p), optional
        Sums and sums of squares of the columns over the rows of positive weight, where they are known.
    """
    if few is not None:
        sums = rows.sum(kernels.column_sums) if sums is None else sums
        if (means := _clear_among(few, sums, constant)) is not None:
            return full_basis(p, means)
    products = rows.sum(kernels.column_products)
    means = _means(products, constant)
    if isinstance(products, Bordered):
        found = coded_basis(rows, products, constant)
        return Basis(cast(Array, found.T), found.T.places, np.zeros(p), constant, found.relations, means)
    if _all_clear(products):
        return full_basis(p, means)
    shift = _shifts(products, means, constant)
    view = _Shifted(rows, shift)
    if shift.any():
        shifted_products = view.products()
    else:
        shifted_products = products
    return _eliminate(view, shifted_products, np.sqrt(np.diagonal(products)), constant, means)


def _all_clear(products: Array) -> bool:
    left = _left(products)
    return left is not None and bool((left > _CLEAR * np.diagonal(products)).all())


def _left(products: Array) -> Array | None:
    """Squared norm (p,) of each column after projection on the earlier ones; None where that is not known safely."""
    factored = linalg.factor(products)
    if factored is None or isinstance(factored, Eliminated) or not np.isfinite(products).all():
        return None
    return np.asarray(np.diagonal(factored[0]) ** 2 * np.diagonal(products))


def _clear_among(few: Summable, known: Array, constant: Array | None) -> Array | None:
    """The means of the columns of all rows, if some of the rows are enough to prove all columns clear (122)."""
    left = _left(few.sum(kernels.column_products))
    sums, squares = known
    if left is None or not (left > _CLEAR * squares).all():
        return None
    return np.zeros(len(sums)) if constant is None else np.asarray(sums / (constant @ sums))


def _means(products: Array, constant: Array | None) -> Array:
    if constant is None:
        return np.zeros(len(products))
    along = constant @ products
    total = along @ constant
    return np.asarray(along / total if total > 0 else np.zeros(len(products)))


def _shifts(products: Array, mean: Array, constant: Array | None) -> Array:
    """Means of the columns that are far from zero beside their spread."""
    if constant is None:
        return np.zeros(len(products))
    n = constant @ products @ constant
    variance = np.maximum(np.diagonal(products) / n - mean**2, 0.0)
    far = (mean**2 > _SHIFTED * variance) & (constant == 0)
    return np.where(far, mean, 0.0)


def _eliminate(view: _Shifted, products: Array, raw_norms: Array, constant: Array | None, means: Array) -> Basis:
    """Gram-Schmidt in column order on the products; doubtful columns are decided on the rows themselves."""
    p = len(products)
    norms = np.sqrt(np.diagonal(products))
    work = _Working(np.zeros((p, 0)), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0))
    kept: list[int] = []
    relations: dict[int, Array] = {}
    for j in range(p):
        unit = np.eye(p)[:, j]
        if norms[j] <= 2 * _EPS * raw_norms[j]:  # nothing but zeros, or a constant once it is shifted
            relations[j] = np.zeros(p)
            continue
        t, left = _project(view, products, work, unit, norms)
        if left <= max(ALIASED * _centred_norm(products, constant, j), _rounding(t, raw_norms)):
            relations[j] = without_rounding(unit - t, raw_norms)
            continue
        work = _with_column(work, products, t, None if t is unit else left)
        kept.append(j)
    T = work.T
    back = np.zeros((p, p)) if constant is None else np.outer(constant, view.shift)
    relations = {j: _unshifted(j, r, view.shift, constant) for j, r in relations.items()}
    return Basis(T - back @ T, np.array(kept, dtype=np.intp), view.shift, constant, relations, means)


@dataclass(frozen=True, slots=True)
class _Working:
    """Working columns X T so far: their products, and the Cholesky factor of these once divided by ``scale``."""

    T: Array
    grams: Array
    L: Array
    scale: Array


def _with_column(work: _Working, products: Array, t: Array, residual: float | None) -> _Working:
    """One working column more; of a residual the products are rounding, and its norm is that which the rows tell."""
    T, k = np.column_stack([work.T, t]), len(work.scale)
    grams = np.empty((k + 1, k + 1))
    grams[:k, :k], grams[k] = work.grams, T.T @ (products @ t)
    if residual is not None:
        grams[k, :k], grams[k, k] = 0.0, residual**2
    grams[:k, k] = grams[k, :k]
    scale = np.sqrt(np.diagonal(grams))
    return _Working(T, grams, np.linalg.cholesky(grams / np.outer(scale, scale) + 4 * _EPS * np.eye(k + 1)), scale)


def _project(view: _Shifted, products: Array, work: _Working, unit: Array, norms: Array) -> tuple[Array, float]:
    """(t, residual norm): the column itself when clearly independent, else its residual X t on the columns of T."""
    norm, T = float(np.sqrt(unit @ products @ unit)), work.T
    if T.shape[1] == 0:
        return unit, norm
    L, scale = work.L, work.scale
    cross = T.T @ (products @ unit) / scale
    white = scipy.linalg.solve_triangular(L, cross, lower=True)
    if norm**2 - white @ white > _CLEAR * norm**2:
        return unit, norm
    t, left = unit, norm
    for _ in range(6):  # refine on the rows: each round gains as many digits as the products hold
        forward = scipy.linalg.solve_triangular(L, cross, lower=True)
        coefficients = scipy.linalg.solve_triangular(L.T, forward, lower=False) / scale
        t = t - T @ coefficients
        against, squared = view.combination(t)
        before, left = left, float(np.sqrt(squared))
        cross = T.T @ against / scale
        if left <= 2 * _rounding(t, norms) or np.linalg.norm(cross) <= 1e-13 * left or left > 0.99 * before:
            break
    return t, left


def _centred_norm(products: Array, constant: Array | None, j: int) -> float:
    squared = products[j, j]
    if constant is not None and constant[j] == 0:
        squared = squared - (constant @ products[:, j]) ** 2 / (constant @ products @ constant)
    return float(np.sqrt(max(squared, 0.0)))


def _rounding(t: Array, norms: Array) -> float:
    """Norm that the rounding of the stored columns alone can give to the combination X t."""
    return float(2 * _EPS * (np.abs(t) @ norms))


def _unshifted(j: int, relation: Array, shift: Array, constant: Array | None) -> Array:
    """A relation between shifted columns as one between the design columns."""
    if constant is None:
        return relation
    return np.asarray(relation + constant * (shift[j] - shift @ relation))
