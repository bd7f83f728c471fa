"""Tokens to patsy and back: spelling, the grammar of terms, and its errors in the user's own text."""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import patsy
from patsy.desc import Evaluator, IntermediateExpr, ModelDesc
from patsy.infix_parser import ParseNode
from patsy.parse_formula import parse_formula
from patsy.tokens import pretty_untokenize, python_tokenize

from glminfer.data.lexing import Token, pointed, quoted
from glminfer.errors import FormulaError

NUMBER_LIKE = {"inf", "infinity", "nan"}  # patsy reads these names as numbers


@dataclass(frozen=True, slots=True)
class Term:
    """One term: its name and the texts of its factors, in the typed order."""

    name: str
    factors: tuple[str, ...]


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
    if token.kind == "name" and token.text.lower() in NUMBER_LIKE and not token.inside:
        return quoted(token.text)
    if token.text == "^" and token.kind == "op":
        return "**"
    return token.text


def _normal(text: str) -> str:
    """Patsy's own spacing of an expression."""
    return str(pretty_untokenize([(kind, word) for kind, word, _ in python_tokenize(text)]))


def spelled_tokens(text: str, found: Sequence[Token]) -> str:
    """Some tokens of a formula in Python's spelling and normal spacing."""
    if not found:
        return ""
    try:
        return _normal(_translated(found, text)[0])
    except patsy.PatsyError as error:
        raise _from_patsy(error, text, []) from None


def response_pieces(text: str, response: str) -> tuple[str, ...]:
    """The expressions of the left side: one, or the two of ``cbind()``."""
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


# terms ---------------------------------------------------------------------------------------------------------------


def terms_of(text: str, right: Sequence[Token]) -> tuple[list[Term], bool, tuple[str, ...]]:
    """The terms of the right side by patsy's grammar, as typed, whether there is an intercept, and factors of terms
    that are taken away from where they are not."""
    code, places = _translated(right, text)
    absent: list[str] = []
    try:
        tree = parse_formula(code)
        desc = _evaluator(absent).eval(tree, require_evalexpr=False)
    except patsy.PatsyError as error:
        raise _from_patsy(error, text, places) from None
    if not isinstance(desc, ModelDesc):  # pragma: no cover - patsy always wraps the tree in '~'
        raise FormulaError(f"The formula {text!r} cannot be read.")
    terms = [Term(term.name(), tuple(f.name() for f in term.factors)) for term in desc.rhs_termlist if term.factors]
    return terms, len(terms) < len(desc.rhs_termlist), tuple(name for name in absent if not _is_offset(name))


def _evaluator(absent: list[str]) -> Evaluator:
    evaluator = Evaluator()
    evaluator.add_op("+", 2, _sum)
    evaluator.add_op("-", 2, functools.partial(_difference, absent))
    return evaluator


def _difference(absent: list[str], evaluator: Evaluator, tree: ParseNode) -> IntermediateExpr:
    """``a - b`` as patsy reads it, who also takes away what is not there: of that the factors are noted."""
    left, right = tree.args
    first = evaluator.eval(left)
    if right.type == "ZERO":
        return IntermediateExpr(True, right, False, first.terms)
    second = evaluator.eval(right)
    absent += [factor.name() for term in second.terms if term not in first.terms for factor in term.factors]
    terms = [term for term in first.terms if term not in second.terms]
    if right.type == "ONE" or second.intercept:
        return IntermediateExpr(False, None, True, terms)
    return IntermediateExpr(first.intercept, first.intercept_origin, first.intercept_removed, terms)


def _sum(evaluator: Evaluator, tree: ParseNode) -> IntermediateExpr:
    """``a + b + c + …`` as patsy reads it, in a loop: patsy's recursion ends at some 450 terms."""
    chain = []
    while tree.type == "+" and len(tree.args) == 2:
        chain.append(tree.args[1])
        tree = tree.args[0]
    first = evaluator.eval(tree)
    intercept, terms = (first.intercept, first.intercept_origin, first.intercept_removed), list(first.terms)
    for node in reversed(chain):
        part = evaluator.eval(node)
        terms += part.terms
        if node.type == "ZERO":
            intercept = (False, None, True)
        elif part.intercept:
            intercept = (True, part.intercept_origin, False)
    return IntermediateExpr(*intercept, terms)


def refuse_random_effects(text: str, right: Sequence[Token]) -> None:
    """``(1 | subject)`` is not ours."""
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
    "requires a positive integer": "Terms have a power of 1 or more, as a number; that of a column goes inside I().",
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


def without_offsets(text: str, terms: list[Term]) -> tuple[list[Term], tuple[str, ...]]:
    """The terms that have coefficients, and the expressions inside ``offset()``."""
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
