"""What many fits are: panels of models that share rows and columns, each panel a set of arrays over its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.design import Sample
from glminfer.data.outcomes import Outcomes, span
from glminfer.data.rows import MemoryRows
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.newton import unit_of
from glminfer.numerics.penalties import Firth
from glminfer.numerics.rank import Basis

Models = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Covariates of which each model has one.

    Attributes
    ----------
    values : (n, m)
        Over the used rows; NaN where missing.
    factors : (n, q)
        A candidate's columns are its values times these: ones for itself, a covariate for an interaction with it.
    places : (q,) int
        Where these columns stand among those of the design.
    """

    values: NDArray[Any]
    factors: Array
    places: NDArray[np.intp]

    def take(self, which: Models) -> tuple[Array, NDArray[np.bool_] | None]:
        """Own columns (n, q, k) of some models, 0 where missing, and the rows where they are known (None if all)."""
        values = self.values[:, span(which)].astype(np.float64, order="C")
        gone = np.isnan(values)
        known = ~gone if gone.any() else None
        if known is not None:
            values[gone] = 0.0
        return values[:, None, :] * self.factors[:, :, None], known


def own_squares(own: Array) -> Array:
    """Sums of squares (q, k) of own columns (n, q, k); infinite where double precision cannot hold them."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.einsum("nqk,nqk->qk", own, own))


class Recipe(Protocol):
    """How one model of a panel becomes a single fit."""

    def rows(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Sample:
        """The rows of the model, and of its design what is needed to fit it and to say how it ended."""

    def single(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> tuple[Sample, dict[str, Any]]:
        """The rows of the model, and the arguments that fit it by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """The rows of a panel and what its m models are made of.

    Attributes
    ----------
    sample : Sample
        The used rows; the design of what all models share, named as the models' own.
    rows : MemoryRows
        Shared working columns Z (n, r), weights and offset (n, 1), the outcome (n, 1) where it is shared.
    columns : (n, r) array or Mixed
        Z as the sums take it: columns of levels as codes, where there are many.
    basis : Basis
        How Z is made of the shared columns.
    T : (p, R)
        Coefficients of all columns of the design from working ones: those of Z, then own columns.
    outcomes : Outcomes or None
        None when all models share the outcome of ``rows``.
    candidates : Candidates or None
    aliased : dict
        Columns that are redundant among those all models share, and the relation.
    recipe : Recipe
        How one of the models is fitted by itself.
    """

    sample: Sample
    rows: MemoryRows
    columns: Array | Mixed
    basis: Basis
    T: Array
    outcomes: Outcomes | None
    candidates: Candidates | None
    aliased: Mapping[str, str]
    recipe: Recipe

    @property
    def count(self) -> int:
        """Number m of models."""
        for many in (self.outcomes, self.candidates):
            if many is not None:
                return int(many.values.shape[1])
        return 1

    @property
    def unit(self) -> float:
        """What the weights are measured in (156)."""
        weights = self.rows.whole.weights
        return unit_of(float(weights.sum()), int(np.count_nonzero(weights)))

    @property
    def coordinates(self) -> Array:
        """M (R, p): working coefficients from those of the columns, as far as these are estimable."""
        kept = np.flatnonzero(self.T.any(axis=1))
        M = np.zeros(self.T.shape[::-1])
        M[:, kept] = np.linalg.inv(self.T[kept])
        return M

    @property
    def estimable(self) -> int:
        """Number R of working coefficients of a model whose columns are all independent."""
        return int(self.T.shape[1])

    def block(self, which: Models) -> Block:
        """The rows of some models: y (n, k) or (n, 1), weights zero where a model misses a value."""
        whole = self.rows.whole
        y, weights, own, known = whole.y, whole.weights, None, None
        if self.outcomes is not None:
            y, known = self.outcomes.take(which)
        if self.candidates is not None:
            own, known = self.candidates.take(which)
        if known is not None:
            weights = np.where(known, weights, 0.0)
        return Block(cast(Array, self.columns), y, weights, whole.offset, None, own)

    def moves(self, k: int, step: Array) -> Array:
        """What a step of the working coefficients (R,) does to the linear predictor of the rows of one model."""
        block, known = self.block(np.array([k])), self.known(k)
        r = block.X.shape[1]
        moved = block.X @ step[:r]
        if block.own is not None:
            moved += block.own[:, :, 0] @ step[r:]
        return np.asarray(moved if known is None else moved[known])

    def known(self, k: int) -> NDArray[np.bool_] | None:
        """Rows where one model misses nothing; None if all."""
        which = np.array([k])
        if self.outcomes is not None:
            known = self.outcomes.take(which)[1]
        else:
            known = None if self.candidates is None else self.candidates.take(which)[1]
        return None if known is None else known[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What came out of m models: arrays over models.

    Attributes
    ----------
    working : (m, R)
        Working coefficients: the finite part under separation, zero where a column is aliased, NaN without a fit.
    covariance : (m, R(R+1)/2)
        Upper triangles of their covariance: the inverse information (19).
    values : (m, p)
        Estimates in column order, as in a single fit: NaN where aliased or undetermined, ±inf where separated.
    loglik, null_loglik, saturated, constant : (m,)
        Log-likelihoods with the binomial coefficients, and those coefficients' part.
    rank, nobs, n_iter, n_missing : (m,) int
        ``n_missing`` counts the rows of the panel that a model misses a value of its own in.
    status : (m,) str
        How each model ended.
    words : dict
        Statuses of the coefficients of a model, where they are not all its own status.
    notes : dict
        What to know about a model.
    separated : dict
        Rows (n,) of the panel that a separated model fits exactly.
    firth : (m,) bool
        Which estimates are bias-reduced.
    """

    working: Array
    covariance: Array
    values: Array
    loglik: Array
    null_loglik: Array
    saturated: Array
    constant: Array
    rank: NDArray[np.intp]
    nobs: NDArray[np.intp]
    n_iter: NDArray[np.intp]
    n_missing: NDArray[np.intp]
    status: NDArray[Any]
    words: Mapping[int, tuple[str, ...]]
    notes: Mapping[int, str]
    separated: Mapping[int, NDArray[np.bool_]]
    firth: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Models over the same rows.

    Attributes
    ----------
    group : object
        The value of the grouping column these rows have; None without groups.
    names : tuple of str
        The outcome or covariate of each model; the outcome of the formula when groups are all that differs.
    columns : tuple of str
        Names of the coefficients; ``{x}`` stands for the name of a candidate.
    roles : tuple of str
        What each coefficient is in every model; ``{x}`` for all columns of a group of candidates.
    terms : dict
        Term name to positions of its columns; ``{x}`` stands for a candidate or a group of them.
    stock : Stock
    found : Estimates
    """

    group: Any
    names: tuple[str, ...]
    columns: tuple[str, ...]
    roles: tuple[str, ...]
    terms: Mapping[str, tuple[int, ...]]
    stock: Stock
    found: Estimates

    def __len__(self) -> int:
        return len(self.names)

    def block(self, which: Models) -> Block:
        """The rows of some models, those that a separated one fits exactly at zero weight."""
        block, lost = self.stock.block(which), [i for i, k in enumerate(which.tolist()) if k in self.found.separated]
        if not lost:
            return block
        weights = np.repeat(block.weights, len(which), axis=1) if block.weights.shape[1] == 1 else block.weights
        for i in lost:
            weights[self.found.separated[int(which[i])], i] = 0.0
        return replace(block, weights=weights)


@dataclass(frozen=True, eq=False)
class FitsRecord:
    """Many fitted logistic models.

    Attributes
    ----------
    formula : str
        As given.
    panels : tuple of Panel
    model : str or None
        What tells models of a panel apart: "outcome" or "covariate"; None when only groups do.
    by : str or None
        Name of the grouping column.
    penalty : Firth, "firth_if_separated" or None
    notes : tuple of str
        What all models share.
    call : dict
        The arguments, the frame included: what a single refit needs.
    """

    made_by: ClassVar[tuple[str, ...]] = ("gi.logit_many", "gi.logit_each")

    formula: str
    panels: tuple[Panel, ...]
    model: str | None
    by: str | None
    penalty: Firth | str | None
    notes: tuple[str, ...]
    call: Mapping[str, Any]

    def __len__(self) -> int:
        return sum(map(len, self.panels))
