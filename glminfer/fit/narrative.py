"""The sentences a fit carries: which columns are aliased and why, what separates the outcome, what became of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.design import Design, Sample
from glminfer.errors import Status, counted
from glminfer.numerics.blocks import Array

_NAMED = 8  # coefficients spelled out in a separation message


def alias_texts(relations: Mapping[int, Array], names: Sequence[str], norms: Array) -> dict[str, str]:
    """``{"c": "c = a + b"}`` for each aliased column, given the norms of all columns."""
    return {names[j]: f"{names[j]} = {_combination(r, names, norms)}" for j, r in sorted(relations.items())}


def _combination(relation: Array, names: Sequence[str], norms: Array) -> str:
    size = np.abs(relation) * norms
    used = np.flatnonzero(size > 1e-8 * size.max(initial=0.0))
    text = "".join(_signed(float(relation[k]), names[int(k)]) for k in used)
    return (
        text.removeprefix(" + ").replace(" - ", "-", 1) if text.startswith(" - ") else text.removeprefix(" + ") or "0"
    )


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
    parts = [*_hidden_levels(sample, separated), *(_culprit(sample, j, float(values[j])) for j in infinite[:_NAMED])]
    if len(infinite) > _NAMED:
        parts.append(f"and {len(infinite) - _NAMED} more")
    open_ended = [name for name, value in zip(sample.design.columns, values, strict=True) if np.isnan(value)]
    open_ended = [name for name in open_ended if name not in aliased]
    if open_ended:
        more = f" and {len(open_ended) - _NAMED} more" if len(open_ended) > _NAMED else ""
        named = ", ".join(open_ended[:_NAMED]) + more
        parts.append(f"{named} shown as NaN: several directions separate, with either sign")
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


def _hidden_levels(sample: Sample, separated: NDArray[np.bool_]) -> list[str]:
    """Levels all of whose rows are separated, as far as no dummy stands for them that would name them."""
    found = []
    for name, level, is_reference, row in _levels_without_dummy(sample.design):
        marked = (sample.X[:, sample.design.terms[name]] == row).all(axis=1) & (sample.weights > 0)
        events, total = _counts(sample, marked)
        if marked.any() and separated[marked].all() and events in (0, total):
            at = "at its reference level " if is_reference else ""
            found.append(f"{_told(sample, events, total)} where {name} is {at}{level!r}")
    return found


def _levels_without_dummy(design: Design) -> Iterator[tuple[str, Any, bool, Array]]:
    """Factor, level, whether it is the reference, and the row that codes it in the factor's main effect."""
    for term, full in zip(design.formula.terms, design.full, strict=True):
        factor = design.factors.get(term.name)
        if factor is None or factor.width:
            continue
        coding = factor.coding(full[0])
        for level, row in zip(factor.levels, coding.table(len(factor.levels)), strict=True):
            if coding.matrix is not None or not row.any():
                yield term.name, level, coding.matrix is None, row


def _counts(sample: Sample, marked: NDArray[np.bool_]) -> tuple[float, float]:
    """Events and trials in the marked rows of positive weight."""
    trials = np.where(sample.weights > 0, 1.0 if sample.trials is None else sample.trials, 0.0)[marked]
    return float(trials @ sample.y[marked]), float(trials.sum())


def _told(sample: Sample, events: float, total: float) -> str:
    return f"{sample.design.response.event} in {events:,.0f} of {total:,.0f}"


def _weightless(sample: Sample, count: int) -> list[str]:
    what = "zero weight" if sample.trials is None else "zero weight or no trials"
    verb = "is" if count == 1 else "are"
    return [f"{counted(count, 'row')} of {what} {verb} given fitted values but not counted in nobs"] if count else []


def notes_of(
    sample: Sample, aliased: Mapping[str, str], separation: str, status: Status, weightless: int
) -> tuple[str, ...]:
    """Everything worth saying about a fit, in the order it is printed."""
    notes = [*sample.notes, *_weightless(sample, weightless)]
    notes += [f"{name} is aliased and has no estimate: {relation}" for name, relation in aliased.items()]
    notes += [separation] if separation else []
    if status is Status.LIMIT:
        notes.append(Status.LIMIT.sentence + " Nothing in this table should be relied on; see fit.trace.")
    return tuple(notes)
