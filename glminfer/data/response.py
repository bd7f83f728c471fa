"""What the outcome means: 0/1, bool, two labels, successes and failures, or a proportion with its trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glminfer.data.counts import from_counts, from_proportion
from glminfer.data.two_values import Levels, chosen, coded, event_text, two_values
from glminfer.errors import ResponseError, counted, every

Floats = NDArray[np.float64]
Pieces = Sequence[tuple[str, Any]]  # name and values of each part of the left side


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """How the left side of the formula is read, for these rows and for any later ones.

    Attributes
    ----------
    text : str
        The left side as written.
    kind : {"binary", "counts", "proportion"}
        Single trials, successes and failures, or a proportion with its number of trials.
    event : str
        What is modelled, as printed: ``choice = 'right'``.
    levels : tuple or None
        The values read as failure and success; None unless ``kind`` is "binary".
    """

    text: str
    kind: Literal["binary", "counts", "proportion"]
    event: str
    levels: Levels | None = None


Coded = tuple[ResponseSpec, Floats, Floats | None]


def learn_response(
    text: str,
    values: Pieces,
    *,
    trials: Any = None,
    event: Any = None,
    weights: Floats | None = None,
    lost: str = "",
) -> Coded:
    """Decide what the outcome is, code it, and refuse an outcome of one class only.

    Parameters
    ----------
    text : str
        The left side of the formula as written.
    values : list of (str, values)
        Name and values on the used rows: one pair, or two for ``cbind(successes, failures)``. Values are an array
        of numbers or bools, or labels (an object with codes and levels, an array of strings).
    trials : (n,) array, optional
        Number of trials of a proportion.
    event : optional
        The value to model, where the outcome has two values.
    weights : (n,) array, optional
        Prior weights; rows of zero weight are no evidence of a second class.
    lost : str
        What became of the other rows ("12 of 52 rows were dropped: 12 missing in x"), for the message.

    Returns
    -------
    spec : ResponseSpec
        How the outcome is read, for `code_response`.
    y : (n,) array
        The outcome, or the proportion of successes, in [0, 1].
    trials : (n,) array or None
        The number of trials; None for single trials.

    Raises
    ------
    ResponseError
        If the outcome is none of the forms above, or takes one value only.
    """
    spec, y, counts = read_response(text, values, trials=trials, event=event)
    refuse_one_class(spec, values[0][0], tally(y, counts, weights), lost)
    return spec, y, counts


def read_response(text: str, values: Pieces, *, trials: Any = None, event: Any = None) -> Coded:
    """Decide what the outcome is and code it, constant or not (see `learn_response`)."""
    spec = response_spec(text, values, trials is not None, event)
    return spec, *code_response(spec, values, trials)


def response_spec(text: str, values: Pieces, has_trials: bool, event: Any = None) -> ResponseSpec:
    """Decide what the outcome is from its distinct values."""
    return _counts_spec(text, event) if len(values) > 1 else _single_spec(text, *values[0], has_trials, event)


def code_response(spec: ResponseSpec, values: Pieces, trials: Any = None) -> tuple[Floats, Floats | None]:
    """Code the outcome of any rows as learned: proportion of successes, and trials where there are any."""
    if spec.kind == "counts":
        return from_counts(spec.text, values, trials)
    name, column = values[0]
    if spec.kind == "proportion":
        return from_proportion(name, column, trials)
    assert spec.levels is not None
    return coded(spec.levels, name, column), None


def _counts_spec(text: str, event: Any) -> ResponseSpec:
    if event is not None:
        raise ResponseError(
            f"event={event!r} has no meaning for {text}: its first column counts the event. "
            "To model the other outcome, swap the two columns."
        )
    return ResponseSpec(text, "counts", f"successes of {text}")


def _single_spec(text: str, name: str, values: Any, has_trials: bool, event: Any) -> ResponseSpec:
    if not has_trials:
        levels = chosen(name, two_values(text, name, values, event), event)
        return ResponseSpec(text, "binary", event_text(text, name, levels[1]), levels)
    if event is not None:
        raise ResponseError(
            f"event={event!r} has no meaning for a proportion with trials: {name} is the share of the event. "
            f"To model the other outcome, write I(1 - {text}) on the left."
        )
    return ResponseSpec(text, "proportion", f"successes, as the proportion {name} of the trials")


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows that count (a trial of positive weight), their trials, and how many had failures and successes."""

    rows: int
    trials: float
    failures: int
    successes: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.rows + other.rows,
            self.trials + other.trials,
            self.failures + other.failures,
            self.successes + other.successes,
        )


def tally(y: Floats, trials: Floats | None, weights: Floats | None) -> Tally:
    """What some rows tell about the two outcomes."""
    counting = np.ones(y.shape, dtype=bool) if trials is None else trials > 0
    counting = counting if weights is None else counting & (weights > 0)
    rows = int(np.count_nonzero(counting))
    counted_y = y if rows == len(y) else y[counting]
    total = rows if trials is None else trials[counting].sum()
    return Tally(rows, float(total), int(np.count_nonzero(counted_y < 1)), int(np.count_nonzero(counted_y > 0)))


def refuse_one_class(spec: ResponseSpec, name: str, found: Tally, lost: str = "") -> None:
    """Raise when every trial that counts ended the same way, saying which way and what became of other rows."""
    if found.failures and found.successes:
        return
    after = f" ({lost})" if lost else ""
    if not found.rows:
        raise ResponseError(
            f"{name} has no row with a trial of positive weight{after}. Rows of weight zero say nothing: check "
            "weights=, trials= and the missing values."
        )
    raise ResponseError(
        f"{_constant(spec, name, found)}{after}. A logistic model needs both outcomes: "
        f"check the coding of {name}, subset= and the missing values."
    )


def _constant(spec: ResponseSpec, name: str, found: Tally) -> str:
    outcome = int(found.successes > 0)
    if spec.levels is None:
        total = every(int(found.trials), "trial")
        return f"{spec.text} has {('failures', 'successes')[outcome]} only, in {total} of {counted(found.rows, 'row')}"
    return f"{name} is {spec.levels[outcome]!r} in {every(found.rows, 'row')}"
