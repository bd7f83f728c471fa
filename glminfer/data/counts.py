"""Outcomes that count: successes and failures, or a proportion with its number of trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.two_values import one_column
from glminfer.data.values import labels_of, shown_distinct
from glminfer.errors import ResponseError, counted

Floats = NDArray[np.float64]
WHOLE = 1e-6  # how far from a whole number successes may be; R only warns, beyond 1e-3


def from_counts(text: str, values: Sequence[tuple[str, Any]], trials: Any) -> tuple[Floats, Floats]:
    """Proportion and trials of ``cbind(successes, failures)``."""
    if len(values) != 2:
        raise ResponseError(f"{text} has {len(values)} columns; write cbind(successes, failures).")
    if trials is not None:
        raise ResponseError(f"trials= and {text} both give the number of trials. Leave trials= out.")
    successes, failures = (_whole(text, name, column) for name, column in values)
    total = successes + failures
    return _ratio(successes, total), total


def from_proportion(name: str, values: Any, trials: Any) -> tuple[Floats, Floats]:
    """Proportion and trials of a proportion given with ``trials=``."""
    if trials is None:
        raise ResponseError(f"{name} is a proportion, which means nothing without its trials. Give them with trials=.")
    if labels_of(values) is not None:
        raise ResponseError(f"{name} holds labels; with trials= it must be a proportion. Leave trials= out.")
    share, total = one_column(name, values), _whole("trials=", "trials", trials)
    _refuse_outside(name, share, total)
    return _ratio(_successes(name, share, total), total), total


def _ratio(successes: Floats, total: Floats) -> Floats:
    """Proportion of successes; 0 where there was no trial, as in R."""
    return np.divide(successes, total, out=np.zeros_like(total), where=total > 0)


def _whole(what: str, name: str, values: Any) -> Floats:
    """Whole numbers ≥ 0 as floats, or an error that shows and counts the others."""
    if labels_of(values) is not None:
        raise ResponseError(f"{name} holds labels; {what} needs counts, whole numbers from 0 up.")
    array = one_column(name, values).astype(np.float64)
    wrong = ~((array >= 0) & (array == np.rint(array)) & np.isfinite(array))
    if wrong.any():
        raise ResponseError(
            f"{name} is {shown_distinct(array[wrong])} in {counted(int(wrong.sum()), 'row')}; {what} needs counts, "
            "whole numbers from 0 up. Case weights that are not counts go into weights=."
        )
    return array


def _refuse_outside(name: str, share: NDArray[Any], total: Floats) -> None:
    wrong = (total > 0) & ~((share >= 0) & (share <= 1))
    if wrong.any():
        raise ResponseError(
            f"{name} is {shown_distinct(share[wrong])} in {counted(int(wrong.sum()), 'row')}; with trials= it must be "
            f"a proportion from 0 to 1. If it counts successes out of n, write cbind({name}, n - {name}) and leave "
            "trials= out; if it is a percentage, divide it by 100."
        )


def _successes(name: str, share: NDArray[Any], total: Floats) -> Floats:
    """The whole number of successes, so that a proportion and its counts give the same fit to the last digit."""
    exact = np.where(total > 0, share, 0.0) * total  # the proportion of no trials may be anything
    whole = np.rint(exact)
    rounding = np.finfo(share.dtype).eps * total if share.dtype.kind == "f" else 0.0
    wrong = np.flatnonzero(np.abs(exact - whole) > WHOLE + rounding)
    if wrong.size:
        i = wrong[0]
        raise ResponseError(
            f"{name} × trials is not a whole number of successes in {counted(wrong.size, 'row')} (such as "
            f"{share[i]:g} × {total[i]:g} = {exact[i]:g}): {name} is rounded, or trials= are not its trials. "
            "Give the counts, cbind(successes, failures), or the unrounded proportion."
        )
    return whole
