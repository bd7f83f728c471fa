"""The sentences a fit carries: which columns are aliased and why, what separates the outcome, what became of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glminfer.data.design import Sample
from glminfer.errors import Status, counted
from glminfer.numerics.blocks import Array

_NAMED = 8  # coefficients spelled out in a separation message


def alias_texts(relations: Mapping[int, Array], names: Sequence[str], X: Array) -> dict[str, str]:
    """``{"c": "c = a + b"}`` for each aliased column."""
    if not relations:
        return {}
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    return {names[j]: f"{names[j]} = {_combination(r, names, norms)}" for j, r in sorted(relations.items())}


def _combination(relation: Array, names: Sequence[str], norms: Array) -> str:
    size = np.abs(relation) * norms
    used = np.flatnonzero(size > 1e-8 * size.max(initial=0.0))
    text = "".join(_signed(float(relation[k]), names[k]) for k in used)
    return text.removeprefix(" + ").replace(" - ", "-", 1) if text.startswith(" - ") else text.removeprefix(" + ") or "0"


def _signed(coefficient: float, name: str) -> str:
    sign = " - " if coefficient < 0 else " + "
    size = abs(coefficient)
    if name == "Intercept":
        return f"{sign}{size:.6g}"
    return f"{sign}{name}" if abs(size - 1.0) < 1e-7 else f"{sign}{size:.6g}*{name}"


def separation_text(
    sample: Sample, values: Array, separated: NDArray[np.bool_] | None, aliased: Mapping[str, str]
) -> str:
    """Which rows are predicted perfectly, by what, and what to do; empty without separation."""
    if separated is None:
        return ""
    used = sample.weights > 0
    count, n = int(separated.sum()), int(used.sum())
    kind = "Complete" if count == n else "Quasi-complete"
    infinite = [j for j in range(len(values)) if np.isinf(values[j])]
    parts = [*_reference_levels(sample, separated), *(_culprit(sample, j, float(values[j])) for j in infinite[:_NAMED])]
    if len(infinite) > _NAMED:
        parts.append(f"and {len(infinite) - _NAMED} more")
    open_ended = [name for name, value in zip(sample.design.columns, values, strict=True) if np.isnan(value)]
    open_ended = [name for name in open_ended if name not in aliased]
    if open_ended:
        parts.append(f"{', '.join(open_ended[:_NAMED])} shown as NaN: several directions separate, with either sign")
    return (
        f"{kind} separation: {count:,} of {counted(n, 'row')} {'is' if count == 1 else 'are'} predicted perfectly"
        f"{': ' + '; '.join(parts) if parts else ''}. These estimates are infinite, so no Wald statement is made about "
        "them; the finite estimates are those of the limit. For finite estimates use penalty=gi.Firth()."
    )


def _culprit(sample: Sample, j: int, value: float) -> str:
    name, column = sample.design.columns[j], sample.X[:, j]
    said = f"{name} goes to {'+' if value > 0 else '-'}inf"
    if name == "Intercept" or not np.isin(column, (0.0, 1.0)).all():
        return said
    events, total = _counts(sample, column == 1.0)
    return f"{said} ({_told(sample, events, total)} where it is 1)" if events in (0, total) else said


def _reference_levels(sample: Sample, separated: NDArray[np.bool_]) -> list[str]:
    """Reference levels all of whose rows are separated: no column stands for them, so they are named here."""
    found = []
    for name, level in sample.design.reference.items():
        span = sample.design.terms.get(name)
        if span is None:
            continue
        marked = (sample.X[:, span] == 0).all(axis=1) & (sample.weights > 0)
        events, total = _counts(sample, marked)
        if marked.any() and separated[marked].all() and events in (0, total):
            found.append(f"{_told(sample, events, total)} where {name} is at its reference level {level!r}")
    return found


def _counts(sample: Sample, marked: NDArray[np.bool_]) -> tuple[float, float]:
    """Events and trials in the marked rows of positive weight."""
    trials = np.where(sample.weights > 0, 1.0 if sample.trials is None else sample.trials, 0.0)[marked]
    return float(trials @ sample.y[marked]), float(trials.sum())


def _told(sample: Sample, events: float, total: float) -> str:
    return f"{sample.design.response.event} in {events:,.0f} of {total:,.0f}"


def notes_of(sample: Sample, aliased: Mapping[str, str], separation: str, status: Status) -> tuple[str, ...]:
    """Everything worth saying about a fit, in the order it is printed."""
    notes = [*sample.notes]
    notes += [f"{name} is aliased and has no estimate: {relation}" for name, relation in aliased.items()]
    notes += [separation] if separation else []
    if status is Status.LIMIT:
        notes.append(Status.LIMIT.sentence + " Nothing in this table should be relied on; see fit.trace.")
    return tuple(notes)
