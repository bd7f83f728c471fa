"""Pure functions of one block of rows; summed or mapped over blocks by ``rows``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.alike import blind, same_for_alike, sums_alike, takes_codes
from glminfer.numerics.blocks import Array, Block, Terms
from glminfer.numerics.families import Family, Pointwise
from glminfer.numerics.linalg import cubes, gram, quadratic_forms, rounded_gram
from glminfer.numerics.mixed import Mixed

Models = NDArray[np.intp] | None
Product = Callable[[Array, Array], Array]
_ROUNDING = 16 * np.finfo(float).eps


def _of_models(block: Block, models: Models) -> tuple[Array, Array, Array]:
    """y, weights and offset of the models asked for; None means all."""
    if models is None:
        return block.y, block.weights, block.offset
    return _columns(block.y, models), _columns(block.weights, models), _columns(block.offset, models)


def _columns(values: Array, models: NDArray[np.intp]) -> Array:
    return values if values.shape[1] == 1 else values[:, models]


@takes_codes
@sums_alike
def likelihood(block: Block, coef: Array, family: Family, models: Models = None) -> Terms:
    """Log-likelihood (3), score (5) and information (6) of the coefficients (m, p)."""
    return _likelihood(block, coef, family, models, gram)


@takes_codes
@sums_alike
def rounded_likelihood(block: Block, coef: Array, family: Family, models: Models = None) -> Terms:
    """The same with information and curvature in single precision: for steps that later ones correct."""
    return _likelihood(block, coef, family, models, rounded_gram)


def _likelihood(block: Block, coef: Array, family: Family, models: Models, product: Product) -> Terms:
    y, weights, offset = _of_models(block, models)
    with np.errstate(over="ignore", invalid="ignore"):  # a wild trial: what is not finite makes the step be halved
        eta = block.X @ coef.T + offset
        loglik, score, expected, observed = _summed(family, y, eta, weights)
        information = product(block.X, expected)
        curvature = information if observed is expected else product(block.X, observed)
        reach = np.abs(eta).max(axis=0, initial=0.0) if len(coef) == 1 else None  # nobody asks for that of many models
        return Terms(loglik, score.T @ block.X, information, curvature, reach)


def _summed(family: Family, y: Array, eta: Array, weights: Array) -> Pointwise:
    """Log-likelihood of each model, (m,), and what its rows give to the score and both kinds of information."""
    if family.unweighted is not None and (weights == 1.0).all():
        return family.unweighted(y, eta)
    loglik, score, expected, observed = family.pointwise(y, eta)
    times = weighing(weights)
    information = times(expected)
    return (
        times(loglik).sum(axis=0),
        times(score),
        information,
        information if observed is expected else times(observed),
    )


@takes_codes
@sums_alike
def null_likelihood(block: Block, coef: Array, family: Family, models: Models = None) -> Terms:
    """The same for a constant in place of all columns; coef is (m, 1)."""
    return likelihood(replace(block, X=np.ones((block.n, 1))), coef, family, models)


@takes_codes
@sums_alike
def gradient(block: Block, coef: Array, family: Family) -> Array:
    """Log-likelihood and score only, packed as (m, 1 + p): what first-order solvers need."""
    with np.errstate(over="ignore", invalid="ignore"):
        loglik, score, _, _ = _summed(family, block.y, block.eta(coef), block.weights)
        return np.column_stack([loglik, score.T @ block.X])


def weighted(weights: Array, values: Array) -> Array:
    """w v, where a row of zero weight counts nothing even if v is infinite."""
    return weighing(weights)(values)


def weighing(weights: Array) -> Callable[[Array], Array]:
    """The function v -> w v, where a row of zero weight counts nothing even if v is infinite."""
    if weights.min(initial=1.0) > 0:
        return lambda values: weights * values
    return lambda values: weights * np.where(weights > 0, values, 0.0)


def weighted_sum(weights: Array, values: Array) -> Array:
    """Σ w v per model, where a row of zero weight counts nothing even if v is infinite."""
    return np.asarray(weighted(weights, values).sum(axis=0))


@takes_codes
@sums_alike
def existence(block: Block, coef: Array, family: Family) -> Array:
    """Σ S/(w s²) over rows that could be separated: the certificate of a finite maximum, (m,) (16)."""
    candidate = ((block.y == 0.0) | (block.y == 1.0)) & (block.weights > 0)
    return np.asarray(np.where(candidate, _closeness(block, coef, family), 0.0).sum(axis=0))


@dataclass(frozen=True, slots=True)
class Extent:
    """How far rows of one model reach; adding two takes the farther ends.

    Attributes
    ----------
    eta : float
        Largest absolute linear predictor.
    weight : float
        Smallest positive weight.
    """

    eta: float
    weight: float

    def __add__(self, other: Extent) -> Extent:
        return Extent(float(np.maximum(self.eta, other.eta)), min(self.weight, other.weight))


@takes_codes
@sums_alike
def extent(block: Block, coef: Array) -> Extent:
    """Largest absolute linear predictor and smallest positive weight of one model."""
    return Extent(float(np.abs(block.eta(coef)).max(initial=0.0)), _least(block))


@blind
@sums_alike
def least_weight(block: Block) -> Extent:
    """The same without the linear predictor."""
    return Extent(0.0, _least(block))


def _least(block: Block) -> float:
    weights = block.weights[:, 0]
    return float(np.min(weights, where=weights > 0, initial=np.inf))


def _closeness(block: Block, coef: Array, family: Family) -> Array:
    """S/(w s²) of each row and model: infinite where the row is fitted perfectly."""
    _, score, expected, _ = family.pointwise(block.y, block.eta(coef))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = expected / (block.weights * score * score)
    return np.where(np.isnan(ratio), np.inf, ratio)


@blind
def count_used(block: Block) -> int:
    """Number of rows of positive weight in any model."""
    return int(np.count_nonzero(block.weights.max(axis=1) > 0))


@blind
def totals(block: Block) -> Array:
    """Sum of the weights, weight of the events, rows of zero weight, and rows with an offset, of one model: (4,)."""
    weights = block.weights[:, 0]
    silent, shifted = np.count_nonzero(weights == 0), np.count_nonzero(block.offset)
    return np.array([weights.sum(), weights @ block.y[:, 0], silent, shifted])


@blind
def known_offsets(block: Block) -> Array:
    """Offsets of the rows of positive weight of one model."""
    return np.asarray(block.offset[block.weights[:, 0] > 0, 0])


@same_for_alike
def ones(block: Block) -> Array:
    """A column of ones, (n, 1)."""
    return np.ones((block.n, 1))


def count_ones(block: Block) -> int:
    """Rows in which the first column is 1."""
    return int(np.count_nonzero(block.X[:, 0] == 1.0))


@takes_codes
def sizes(block: Block) -> Array:
    """Largest absolute value of each column, (1, p); zero where the block has no rows."""
    if isinstance(block.X, Mixed):
        return block.X.largest()[None]
    return np.asarray(np.abs(block.X).max(axis=0, initial=0.0)[None])


@takes_codes
@same_for_alike
def combined(block: Block, A: Array) -> Array:
    """Combinations X A of the columns, (n, q)."""
    return np.asarray(block.X @ A)


@takes_codes
@same_for_alike
def combined_about(block: Block, A: Array, centre: Array) -> Array:
    """Combinations (X - c) A of the columns about some values c (p,), (n, q)."""
    return about(block.X, A, centre)


def about(X: Array, A: Array, centre: Array) -> Array:
    """The same of rows X (n, p): subtracted first, which is exact where the values are near c and far from zero."""
    if isinstance(X, Mixed):
        shifted = X.with_dense(np.ones(len(X.spots), dtype=bool), X.dense - centre[X.spots])
        rest = centre.copy()
        rest[X.spots] = 0.0
        return np.asarray(shifted @ A - rest @ A)
    return np.asarray((X - centre) @ A)


@same_for_alike
def combined_clearly(block: Block, A: Array) -> Array:
    """The same, zero where nothing but rounding is left: columns of zeros but for rounding would look independent."""
    values = block.X @ A
    return np.where(np.abs(values) > _ROUNDING * (np.abs(block.X) @ np.abs(A)), values, 0.0)


@takes_codes
@sums_alike
def column_products(block: Block) -> Array:
    """XᵀX over the rows of positive weight, (p, p)."""
    if isinstance(block.X, Mixed):
        used = block.weights.max(axis=1, keepdims=True) > 0
        return gram(block.X, used.astype(np.float64))[0]
    X, counted = _used_columns(block)
    return np.asarray(X.T @ counted)


def _used_columns(block: Block) -> tuple[Array, Array]:
    """Columns of the rows of positive weight, and the same times the number of rows each stands for."""
    used = block.weights.max(axis=1) > 0
    X = block.X if used.all() else block.X[used]
    return X, X if block.counts is None else X * (block.counts if len(X) == block.n else block.counts[used])


@sums_alike
def column_sums(block: Block) -> Array:
    """Σ x and Σ x² over the rows of positive weight, (2, p)."""
    return sums_and_squares(*_used_columns(block))


@sums_alike
def all_column_sums(block: Block) -> Array:
    """The same over all rows, those of zero weight included."""
    return sums_and_squares(block.X, block.X if block.counts is None else block.X * block.counts)


def sums_and_squares(X: Array, counted: Array) -> Array:
    """Column sums, and sums of squares, of rows and of the same times how often each counts, (2, p)."""
    return np.stack([np.ones(len(X)) @ counted, np.einsum("ij,ij->j", X, counted)])


@sums_alike
def moments(block: Block, centre: Array) -> Array:
    """Count of the rows of positive weight, Σw, Σ x, Σ w (x - c) and Σ w (x - c)² over them, (5, p); one model."""
    used = block.weights[:, 0] > 0
    X, counted = _used_columns(block)
    w, left, same = block.weights[used, 0], X - centre, np.ones(len(centre))
    count = float(used.sum() if block.counts is None else block.counts[used].sum())
    return np.vstack([count * same, w.sum() * same, counted.sum(axis=0), w @ left, w @ left**2])


@takes_codes
@sums_alike
def towards(block: Block, target: float) -> Array:
    """Xᵀ(target - offset) over the rows of positive weight of one model, (p,)."""
    used = block.weights[:, 0] > 0
    counted = _used_columns(block)[1]
    return np.asarray((target - block.offset[used, 0]) @ counted)


def shifted(block: Block, shift: Array) -> Block:
    """The block with a constant subtracted from each column."""
    return replace(block, X=block.X - shift) if shift.any() else block


@takes_codes
@sums_alike
def combination(block: Block, t: Array) -> Array:
    """(Xᵀr, rᵀr) packed, for the combination of columns r = X t, over the rows of positive weight."""
    X, counted = _used_columns(block)
    r = X @ t
    return np.append(r @ counted, r @ (counted @ t))


@takes_codes
def level_combination(block: Block, t: Array) -> Array:
    """For combinations of the columns of each level of the eliminated factor, t (L, s): [X'r, r'r] of each, (L, s + 1).

    Over the rows of positive weight, as `combination`.
    """
    assert isinstance(block.X, Mixed)
    first, used = block.X.parts[0], block.weights.max(axis=1) > 0
    r = np.where(used, first.found(t[:, :, None])[:, 0], 0.0)
    return np.column_stack([first.sums(r), np.bincount(first.codes, r * r, len(t))])


@takes_codes
def goodness(block: Block, coef: Array, family: Family) -> Array:
    """Pearson χ², Σwμ over events and Σwμ over non-events of each model, packed as (m, 3)."""
    eta = block.eta(coef)
    mean, survival = family.mean(eta), family.survival(eta)
    residual = block.y * survival - (1.0 - block.y) * mean
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # infinite where an outcome was impossible
        pearson = np.where(residual == 0.0, 0.0, residual * residual / (mean * survival))
    parts = [pearson, mean * block.y, mean * (1.0 - block.y)]
    return np.column_stack([weighted_sum(block.weights, part) for part in parts])


@takes_codes
@same_for_alike
def eta(block: Block, coef: Array) -> Array:
    """Linear predictor of each row, (n, m)."""
    return block.eta(coef)


@takes_codes
def hat(block: Block, coef: Array, family: Family, covariance: Array) -> Array:
    """Leverage w S x'Vx of each row of one model, (n,) (23)."""
    expected = family.pointwise(block.y, block.eta(coef))[2]
    with np.errstate(over="ignore", invalid="ignore"):
        return weighted(block.weights, (expected[:, 0] * quadratic(block, covariance))[:, None])[:, 0]


@sums_alike
def bias_score(block: Block, coef: Array, family: Family, covariances: Array, models: Models = None) -> Array:
    """Σ ½ h g x of each model, (m, p): what removes the first-order bias when added to the score (31).

    The leverages h are those of the inverse information ``covariances`` (m, p, p) of each model.
    """
    y, weights, offset = _of_models(block, models)
    with np.errstate(over="ignore", invalid="ignore"):  # a wild trial: what is not finite makes the step be halved
        eta = block.X @ coef.T + offset
        leverage = weighted(weights, family.pointwise(y, eta)[2] * quadratic_forms(block.X, covariances))
        return np.asarray((0.5 * leverage * family.bend(eta)).T @ block.X)


@sums_alike
def bias_curvature(block: Block, coef: Array, family: Family, covariances: Array, models: Models = None) -> Array:
    """What the second derivative of ½ log det I is made of, for the logit, (m, r + r², r) (56).

    Above Σ h (S''/S) x x' (r, r), below it Σ w S' x_j x x' for each column j, (r, r, r) with the first two axes joined.
    """
    y, weights, offset = _of_models(block, models)
    with np.errstate(over="ignore", invalid="ignore"):
        eta = block.X @ coef.T + offset
        S, g = family.pointwise(y, eta)[2], family.bend(eta)
        leverage = weighted(weights, S * quadratic_forms(block.X, covariances))
        second = gram(block.X, leverage * (g * g - 2.0 * S))  # S' = S g and S'' = S (g² - 2S)
        return np.concatenate([second, cubes(block.X, weighted(weights, S * g))], axis=1)


@takes_codes
def score_along(block: Block, coef: Array, family: Family, directions: Array) -> Array:
    """w s A'x of each row of one model, (n, d): its score along the columns of A (p, d)."""
    score = family.pointwise(block.y, block.eta(coef))[1]
    return np.asarray(weighted(block.weights, score) * (block.X @ directions))


@takes_codes
def score_products(block: Block, coef: Array, family: Family, directions: Array) -> Array:
    """Σ over rows of the outer products of ``score_along``, (d, d)."""
    u = score_along(block, coef, family, directions)
    return np.asarray(u.T @ u)


@takes_codes
def score_sums(block: Block, coef: Array, family: Family, directions: Array, count: int) -> Array:
    """Sums of ``score_along`` over each of ``count`` groups, (count, d)."""
    assert block.groups is not None
    u = score_along(block, coef, family, directions)
    sums = [np.bincount(block.groups, column, count) for column in u.T]
    return np.array(sums, dtype=float).reshape(-1, count).T  # no direction at all where everything is separated


@takes_codes
def quadratic(block: Block, matrix: Array) -> Array:
    """x' A x of each row, (n,)."""
    if isinstance(block.X, Mixed):
        return block.X.quadratic(matrix)
    return np.asarray(np.einsum("ij,ij->i", block.X @ matrix, block.X))


@takes_codes
def suspicion(block: Block, coef: Array, family: Family) -> Array:
    """S/(w s²) of each row of one model: how close it is to being separated, (n,)."""
    return _closeness(block, coef, family)[:, 0]
