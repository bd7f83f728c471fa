"""Sum-coded columns of a fit, in its working coordinates: what type III tests are computed on."""

from __future__ import annotations

import numpy as np

from glminfer.data.recoding import recoded_columns, sum_coded
from glminfer.fit.nested import Stage
from glminfer.fit.records import FitRecord
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.room import refuse_without_room
from glminfer.numerics.selection import Selection

_COPIES = 5  # of the matrix, at most, while the columns are made
_OTHERS = (
    "Wald tests need them where columns are aliased: test='LR' does not. Type II tests never do, and test the same "
    "hypotheses where no term contains another."
)


def sum_coordinates(fit: FitRecord, where: Stage) -> Array:
    """M (r, p) with X = Z M for the columns X of the fit under sum-to-zero contrasts: the same space, other columns."""
    design = sum_coded(fit.design)
    if all(f.reduced is None for f in design.factors.values()):
        return where.space.coordinates()
    _, sample = fit.with_rows()
    if isinstance(where.space.basis.T, Selection):
        n, p = sample.rows.n, len(fit.columns)
        refuse_without_room((_COPIES, n, p), f"Sum-coded columns of {n:,} rows, {p:,} columns,", _OTHERS)
    X, Z = recoded_columns(design, sample, fit.call["data"]), where.space.rows.values("X")
    used = sample.weights > 0
    X, Z = X[used], Z[used]
    factored = linalg.factor(Z.T @ Z)
    assert factored is not None
    M = linalg.solve(factored, Z.T @ X)
    M = M + linalg.solve(factored, Z.T @ (X - Z @ M))  # one refinement: the columns lie in the span exactly
    return np.where(np.abs(M) > 1e-12 * np.abs(M).max(axis=0, initial=1e-300), M, 0.0)
