"""Whether the columns of one fit are among, or combinations of, those of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import InputError
from glminfer.fit.records import FitRecord
from glminfer.inference import terms as term_names
from glminfer.numerics.blocks import Array

_ROWS = 4096  # looked at: what is a combination in all rows is one in some of them
_NUMBERS = 1 << 25  # of their columns
_WIDE = 200  # columns from which terms of the same names are taken for the same
_SAME = 1e-7  # length of what is left of a column, relative to the column
_NAMED = 3


def refuse_unless_nested(small: FitRecord, large: FitRecord) -> None:
    """Refuse the likelihood ratio of fits where no restriction of the larger gives the smaller.

    Raises
    ------
    InputError
        If some column of the smaller is no combination of those of the larger.
    """
    if len(large.columns) > _WIDE and set(term_names.names(small)) <= set(term_names.names(large)):
        return
    outside = _outside(small, large)
    if outside:
        more = f" and {len(outside) - _NAMED} more" if len(outside) > _NAMED else ""
        raise InputError(
            f"{small.design.formula.text!r} is not nested in {large.design.formula.text!r}: no combination of the "
            f"other's columns makes {', '.join(outside[:_NAMED])}{more}, and the likelihood ratio of such models has "
            "no χ² distribution. Compare them by AIC (fit.aic), or each with a model that contains both."
        )


def _outside(small: FitRecord, large: FitRecord) -> list[str]:
    """Columns of a fit that are no combination of those of a larger one, in an even part of the rows."""
    n = small.with_rows()[0].n
    few = min(n, max(_ROWS, 2 * len(large.columns)), max(_NUMBERS // (len(small.columns) + len(large.columns)), 1))
    places = np.unique(np.linspace(0, n - 1, few).astype(np.intp))
    X, Z = _columns(large, places), _columns(small, places)
    left = np.linalg.norm(Z - X @ np.linalg.lstsq(X, Z)[0], axis=0)
    assert small.space is not None
    return [small.columns[j] for j, size in zip(small.space.basis.kept, left, strict=True) if size > _SAME]


def _columns(fit: FitRecord, places: NDArray[np.intp]) -> Array:
    """Independent columns of some rows of positive weight, each of length one."""
    sample = fit.with_rows()[1]
    assert fit.space is not None
    X = fit.space.rows.some(places).X[np.asarray(sample.weights)[places] > 0]
    sizes = np.linalg.norm(X, axis=0)
    return np.asarray(X / np.where(sizes > 0, sizes, 1.0))
