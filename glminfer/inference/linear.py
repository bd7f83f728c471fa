"""Linear hypotheses L b = r about coefficients, read from texts, terms or a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, counted
from glminfer.fit.records import FitRecord
from glminfer.inference.equations import read_equations
from glminfer.inference.estimable import refuse_lost, usable
from glminfer.inference.names import term_named, unknown_name
from glminfer.numerics.blocks import Array

_MOST = 5_000  # coefficients of a term in one Wald test


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
    if term is not None:
        return _of_term(fit, term)
    found = read_equations(fit, text)
    L, rhs = np.array([one.combination for one in found]), np.array([one.rhs for one in found])
    rows = tuple(one.text for one in found)
    return Hypotheses(L, rhs, rows, text if len(rows) > 1 else rows[0])


# terms ---------------------------------------------------------------------------------------------------------------


def _of_term(fit: FitRecord, name: str) -> Hypotheses:
    """All coefficients of a term that have a finite estimate are zero; none if all are aliased."""
    where = fit.design.terms[name]
    kept, lost = usable(fit, range(where.start, where.stop), name)
    refuse_many(len(kept), name, f"fit.lr_test({name!r}) asks the same without it.")
    L = (np.array(kept, dtype=np.intp)[:, None] == np.arange(len(fit.columns))).astype(float)
    rows = tuple(f"{fit.columns[j]} = 0" for j in kept)
    without = f" (without {', '.join(lost)})" if lost else ""
    notes = tuple(f"{told} and is not tested" for told in lost.values())
    if where.start == where.stop:
        notes = (f"{name} is the same in every row and has no coefficient",)
    return Hypotheses(L, np.zeros(len(kept)), rows, f"{name} = 0{without}", notes)


def refuse_many(count: int, name: str, way: str) -> None:
    """Refuse a Wald test that takes longer than all else about a fit; ``way`` is the way out."""
    if count > _MOST:
        raise InputError(f"A Wald test of the {count:,} coefficients of {name} inverts a matrix of that size. {way}")


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
