"""Formula text to a record: the response part, the terms in order, offsets. The grammar of terms is patsy's."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import patsy
from patsy.desc import Evaluator, ModelDesc
from patsy.parse_formula import parse_formula
from patsy.tokens import pretty_untokenize, python_tokenize

from glminfer.data.lexing import Token, pointed, quoted, tokens
from glminfer.errors import FormulaError

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_NUMBER_LIKE = {"inf", "infinity", "nan"}  # patsy reads these names as numbers


@dataclass(frozen=True, slots=True)
class Term:
    """One term: its name and the texts of its factors, in the typed order."""

    name: str
    factors: tuple[str, ...]


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
    """

    text: str
    response: str
    pieces: tuple[str, ...]
    terms: tuple[Term, ...]
    has_intercept: bool
    offsets: tuple[str, ...] = ()

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
    response = _spelled(text, left)
    _refuse_random_effects(text, right)
    terms, intercept = _terms(text, right)
    kept, offsets = _without_offsets(text, terms)
    ordered = sorted(kept, key=lambda term: len(term.factors))
    return Formula(text, response, _pieces(text, response), tuple(ordered), intercept, offsets)


def has_dot(text: str) -> bool:
    """Whether ``.`` (all other columns) stands on the right-hand side."""
    return "." in text and any(map(_is_dot, _sides(text)[2]))


@functools.lru_cache(maxsize=64)
def expand(text: str, columns: tuple[str, ...], exclude: tuple[str, ...] = ()) -> str:
    """Write ``.`` out as all columns that are neither on the left nor in ``exclude``.

    >>> expand("y ~ . - b", ("y", "a", "b", "my c"))
    'y ~ (a + b + Q("my c")) - b'
    """
    if not has_dot(_checked(text)):
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


def written(name: str) -> str:
    """A column name as it can stand in a formula."""
    return name if _NAME.fullmatch(name) and not _is_word(name) else quoted(name)


def updated(old: str, change: str) -> str:
    """A formula changed as by R's ``update``: ``.`` stands for what the old formula has on that side.

    >>> updated("y ~ a + b", ". ~ . - b")
    'y ~ (a + b) - b'
    """
    old_left, old_tilde, _ = _sides(old)
    if old_tilde is None:
        raise FormulaError(f"{old!r} has no '~' and cannot be updated.")
    sides = old[: old_tilde.start].strip(), old[old_tilde.end :].strip()
    left, tilde, right = _sides(change)
    if tilde is None:
        raise FormulaError(f"{change!r} has no '~'; to change the terms of a fit write for example '~ . - x'.")
    new_right = _with_dots(change[tilde.end :], tilde.end, right, f"({sides[1]})")
    new_left = _with_dots(change[: tilde.start], 0, left, sides[0]) or sides[0]
    return f"{new_left} ~ {new_right}"


@functools.lru_cache(maxsize=128)
def spelled(text: str) -> str:
    """An expression in Python's spelling and normal spacing: backticks and ``^`` translated."""
    return _spelled(text, tokens(_checked(text)))


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


# the two sides ---------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=512)
def _sides(text: str) -> tuple[tuple[Token, ...], Token | None, tuple[Token, ...]]:
    found = tokens(_checked(text))
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


def _checked(text: str) -> str:
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
    return name.lower() in _NUMBER_LIKE or name in _WORDS


_WORDS = {"and", "or", "not", "in", "is", "if", "else", "lambda", "for", "True", "False", "None", "await"}


def _with_dots(text: str, shift: int, found: Iterable[Token], by: str) -> str:
    """One side with every ``.`` written out, those inside calls too: ``log(.) ~ .``."""
    for token in reversed([t for t in found if t.text == "." and t.operand]):
        text = text[: token.start - shift] + by + text[token.end - shift :]
    return text.strip()


# from tokens to patsy's spelling -----------------------------------------------------------------------------------


def _translated(found: Sequence[Token], text: str) -> tuple[str, list[tuple[int, int]]]:
    """The tokens in Python's spelling, with the places (new, typed) where each begins."""
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    length, last_end = 0, None
    for token in found:
        gap = " " if last_end is not None and token.start > last_end else ""
        word = gap + _python_word(token, text)
        places.append((length + len(gap), token.start))
        pieces.append(word)
        length, last_end = length + len(word), token.end
    return "".join(pieces), places


def _python_word(token: Token, text: str) -> str:
    if token.kind == "quoted":
        if len(token.text) == 2:
            raise pointed("These backticks hold no name.", text, token.start, token.end)
        return quoted(token.text[1:-1])
    if token.kind == "name" and token.text.lower() in _NUMBER_LIKE and not token.inside:
        return quoted(token.text)
    if token.text == "^" and token.kind == "op":
        return "**"
    return token.text


def _normal(text: str) -> str:
    """Patsy's own spacing of an expression."""
    return str(pretty_untokenize([(kind, word) for kind, word, _ in python_tokenize(text)]))


def _spelled(text: str, found: Sequence[Token]) -> str:
    if not found:
        return ""
    try:
        return _normal(_translated(found, text)[0])
    except patsy.PatsyError as error:
        raise _from_patsy(error, text, []) from None


def _pieces(text: str, response: str) -> tuple[str, ...]:
    if not response.startswith("cbind("):
        return (response,) if response else ()
    try:
        call = ast.parse(response, mode="eval").body
    except SyntaxError:
        return (response,)
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "cbind":
        return (response,)
    if len(call.args) != 2 or call.keywords:
        raise pointed(
            "cbind() on the left takes two columns, cbind(successes, failures).",
            text,
            text.index("cbind"),
            text.index("~"),
        )
    return tuple(_normal(str(ast.get_source_segment(response, arg))) for arg in call.args)


# terms --------------------------------------------------------------------------------------------------------------


def _terms(text: str, right: Sequence[Token]) -> tuple[list[Term], bool]:
    code, places = _translated(right, text)
    try:
        tree = parse_formula(code)
        desc = Evaluator().eval(tree, require_evalexpr=False)
    except patsy.PatsyError as error:
        raise _from_patsy(error, text, places) from None
    if not isinstance(desc, ModelDesc):  # pragma: no cover - patsy always wraps the tree in '~'
        raise FormulaError(f"The formula {text!r} cannot be read.")
    terms = [Term(term.name(), tuple(f.name() for f in term.factors)) for term in desc.rhs_termlist if term.factors]
    return terms, len(terms) < len(desc.rhs_termlist)


def _refuse_random_effects(text: str, right: Sequence[Token]) -> None:
    for token in right:
        if token.text == "|" and token.kind == "op" and not token.inside:
            raise pointed(
                "'|' is the grammar of mixed models, which have random effects; here every term is a fixed effect. "
                "Write the group as a factor, C(g), or cluster the standard errors by it; 'or' goes inside I().",
                text,
                token.start,
            )


_PATSY_SAYS = {
    "intercept term cannot interact": "An intercept cannot be part of an interaction.",
    "Unary minus": "A minus sign in front of a term only removes the intercept ('- 1'); arithmetic goes inside I().",
    "numbers besides": "A number is not a term; 1 is the intercept, 0 removes it, and arithmetic goes inside I().",
    "requires a positive integer": "A power of terms is a whole number of at least 1; the power of a column goes inside I().",
}


def _from_patsy(error: patsy.PatsyError, text: str, places: list[tuple[int, int]]) -> FormulaError:
    message = next((ours for theirs, ours in _PATSY_SAYS.items() if theirs in error.message), None)
    message = message or f"The formula cannot be read: {error.message}."
    origin = getattr(error, "origin", None)
    if origin is None or not places:
        return FormulaError(f"{message}\n    {text}")
    start = max((typed for new, typed in places if new <= origin.start), default=0)
    return pointed(message, text, start, max(start + 1, _typed_end(origin.end, places, text)))


def _typed_end(end: int, places: list[tuple[int, int]], text: str) -> int:
    after = [typed for new, typed in places if new >= end]
    return len(text[: after[0]].rstrip()) if after else len(text.rstrip())


def _is_offset(factor: str) -> bool:
    return factor.startswith("offset(")


def _without_offsets(text: str, terms: list[Term]) -> tuple[list[Term], tuple[str, ...]]:
    offsets = []
    for term in terms:
        if len(term.factors) > 1 and any(map(_is_offset, term.factors)):
            raise pointed(
                f"An offset has no coefficient and cannot be part of the interaction {term.name}; add it with '+'.",
                text,
                text.index("offset"),
                text.index("offset") + len("offset"),
            )
        if _is_offset(term.name):
            offsets.append(_offset_expression(text, term.name))
    return [term for term in terms if not _is_offset(term.name)], tuple(offsets)


def _offset_expression(text: str, name: str) -> str:
    try:
        call = ast.parse(name, mode="eval").body
    except SyntaxError:
        call = None
    if isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords and ast.unparse(call.func) == "offset":
        return _normal(str(ast.get_source_segment(name, call.args[0])))
    start = text.index("offset")
    raise pointed(
        "offset() takes one column or expression, and stands alone between '+' signs.", text, start, start + 6
    )
