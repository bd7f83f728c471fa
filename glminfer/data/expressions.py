"""Expressions of a formula as code: which names are columns, which are functions, compiled once."""

from __future__ import annotations

import ast
import functools
import keyword
from collections.abc import Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from glminfer.data.lexing import tokens
from glminfer.data.naming import SOFT, Namer, quoted_column, shown
from glminfer.data.scope import r_spelling
from glminfer.data.sequential import SEQUENTIAL
from glminfer.data.transforms import bound
from glminfer.errors import FormulaError

_USABLE_WORDS = {"and", "or", "not", "in", "is", "if", "else", "for", "lambda", "True", "False", "None"}


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of a formula.

    Attributes
    ----------
    text : str
        In normal spacing; the name of the factor.
    column : str or None
        The column it is, when it is nothing but a column.
    columns : tuple of str
        Names that stand for columns, texts of ``sequences`` included.
    values : tuple of (str, str)
        Variable in the code and column: numbers as floats, labels as Categorical.
    raw : tuple of (str, str)
        Variable and column as stored (inside C(), where 1 must stay 1).
    calls : tuple of (str, str)
        Variable and path of the function, one for each call.
    constants : tuple of (str, str)
        Variable and path of attributes of modules (``np.pi``).
    contrasts : tuple of (str, str)
        Variable and name of bare names among the options of C().
    code : code object or None
    sequences : tuple of Sequence
        Its calls of lag() and history(), which it reads like columns.
    """

    text: str
    column: str | None
    columns: tuple[str, ...]
    values: tuple[tuple[str, str], ...] = ()
    raw: tuple[tuple[str, str], ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    constants: tuple[tuple[str, str], ...] = ()
    contrasts: tuple[tuple[str, str], ...] = ()
    code: CodeType | None = None
    sequences: tuple[Sequence, ...] = ()

    @property
    def roots(self) -> set[str]:
        """Names of everything outside the frame that it uses."""
        own = {path.split(".")[0] for _, path in (*self.calls, *self.constants, *self.contrasts)}
        return own.union(*(part.roots for sequence in self.sequences for part in sequence.parts))


@dataclass(frozen=True, slots=True)
class Sequence:
    """A call of lag() or history(): a column made of other rows, before any row is left out.

    Attributes
    ----------
    text : str
        The call, in normal spacing; the name of the column.
    function : str
        Its name.
    x : Expression
        What earlier values are taken of.
    by : Expression or None
        The sessions.
    options : tuple of (str, value)
    """

    text: str
    function: str
    x: Expression
    by: Expression | None
    options: tuple[tuple[str, Any], ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The expressions among its arguments."""
        return (self.x,) if self.by is None else (self.x, self.by)


@functools.lru_cache(maxsize=4096)
def expression(text: str, known: frozenset[str]) -> Expression:
    """Compile an expression, given the names of the columns."""
    if text in known and not _is_call(text):
        return Expression(text, text, (text,))
    tree = _tree(text)
    quoted = quoted_column(tree.body)
    if quoted is not None:
        return Expression(text, quoted, (quoted,))
    if isinstance(tree.body, ast.Call) and isinstance(tree.body.func, ast.Name) and tree.body.func.id in SEQUENTIAL:
        return Expression(text, text, (text,), sequences=(_sequence(text, tree.body, known),))
    namer = Namer(text, known)
    code = compile(ast.fix_missing_locations(namer.visit(tree)), f"<{text}>", "eval")
    values, raw = (tuple((var, name) for name, var in names.items()) for names in (namer.values, namer.raw))
    calls, constants, contrasts = map(tuple, (namer.calls, namer.constants, namer.contrasts))
    sequences = tuple(_sequence(inner, call, known) for inner, call in namer.sequences.items())
    return Expression(text, None, namer.columns, values, raw, calls, constants, contrasts, code, sequences)


# calls that look at other rows ---------------------------------------------------------------------------------------


def _sequence(text: str, call: ast.Call, known: frozenset[str]) -> Sequence:
    function = ast.unparse(call.func)
    options = {str(option.arg): option.value for option in call.keywords}
    given = bound(function, SEQUENTIAL[function], call.args, options).arguments
    x, by = given.pop("x"), given.pop("by", None)
    return Sequence(
        text,
        function,
        expression(shown(x), known),
        None if by is None else _sessions(text, by, known),
        tuple((name, _written(name, value, text)) for name, value in given.items()),
    )


def _sessions(text: str, by: ast.expr, known: frozenset[str]) -> Expression | None:
    if not isinstance(by, ast.Constant):
        return expression(shown(by), known)
    if by.value is None:
        return None
    raise FormulaError(f"by={shown(by)} in {text} is no column; write its name without quotes, by=session.")


def _written(name: str, value: ast.expr, text: str) -> Any:
    """The value of an option, which is the same for all rows and therefore written out."""
    try:
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "range" and not value.keywords:
            return range(*map(ast.literal_eval, value.args))
        return ast.literal_eval(value)
    except (TypeError, ValueError):
        raise FormulaError(
            f"{name}={shown(value)} in {text} must be written as a number, or numbers as [1, 2] or range(1, 4): it is "
            "the same for all rows."
        ) from None


# Python's syntax -----------------------------------------------------------------------------------------------------


def _tree(text: str) -> ast.Expression:
    try:
        return ast.parse(_without_keywords(text), mode="eval")
    except SyntaxError as error:
        advice = r_spelling(text) or " A column whose name is not a plain word goes in backticks, `my x`."
        raise FormulaError(f"{text!r} is not an expression ({error.msg}).{advice}") from None


def _is_call(text: str) -> bool:
    """Whether a name stands in call position: a function then, though a column be called log(x) as a whole.

    A column called lag(x) is the lag itself, made beforehand: new rows that stand alone have no row before them.
    """
    try:
        body = ast.parse(text, mode="eval").body
    except SyntaxError:
        return False
    return isinstance(body, ast.Call) and ast.unparse(body.func) not in SEQUENTIAL


def _without_keywords(text: str) -> str:
    """Python's own words, such as ``class``, made usable as column names."""
    found = [t for t in tokens(text) if t.kind == "name" and keyword.iskeyword(t.text) and t.text not in _USABLE_WORDS]
    for token in reversed(found):
        text = text[: token.start] + SOFT + text[token.start :]
    return text


# what expressions need -----------------------------------------------------------------------------------------------


def all_columns(expressions: Iterable[Expression]) -> list[str]:
    """The columns some expressions read, each once; calls of lag() and history() count as columns."""
    return list(dict.fromkeys(name for e in expressions for name in e.columns))


def label_columns(expressions: Iterable[Expression]) -> set[str]:
    """The columns of the frame whose values only tell rows apart, inside C() and as ``by=``: dates will do."""
    labels: set[str] = set()
    others: set[str] = set()
    for e in expressions:
        made = {sequence.text for sequence in e.sequences}
        labels |= {name for _, name in e.raw} - made
        others |= (set(e.columns) if e.code is None else {name for _, name in e.values}) - made
        for sequence in e.sequences:
            by = sequence.by.column if sequence.by is not None else None
            parts = [part for part in sequence.parts if by is None or part is not sequence.by]
            inside = label_columns(parts)
            labels |= inside if by is None else {by, *inside}
            others |= set(stored_columns(parts)) - inside
    return labels - others


def stored_columns(expressions: Iterable[Expression]) -> list[str]:
    """The columns of the frame some expressions need, each once."""
    names: dict[str, None] = {}
    for e in expressions:
        made = {sequence.text for sequence in e.sequences}
        names |= dict.fromkeys(name for name in e.columns if name not in made)
        names |= dict.fromkeys(name for s in e.sequences for name in stored_columns(s.parts))
    return list(names)


def shown_name(text: str) -> str:
    """An expression as printed in messages: the bare column name for ``Q("name")``."""
    return (
        ast.literal_eval(text[2:-1])
        if text.startswith('Q("') and text.endswith('")') and text.count('"') == 2
        else text
    )
