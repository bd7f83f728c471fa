"""Equations between linear combinations of coefficients: ``age + 2*lwt = -0.1`` to numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glminfer.errors import InputError
from glminfer.fit.records import FitRecord
from glminfer.inference import coefficients
from glminfer.inference.coefficients import Word
from glminfer.inference.names import unknown_name
from glminfer.numerics.blocks import Array


@dataclass(frozen=True, slots=True)
class Equation:
    """One linear combination (p,) of the coefficients, what it is said to equal, and the words that say so."""

    combination: Array
    rhs: float
    text: str


@dataclass(frozen=True, slots=True)
class Affine:
    """A constant plus a linear combination of coefficients."""

    constant: float
    combination: Array

    @property
    def is_number(self) -> bool:
        """Whether no coefficient is in it."""
        return not self.combination.any()

    def __neg__(self) -> Affine:
        return Affine(-self.constant, -self.combination)

    def __add__(self, other: Affine) -> Affine:
        return Affine(self.constant + other.constant, self.combination + other.combination)

    def __sub__(self, other: Affine) -> Affine:
        return self + -other

    def __mul__(self, other: Affine) -> Affine:
        if not other.is_number:
            self, other = other, self
        return self._scaled(_number(other, "it multiplies coefficients with each other"))

    def __truediv__(self, other: Affine) -> Affine:
        return self._scaled(1 / _number(other, "it divides by a coefficient"))

    def __pow__(self, other: Affine) -> Affine:
        base, power = (_number(part, "it has a power of coefficients") for part in (self, other))
        return Affine(float(base**power), np.zeros_like(self.combination))

    def _scaled(self, factor: float) -> Affine:
        return Affine(self.constant * factor, self.combination * factor)


class NotLinear(Exception):
    """Why an expression is not linear: the only argument."""


def _number(part: Affine, why: str) -> float:
    if not part.is_number:
        raise NotLinear(why)
    return part.constant


def read_equations(fit: FitRecord, text: str) -> list[Equation]:
    """``a = b``, ``a = b = 0``, ``a = 0, b = 1``, or an expression that is to be zero."""
    try:
        found = coefficients.words(text, fit.columns)
    except coefficients.Unknown as unknown:
        raise unknown_name(fit, str(unknown), text) from None
    return [line for part in _split(found, ",") for line in _of_chain(fit, _unwrapped(part), text)]


def _of_chain(fit: FitRecord, found: list[Word], text: str) -> list[Equation]:
    """``a = b = c`` as a = b and b = c; a side that stands alone is to be zero."""
    sides = _split(found, "==")
    if not all(sides):
        raise coefficients.unreadable(text)
    values = [(text[side[0].start : side[-1].end], _affine(fit, side, text)) for side in sides]
    if len(values) == 1:
        values.append(("0", Affine(0.0, np.zeros(len(fit.columns)))))
    return [_equation(left, right) for left, right in itertools.pairwise(values)]


def _equation(left: tuple[str, Affine], right: tuple[str, Affine]) -> Equation:
    gap = left[1] - right[1]
    return Equation(gap.combination, 0.0 - gap.constant, f"{left[0]} = {right[0]}")


def _affine(fit: FitRecord, side: list[Word], text: str) -> Affine:
    p = len(fit.columns)

    def leaf(code: str | float) -> Affine:
        if isinstance(code, str):
            return Affine(0.0, np.eye(1, p, coefficients.position_of(code))[0])
        return Affine(code, np.zeros(p))

    try:
        value: Affine = coefficients.value(side, leaf, {}, text)
    except NotLinear as why:
        raise InputError(
            f"{text!r} is not linear in the coefficients: {why}. The coefficient of an interaction is written with a "
            "colon, 'x1:x2'; for nonlinear functions there is fit.delta(...)."
        ) from None
    except (ArithmeticError, TypeError):  # a division by zero, an overflow, a complex power
        value = Affine(float("nan"), np.zeros(p))
    if not np.isfinite([value.constant, *value.combination]).all():
        raise InputError(f"{text!r} has a number that is not finite, such as a division by zero.")
    return value


def _split(found: Sequence[Word], at: str) -> list[list[Word]]:
    """Words between separators outside brackets."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in found:
        depth += (word.code == "(") - (word.code == ")")
        if word.code == at and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _unwrapped(found: list[Word]) -> list[Word]:
    """``(a = b)`` without its brackets."""
    is_equation = any(word.code == "==" for word in found)
    outside = len(_split(found, "==")) > 1
    wrapped = is_equation and not outside and found[0].code == "(" and found[-1].code == ")"
    return found[1:-1] if wrapped else found
