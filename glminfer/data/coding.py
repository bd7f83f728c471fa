"""Factors to columns: which levels, full or reduced coding, contrast matrices and column names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import patsy
from numpy.typing import NDArray
from patsy.contrasts import Treatment, code_contrast_matrix

from glminfer.data.columns import Factor, occurring
from glminfer.data.grammar import Term
from glminfer.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """The columns that one factor puts into a term.

    Attributes
    ----------
    suffixes : tuple of str
        One for each column, appended to the factor's name.
    matrix : (levels, columns) array or None
        Row of each level; None for dummies, which need no matrix.
    reference : int or None
        The level dummies leave out; None when every level has its dummy, or with a matrix.
    """

    suffixes: tuple[str, ...]
    matrix: Floats | None = None
    reference: int | None = None

    def table(self, n_levels: int) -> Floats:
        """The row of each level."""
        if self.matrix is not None:
            return self.matrix
        table = np.eye(n_levels)
        return table if self.reference is None else np.delete(table, self.reference, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class LearnedFactor:
    """What is known of one factor of the formula after learning.

    Attributes
    ----------
    text : str
        The expression, as in column names.
    width : int
        Number of numeric columns; 0 for a categorical factor.
    levels : tuple
        Levels that have rows; empty for a numeric factor.
    full, reduced : Coding or None
        How the levels are coded, with all dummies and by contrasts, as far as some term needs it.
    states : tuple
        What its transforms learned.
    """

    text: str
    width: int = 1
    levels: tuple[Any, ...] = ()
    full: Coding | None = None
    reduced: Coding | None = None
    states: tuple[Any, ...] = ()

    @property
    def kind(self) -> str:
        """``numeric`` or ``categorical``."""
        return "numeric" if self.width else "categorical"

    def coding(self, full: bool) -> Coding:
        """The coding asked for."""
        chosen = self.full if full else self.reduced
        assert chosen is not None
        return chosen

    def names(self, full: bool) -> tuple[str, ...]:
        """Column names of the factor on its own."""
        if self.width == 1:
            return (self.text,)
        if self.width:
            return tuple(f"{self.text}[{i}]" for i in range(self.width))
        return tuple(self.text + suffix for suffix in self.coding(full).suffixes)


# which coding --------------------------------------------------------------------------------------------------------


def full_codings(terms: Sequence[Term], categorical: set[str], has_intercept: bool) -> list[tuple[bool, ...]]:
    """For each factor of each term: all dummies (True) or contrasts (False), by R's rule.

    A factor is coded by contrasts when an earlier term (the intercept is the empty one) contains all other factors of
    its term; without an intercept, the first categorical factor gets all its dummies (R, model.c, TermCode).
    """
    earlier: list[frozenset[str]] = [frozenset()]
    first = not has_intercept
    codings = []
    for term in terms:
        whole = frozenset(term.factors)
        full = [f in categorical and not any(whole - {f} <= past for past in earlier) for f in term.factors]
        at = next((i for i, f in enumerate(term.factors) if f in categorical), None)
        if first and at is not None:
            full[at], first = True, False
        codings.append(tuple(full))
        earlier.append(whole)
    return codings


# contrast matrices ---------------------------------------------------------------------------------------------------


def _shown(level: Any) -> str:
    return level if isinstance(level, str) else repr(level)


def dummies(levels: Sequence[Any]) -> Coding:
    """One column for each level."""
    return Coding(tuple(f"[{_shown(level)}]" for level in levels))


def treatment(levels: Sequence[Any], reference: int) -> Coding:
    """One column for each level but the reference."""
    names = (f"[T.{_shown(level)}]" for i, level in enumerate(levels) if i != reference)
    return Coding(tuple(names), None, reference)


def coded(text: str, levels: tuple[Any, ...], contrast: Any, full: bool) -> Coding:
    """The coding of some levels by a contrast of patsy's (or the user's), or by treatment contrasts when None."""
    if contrast is Treatment or (contrast is None or isinstance(contrast, Treatment)):
        return dummies(levels) if full else treatment(levels, _reference(text, levels, contrast))
    if len(levels) < 2 and not full:
        return Coding(())
    try:
        made = code_contrast_matrix(full, list(levels), contrast, default=Treatment)
    except patsy.PatsyError as error:
        raise DataError(f"{text}: {error.message}. Its levels are {_told(levels)}.") from None
    except Exception as error:
        raise DataError(f"{text}: the contrast fails on the levels {_told(levels)}: {error}") from error
    matrix = np.array(made.matrix, dtype=np.float64)
    if matrix.shape[0] != len(levels):
        raise DataError(
            f"{text}: the contrast matrix has {matrix.shape[0]} rows for the {len(levels)} levels {_told(levels)}; "
            "it needs one row for each level that has data."
        )
    return Coding(tuple(made.column_suffixes), matrix)


def _reference(text: str, levels: tuple[Any, ...], contrast: Any) -> int:
    wanted = getattr(contrast, "reference", None)
    if wanted is None:
        return 0
    if wanted in levels:
        return levels.index(wanted)
    if isinstance(wanted, int) and -len(levels) <= wanted < len(levels):
        return wanted % len(levels)
    raise DataError(f"{text}: the reference level {wanted!r} has no rows; the levels are {_told(levels)}.")


def _told(levels: Sequence[Any], most: int = 8) -> str:
    return ", ".join(map(repr, levels[:most])) + (", …" if len(levels) > most else "")


# levels --------------------------------------------------------------------------------------------------------------


def with_rows(factor: Factor) -> tuple[Factor, tuple[Any, ...]]:
    """The factor without its unused levels, and those levels."""
    there = occurring(factor.codes, len(factor.levels))
    if there.all():
        return factor, ()
    table = np.cumsum(there) - 1
    kept = Factor(table[factor.codes], tuple(factor.levels[i] for i in np.flatnonzero(there)), factor.ordered)
    return kept, tuple(factor.levels[i] for i in np.flatnonzero(~there))


def known_codes(factor: Factor, levels: tuple[Any, ...]) -> NDArray[np.intp]:
    """Codes of later data in the learned levels; -2 marks a level that was not there, -1 a missing one."""
    if factor.levels == levels:
        return factor.codes.astype(np.intp, copy=False)
    place = {level: i for i, level in enumerate(levels)}
    table = np.array([place.get(level, -2) for level in factor.levels] + [-1], dtype=np.intp)
    return np.asarray(table[factor.codes])


# names and the constant ----------------------------------------------------------------------------------------------


def term_names(parts: Sequence[tuple[str, ...]]) -> list[str]:
    """Column names of an interaction; the leftmost factor runs fastest, as in R and patsy."""
    return [":".join(reversed(names)) for names in product(*reversed(parts))]


def constant_weights(factor: LearnedFactor) -> Floats:
    """Weights of a fully coded factor's columns whose sum is 1 on every row."""
    table = factor.coding(full=True).table(len(factor.levels))
    if factor.coding(full=True).matrix is None:
        return np.ones(table.shape[1])
    return np.asarray(np.linalg.lstsq(table, np.ones(len(table)), rcond=None)[0], dtype=np.float64)
