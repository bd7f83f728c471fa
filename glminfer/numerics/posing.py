"""What a penalty must tell of itself, so that a fit can be made with it and claims from it.

A penalty is a frozen record that the user makes (`Penalty`). Posed on the columns of one design (`Posed`) it says in
which coordinates it is solved, and solves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.objectives import Summable
from glminfer.numerics.rank import Basis


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


class Posed(Protocol):
    """A penalty on the columns of one design."""

    @property
    def basis(self) -> Basis:
        """The working columns in which it is solved."""

    @property
    def shrinkage(self) -> Array | None:
        """Curvature (r,) that a quadratic penalty adds to each working coefficient; None for other penalties."""

    def maximise(self, rows: Summable, family: Family, start: Array, control: Control) -> Solution:
        """Solve m models from ``start`` (m, r); the terms returned are those of the likelihood alone."""


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
    def vanishes(self) -> bool:
        """Whether it is none at all: the fit is then that of maximum likelihood in every respect."""

    def no_likelihood(self, link: str, /) -> str:
        """Why the estimate is the maximum of no likelihood, and the way out; empty if it is the maximum of one."""

    def pose(self, rows: Summable, columns: Columns) -> Posed:
        """The problem on the design columns of these rows."""
