"""Does the likelihood have a maximum? A proof that it has, a direction that shows it has not, or a linear programme."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np

from glminfer.data.rows import MemoryRows, Rows
from glminfer.data.rows_coded import in_codes
from glminfer.fit import separation, separation_coded
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Solution, newton_step

Apart: TypeAlias = tuple[separation.Mask, separation.Recession]  # separated rows, and where they go


def exists(rows: Rows, fam: Family, solution: Solution, unit: float = 1.0) -> bool:
    """The certificate: no row is fitted so perfectly that a direction of recession could pass through it (16).

    A decrement is known to a rounding that goes with the size of the weights, ``unit``.
    """
    own = solution.terms.curvature is solution.terms.information
    expected = solution.decrement[0] if own else newton_step(_expected(solution))[1][0]
    if not np.isfinite(expected):
        return False
    expected = max(expected, 1e-14 * float(np.sqrt(unit)))
    if _certain(_extent(rows, solution), fam, expected):
        return True
    bound = float(rows.sum(kernels.existence, solution.coef, fam)[0])
    return bool(bound * expected**2 < 0.5)  # the bound is sharp: leave room for rounding


def _extent(rows: Rows, solution: Solution) -> kernels.Extent:
    """How far the rows reach at the solution: the last pass over them has looked most often."""
    if solution.terms.reach is None:
        return cast(kernels.Extent, rows.sum(kernels.extent, solution.coef))
    weights: kernels.Extent = rows.sum(kernels.least_weight)
    return replace(weights, eta=float(solution.terms.reach[0]))


def _certain(extent: kernels.Extent, fam: Family, decrement: float) -> bool:
    """The certificate for all rows at once: none has a smaller residual than one at the ends would have (121)."""
    ends = np.array([extent.eta, -extent.eta])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        odds = fam.survival(ends) / fam.mean(ends)
        least = extent.weight * np.minimum(odds[0], 1.0 / odds[1])
    return bool(least > 2 * decrement**2)


def _expected(solution: Solution) -> Any:
    terms = solution.terms
    return type(terms)(terms.loglik, terms.score, terms.information, terms.information)


def along_step(rows: Rows, solution: Solution) -> Apart | None:
    """Rows that the next Newton step separates, if it does; there may be more.

    Where the maximum is at infinity Newton moves separated rows by one or more in each step, and the others ever less.
    """
    if rows.coded is not None:  # their programme is about levels, and cheap
        return None
    once, kinds = rows.distinct()
    found = along_moves(once, once.whole.X @ newton_step(_expected(solution))[0][0])
    return None if found is None else (found[0][kinds], found[1])


def along_moves(rows: Rows, moves: Array) -> Apart | None:
    """The same, given what a step does to the linear predictor of each row in memory."""
    if not isinstance(rows, MemoryRows) or not np.isfinite(moves).all():
        return None
    used = rows.whole.weights[:, 0] > 0
    found = separation.along(rows.whole.X[used], rows.whole.y[used, 0], moves[used])
    return None if found is None else (_spread(found[0], used), found[1])


def by_programme(rows: Rows, fam: Family, solution: Solution) -> Apart | None:
    """All rows that are separated, by a linear programme (17)."""
    if rows.coded is not None:
        rows = in_codes(rows)
        mask = separation_coded.find(rows, fam, solution.coef)
        return None if mask is None else (mask, separation_coded.recession(rows, mask))
    once, kinds = rows.distinct()
    used = once.whole.weights[:, 0] > 0
    close = once.map(kernels.suspicion, solution.coef, fam)
    found = separation.find(once.whole.X[used], once.whole.y[used, 0], close[used])
    return None if found is None else (_spread(found[0], used)[kinds], found[1])


def _spread(found: separation.Mask, used: separation.Mask) -> separation.Mask:
    """A mask of the used rows as one of all rows."""
    mask = np.zeros(len(used), dtype=bool)
    mask[np.flatnonzero(used)] = found
    return mask
