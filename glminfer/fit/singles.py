"""One model of a panel as a single fit: the same rows, through the ordinary path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.design import Sample, learn
from glminfer.data.extremes import refuse_extreme
from glminfer.data.formula import parse, written
from glminfer.data.many_columns import ManyColumns, with_column
from glminfer.data.response import learn_response
from glminfer.data.sample_rows import Storage, with_columns_at
from glminfer.errors import DataError, counted
from glminfer.fit.panels import FitsRecord, Panel, Stock, own_squares
from glminfer.fit.records import FitRecord
from glminfer.fit.single import fit_single
from glminfer.fit.solving import Method, storage_of
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import Firth

HOLE = "{x}"  # where the name of a candidate stands in a formula
PLACE = "candidate_in_turn"  # the column that stands for each candidate while a design is learned
ARGUMENTS = ("weights", "trials", "offset", "subset", "missing", "event", "env")
Single = tuple[Sample, dict[str, Any]]  # the rows of one model, and the arguments that fit it by itself


def refitted(fits: FitsRecord, panel: Panel, k: int) -> FitRecord:
    """Model k of a panel of some fits as a single fit, penalised where it is there."""
    reduced = panel.found.firth[k]
    penalty = (fits.penalty if isinstance(fits.penalty, Firth) else Firth()) if reduced else None
    return single_fit(panel.stock, panel.names[k], k, fits.call, penalty)


def single_fit(stock: Stock, name: str, k: int, call: Mapping[str, Any], penalty: Firth | None) -> FitRecord:
    """Model k of a panel, fitted by itself."""
    control = call["control"] or Control()
    sample, told = stock.recipe.single(stock, name, k, call)
    how = {"link": "logit", "solver": "newton", "control": control, "penalty": penalty}
    return fit_single(sample, Method(control=control, penalty=penalty), {**told, **how})


def summary_fit(
    stock: Stock, name: str, k: int, call: Mapping[str, Any], penalty: Firth | None, moves: Array | None
) -> FitRecord:
    """The same as far as it goes into tables: a record of numbers and sentences, which cannot be asked further."""
    method = Method(control=call["control"] or Control(), penalty=penalty)
    return fit_single(stock.recipe.rows(stock, name, k, call), method, {}, moves)


def storage(call: Mapping[str, Any]) -> Storage:
    """How the rows of many models are stored: as those of single fits, but none stands for others."""
    penalty = call["penalty"] if isinstance(call["penalty"], Firth) else None
    method = Method(control=call["control"] or Control(), penalty=penalty)
    return replace(storage_of(method), compress=False)


def _call(call: Mapping[str, Any], formula: str, data: Any, sample: Sample) -> dict[str, Any]:
    options = {name: call[name] for name in ARGUMENTS}
    if call["by"] is not None:
        mask = np.zeros(sample.n_given, dtype=bool)
        mask[sample.used] = True
        options["subset"] = mask
    return {"formula": formula, "data": data, **options}


def _known_only(sample: Sample, known: NDArray[np.bool_] | None, name: str) -> Sample:
    """Without the rows in which the model's own column is missing (88)."""
    if known is None:
        return sample
    gone = int((~known).sum())
    note = f"{counted(gone, 'row')} dropped: {gone:,} missing in {name}"
    kept = sample.at(known)
    return replace(kept, notes=(*sample.notes, note), dropped={**sample.dropped, name: gone})


def _relearned(stock: Stock, formula: str, data: Any, call: Mapping[str, Any]) -> Sample:
    """The design of another formula on the rows of a panel."""
    options = {key: call[key] for key in ARGUMENTS}
    options["env"] = {**stock.sample.design.scope.env, **(call["env"] or {})}
    sample = learn(formula, data, **options, storage=storage(call))
    places = np.searchsorted(sample.used, stock.sample.used)
    return replace(sample.at(places), n_rows=stock.sample.n_rows, notes=stock.sample.notes)


@dataclass(frozen=True, slots=True)
class OwnOutcome:
    """Each model has an outcome of its own beside a right side."""

    rhs: str
    given: ManyColumns

    def rows(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Sample:
        """The shared design with the outcome of the model."""
        assert stock.outcomes is not None
        y, known = stock.outcomes.take(np.array([k]))
        sample = _known_only(stock.sample.with_outcome(y[:, 0]), None if known is None else known[:, 0], name)
        values = [(name, frames.pick(self.given.column(k), sample.used))]
        told = {"trials": sample.trials, "event": call["event"], "weights": sample.weights}
        spec = learn_response(written(name), values, **told)[0]
        return replace(sample, design=replace(sample.design, response=spec))

    def single(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Single:
        """The shared design with the outcome on the left."""
        sample, column = self.rows(stock, name, k, call), self.given.column(k)
        formula, design = f"{written(name)} ~ {self.rhs}", sample.design
        parsed = replace(parse(formula), terms=design.formula.terms, offsets=design.formula.offsets)
        design = replace(design, formula=parsed, left={parsed.pieces[0]: ()}, used=design.used | {name})
        columns = replace(sample.columns, data={**sample.columns.data, name: column})
        data = call["data"] if self.given.frame is call["data"] else with_column(call["data"], name, column)
        return replace(sample, design=design, columns=columns), _call(call, formula, data, sample)


@dataclass(frozen=True, slots=True)
class OwnCovariate:
    """Each model has a covariate of its own in a formula."""

    formula: str
    given: ManyColumns

    def rows(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Sample:
        """The design of the panel with the candidate, and its name, in its place."""
        sample, candidates = stock.sample, stock.candidates
        assert candidates is not None
        own, known = candidates.take(np.array([k]))
        if not np.isfinite(own).all():
            return self.single(stock, name, k, call)[0]  # refuses it as a single fit does
        label = written(name)
        names = [column.replace(PLACE, label) for column in sample.design.columns]
        refuse_extreme(own[:, :, 0], own_squares(own)[:, 0], [names[j] for j in candidates.places])
        rows = with_columns_at(sample.rows, candidates.places, own[:, :, 0])
        filled = replace(sample, rows=rows, design=replace(sample.design, columns=type(sample.design.columns)(names)))
        return _known_only(filled, None if known is None else known[:, 0], name)

    def single(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Single:
        """Learned with the candidate's missing values filled, so that what all models share is the same in each."""
        column = self.given.column(k)
        numbers = column.astype(np.float64) if isinstance(column, np.ndarray) and column.dtype == bool else column
        same = self.given.frame is call["data"] and numbers is column
        formula = self.formula.replace(HOLE, written(name))
        data = call["data"] if same else with_column(call["data"], name, numbers)
        sample = _relearned(stock, formula, with_column(call["data"], name, _filled(numbers)), call)
        sample = _known_only(sample, stock.known(k), name)
        columns = replace(sample.columns, data={**sample.columns.data, name: numbers})
        return replace(sample, columns=columns), _call(call, formula, data, sample)


def _filled(column: Any) -> Any:
    if not frames.any_missing(column):
        return column
    values = column.values if isinstance(column, frames.Masked) else column
    return np.where(frames.missing(column), 0, values)


@dataclass(frozen=True, slots=True)
class Refused:
    """A model whose columns cannot be made, and why."""

    reason: str

    def rows(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Sample:  # noqa: ARG002
        """Nothing but the reason."""
        raise DataError(self.reason)

    def single(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Single:  # noqa: ARG002
        """Nothing but the reason."""
        raise DataError(self.reason)


@dataclass(frozen=True, slots=True)
class WholeFormula:
    """One model with a formula of its own.

    Attributes
    ----------
    formula : str
    data : frame
        Where its columns are.
    learned : bool
        Whether the panel's design was learned from this very formula.
    """

    formula: str
    data: Any
    learned: bool = True

    def rows(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Sample:  # noqa: ARG002
        """The formula on the rows of the panel."""
        return stock.sample if self.learned else _relearned(stock, self.formula, self.data, call)

    def single(self, stock: Stock, name: str, k: int, call: Mapping[str, Any]) -> Single:
        """The same with the call that fits it."""
        sample = self.rows(stock, name, k, call)
        return sample, _call(call, self.formula, self.data, sample)
