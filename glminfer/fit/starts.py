"""Where the climb begins: a linear predictor that is as flat as the offset allows, near the link of the mean."""

from __future__ import annotations

import numpy as np

from glminfer.data.rows import Rows
from glminfer.numerics import kernels, linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, maximise
from glminfer.numerics.objectives import Likelihood

_NARROW = 8.0  # linear predictors that span no more than this leave every row some curvature
_COOLING = 3.0
_ROUGH = 1e-2


def flat_start(rows: Rows, fam: Family) -> Array:
    """Coefficients (r,) that bring eta = Xγ + offset nearest to one constant: no row starts saturated if possible."""
    r = rows.width
    if not r or not rows.nobs:
        return np.zeros(r)
    factored = linalg.factor(rows.sum(kernels.column_products))
    return np.zeros(r) if factored is None else linalg.solve(factored, rows.sum(kernels.towards, mean_link(rows, fam)))


def cooled_start(rows: Rows, fam: Family) -> Array | None:
    """Where to begin when offsets lie so far apart that all rows are saturated; None where they do not (130).

    With η/h in the place of η, h so large that no row is saturated, the maximum is found from anywhere. Each smaller h
    begins where the one before ended.
    """
    start = flat_start(rows, fam)
    heat = float(np.ptp(rows.map(kernels.eta, start[None]))) / _NARROW
    if not 1.0 < heat < np.inf:
        return None
    offset, coef = rows.values("offset"), start / heat
    while heat > 1.0:
        warm = Likelihood(rows.with_offset(offset / heat), fam)
        coef = maximise(warm, coef[None], Control(tol=_ROUGH, max_iter=50), patient=True).coef[0]
        cooler = max(heat / _COOLING, 1.0)
        heat, coef = cooler, coef * (heat / cooler)
    return coef


def mean_link(rows: Rows, fam: Family) -> float:
    """The link of the overall mean."""
    total, events = rows.sum(kernels.totals)[:2]
    return float(fam.quantile(np.clip(np.array(events / total), 1e-6, 1 - 1e-6)))


def constants(rows: Rows, fam: Family) -> list[Array]:
    """Starts (1,) for the null model: the link of the mean less some quantiles of the offset."""
    middle = np.quantile(rows.map(kernels.known_offsets), [0.5, 0.02, 0.25, 0.75, 0.98])
    link = mean_link(rows, fam)
    return [np.array([link - value]) for value in dict.fromkeys(middle.tolist())]
