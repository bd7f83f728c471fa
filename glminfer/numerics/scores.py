"""Sums of score contributions over rows and over clusters: what robust covariances are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.alike import takes_codes
from glminfer.numerics.blocks import Array, Block, Terms
from glminfer.numerics.families import Family
from glminfer.numerics.kernels import existence, likelihood, quadratic, weighted
from glminfer.numerics.linalg import gram
from glminfer.numerics.mixed import Mixed, scattered
from glminfer.numerics.objectives import Summable

FULL = 1e-10  # a leverage this close to 1 is 1: the rows fit themselves, and their residual is rounding


class Grouped(Protocol):
    """Rows that carry codes of a grouping column, as far as cluster sums need to know them."""

    def sum(self, kernel: Callable[..., Any], *arrays: Any) -> Any:
        """Σ over blocks of ``kernel(block, *arrays)``."""

    def map(self, kernel: Callable[..., Any], *arrays: Any) -> Array:
        """``kernel(block, *arrays)`` of all blocks, joined in row order."""


def _weighted(block: Block, coef: Array, family: Family) -> tuple[Array, Array]:
    """w s and w S of each row of one model; a row of zero weight counts nothing even if s is infinite."""
    _, score, expected, _ = family.pointwise(block.y, block.eta(coef))
    return weighted(block.weights, score)[:, 0], weighted(block.weights, expected)[:, 0]


@takes_codes
def row_scores(block: Block, coef: Array, family: Family) -> Array:
    """w s of each row of one model, (n,)."""
    return _weighted(block, coef, family)[0]


@dataclass(frozen=True, slots=True)
class RowMeat:
    """Sums over rows: the middle of a sandwich (r, r), and how many rows have leverage 1."""

    matrix: Array
    full: int

    def __add__(self, other: RowMeat) -> RowMeat:
        return RowMeat(self.matrix + other.matrix, self.full + other.full)


@takes_codes
def meat(block: Block, coef: Array, family: Family, covariance: Array, power: int) -> RowMeat:
    """Σ w² s² (1 - h)^(-power) z z' of one model, (r, r), and the number of rows of leverage 1 (32)."""
    score, expected = _weighted(block, coef, family)
    full = np.zeros(block.n, dtype=bool)
    if power:
        with np.errstate(over="ignore", invalid="ignore"):  # only rows of zero weight can be so far out
            left = 1.0 - np.where(expected > 0, expected * quadratic(block, covariance), 0.0)
        full = left <= FULL
        score = np.where(full, 0.0, score / np.sqrt(np.where(full, 1.0, left)) ** power)
    if isinstance(block.X, Mixed):
        return RowMeat(gram(block.X, (score * score)[:, None])[0], int(full.sum()))
    rows = block.X * score[:, None]
    return RowMeat(rows.T @ rows, int(full.sum()))


@takes_codes
def cluster_scores(block: Block, coef: Array, family: Family) -> Array:
    """Code and Σ w s z of each cluster present in the block, (k, 1 + r)."""
    score, _ = _weighted(block, coef, family)
    codes, where = np.unique(np.asarray(block.groups), return_inverse=True)
    return np.column_stack([codes, _scattered(score, where, len(codes), block.X)])


def _scattered(weights: Array, where: NDArray[np.intp], k: int, values: Array) -> Array:
    """Sums of weighted rows of ``values`` by position, (k, columns); a sparse product needs no sorting."""
    if isinstance(values, Mixed):
        return values.scattered(weights, where, k)
    return scattered(weights, where, k, values)


def cluster_moments(block: Block, coef: Array, family: Family, first: int, last: int) -> Array:
    """Code, Σ w s z and Σ w S z z' of the clusters ``first`` to ``last`` present, packed as (k, 1 + r + r²)."""
    r = block.X.shape[1]
    codes = np.asarray(block.groups)
    inside = np.flatnonzero((codes >= first) & (codes < last))
    inside = inside[np.argsort(codes[inside], kind="stable")]
    part = Block(block.X[inside], block.y[inside], block.weights[inside], block.offset[inside])
    score, expected = _weighted(part, coef, family)
    present, starts = np.unique(codes[inside], return_index=True)
    out = np.empty((len(present), 1 + r + r * r))
    root = part.X * np.sqrt(expected)[:, None]
    for k, (start, end) in enumerate(pairwise([*starts, len(inside)])):
        rows = root[start:end]
        out[k, 1 : 1 + r] = score[start:end] @ part.X[start:end]
        out[k, 1 + r :] = (rows.T @ rows).ravel()
    out[:, 0] = present
    return out


def score_sums(rows: Grouped, coef: Array, family: Family, n_groups: int) -> Array:
    """Score sum of each cluster, (G, r)."""
    return _by_cluster(rows.map(cluster_scores, coef[None], family), 0, n_groups)


def moment_sums(rows: Grouped, coef: Array, family: Family, first: int, last: int) -> tuple[Array, Array]:
    """Score sums (G, r) and information (G, r, r) of the clusters with codes from ``first`` to ``last``."""
    r = len(coef)
    sums = _by_cluster(rows.map(cluster_moments, coef[None], family, first, last), first, last - first)
    return sums[:, :r], sums[:, r:].reshape(len(sums), r, r)


def _by_cluster(parts: Array, first: int, count: int) -> Array:
    """The parts of each cluster found in different blocks, added."""
    return _scattered(np.ones(len(parts)), parts[:, 0].astype(np.intp) - first, count, parts[:, 1:])


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The log-likelihood without one cluster: model k leaves out the cluster with code ``out[k]``."""

    rows: Summable
    family: Family
    out: NDArray[np.intp]

    def __call__(self, coef: Array, models: NDArray[np.intp] | None = None) -> Terms:
        """Terms at the coefficients (m, r)."""
        out = self.out if models is None else self.out[models]
        terms: Terms = self.rows.sum(_without, coef, self.family, out)
        return terms

    @property
    def concave(self) -> bool:
        """Whether every stationary point is the maximum."""
        return self.family.concave

    def existence(self, coef: Array) -> Array:
        """The certificate of a finite maximum of each model (16)."""
        return np.asarray(self.rows.sum(_existence_without, coef, self.family, self.out))


def _less(block: Block, out: NDArray[np.intp]) -> Block:
    return replace(block, weights=block.weights * (np.asarray(block.groups)[:, None] != out))


def _without(block: Block, coef: Array, family: Family, out: NDArray[np.intp]) -> Terms:
    return likelihood(_less(block, out), coef, family)


def _existence_without(block: Block, coef: Array, family: Family, out: NDArray[np.intp]) -> Array:
    return existence(_less(block, out), coef, family)
