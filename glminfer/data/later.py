"""Later rows in the columns of a design: everything that was learned is left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Factor
from glminfer.data.evaluation import Value
from glminfer.data.expressions import Expression, all_columns, expression, label_columns, stored_columns
from glminfer.data.factors import known_values
from glminfer.data.frames import Columns
from glminfer.data.learning import evaluated
from glminfer.data.long_factors import columns as columns_of
from glminfer.data.pieces import InPieces
from glminfer.data.response import code_response
from glminfer.data.rowwise import is_stateful
from glminfer.data.selection import Selection
from glminfer.data.sequences import with_sequences
from glminfer.data.values import UnseenLevels
from glminfer.data.vectors import offset, outcome, prior_weights
from glminfer.errors import DataError, FormulaError, counted

if TYPE_CHECKING:
    from glminfer.data.design import Design

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """Later rows in the columns of a design.

    Attributes
    ----------
    X : (m, p)
        The rows without missing values; a `Mixed` matrix in its place where factors are coded.
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


@np.errstate(all="ignore")  # as when learning
def new_rows(design: Design, data: Any, unseen: str, response: bool, coded: bool | None) -> NewRows:
    """Any rows in the columns of a design (see `Design.block`)."""
    factors, offsets, left = _expressions(design, response)
    everything = [*factors, *offsets, *left]
    arguments = _arguments(design, response)
    stored = [*stored_columns(everything), *arguments.values()]
    with _said_of_new_data():
        columns = frames.take(data, stored, label_columns(everything))
    columns = with_sequences(columns, everything, design.scope)
    n = columns.n if columns.data else frames.length(data)
    extras = {what: frames.aligned(name, columns, what) for what, name in arguments.items()}
    selection = Selection(n)
    selection.leave_out_missing([*((name, columns.data[name]) for name in all_columns(everything)), *extras.items()])
    values, arrays = _known(design, everything, factors, columns, selection, unseen)
    extras = {what: selection.of(v) for what, v in extras.items()}
    X = cast(Floats, columns_of(design.formula, design, arrays, selection.n, coded))
    known_part = offset(offsets if values else (), values, extras.get("offset"), selection.n)
    told = _later_outcome(design, left, values, extras, selection.n) if response else (None, None, None)
    return NewRows(X, known_part, selection.positions, n, frames.index(data), *told)


def chunks(design: Design, data: InPieces) -> Iterator[Any]:
    """A table as frames that can each be treated by itself; all of it at once where functions look at other rows."""
    factors, offsets, _ = _expressions(design, response=False)
    everything = [*factors, *offsets]
    if any(e.sequences or not is_stateful(e, design.scope) for e in everything):
        return iter([data])
    wanted = [*stored_columns(everything), *_arguments(design, response=False).values()]
    with _said_of_new_data():
        frames.refuse_unknown(wanted, data)
    return data.chunks(wanted, label_columns(everything))


@contextmanager
def _said_of_new_data() -> Iterator[None]:
    """A column that is not there is missed in the new data, not in those of the fit."""
    try:
        yield
    except FormulaError as error:
        raise FormulaError(str(error).replace("The data have", "The new data have", 1)) from None


def _expressions(design: Design, response: bool) -> tuple[list[Expression], list[Expression], list[Expression]]:
    """Factors, offsets and (when asked for) the left side, resolved as they were when learning."""
    texts = (design.factors, design.offsets, design.formula.pieces if response else ())
    factors, offsets, pieces = ([expression(t, design.used) for t in some] for some in texts)
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
        try:
            values = evaluated(everything, columns, selection, design.scope, states)
        except UnseenLevels as error:
            if unseen == "raise":
                raise
            selection.leave_out([("by=", error.rows)])
            continue
        if not values:
            return {}, {text: np.empty(0, dtype=np.intp) for text in design.factors}
        arrays = {e.text: known_values(design.factors[e.text], values[e.text]) for e in factors}
        new = [(text, codes == -2) for text, codes in arrays.items() if not design.factors[text].width]
        new = [(text, mask) for text, mask in new if mask.any()]
        if not new:
            return values, arrays
        if unseen == "raise":
            raise _unseen(design, new, values)
        selection.leave_out(new)


def _unseen(design: Design, new: Sequence[tuple[str, NDArray[np.bool_]]], values: Mapping[str, Value]) -> DataError:
    told = [
        f"{text}: {_few(_levels_at(values[text].column, mask))} in {counted(int(mask.sum()), 'row')} "
        f"(the fit knows {_few(design.factors[text].levels)})"
        for text, mask in new
    ]
    return DataError(
        f"The new data hold levels that were not there when the model was fitted: {'; '.join(told)}. "
        "Leave these rows out, or use unseen='nan' to get NaN for them."
    )


def _levels_at(column: Any, rows: NDArray[np.bool_]) -> list[Any]:
    if isinstance(column, Factor):
        return [column.levels[i] for i in np.unique(column.codes[rows])]
    return list(np.unique(column[rows]).tolist())


def _few(levels: Sequence[Any], most: int = 8) -> str:
    return ", ".join(map(repr, levels[:most])) + (", …" if len(levels) > most else "")


def _later_outcome(
    design: Design, left: Sequence[Expression], values: Mapping[str, Value], extras: Mapping[str, Floats], n: int
) -> tuple[Floats, Floats, Floats | None]:
    if not n:
        return np.empty(0), np.empty(0), None
    y, trials = code_response(design.response, outcome(left, values), extras.get("trials"))
    prior = prior_weights(extras.get("weights"), n)
    return y, prior if trials is None else prior * trials, trials
