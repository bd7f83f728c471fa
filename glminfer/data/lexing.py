"""The words of a formula: tokens with their places, and errors that point at the place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from glminfer.errors import FormulaError

_STRING = (
    r"""[rRbBfFuU]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
)
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<string>{_STRING})
    |(?P<quoted>`[^`]*`)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>{_NAME})
    |(?P<in>%[^%\s]*%)
    |(?P<op>\*\*|==|!=|<=|>=|//|<<|>>|->|:=|[-+*/:^~<>=&|@,.()\[\]{{}}%])""",
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = {"(": ")", "[": "]", "{": "}"}, {")": "(", "]": "[", "}": "{"}
_BETWEEN = {"and", "or", "in", "is", "if", "else", "for", "not", "lambda"}  # words of Python that join operands


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a formula.

    Attributes
    ----------
    kind : str
        "name", "number", "string", "quoted" (in backticks) or "op".
    text : str
        As typed.
    start : int
        Position in the formula.
    inside : int
        Number of call, index and literal brackets around it (0: part of the formula's own grammar).
    operand : bool
        Whether it stands where an operand is expected.
    """

    kind: str
    text: str
    start: int
    inside: int = 0
    operand: bool = False

    @property
    def end(self) -> int:
        """Position after its last character."""
        return self.start + len(self.text)


def pointed(message: str, text: str, start: int, end: int | None = None) -> FormulaError:
    """An error that repeats the formula and points at the place."""
    line = text.replace("\n", " ").replace("\t", " ")
    arrows = "^" * max(1, (end or start + 1) - start)
    return FormulaError(f"{message}\n    {line}\n    {' ' * start}{arrows}")


def tokens(text: str) -> tuple[Token, ...]:
    """Cut a formula into words and check that brackets match and operands alternate with operators."""
    return _placed(text, _cut(text))


def _cut(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return found


def _unreadable(text: str, at: int) -> FormulaError:
    what = text[at]
    if what in "'\"":
        return pointed("This quote is not closed.", text, at)
    if what == "`":
        return pointed("This backtick is not closed; a column name in backticks looks like `my x`.", text, at)
    if what == "#":
        return pointed("A comment cannot stand in a formula.", text, at, len(text))
    return pointed(f"{what!r} has no meaning in a formula; a column with such a name goes in backticks.", text, at)


def _placed(text: str, found: list[Token]) -> tuple[Token, ...]:
    """The tokens with their depth and role; brackets checked on the way."""
    placed: list[Token] = []
    brackets: list[tuple[Token, bool]] = []  # the bracket, and whether it leaves the formula's own grammar
    for token in found:
        wants_operand = _wants_operand(placed)
        inside = sum(leaves for _, leaves in brackets)
        if token.text in _CLOSE and token.kind == "op":
            _match(text, token, brackets)
        _check_place(text, token, placed, wants_operand)
        if token.text in _OPEN and token.kind == "op":
            leaves = inside > 0 or token.text != "(" or not wants_operand
            brackets.append((token, leaves))
        placed.append(replace(token, inside=inside, operand=wants_operand))
    if brackets:
        raise pointed(f"This {brackets[-1][0].text!r} is not closed.", text, brackets[-1][0].start)
    return tuple(placed)


def _match(text: str, token: Token, brackets: list[tuple[Token, bool]]) -> None:
    if not brackets or brackets[-1][0].text != _CLOSE[token.text]:
        raise pointed(f"This {token.text!r} closes nothing.", text, token.start)
    brackets.pop()


def _wants_operand(placed: list[Token]) -> bool:
    if not placed:
        return True
    last = placed[-1]
    if last.kind == "name":
        return last.text in _BETWEEN
    return last.kind == "op" and last.text not in _CLOSE and not (last.text == "." and last.operand)


def _check_place(text: str, token: Token, placed: list[Token], wants_operand: bool) -> None:
    if token.kind == "in":
        raise pointed(
            "%in% and other %…% operators are R's; write a:b for an interaction.", text, token.start, token.end
        )
    if token.kind == "op" or token.text in _BETWEEN or wants_operand:
        return
    last = placed[-1]
    if last.kind == "number" and last.end == token.start:
        name = last.text + token.text
        raise pointed(f"{name!r} is not a name; write the column in backticks, `{name}`.", text, last.start, token.end)
    if last.kind == "string" and token.kind == "string":
        return
    raise pointed(f"An operator such as '+' is missing before {token.text!r}.", text, token.start, token.end)


def quoted(name: str) -> str:
    """A column name as patsy's ``Q("…")``."""
    inner = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'Q("{inner}")'
