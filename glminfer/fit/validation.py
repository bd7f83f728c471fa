"""Cross-validation of a path: which rows are held out, how the path does on them, and what is worth saying about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import missing, pick
from glminfer.data.sessions import coded, sessions
from glminfer.data.values import whole_number
from glminfer.errors import DataError, InputError, counted, one_of
from glminfer.fit.folds import Dealer, Folds, refuse_one_class
from glminfer.fit.held_out import Curve, cross_validated
from glminfer.fit.nested_validation import Choice, OuterFold, Spread, nested, spread
from glminfer.fit.path_arguments import Spacing
from glminfer.fit.path_records import PathRecord
from glminfer.fit.recipe import Recipe
from glminfer.numerics.losses import MEASURES, Measure
from glminfer.numerics.threads import one_blas_thread

RULES = ("min", "1se")
_FEW = 10  # rows of a fold below which its AUC takes few values (where cv.glmnet turns to the deviance)
_SAME = 1e-9  # a score this close to that of the constant is no better
_NAMED = 5  # folds spelled out in a note


@dataclass(frozen=True, eq=False)
class ValidationRecord:
    """A measure along a path, on rows that were held out (L penalties, K folds).

    Attributes
    ----------
    path : PathRecord
        Fitted to all rows.
    folds : Folds
    measure : Measure
    curve : Curve
        Means over folds, standard errors and choices.
    nobs : int
        Rows of positive weight.
    notes : tuple of str
    """

    made_by: ClassVar[tuple[str, ...]] = ("gi.cross_validate",)

    path: PathRecord
    folds: Folds
    measure: Measure
    curve: Curve
    nobs: int
    notes: tuple[str, ...]

    @property
    def lambda_min(self) -> float:
        """The penalty with the best mean."""
        return float(self.path.lambdas[self.curve.best])

    @property
    def lambda_1se(self) -> float:
        """The largest penalty whose mean is within one standard error of the best (72)."""
        return float(self.path.lambdas[self.curve.one_se])

    @property
    def C_min(self) -> float:
        """``lambda_min`` in scikit-learn's units."""
        return float(self.path.Cs[self.curve.best])

    @property
    def C_1se(self) -> float:
        """``lambda_1se`` in scikit-learn's units."""
        return float(self.path.Cs[self.curve.one_se])


@dataclass(frozen=True, eq=False)
class NestedRecord:
    """How well paths predict rows that took no part in fitting them or in choosing their penalty.

    Attributes
    ----------
    path : PathRecord
        What was fitted again in each outer fold.
    measure : Measure
    found : tuple of OuterFold
    spread : Spread
    told : str
        How the folds were made.
    chosen : str
        How the penalty was chosen.
    notes : tuple of str
    """

    made_by: ClassVar[tuple[str, ...]] = ("gi.nested_cross_validate",)

    path: PathRecord
    measure: Measure
    found: tuple[OuterFold, ...]
    spread: Spread
    told: str
    chosen: str
    notes: tuple[str, ...]


def validate(path: PathRecord, folds: Any, by: Any, measure: str, stratify: bool | None, seed: int) -> ValidationRecord:
    """Cross-validate a path over the penalties it was fitted at."""
    chosen = measure_named(measure)
    dealt, notes = folds_of(path, folds, by, stratify, np.random.default_rng(whole_number("seed", seed, 0)))
    recipe = recipe_of(path)
    refuse_one_class(dealt, recipe.y, recipe.weights)
    with one_blas_thread():
        found = cross_validated(recipe, dealt, path.lambdas, chosen)
    said = (*notes, *_fold_notes(dealt, recipe.counts, chosen, found), *_end_notes(chosen, found))
    return ValidationRecord(path, dealt, chosen, found, int(recipe.counts.sum()), said)


def recipe_of(path: PathRecord) -> Recipe:
    """How a path is made again: its columns and penalties, or the rule that gave them."""
    rows, _ = path.with_rows()
    asked: Spacing = path.call["spacing"]
    given = asked.lambdas is not None or asked.Cs is not None
    return Recipe(
        X=rows.X,
        y=rows.y,
        weights=rows.weights,
        offset=rows.offset,
        mixture=path.mixture,
        control=path.control,
        lambdas=path.lambdas if given else None,
        n_lambdas=asked.n_lambdas,
        lambda_min_ratio=asked.lambda_min_ratio,
        n_steps=len(path.lambdas),
    )


def measure_named(name: str) -> Measure:
    """The measure of this name."""
    return MEASURES[one_of(name, MEASURES, "measure")]


# folds ---------------------------------------------------------------------------------------------------------------


def folds_of(
    path: PathRecord, folds: Any, by: Any, stratify: bool | None, rng: np.random.Generator
) -> tuple[Folds, list[str]]:
    """The folds asked for, and what to say about them."""
    if isinstance(folds, Integral) and not isinstance(folds, bool):
        dealer = dealer_of(path, int(folds), by, stratify is not False)
        rows, _ = path.with_rows()
        made = dealer.deal(rows.y, rows.weights > 0, rng)
        return made, _fewer(made, dealer)
    if by is not None or stratify is not None:
        name = "by" if by is not None else "stratify"
        raise InputError(
            f"{name}= says how rows are dealt out, and folds= gives every row its fold; leave one of them out."
        )
    return _given(path, folds), []


def dealer_of(path: PathRecord, folds: int, by: Any, stratify: bool) -> Dealer:
    """How the rows of a path are dealt out."""
    rows, sample = path.with_rows()
    if folds < 2:
        raise InputError(f"folds={folds} must be 2 or more: some rows are held out while others are fitted.")
    count = int(np.count_nonzero(rows.weights))
    if folds > count:
        raise InputError(f"folds={folds} and the path has {counted(count, 'row')}: a fold needs a row.")
    if by is None:
        return Dealer(folds, stratify)
    groups = sessions(path.call["data"], sample.used, by=by)
    if len(np.unique(groups.codes[rows.weights > 0])) < 2:
        raise DataError(f"{groups.name} has one value in all rows used, so no group can be held out; leave by= out.")
    return Dealer(folds, stratify, groups.codes, groups.name)


def _fewer(made: Folds, dealer: Dealer) -> list[str]:
    if made.count == dealer.count:
        return []
    groups = f"{counted(made.count, 'group')} of {dealer.group_name}"
    return [f"{groups}: each is a fold of its own, {made.count} instead of {dealer.count}"]


def _given(path: PathRecord, folds: Any) -> Folds:
    """A fold for every row, from a column name, a Series or an array."""
    rows, sample = path.with_rows()
    column = frames.aligned_column(folds, path.call["data"], "folds")
    column = pick(column, sample.used)
    gone = int(np.count_nonzero(missing(column) & (rows.weights > 0)))
    if gone:
        raise DataError(
            f"folds= is missing in {gone:,} of the {counted(len(sample.used), 'row')} used. Give every row a fold, or "
            "fit the path without these rows: subset=."
        )
    codes, values = coded(column)
    present = np.unique(codes[rows.weights > 0])
    if len(present) < 2:
        raise DataError(f"folds= has one value, {values[present[0]]!r}, in all rows used; it must tell folds apart.")
    order = sorted(present, key=lambda code: _rank(values[code]))
    place = np.zeros(len(values), dtype=np.intp)
    place[order] = np.arange(len(order))
    return Folds(place[codes], tuple(values[code] for code in order), f"{counted(len(order), 'fold')} as given")


def _rank(value: Any) -> tuple[bool, Any]:
    """Numbers in their order, before anything else as text."""
    return (False, float(value)) if isinstance(value, int | float | np.number) else (True, str(value))


# what is worth saying ------------------------------------------------------------------------------------------------


def _listed(folds: Folds, marked: NDArray[np.bool_]) -> str:
    """``2 of 10 folds (3, 7)``."""
    names = [str(name) for name, mark in zip(folds.names, marked, strict=True) if mark]
    more = ", …" if len(names) > _NAMED else ""
    return f"{len(names)} of {counted(folds.count, 'fold')} ({', '.join(names[:_NAMED])}{more})"


def _fold_notes(folds: Folds, counts: NDArray[np.bool_], measure: Measure, found: Curve) -> Iterator[str]:
    if not found.defined.all():
        where = _listed(folds, ~found.defined)
        yield f"{measure.name} needs both outcomes, and {where} have one only: they are left out of means and errors"
    rows = counts.sum() / folds.count
    if measure.name == "auc" and rows < _FEW:
        yield f"{rows:.3g} rows in a fold: the AUC of so few takes few values; measure='deviance' tells λ apart better"
    if not found.converged.all():
        yield f"in {_listed(folds, ~found.converged)} some fits did not reach their optimum"


def _end_notes(measure: Measure, found: Curve) -> Iterator[str]:
    best = found.mean[found.best] * measure.sign
    if found.best == len(found.mean) - 1 and len(found.mean) > 1:
        yield "the best λ is the smallest of the path: there may be a better one below (lambda_min_ratio=, lambdas=)"
    if best <= found.null * measure.sign + _SAME:
        yield f"no λ predicts better than the constant alone ({measure.name} {found.null:.4g})"


# nested --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NestedRequest:
    """The arguments of a nested cross-validation."""

    outer: Any
    inner: int
    by: Any
    measure: str
    select: str
    rule: str
    repeats: int
    stratify: bool
    seed: int


def validate_nested(path: PathRecord, asked: NestedRequest) -> NestedRecord:
    """Choose the penalty inside every outer fold, and judge it there."""
    measure, select = measure_named(asked.measure), measure_named(asked.select)
    one_of(asked.rule, RULES, "rule")
    recipe, inner = recipe_of(path), dealer_of(path, asked.inner, asked.by, asked.stratify)
    repeats = whole_number("repeats", asked.repeats, 1)
    seeds = np.random.SeedSequence(whole_number("seed", asked.seed, 0)).spawn(repeats)
    dealt, notes = _outer(path, asked, seeds)
    for folds in dealt:
        refuse_one_class(folds, recipe.y, recipe.weights)
    with one_blas_thread():
        found = nested(recipe, dealt, Choice(inner, select, asked.rule == "1se"), measure, seeds)
    undefined = sum(not np.isfinite(one.score) for one in found)
    if len(found) - undefined < 2:
        raise DataError(
            f"{measure.name} needs both outcomes in a fold, and fewer than two of the {len(found)} outer folds have "
            "them. Use fewer outer folds, or a measure that every fold has: accuracy, brier, deviance."
        )
    if undefined:
        notes.append(f"{undefined} of {len(found)} outer folds have one outcome only and no {measure.name}")
    chosen = f"λ chosen in each by {inner.count} inner folds, {select.name}, rule {asked.rule!r}"
    times = f", dealt {repeats} times" if repeats > 1 else ""
    return NestedRecord(path, measure, tuple(found), spread(found), dealt[0].told + times, chosen, tuple(notes))


def _outer(
    path: PathRecord, asked: NestedRequest, seeds: list[np.random.SeedSequence]
) -> tuple[list[Folds], list[str]]:
    """The outer folds of every repeat."""
    dealing = isinstance(asked.outer, Integral)
    if not dealing and len(seeds) > 1:
        raise InputError(
            f"repeats={len(seeds)} deals the outer folds again each time, and outer= gives them; use repeats=1."
        )
    by, stratify = (asked.by, asked.stratify) if dealing else (None, None)
    made = [folds_of(path, asked.outer, by, stratify, np.random.default_rng(seed)) for seed in seeds]
    return [folds for folds, _ in made], made[0][1]
