"""Terms of a fit: which columns they own, which contain which, and how they are named in an argument."""

from __future__ import annotations

from collections.abc import Sequence

from glminfer.data.design import Design
from glminfer.data.formula import named_terms, parse, refuse_coefficients
from glminfer.errors import InputError, nearest
from glminfer.fit.records import FitRecord


def names(fit: FitRecord) -> list[str]:
    """The terms in order, without the intercept."""
    return [name for name in fit.design.terms if name != "Intercept"]


def columns_of(fit: FitRecord, terms: Sequence[str]) -> list[int]:
    """Positions of the columns of some terms."""
    spans = [fit.design.terms[name] for name in terms]
    return [j for where in spans for j in range(where.start, where.stop)]


def columns_without(fit: FitRecord, terms: Sequence[str]) -> list[int]:
    """Positions of the columns of all other terms."""
    gone = set(columns_of(fit, terms))
    return [j for j in range(len(fit.columns)) if j not in gone]


def relatives(fit: FitRecord, name: str) -> list[str]:
    """The terms that contain a term: those a test that respects marginality leaves out with it."""
    return relatives_in(fit.design, name)


def relatives_in(design: Design, name: str) -> list[str]:
    """The same in a design."""
    factors = {term.name: frozenset(term.factors) for term in design.formula.terms}
    return [other for other in factors if other != name and factors[name] < factors[other]]


def chosen(fit: FitRecord, terms: str | Sequence[str]) -> list[str]:
    """Terms given as "g", "x1 + z" or a list, by their names in the fit; factors may come in another order."""
    return chosen_in(fit.design, terms)


def chosen_in(design: Design, terms: str | Sequence[str]) -> list[str]:
    """The same by the names of a design."""
    named = named_terms(terms)
    refuse_coefficients(named, design.columns, design.terms)
    wanted = _split(terms) if isinstance(terms, str) and terms not in design.terms else named
    return list(dict.fromkeys(_known(design, name) for name in wanted))


def _split(text: str) -> list[str]:
    return [term.name for term in parse(f"~ {text}").terms]


def _known(design: Design, name: str) -> str:
    if name in design.terms:
        return name
    factors = {frozenset(term.factors): term.name for term in design.formula.terms}
    parts = [frozenset(term.factors) for term in parse(f"~ {name}").terms]
    if len(parts) == 1 and parts[0] in factors:
        return factors[parts[0]]
    known = [term for term in design.terms if term != "Intercept"]
    raise InputError(f"{name!r} is not a term of this fit.{nearest(name, known)} Its terms are: {', '.join(known)}.")
