"""Centring and scaling by the mean and standard deviation of the rows a model was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.values import known_rows, numbers_of, shown
from glminfer.errors import DataError, counted

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """What is subtracted, and by what the rest is divided; one number per column."""

    shift: Floats
    scale: Floats


def learn_center(x: Any) -> Scaling:
    """Mean of each column."""
    mean = known_rows(numbers_of(x)).mean(axis=0)
    return Scaling(mean, np.ones_like(mean))


def learn_standardize(x: Any, center: bool = True, rescale: bool = True, ddof: int = 0) -> Scaling:
    """Mean and standard deviation of each column; ``ddof=1`` divides by n − 1, as R does."""
    known = known_rows(numbers_of(x))
    mean = known.mean(axis=0)
    scale = _standard_deviation(known, mean, ddof) if rescale else np.ones_like(mean)
    return Scaling(mean if center else np.zeros_like(mean), scale)


def _standard_deviation(x: Floats, mean: Floats, ddof: int) -> Floats:
    _refuse_constant(x)
    if len(x) <= ddof:
        raise DataError(f"ddof={ddof} needs more than {counted(ddof, 'row')}, and was given {len(x)}.")
    return np.asarray(np.sqrt(np.sum((x - mean) ** 2, axis=0) / (len(x) - ddof)))


def _refuse_constant(x: Floats) -> None:
    """Compare the extremes: rounding gives the standard deviation of a constant some tiny value."""
    constant = np.atleast_1d(x.min(axis=0) == x.max(axis=0))
    if constant.any():
        value = np.atleast_1d(x[0])[constant][:1].tolist()
        raise DataError(
            f"the column is {shown(value)} in all {counted(len(x), 'row')} and has no standard deviation. Leave it out."
        )


def apply_scaling(scaling: Scaling, x: Any, *_: Any, **__: Any) -> Floats:
    """The columns in learned units."""
    return (numbers_of(x) - scaling.shift) / scaling.scale
