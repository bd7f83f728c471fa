"""Newton steps of a path by compiled code, for problems so small that calling NumPy takes longer than computing.

The curvature stays as it is meanwhile; the factor of its face is kept between steps and between λ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from glminfer.numerics import compiled
from glminfer.numerics.blocks import Array
from glminfer.numerics.standardised import Indices, Standardised
from glminfer.numerics.working_set import Point, WorkingSet

_ROWS = 5_000  # with more, NumPy is as fast
_NUMBERS = 20_000  # a path of fewer is done before numba is loaded
_COLUMNS = 500  # at work; LAPACK makes the factor of more faster
_PROXIMAL = 1e-10  # the smallest in working_set.py
_RATE = 0.2  # a step that shrinks the violation by less asks for a new curvature


@dataclass(slots=True)
class InnerLoop:
    """Compiled steps and the Cholesky factor that they go on with.

    Attributes
    ----------
    settle : callable
        ``plain_loops.settle``.
    L : (room + 1, room)
    face : (room + 1,)
        The columns of the factor; the last is room.
    known : int
        Its rows.
    changes : int
        The number of the curvature that it belongs to.
    l2 : (k,)
        The penalty that it belongs to.
    rows : (6, n)
    columns : (8, room)
        What the steps read and write.
    """

    settle: Callable[..., tuple[int, float, int]]
    L: Array
    face: Indices
    known: int
    changes: int
    l2: Array
    rows: Array = field(default_factory=lambda: np.empty((0, 0)))
    columns: Array = field(default_factory=lambda: np.empty((0, 0)))

    def run(
        self, work: WorkingSet, point: Point, penalties: tuple[Array, Array], goal: tuple[float, float], limit: int
    ) -> tuple[int, float, Point]:
        """Steps with the curvature as it is from a violation (61) down to a tolerance: how many, violation, point."""
        l1, l2 = penalties
        worst, tol = goal
        self._keep_up(work, l2)
        rows, columns = self.rows, self.columns[:, : work.k]
        columns[0], columns[1], columns[2] = l1, l2, l2 + _PROXIMAL * work.H.diagonal()[: work.k]
        columns[3] = columns[6] = point.u
        columns[4] = columns[7] = point.score - l2 * point.u
        np.sign(point.u, out=columns[5])
        factor, until = (self.L, self.face, self.known), (tol, _RATE, worst, limit)
        steps, now, self.known = self.settle(work.Z.T[: work.k], work.H, factor, tuple(rows), tuple(columns), until)
        if not steps:
            return 0, worst, point
        if now > tol and steps < limit:  # the last trial was refused
            return steps, now, work.evaluate(columns[3].copy())
        return steps, now, Point(columns[6].copy(), columns[7] + l2 * columns[6], rows[3].copy(), rows[4].copy())

    def pays(self, work: WorkingSet) -> bool:
        """Whether these columns are few enough."""
        return work.k <= _COLUMNS

    def _keep_up(self, work: WorkingSet, l2: Array) -> None:
        """Forget the factor where the curvature or the penalty is another."""
        room = len(work.columns)
        if len(self.L) != room + 1:
            self.L, self.face, self.known = np.zeros((room + 1, room)), np.zeros(room + 1, dtype=np.intp), 0
            self.rows, self.columns = np.zeros((6, len(work.Z))), np.zeros((8, room))
            self.rows[:3] = work.outcome.y, work.outcome.weights, work.outcome.offset
        m = min(len(l2), len(self.l2))
        if self.changes != work.changes or (l2[:m] != self.l2[:m]).any():
            self.known = 0
        self.changes, self.l2 = work.changes, l2


def inner_loop(source: Standardised) -> InnerLoop | None:
    """Compiled steps, where numba is installed and they pay."""
    n, q = len(source.X), source.q
    if n > _ROWS or n * q < _NUMBERS or (settle := compiled.settle()) is None:
        return None
    return InnerLoop(settle, np.empty((0, 0)), np.empty(0, dtype=np.intp), 0, 0, np.empty(0))
