"""What can go wrong, said in sentences: exceptions, warnings and the status of a fit."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
from numbers import Real
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class InputError(ValueError):
    """The input cannot be used; the message names the column, the values and the way out."""


class FormulaError(InputError):
    """The formula cannot be read, or names something that does not exist."""


class DataError(InputError):
    """A column, weight, offset or row set cannot be used."""


class ResponseError(InputError):
    """The outcome is not something a logistic GLM can model."""


class RowsNeededError(RuntimeError):
    """The fit was unpickled without its rows; ``fit.with_data(frame)`` gives them back."""


class ConvergenceWarning(UserWarning):
    """The solver stopped before it reached the maximum of the likelihood."""


class SeparationWarning(UserWarning):
    """A combination of covariates predicts the outcome perfectly: some estimates are infinite."""


class Status(StrEnum):
    """How a fit ended; the value is the word printed in tables.

    Examples
    --------
    >>> import glminfer as gi
    >>> print(gi.Status.LIMIT)
    limit reached
    """

    CONVERGED = "converged"
    SEPARATED = "separated"
    LIMIT = "limit reached"
    CONSTANT = "constant outcome"
    ALIASED = "aliased"
    FIRTH = "separated, Firth"
    REFUSED = "refused"

    @property
    def sentence(self) -> str:
        """The sentence shown to the user."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "The likelihood is at its maximum.",
    Status.SEPARATED: "Some estimates are infinite: a combination of covariates predicts the outcome perfectly.",
    Status.LIMIT: "The iteration limit was reached before the maximum of the likelihood.",
    Status.CONSTANT: "The outcome takes one value only.",
    Status.ALIASED: "The column is a linear combination of earlier columns.",
    Status.FIRTH: "A combination of covariates predicts the outcome perfectly; the estimates are bias-reduced (Firth).",
    Status.REFUSED: "The model cannot be fitted.",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the closest known word, or an empty string."""
    words = [str(k) for k in known]
    begun = [k for k in words if len(word) > 2 and k.lower().startswith(word.lower())]  # a word cut short
    close = difflib.get_close_matches(word, begun or words, n=1, cutoff=0.0 if begun else 0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def counted(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def every(count: int, noun: str) -> str:
    """``all 3 rows``, ``the only row``."""
    return f"the only {noun}" if count == 1 else f"all {counted(count, noun)}"


def is_number(value: Any) -> bool:
    """Whether an option is one real number, of Python or NumPy; NaN and infinities are."""
    return isinstance(value, Real) or (getattr(value, "ndim", None) == 0 and value.dtype.kind in "iuf")


def told(value: Any) -> str:
    """An option in a message: a number as it is, anything else with its kind."""
    return str(value) if is_number(value) else described(value)


def described(value: Any) -> str:
    """What was given in place of something else: ``5 (int)``, ``None``, ``a DataFrame``."""
    kind = type(value).__name__
    if value is None or isinstance(value, type):
        return repr(value)
    if kind == "ndarray":
        return f"an array of shape {value.shape}"
    shown = repr(value) if isinstance(value, str | bytes | int | float | complex | list | tuple | dict | set) else ""
    return f"{shown} ({kind})" if 0 < len(shown) <= 60 else f"{'an' if kind[0] in 'AEIOaeio' else 'a'} {kind}"


def checked_keywords(function: F) -> F:
    """Answer an unknown keyword with a TypeError that offers the nearest valid name, a wrong first argument in words.

    A record says in ``made_by`` which functions return it; where the first argument is annotated as one, it has to be.
    """
    called = function.__qualname__.removesuffix(".__init__")
    parameters = list(inspect.signature(function).parameters.values())
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    first = parameters[0] if parameters else None
    flags = {p.name for p in parameters if p.annotation == "bool"}
    kinds = () if first is None else _records(first.annotation, function)
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    last, options = (None, known[2:]) if several else (1, [])

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in known:
                raise TypeError(
                    f"{called}() has no argument {name!r}.{nearest(name, known)} "
                    f"It takes: {', '.join(k for k in known if k != 'self')}."
                )
            if name in flags and not _is_flag(kwargs[name]):
                raise InputError(f"{name}={described(kwargs[name])} is neither True nor False.")
        if kinds:
            for given in args[:last] or [kwargs[name] for name in known[:1] if name in kwargs]:
                if not isinstance(given, kinds):
                    raise _not_made(called, given, kinds, options)
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]


def _is_flag(value: Any) -> bool:
    return type(value).__name__ in ("bool", "bool_") or (is_number(value) and value in (0, 1))


def _records(annotation: Any, function: Callable[..., Any]) -> tuple[Any, ...]:
    """The records an annotation names, if it names nothing else."""
    kinds = tuple(function.__globals__.get(name) for name in str(annotation).split(" | "))
    return kinds if all(hasattr(kind, "made_by") for kind in kinds) else ()


def _not_made(called: str, given: Any, kinds: tuple[Any, ...], options: list[str]) -> InputError:
    makers = [maker for kind in kinds for maker in kind.made_by]
    if "gi.logit" in makers and hasattr(type(given), "made_by") and hasattr(type(given), "__getattr__"):
        getattr(given, called)  # many fits say themselves which of them to ask
    listed = " or ".join([", ".join(makers[:-1]), makers[-1]] if len(makers) > 1 else makers)
    text = f"{called}() is asked of what {listed} returns, and this is {described(given)}."
    if isinstance(given, list | tuple) and any(isinstance(one, kinds) for one in given):
        text += " Give each by itself, not in a list."
    if isinstance(given, str) and options:
        text += f" Options have names: {', '.join(options)}."
    if hasattr(type(given), "made_by") and hasattr(type(given), called):
        text += f" It has a method of its own, .{called}()."
    return InputError(text)


def one_of(value: str, choices: Iterable[str], what: str) -> str:
    """Return ``value`` if it is one of ``choices``, else raise naming all of them."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        given = repr(value) if isinstance(value, str | int | float | None) else described(value)
        raise InputError(
            f"{what} {given} is not known.{nearest(str(value), choices)} Choose one of: {', '.join(choices)}."
        )
    return value
