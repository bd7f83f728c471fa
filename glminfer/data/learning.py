"""The steps from a formula and a frame to values: reading names, choosing rows, learning factors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.coding import LearnedFactor, coded, full_codings, known_codes, term_names, with_rows
from glminfer.data.columns import Factor, Mask, Masked, factorised
from glminfer.data.evaluation import (
    Evaluator,
    Incomplete,
    States,
    Value,
    incomplete_rows,
    missing_column,
    refuse_infinite,
)
from glminfer.data.expressions import Expression, all_columns, expression, shown_name
from glminfer.data.filling import Codes, Numbers, Source
from glminfer.data.formula import Formula, expand, parse, spelled
from glminfer.data.frames import Columns
from glminfer.data.scope import Scope
from glminfer.data.selection import Selection, mask_of
from glminfer.errors import DataError, FormulaError, counted

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Argument:
    """Weights, trials, offset or subset as given: the name of a column, or None for values that came as an array."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Given:
    """How the arguments beside the formula were given; None for those that were not."""

    weights: Argument | None = None
    trials: Argument | None = None
    offset: Argument | None = None
    subset: Argument | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Columns named by weights, trials and offset."""
        return tuple(a.name for a in (self.weights, self.trials, self.offset) if a is not None and a.name is not None)


def given(**values: Any) -> Given:
    """Note how each argument was given."""
    return Given(**{k: None if v is None else Argument(v if isinstance(v, str) else None) for k, v in values.items()})


@dataclass(frozen=True, slots=True)
class Reading:
    """A formula whose names are resolved against a frame.

    Attributes
    ----------
    formula : Formula
    response, factors, offsets : tuple of Expression
        Of the left side, the terms and ``offset()``.
    scope : Scope
        Where functions come from.
    known : frozenset of str
        The columns of the frame.
    """

    formula: Formula
    response: tuple[Expression, ...]
    factors: tuple[Expression, ...]
    offsets: tuple[Expression, ...]
    scope: Scope
    known: frozenset[str]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All of them."""
        return (*self.response, *self.factors, *self.offsets)


# reading ------------------------------------------------------------------------------------------------------------------


def read(text: str, frame: Any, arguments: Given, scope: Scope) -> Reading:
    """Parse the formula and resolve its names against the columns of a frame."""
    columns = frames.names(frame)
    known = frozenset(columns)
    formula = parse(expand(text, columns, arguments.names))
    resolve = lambda texts: tuple(expression(t, known) for t in texts)  # noqa: E731
    reading = Reading(formula, *map(resolve, (formula.pieces, formula.factors, formula.offsets)), scope, known)
    for found in reading.expressions:
        check_names(found, columns, scope)
    _refuse_response_on_the_right(reading)
    if not formula.terms and not formula.has_intercept:
        raise FormulaError(f"{text!r} has no terms and no intercept, so there is nothing to estimate.")
    return reading


def check_names(found: Expression, columns: Sequence[str], scope: Scope) -> None:
    """Every name of an expression must be a column or, in call position, a function."""
    known = columns if isinstance(columns, frozenset) else frozenset(columns)
    for name in found.columns:
        if name not in known:
            raise missing_column(found, name, tuple(columns), scope)
    for _, path in found.calls:
        root = path.split(".")[0]
        if root in known and root != path and scope.root(root) is None:
            raise FormulaError(
                f"{path}() in {found.text}: methods of columns cannot be called in a formula; use a function, such as "
                f"np.clip({root}, 0, 1), or make a column of what is meant."
            )
        scope.function(path, found.text)


def _refuse_response_on_the_right(reading: Reading) -> None:
    left = set(all_columns(list(reading.response)))
    for factor in reading.factors:
        if factor.column in left:
            raise FormulaError(
                f"{factor.column!r} is on both sides of {reading.formula.text!r}: the outcome cannot explain itself. "
                "Take it out on the right."
            )


# rows ----------------------------------------------------------------------------------------------------------------------


def subset_mask(subset: Any, columns: Columns, frame: Any, scope: Scope, known: frozenset[str]) -> Mask:
    """A subset, given as a condition on the columns or as a mask, as one bool for each row."""
    if not isinstance(subset, str):
        column = frames.aligned_column(subset, frame, "subset")
        return mask_of(column, "…", columns.n)
    condition = expression(spelled(subset), known)
    complete = Selection(columns.n)
    complete.leave_out_missing([(name, columns.data[name]) for name in condition.columns])
    if not complete.n:
        return np.zeros(columns.n, dtype=bool)
    value = Evaluator(chosen(columns, condition.columns, complete), scope).value(condition)
    mask = np.zeros(columns.n, dtype=bool)
    mask[complete.positions] = mask_of(value.column, repr(subset), columns.n)
    return mask


def chosen(columns: Columns, names: Iterable[str], selection: Selection) -> Columns:
    """Some columns at the rows in use, without a copy while all rows are."""
    part = frames.take(columns, names)
    if selection.rows is None:
        return part
    return frames.select(part, selection.rows)


def evaluated(
    expressions: Sequence[Expression],
    columns: Columns,
    selection: Selection,
    scope: Scope,
    states: Mapping[str, States] | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Value]:
    """Values of all expressions on the rows where each of them has one.

    A row that misses one leaves, and all are evaluated anew without it: what a transform learns, it learns from the
    rows that are used.
    """
    names = all_columns(list(expressions))
    while True:
        check()
        if not selection.n:
            return {}
        evaluator = Evaluator(chosen(columns, names, selection), scope)
        values, gone = _one_pass(evaluator, expressions, states)
        if not gone:
            return values
        selection.leave_out(gone)


def _one_pass(
    evaluator: Evaluator, expressions: Sequence[Expression], states: Mapping[str, States] | None
) -> tuple[dict[str, Value], list[tuple[str, Mask]]]:
    values: dict[str, Value] = {}
    gone: list[tuple[str, Mask]] = []
    for found in expressions:
        if found.text in values:
            continue
        try:
            value = evaluator.value(found, None if states is None else states[found.text])
        except Incomplete as incomplete:
            gone.append((found.text, incomplete.rows))
            continue
        mask = incomplete_rows(value)
        if mask is not None:
            gone.append((found.text, mask))
        values[found.text] = value
    return values, gone


# factors ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Learned:
    """The columns of a design, and the values to fill them with.

    Attributes
    ----------
    factors : dict
        Factor text to `LearnedFactor`.
    full : tuple of tuples of bool
        For each term, which factors have all their dummies.
    names : tuple of str
        Column names.
    terms : dict
        Term name to slice of columns.
    values : dict
        Factor text to its numbers or level codes on the used rows.
    reference : dict
        Factor text to reference level.
    notes : tuple of str
    """

    factors: dict[str, LearnedFactor]
    full: tuple[tuple[bool, ...], ...]
    names: tuple[str, ...]
    terms: dict[str, slice]
    values: dict[str, NDArray[Any]]
    reference: dict[str, Any]
    notes: tuple[str, ...]


def learn_factors(formula: Formula, values: Mapping[str, Value]) -> Learned:
    """Levels, codings and column names from the values of the factors."""
    notes: list[str] = []
    arrays: dict[str, NDArray[Any]] = {}
    found: dict[str, LearnedFactor] = {}
    for text in formula.factors:
        found[text], arrays[text] = _factor(text, values[text], notes)
    categorical = {text for text, factor in found.items() if not factor.width}
    full = full_codings(formula.terms, categorical, formula.has_intercept)
    for text in formula.factors:
        if text in categorical:
            found[text] = _with_codings(found[text], values[text].contrast, _codings_needed(text, formula, full), notes)
    names, terms = _columns(formula, found, full)
    return Learned(found, tuple(full), names, terms, arrays, _references(found), tuple(notes))


def _factor(text: str, value: Value, notes: list[str]) -> tuple[LearnedFactor, NDArray[Any]]:
    column = value.column
    if not isinstance(column, Factor) and column.dtype.kind != "b":
        refuse_infinite(value, shown_name(text))
        width = 1 if column.ndim == 1 else column.shape[1]
        return LearnedFactor(text, width, states=value.states), column
    factor, unused = with_rows(column if isinstance(column, Factor) else factorised(column))
    for level in unused:
        notes.append(f"{text}: level {level!r} has no rows and is left out")
    return LearnedFactor(text, 0, factor.levels, states=value.states), factor.codes


def _codings_needed(text: str, formula: Formula, full: Sequence[tuple[bool, ...]]) -> set[bool]:
    return {
        flag
        for term, flags in zip(formula.terms, full, strict=True)
        for f, flag in zip(term.factors, flags, strict=True)
        if f == text
    }


def _with_codings(factor: LearnedFactor, contrast: Any, needed: set[bool], notes: list[str]) -> LearnedFactor:
    if False in needed and len(factor.levels) == 1:
        notes.append(f"{factor.text} is {factor.levels[0]!r} in every row and has no column")
    full, reduced = (
        coded(factor.text, factor.levels, contrast, which) if which in needed else None for which in (True, False)
    )
    return LearnedFactor(factor.text, 0, factor.levels, full, reduced, factor.states)


def _columns(
    formula: Formula, factors: Mapping[str, LearnedFactor], full: Sequence[tuple[bool, ...]]
) -> tuple[tuple[str, ...], dict[str, slice]]:
    names = ["Intercept"] if formula.has_intercept else []
    terms = {"Intercept": slice(0, 1)} if formula.has_intercept else {}
    for term, flags in zip(formula.terms, full, strict=True):
        start = len(names)
        names += term_names([factors[f].names(flag) for f, flag in zip(term.factors, flags, strict=True)])
        terms[term.name] = slice(start, len(names))
    return tuple(names), terms


def _references(factors: Mapping[str, LearnedFactor]) -> dict[str, Any]:
    return {
        text: factor.levels[factor.reduced.reference]
        for text, factor in factors.items()
        if factor.reduced is not None and factor.reduced.reference is not None
    }


def known_values(factor: LearnedFactor, value: Value) -> NDArray[Any]:
    """Numbers or level codes of a learned factor on later rows; code -2 is a level that was not there."""
    column = value.column
    if not factor.width:
        later = column if isinstance(column, Factor) else factorised(np.asarray(column))
        return known_codes(later, factor.levels)
    if isinstance(column, Factor | Masked):
        raise DataError(f"{factor.text} was numeric when the model was fitted and holds labels in the new data.")
    refuse_infinite(value, f"{shown_name(factor.text)} in the new data")
    width = 1 if column.ndim == 1 else column.shape[1]
    if width != factor.width:
        raise DataError(
            f"{factor.text} gave {counted(factor.width, 'column')} when the model was fitted and gives {width} for the new data."
        )
    return column


def sources(
    formula: Formula,
    learned: Mapping[str, LearnedFactor],
    full: Sequence[tuple[bool, ...]],
    values: Mapping[str, NDArray[Any]],
) -> list[Sequence[Source]]:
    """For each term, what its columns are products of."""
    tables: dict[tuple[str, bool], Floats] = {}

    def source(text: str, flag: bool) -> Source:
        factor = learned[text]
        if factor.width:
            return Numbers(values[text])
        if (text, flag) not in tables:
            tables[text, flag] = factor.coding(flag).table(len(factor.levels))
        return Codes(values[text], tables[text, flag])

    return [
        [source(f, flag) for f, flag in zip(term.factors, flags, strict=True)]
        for term, flags in zip(formula.terms, full, strict=True)
    ]
