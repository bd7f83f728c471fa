"""Full refits without each cluster, as one batch of Newton fits over the same rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import DataError, Status
from glminfer.fit import separation
from glminfer.fit.records import FitRecord, weight_unit
from glminfer.inference.clusters import Grouping
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control, maximise, newton_step
from glminfer.numerics.scores import LeftOut

_AT_ONCE = 4_000_000  # linear predictors held at once
_NAMED = 3  # clusters spelled out in a message


def jackknife(fit: FitRecord, way: Grouping) -> Array:
    """Working coefficients of the refits without each cluster, (G, r).

    Raises
    ------
    DataError
        If one of them has no finite maximum; the message names the clusters.
    """
    rows, _ = fit.with_rows()
    step = max(32, _AT_ONCE // max(rows.n, 1))
    found = [_refits(fit, way, np.arange(k, min(k + step, way.count))) for k in range(0, way.count, step)]
    return np.concatenate(found)


def _refits(fit: FitRecord, way: Grouping, out: NDArray[np.intp]) -> Array:
    rows, _ = fit.with_rows()
    objective = LeftOut(rows.grouped(way.codes), fit.family, out)
    start = np.repeat(fit.working[None], len(out), axis=0)
    solution = maximise(objective, start, Control(), unit=weight_unit(fit))
    step, distance = newton_step(solution.terms)
    done = np.array([status is Status.CONVERGED for status in solution.status])
    with np.errstate(over="ignore", invalid="ignore"):
        certain = done & (objective.existence(solution.coef) * np.maximum(distance, 1e-14) ** 2 < 0.5)
    found, lost = solution.coef + np.where(done[:, None], step, 0.0), []  # the last step needs no check: it is rounding
    for k in np.flatnonzero(~certain):
        again = _looked_into(fit, way, int(out[k]), solution.coef[k])
        if again is None:
            lost.append(int(out[k]))
        else:
            found[k] = again
    _refuse(way, lost, way.count)
    return found


def _looked_into(fit: FitRecord, way: Grouping, code: int, coef: Array) -> Array | None:
    """A refit that is not certain to be at a finite maximum: finished patiently if there is one, None if not."""
    if not _finite(fit, way, code, coef):
        return None
    rows, _ = fit.with_rows()
    objective = LeftOut(rows.grouped(way.codes), fit.family, np.array([code]))
    solution = maximise(objective, coef[None], Control(), patient=True, unit=weight_unit(fit))
    return solution.coef[0] if solution.status[0] is Status.CONVERGED else None


def _finite(fit: FitRecord, way: Grouping, code: int, coef: Array) -> bool:
    """Whether no direction of recession exists without one cluster (17)."""
    rows, _ = fit.with_rows()
    kept = (rows.values("weights")[:, 0] > 0) & (way.codes != code)
    close = rows.map(kernels.suspicion, coef[None], fit.family)
    return separation.find(rows.values("X")[kept], rows.values("y")[kept, 0], close[kept]) is None


def _refuse(way: Grouping, lost: list[int], total: int) -> None:
    if not lost:
        return
    named = ", ".join(way.label(code) for code in lost[:_NAMED])
    more = f" (and {len(lost) - _NAMED} more of {total})" if len(lost) > _NAMED else ""
    raise DataError(
        f"cov='jackknife' refits without each cluster, and without {named}{more} some estimates are infinite or "
        "cannot be told apart. Use cov='CR3', one Newton step of the same refits, or cov='CR2'."
    )
