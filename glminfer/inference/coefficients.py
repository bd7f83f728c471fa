"""Arithmetic over coefficient names: ``2*C(race)[T.2] - x:g[T.b] / 3`` to a tree, and the tree to numbers."""

from __future__ import annotations

import ast
import functools
import itertools
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glminfer.errors import InputError

Leaf = Callable[[str | float], Any]
Functions = Mapping[str, Callable[[Any], Any]]

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_FUNCTION = re.compile(r"(?:np\.|numpy\.)?([A-Za-z_]\w*)(?=\s*\()")
_OPERATOR = re.compile(r"\*\*|==|[-+*/^()=,]")
_SPACE = re.compile(r"\s+")
_WORD_ENDS = set("+-*/^=,()<>;&|~! \t\n")
_OPEN, _CLOSE = "([{", ")]}"
_MOST_FACTORS = 4  # of an interaction whose coefficient is also found with its factors in another order

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: lambda value: value}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text and its place.

    ``kind`` is "coefficient" (its ``code`` is c and the position of the column), "number", "function" or "op".
    """

    kind: str
    code: str
    start: int
    end: int


class Unknown(Exception):
    """The word, its only argument, is neither a coefficient, a number nor an operator."""


def words(text: str, columns: tuple[str, ...], functions: Collection[str] = ()) -> list[Word]:
    """Cut a text into words; names of coefficients are tried first, the longest before the others.

    Raises
    ------
    Unknown
        With the first word that means nothing.
    """
    found: list[Word] = []
    at = _after_space(text, 0)
    while at < len(text):
        found.append(_next_word(text, at, columns, functions))
        at = _after_space(text, found[-1].end)
    return found


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _next_word(text: str, at: int, columns: tuple[str, ...], functions: Collection[str]) -> Word:
    for pattern, positions in (_exact(columns), _looser(columns)):
        if match := pattern.match(text, at):
            return Word("coefficient", f"c{positions[int(match.lastindex or 0) - 1]}", at, match.end())
    if (match := _NUMBER.match(text, at)) and not _runs_on(text, match.end()):
        return Word("number", match.group(), at, match.end())
    if (match := _FUNCTION.match(text, at)) and match.group(1) in functions:
        return Word("function", match.group(1), at, match.end())
    if match := _OPERATOR.match(text, at):
        return Word("op", {"^": "**", "=": "=="}.get(match.group(), match.group()), at, match.end())
    raise Unknown(_unknown_word(text, at))


def _runs_on(text: str, end: int) -> bool:
    return end < len(text) and (text[end].isalnum() or text[end] in "_.[")


def _unknown_word(text: str, start: int) -> str:
    """From ``start`` to the next operator or space outside brackets and quotes."""
    depth, quote, at = 0, "", start
    while at < len(text):
        character = text[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE and depth:
            depth -= 1
        elif not depth and character in _WORD_ENDS:
            break
        at += 1
    return text[start : max(at, start + 1)].strip()


# names ---------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=128)
def _exact(columns: tuple[str, ...]) -> tuple[re.Pattern[str], list[int]]:
    """One pattern of all names as they are, and the column that each of its groups stands for."""
    return _pattern({name: (j, re.escape(name)) for j, name in enumerate(columns)})


@functools.lru_cache(maxsize=128)
def _looser(columns: tuple[str, ...]) -> tuple[re.Pattern[str], list[int]]:
    """The same for names with other spacing, quotes, or order of the factors of an interaction."""
    return _pattern({turned: (j, _loose(turned)) for j, name in enumerate(columns) for turned in _orders(name)})


def _pattern(spellings: Mapping[str, tuple[int, str]]) -> tuple[re.Pattern[str], list[int]]:
    """Long names before short ones; none ends where a longer one could go on, so ``x`` is not found in ``x:z``."""
    tried = _longest_first(spellings)
    names = "|".join(f"({spelling})" for _, spelling in tried)
    return re.compile(rf"(?:{names})(?!\s*:|[\w.\[(])"), [j for j, _ in tried]


def _longest_first(spellings: Mapping[str, tuple[int, str]]) -> list[tuple[int, str]]:
    return [spellings[name] for name in sorted(spellings, key=len, reverse=True)]


_PIECE = re.compile(
    r"Q\((?P<q>['\"])(?P<name>[^'\"`]*)(?P=q)\)|(?P<power>\s*\*\*\s*)|(?P<quote>['\"])|(?P<space>\s+)|."
)


def _loose(name: str) -> str:
    """A pattern of the ways a name may be typed: ``I(x**2)`` or ``I(x^2)`` for ``I(x ** 2)``, backticks for Q()."""
    return r"\s*:\s*".join(_PIECE.sub(_loose_piece, piece) for piece in factors_of(name))


def _loose_piece(match: re.Match[str]) -> str:
    if match["name"] is not None:
        column = re.escape(match["name"])
        return rf"(?:Q\(\s*['\"]{column}['\"]\s*\)|`{column}`)"
    if match["power"]:
        return r"\s*(?:\*\*|\^)\s*"
    if match["quote"]:
        return "['\"]"
    return r"\s*" if match["space"] else re.escape(match.group())


def _orders(name: str) -> list[str]:
    """The name with the factors of an interaction in every order."""
    pieces = factors_of(name)
    if not 1 < len(pieces) <= _MOST_FACTORS:
        return [name]
    return [":".join(order) for order in itertools.permutations(pieces)]


def factors_of(name: str) -> list[str]:
    """``x:g[T.a:b]`` to ``x`` and ``g[T.a:b]``: the pieces of a coefficient's name between colons outside brackets."""
    pieces, depth = [""], 0
    for character in name:
        depth += (character in _OPEN) - (character in _CLOSE)
        if character == ":" and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


# trees ---------------------------------------------------------------------------------------------------------------


def value(found: Sequence[Word], leaf: Leaf, functions: Functions, text: str) -> Any:
    """What some words amount to; ``leaf`` turns placeholders and constants into values that know the operators."""
    try:
        return _value(_tree(found, text), leaf, functions, text)
    except (RecursionError, MemoryError):
        raise InputError(
            f"{text[:60]!r}… is too long an expression. Give the combination as a matrix, one column per coefficient."
        ) from None


def _tree(found: Sequence[Word], text: str) -> ast.expr:
    """The expression that some words make; ``text`` is what an error repeats."""
    code = " ".join(_plain(word.code) if word.kind == "number" else word.code for word in found)
    try:
        return ast.parse(code, mode="eval").body
    except SyntaxError:
        raise unreadable(text) from None


def _plain(number: str) -> str:
    """A number as Python reads it, without leading zeros."""
    return number.lstrip("0") if number.lstrip("0")[:1].isdigit() else f"0{number.lstrip('0')}"


def unreadable(text: str) -> InputError:
    """The error for words that make no expression."""
    return InputError(
        f"{text!r} cannot be read as arithmetic over coefficients: an operator, an operand or a bracket is missing or "
        "out of place. Write for example '2*(x1 - x2) = 1'."
    )


def _value(node: ast.expr, leaf: Leaf, functions: Functions, text: str) -> Any:
    if isinstance(node, ast.Constant):
        return leaf(float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return leaf(node.id)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand, leaf, functions, text))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = (_value(side, leaf, functions, text) for side in (node.left, node.right))
        return _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return functions[node.func.id](_value(node.args[0], leaf, functions, text))
    raise unreadable(text)


def position_of(code: str) -> int:
    """The column that a placeholder stands for."""
    return int(code[1:])
