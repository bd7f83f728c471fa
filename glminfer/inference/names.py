"""What the words of a hypothesis name: terms of the fit, or nothing that is known."""

from __future__ import annotations

from collections.abc import Collection

from glminfer.data.formula import spelled
from glminfer.errors import FormulaError, InputError, nearest
from glminfer.fit.records import FitRecord
from glminfer.inference.coefficients import factors_of

_MOST_NAMES = 12  # shown in an error


def term_named(fit: FitRecord, text: str) -> str | None:
    """The term of the fit that a text names, in any order of its factors, or None."""
    if text in fit.design.terms:
        return text
    try:
        factors = {spelled(factor) for factor in factors_of(text)}
    except FormulaError:
        return None
    return next((term.name for term in fit.design.formula.terms if set(term.factors) == factors), None)


def unknown_name(fit: FitRecord, word: str, text: str, functions: Collection[str] = ()) -> InputError:
    """The error for a word that is no coefficient: a term, a function, or nothing that is known."""
    term = term_named(fit, word)
    place = f"{word!r} in {text!r}" if word != text else repr(word)
    if term is not None:
        where = fit.design.terms[term]
        its = ", ".join(fit.columns[where]) or "none"
        return InputError(
            f"{place} is a term, not a coefficient (its coefficients: {its}). Test it by itself, "
            f"{term!r}, or in a list, [{term!r}, 'x = 0'], or write the coefficient that is meant."
        )
    known = [*fit.columns, *fit.design.terms]
    ways = " A product is written 2*x." if word[0].isdigit() else ""
    if "(" in word:
        told = (
            f"The functions are: {', '.join(functions)}"
            if functions
            else "Functions of coefficients go to fit.delta(...)"
        )
        ways += f" {told}."
    shown = ", ".join(fit.columns[:_MOST_NAMES]) + (", …" if len(fit.columns) > _MOST_NAMES else "")
    return InputError(
        f"{place} is neither a coefficient nor a term of this fit.{nearest(word, known)}{ways} "
        f"The coefficients are: {shown}."
    )
