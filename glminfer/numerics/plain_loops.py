"""Newton steps of a path in plain loops: what ``compiled`` makes fast where calling NumPy takes longer than computing.

The same steps as in ``active_set`` and ``working_set``. Every loop and every function takes time to compile: they are
few, nothing is allocated, and results are written into arrays that are given:

Z (k, n)
    The working columns, each contiguous.
H (room, room)
    Their curvature.
factor
    Three: the Cholesky factor (room + 1, room) of a face, and below it the vector that it is solved for; the columns
    of the face (room + 1,); how many rows are known.
rows, six of (n,)
    Outcome, weights, offset; linear predictor and residual, which are written; room, which is zero.
columns, eight of (k,)
    l1, l2, and what is added to the diagonal of H (l2 included); coefficients and slopes (scores less l2 times the
    coefficient) before a step; signs, zero off the face; coefficients and slopes after it.
goal
    The tolerance, the factor that each step should shrink the violation by, the violation now, and the most steps.
"""

from __future__ import annotations

from math import copysign, exp, sqrt

from glminfer.numerics.blocks import Array
from glminfer.numerics.standardised import Indices

_ROUNDS = 13  # of changing signs, the last to see that none does; then the caller goes on (as in active_set.py)
_SLACK = 1e-10

Factor = tuple[Array, Indices, int]
Rows = tuple[Array, Array, Array, Array, Array, Array]
Columns = tuple[Array, Array, Array, Array, Array, Array, Array, Array]
Goal = tuple[float, float, float, int]


def evaluate(Z: Array, face: Indices, size: int, rows: Rows, u: Array) -> None:
    """Linear predictor and weighted residual of the coefficients u, which are zero off the face."""
    y, weights, offset, eta, residual, total = rows
    for i in range(size):
        j = face[i]
        value = u[j]
        for m in range(len(y)):
            total[m] += value * Z[j, m]
    for m in range(len(y)):
        value = total[m] + offset[m]
        small = exp(-abs(value))
        large = 1.0 / (1.0 + small)
        residual[m] = weights[m] * (y[m] - (large if value >= 0.0 else small * large))
        eta[m], total[m] = value, 0.0


def settle(Z: Array, H: Array, factor: Factor, rows: Rows, columns: Columns, goal: Goal) -> tuple[int, float, int]:
    """Newton steps until the violation (61) is small, or shrinks too little: steps, violation, rows of L known."""
    L, face, known = factor
    l1, l2, more, u, slope, sign, trial, now = columns
    tol, rate, worst, limit = goal
    steps = 0
    while worst > tol and steps < limit:
        for j in range(len(u)):
            u[j], slope[j] = trial[j], now[j]
        moved, dropped = 0, False
        for _ in range(_ROUNDS):  # to the minimum of (63)
            entered, size = False, 0
            for j in range(len(u)):
                left, side = 0.0, sign[j]  # nothing is left on a face that was solved on, unless a column was dropped
                if moved == 0 or dropped != (side == 0.0):
                    left = slope[j] - more[j] * (trial[j] - u[j])
                    for i in range(moved):
                        left -= H[j, i] * (trial[i] - u[i])
                    if side == 0.0 and abs(left) > l1[j] * (1.0 + _SLACK):
                        entered, side = True, copysign(1.0, left)
                    left -= l1[j] * side
                if side != 0.0:
                    if size < known and face[size] != j:
                        known = size
                    face[size], now[size], size = j, left, size + 1
                sign[j] = side
            if moved > 0 and not (entered or dropped):
                break
            for i in range(min(known, size), size + 1):
                row = face[i]
                for j in range(min(i + 1, size)):
                    left = H[row, face[j]] if i < size else now[j]
                    for m in range(j):
                        left -= L[i, m] * L[j, m]
                    L[i, j] = left / L[j, j] if i != j else sqrt(left + more[row])
            known, moved, dropped = size, len(u), False
            for m in range(size):
                i = size - 1 - m
                left = L[size, i] / L[i, i]
                for j in range(i):
                    L[size, j] -= left * L[i, j]
                row = face[i]
                left += trial[row]
                if l1[row] * left * sign[row] < 0.0:
                    left, sign[row], dropped = 0.0, 0.0, True
                trial[row] = left
        evaluate(Z, face, known, rows, trial)
        worst, before = 0.0, worst
        for j in range(len(u)):
            left = -l2[j] * trial[j]
            for m in range(Z.shape[1]):
                left += Z[j, m] * rows[4][m]
            now[j], side = left, sign[j]
            off = abs(left - l1[j] * side) - l1[j] * (1.0 - side * side)  # on the face, or off it
            if not off <= worst and worst == worst:  # what is not a number stays
                worst = off
        if not worst <= rate * before:  # nor is it taken
            return steps, before, known
        steps += 1
    return steps, worst, known
