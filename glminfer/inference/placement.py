"""Values of used rows put back in the place of the rows given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from glminfer.fit.records import FitRecord
from glminfer.numerics.blocks import Array


def placed(fit: FitRecord, values: Array, name: str) -> pd.Series:
    """A Series over all rows given; rows that were not used hold NaN."""
    _, sample = fit.with_rows()
    return pd.Series(spread(values, sample.used, sample.columns.n), index=sample.columns.index, name=name)


def spread(values: Array, where: np.ndarray, n: int) -> Array:
    """Values at their positions among n rows, NaN elsewhere."""
    if len(values) == n:
        return values
    out = np.full(n, np.nan)
    out[where] = values
    return out
