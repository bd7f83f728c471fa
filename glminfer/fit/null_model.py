"""The model of a constant and the offset, which others are compared with (27)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glminfer.data.rows import Rows
from glminfer.errors import Status
from glminfer.fit.starts import constants, cooled_start
from glminfer.numerics import kernels
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution, maximise
from glminfer.numerics.objectives import NullLikelihood


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all rows: weights, weight of the events, rows of zero weight, rows with an offset."""

    weight: float
    events: float
    silent: float
    shifted: float

    @property
    def mean(self) -> float:
        """The share of events."""
        return self.events / self.weight


def null_loglik(raw: Rows, fam: Family, has_intercept: bool, totals: Totals) -> float:
    """Log-likelihood of a constant and the offset; of the offset alone when the formula has no intercept (27)."""
    if not has_intercept:
        return float(NullLikelihood(raw, fam)(np.zeros((1, 1))).loglik[0])
    if not totals.shifted:
        mean = totals.mean
        return float(totals.weight * (mean * np.log(mean) + (1 - mean) * np.log1p(-mean)))
    return shifted_null_loglik(raw, fam)


def shifted_null_loglik(raw: Rows, fam: Family) -> float:
    """The same of a constant beside offsets, however far apart these lie."""
    found: list[Solution] = []
    for at in constants(raw, fam):
        found.append(maximise(NullLikelihood(raw, fam), at[None], Control(), patient=True))
        if fam.concave and found[-1].status[0] is Status.CONVERGED:
            return float(found[-1].terms.loglik[0])
    cooled = cooled_start(raw.with_columns(kernels.ones), fam)
    if cooled is not None:
        found.append(maximise(NullLikelihood(raw, fam), cooled[None], Control(), patient=True))
    return max(float(one.terms.loglik[0]) for one in found)
