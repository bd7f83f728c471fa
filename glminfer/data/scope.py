"""Which functions a formula may call, and how they survive pickling."""

from __future__ import annotations

import importlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from glminfer.data.transforms import FUNCTIONS
from glminfer.errors import FormulaError, InputError, described, nearest

_NOTHING: Mapping[str, Any] = {}

_R_NAMES = {
    "factor": "C({g})",
    "as.factor": "C({g})",
    "ordered": "C({g}, Poly)",
    "relevel": 'C({g}, Treatment("b"))',
    "as.numeric": "the column itself, converted in the frame",
    "as.integer": "the column itself, converted in the frame",
    "ifelse": "np.where(condition, a, b)",
    "is.na": "np.isnan({x})",
    "pmin": "np.minimum(a, b)",
    "pmax": "np.maximum(a, b)",
    "round": "np.round({x})",
    "cut": "a column made with pandas.cut",
    "s": "cr({x}, df=4) or bs({x}, df=4)",
    "contr.sum": "Sum",
    "contr.treatment": "Treatment",
    "contr.helmert": "Helmert",
    "contr.poly": "Poly",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where functions are looked up: our own list, ``np``, ``env``, then the caller's callables and modules."""

    env: Mapping[str, Any] = field(default_factory=dict)
    caller: Mapping[str, Any] = field(default_factory=dict)

    def function(self, path: str, text: str) -> Any:
        """The function called as ``path`` (``log``, ``np.log``) in the expression ``text``."""
        root, *rest = path.split(".")
        found = self.root(root)
        if found is None:
            raise _no_function(path, text, self)
        for name in rest:
            found = _attribute(found, name, path, text)
        return found

    def root(self, name: str) -> Any:
        """What a name in call position stands for, or None."""
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        if name == "np":
            return np
        if name in self.env:
            return _revived(self.env[name], name)
        found = self.caller.get(name)
        return found if callable(found) or isinstance(found, ModuleType) else None

    def contrast(self, name: str) -> Any:
        """What a bare name among the options of C() stands for: a contrast, or a value given in ``env``."""
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        if name in self.env:
            return _revived(self.env[name], name)
        found = self.caller.get(name)
        return found if callable(found) or hasattr(found, "code_without_intercept") else None

    def module(self, name: str) -> ModuleType | None:
        """The module a name stands for, or None."""
        found = np if name == "np" else self.env.get(name, self.caller.get(name))
        return found if isinstance(found, ModuleType) else None

    def only(self, used: set[str]) -> Scope:
        """The part a design keeps: what is needed beyond our own list."""
        kept = {name: self._outside(name) for name in sorted(used) if name not in FUNCTIONS and name != "np"}
        return Scope({name: value for name, value in kept.items() if value is not None})

    def _outside(self, name: str) -> Any:
        return self.env[name] if name in self.env else self.caller.get(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (tuple((name, *_stored(value)) for name, value in self.env.items()),)


def scope_of(env: Any, caller: Mapping[str, Any] | None) -> Scope:
    """The functions given by name and those of the caller."""
    if env is not None and not isinstance(env, Mapping):
        raise InputError(
            f"env= is a dict of functions by name, env={{'name': function}}, and this is {described(env)}."
        )
    return Scope(env or {}, caller or {})


def _attribute(owner: Any, name: str, path: str, text: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        known = [word for word in dir(owner) if not word.startswith("_")]
        raise FormulaError(f"{path} in {text} does not exist.{nearest(name, known)}") from None


def _no_function(path: str, text: str, scope: Scope) -> FormulaError:
    name = path.split(".")[0]
    if path in _R_NAMES:
        return FormulaError(f"{path}() in {text} is R's; here it is written {_ours(path, text)}.")
    return FormulaError(
        f"There is no function {name!r} for {text}.{_nearest(name, scope)} Functions are log, sqrt, I, C, poly, bs, "
        "lag, … and np.<name>; others are given with env={'name': function} or defined where the model is fitted."
    )


def _ours(name: str, text: str) -> str:
    """How a function of R is written here, of the column it is called with."""
    called = re.search(rf"{re.escape(name)}\(([^\W\d][\w.]*)", text)
    of = called[1] if called else None
    return _R_NAMES[name].format(g=of or "g", x=of or "x")


def _nearest(name: str, scope: Scope) -> str:
    theirs = [k for k, v in scope.caller.items() if callable(v) and not k.startswith("_")]
    return nearest(name, [*FUNCTIONS, *scope.env]) or nearest(name, theirs)


def r_spelling(text: str) -> str:
    """Advice for R's dotted function names, which are no Python."""
    found = [name for name in _R_NAMES if "." in name and name in text]
    return f" {found[0]} is R's; here it is written {_ours(found[0], text)}." if found else ""


# pickling ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands for a function that could not be brought along."""

    why: str


def _stored(value: Any) -> tuple[str, Any]:
    if isinstance(value, ModuleType):
        return "module", value.__name__
    if isinstance(value, Lost):
        return "lost", value.why
    try:
        return "pickle", pickle.dumps(value)
    except Exception as error:
        return "lost", f"it could not be pickled ({type(error).__name__})"


def _restored(stored: tuple[tuple[str, str, Any], ...]) -> Scope:
    return Scope({name: _loaded(how, what) for name, how, what in stored})


def _loaded(how: str, what: Any) -> Any:
    try:
        if how == "module":
            return importlib.import_module(what)
        return pickle.loads(what) if how == "pickle" else Lost(what)
    except Exception as error:
        return Lost(f"it does not exist in this process ({error})")


def _revived(value: Any, name: str) -> Any:
    if isinstance(value, Lost):
        raise FormulaError(
            f"The formula calls the function {name!r}, which did not come along with the pickled fit: {value.why}. "
            "Define it in a module that can be imported in both places."
        )
    return value
