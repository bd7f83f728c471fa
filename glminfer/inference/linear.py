"""Linear hypotheses L b = r about coefficients, read from texts, terms or a matrix."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glminfer.data.formula import spelled
from glminfer.errors import FormulaError, InputError, counted, nearest
from glminfer.fit.records import FitRecord
from glminfer.inference import coefficients
from glminfer.inference.coefficients import Word
from glminfer.inference.estimable import refuse_lost, usable
from glminfer.numerics.blocks import Array

_MOST_NAMES = 12  # shown in an error


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """q linear hypotheses about the p coefficients.

    Attributes
    ----------
    L : (q, p)
        One combination per row, over the columns of the design.
    rhs : (q,)
        What each is said to equal.
    rows : tuple of str
        Each hypothesis in words.
    text : str
        All of them in a few words.
    notes : tuple of str
        What was left out.
    """

    L: Array
    rhs: Array
    rows: tuple[str, ...]
    text: str
    notes: tuple[str, ...] = ()


def read(fit: FitRecord, asked: Any, rhs: Any = None) -> Hypotheses:
    """Hypotheses given as a text, a term, a list of these, or a matrix with ``rhs``.

    Raises
    ------
    InputError
        If a name is unknown, a text is not linear, or a combination has no finite estimate.
    """
    if isinstance(asked, str):
        asked = [asked]
    if _is_texts(asked):
        if rhs is not None:
            raise InputError("rhs= goes with a matrix; in a text write the right-hand side there, such as 'x1 = 0.5'.")
        found = _joined([_from_text(fit, text) for text in asked])
        if not found.rows:
            raise InputError(f"There is nothing left to test: {'; '.join(found.notes)}.")
    else:
        found = _from_matrix(fit, asked, rhs)
    refuse_lost(fit, found.L, found.rows)
    return found


def _is_texts(asked: Any) -> bool:
    listed = isinstance(asked, Sequence | pd.Series | pd.Index | set) and not isinstance(asked, bytes)
    if listed and not len(asked):
        raise InputError("There is no hypothesis to test: the list is empty. Write for example 'x1 = x2'.")
    return listed and all(isinstance(text, str) for text in asked)


def _joined(parts: Sequence[Hypotheses]) -> Hypotheses:
    return Hypotheses(
        np.vstack([part.L for part in parts]),
        np.concatenate([part.rhs for part in parts]),
        tuple(row for part in parts for row in part.rows),
        ", ".join(part.text for part in parts if part.rows),
        tuple(note for part in parts for note in part.notes),
    )


def _from_text(fit: FitRecord, text: str) -> Hypotheses:
    text = " ".join(text.split())
    if not text:
        raise InputError("The hypothesis is an empty text. Write for example 'x1 = x2'.")
    term = term_named(fit, text)
    return _of_term(fit, term) if term is not None else _of_equations(fit, text)


# terms ---------------------------------------------------------------------------------------------------------------


def term_named(fit: FitRecord, text: str) -> str | None:
    """The term of the fit that a text names, in any order of its factors, or None."""
    if text in fit.design.terms:
        return text
    try:
        factors = {spelled(factor) for factor in coefficients.factors_of(text)}
    except FormulaError:
        return None
    return next((term.name for term in fit.design.formula.terms if set(term.factors) == factors), None)


def _of_term(fit: FitRecord, name: str) -> Hypotheses:
    """All coefficients of a term that have a finite estimate are zero; none if all are aliased."""
    where = fit.design.terms[name]
    kept, lost = usable(fit, range(where.start, where.stop), name)
    L = np.eye(len(fit.columns))[kept]
    rows = tuple(f"{fit.columns[j]} = 0" for j in kept)
    without = f" (without {', '.join(lost)})" if lost else ""
    notes = tuple(f"{told} and is not tested" for told in lost.values())
    return Hypotheses(L, np.zeros(len(kept)), rows, f"{name} = 0{without}", notes)


# texts ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Affine:
    """A constant plus a linear combination of coefficients."""

    constant: float
    combination: Array

    @property
    def is_number(self) -> bool:
        """Whether no coefficient is in it."""
        return not self.combination.any()

    def __neg__(self) -> Affine:
        return Affine(-self.constant, -self.combination)

    def __add__(self, other: Affine) -> Affine:
        return Affine(self.constant + other.constant, self.combination + other.combination)

    def __sub__(self, other: Affine) -> Affine:
        return self + -other

    def __mul__(self, other: Affine) -> Affine:
        if not other.is_number:
            self, other = other, self
        return self._scaled(_number(other, "it multiplies coefficients with each other"))

    def __truediv__(self, other: Affine) -> Affine:
        return self._scaled(1 / _number(other, "it divides by a coefficient"))

    def __pow__(self, other: Affine) -> Affine:
        base, power = (_number(part, "it has a power of coefficients") for part in (self, other))
        return Affine(float(base**power), np.zeros_like(self.combination))

    def _scaled(self, factor: float) -> Affine:
        return Affine(self.constant * factor, self.combination * factor)


class NotLinear(Exception):
    """Why an expression is not linear: the only argument."""


def _number(part: Affine, why: str) -> float:
    if not part.is_number:
        raise NotLinear(why)
    return part.constant


def _of_equations(fit: FitRecord, text: str) -> Hypotheses:
    """``a = b``, ``a = b = 0``, ``a = 0, b = 1``, or an expression that is to be zero."""
    try:
        found = coefficients.words(text, fit.columns)
    except coefficients.Unknown as unknown:
        raise unknown_name(fit, str(unknown), text) from None
    parts = [_of_equation(fit, _unwrapped(part), text) for part in _split(found, ",")]
    return _joined(parts)


def _of_equation(fit: FitRecord, found: list[Word], text: str) -> Hypotheses:
    sides = _split(found, "==")
    if not all(sides):
        raise coefficients.unreadable(text)
    values = [_affine(fit, side, text) for side in sides]
    told = [text[side[0].start : side[-1].end] for side in sides]
    if len(sides) == 1:
        values.append(Affine(0.0, np.zeros(len(fit.columns))))
        told.append("0")
    gaps = [left - right for left, right in itertools.pairwise(values)]
    rows = tuple(f"{left} = {right}" for left, right in itertools.pairwise(told))
    L, rhs = np.array([gap.combination for gap in gaps]), np.array([-gap.constant for gap in gaps])
    return Hypotheses(L, rhs + 0.0, rows, " = ".join(told))


def _affine(fit: FitRecord, side: list[Word], text: str) -> Affine:
    unit = np.eye(len(fit.columns))

    def leaf(code: str | float) -> Affine:
        if isinstance(code, str):
            return Affine(0.0, unit[coefficients.position_of(code)])
        return Affine(code, np.zeros(len(unit)))

    try:
        value: Affine = coefficients.value(side, leaf, {}, text)
    except NotLinear as why:
        raise InputError(
            f"{text!r} is not linear in the coefficients: {why}. The coefficient of an interaction is written with a "
            "colon, 'x1:x2'; for nonlinear functions there is fit.delta(...)."
        ) from None
    except (ArithmeticError, TypeError):  # a division by zero, an overflow, a complex power
        value = Affine(float("nan"), np.zeros(len(unit)))
    if not np.isfinite([value.constant, *value.combination]).all():
        raise InputError(f"{text!r} has a number that is not finite, such as a division by zero.")
    return value


def _split(found: Sequence[Word], at: str) -> list[list[Word]]:
    """Words between separators outside brackets."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in found:
        depth += (word.code == "(") - (word.code == ")")
        if word.code == at and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _unwrapped(found: list[Word]) -> list[Word]:
    """``(a = b)`` without its brackets."""
    is_equation = any(word.code == "==" for word in found)
    outside = len(_split(found, "==")) > 1
    wrapped = is_equation and not outside and found[0].code == "(" and found[-1].code == ")"
    return found[1:-1] if wrapped else found


def unknown_name(fit: FitRecord, word: str, text: str, functions: Collection[str] = ()) -> InputError:
    """The error for a word that is no coefficient: a term, a function, or nothing that is known."""
    term = term_named(fit, word)
    place = f"{word!r} in {text!r}" if word != text else repr(word)
    if term is not None:
        where = fit.design.terms[term]
        its = ", ".join(fit.columns[where]) or "none"
        return InputError(
            f"{place} is a term, not a coefficient (its coefficients: {its}). Test it by itself, "
            f"{term!r}, or in a list, [{term!r}, 'x = 0'], or write the coefficient that is meant."
        )
    known = [*fit.columns, *fit.design.terms]
    ways = " A product is written 2*x." if word[0].isdigit() else ""
    if "(" in word:
        told = (
            f"The functions are: {', '.join(functions)}"
            if functions
            else "Functions of coefficients go to fit.delta(...)"
        )
        ways += f" {told}."
    shown = ", ".join(fit.columns[:_MOST_NAMES]) + (", …" if len(fit.columns) > _MOST_NAMES else "")
    return InputError(
        f"{place} is neither a coefficient nor a term of this fit.{nearest(word, known)}{ways} "
        f"The coefficients are: {shown}."
    )


# matrices ------------------------------------------------------------------------------------------------------------


def _from_matrix(fit: FitRecord, asked: Any, rhs: Any) -> Hypotheses:
    L = _from_frame(fit, asked) if isinstance(asked, pd.DataFrame) else _numbers(asked)
    if L.shape[1] != len(fit.columns):
        sizes = counted(L.shape[1], "column"), counted(len(fit.columns), "coefficient")
        raise InputError(
            f"The matrix of hypotheses has {sizes[0]} and the fit {sizes[1]}: {', '.join(fit.columns)}. "
            "Give one column for each, in this order, or a DataFrame with their names."
        )
    values = _right_side(rhs, len(L))
    if not (np.isfinite(L).all() and np.isfinite(values).all()):
        raise InputError("The matrix of hypotheses or its right-hand side has values that are not finite.")
    rows = tuple(f"{_written(fit, row)} = {value:g}" for row, value in zip(L, values, strict=True))
    return Hypotheses(L, values, rows, ", ".join(rows))


def _numbers(asked: Any) -> Array:
    try:
        L = np.asarray(asked, dtype=float)
    except (TypeError, ValueError):
        L = np.empty(0)
    if L.ndim not in (1, 2) or not L.size:
        raise InputError(
            f"{asked!r} is not a hypothesis. Give a text such as 'x1 = x2', a term, a list of these, or a matrix with "
            "one row per hypothesis and one column per coefficient."
        )
    return np.atleast_2d(L)


def _from_frame(fit: FitRecord, asked: pd.DataFrame) -> Array:
    L = np.zeros((len(asked), len(fit.columns)))
    for name in asked.columns:
        if name not in fit.columns:
            raise unknown_name(fit, str(name), str(name))
        L[:, fit.columns.index(name)] = _numbers(asked[name])[0]
    return L


def _right_side(rhs: Any, q: int) -> Array:
    values = np.asarray(0.0 if rhs is None else rhs, dtype=float)
    if values.ndim > 1 or values.size not in (1, q):
        raise InputError(f"rhs= has {counted(values.size, 'value')}, where the matrix has {counted(q, 'row')}.")
    return np.full(q, values.reshape(-1)) if values.size == 1 else values


def _written(fit: FitRecord, row: Array) -> str:
    """A combination in words: ``x1 - 2*x2``."""
    parts = []
    for name, value in zip(fit.columns, row, strict=True):
        if value:
            size = "" if abs(value) == 1 else f"{abs(value):g}*"
            parts.append(f"{'-' if value < 0 else '+'} {size}{name}")
    text = " ".join(parts).removeprefix("+ ")
    return f"-{text[2:]}" if text.startswith("- ") else text or "0"
