"""A design learned from a table in pieces: the sample `learn_columns` gives when all rows are in memory.

The pieces are looked at twice (see `looks`), or written while they are looked at (see `one_reading`). Only functions
that look at other rows (splines, ``lag``, functions of the user) need columns whole, and then no others than their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.arguments import Arguments
from glminfer.data.columns import Column, Mask, pick
from glminfer.data.design import Sample, learned_design
from glminfer.data.digests import digest, distinct
from glminfer.data.evaluation import Value
from glminfer.data.expressions import Expression, all_columns, label_columns, stored_columns
from glminfer.data.extremes import refuse_sizes
from glminfer.data.factors import learn_factors, vanished
from glminfer.data.frames import Columns
from glminfer.data.learning import evaluated, one_pass, subset_mask
from glminfer.data.long_factors import far_from_zero
from glminfer.data.looks import Floats, Look, Part, Question, fill, look
from glminfer.data.one_reading import Once, read_once, spec_of
from glminfer.data.pieces import Held, InPieces, Pieces
from glminfer.data.reading import Reading, condition
from glminfer.data.response import learn_response, refuse_one_class
from glminfer.data.rowwise import is_rowwise, is_stateful
from glminfer.data.scope import Scope
from glminfer.data.selection import Selection
from glminfer.data.sequences import with_sequences
from glminfer.data.vectors import numeric_offset, outcome, prior_weights, refuse_infinite_values
from glminfer.errors import ResponseError


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table in pieces that a question is asked of.

    Attributes
    ----------
    asked : Question
    pieces : Pieces
    made : dict
        Columns that lag() and history() made, over all rows.
    n : int
        Number of rows.
    """

    asked: Question
    pieces: Pieces
    made: dict[str, Column]
    n: int

    @property
    def slices(self) -> list[slice]:
        """The rows of each piece."""
        stops = self.pieces.stops
        return [slice(start, stop) for start, stop in pairwise([0, *stops])]

    def whole(self, expressions: Iterable[Expression]) -> Columns:
        """The columns some expressions need, over all rows."""
        names = all_columns(expressions)
        stored = self.pieces.whole(name for name in names if name not in self.made).data
        return Columns({**stored, **{name: self.made[name] for name in names if name in self.made}}, None, self.n)


@np.errstate(all="ignore")
def learn_in_pieces(formula: str, data: InPieces, asked: Arguments, coded: bool | None = False) -> Sample:
    """As `learn_columns`, from a table in pieces; the arguments are as there."""
    how, reading = asked.reading(formula, data)
    table = _opened(Question(reading, how, _rowwise(reading), coded=coded), data, asked.subset)
    rows = Columns({}, None, table.n, data)
    values = ((k, v) for k, v in asked.beside.items() if v is not None and not isinstance(v, str))
    known = {k: frames.aligned(v, rows, k) for k, v in values}
    parts = _parts(table, known, asked.also, _whole_subset(table, rows, asked.subset))
    return _learned(table, parts, asked.missing, asked.event, rows)


def _rowwise(reading: Reading) -> tuple[Expression, ...]:
    return tuple(e for e in reading.expressions if is_rowwise(e, reading.scope))


# opening the table ---------------------------------------------------------------------------------------------------


def _opened(asked: Question, data: InPieces, subset: Any) -> Table:
    """The columns that the formula or an argument names, and what lag() and history() make of theirs."""
    reading, expressions = asked.reading, list(asked.reading.expressions)
    if isinstance(subset, str):
        expressions.append(condition(reading, subset, data))
        asked = replace(asked, subset=subset if is_rowwise(expressions[-1], reading.scope) else None)
    stored = list(dict.fromkeys([*stored_columns(expressions), *asked.given.names]))
    frames.refuse_unknown(stored, data)
    pieces = data.pieces(stored, label_columns(expressions))
    n = pieces.stops[-1] if pieces.stops else 0
    Selection(n).check("drop")
    parts = [part for e in expressions for sequence in e.sequences for part in sequence.parts]
    whole = with_sequences(pieces.whole(stored_columns(parts)), expressions, reading.scope)
    made = {s.text: whole.data[s.text] for e in expressions for s in e.sequences}
    return Table(replace(asked, n_rows=n), pieces, made, n)


def _whole_subset(table: Table, rows: Columns, subset: Any) -> Mask | None:
    """A subset given as values, or as a condition that looks at other rows."""
    if subset is None or table.asked.subset is not None:
        return None
    reading = table.asked.reading
    columns = table.whole([condition(reading, subset, rows.native)] if isinstance(subset, str) else [])
    return subset_mask(subset, columns, rows, reading.scope, reading.known)


def _parts(
    table: Table, beside: Mapping[str, Floats], also: Sequence[tuple[str, Column]], subset: Mask | None
) -> list[Part]:
    return [
        Part(
            {text: pick(column, where) for text, column in table.made.items()},
            {what: values[where] for what, values in beside.items()},
            [(name, pick(column, where)) for name, column in also],
            None if subset is None else subset[where],
        )
        for where in table.slices
    ]


# the rows in use, and the values on them -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """An expression computed on all rows in use: what a design must know of it, and its values if they are needed."""

    digest: Value
    outcome: Value
    values: Value | None


def _learned(table: Table, parts: list[Part], missing: str, event: Any, rows: Columns) -> Sample:
    once = read_once(table, parts, event)
    found: Look = reduce(add, table.pieces.map(look, parts, table.asked)) if once is None else once.look
    selection = _selection(table, found)
    selection.check(missing)
    before = selection.n
    whole = _computed_whole(table, _rows(np.concatenate(found.complete)), selection, missing)
    parts = _kept(table, parts, selection, whole)
    if selection.n < before:  # levels and outcomes of fewer rows
        again = reduce(add, table.pieces.map(look, parts, table.asked))
        found = replace(found, values=again.values, outcomes=again.outcomes, odd=again.odd)
    values = found.values | {text: one.digest for text, one in whole.items()}
    outcomes = found.outcomes | {text: one.outcome for text, one in whole.items()}
    return _sample(table, parts, selection, replace(found, values=values, outcomes=outcomes), event, rows, once)


def _selection(table: Table, found: Look) -> Selection:
    kept, after = np.concatenate(found.kept), np.concatenate(found.after)
    names = [*all_columns(table.asked.reading.expressions), *found.odd, *found.causes]
    return Selection(
        table.n,
        _rows(kept),
        found.n_rows,
        {cause: found.causes[cause] for cause in dict.fromkeys(names) if cause in found.causes},
        slice(None) if after.all() else np.flatnonzero(after),
    )


def _rows(mask: Mask) -> NDArray[np.intp] | None:
    return None if mask.all() else np.flatnonzero(mask)


def _computed_whole(
    table: Table, complete: NDArray[np.intp] | None, selection: Selection, missing: str
) -> dict[str, Whole]:
    """Expressions that look at other rows, each on its own columns; rows on which one is missing leave for all.

    As when all rows are in memory, the first time on the rows that miss no column, whatever else is missing there.
    """
    scope = table.asked.reading.scope
    others = [e for e in table.asked.reading.expressions if e not in table.asked.rowwise]
    start = Selection(table.n, complete)
    while others:
        found: dict[str, Whole] = {}
        gone: list[tuple[str, Mask]] = []
        for e in others:
            values, lost = one_pass([e], table.whole([e]), start, scope)
            found |= {text: _remembered(e, value, scope) for text, value in values.items()}
            gone += lost
        if not gone and start.n == selection.n:
            return found
        selection.leave_out_among(start.positions, gone)
        selection.check(missing)
        start = Selection(table.n, selection.rows)
    return {}


def _remembered(found: Expression, value: Value, scope: Scope) -> Whole:
    outcome = replace(value, column=distinct(value.column))
    return Whole(digest(value), outcome, None if is_stateful(found, scope) else value)


def _kept(table: Table, parts: Sequence[Part], selection: Selection, whole: Mapping[str, Whole]) -> list[Part]:
    """The parts with their rows in use, and the values that were computed on these."""
    kept = np.zeros(table.n, dtype=bool)
    kept[selection.positions if selection.rows is not None else slice(None)] = True
    found, start = [], 0
    for part, where in zip(parts, table.slices, strict=True):
        stop = start + int(np.count_nonzero(kept[where]))
        values = {
            text: replace(one.values, column=pick(one.values.column, slice(start, stop)))
            for text, one in whole.items()
            if one.values is not None
        }
        found.append(replace(part, kept=kept[where], values=values))
        start = stop
    return found


# the sample ----------------------------------------------------------------------------------------------------------


def _sample(
    table: Table,
    parts: Sequence[Part],
    selection: Selection,
    found: Look,
    event: Any,
    rows: Columns,
    once: Once | None,
) -> Sample:
    reading, pieces = table.asked.reading, table.pieces
    spec = spec_of(reading, found, table.asked.given.trials is not None, event)
    prior_weights(found.odd.get("weights"), selection.n)
    refuse_infinite_values(found.odd.get("offset", np.empty(0)), "offset=")
    for e in reading.offsets:
        numeric_offset(e.text, found.values[e.text])
    learned = learn_factors(reading.formula, found.values)
    design = learned_design(reading, table.asked.given, spec, learned, found.values)
    table = replace(table, asked=replace(table.asked, n_rows=selection.n))  # how rows are kept depends on those in use
    fits = once is not None and once.is_as(design)
    held = once.held if once is not None and fits else _held(table, parts, design, selection, event)
    if far_from_zero(held.rows):
        held = _held(replace(table, asked=replace(table.asked, coded=False)), parts, design, selection, event)
    refuse_sizes(held.told.sums[1], held.told.largest, learned.names)
    if reading.response:
        name = reading.response[0].column or reading.response[0].text
        refuse_one_class(spec, name, held.told.outcome, selection.lost())
    gone = vanished(found.found, learned) if selection.n_dropped else []
    positions = (where.start + part.positions() for where, part in zip(table.slices, parts, strict=True))
    return Sample(
        design=design,
        rows=held.rows,
        trials=held.trials,
        places=None if selection.rows is None else pieces.kept(positions),
        n_given=selection.n_given,
        n_rows=selection.n_rows,
        columns=rows,
        notes=(*pieces.notes, *selection.notes(), *learned.notes, *gone),
        dropped=dict(selection.causes),
        after_subset=selection.after_subset,
        looked=(held.rows, held.told.sums) if pieces.read_again else None,  # else the cut would show in the last digits
    )


def _held(table: Table, parts: Sequence[Part], design: Any, selection: Selection, event: Any) -> Held:
    """All rows as numbers. An outcome that is none is said for all rows, not for those of the piece it was found in."""
    try:
        return table.pieces.hold(fill, parts, table.asked, design)
    except ResponseError:
        reading = table.asked.reading
        columns = table.pieces.whole([*stored_columns(reading.response), *table.asked.given.names])
        columns = replace(columns, data={**columns.data, **table.made}, n=table.n)
        values = evaluated(reading.response, columns, selection, reading.scope)
        beside = {what: np.concatenate([part.beside[what] for part in parts]) for what in parts[0].beside}
        extras = table.asked.extras(columns, Part({}, beside, [], None))
        trials = selection.of(extras["trials"]) if "trials" in extras else None
        learn_response(reading.formula.response, outcome(reading.response, values), trials=trials, event=event)
        raise
