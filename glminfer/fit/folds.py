"""Which rows are held out together: folds dealt at random, whole groups at a time, or as given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import DataError, counted
from glminfer.numerics.blocks import Array

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Folds:
    """A fold for every used row.

    Attributes
    ----------
    codes : (n,)
        Fold 0 … K-1 of each row.
    names : tuple
        What the folds are called: 1 … K, or the values given.
    told : str
        How they were made: "10 folds, stratified by the outcome".
    """

    codes: Codes
    names: tuple[object, ...]
    told: str

    @property
    def count(self) -> int:
        """Number of folds."""
        return len(self.names)

    def weights(self, weights: Array) -> Array:
        """Weight of each fold, (K,)."""
        return np.asarray(np.bincount(self.codes, weights, minlength=self.count), dtype=float)


@dataclass(frozen=True, slots=True)
class Dealer:
    """How rows are dealt out to folds, for these rows or for some of them.

    Attributes
    ----------
    count : int
        Folds wanted; fewer are made of fewer groups.
    stratify : bool
        Whether every fold is to have the same share of events, as nearly as possible.
    groups : (n,) or None
        Codes of groups that stay together.
    group_name : str
    """

    count: int
    stratify: bool
    groups: Codes | None = None
    group_name: str = ""

    def deal(self, y: Array, counts: NDArray[np.bool_], rng: np.random.Generator) -> Folds:
        """Folds of all rows; those that do not count (weight zero) are dealt out too, after the others."""
        if self.groups is None:
            K = min(self.count, int(counts.sum()))
            return Folds(_dealt(y, counts, K, self.stratify, rng), tuple(range(1, K + 1)), self.describe(K))
        codes, K = self._dealt_groups(y, counts, rng)
        return Folds(codes, tuple(range(1, K + 1)), self.describe(K))

    def _dealt_groups(self, y: Array, counts: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Codes, int]:
        assert self.groups is not None
        present = np.unique(self.groups[counts])
        amounts = _amounts(self.groups, y, counts, self.stratify)
        K = min(self.count, len(present))
        fold_of = np.zeros(len(amounts), dtype=np.intp)
        fold_of[present] = _balanced(amounts[present], K, rng)
        return fold_of[self.groups], K

    def describe(self, K: int | None = None) -> str:
        """How K folds were made, or those wanted."""
        whole = f" of whole groups of {self.group_name}" if self.groups is not None else ""
        alone = K is not None and self.count > K  # every group is a fold of its own
        even = ", stratified by the outcome" if self.stratify and not alone else ""
        return f"{counted(K or self.count, 'fold')}{whole}{even}"


def _dealt(y: Array, counts: NDArray[np.bool_], K: int, stratify: bool, rng: np.random.Generator) -> Codes:
    """Rows in random order, those of like outcome after each other if stratified, dealt out one by one."""
    order = rng.permutation(len(y))
    keys = (y[order], ~counts[order]) if stratify else (~counts[order],)
    codes = np.empty(len(y), dtype=np.intp)
    codes[order[np.lexsort(keys)]] = np.arange(len(y)) % K
    return codes


def _amounts(groups: Codes, y: Array, counts: NDArray[np.bool_], stratify: bool) -> Array:
    """What each group adds to a fold: its shares of the events and of the other trials, or its share of the rows."""
    kinds = [y * counts, (1.0 - y) * counts] if stratify else [counts.astype(float)]
    sums = np.column_stack([np.bincount(groups, kind) for kind in kinds])
    return np.asarray(sums / np.maximum(sums.sum(axis=0), 1e-300))


def _balanced(amounts: Array, K: int, rng: np.random.Generator) -> Codes:
    """A fold for each group, the largest first, each to the fold that then is least uneven."""
    order = rng.permutation(len(amounts))
    order = order[np.argsort(-amounts[order].sum(axis=1), kind="stable")]
    totals, fold_of = np.zeros((K, amounts.shape[1])), np.empty(len(amounts), dtype=np.intp)
    for group in order:
        # the growth of Σ totals² is 2 totals'amounts and a constant; between equals the smaller fold, so none is empty
        fold = int(np.lexsort((totals.sum(axis=1), totals @ amounts[group]))[0])
        totals[fold] += amounts[group]
        fold_of[group] = fold
    return fold_of


def refuse_one_class(folds: Folds, y: Array, weights: Array) -> None:
    """Every fit needs both outcomes among the rows outside its fold."""
    for code, name in enumerate(folds.names):
        left = weights * (folds.codes != code)
        events = float(left @ y)
        if not 0.0 < events < left.sum() * (1.0 - 1e-15):
            rows, kind = counted(int(np.count_nonzero(left)), "row"), "an event" if events else "no event"
            raise DataError(
                f"Outside fold {name!r} each of {rows} is {kind}, and a logistic model needs both outcomes. Deal the "
                "folds differently: fewer of them, stratify=True, or groups that do not hold all of one outcome."
            )
