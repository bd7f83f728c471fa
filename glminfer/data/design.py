"""Design: how a formula becomes numbers, learned once from the data and applied to any later frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.coding import LearnedFactor, constant_weights
from glminfer.data.evaluation import States, Value, refuse_infinite
from glminfer.data.expressions import Expression, all_columns, expression
from glminfer.data.filling import fill
from glminfer.data.formula import Formula, spelled
from glminfer.data.frames import Columns
from glminfer.data.learning import (
    Argument,
    Given,
    Learned,
    Reading,
    check_names,
    evaluated,
    given,
    known_values,
    learn_factors,
    read,
    sources,
    subset_mask,
)
from glminfer.data.response import ResponseSpec, code_response, learn_response
from glminfer.data.scope import Scope
from glminfer.data.selection import Selection
from glminfer.errors import DataError, FormulaError, counted, one_of

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What a fit remembers of its formula and data: enough to treat any later rows the same way.

    Attributes
    ----------
    formula : Formula
        With ``.`` written out.
    response : ResponseSpec
        How the left side is read; the event.
    columns : tuple of str
        Names of the p columns.
    terms : dict
        Term name to slice of columns, ``Intercept`` included.
    factors : dict
        Factor text to `LearnedFactor`: numeric with k columns, or levels and codings; states of transforms.
    full : tuple of tuples of bool
        For each term of the formula, which of its factors have all their dummies.
    has_intercept : bool
    constant : (p,) array or None
        Weights c with X @ c = 1, if the formula has an intercept or a fully coded factor.
    reference : dict
        Factor text to reference level, for treatment coding.
    offsets : dict
        Expression inside ``offset()`` to the states of its transforms.
    left : dict
        The same for the expressions of the left side.
    given : Given
        How weights, trials, offset and subset were given.
    scope : Scope
        Functions of the user that the formula calls.
    notes : tuple of str
        Facts about the columns, such as levels without rows.
    """

    formula: Formula
    response: ResponseSpec
    columns: tuple[str, ...]
    terms: dict[str, slice]
    factors: dict[str, LearnedFactor]
    full: tuple[tuple[bool, ...], ...]
    has_intercept: bool
    constant: Floats | None
    reference: dict[str, Any]
    offsets: dict[str, States]
    left: dict[str, States]
    given: Given
    scope: Scope
    used: frozenset[str]
    notes: tuple[str, ...] = ()

    def block(self, data: Any, *, unseen: Literal["raise", "nan"] = "raise", response: bool = False) -> NewRows:
        """The columns for other rows, with everything that was learned left as it is.

        Parameters
        ----------
        data : frame
            Any frame `learn` takes; one row is enough.
        unseen : {"raise", "nan"}
            What to do with a level that was not there when learning: an error, or treat the row as missing.
        response : bool
            Whether to read the outcome, trials and weights as well.

        Returns
        -------
        NewRows
            Rows with missing values are left out of X; ``keep`` tells which rows are in.
        """
        one_of(unseen, ("raise", "nan"), "unseen")
        return _block(self, data, unseen, response)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A design and the rows it was learned from.

    Attributes
    ----------
    design : Design
    X : (n, p) float64, C order
    y : (n,)
        Outcome, or proportion of successes, in [0, 1].
    weights : (n,)
        Prior weight times number of trials.
    trials : (n,) or None
    offset : (n,)
    used : (n,) positions
        The used rows among the rows given.
    n_given, n_rows : int
        Rows of the data, and rows after ``subset``.
    columns : Columns
        The used columns, all rows given.
    notes : tuple of str
    dropped : dict
        Rows missing by cause (column, expression or argument); one row may have several causes.
    """

    design: Design
    X: Floats
    y: Floats
    weights: Floats
    trials: Floats | None
    offset: Floats
    used: Rows
    n_given: int
    n_rows: int
    columns: Columns
    notes: tuple[str, ...]
    dropped: dict[str, int]

    @property
    def n_dropped(self) -> int:
        """Rows left out for missing values."""
        return self.n_rows - len(self.used)

    @property
    def n_subset_out(self) -> int:
        """Rows left out by ``subset``."""
        return self.n_given - self.n_rows


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """Later rows in the columns of a design.

    Attributes
    ----------
    X : (m, p)
        The rows without missing values.
    offset : (m,)
    keep : (m,) positions
        Where they are among the ``n`` rows given.
    n : int
    index : pandas.Index or None
    y, weights, trials : (m,) or None
        When the outcome was asked for.
    """

    X: Floats
    offset: Floats
    keep: Rows
    n: int
    index: pd.Index | None
    y: Floats | None = None
    weights: Floats | None = None
    trials: Floats | None = None


# learning ---------------------------------------------------------------------------------------------------------------


def learn(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    trials: Any = None,
    offset: Any = None,
    subset: Any = None,
    missing: Literal["drop", "raise"] = "drop",
    event: Any = None,
    env: Mapping[str, Any] | None = None,
    caller: Mapping[str, Any] | None = None,
) -> Sample:
    """Learn a design from data: columns, levels, transforms, the outcome, and the rows that can be used.

    Parameters
    ----------
    formula : str
    data : frame
        pandas DataFrame, dict of arrays, or any frame narwhals reads.
    weights, trials, offset : str, Series or array, optional
        A column name, a Series (aligned by its index) or one value for each row.
    subset : str, Series or array, optional
        A condition on the columns, or a mask.
    missing : {"drop", "raise"}
        What to do with rows that miss a value.
    event : optional
        The outcome to model, when the response has two values.
    env : dict, optional
        Functions for the formula.
    caller : mapping, optional
        Names where the model is fitted; only functions and modules are taken from it.

    Returns
    -------
    Sample

    Raises
    ------
    FormulaError, DataError, ResponseError
    """
    one_of(missing, ("drop", "raise"), "missing")
    how = given(weights=weights, trials=trials, offset=offset, subset=subset)
    reading = read(formula, data, how, Scope(env or {}, caller or {}))
    if not reading.response:
        raise FormulaError(f"{formula!r} has no outcome; write it on the left, 'choice ~ contrast'.")
    columns = _columns(reading, data, how, subset)
    extras = _extras(columns, data, weights=weights, trials=trials, offset=offset)
    selection = _complete_rows(reading, columns, extras, subset, data)
    values = evaluated(reading.expressions, columns, selection, reading.scope, check=lambda: selection.check(missing))
    return _sample(reading, how, columns, selection, values, {k: selection.of(v) for k, v in extras.items()}, event)


def _columns(reading: Reading, data: Any, how: Given, subset: Any) -> Columns:
    """Every column the formula or an argument names, converted once."""
    names = [*all_columns(list(reading.expressions)), *how.names]
    if isinstance(subset, str):
        condition = expression(spelled(subset), reading.known)
        check_names(condition, frames.names(data), reading.scope)
        names += condition.columns
    return frames.take(data, names)


def _extras(columns: Columns, data: Any, **values: Any) -> dict[str, Floats]:
    """Weights, trials and offset as floats over all rows."""
    frame = {True: columns, False: data}
    return {k: frames.aligned(v, frame[isinstance(v, str)], k) for k, v in values.items() if v is not None}


def _complete_rows(
    reading: Reading, columns: Columns, extras: Mapping[str, Floats], subset: Any, data: Any
) -> Selection:
    selection = Selection(columns.n)
    if subset is not None and columns.n:
        selection.subset(subset_mask(subset, columns, data, reading.scope, reading.known))
    names = all_columns(list(reading.expressions))
    selection.leave_out_missing([*((name, columns.data[name]) for name in names), *extras.items()])
    return selection


def _sample(
    reading: Reading,
    how: Given,
    columns: Columns,
    selection: Selection,
    values: Mapping[str, Value],
    extras: Mapping[str, Floats],
    event: Any,
) -> Sample:
    n = selection.n
    prior = _prior_weights(extras.get("weights"), n)
    spec, y, trials = learn_response(
        reading.formula.response,
        _outcome(reading.response, values),
        trials=extras.get("trials"),
        event=event,
        weights=prior,
        lost=selection.lost(),
    )
    learned = learn_factors(reading.formula, values)
    design = _design(reading, how, spec, learned, values)
    return Sample(
        design=design,
        X=_matrix(design, learned.values, n),
        y=y,
        weights=prior if trials is None else prior * trials,
        trials=trials,
        offset=_offset(reading.offsets, values, extras.get("offset"), n),
        used=selection.positions,
        n_given=selection.n_given,
        n_rows=selection.n_rows,
        columns=columns,
        notes=(*_row_notes(selection), *learned.notes),
        dropped=dict(selection.causes),
    )


def _design(reading: Reading, how: Given, spec: ResponseSpec, learned: Learned, values: Mapping[str, Value]) -> Design:
    roots = set().union(*(e.roots for e in reading.expressions))
    return Design(
        formula=reading.formula,
        response=spec,
        columns=learned.names,
        terms=learned.terms,
        factors=learned.factors,
        full=learned.full,
        has_intercept=reading.formula.has_intercept,
        constant=_constant(reading.formula, learned),
        reference=learned.reference,
        offsets={e.text: values[e.text].states for e in reading.offsets},
        left={e.text: values[e.text].states for e in reading.response},
        given=how,
        scope=reading.scope.only(roots),
        used=frozenset(all_columns(list(reading.expressions))),
        notes=learned.notes,
    )


def _constant(formula: Formula, learned: Learned) -> Floats | None:
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


def _matrix(design: Design, values: Mapping[str, NDArray[Any]], n: int) -> Floats:
    parts = sources(design.formula, design.factors, design.full, values)
    if design.has_intercept:
        parts.insert(0, ())
    pieces = [
        (where, part) for where, part in zip(design.terms.values(), parts, strict=True) if where.stop > where.start
    ]
    return fill(pieces, n, len(design.columns))


def _row_notes(selection: Selection) -> list[str]:
    notes = []
    if selection.n_rows < selection.n_given:
        notes.append(f"subset: {selection.n_rows:,} of {counted(selection.n_given, 'row')}")
    told = selection.told()
    return [*notes, told] if told else notes


# outcome, weights, offset --------------------------------------------------------------------------------------------------


def _outcome(pieces: Sequence[Expression], values: Mapping[str, Value]) -> list[tuple[str, Any]]:
    for piece in pieces:
        refuse_infinite(values[piece.text], piece.text)
    return [(piece.column or piece.text, values[piece.text].column) for piece in pieces]


def _prior_weights(weights: Floats | None, n: int) -> Floats:
    if weights is None:
        return np.ones(n)
    negative = int(np.count_nonzero(weights < 0))
    if negative:
        raise DataError(
            f"weights= is negative in {counted(negative, 'row')} (smallest {weights.min():g}); a weight is the number of "
            "times a row counts, 0 or more."
        )
    _refuse_infinite(weights, "weights=")
    return weights


def _refuse_infinite(values: Floats, what: str) -> None:
    refuse_infinite(Value(values), what)


def _offset(expressions: Sequence[Expression], values: Mapping[str, Value], extra: Floats | None, n: int) -> Floats:
    total = np.zeros(n)
    if extra is not None:
        _refuse_infinite(extra, "offset=")
        total += extra
    for found in expressions:
        total += _numeric_offset(found.text, values[found.text])
    return total


def _numeric_offset(text: str, value: Value) -> Floats:
    column = value.column
    if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype.kind not in "biuf":
        raise DataError(f"offset({text}) must be one column of numbers.")
    refuse_infinite(value, f"offset({text})")
    return column.astype(np.float64, copy=False)


# later rows ----------------------------------------------------------------------------------------------------------------


def _block(design: Design, data: Any, unseen: str, response: bool) -> NewRows:
    factors, offsets, left = _expressions(design, response)
    everything = [*factors, *offsets, *left]
    arguments = _arguments(design, response)
    columns = frames.take(data, [*all_columns(everything), *arguments.values()])
    n = columns.n if columns.data else frames.length(data)
    extras = {what: frames.aligned(name, columns, what) for what, name in arguments.items()}
    selection = Selection(n)
    selection.leave_out_missing([*((name, columns.data[name]) for name in all_columns(everything)), *extras.items()])
    values, arrays = _known(design, everything, factors, columns, selection, unseen)
    extras = {what: selection.of(v) for what, v in extras.items()}
    X = _matrix(design, arrays, selection.n) if selection.n else np.empty((0, len(design.columns)))
    offset = _offset(offsets if values else (), values, extras.get("offset"), selection.n)
    outcome = _later_outcome(design, left, values, extras, selection.n) if response else (None, None, None)
    return NewRows(X, offset, selection.positions, n, frames.index(data), *outcome)


def _expressions(design: Design, response: bool) -> tuple[list[Expression], list[Expression], list[Expression]]:
    """Factors, offsets and (when asked for) the left side, resolved as they were when learning."""
    left = design.left if response else {}
    factors, offsets, pieces = ([expression(t, design.used) for t in d] for d in (design.factors, design.offsets, left))
    return factors, offsets, pieces


def _arguments(design: Design, response: bool) -> dict[str, str]:
    """Columns named by offset=, and by trials= and weights= when the outcome is asked for."""
    wanted = {"offset": design.given.offset}
    if response:
        wanted |= {"trials": design.given.trials, "weights": design.given.weights}
    for what, argument in wanted.items():
        if argument is not None and argument.name is None:
            raise _not_known(what)
    return {what: argument.name for what, argument in wanted.items() if argument is not None and argument.name}


_AS_COLUMN = {
    "offset": "offset='z', or offset(z) in the formula",
    "trials": "trials='n', or cbind(successes, failures) on the left",
    "weights": "weights='w'",
}


def _not_known(what: str) -> DataError:
    return DataError(
        f"The model was fitted with {what}= given as values, which are not known for new data. "
        f"Fit it with {_AS_COLUMN[what]}, so that new data carry the column."
    )


def _known(
    design: Design,
    everything: Sequence[Expression],
    factors: Sequence[Expression],
    columns: Columns,
    selection: Selection,
    unseen: str,
) -> tuple[dict[str, Value], dict[str, NDArray[Any]]]:
    """Values of all expressions, and of the factors as numbers or known level codes."""
    states = {text: factor.states for text, factor in design.factors.items()} | design.offsets | design.left
    while True:
        values = evaluated(everything, columns, selection, design.scope, states)
        if not values:
            return {}, {}
        arrays = {e.text: known_values(design.factors[e.text], values[e.text]) for e in factors}
        new = [(text, codes == -2) for text, codes in arrays.items() if not design.factors[text].width]
        new = [(text, mask) for text, mask in new if mask.any()]
        if not new:
            return values, arrays
        if unseen == "raise":
            raise _unseen(design, new, values)
        selection.leave_out(new)


def _unseen(design: Design, new: Sequence[tuple[str, NDArray[np.bool_]]], values: Mapping[str, Value]) -> DataError:
    told = []
    for text, mask in new:
        column = values[text].column
        found = (
            [column.levels[i] for i in np.unique(column.codes[mask])]
            if hasattr(column, "levels")
            else np.unique(column[mask]).tolist()
        )
        levels = ", ".join(map(repr, found[:5])) + (", …" if len(found) > 5 else "")
        known = design.factors[text].levels
        known_levels = ", ".join(map(repr, known[:8])) + (", …" if len(known) > 8 else "")
        told.append(f"{text}: {levels} in {counted(int(mask.sum()), 'row')} (the fit knows {known_levels})")
    return DataError(
        f"The new data hold levels that were not there when the model was fitted: {'; '.join(told)}. "
        "Leave these rows out, or use unseen='nan' to get NaN for them."
    )


def _later_outcome(
    design: Design, left: Sequence[Expression], values: Mapping[str, Value], extras: Mapping[str, Floats], n: int
) -> tuple[Floats, Floats, Floats | None]:
    if not n:
        return np.empty(0), np.empty(0), None
    y, trials = code_response(design.response, _outcome(left, values), extras.get("trials"))
    prior = _prior_weights(extras.get("weights"), n)
    return y, prior if trials is None else prior * trials, trials
