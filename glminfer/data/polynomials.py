"""Polynomials: orthogonal over the rows a model was fitted to, or plain powers (R's ``poly``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.values import column_of, known_rows, shown_distinct, whole_number
from glminfer.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Powers:
    """Plain powers 1 … degree."""

    degree: int


@dataclass(frozen=True, slots=True, eq=False)
class Orthogonal:
    """Three-term recurrence of the orthogonal polynomials p₀ = 1, p₁, … in t = (x − shift) / scale.

    p_{k+1}(t) = (t − alpha_k) p_k(t) − (norm2_k / norm2_{k−1}) p_{k−1}(t), with norm2_k = Σ p_k² over the rows learned
    from (Kennedy & Gentle 1980, pp. 343–4, the reference of R's poly).
    """

    shift: float
    scale: float
    alpha: Floats
    norm2: Floats


def learn_poly(x: Any, degree: int = 1, raw: bool = False) -> Powers | Orthogonal:
    """Recurrence of the orthogonal polynomials over the rows, or the degree of the plain powers."""
    column, degree = column_of(x), whole_number("degree", degree, 1)
    return Powers(degree) if raw else _orthogonal(known_rows(column), degree)


def _orthogonal(x: Floats, degree: int) -> Orthogonal:
    _refuse_few_values(x, degree)
    shift = float(x.mean())
    scale = float(np.abs(x - shift).max())  # keeps the powers near 1, whatever the unit of x
    t = (x - shift) / scale
    alpha, norm2 = np.empty(degree), np.empty(degree + 1)
    before, p, norm2[0] = np.zeros_like(t), np.ones_like(t), len(t)
    for k in range(degree):
        alpha[k] = (t * p**2).sum() / norm2[k]
        before, p = p, (t - alpha[k]) * p - _ratio(norm2, k) * before
        norm2[k + 1] = (p**2).sum()
    return Orthogonal(shift, scale, alpha, norm2)


def _ratio(norm2: Floats, k: int) -> float:
    return float(norm2[k] / norm2[k - 1]) if k else 0.0


def _refuse_few_values(x: Floats, degree: int) -> None:
    if np.unique(x[:1000]).size > degree:  # spares sorting a long column
        return
    distinct = np.unique(x)
    if degree >= distinct.size:
        raise DataError(
            f"degree={degree} needs {degree + 1} distinct values, and the column has {distinct.size} "
            f"({shown_distinct(distinct)}). Lower the degree, or use C() for a factor."
        )


def apply_poly(state: Powers | Orthogonal, x: Any, *_: Any, **__: Any) -> Floats:
    """The polynomials at any x, (n, degree); orthonormal over the rows learned from."""
    column = column_of(x)
    if isinstance(state, Powers):
        return column[:, None] ** np.arange(1, state.degree + 1)
    t = (column - state.shift) / state.scale
    values = np.empty((t.size, state.alpha.size))
    before, p = np.zeros_like(t), np.ones_like(t)
    for k, alpha in enumerate(state.alpha):
        before, p = p, (t - alpha) * p - _ratio(state.norm2, k) * before
        values[:, k] = p / np.sqrt(state.norm2[k + 1])
    return values
