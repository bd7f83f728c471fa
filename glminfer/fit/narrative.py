"""The sentences a fit carries: which columns are aliased and why, what separates the outcome, what became of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.design import Design, Sample
from glminfer.errors import Status, counted
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array

_NAMED = 8  # coefficients spelled out in a separation message
_FIRST = 3  # columns of a longer relation
_LONGEST = 20  # columns in a relation, and aliased columns, that are spelled out


def alias_texts(relations: Mapping[int, Array], names: Sequence[str], norms: Array) -> dict[str, str]:
    """``{"c": "c = a + b"}`` for each aliased column, given the norms of all columns."""
    return {names[j]: f"{names[j]} = {_combination(r, names, norms)}" for j, r in sorted(relations.items())}


def _combination(relation: Array, names: Sequence[str], norms: Array) -> str:
    size = np.abs(relation) * norms
    used = np.flatnonzero(size > 1e-8 * size.max(initial=0.0))
    spelled = used if len(used) <= _LONGEST else used[:_FIRST]
    text = "".join(_signed(float(relation[k]), names[int(k)]) for k in spelled)
    if len(spelled) < len(used):
        text += f" + … ({len(used):,} columns)"
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
    name = sample.design.columns[j]
    column = sample.rows.map(kernels.combined, np.eye(1, len(sample.design.columns), j).T)[:, 0]
    said = f"{name} goes to {'+' if value > 0 else '-'}inf"
    if name == "Intercept" or not np.isin(column, (0.0, 1.0)).all():
        return said
    events, total = _counts(sample, column == 1.0)
    return f"{said} ({_told(sample, events, total)} where it is 1)" if events in (0, total) else said


def _hidden_levels(sample: Sample, separated: NDArray[np.bool_]) -> list[str]:
    """Levels all of whose rows are separated, as far as no dummy stands for them that would name them."""
    found = []
    for name, level, row in _levels_without_dummy(sample.design):
        marked = _coded_so(sample, sample.design.terms[name], row) & (sample.weights > 0)
        events, total = _counts(sample, marked)
        if marked.any() and separated[marked].all() and events in (0, total):
            at = "at its reference level " if row is None else ""
            found.append(f"{_told(sample, events, total)} where {name} is {at}{level!r}")
    return found


def _coded_so(sample: Sample, where: slice, row: Array | None) -> NDArray[np.bool_]:
    """Rows that have these numbers in the columns of a factor; None: no dummy of it."""
    if row is not None:
        return np.asarray((sample.X[:, where] == row).all(axis=1))
    dummies = np.zeros((len(sample.design.columns), 1))
    dummies[where] = 1.0
    return np.asarray(sample.rows.map(kernels.combined, dummies)[:, 0] == 0)


def _levels_without_dummy(design: Design) -> Iterator[tuple[str, Any, Array | None]]:
    """Factor, level, and the row that codes it in the factor's main effect; None for the reference of dummies."""
    for term, full in zip(design.formula.terms, design.full, strict=True):
        factor = design.factors.get(term.name)
        if factor is None or factor.width:
            continue
        coding = factor.coding(full[0])
        if coding.matrix is not None:
            yield from ((term.name, level, row) for level, row in zip(factor.levels, coding.matrix, strict=True))
        elif coding.reference is not None:
            yield term.name, factor.levels[coding.reference], None


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
    told = [f"{name} is aliased and has no estimate: {relation}" for name, relation in aliased.items()]
    notes += told[:_LONGEST]
    if len(told) > _LONGEST:
        notes.append(f"{len(told) - _LONGEST:,} more columns are aliased and have no estimate; tidy() tells each")
    notes += [separation] if separation else []
    if status is Status.LIMIT:
        notes.append(Status.LIMIT.sentence + " Nothing in this table should be relied on; see fit.trace.")
    return tuple(notes)
