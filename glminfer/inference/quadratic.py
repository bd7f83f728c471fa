"""Quadratic forms of linear combinations of estimates, whatever their units, repetitions and rank (40)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import InputError
from glminfer.fit.records import FitRecord
from glminfer.inference.matrix import Covariance, bread_root
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.spread import Root

_SAME = 1e-12  # singular value, relative to the largest, below which a hypothesis repeats others
_FLAT = 1e-12  # eigenvalue of a covariance, relative to the largest, that is rounding of zero


@dataclass(frozen=True, slots=True)
class Joint:
    """A quadratic form of several estimates: its value, its degrees of freedom, and how many hypotheses differ."""

    wald: float
    df: int
    independent: int


def quadratic(fit: FitRecord, L: Array, rhs: Array, chosen: Covariance, rows: Sequence[str]) -> Joint:
    """W = (Lγ - r)'(L V L')⁻(Lγ - r) for combinations L (q, r) of working coefficients γ (40).

    The combinations are first replaced by equivalent ones that are independent with unit variance under the inverse
    information. What is inverted is then their covariance in units that depend neither on the scale of the columns nor
    on how the hypotheses are written, also when it is singular, as with fewer clusters than hypotheses.

    Raises
    ------
    InputError
        If the hypotheses, told by ``rows``, cannot hold together.
    """
    if not linalg.all_finite(chosen.matrix):
        return Joint(float("nan"), 0, len(L))
    white = _whitened(fit, L)
    _refuse_contradictions(white, rhs, rows)
    z = white.A @ fit.working - (white.left[:, : white.rank].T @ (rhs / white.size)) / white.singular
    variances, axes = np.linalg.eigh(white.A @ chosen.matrix @ white.A.T)
    kept = _above_rounding(variances, chosen)
    return Joint(float(((axes.T @ z)[kept] ** 2 / variances[kept]).sum()), int(kept.sum()), white.rank)


def informs(fit: FitRecord, L: Array, chosen: Covariance) -> bool:
    """Whether every combination of these (q, r) has a variance, so that others can be made uncorrelated with them."""
    A = _whitened(fit, L).A
    variances = np.asarray(np.linalg.eigvalsh(A @ chosen.matrix @ A.T), dtype=float)
    return bool(_above_rounding(variances, chosen).all())


def _above_rounding(variances: Array, chosen: Covariance) -> NDArray[np.bool_]:
    return np.asarray(variances > max(_FLAT * variances.max(initial=0.0), chosen.floor))


@dataclass(frozen=True, slots=True)
class _White:
    """Hypotheses L (q, r) as k independent ones A (k, r) of unit variance under the inverse information CC'.

    With diag(1/size) L C = left · diag(singular) · right', A = right' C⁻¹; the last q - k columns of ``left`` are the
    relations between the hypotheses.
    """

    A: Array
    left: Array
    singular: Array
    size: Array

    @property
    def rank(self) -> int:
        return len(self.A)


def _whitened(fit: FitRecord, L: Array) -> _White:
    C = bread_root(fit)
    B = L @ C
    size = np.linalg.norm(B, axis=1)
    left, singular, right = np.linalg.svd(B / size[:, None], full_matrices=len(L) > L.shape[1])
    k = int((singular > _SAME * singular.max(initial=0.0)).sum())
    A = C.against(right[:k]) if isinstance(C, Root) else np.linalg.solve(C.T, right[:k].T).T
    return _White(A, left, singular[:k], size)


def _refuse_contradictions(white: _White, rhs: Array, rows: Sequence[str]) -> None:
    """Refuse hypotheses that cannot hold together, such as x = 0 and x = 1."""
    repeated = white.left[:, white.rank :]
    unmet = repeated.T @ (rhs / white.size)
    wrong = np.abs(unmet) > 1e-8 * np.abs(rhs / white.size).max(initial=0.0)
    if wrong.any():
        involved = np.abs(repeated @ unmet) > 1e-6 * np.abs(unmet).max()
        told = " and ".join(repr(row) for row, used in zip(rows, involved, strict=True) if used)
        raise InputError(f"The hypotheses contradict each other: {told} cannot hold together. Leave one of them out.")
