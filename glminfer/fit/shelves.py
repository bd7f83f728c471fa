"""From what a call of many models gives to panels: rows cut into groups, columns named, every model fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Factor, Masked, factorised, missing
from glminfer.data.design import Sample
from glminfer.data.formula import written
from glminfer.data.outcomes import Outcomes
from glminfer.data.rows import memory_rows
from glminfer.errors import DataError, Status, counted
from glminfer.fit.batch import estimated, with_singles
from glminfer.fit.narrative import alias_texts
from glminfer.fit.panels import Candidates, Estimates, FitsRecord, Panel, Recipe, Stock
from glminfer.fit.records import FitRecord
from glminfer.fit.singles import HOLE, Refused, summary_fit
from glminfer.numerics.blocks import Array
from glminfer.numerics.levels import leveled
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import Firth
from glminfer.numerics.rank import learn_basis

Positions = NDArray[np.intp] | slice
IF_SEPARATED = "firth_if_separated"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Models that share a design, before rows are cut into groups.

    Attributes
    ----------
    names : tuple of str
    sample : Sample
    outcomes, candidates
        As in `Stock`.
    recipe : Recipe
    own : tuple of int
        Columns that belong to the candidate, or the group of candidates, of the models.
    place : str
        The name that stands for a candidate in the design; empty when the columns have their own names.
    """

    names: tuple[str, ...]
    sample: Sample
    outcomes: Outcomes | None
    candidates: Candidates | None
    recipe: Recipe
    own: tuple[int, ...] = ()
    place: str = ""


def record(model: str | None, formula: str, shelves: Sequence[Shelf], call: Mapping[str, Any]) -> FitsRecord:
    """Fit all models of all shelves, group by group."""
    cut = [grouped(shelf.sample, call["by"], call["data"]) for shelf in shelves]
    order = {group: None for _, groups in cut for group, _, _ in groups}
    panels = []
    for group in order:
        for shelf, (_, groups) in zip(shelves, cut, strict=True):
            panels += [_panel(shelf, here, part, rows, call) for here, part, rows in groups if here == group]
    notes = tuple(dict.fromkeys(note for _, groups in cut[:1] for _, part, _ in groups[:1] for note in part.notes))
    always = (f"{name} is aliased in every model: {text}" for name, text in _always(panels).items())
    return FitsRecord(formula, tuple(panels), model, cut[0][0], call["penalty"], (*notes, *always), call)


def _always(panels: Sequence[Panel]) -> dict[str, str]:
    """What is aliased in all panels alike."""
    first, *others = (panel.stock.aliased for panel in panels)
    shared = {name: text for name, text in first.items() if HOLE not in name}
    return {name: text for name, text in shared.items() if all(other.get(name) == text for other in others)}


def _panel(shelf: Shelf, group: Any, part: Sample, rows: Positions, call: Mapping[str, Any]) -> Panel:
    outcomes, candidates = shelf.outcomes, shelf.candidates
    mine = None if outcomes is None else Outcomes(outcomes.names, outcomes.values[rows])
    theirs = (
        None
        if candidates is None
        else replace(candidates, values=candidates.values[rows], factors=candidates.factors[rows])
    )
    design = part.design
    columns, names = ([_hole(name, shelf.place) for name in given] for given in (design.columns, design.terms))
    stock = _renamed(stocked(part, mine, theirs, shelf.recipe), shelf)
    spans = [tuple(range(where.start, where.stop)) for where in design.terms.values()]
    terms = dict(zip(names, spans, strict=True))
    roles = [HOLE if j in shelf.own and not shelf.place else name for j, name in enumerate(columns)]
    if shelf.own and not shelf.place:
        terms = {**terms, HOLE: shelf.own}
    found = _fitted(stock, shelf.names, call)
    if theirs is None and shelf.own:
        found = _said_aliased(found, [name for j in shelf.own if (name := columns[j]) in stock.aliased], stock, shelf)
    return Panel(group, shelf.names, tuple(columns), tuple(roles), terms, stock, found)


def _renamed(stock: Stock, shelf: Shelf) -> Stock:
    """What is aliased, by the names of the panel: the columns with a place, the relations with the candidate's name."""
    if not shelf.place or len(shelf.names) > 1:
        return stock
    name = written(shelf.names[0])
    texts = {_hole(column, shelf.place): text.replace(shelf.place, name) for column, text in stock.aliased.items()}
    return replace(stock, aliased=texts)


def _said_aliased(found: Estimates, own: Sequence[str], stock: Stock, shelf: Shelf) -> Estimates:
    """The only model of a panel, said to be aliased where columns of its candidates are."""
    if not own or found.status[0] != str(Status.CONVERGED):
        return found
    texts = [f"{name.replace(HOLE, written(shelf.names[0]))} is aliased: {stock.aliased[name]}" for name in own]
    return replace(found, status=np.array([str(Status.ALIASED)], dtype=object), notes={0: "; ".join(texts)})


def _hole(label: str, place: str) -> str:
    return label.replace(place, HOLE) if place else label


def _fitted(stock: Stock, names: tuple[str, ...], call: Mapping[str, Any]) -> Estimates:
    penalty, control = call["penalty"], call["control"] or Control()

    def plain(k: int, moves: Array | None) -> FitRecord:
        return summary_fit(stock, names[k], k, call, None, moves)

    def reduced(k: int, moves: Array | None = None) -> FitRecord:
        return summary_fit(stock, names[k], k, call, penalty if isinstance(penalty, Firth) else Firth(), moves)

    alone = isinstance(penalty, Firth) or isinstance(stock.recipe, Refused)
    found = estimated(stock, reduced if alone else plain, control, alone)
    if penalty != IF_SEPARATED:
        return found
    which = np.flatnonzero(found.status == str(Status.SEPARATED))
    out = with_singles(stock, found, which, reduced)
    status = out.status.copy()
    status[which] = np.where(out.status[which] == str(Status.CONVERGED), str(Status.FIRTH), out.status[which])
    notes = {**out.notes, **{int(k): found.notes[int(k)] for k in which}}  # what separated them is still said
    return replace(out, status=status, notes=notes, separated={})


def stocked(sample: Sample, outcomes: Outcomes | None, candidates: Candidates | None, recipe: Recipe) -> Stock:
    """The rows of a panel in working columns."""
    design, X, constant = sample.design, sample.X, sample.design.constant
    own = np.empty(0, dtype=np.intp) if candidates is None else candidates.places
    shared = np.setdiff1d(np.arange(X.shape[1]), own)
    if own.size:
        X, constant = np.ascontiguousarray(X[:, shared]), None if constant is None else constant[shared]
    y = np.zeros(len(X)) if outcomes is not None else sample.y
    raw = memory_rows(X, y, sample.weights, sample.offset)
    basis = learn_basis(raw, X.shape[1], constant)
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    aliased = alias_texts(basis.relations, [design.columns[j] for j in shared], norms)
    rows, T = raw.with_X(basis.columns(X)), _mixed(basis.T, shared, own)
    return Stock(sample, rows, leveled(rows.whole.X), basis, T, outcomes, candidates, aliased, recipe)


def _mixed(T: Array, shared: NDArray[np.intp], own: NDArray[np.intp]) -> Array:
    """(p, R): shared columns from Z, own columns as they are."""
    out = np.zeros((len(shared) + len(own), T.shape[1] + len(own)))
    out[shared, : T.shape[1]] = T
    out[own, T.shape[1] + np.arange(len(own))] = 1.0
    return out


# groups --------------------------------------------------------------------------------------------------------------


def grouped(sample: Sample, by: Any, data: Any) -> tuple[str | None, list[tuple[Any, Sample, Positions]]]:
    """Name of the grouping column, and for each of its values the rows (a sample and positions) that have it."""
    if by is None:
        return None, [(None, sample, slice(None))]
    name = by if isinstance(by, str) else str(getattr(by, "name", None) or "group")
    factor = _factor(frames.label_column(by, data, "by"))
    codes = factor.codes[sample.used]
    if not (codes >= 0).any():
        raise DataError(f"by={name!r} is missing in all rows used, so there are no groups.")
    if (codes < 0).any():
        gone = int((codes < 0).sum())
        sample = replace(sample, notes=(*sample.notes, f"{counted(gone, 'row')} left out: {name} is missing there"))
    within = factor.codes[sample.after_subset]
    found: list[tuple[Any, Sample, Positions]] = []
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
