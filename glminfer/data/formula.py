"""Formula text to a record: the response part, the terms in order, offsets. The grammar of terms is patsy's."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glminfer.data.grammar import (
    NUMBER_LIKE,
    Term,
    refuse_random_effects,
    response_pieces,
    spelled_tokens,
    terms_of,
    without_offsets,
)
from glminfer.data.lexing import Token, pointed, quoted, tokens
from glminfer.errors import FormulaError, InputError, described

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Formula:
    """What a formula says, before any data are seen.

    Attributes
    ----------
    text : str
        As typed (with ``.`` written out when it was expanded).
    response : str
        The left side in normal spacing; empty when there is none.
    pieces : tuple of str
        The expressions of the left side: one, or two for ``cbind(successes, failures)``.
    terms : tuple of Term
        By degree, then as typed; the intercept is not among them.
    has_intercept : bool
    offsets : tuple of str
        The expressions inside ``offset()``.
    absent : tuple of str
        Factors of terms that are taken away, and are not there.
    """

    text: str
    response: str
    pieces: tuple[str, ...]
    terms: tuple[Term, ...]
    has_intercept: bool
    offsets: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def factors(self) -> tuple[str, ...]:
        """The distinct factor texts, in the order of the terms."""
        return tuple(dict.fromkeys(f for term in self.terms for f in term.factors))


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        For example ``"choice ~ contrast * C(mouse) + offset(z)"``; ``.`` must have been expanded (see `expand`).

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        With the formula repeated and the place marked.
    """
    left, _, right = _sides(text)
    for token in right:
        if _is_dot(token):
            raise pointed("'.' stands for all other columns, which are not known here.", text, token.start)
    response = spelled_tokens(text, left)
    refuse_random_effects(text, right)
    terms, intercept, absent = terms_of(text, right)
    kept, offsets = without_offsets(text, terms)
    ordered = sorted(kept, key=lambda term: len(term.factors))
    return Formula(text, response, response_pieces(text, response), tuple(ordered), intercept, offsets, absent)


def has_dot(text: str) -> bool:
    """Whether ``.`` (all other columns) stands on the right-hand side."""
    return "." in text and any(map(_is_dot, _sides(text)[2]))


@functools.lru_cache(maxsize=64)
def expand(text: str, columns: tuple[str, ...], exclude: tuple[str, ...] = ()) -> str:
    """Write ``.`` out as all columns that are neither on the left nor in ``exclude``.

    >>> expand("y ~ . - b", ("y", "a", "b", "my c"))
    'y ~ (a + b + Q("my c")) - b'
    """
    if not has_dot(checked_text(text)):
        return text
    left, _, right = _sides(text)
    used = {*exclude, *names_in(left)}
    others = [written(name) for name in columns if name not in used]
    dots = [token for token in right if _is_dot(token)]
    if not others:
        raise pointed("'.' stands for all other columns, but there are no others.", text, dots[0].start)
    for token in reversed(dots):
        text = f"{text[: token.start]}({' + '.join(others)}){text[token.end :]}"
    return text


@functools.lru_cache(maxsize=1 << 16)  # thousands of candidates are named again in every table
def written(name: str) -> str:
    """A column name as it can stand in a formula."""
    return name if _NAME.fullmatch(name) and not _is_word(name) else quoted(name)


def updated(old: str, change: str) -> str:
    """A formula changed as by R's ``update``: ``.`` stands for what the old formula has on that side.

    >>> updated("y ~ a + b", ". ~ . - b")
    'y ~ (a + b) - b'
    """
    _, old_tilde, _ = _sides(checked_text(old))
    if old_tilde is None:
        raise FormulaError(f"{old!r} has no '~' and cannot be updated.")
    sides = old[: old_tilde.start].strip(), old[old_tilde.end :].strip()
    left, tilde, right = _sides(checked_text(change))
    if tilde is None:
        raise FormulaError(f"{change!r} has no '~'; to change the terms of a fit write for example '~ . - x'.")
    new_right = _with_dots(change[tilde.end :], tilde.end, right, f"({sides[1]})")
    new_left = _with_dots(change[: tilde.start], 0, left, sides[0]) or sides[0]
    return f"{new_left} ~ {new_right}"


def term_texts(terms: Any, columns: Sequence[str], known: Mapping[str, slice]) -> list[str]:
    """The texts of terms given as one string, "a + b", or several; what cannot be read is refused in these words.

    ``columns`` and ``known`` are the coefficients and terms of the fit that is asked.
    """
    given = named_terms(terms)
    refuse_coefficients(given, columns, known)
    for one in given:
        if not has_dot(one):
            parse(one)
    return given


def named_terms(terms: Any) -> list[str]:
    """Terms given as one text or several."""
    given = [terms] if isinstance(terms, str) else list(terms) if isinstance(terms, Iterable) else [terms]
    for one in given:
        if not isinstance(one, str):
            raise InputError(f"Terms are named by text, such as 'x' or ['x', 'g']; this is {described(one)}.")
    if not any(one.strip() for one in given):
        raise InputError("No term is named; give the terms to test, such as 'x' or ['x', 'g'].")
    return given


def refuse_coefficients(texts: Iterable[str], columns: Sequence[str], terms: Mapping[str, slice]) -> None:
    """``C(race)[T.2]`` is no term, and no formula either."""
    for text in texts:
        names = [name for name in columns if "[" in name and name in text and name not in terms]
        if names:
            name = max(names, key=len)
            at = list(columns).index(name)
            owner = next(term for term, where in terms.items() if where.start <= at < where.stop)
            raise InputError(
                f"{name!r} is not a term of this fit but a coefficient of {owner!r}, and terms are tested with all "
                f"their coefficients. One alone is tested by fit.wald_test({name!r}). The terms are: "
                f"{', '.join(term for term in terms if term != 'Intercept')}."
            )


@functools.lru_cache(maxsize=128)
def spelled(text: str) -> str:
    """An expression in Python's spelling and normal spacing: backticks and ``^`` translated."""
    return spelled_tokens(text, tokens(checked_text(text)))


def names_in(found: Iterable[Token]) -> set[str]:
    """Every name that may be a column in these tokens, quoted ones included."""
    found, names = list(found), set()
    for i, token in enumerate(found):
        if token.kind == "name":
            names.add(token.text)
        elif token.kind == "quoted":
            names.add(token.text[1:-1])
        elif token.kind == "string" and i >= 2 and found[i - 2].text == "Q":
            names.add(ast.literal_eval(token.text))
    return names


# the two sides -------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=512)
def _sides(text: str) -> tuple[tuple[Token, ...], Token | None, tuple[Token, ...]]:
    found = tokens(checked_text(text))
    if not found:
        raise FormulaError("The formula is empty; write for example 'choice ~ contrast'.")
    tildes = [token for token in found if token.text == "~" and not token.inside and token.kind == "op"]
    for extra in tildes[1:]:
        raise pointed("A formula has one '~'; this is the second.", text, extra.start)
    if not tildes:
        _check_operators(text, found)
        return (), None, found
    at = found.index(tildes[0])
    left, right = found[:at], found[at + 1 :]
    if not right:
        raise pointed("There is nothing to the right of '~'; write '~ 1' for an intercept only.", text, tildes[0].start)
    _check_operators(text, left)
    _check_operators(text, right)
    return left, tildes[0], right


def checked_text(text: str) -> str:
    """A formula, if it is text at all."""
    if not isinstance(text, str):
        raise FormulaError(f"A formula is a string such as 'choice ~ contrast'; this is {type(text).__name__}.")
    return text


def _check_operators(text: str, found: Sequence[Token]) -> None:
    """Operators need operands on both sides, and some are not formula operators."""
    for token in found:
        if token.inside or token.kind != "op":
            continue
        if token.text == "=":
            raise pointed("'=' has no meaning in a formula; a comparison is written '=='.", text, token.start)
        if token.operand and token.text not in {"+", "-", "(", "[", "{", "."}:
            raise pointed(f"There is nothing before this {token.text!r}.", text, token.start, token.end)
    if found and _ends_open(found[-1]):
        raise pointed(f"There is nothing after this {found[-1].text!r}.", text, found[-1].start, found[-1].end)


def _ends_open(last: Token) -> bool:
    return last.kind == "op" and last.text not in {")", "]", "}"} and not (last.text == "." and last.operand)


def _is_dot(token: Token) -> bool:
    return token.text == "." and token.kind == "op" and token.operand and not token.inside


def _is_word(name: str) -> bool:
    """Names that mean something else where a column name stands."""
    return name in _WORDS or name.lower() in NUMBER_LIKE


_WORDS = {"and", "or", "not", "in", "is", "if", "else", "lambda", "for", "True", "False", "None", "await"}


def _with_dots(text: str, shift: int, found: Iterable[Token], by: str) -> str:
    """One side with every ``.`` written out, those inside calls too: ``log(.) ~ .``."""
    for token in reversed([t for t in found if t.text == "." and t.operand]):
        text = text[: token.start - shift] + by + text[token.end - shift :]
    return text.strip()
