"""A fit's rows with the columns of further terms beside its own: what adding terms is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glminfer.data.design import Design, Sample, learn
from glminfer.data.formula import Formula, parse, term_texts, updated
from glminfer.errors import InputError, counted
from glminfer.fit.dense import coded_or_in_full
from glminfer.fit.nested import Stage, stage
from glminfer.fit.records import FitRecord, Space
from glminfer.fit.single import in_basis
from glminfer.fit.solving import Method, storage_of
from glminfer.numerics.rank import learn_basis

_ARGUMENTS = ("weights", "trials", "offset", "subset", "event")


@dataclass(frozen=True, slots=True)
class Wider:
    """The stage of the wider design, the terms the fit has already, and those that are new."""

    stage: Stage
    design: Design
    old: tuple[str, ...]
    added: tuple[str, ...]

    def columns_of(self, terms: Sequence[str]) -> list[int]:
        """Positions of the columns of some terms."""
        spans = [self.design.terms[name] for name in terms]
        return [j for where in spans for j in range(where.start, where.stop)]


def widened(fit: FitRecord, terms: str | Sequence[str]) -> Wider:
    """The design of a fit with terms added ("z", "a + b", "~ . + z", a list), on exactly the same rows."""
    return _learned(fit, terms, updated(fit.design.formula.text, _change(fit, terms)))


def stepwise(fit: FitRecord, scope: str | Sequence[str]) -> Wider:
    """The same with the terms that can be added singly: of a formula "~ . + a*b" those that contain no other new one.

    This is R's factor.scope; terms that are named, "a + a:b" or a list, are all taken.
    """
    text = updated(fit.design.formula.text, _change(fit, scope))
    if not (isinstance(scope, str) and "~" in scope):
        return _learned(fit, scope, text)
    mine, wanted = _by_factors(fit.design.formula), _by_factors(parse(text))
    lacking = [name for factors, name in mine.items() if factors not in wanted]
    if lacking:
        raise InputError(
            f"The scope {scope!r} lacks {', '.join(lacking)} of the fit, and add1 takes no term away. Begin it with "
            "'~ . +', where '.' stands for the terms of the fit."
        )
    new = {factors: name for factors, name in wanted.items() if factors not in mine}
    later = [name for factors, name in new.items() if any(other < factors for other in new)]
    return _learned(fit, scope, " - ".join([text, *later]))


def _by_factors(formula: Formula) -> dict[frozenset[str], str]:
    """Names of terms by their factors, in whatever order these are written."""
    return {frozenset(term.factors): term.name for term in formula.terms}


def _learned(fit: FitRecord, terms: str | Sequence[str], text: str) -> Wider:
    fit.with_rows()
    sample = learn(
        text,
        fit.call["data"],
        **{name: fit.call[name] for name in _ARGUMENTS},
        env={**fit.design.scope.env, **(fit.call["env"] or {})},
        storage=replace(storage_of(Method(fit.family.link, fit.solver, fit.control, fit.penalty)), compress=False),
    )
    mine, names = _by_factors(fit.design.formula), sample.design.terms
    again = {name for factors, name in _by_factors(sample.design.formula).items() if factors in mine}
    old = tuple(name for name in names if name in again or name in fit.design.terms)
    added = tuple(name for name in names if name not in old)
    if not added:
        raise InputError(f"{terms!r} adds no term: the fit has {', '.join(fit.design.terms)} already.")
    _check_rows(fit, sample, added)
    return Wider(_stage(fit, sample), sample.design, old, added)


def _change(fit: FitRecord, terms: str | Sequence[str]) -> str:
    if isinstance(terms, str) and "~" in terms:
        return terms
    return f". ~ . + {' + '.join(term_texts(terms, fit.columns, fit.design.terms))}"


def _check_rows(fit: FitRecord, sample: Sample, added: tuple[str, ...]) -> None:
    mine = fit.with_rows()[1].used
    lost = len(np.setdiff1d(mine, sample.used))
    if lost:
        causes = ", ".join(f"{count:,} in {name}" for name, count in sample.dropped.items())
        raise InputError(
            f"{counted(lost, 'row')} of the fit {'misses' if lost == 1 else 'miss'} a value needed for "
            f"{', '.join(added)} (missing: {causes}), and models on different rows cannot be compared. Refit on the "
            "rows complete in all columns, for example data.dropna(subset=[...])."
        )


def _stage(fit: FitRecord, sample: Sample) -> Stage:
    return coded_or_in_full(sample, lambda given: _stage_of(fit, given))


def _stage_of(fit: FitRecord, sample: Sample) -> Stage:
    basis = learn_basis(sample.rows, len(sample.design.columns), sample.design.constant)
    space = Space(in_basis(sample.rows, basis), basis)
    blank = stage(space, fit.family, fit.control, penalty=fit.penalty)
    known = dict(zip(fit.columns, fit.linear, strict=True))
    linear = [known.get(name, 0.0) for name in sample.design.columns]
    if sum(name in known for name in sample.design.columns) < len(fit.columns) or fit.recession is not None:
        return blank
    return replace(blank, estimate=space.working(np.array(linear)))
