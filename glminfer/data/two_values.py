"""Outcomes of two values: 0/1, bool or two labels; which one is the event, and how it is printed."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.values import distinct, labels_of, shown, used_levels
from glminfer.errors import ResponseError, counted, nearest

Floats = NDArray[np.float64]
Levels = tuple[Any, Any]  # failure and success


def two_values(text: str, name: str, values: Any, event: Any = None) -> Levels:
    """Failure and success of a two-valued outcome; ``event`` is only looked at for the message of another outcome."""
    labels = labels_of(values)
    if labels is not None:
        return _two_labels(text, name, *labels)
    array = one_column(name, values)
    if array.dtype.kind == "b":
        return False, True
    if not _is_zero_one(array):
        raise ResponseError(_why_not_binary(text, name, array, event))
    return 0, 1


def _two_labels(text: str, name: str, codes: NDArray[Any], levels: tuple[Any, ...]) -> Levels:
    _refuse_missing(name, codes)
    found = levels if len(levels) == 2 else used_levels(codes, levels)
    if len(found) == 1:
        return None, found[0]  # a constant outcome: the other label is not known
    if len(found) != 2:
        raise ResponseError(
            f"{name} takes {counted(len(found), 'label')} ({shown(found)}); a logistic model needs two outcomes. "
            f"Write the event as a condition, {text} == {found[-1]!r} ~ …, or leave rows out with subset=."
        )
    return found[0], found[1]


def chosen(name: str, levels: Levels, event: Any) -> Levels:
    """The two values with ``event``, where given, as the success."""
    failure, success = levels
    if event is None or _same(event, success):
        return failure, success
    if _same(event, failure):
        return success, failure
    known = [level for level in levels if level is not None]
    alike = [level for level in known if isinstance(event, str) and isinstance(level, str)]
    raise ResponseError(
        f"event={event!r} is not a value of {name}, which takes {shown(known)}."
        f"{nearest(event, alike) if alike else ''} Give one of these values."
    )


def _same(event: Any, level: Any) -> bool:
    """Equality that tells "1" from 1, but not 1 from 1.0 or True."""
    return isinstance(event, str) == isinstance(level, str) and bool(event == level)


def coded(levels: Levels, name: str, values: Any) -> Floats:
    """The outcome as 0 and 1; any other value is an error."""
    labels = labels_of(values)
    if labels is None:
        array = one_column(name, values)
        if set(levels) == {0, 1} and _is_zero_one(array):
            y = array.astype(np.float64)
            return y if levels[1] else 1.0 - y
        labels = distinct(array)
    return _coded_labels(levels, name, *labels)


def _coded_labels(levels: Levels, name: str, codes: NDArray[Any], labels: tuple[Any, ...]) -> Floats:
    _refuse_missing(name, codes)
    y: Floats = np.array([_code(label, levels) for label in labels], dtype=np.float64)[codes]
    unknown = np.isnan(y)
    if unknown.any():
        found = used_levels(codes[unknown], labels)
        raise ResponseError(
            f"{name} is {shown(found)} in {counted(int(unknown.sum()), 'row')}; the model "
            f"knows {shown(sorted(levels, key=str))} only. Leave these rows out, or fit again with the event written "
            "as a condition."
        )
    return y


def _code(label: Any, levels: Levels) -> float:
    if _same(label, levels[1]):
        return 1.0
    return 0.0 if _same(label, levels[0]) else np.nan


def one_column(name: str, values: Any) -> NDArray[Any]:
    """The values as an array, if they are one column of numbers or bools."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        what = f"an array of shape {array.shape}" if array.ndim != 1 else f"a column of {array.dtype}"
        raise ResponseError(
            f"{name} is {what}; the outcome must be one column of 0 and 1, of True and False, or of two labels."
        )
    return array


def _is_zero_one(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "b" or bool(((array == 0) | (array == 1)).all())


def _refuse_missing(name: str, codes: NDArray[Any]) -> None:
    if codes.size and codes.min() < 0:
        raise ResponseError(f"{name} is missing in {counted(int((codes < 0).sum()), 'row')}. Leave these rows out.")


def _why_not_binary(text: str, name: str, array: NDArray[Any], event: Any) -> str:
    found = np.unique(array).tolist()
    start = f"{name} takes {counted(len(found), 'value')} ({shown(found)}), not 0 and 1"
    whole = text if text.isidentifier() else f"({text})"
    if len(found) == 2 and event in found:
        return (
            f"{start}, and event= chooses between 0 and 1, False and True, or two labels. Leave it out, and write the "
            f"event as a condition: {whole} == {shown([event])} ~ …"
        )
    if len(found) == 2 and found[1] >= 1:
        return f"{start}, so the event is not known. Write it as a condition: {text} == {shown(found[1:])} ~ …"
    if min(found) >= 0 and max(found) <= 1:
        return (
            f"{start}. A proportion needs its number of trials: give them with trials=, or write "
            "cbind(successes, failures) on the left."
        )
    if min(found) >= 0 and bool((array == np.rint(array)).all()):
        counts = _added(text) or f"{text}, n - {whole}"
        return f"{start}. Write counts out of n as cbind({counts}) ~ …, or a condition, {whole} > 0 ~ …"
    return f"{start}. Write the event as a condition, such as {text} > {shown(found[-2:-1])} ~ …"


def _added(text: str) -> str:
    """``a, b`` for the sum of two columns, ``a + b``: successes and failures."""
    left, _, right = text.partition(" + ")
    return f"{left}, {right}" if left.isidentifier() and right.isidentifier() else ""


def event_text(text: str, name: str, success: Any) -> str:
    """The event as printed: ``choice = 'right'``, or the condition on the left side itself."""
    if isinstance(success, bool) and _is_condition(text):
        return text if success else f"not ({text})"
    return f"{name} = {success!r}"


def _is_condition(text: str) -> bool:
    """Whether the left side compares values (its event is then the comparison itself), or is a column."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return False
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not | ast.Invert)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor)
    return isinstance(node, ast.Compare | ast.BoolOp)
