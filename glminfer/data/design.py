"""Design: how a formula becomes numbers, learned once from the data and applied to any later frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.arguments import Arguments
from glminfer.data.coding import LearnedFactor
from glminfer.data.columns import distinct_numbers
from glminfer.data.evaluation import States, Value
from glminfer.data.expressions import all_columns, label_columns, stored_columns
from glminfer.data.factors import Learned, coded_numbers, constant, learn_factors, vanished
from glminfer.data.formula import Formula
from glminfer.data.frames import Column, Columns
from glminfer.data.later import NewRows, new_rows
from glminfer.data.learning import evaluated, subset_mask
from glminfer.data.pieces import in_pieces
from glminfer.data.reading import Given, Reading, condition
from glminfer.data.response import ResponseSpec, learn_response
from glminfer.data.rows import Rows
from glminfer.data.sample_rows import Storage, sample_rows, some_rows, with_outcome
from glminfer.data.scope import Scope
from glminfer.data.selection import Selection
from glminfer.data.sequences import with_sequences
from glminfer.data.vectors import offset as total_offset
from glminfer.data.vectors import outcome, prior_weights
from glminfer.errors import FormulaError, InputError, one_of

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
_PLAIN = Storage()


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
    used : frozenset of str
        Columns the formula uses.
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

    def block(
        self,
        data: Any,
        *,
        unseen: Literal["raise", "nan"] = "raise",
        response: bool = False,
        coded: bool | None = False,
    ) -> NewRows:
        """The columns for other rows, with everything that was learned left as it is.

        Parameters
        ----------
        data : frame
            Any frame `learn` takes; one row is enough.
        unseen : {"raise", "nan"}
            What to do with a level that was not there when learning: an error, or treat the row as missing.
        response : bool
            Whether to read the outcome, trials and weights as well.
        coded : bool, optional
            Whether factors may be coded (`long_factors`), for callers that only multiply with the columns; None where
            it pays.

        Returns
        -------
        NewRows
            Rows with missing values are left out of X; ``keep`` tells which rows are in.
        """
        one_of(unseen, ("raise", "nan"), "unseen")
        return new_rows(self, data, unseen, response, coded)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A design and the rows it was learned from.

    Attributes
    ----------
    design : Design
    rows : Rows
        The used rows: columns of the design, outcome, weight (prior weight times number of trials), offset.
    trials : (n,) or None
    places : (n,) positions or None
        The used rows among the rows given; None where these are all.
    n_given, n_rows : int
        Rows of the data, and rows after ``subset``.
    columns : Columns
        The used columns, all rows given.
    notes : tuple of str
    dropped : dict
        Rows missing by cause (column, expression or argument); one row may have several causes.
    after_subset : slice or positions
        The rows ``subset`` leaves, missing values or not.
    looked : (rows, (2, p)) or None, rows whose sums of the columns and of their squares are known
    """

    design: Design
    rows: Rows
    trials: Floats | None
    places: Positions | None
    n_given: int
    n_rows: int
    columns: Columns
    notes: tuple[str, ...]
    dropped: dict[str, int]
    after_subset: slice | Positions
    looked: tuple[Rows, Floats] | None = None

    @property
    def sums(self) -> Floats | None:
        """Sums and sums of squares of the columns over all rows, (2, p), if they are known of these rows."""
        return self.looked[1] if self.looked is not None and self.looked[0] is self.rows else None

    @property
    def used(self) -> Positions:
        """The used rows among the rows given, (n,) positions."""
        return np.arange(self.rows.n) if self.places is None else self.places

    @property
    def X(self) -> Floats:
        """Columns of the design, (n, p) in C order."""
        return self.rows.values("X")

    @property
    def y(self) -> Floats:
        """Outcome, or proportion of successes, in [0, 1], (n,)."""
        return self.rows.values("y")[:, 0]

    @property
    def weights(self) -> Floats:
        """Prior weight times number of trials, (n,)."""
        return self.rows.values("weights")[:, 0]

    @property
    def offset(self) -> Floats:
        """Known part of the linear predictor, (n,)."""
        return self.rows.values("offset")[:, 0]

    @property
    def n_dropped(self) -> int:
        """Rows left out for missing values."""
        return self.n_rows - self.rows.n

    def at(self, rows: NDArray[Any]) -> Sample:
        """Some of the used rows, by mask or positions; the design and what is said of it stay."""
        trials = None if self.trials is None else self.trials[rows]
        return replace(self, rows=some_rows(self.rows, rows), trials=trials, places=self.used[rows])

    def with_outcome(self, y: Floats) -> Sample:
        """The same rows with another outcome."""
        return replace(self, rows=with_outcome(self.rows, y))

    @property
    def n_subset_out(self) -> int:
        """Rows left out by ``subset``."""
        return self.n_given - self.n_rows


# learning ------------------------------------------------------------------------------------------------------------


@np.errstate(all="ignore")  # sums that look for NaN may overflow; what is wrong is said by our own errors
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
    also: Sequence[tuple[str, Column]] = (),
    storage: Storage = _PLAIN,
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
    also : sequence of (name, values), optional
        Columns over all rows given that are used beside the formula: rows that miss a value of theirs are dropped too.
    storage : Storage
        Whether alike rows are stored once, and factors of many levels as codes.

    Returns
    -------
    Sample

    Raises
    ------
    FormulaError, DataError, ResponseError
    """
    from glminfer.data.piecewise import learn_in_pieces

    asked = Arguments(weights, trials, offset, subset, missing, event, env, caller, also)
    table = in_pieces(data)
    if table is not None:
        _refuse_compression(storage)
        sample = learn_in_pieces(formula, table, asked, storage.coded)
    else:
        sample = learn_columns(formula, data, asked, storage)
    if not sample.design.formula.response:
        raise FormulaError(f"{formula!r} has no outcome; write it on the left, 'choice ~ contrast'.")
    return sample


def _refuse_compression(storage: Storage) -> None:
    if storage.compress:
        raise InputError(
            "Control(compress=True) has no effect on rows in Parquet files and in Dask, where each row is kept. Leave "
            "it out, or bring the columns into memory: data.compute(), pandas.read_parquet(…)."
        )


@np.errstate(all="ignore")
def learn_columns(formula: str, data: Any, asked: Arguments, storage: Storage = _PLAIN) -> Sample:
    """As `learn`, but the left side may be empty: ``y`` is then NaN and the outcomes come from elsewhere."""
    how, reading = asked.reading(formula, data)
    columns = _columns(reading, data, how, asked.subset)
    extras = _extras(columns, data, asked.beside)
    selection = complete_rows(reading, columns, [*extras.items(), *asked.also], asked.subset, data)
    said = partial(selection.check, asked.missing)
    values = evaluated(reading.expressions, columns, selection, reading.scope, check=said)
    extras = {k: selection.of(v) for k, v in extras.items()}
    return _sample(reading, how, columns, selection, values, extras, asked.event, storage)


def _columns(reading: Reading, data: Any, how: Given, subset: Any) -> Columns:
    """Every column the formula or an argument names, converted once."""
    expressions = list(reading.expressions)
    if isinstance(subset, str):
        expressions.append(condition(reading, subset, data))
    columns = frames.take(data, [*stored_columns(expressions), *how.names], label_columns(expressions))
    return with_sequences(columns, expressions, reading.scope)


def _extras(columns: Columns, data: Any, values: Mapping[str, Any]) -> dict[str, Floats]:
    """Weights, trials and offset as floats over all rows."""
    frame = {True: columns, False: data}
    return {k: frames.aligned(v, frame[isinstance(v, str)], k) for k, v in values.items() if v is not None}


def complete_rows(
    reading: Reading, columns: Columns, extras: Sequence[tuple[str, Column]], subset: Any, data: Any
) -> Selection:
    """The rows of the subset that miss no value."""
    selection = Selection(columns.n)
    if subset is not None and columns.n:
        selection.subset(subset_mask(subset, columns, data, reading.scope, reading.known))
    names = all_columns(list(reading.expressions))
    selection.leave_out_missing([*((name, columns.data[name]) for name in names), *extras])
    return selection


def _sample(
    reading: Reading,
    how: Given,
    columns: Columns,
    selection: Selection,
    values: Mapping[str, Value],
    extras: Mapping[str, Floats],
    event: Any,
    storage: Storage,
) -> Sample:
    n = selection.n
    prior = prior_weights(extras.get("weights"), n)
    told = {"event": event, "weights": prior, "lost": selection.lost()}
    spec, y, trials = _outcome(reading, values, extras.get("trials"), n, told)
    learned = learn_factors(reading.formula, values)
    design = learned_design(reading, how, spec, learned, values)
    weights = prior if trials is None else prior * trials
    known = total_offset(reading.offsets, values, extras.get("offset"), n)
    rows, sums = sample_rows(reading.formula, learned, (y, weights, known), storage)
    return Sample(
        design=design,
        rows=rows,
        trials=trials,
        places=selection.rows,
        n_given=selection.n_given,
        n_rows=selection.n_rows,
        columns=columns,
        notes=(*selection.notes(), *learned.notes, *_vanished(reading, columns, selection, learned)),
        dropped=dict(selection.causes),
        after_subset=selection.after_subset,
        looked=None if sums is None else (rows, sums),
    )


def _outcome(
    reading: Reading, values: Mapping[str, Value], trials: Floats | None, n: int, told: Mapping[str, Any]
) -> tuple[ResponseSpec, Floats, Floats | None]:
    if not reading.response:
        return ResponseSpec("", "binary", ""), np.full(n, np.nan), trials
    return learn_response(reading.formula.response, outcome(reading.response, values), trials=trials, **told)


def learned_design(
    reading: Reading, how: Given, spec: ResponseSpec, learned: Learned, values: Mapping[str, Value]
) -> Design:
    """What a fit remembers."""
    roots = set().union(*(e.roots for e in reading.expressions))
    return Design(
        formula=reading.formula,
        response=spec,
        columns=learned.names,
        terms=learned.terms,
        factors=learned.factors,
        full=learned.full,
        has_intercept=reading.formula.has_intercept,
        constant=constant(reading.formula, learned),
        reference=learned.reference,
        offsets={e.text: values[e.text].states for e in reading.offsets},
        left={e.text: values[e.text].states for e in reading.response},
        given=how,
        scope=reading.scope.only(roots),
        used=frozenset(stored_columns(reading.expressions)),
        notes=learned.notes,
    )


def _vanished(reading: Reading, columns: Columns, selection: Selection, learned: Learned) -> list[str]:
    of, after = columns.data, selection.after_subset
    kept = {text: frames.pick(of[name], after) for text, name in coded_numbers(reading.factors) if selection.n_dropped}
    return vanished({text: distinct_numbers(column) for text, column in kept.items()}, learned) if kept else []
