"""Newton steps of a path in plain loops: what ``compiled`` makes fast where calling NumPy takes longer than computing.

The same steps as in ``active_set`` and ``working_set``. Loops are few, because each takes time to compile; nothing is
allocated, and results are written into arrays that are given. ``columns`` are eight arrays (k,): l1, l2, coefficients,
scores, those of the trial, signs, 1 for active columns, and room for a vector.
"""

from __future__ import annotations

from math import exp, sqrt

from glminfer.numerics.blocks import Array
from glminfer.numerics.standardised import Indices

_ROUNDS = 12  # of changing signs, then the caller goes on (as in active_set.py)
_SLACK = 1e-10
_PROXIMAL = 1e-10  # the smallest in working_set.py

Columns = tuple[Array, Array, Array, Array, Array, Array, Array, Array]


def solve(H: Array, l2: Array, L: Array, face: Indices, first: int, size: int, b: Array) -> None:
    """(H_AA + diag l2)⁻¹ b in place of b; the Cholesky factor is known up to row ``first``. NaN where there is none."""
    for i in range(first, size):
        for j in range(i + 1):
            left = H[face[i], face[j]]
            for m in range(j):
                left -= L[i, m] * L[j, m]
            if j == i:
                left += _PROXIMAL * H[face[i], face[i]] + l2[face[i]]
            L[i, j] = sqrt(left) if j == i else left / L[j, j]
    for i in range(size):
        left = b[i]
        for m in range(i):
            left -= L[i, m] * b[m]
        b[i] = left / L[i, i]
    for i in range(size - 1, -1, -1):
        left = b[i] / L[i, i]
        b[i] = left
        for m in range(i):
            b[m] -= left * L[i, m]


def evaluate(
    Z: Array, outcome: tuple[Array, Array, Array], u: Array, face: Indices, size: int, eta: Array, residual: Array
) -> None:
    """Linear predictor and weighted residual of the coefficients u, which are zero off the face."""
    y, weights, offset = outcome
    for m in range(len(y)):
        eta[m] = offset[m]
    for i in range(size):
        j = face[i]
        value = u[j]
        for m in range(len(y)):
            eta[m] += value * Z[j, m]
    for m in range(len(y)):
        small = exp(-abs(eta[m]))
        large = 1.0 / (1.0 + small)
        residual[m] = weights[m] * (y[m] - (large if eta[m] >= 0.0 else small * large))


def minimum(H: Array, L: Array, face: Indices, known: int, columns: Columns) -> int:
    """The minimum of (63) around the coefficients, as trial, and the size of its face: ``active_set.solve``."""
    l1, l2, u, score, trial, sign, on, b = columns
    changed, rounds, size = True, 0, 0
    while changed and rounds < _ROUNDS:
        rounds += 1
        changed, size = False, 0
        for j in range(len(u)):
            trial[j] = 0.0
            if on[j] != 0.0:
                if size < known and face[size] != j:
                    known = size
                face[size] = j
                b[size] = score[j] - l1[j] * sign[j] - l2[j] * u[j]
                size += 1
        for j in range(len(u)):
            if on[j] == 0.0 and u[j] != 0.0:
                for i in range(size):
                    b[i] += H[j, face[i]] * u[j]
        solve(H, l2, L, face, min(known, size), size, b)
        known = size
        for i in range(size):
            j = face[i]
            trial[j] = u[j] + b[i]
            if l1[j] > 0.0 and trial[j] * sign[j] < 0.0:
                changed, on[j] = True, 0.0
        if not changed and size < len(u):
            for j in range(len(u)):
                if on[j] == 0.0:
                    slope = score[j]
                    for i in range(len(u)):
                        slope -= H[j, i] * (trial[i] - u[i])
                    if abs(slope) > l1[j] * (1.0 + _SLACK):
                        changed, on[j], sign[j] = True, 1.0, 1.0 if slope > 0.0 else -1.0
    return size


def settle(
    Z: Array,
    H: Array,
    L: Array,
    face: Indices,
    known: int,
    outcome: tuple[Array, Array, Array],
    state: tuple[Array, Array],
    columns: Columns,
    goal: tuple[float, float, float],
    limit: int,
) -> tuple[int, float, int]:
    """Newton steps until the violation (61) is within a tolerance, or a step shrinks it too little.

    Parameters
    ----------
    Z : (k, n)
        The working columns, each contiguous.
    H, L : (room, room)
        Their curvature, and the Cholesky factor of its face.
    face : (room,)
        Columns of the face.
    known : int
        Rows of the factor that are known.
    outcome : three of (n,)
        Outcome, weights, offset.
    state : two of (n,)
        Linear predictor and residual: room for those of a trial.
    columns : eight of (k,)
        Penalties; coefficients and scores, which are moved on; room.
    goal : tuple
        The tolerance, the factor that each step should shrink the violation by, and the violation now.
    limit : int
        Most steps.

    Returns
    -------
    tuple
        Steps, violation, rows of the factor known.
    """
    l1, l2, u, score, trial, sign, on, b = columns
    eta, residual = state
    tol, rate, worst = goal
    steps = 0
    while worst > tol and steps < limit:
        for j in range(len(u)):
            sign[j] = 1.0 if (u[j] if u[j] != 0.0 else score[j]) > 0.0 else -1.0
            on[j] = 1.0 if l1[j] == 0.0 or u[j] != 0.0 or abs(score[j]) > l1[j] else 0.0
        known = minimum(H, L, face, known, columns)
        evaluate(Z, outcome, trial, face, known, eta, residual)
        now = 0.0
        for j in range(len(u)):
            total = 0.0
            for m in range(len(eta)):
                total += Z[j, m] * residual[m]
            b[j] = total
            off = abs(total - l2[j] * trial[j] - l1[j] * sign[j]) if trial[j] != 0.0 else abs(total) - l1[j]
            if not off <= now and now == now:  # what is not a number stays
                now = off
        if not now <= rate * worst:  # nor if it is not a number
            break
        worst = now
        steps += 1
        for j in range(len(u)):
            u[j], score[j] = trial[j], b[j]
    return steps, worst, known
