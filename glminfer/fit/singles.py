"""One model of a panel as a single fit: the same rows, through the ordinary path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.design import Sample, learn
from glminfer.data.formula import parse, written
from glminfer.data.many_columns import ManyColumns, with_column
from glminfer.data.response import ResponseSpec, learn_response
from glminfer.errors import counted
from glminfer.fit.panels import FitsRecord, Panel, Stock
from glminfer.fit.records import FitRecord
from glminfer.fit.single import Method, fit_single
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import Firth

HOLE = "{x}"  # where the name of a candidate stands in a formula
ARGUMENTS = ("weights", "trials", "offset", "subset", "missing", "event", "env")


def refitted(fits: FitsRecord, panel: Panel, k: int) -> FitRecord:
    """Model k of a panel of some fits as a single fit, penalised where it is there."""
    reduced = panel.found.firth[k]
    penalty = (fits.penalty if isinstance(fits.penalty, Firth) else Firth()) if reduced else None
    return single_fit(panel.stock, panel.names, k, fits.call, penalty)


def single_fit(
    stock: Stock, names: tuple[str, ...], k: int, call: Mapping[str, Any], penalty: Firth | None
) -> FitRecord:
    """Model k of a panel, fitted by itself."""
    control = call["control"] or Control()
    make = _with_candidate if stock.outcomes is None else _with_outcome
    sample, told = make(stock, names[k], k, call)
    how = {"link": "logit", "solver": "newton", "control": control, "penalty": penalty}
    return fit_single(sample, Method(control=control, penalty=penalty), {**told, **how})


def _call(call: Mapping[str, Any], formula: str, data: Any, sample: Sample) -> dict[str, Any]:
    """The arguments of a call that fits the same by itself."""
    options = {name: call[name] for name in ARGUMENTS}
    if call["by"] is not None:
        mask = np.zeros(sample.n_given, dtype=bool)
        mask[sample.used] = True
        options["subset"] = mask
    return {"formula": formula, "data": data, **options}


def _known_only(sample: Sample, known: NDArray[np.bool_] | None, name: str) -> Sample:
    """Without the rows in which the model's own column is missing."""
    if known is None:
        return sample
    gone = int((~known).sum())
    note = f"{counted(gone, 'row')} dropped: {gone:,} missing in {name}"
    kept = sample.at(known)
    return replace(kept, notes=(*sample.notes, note), dropped={**sample.dropped, name: gone})


def _with_outcome(stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> tuple[Sample, dict[str, Any]]:
    assert stock.outcomes is not None
    given: ManyColumns | None = call["many"]
    if given is None:  # the outcome of the formula itself: groups are all that differs
        return _with_group_outcome(stock, call)
    y, known = stock.outcomes.take(np.array([k]))
    sample = _known_only(replace(stock.sample, y=y[:, 0]), None if known is None else known[:, 0], name)
    column = given.column(given.names.index(name))
    formula = f"{written(name)} ~ {call['formula']}"
    spec = _response(sample, written(name), name, column, call["event"])
    design = sample.design
    parsed = replace(parse(formula), terms=design.formula.terms, offsets=design.formula.offsets)
    design = replace(design, formula=parsed, response=spec, left={parsed.pieces[0]: ()}, used=design.used | {name})
    columns = replace(sample.columns, data={**sample.columns.data, name: column})
    data = call["data"] if given.frame is call["data"] else with_column(call["data"], name, column)
    return replace(sample, design=design, columns=columns), _call(call, formula, data, sample)


def _response(sample: Sample, text: str, name: str, column: Any, event: Any) -> ResponseSpec:
    values = [(name, frames.pick(column, sample.used))]
    return learn_response(text, values, trials=sample.trials, event=event, weights=sample.weights)[0]


def _with_group_outcome(stock: Stock, call: Mapping[str, Any]) -> tuple[Sample, dict[str, Any]]:
    sample = stock.sample
    return sample, _call(call, call["formula"], call["data"], sample)


def _with_candidate(stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> tuple[Sample, dict[str, Any]]:
    """The design is learned with the candidate's missing values filled, so that what all models share is the same."""
    assert stock.candidates is not None
    given: ManyColumns = call["many"]
    column = given.column(given.names.index(name))
    formula = call["formula"].replace(HOLE, written(name))
    data = call["data"] if given.frame is call["data"] else with_column(call["data"], name, column)
    filled = with_column(call["data"], name, _filled(column))
    options = {key: call[key] for key in ARGUMENTS}
    options["env"] = {**stock.sample.design.scope.env, **(call["env"] or {})}
    sample = learn(formula, filled, **options)
    places = np.searchsorted(sample.used, stock.sample.used)
    sample = replace(sample.at(places), n_rows=stock.sample.n_rows, notes=stock.sample.notes)
    sample = _known_only(sample, stock.known(k), name)
    columns = replace(sample.columns, data={**sample.columns.data, name: column})
    return replace(sample, columns=columns), _call(call, formula, data, sample)


def _filled(column: Any) -> Any:
    return np.where(frames.missing(column), 0, column) if frames.any_missing(column) else column
