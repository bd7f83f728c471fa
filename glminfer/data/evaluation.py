"""Values of expressions on complete rows; what transforms learned is kept and used again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.columns import Column, Factor, Mask, Masked, column_of, factorised
from glminfer.data.expressions import Expression
from glminfer.data.frames import Columns, unknown_column
from glminfer.data.scope import Scope
from glminfer.data.transforms import CategoricalSpec, Stateful
from glminfer.errors import DataError, FormulaError, InputError, counted

States = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression gives on some rows.

    Attributes
    ----------
    column : array (n,) or (n, k), Factor or Masked
    contrast : object
        The coding asked for in C(), or None.
    states : tuple
        What each stateful call learned, in order of the calls.
    """

    column: Any
    contrast: Any = None
    states: States = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # values travel between processes; patsy's contrasts refuse to be pickled, though they are plain records
        plain = not type(self.contrast).__module__.startswith("patsy.")
        contrast = (None, self.contrast) if plain else (type(self.contrast), vars(self.contrast))
        return _arrived, (self.column, contrast, self.states)


def _arrived(column: Any, contrast: tuple[Any, Any], states: States) -> Value:
    kind, content = contrast
    if kind is not None:
        made = kind.__new__(kind)
        vars(made).update(content)
        content = made
    return Value(column, content, states)


class Incomplete(Exception):
    """Raised inside a transform that met missing values its arguments produced; carries their rows."""

    def __init__(self, rows: Mask) -> None:
        self.rows = rows


@dataclass(slots=True)
class Evaluator:
    """Evaluates expressions over the same complete rows, converting each column once."""

    columns: Columns
    scope: Scope
    floats: dict[str, Any] = field(default_factory=dict)

    def value(self, expression: Expression, states: States | None = None) -> Value:
        """The value of an expression; transforms learn when ``states`` is None, else apply what they learned."""
        if expression.code is None:
            return Value(self.columns.data[str(expression.column)])
        memory = Memory(expression.text, self.columns.n, states)
        result = self._run(expression, self._names(expression, memory))
        return _value(result, self.columns.n, expression.text, tuple(memory.learned))

    def _names(self, expression: Expression, memory: Memory) -> dict[str, Any]:
        names: dict[str, Any] = {"__builtins__": {}}
        for variable, column in expression.values:
            names[variable] = self._for_functions(column)
        for variable, column in expression.raw:
            names[variable] = _for_C(self.columns.data[column])
        for variable, path in expression.calls:
            names[variable] = memory.remembering(self.scope.function(path, expression.text))
        for variable, path in expression.constants:
            names[variable] = _constant(path, expression.text, self.scope)
        for variable, name in expression.contrasts:
            names[variable] = _option(name, expression.text, self.scope)
        return names

    def _for_functions(self, name: str) -> Any:
        if name not in self.floats:
            self.floats[name] = _for_functions(self.columns.data[name])
        return self.floats[name]

    def _run(self, expression: Expression, names: dict[str, Any]) -> Any:
        try:
            with np.errstate(all="ignore"):  # what they would say is said by our own checks afterwards
                return eval(expression.code, names)  # type: ignore[arg-type]
        except (InputError, Incomplete):
            raise
        except Exception as error:
            raise _failed(expression, error, names) from error


@dataclass(slots=True)
class Memory:
    """What the stateful calls of one expression learned, or are to use, in the order in which they are made."""

    text: str
    n: int
    states: States | None
    learned: list[Any] = field(default_factory=list)

    def remembering(self, function: Any) -> Callable[..., Any]:
        """The function itself, or for a stateful one a call that learns or recalls."""
        if not isinstance(function, Stateful):
            return function  # type: ignore[no-any-return]

        def call(*args: Any, **options: Any) -> Any:
            for arg in (*args, *options.values()):
                self._check(arg)
            at = len(self.learned)
            state = function.learn(*args, **options) if self.states is None else self.states[at]
            self.learned.append(state)
            return function.apply(state, *args, **options)

        return call

    def _check(self, arg: Any) -> None:
        """Missing values leave; infinite ones are refused: a transform would spread both over all rows."""
        if not isinstance(arg, np.ndarray) or arg.dtype.kind != "f" or len(arg) != self.n:
            return
        if np.isfinite(arg).all():
            return
        gone = _over_columns(np.isnan(arg))
        if gone.any():
            raise Incomplete(gone)
        raise infinite(f"The argument of {self.text}", int(_over_columns(np.isinf(arg)).sum()))


def infinite(what: str, count: int) -> DataError:
    """The error for infinite values."""
    return DataError(
        f"{what} is infinite in {counted(count, 'row')}; no coefficient can be estimated from that. Leave these rows "
        "out with subset=, or make the values missing (NaN), or change the expression."
    )


def _over_columns(mask: Mask) -> Mask:
    return mask if mask.ndim == 1 else np.asarray(mask.reshape(len(mask), -1).any(axis=1))


# columns to functions ------------------------------------------------------------------------------------------------


def _for_functions(column: Column) -> Any:
    """Numbers as floats, so that powers of integers cannot overflow; labels as Categorical."""
    if isinstance(column, Factor):
        return pd.Categorical.from_codes(column.codes, dtype=pd.CategoricalDtype(list(column.levels), column.ordered))
    if isinstance(column, Masked):  # only in frames with missing rows kept
        return np.where(column.mask, np.nan, column.values.astype(np.float64))
    return column if column.dtype.kind == "b" else column.astype(np.float64, copy=False)


def _for_C(column: Column) -> Any:
    return column


def _constant(path: str, text: str, scope: Scope) -> Any:
    root, *rest = path.split(".")
    found: Any = scope.module(root)
    if found is None:
        where = "" if path == text else f" for {text}"
        raise FormulaError(
            f"There is no column {path!r}{where}, and {root!r} is no module. Attributes of columns cannot be used in a "
            "formula; make a column of what is meant."
        )
    for name in rest:
        found = getattr(found, name, None)
    return found


def _option(name: str, text: str, scope: Scope) -> Any:
    found = scope.contrast(name)
    if found is None:
        raise FormulaError(
            f"{name!r} in {text} is no contrast: use Treatment, Sum, Helmert, Poly or Diff, quotes around a level, or "
            f"give it with env={{{name!r}: …}}."
        )
    return found


def _failed(expression: Expression, error: Exception, names: dict[str, Any]) -> FormulaError:
    labels = [column for variable, column in expression.values if isinstance(names[variable], pd.Categorical)]
    hint = f" {', '.join(labels)} holds labels, not numbers." if labels and isinstance(error, TypeError) else ""
    if "truth value" in str(error):  # NumPy's own advice, .any() or .all(), is not what is meant here
        return FormulaError(
            f"{expression.text} cannot be computed: 'if' decides once, not row by row. Write np.where(x > 0, a, b)."
        )
    return FormulaError(f"{expression.text} cannot be computed: {type(error).__name__}: {error}.{hint}")


def missing_column(expression: Expression, name: str, known: tuple[str, ...], scope: Scope) -> FormulaError:
    """The error for a name that is no column, said with what else it might have been."""
    error = str(unknown_column(name, known))
    if expression.text != name:
        error = error.replace(f"no column {name!r}", f"no column {name!r} for {expression.text}", 1)
    if name in scope.caller or name in scope.env:
        error += f" A variable {name!r} of the calling code is never used as data: make it a column of the frame."
    return FormulaError(error)


# results -------------------------------------------------------------------------------------------------------------


def _value(result: Any, n: int, text: str, states: States) -> Value:
    if isinstance(result, CategoricalSpec):
        column = _labels(_shaped(result.values, n, text), text)
        return Value(_relevelled(column, result.levels, text), result.contrast, states)
    return Value(_shaped(result, n, text), None, states)


def _shaped(result: Any, n: int, text: str) -> Any:
    """Whatever came out as a column or a matrix of ``n`` rows."""
    if isinstance(result, Factor | Masked):
        return result
    if isinstance(result, pd.DataFrame):
        result = result.to_numpy()
    if not hasattr(result, "dtype"):
        result = np.asarray(result)
    if isinstance(result, np.ndarray) and result.ndim == 0:
        result = np.full(n, result[()])
    if len(result) != n:
        raise FormulaError(
            f"{text} gives {counted(len(result), 'value')} for {counted(n, 'row')}; it must give one for each."
        )
    if isinstance(result, np.ndarray) and result.ndim == 2:
        return _matrix(result, text)
    return column_of(result, text)


def _matrix(result: NDArray[Any], text: str) -> NDArray[Any]:
    if result.dtype.kind not in "biuf":
        raise FormulaError(f"{text} gives a matrix of {result.dtype}; several columns at once must be numbers.")
    matrix = result.astype(np.float64, copy=False)
    return matrix[:, 0] if matrix.shape[1] == 1 else matrix


def _labels(column: Any, text: str) -> Factor:
    if isinstance(column, Factor):
        return column
    if isinstance(column, Masked) or column.ndim != 1:
        raise DataError(f"{text}: a factor is one complete column of labels or numbers.")
    return factorised(column)


def _relevelled(factor: Factor, levels: Any, text: str) -> Factor:
    """The factor with its levels in the order given to C(levels=…)."""
    if levels is None:
        return factor
    wanted = tuple(levels)
    place = {level: i for i, level in enumerate(wanted)}
    table = np.array([place.get(level, -1) for level in factor.levels] + [-1], dtype=np.intp)
    codes = table[factor.codes]
    lost = (codes < 0) & (factor.codes >= 0)
    if lost.any():
        found = sorted({repr(factor.levels[i]) for i in np.unique(factor.codes[lost])})
        raise DataError(
            f"{text}: {', '.join(found)} in {counted(int(lost.sum()), 'row')} is not among levels={list(wanted)!r}; "
            "add it, or leave these rows out with subset=."
        )
    return Factor(codes, wanted, factor.ordered)


def incomplete_rows(value: Value) -> Mask | None:
    """Rows where the result is missing, or None when there are none."""
    column = value.column
    if isinstance(column, Factor):
        gone = column.codes < 0
    elif isinstance(column, Masked):
        gone = column.mask
    elif column.dtype.kind != "f" or not np.isnan(np.add.reduce(column, axis=None)):
        return None
    else:
        gone = _over_columns(np.isnan(column))
    return gone if gone.any() else None


def count_infinite(value: Value) -> int:
    """Rows that hold an infinite number; one pass when there is none."""
    column = value.column
    if isinstance(column, Factor | Masked) or column.dtype.kind != "f":
        return 0
    if np.isfinite(np.add.reduce(column, axis=None)):
        return 0
    return int(_over_columns(np.isinf(column)).sum())


def refuse_infinite(value: Value, text: str) -> None:
    """Raise when a number is infinite."""
    count = count_infinite(value)
    if count:
        raise infinite(text, count)
