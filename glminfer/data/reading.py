"""A formula read against a frame: every name a column or a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glminfer.data import frames
from glminfer.data.evaluation import missing_column
from glminfer.data.expressions import Expression, all_columns, expression
from glminfer.data.formula import Formula, checked_text, expand, parse, spelled
from glminfer.data.scope import Scope
from glminfer.errors import FormulaError


@dataclass(frozen=True, slots=True)
class Argument:
    """Weights, trials, offset or subset as given: the name of a column, or None for values that came as an array."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Given:
    """How the arguments beside the formula were given; None for those that were not."""

    weights: Argument | None = None
    trials: Argument | None = None
    offset: Argument | None = None
    subset: Argument | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Columns named by weights, trials and offset."""
        return tuple(a.name for a in (self.weights, self.trials, self.offset) if a is not None and a.name is not None)


def given(**values: Any) -> Given:
    """Note how each argument was given."""
    return Given(**{k: None if v is None else Argument(v if isinstance(v, str) else None) for k, v in values.items()})


@dataclass(frozen=True, slots=True)
class Reading:
    """A formula whose names are resolved against a frame.

    Attributes
    ----------
    formula : Formula
    response, factors, offsets : tuple of Expression
        Of the left side, the terms and ``offset()``.
    scope : Scope
        Where functions come from.
    known : frozenset of str
        The columns of the frame.
    """

    formula: Formula
    response: tuple[Expression, ...]
    factors: tuple[Expression, ...]
    offsets: tuple[Expression, ...]
    scope: Scope
    known: frozenset[str]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All of them."""
        return (*self.response, *self.factors, *self.offsets)


def read(text: str, frame: Any, arguments: Given, scope: Scope) -> Reading:
    """Parse the formula and resolve its names against the columns of a frame."""
    columns = frames.names(frame)
    known = frozenset(columns)
    formula = parse(expand(checked_text(text), columns, arguments.names))
    pieces, factors, offsets = (
        tuple(expression(text, known) for text in texts) for texts in (formula.pieces, formula.factors, formula.offsets)
    )
    reading = Reading(formula, pieces, factors, offsets, scope, known)
    absent = [expression(text, known) for text in formula.absent]
    for found in (*reading.expressions, *absent):
        check_names(found, columns, scope, known)
    _refuse_response_on_the_right(reading)
    if not formula.terms and not formula.has_intercept:
        raise FormulaError(f"{text!r} has no terms and no intercept, so there is nothing to estimate.")
    return reading


def condition(reading: Reading, subset: str, data: Any) -> Expression:
    """A subset written as a condition on the columns."""
    found = expression(spelled(subset), reading.known)
    check_names(found, frames.names(data), reading.scope)
    return found


def check_names(found: Expression, columns: Sequence[str], scope: Scope, known: frozenset[str] | None = None) -> None:
    """Every name of an expression must be a column or, in call position, a function; ``known`` are the columns."""
    known = frozenset(columns) if known is None else known
    made = {sequence.text for sequence in found.sequences}
    for name in found.columns:
        if name not in known and name not in made:
            raise missing_column(found, name, tuple(columns), scope)
    for sequence in found.sequences:
        for part in sequence.parts:
            check_names(part, columns, scope, known)
    for _, path in found.calls:
        root = path.split(".")[0]
        if root in known and root != path and scope.root(root) is None:
            raise FormulaError(
                f"{path}() in {found.text}: methods of columns cannot be called in a formula; use a function, such as "
                f"np.clip({root}, 0, 1), or make a column of what is meant."
            )
        scope.function(path, found.text)


def _refuse_response_on_the_right(reading: Reading) -> None:
    left = set(all_columns(reading.response))
    for factor in reading.factors:
        if factor.column in left or _is_made_of(factor, left):
            what = repr(factor.column) if factor.column else f"{factor.text}, a function of the outcome,"
            raise FormulaError(
                f"{what} is on both sides of {reading.formula.text!r}: the outcome cannot explain itself. "
                "Take it out on the right."
            )


def _is_made_of(factor: Expression, left: set[str]) -> bool:
    """Whether an expression is a function of the outcome alone, where the outcome is one column: I(y), C(y), y > 0."""
    return len(left) == 1 and set(factor.columns) == left
