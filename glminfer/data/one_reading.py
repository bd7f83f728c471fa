"""Looking at all rows and writing them as numbers in one reading, where the first rows tell how.

What the columns of a design are depends on all rows: on the levels that have some, on the outcomes. Most often the
first piece knows already. So the rows are written as it suggests while they are looked at, and what was written is used
if the design of all rows turns out to be the same; otherwise they are read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glminfer.data.columns import Factor
from glminfer.data.design import Design, learned_design
from glminfer.data.factors import learn_factors
from glminfer.data.frames import Columns
from glminfer.data.looks import Look, Part, Question, Told, fill, look
from glminfer.data.pieces import Filled, Held
from glminfer.data.response import ResponseSpec, response_spec
from glminfer.data.vectors import outcome
from glminfer.errors import InputError

if TYPE_CHECKING:
    from glminfer.data.piecewise import Table


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a piece told when it was looked at, and when it was written."""

    look: Look
    told: Told

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.look + other.look, self.told + other.told)


@dataclass(frozen=True, slots=True, eq=False)
class Once:
    """All rows looked at, and written as numbers of a design that the first of them suggested."""

    look: Look
    held: Held
    design: Design

    def is_as(self, design: Design) -> bool:
        """Whether the rows were written as another design would write them."""
        return _described(self.design) == _described(design)


def read_once(table: Table, parts: Sequence[Part], event: Any) -> Once | None:
    """Look and write at the same time; None where that is not possible, or no use."""
    asked = table.asked
    if not table.pieces.read_again or len(parts) < 2 or len(asked.rowwise) < len(asked.reading.expressions):
        return None
    try:
        design = _suggested(table, parts, event)
        held = None if design is None else table.pieces.hold(look_and_fill, parts, asked, design)
    except InputError as error:  # it is said again with all rows in view
        if isinstance(error.__cause__, OSError):  # but a full disk does not become emptier
            raise
        return None
    if design is None or held is None:
        return None
    return Once(held.told.look, replace(held, told=held.told.told), design)


def look_and_fill(columns: Columns, part: Part, asked: Question, design: Design) -> Filled:
    """Complete rows of a piece, what their values are, and the rows as numbers."""
    found = look(columns, part, asked)
    filled = fill(columns, replace(part, kept=found.kept[0]), asked, design)
    return replace(filled, told=Seen(found, filled.told))


def spec_of(reading: Any, found: Look, has_trials: bool, event: Any) -> ResponseSpec:
    """What the outcome means, from its distinct values."""
    if not reading.response:
        return ResponseSpec("", "binary", "")
    outcome(reading.response, found.values)  # refuses what is infinite
    return response_spec(reading.formula.response, outcome(reading.response, found.outcomes), has_trials, event)


def _suggested(table: Table, parts: Sequence[Part], event: Any) -> Design | None:
    """The design of the first piece; None where later ones may well have other levels."""
    asked, reading = table.asked, table.asked.reading
    first = table.pieces.map(look, parts, asked)
    found: Look = next(first)
    del first  # what was begun of the next pieces is dropped
    columns = [value.column for value in found.values.values()]
    rare = any(isinstance(column, Factor) and len(column.codes) < len(column.levels) for column in columns)
    if rare or found.found or not found.kept[0].any():
        return None
    spec = spec_of(reading, found, asked.given.trials is not None, event)
    learned = learn_factors(reading.formula, found.values)
    return learned_design(reading, asked.given, spec, learned, found.values)


def _described(design: Design) -> tuple[Any, ...]:
    factors = {text: (factor.width, factor.levels) for text, factor in design.factors.items()}
    return design.columns, design.terms, design.full, design.response, factors
