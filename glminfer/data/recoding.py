"""The same design with other contrasts: what a test that must not depend on the coding is computed on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from patsy.contrasts import Sum

from glminfer.data.coding import coded
from glminfer.data.design import Design, Sample
from glminfer.data.reading import Given


def sum_coded(design: Design) -> Design:
    """The design with every contrast replaced by sum-to-zero contrasts; terms keep their slices."""
    factors = {
        text: replace(factor, reduced=coded(text, factor.levels, Sum, False)) if factor.reduced is not None else factor
        for text, factor in design.factors.items()
    }
    return replace(design, factors=factors, offsets={}, given=Given())


def recoded_columns(design: Design, sample: Sample, data: Any) -> NDArray[np.float64]:
    """The used rows of the data in the columns of a recoded design."""
    new = design.block(data)
    return np.asarray(new.X[np.searchsorted(new.keep, sample.used)])
