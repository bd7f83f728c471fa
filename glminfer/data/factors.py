"""Factors of the terms: levels, codings and column names learned, and recognised in later rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.coding import (
    LearnedFactor,
    coded,
    constant_weights,
    full_codings,
    known_codes,
    term_names,
    with_rows,
)
from glminfer.data.columns import Factor, Masked, factorised
from glminfer.data.evaluation import Value, count_infinite, refuse_infinite
from glminfer.data.expressions import Expression, shown_name
from glminfer.data.filling import Codes, Numbers, Source, fill
from glminfer.data.formula import Formula
from glminfer.errors import DataError, FormulaError, counted

if TYPE_CHECKING:
    from glminfer.data.design import Design

Floats = NDArray[np.float64]


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
        if term.name in terms:  # of the other terms each has a name of its own
            raise FormulaError(
                "The formula has a column Intercept beside its own constant, which has that name. Write '- 1' to leave "
                "the constant out, '- Intercept' to leave the column out, or rename the column."
            )
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


def constant(formula: Formula, learned: Learned) -> Floats | None:
    """Weights c with X @ c = 1: the intercept, or the first fully coded main effect."""
    c = np.zeros(len(learned.names))
    if formula.has_intercept:
        c[0] = 1.0
        return c
    for term, flags in zip(formula.terms, learned.full, strict=True):
        if flags == (True,):
            c[learned.terms[term.name]] = constant_weights(learned.factors[term.name])
            return c
    return None


def known_values(factor: LearnedFactor, value: Value) -> NDArray[Any]:
    """Numbers or level codes of a learned factor on later rows; code -2 is a level that was not there."""
    column = value.column
    if not factor.width:
        later = column if isinstance(column, Factor) else factorised(np.asarray(column))
        return known_codes(later, factor.levels)
    if isinstance(column, Factor | Masked):
        raise DataError(f"{factor.text} was numeric when the model was fitted and holds labels in the new data.")
    infinite = count_infinite(value)
    if infinite:
        raise DataError(
            f"{shown_name(factor.text)} is infinite in {counted(infinite, 'row')} of the new data, which gives no "
            "finite prediction; make the values missing (NaN) to get NaN there."
        )
    width = 1 if column.ndim == 1 else column.shape[1]
    if width != factor.width:
        raise DataError(
            f"{factor.text} gave {counted(factor.width, 'column')} when the model was fitted and gives {width} for the "
            "new data."
        )
    return np.asarray(column)


def coded_numbers(factors: Iterable[Expression]) -> list[tuple[str, str]]:
    """Factors that are one column in C(), which may hold numbers, and that column."""
    return [(e.text, e.raw[0][1]) for e in factors if len(e.raw) == 1 and e.text == f"C({e.raw[0][1]})"]


def vanished(found: Mapping[str, Iterable[Any]], learned: Learned) -> list[str]:
    """Levels of numbers in C() that only occur on rows dropped for missing values (labels know theirs)."""
    return [
        f"{text}: level {level!r} has no rows and is left out"
        for text, values in found.items()
        for level in sorted(set(values) - set(learned.factors[text].levels))
    ]


def matrix(formula: Formula, learned: Learned | Design, values: Mapping[str, NDArray[Any]], n: int) -> Floats:
    """The (n, p) design matrix from the values of the factors."""
    width = max((where.stop for where in learned.terms.values()), default=0)
    found = ((learned.terms[name], part) for name, part in term_sources(formula, learned, values))
    return fill([(where, part) for where, part in found if where.stop > where.start], n, width)


def term_sources(
    formula: Formula, learned: Learned | Design, values: Mapping[str, NDArray[Any]], without: Collection[str] = ()
) -> Iterator[tuple[str, Sequence[Source]]]:
    """For each term but some, what its columns are products of: nothing for the intercept."""
    tables: dict[tuple[str, bool], Floats] = {}

    def source(text: str, flag: bool) -> Source:
        factor = learned.factors[text]
        if factor.width:
            return Numbers(values[text])
        if (text, flag) not in tables:
            tables[text, flag] = factor.coding(flag).table(len(factor.levels))
        return Codes(values[text], tables[text, flag])

    if formula.has_intercept:
        yield "Intercept", ()
    for term, flags in zip(formula.terms, learned.full, strict=True):
        if term.name not in without:
            yield term.name, [source(f, flag) for f, flag in zip(term.factors, flags, strict=True)]
