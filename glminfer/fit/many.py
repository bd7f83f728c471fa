"""Many models from one call: one design and many outcomes, one outcome and many candidates, one model per group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Factor, Masked, factorised, missing
from glminfer.data.design import Sample, learn_columns
from glminfer.data.formula import expand
from glminfer.data.many_columns import ManyColumns, many_columns
from glminfer.data.outcomes import Outcomes, coded
from glminfer.data.rows import memory_rows
from glminfer.errors import DataError, FormulaError, Status, counted
from glminfer.fit.batch import estimated, with_singles
from glminfer.fit.narrative import alias_texts
from glminfer.fit.panels import Candidates, Estimates, FitsRecord, Panel, Stock
from glminfer.fit.singles import ARGUMENTS, single_fit
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import Firth
from glminfer.numerics.rank import learn_basis

IF_SEPARATED = "firth_if_separated"


def fit_many(
    rhs: str, data: Any, outcomes: Any, names: Any, call: dict[str, Any], caller: Mapping[str, Any]
) -> FitsRecord:
    """One design, many outcomes."""
    if "~" in rhs:
        raise FormulaError(
            f"logit_many takes the right side of a formula, and {rhs!r} has a '~'; the outcomes come from outcomes=. "
            "For one outcome and many covariates use gi.logit_each."
        )
    given = many_columns(outcomes, data, "outcomes", names)
    options = {name: call[name] for name in ARGUMENTS if name != "event"}
    sample = learn_columns(f"~ {_expanded(rhs, given, data)}", data, **options, caller=caller)
    both = sorted(set(given.names) & sample.design.used)
    if both:
        raise FormulaError(f"{both[0]!r} is an outcome and a covariate: an outcome cannot explain itself.")
    text = sample.design.formula.text.removeprefix("~ ")
    call = {**call, "formula": text, "many": given, "env": {**sample.design.scope.env, **(call["env"] or {})}}
    found = coded(given, sample.used, sample.trials, call["event"])
    return _record("outcome", text, sample, found, None, call)


def _expanded(rhs: str, given: ManyColumns, data: Any) -> str:
    """``.`` stands for the columns that are no outcomes."""
    return expand(f"~ {rhs}", frames.names(data), given.names).removeprefix("~ ")


def _record(
    model: str | None,
    formula: str,
    sample: Sample,
    outcomes: Outcomes | None,
    candidates: Candidates | None,
    call: dict[str, Any],
) -> FitsRecord:
    """Fit all panels."""
    label, groups = grouped(sample, call["by"], call["data"])
    names = call["many"].names if model else (sample.design.formula.response,)
    panels = []
    for group, part, rows in groups:
        mine = None if outcomes is None else Outcomes(outcomes.names, outcomes.values[rows])
        theirs = None if candidates is None else replace(candidates, values=candidates.values[rows])
        panels.append(_panel(group, names, stocked(part, mine, theirs), call))
    notes = (*sample.notes, *(f"{name} is aliased in every model: {text}" for name, text in _always(panels).items()))
    return FitsRecord(formula, tuple(panels), model, label, call["penalty"], notes, call)


def _always(panels: Sequence[Panel]) -> dict[str, str]:
    """What is aliased in all panels alike."""
    first, *others = (panel.stock.aliased for panel in panels)
    return {name: text for name, text in first.items() if all(other.get(name) == text for other in others)}


def _panel(group: Any, names: tuple[str, ...], stock: Stock, call: Mapping[str, Any]) -> Panel:
    penalty, control = call["penalty"], call["control"] or Control()

    def refit(k: int) -> Any:
        return single_fit(stock, names, k, call, None)

    def reduced(k: int) -> Any:
        return single_fit(stock, names, k, call, penalty if isinstance(penalty, Firth) else Firth())

    alone = isinstance(penalty, Firth)
    found = estimated(stock, reduced if alone else refit, control, alone)
    if penalty == IF_SEPARATED:
        found = _reduced(stock, found, np.flatnonzero(found.status == str(Status.SEPARATED)), reduced)
    design = stock.sample.design
    return Panel(group, names, design.columns, dict(design.terms), stock, found)


def _reduced(stock: Stock, found: Estimates, which: NDArray[np.intp], reduced: Any) -> Estimates:
    """Bias-reduced estimates in place of the separated ones; what separated them is still said."""
    out = with_singles(stock, found, which, reduced)
    status = out.status.copy()
    status[which] = np.where(out.status[which] == str(Status.CONVERGED), str(Status.FIRTH), out.status[which])
    notes = {**out.notes, **{int(k): found.notes[int(k)] for k in which}}
    return replace(out, status=status, notes=notes, separated={})


def stocked(sample: Sample, outcomes: Outcomes | None, candidates: Candidates | None) -> Stock:
    """The rows of a panel in working columns."""
    design, X, constant = sample.design, sample.X, sample.design.constant
    own = np.empty(0, dtype=np.intp) if candidates is None else candidates.places
    shared = np.setdiff1d(np.arange(X.shape[1]), own)
    if own.size:
        X, constant = np.ascontiguousarray(X[:, shared]), None if constant is None else constant[shared]
    y = np.zeros(len(X)) if outcomes is not None else sample.y
    raw = memory_rows(X, y, sample.weights, sample.offset)
    basis = learn_basis(raw, X.shape[1], constant)
    aliased = alias_texts(basis.relations, [design.columns[j] for j in shared], X)
    return Stock(
        sample, raw.with_X(basis.columns(X)), basis, _mixed(basis.T, shared, own), outcomes, candidates, aliased
    )


def _mixed(T: Array, shared: NDArray[np.intp], own: NDArray[np.intp]) -> Array:
    """(p, R): shared columns from Z, own columns as they are."""
    out = np.zeros((len(shared) + len(own), T.shape[1] + len(own)))
    out[shared, : T.shape[1]] = T
    out[own, T.shape[1] + np.arange(len(own))] = 1.0
    return out


# groups --------------------------------------------------------------------------------------------------------------


def grouped(sample: Sample, by: Any, data: Any) -> tuple[str | None, list[tuple[Any, Sample, NDArray[Any]]]]:
    """Name of the grouping column, and for each of its values the rows (a sample and positions) that have it."""
    if by is None:
        return None, [(None, sample, np.arange(len(sample.used)))]
    name = by if isinstance(by, str) else str(getattr(by, "name", None) or "group")
    column = frames.aligned_column(by, data, "by")
    factor = _factor(column)
    codes = factor.codes[sample.used]
    if not (codes >= 0).any():
        raise DataError(f"by={name!r} is missing in all rows used, so there are no groups.")
    if (codes < 0).any():
        gone = int((codes < 0).sum())
        sample = replace(sample, notes=(*sample.notes, f"{counted(gone, 'row')} left out: {name} is missing there"))
    within = factor.codes[sample.after_subset]
    found = []
    for code in np.unique(codes[codes >= 0]).tolist():
        rows = np.flatnonzero(codes == code)
        part = replace(sample.at(rows), n_rows=int((within == code).sum()))
        found.append((factor.levels[code], part, rows))
    return name, found


def _factor(column: Any) -> Factor:
    if isinstance(column, Factor):
        return column
    values, gone = (column.values, column.mask) if isinstance(column, Masked) else (column, missing(column))
    made = factorised(values[~gone])
    codes = np.full(len(values), -1, dtype=np.intp)
    codes[~gone] = made.codes
    return Factor(codes, made.levels)
