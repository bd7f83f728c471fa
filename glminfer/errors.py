"""What can go wrong, said in sentences: exceptions, warnings and the status of a fit."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
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
    close = difflib.get_close_matches(word, [str(k) for k in known], n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def counted(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def checked_keywords(function: F) -> F:
    """Answer an unknown keyword with a TypeError that offers the nearest valid name."""
    called = function.__qualname__.removesuffix(".__init__")
    known = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in known:
                raise TypeError(
                    f"{called}() has no argument {name!r}.{nearest(name, known)} "
                    f"It takes: {', '.join(k for k in known if k != 'self')}."
                )
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]


def one_of(value: str, choices: Iterable[str], what: str) -> str:
    """Return ``value`` if it is one of ``choices``, else raise naming all of them."""
    choices = list(choices)
    if value not in choices:
        raise InputError(
            f"{what} {value!r} is not known.{nearest(str(value), choices)} Choose one of: {', '.join(choices)}."
        )
    return value
