"""What a penalty must tell of itself, so that a fit can be made with it and claims from it.

A penalty is a frozen record that the user makes (`Penalty`). Posed on the columns of one design (`Posed`) it says in
which coordinates it is solved, and solves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.objectives import Summable
from glminfer.numerics.rank import Basis

_CONSTANT = 1e-12  # standard deviation relative to the mean: that of a constant column is rounding


class Table(Summable, Protocol):
    """Rows that can be brought to memory."""

    def values(self, name: Literal["X", "y", "weights", "offset"]) -> Array:
        """One field over all rows."""

    def with_columns(self, kernel: Callable[..., Any], *arrays: Any) -> Table:
        """The same rows with other columns, ``kernel(block, *arrays)``."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a penalty may know of the p columns of a design.

    Attributes
    ----------
    free : (p,) bool
        The intercept, which is never shrunk.
    constant : (p,) or None
        A combination of columns that is 1 in every row, when the design has one.
    link : str
        Of the model they are in.
    """

    free: NDArray[np.bool_]
    constant: Array | None
    link: str


@dataclass(frozen=True, slots=True)
class Peak:
    """Where a penalised likelihood is highest.

    Attributes
    ----------
    solution : Solution
        Coefficients of the ``active`` working columns, and the terms of the likelihood alone there.
    shrinkage : (k,) or None
        Curvature that a quadratic penalty adds to each of them; None without one.
    active : (k,) or None
        The working columns that have a coefficient, where a penalty selects them; None is all.
    """

    solution: Solution
    shrinkage: Array | None = None
    active: NDArray[np.intp] | None = None


class Posed(Protocol):
    """A penalty on the columns of one design."""

    @property
    def basis(self) -> Basis:
        """The working columns in which it is solved."""

    def maximise(self, rows: Table, family: Family, start: Array, control: Control) -> Peak:
        """Solve one model from ``start`` (1, r)."""


class Penalty(Protocol):
    """What a penalty must tell of itself."""

    @property
    def name(self) -> str:
        """What the summary calls it."""

    @property
    def algorithm(self) -> str:
        """What the summary calls its solver."""

    @property
    def covariances(self) -> tuple[str, ...]:
        """Names of the covariances its estimates have, the default first; empty if none is valid."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before reading its estimates."""

    @property
    def simplest(self) -> Penalty | None:
        """The simplest penalty that is the same; None if it is none at all, so that the fit is maximum likelihood."""

    def no_likelihood(self, link: str, /) -> str:
        """Why the estimate is the maximum of no likelihood, and the way out; empty if it is the maximum of one."""

    def pose(self, rows: Summable, columns: Columns) -> Posed:
        """The problem on the design columns of these rows."""


def every_column(rows: Summable, columns: Columns) -> tuple[Basis, float, Array]:
    """All columns as they are, centred when there is an intercept to take up their means; Σw; their deviations (p,).

    The deviations are weighted, with the divisor Σw; that of a constant column is 1.
    """
    p, centred = len(columns.free), bool(columns.free.any())
    used, total, plain, mean, _ = rows.sum(kernels.moments, np.zeros(p))
    *_, offcentre, squares = rows.sum(kernels.moments, mean / total)
    mean, spread = mean / total, np.sqrt(np.maximum(squares / total - (offcentre / total) ** 2, 0.0))
    shift = np.where(columns.free, 0.0, mean) if centred else np.zeros(p)
    T = np.eye(p)
    T[np.flatnonzero(columns.free)] -= shift
    basis = Basis(T, np.arange(p), shift, columns.constant, {}, plain / used if centred else np.zeros(p))
    return basis, float(total[0]), np.where(spread > _CONSTANT * np.abs(mean), spread, 1.0)
