"""Nonlinear functions of coefficients: thresholds, ratios, odds ratios, with standard errors by the delta method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.records import FitRecord
from glminfer.inference import coefficients
from glminfer.inference.coefficients import Word
from glminfer.inference.covariance import covariance
from glminfer.inference.distributions import critical
from glminfer.inference.estimable import refuse_aliased, refuse_separated
from glminfer.inference.hypotheses import reference_dof, with_notes
from glminfer.inference.intervals import checked_level
from glminfer.inference.matrix import errors_along
from glminfer.inference.names import unknown_name
from glminfer.inference.table import Table
from glminfer.numerics.blocks import Array


@dataclass(frozen=True, slots=True)
class Dual:
    """A number and its gradient (p,) with respect to the coefficients: arithmetic on both is the chain rule (43)."""

    value: float
    gradient: Array

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.gradient)

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.gradient + other.gradient)

    def __sub__(self, other: Dual) -> Dual:
        return Dual(self.value - other.value, self.gradient - other.gradient)

    def __mul__(self, other: Dual) -> Dual:
        return Dual(self.value * other.value, self.value * other.gradient + other.value * self.gradient)

    def __truediv__(self, other: Dual) -> Dual:
        ratio = self.value / other.value
        return Dual(ratio, (self.gradient - ratio * other.gradient) / other.value)

    def __pow__(self, other: Dual) -> Dual:
        if other.gradient.any():
            return _applied(math.exp, math.exp)(other * FUNCTIONS["log"](self))
        n = other.value
        if n == 0 or not self.gradient.any():
            return Dual(math.pow(self.value, n), np.zeros_like(self.gradient))
        return Dual(math.pow(self.value, n), n * math.pow(self.value, n - 1) * self.gradient)


Scalar = Callable[[float], float]


def _applied(function: Scalar, derivative: Scalar) -> Callable[[Dual], Dual]:
    def applied(x: Dual) -> Dual:
        slope = derivative(x.value) if x.gradient.any() else 0.0
        return Dual(function(x.value), slope * x.gradient)

    return applied


def _sign(x: float) -> float:
    if x == 0:
        raise ValueError  # no derivative
    return math.copysign(1.0, x)


def _expit(x: float) -> float:
    return float(scipy.special.expit(x))


def _density(x: float) -> float:
    return math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


FUNCTIONS: dict[str, Callable[[Dual], Dual]] = {
    "exp": _applied(math.exp, math.exp),
    "expm1": _applied(math.expm1, math.exp),
    "log": _applied(math.log, lambda x: 1 / x),
    "log1p": _applied(math.log1p, lambda x: 1 / (1 + x)),
    "log2": _applied(math.log2, lambda x: 1 / (x * math.log(2))),
    "log10": _applied(math.log10, lambda x: 1 / (x * math.log(10))),
    "sqrt": _applied(math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    "abs": _applied(abs, _sign),
    "sin": _applied(math.sin, math.cos),
    "cos": _applied(math.cos, lambda x: -math.sin(x)),
    "tan": _applied(math.tan, lambda x: 1 + math.tan(x) ** 2),
    "arctan": _applied(math.atan, lambda x: 1 / (1 + x**2)),
    "sinh": _applied(math.sinh, math.cosh),
    "cosh": _applied(math.cosh, math.sinh),
    "tanh": _applied(math.tanh, lambda x: 4 * _expit(2 * x) * _expit(-2 * x)),
    "expit": _applied(_expit, lambda x: _expit(x) * _expit(-x)),
    "logit": _applied(lambda p: math.log(p) - math.log1p(-p), lambda p: 1 / (p * (1 - p))),
    "Phi": _applied(lambda x: float(scipy.special.ndtr(x)), _density),
}

_UNDEFINED: dict[type[Exception], str] = {
    ZeroDivisionError: "it divides by zero",
    OverflowError: "a value is too large for a double",
    FloatingPointError: "a value is too large for a double",
    ValueError: "a function is outside its domain",
}


@checked_keywords
def delta(
    fit: FitRecord,
    expression: str | Sequence[str],
    cov: str = "model",
    cluster: Any = None,
    dof: float | None = None,
    level: float = 0.95,
) -> Table:
    """How large is a function of the coefficients, such as a threshold -a/b? The delta method, se = √(∇g V ∇g') (42).

    The gradient ∇g is exact: it is carried along with the value by the chain rule (43).

    Parameters
    ----------
    expression : str or list of str
        Arithmetic over coefficient names, ``"-Intercept / contrast"``, ``"exp(x1) - exp(x2)"``, with the functions exp
        expm1 log log1p log2 log10 sqrt abs sin cos tan arctan sinh cosh tanh, expit, logit and Phi (the normal
        distribution function). A coefficient called ``log(x)`` is that coefficient; ``log((x))`` is the logarithm
        of ``x``.
    cov, cluster, dof
        As in `wald_test`; ``dof`` is that of the t reference.
    level : float
        Confidence level of the intervals.

    Returns
    -------
    DataFrame
        One row per expression: expression, estimate, std_error, conf_low, conf_high, df. The interval estimate ± q·SE
        is symmetric; that of a monotone function is better made from the interval of its argument.

    Raises
    ------
    InputError
        If a name is unknown, a coefficient is aliased or separated, or the function or its gradient is undefined or
        the gradient zero at the estimate.

    References
    ----------
    Oehlert (1992), The American Statistician 46; Griewank & Walther (2008), Evaluating Derivatives, chapter 3.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_right", trials)
    >>> fit.delta("-Intercept / contrast_right").columns.tolist()
    ['expression', 'estimate', 'std_error', 'conf_low', 'conf_high', 'df']
    """
    several = list(expression) if isinstance(expression, Iterable) else []
    texts = [expression] if isinstance(expression, str) else several
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError(f"{expression!r} is not an expression over coefficients, such as '-Intercept / x', or a list.")
    found = [derived(fit, text) for text in texts]
    chosen = covariance(fit, cov, cluster)
    gradient = np.array([one.gradient for one in found]) @ fit.T
    estimate, se = np.array([one.value for one in found]), errors_along(fit, gradient, chosen)  # (42)
    degrees = reference_dof(gradient, chosen, dof)
    half = critical(checked_level(level), degrees) * se
    columns = {
        "expression": [" ".join(text.split()) for text in texts],
        "estimate": estimate,
        "std_error": se,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "df": degrees,
    }
    return with_notes(pd.DataFrame(columns), fit, chosen, ())


def derived(fit: FitRecord, text: str) -> Dual:
    """The value and gradient of an expression at the estimate (43)."""
    try:
        words = coefficients.words(text, fit.columns, FUNCTIONS)
    except coefficients.Unknown as unknown:
        raise unknown_name(fit, str(unknown), text, FUNCTIONS) from None
    used = _used(fit, words, text)
    p = len(fit.columns)

    def leaf(code: str | float) -> Dual:
        if isinstance(code, str):
            j = coefficients.position_of(code)
            return Dual(float(fit.values[j]), np.eye(1, p, j)[0])
        return Dual(code, np.zeros(p))

    try:
        with np.errstate(all="raise", under="ignore"):
            found = coefficients.value(words, leaf, FUNCTIONS, text)
    except InputError:
        raise
    except tuple(_UNDEFINED) as error:
        raise _undefined(fit, text, used, _UNDEFINED[type(error)]) from None
    return _checked(fit, text, used, found)


def _used(fit: FitRecord, words: Sequence[Word], text: str) -> list[int]:
    """The coefficients in an expression, which must have finite estimates."""
    if any(word.code == "==" for word in words):
        raise InputError(f"{text!r} is an equation; delta() takes an expression, and fit.wald_test() tests equations.")
    used = sorted({coefficients.position_of(word.code) for word in words if word.kind == "coefficient"})
    if not used:
        raise InputError(f"{text!r} has no coefficient in it. The coefficients are: {', '.join(fit.columns)}.")
    refuse_aliased(fit, used, text)
    refuse_separated(fit, used, text)
    return used


def _checked(fit: FitRecord, text: str, used: Sequence[int], found: Dual) -> Dual:
    if not np.isfinite([found.value, *found.gradient]).all():
        raise _undefined(fit, text, used, "it is not finite")
    if not found.gradient.any():
        raise InputError(
            f"{text!r} does not change with the coefficients to first order at {_where(fit, used)}: the delta method "
            "has no standard error for it there."
        )
    return found


def _undefined(fit: FitRecord, text: str, used: Sequence[int], why: str) -> InputError:
    return InputError(f"{text!r} or its gradient is not defined at the estimates {_where(fit, used)}: {why}.")


def _where(fit: FitRecord, used: Sequence[int]) -> str:
    return ", ".join(f"{fit.columns[j]} = {fit.values[j]:.4g}" for j in used)
