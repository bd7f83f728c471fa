"""Many models from one call: one design and many outcomes, one outcome and many candidates, one model per group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.arguments import Arguments
from glminfer.data.columns import Factor, numbers
from glminfer.data.design import Sample, learn, learn_columns
from glminfer.data.dictionaries import kept
from glminfer.data.formula import checked_text, expand, names_in, parse, written
from glminfer.data.lexing import tokens
from glminfer.data.many_columns import ManyColumns, many_columns, with_column, with_columns
from glminfer.data.outcomes import Outcomes, coded
from glminfer.errors import DataError, FormulaError, InputError
from glminfer.fit.panels import Candidates, FitsRecord
from glminfer.fit.shelves import Shelf, record
from glminfer.fit.singles import ARGUMENTS, HOLE, PLACE, OwnCovariate, OwnOutcome, Refused, WholeFormula, storage


def fit_many(
    rhs: str, data: Any, outcomes: Any, names: Any, call: dict[str, Any], caller: Mapping[str, Any]
) -> FitsRecord:
    """One design, many outcomes."""
    if "~" in checked_text(rhs):
        raise FormulaError(
            f"logit_many takes the right side of a formula, and {rhs!r} has a '~'; the outcomes come from outcomes=. "
            "For one outcome and many covariates use gi.logit_each."
        )
    given = many_columns(kept(outcomes), data, "outcomes", names)
    options = {name: call[name] for name in ARGUMENTS if name != "event"}
    text = expand(f"~ {rhs}", frames.names(data), given.names).removeprefix("~ ")  # "." is what is no outcome
    sample = learn_columns(f"~ {text}", data, Arguments(**options, caller=caller), storage(call))
    both = sorted(set(given.names) & sample.design.used)
    if both:
        raise FormulaError(f"{both[0]!r} is an outcome and a covariate: an outcome cannot explain itself.")
    found = coded(given, sample.used, sample.trials, call["event"])
    shelf = Shelf(given.names, sample, found, None, OwnOutcome(text, given))
    return record("outcome", text, [shelf], _with_scope(call, sample))


def _with_scope(call: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """The call with every function of the formula at hand, wherever a model is fitted again."""
    return {**call, "env": {**sample.design.scope.env, **(call["env"] or {})}}


def fit_each(
    formula: str, data: Any, covariates: Any, names: Any, call: dict[str, Any], caller: Mapping[str, Any]
) -> FitsRecord:
    """One outcome, with each candidate, or each group of them, added to the formula; or in each group of rows."""
    options = {**{name: call[name] for name in ARGUMENTS}, "caller": caller, "storage": storage(call)}
    if covariates is None:
        return _by_groups(formula, data, call, options)
    text = formula if HOLE in checked_text(formula) else f"{formula} + {HOLE}"
    if HOLE in text.split("~")[0]:
        raise FormulaError(f"{HOLE} stands for a covariate, and is on the left side of {formula!r}.")
    sets = _sets(covariates)
    if sets is not None:
        members = {name: _members(data, name, some) for name, some in sets.items()}
        text = _expanded(text, data, [name for some in members.values() for name in some.names])
        shelves = _each_learned(list(members), lambda name: _set_shelf(text, data, name, members[name], options))
    else:
        given = many_columns(kept(covariates), data, "covariates", names)
        text = _expanded(text, data, given.names)
        found = _numbers(given) if _is_bare(text) else None
        if found is None:
            at = {name: k for k, name in enumerate(given.names)}
            shelves = _each_learned(given.names, lambda name: _one_by_one(text, data, given, at[name], options))
        else:
            shelves = _candidate_shelves(text, data, given, found, options)
    return record("covariate", text, shelves, _with_scope(call, shelves[0].sample))


def _expanded(text: str, data: Any, candidates: Sequence[str]) -> str:
    """``.`` stands for the columns that are no candidates."""
    return expand(text.replace(HOLE, PLACE), frames.names(data), (*candidates, PLACE)).replace(PLACE, HOLE)


def _by_groups(formula: str, data: Any, call: dict[str, Any], options: dict[str, Any]) -> FitsRecord:
    if call["by"] is None:
        raise InputError(
            "logit_each needs to know what each model has of its own: covariates=, or by= for one model per group of "
            "rows. For one model use gi.logit."
        )
    if HOLE in checked_text(formula):
        raise FormulaError(f"{formula!r} has a place for a candidate, {HOLE}; give covariates=.")
    sample = learn(formula, data, **options)
    shelf = _alone(sample.design.formula.response, sample, WholeFormula(sample.design.formula.text, data))
    return record(None, sample.design.formula.text, [shelf], _with_scope(call, sample))


def _alone(name: str, sample: Sample, recipe: WholeFormula, own: tuple[int, ...] = (), place: str = "") -> Shelf:
    """A design with one model."""
    return Shelf((name,), sample, Outcomes((name,), sample.y[:, None]), None, recipe, own, place)


# candidates ----------------------------------------------------------------------------------------------------------


def _is_bare(text: str) -> bool:
    """Whether the candidate stands only where a column does, so that its columns are multiples of its values."""
    factors = [factor for factor in parse(text.replace(HOLE, PLACE)).factors if PLACE in factor]
    return bool(factors) and all(factor == PLACE for factor in factors)


def _numbers(given: ManyColumns) -> tuple[NDArray[Any], dict[int, DataError]] | None:
    """Candidates as numbers over the rows of the data, NaN where missing, and why some are none; None for labels."""
    block = given.block()
    if block is not None:
        return block.astype(np.int8) if block.dtype.kind == "b" else block, {}
    columns = {k: _read(given, k) for k in range(len(given.names))}
    if any(isinstance(column, Factor) for column in columns.values()):
        return None
    errors = {k: column for k, column in columns.items() if isinstance(column, DataError)}
    known = [(column, given.names[k]) for k, column in columns.items() if k not in errors]
    if not known:
        raise errors[0]
    return np.column_stack([numbers(column, name, name) for column, name in known]), errors


def _read(given: ManyColumns, k: int) -> Any:
    try:
        return given.column(k)
    except DataError as error:
        return error


def _candidate_shelves(
    text: str, data: Any, given: ManyColumns, found: tuple[NDArray[Any], dict[int, DataError]], options: dict[str, Any]
) -> list[Shelf]:
    """All candidates beside one design; those that cannot be read are refused, in their places."""
    matrix, errors = found
    good = [k for k in range(len(given.names)) if k not in errors]
    whole = _candidate_shelf(text, data, _some(given, good), matrix, options)
    if not errors:
        return [whole]
    place, shelves = {k: at for at, k in enumerate(good)}, []
    for readable, run in groupby(range(len(given.names)), key=lambda k: k not in errors):
        if readable:
            some = list(run)
            part = _of_candidates(whole, [place[k] for k in some])
            shelves.append(replace(part, recipe=OwnCovariate(text, _some(given, some))))
        else:
            alone = _of_candidates(whole, [0])
            shelves += [replace(alone, names=(given.names[k],), recipe=Refused(str(errors[k]))) for k in run]
    return shelves


def _some(given: ManyColumns, which: Sequence[int]) -> ManyColumns:
    return given if len(which) == len(given.names) else replace(given, names=tuple(given.names[k] for k in which))


def _of_candidates(whole: Shelf, which: Sequence[int]) -> Shelf:
    """The shelf of some of the candidates."""
    if whole.candidates is None or len(which) == len(whole.names):
        return whole
    candidates = replace(whole.candidates, values=whole.candidates.values[:, list(which)])
    return replace(whole, names=tuple(whole.names[k] for k in which), candidates=candidates)


def _candidate_shelf(
    text: str, data: Any, given: ManyColumns, matrix: NDArray[Any], options: Mapping[str, Any]
) -> Shelf:
    """All candidates beside one design, learned with ones in their place."""
    sample = learn(text.replace(HOLE, PLACE), with_column(data, PLACE, np.ones(len(matrix))), **options)
    _refuse_known(given.names, sample)
    design = sample.design
    own = [j for term in design.formula.terms if PLACE in term.factors for j in _positions(design.terms[term.name])]
    ours = given.frame is None and len(sample.used) == len(matrix)  # an array that was copied already
    values = matrix if ours else matrix.take(sample.used, axis=0)
    candidates = Candidates(values, np.ascontiguousarray(sample.X[:, own]), np.array(own, dtype=np.intp))
    return Shelf(given.names, sample, None, candidates, OwnCovariate(text, given), tuple(own), PLACE)


def _positions(where: slice) -> range:
    return range(where.start, where.stop)


def _refuse_known(names: Sequence[str], sample: Sample) -> None:
    both = [name for name in names if name in sample.design.used]
    if both:
        raise FormulaError(f"{both[0]!r} is a candidate, and the formula has it already. Leave it out of covariates=.")


def _each_learned(names: Sequence[str], learned: Callable[[str], Shelf]) -> list[Shelf]:
    """A shelf for each candidate or group of them; one whose values make no columns is refused, unless all are."""
    found = [_shelf_or_error(learned, name) for name in names]
    good = [shelf for shelf in found if isinstance(shelf, Shelf)]
    if not good:
        raise next(error for error in found if isinstance(error, DataError))
    return [
        one if isinstance(one, Shelf) else replace(good[0], names=(str(name),), recipe=Refused(str(one)))
        for name, one in zip(names, found, strict=True)
    ]


def _shelf_or_error(learned: Callable[[str], Shelf], name: str) -> Shelf | DataError:
    try:
        return learned(name)
    except DataError as error:
        return error


def _refuse_empty(name: str, own: Sequence[int]) -> None:
    """Labels of one level make no column beside an intercept: there is no model to compare."""
    if not own:
        raise DataError(f"{name} is the same in every row, and the model has no column for it.")


def _one_by_one(text: str, data: Any, given: ManyColumns, k: int, options: Mapping[str, Any]) -> Shelf:
    """A candidate inside a function, or one of labels: its columns are learned for itself."""
    name, column = given.names[k], given.column(k)
    learned = text.replace(HOLE, PLACE)
    sample = learn(learned, with_column(data, PLACE, column), **options)
    _refuse_known([name], sample)
    terms = [term for term in sample.design.formula.terms if any(PLACE in factor for factor in term.factors)]
    own = tuple(j for term in terms for j in _positions(sample.design.terms[term.name]))
    _refuse_empty(name, own)
    whole = data if given.frame is data else with_column(data, name, column)
    recipe = WholeFormula(text.replace(HOLE, written(name)), whole, learned=False)
    return _alone(name, sample, recipe, own, PLACE)


# groups of candidates ------------------------------------------------------------------------------------------------


def _sets(covariates: Any) -> Mapping[str, Any] | None:
    """Named groups of candidates: a dict whose values hold several columns each."""
    if not isinstance(covariates, Mapping) or not covariates:
        return None
    several = [_is_several(value) for value in covariates.values()]
    if any(several) and not all(several):
        raise InputError(
            "covariates= is a dict in which some entries are one column and others are several; make all of them "
            "groups, {'area': ['n1', 'n2']}, or all of them columns."
        )
    return covariates if all(several) else None


def _is_several(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(item, str) for item in value)
    return hasattr(value, "columns") or np.ndim(value) == 2


def _members(data: Any, name: str, members: Any) -> ManyColumns:
    names = [f"{name}_{j}" for j in range(members.shape[1])] if isinstance(members, np.ndarray) else None
    return many_columns(kept(members), data, f"covariates[{name!r}]", names)


def _set_shelf(text: str, data: Any, name: str, given: ManyColumns, options: Mapping[str, Any]) -> Shelf:
    """One model with all members of a group in the place of a candidate."""
    whole = data if given.frame is data else with_columns(data, given)
    formula = text.replace(HOLE, f"({' + '.join(written(member) for member in given.names)})")
    sample = learn(formula, whole, **options)
    inside = set(given.names)
    terms = [term for term in sample.design.formula.terms if any(_names_one(f, inside) for f in term.factors)]
    own = tuple(j for term in terms for j in _positions(sample.design.terms[term.name]))
    _refuse_empty(str(name), own)
    return _alone(str(name), sample, WholeFormula(formula, whole), own)


def _names_one(factor: str, members: set[str]) -> bool:
    return bool(names_in(tokens(factor)) & members)
