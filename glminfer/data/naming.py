"""The code of an expression with a variable of its own for every column, function and constant it names."""

from __future__ import annotations

import ast
import functools
import unicodedata

from glminfer.data.sequential import SEQUENTIAL
from glminfer.errors import FormulaError

SOFT = "_word_"  # in front of Python's own words, such as class, so that they can name columns


def _plain(name: str) -> str:
    return name.removeprefix(SOFT)


def shown(node: ast.AST) -> str:
    """The code of a node as the user wrote it, up to spacing."""
    return ast.unparse(node).replace(SOFT, "")


def quoted_column(node: ast.AST) -> str | None:
    """The name in ``Q("name")``."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Q"):
        return None
    if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant) or not isinstance(node.args[0].value, str):
        raise FormulaError(f'Q() takes the name of a column as text, Q("my x"); this is {shown(node)}.')
    return node.args[0].value


def _path(node: ast.AST) -> str | None:
    """``np.linalg.norm`` for a chain of attributes on a name, else None."""
    if isinstance(node, ast.Name):
        return _plain(node.id)
    if isinstance(node, ast.Attribute):
        start = _path(node.value)
        return None if start is None else f"{start}.{node.attr}"
    return None


def _bound_names(tree: ast.AST) -> set[str]:
    """Names a lambda or comprehension binds: neither columns nor functions."""
    names = {
        arg.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        for arg in ast.walk(node.args)
        if isinstance(arg, ast.arg)
    }
    return names | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


class Namer(ast.NodeTransformer):
    """Gives every column, function and constant a variable of its own, so that no name can mean two things."""

    def __init__(self, text: str, known: frozenset[str]) -> None:
        self.text, self.known = text, known
        self.bound: set[str] = set()
        self.values: dict[str, str] = {}  # column -> variable
        self.raw: dict[str, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.constants: list[tuple[str, str]] = []
        self.contrasts: list[tuple[str, str]] = []
        self.sequences: dict[str, ast.Call] = {}  # text -> call of lag() or history()
        self.mode = "values"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that stand for columns."""
        return tuple(dict.fromkeys([*self.values, *self.raw]))

    def visit_Expression(self, node: ast.Expression) -> ast.AST:
        """The whole, where names of lambdas and comprehensions are known."""
        self.bound = _bound_names(node)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Functions, which are looked up by their path, and the calls that mean something else."""
        quoted = quoted_column(node)
        if quoted is not None:
            return self._column(quoted)
        path = _path(node.func)
        if path in {"cbind", "offset"}:
            raise FormulaError(f"{path}() in {self.text} must stand alone: {_PLACE[path]}.")
        if path is None or path.split(".")[0] in self.bound:
            return self.generic_visit(node)
        if path in SEQUENTIAL:
            return self._sequence(node)
        variable = self._new(self.calls, "_f", path)
        if path == "C":
            self._visit_options_of_C(node)
        else:
            node.args = [self.visit(arg) for arg in node.args]
            node.keywords = [self._option(path, option) for option in node.keywords]
        node.func = ast.Name(variable, ast.Load())
        return node

    def _option(self, path: str, option: ast.keyword) -> ast.keyword:
        if path in _WITHIN_SESSIONS and option.arg == "by":
            option.value = self._within("raw", option.value, False)
            return option
        visited: ast.keyword = self.visit(option)
        return visited

    def _sequence(self, node: ast.Call) -> ast.AST:
        """A call that looks at other rows: computed beforehand, and read like a column."""
        text = shown(node)
        if text not in self.known:
            self.sequences[text] = node
        return self._column(text)

    def _visit_options_of_C(self, node: ast.Call) -> None:
        node.args = [self._within("values" if i else "raw", arg, i > 0) for i, arg in enumerate(node.args)]
        for option in node.keywords:
            option.value = self._within("raw", option.value, option.arg in {"contrast", "levels"})

    def _within(self, mode: str, node: ast.expr, option: bool) -> ast.expr:
        before, self.mode = self.mode, "options" if option else mode
        visited: ast.expr = self.visit(node)
        self.mode = before
        return visited

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """``0 < x < 2`` and ``g in ["a"]`` row by row; ``x < 2 & ok`` (to Python ``x < (2 & ok)``) is refused."""
        operands = [node.left, *node.comparators]
        for operand in operands:
            if isinstance(operand, ast.BinOp) and isinstance(operand.op, ast.BitAnd | ast.BitOr):
                raise FormulaError(
                    f"{shown(node)} compares with {shown(operand)}, because & and | bind tighter than comparisons; "
                    "put each comparison in parentheses, (a < 1) & (b > 2), or write 'and' and 'or'."
                )
        pairs = zip(operands, node.ops, operands[1:], strict=False)
        parts = [self._compared(left, op, right) for left, op, right in pairs]
        return self._joined("np.logical_and", parts)

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
        left, right = self.visit(left), self.visit(right)
        if not isinstance(op, ast.In | ast.NotIn):
            return ast.Compare(left, [op], [right])
        found = self._call("np.isin", left, right)
        return found if isinstance(op, ast.In) else self._call("np.logical_not", found)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """``and`` and ``or`` row by row."""
        how = "np.logical_and" if isinstance(node.op, ast.And) else "np.logical_or"
        return self._joined(how, [self.visit(value) for value in node.values])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """``not`` row by row."""
        self.generic_visit(node)
        return self._call("np.logical_not", node.operand) if isinstance(node.op, ast.Not) else node

    def _joined(self, how: str, parts: list[ast.expr]) -> ast.expr:
        return functools.reduce(lambda left, right: self._call(how, left, right), parts)

    def _call(self, path: str, *args: ast.expr) -> ast.expr:
        return ast.Call(ast.Name(self._new(self.constants, "_k", path), ast.Load()), list(args), [])

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """``a.b``: a column of that name, or something of a module."""
        path = _path(node)
        if path is None or path.split(".")[0] in self.bound:
            return self.generic_visit(node)
        if path in self.known:
            return self._column(path)
        return ast.copy_location(ast.Name(self._new(self.constants, "_k", path), ast.Load()), node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A column, or among the options of C() a contrast."""
        name = _plain(node.id)
        if name in self.bound:
            return node
        if self.mode == "options":
            return ast.Name(self._new(self.contrasts, "_o", name), ast.Load())
        return self._column(name)

    def _column(self, name: str) -> ast.AST:
        name = self._as_in_frame(name)
        names, letter = (self.raw, "_r") if self.mode == "raw" else (self.values, "_c")
        return ast.Name(names.setdefault(name, f"{letter}{len(names)}"), ast.Load())

    def _as_in_frame(self, name: str) -> str:
        """The name as the frame spells it: Python's parser replaces some characters, such as the micro sign."""
        if name in self.known or name.isascii():
            return name
        return next((known for known in self.known if unicodedata.normalize("NFKC", known) == name), name)

    def _new(self, found: list[tuple[str, str]], letter: str, path: str) -> str:
        variable = f"{letter}{len(found)}"
        found.append((variable, path))
        return variable


_WITHIN_SESSIONS = {"center", "scale", "standardize"}  # their by= takes labels as stored

_PLACE = {
    "offset": "a term of its own on the right-hand side, '+ offset(z)'",
    "cbind": "the whole left-hand side, 'cbind(successes, failures) ~ …'",
}
