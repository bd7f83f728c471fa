"""What is done with one piece of a table: pure functions of its columns, which may run anywhere.

The first look finds the rows that can be used, levels and outcomes; the second writes the rows as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Column, Mask, distinct_numbers, pick
from glminfer.data.design import Design, complete_rows
from glminfer.data.digests import digest, distinct, together
from glminfer.data.evaluation import Value
from glminfer.data.expressions import Expression
from glminfer.data.extremes import largest_of
from glminfer.data.factors import coded_numbers, known_values
from glminfer.data.frames import Columns
from glminfer.data.learning import evaluated, subset_mask
from glminfer.data.long_factors import chosen, columns_of_piece
from glminfer.data.pieces import Filled
from glminfer.data.reading import Given, Reading
from glminfer.data.response import ResponseSpec, Tally, code_response, tally
from glminfer.data.selection import Selection
from glminfer.data.stored_matrix import sums_of
from glminfer.data.vectors import offset as total_offset
from glminfer.data.vectors import outcome, prior_weights
from glminfer.numerics.blocks import Block

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is known of the rows of one piece beside its columns.

    Attributes
    ----------
    made : dict
        Columns that lag() and history() made of all rows.
    beside : dict
        Weights, trials and offset given as values.
    also : list of (name, column)
    subset : mask or None
        A subset given as values, or that could only be decided on all rows.
    kept : mask or None
        The rows in use; None before they are known.
    values : dict
        Values, on the rows in use, of expressions that could only be computed on all of them.
    """

    made: dict[str, Column]
    beside: dict[str, Floats]
    also: list[tuple[str, Column]]
    subset: Mask | None
    kept: Mask | None = None
    values: dict[str, Value] = field(default_factory=dict)

    def positions(self) -> NDArray[np.intp]:
        """Where the rows in use are."""
        assert self.kept is not None
        return np.flatnonzero(self.kept)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked of every piece.

    Attributes
    ----------
    reading : Reading
    given : Given
    rowwise : tuple of Expression
        Those that can be computed row by row.
    subset : str or None
        A condition that can be decided row by row.
    n_rows : int
        Rows of all pieces.
    coded : bool or None
        Whether long factors are kept as codes; None where it pays.
    """

    reading: Reading
    given: Given
    rowwise: tuple[Expression, ...]
    subset: str | None = None
    n_rows: int = 0
    coded: bool | None = False

    def extras(self, columns: Columns, part: Part) -> dict[str, Floats]:
        """Weights, trials and offset of a piece."""
        named = {what: getattr(self.given, what) for what in ("weights", "trials", "offset")}
        found = {what: a.name for what, a in named.items() if a is not None and a.name is not None}
        return {what: frames.aligned(name, columns, what) for what, name in found.items()} | part.beside


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one piece, or several, tell: sums, digests of values, and masks of each piece.

    The masks: rows that miss no column, rows in use, and rows the subset leaves.
    """

    n_given: int
    n_rows: int
    causes: dict[str, int]
    complete: tuple[Mask, ...]
    kept: tuple[Mask, ...]
    after: tuple[Mask, ...]
    values: dict[str, Value]
    outcomes: dict[str, Value]
    odd: dict[str, Floats]
    found: dict[str, tuple[Any, ...]]

    def __add__(self, other: Look) -> Look:
        causes = {c: self.causes.get(c, 0) + other.causes.get(c, 0) for c in (*self.causes, *other.causes)}
        outcomes = together(self.outcomes, other.outcomes)
        return Look(
            self.n_given + other.n_given,
            self.n_rows + other.n_rows,
            causes,
            self.complete + other.complete,
            self.kept + other.kept,
            self.after + other.after,
            together(self.values, other.values),
            {text: replace(value, column=distinct(value.column)) for text, value in outcomes.items()},
            {what: np.concatenate([self.odd[what], other.odd[what]]) for what in self.odd},
            {text: tuple({*self.found[text], *other.found[text]}) for text in self.found},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Sums over the rows as numbers: what is checked once all of them are known."""

    outcome: Tally | None
    sums: Floats
    largest: Floats

    def __add__(self, other: Told) -> Told:
        both = None if self.outcome is None or other.outcome is None else self.outcome + other.outcome
        return Told(both, self.sums + other.sums, np.maximum(self.largest, other.largest))


# the looks ------------------------------------------------------------------------------------------------------------


@np.errstate(all="ignore")
def look(columns: Columns, part: Part, asked: Question) -> Look:
    """Complete rows of a piece, and what their values are."""
    columns = replace(columns, data={**columns.data, **part.made})
    extras, reading = asked.extras(columns, part), asked.reading
    selection = _selected(columns, extras, part, asked)
    complete, after = _mask(selection.rows, columns.n), _mask(selection.after_subset, columns.n)
    values = evaluated(asked.rowwise, columns, selection, reading.scope)
    outcomes = {e.text: values[e.text] for e in reading.response if e.text in values}
    found = {text: pick(columns.data[name], after) for text, name in coded_numbers(reading.factors)}
    return Look(
        columns.n,
        selection.n_rows,
        selection.causes,
        (complete,),
        (_mask(selection.rows, columns.n),),
        (after,),
        {text: digest(value) for text, value in values.items()},
        {text: replace(value, column=distinct(value.column)) for text, value in outcomes.items()},
        {what: _odd(what, selection.of(extra)) for what, extra in extras.items()},
        {text: tuple(distinct_numbers(column)) for text, column in found.items()},
    )


def _selected(columns: Columns, extras: Mapping[str, Floats], part: Part, asked: Question) -> Selection:
    if part.kept is not None:
        return Selection(columns.n, part.positions())
    mask = part.subset
    if asked.subset is not None:
        mask = subset_mask(asked.subset, columns, columns, asked.reading.scope, asked.reading.known, asked.n_rows)
    return complete_rows(asked.reading, columns, [*extras.items(), *part.also], mask, columns)


def _mask(rows: slice | NDArray[np.intp] | None, n: int) -> Mask:
    mask = np.zeros(n, dtype=bool)
    mask[slice(None) if rows is None else rows] = True
    return mask


def _odd(what: str, values: Floats) -> Floats:
    """Those that weights or an offset cannot be."""
    return values[np.isinf(values) | ((values < 0) & (what == "weights"))]


@np.errstate(all="ignore")
def fill(columns: Columns, part: Part, asked: Question, design: Design) -> Filled:
    """The rows of a piece as numbers."""
    columns = replace(columns, data={**columns.data, **part.made})
    rows = part.positions()
    if not rows.size:
        return _nothing(design)
    selection = Selection(columns.n, None if len(rows) == columns.n else rows)
    states = {text: factor.states for text, factor in design.factors.items()} | design.offsets | design.left
    n, own = selection.n, [e for e in asked.reading.expressions if e.text not in part.values]
    values = evaluated(own, columns, selection, asked.reading.scope, states) | part.values
    extras = {what: selection.of(v) for what, v in asked.extras(columns, part).items()}
    arrays = {text: known_values(factor, values[text]) for text, factor in design.factors.items()}
    X = columns_of_piece(design.formula, design, arrays, n, chosen(design.formula, design, asked.n_rows, asked.coded))
    prior = prior_weights(extras.get("weights"), n)
    known = total_offset(asked.reading.offsets, values, extras.get("offset"), n)
    y, trials = _coded(design.response, asked.reading, values, extras.get("trials"), n)
    weights = prior if trials is None else prior * trials
    told = tally(y, trials, prior) if asked.reading.response else None
    sums = sums_of(X)
    sizes = Told(told, sums, largest_of(X, sums[1]))
    return Filled(Block(cast(Floats, X), y[:, None], weights[:, None], known[:, None]), trials, sizes)


def _coded(
    spec: ResponseSpec, reading: Reading, values: Mapping[str, Value], trials: Floats | None, n: int
) -> tuple[Floats, Floats | None]:
    if not reading.response:
        return np.full(n, np.nan), trials
    return code_response(spec, outcome(reading.response, values), trials)


def _nothing(design: Design) -> Filled:
    """A piece none of whose rows is in use."""
    p, none = len(design.columns), np.empty((0, 1))
    trials = None if design.response.kind == "binary" else np.empty(0)
    told = Told(Tally(0, 0.0, 0, 0) if design.formula.response else None, np.zeros((2, p)), np.zeros(p))
    return Filled(Block(np.empty((0, p)), none, none, none), trials, told)
