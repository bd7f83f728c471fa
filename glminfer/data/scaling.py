"""Centring and scaling by the mean and standard deviation of the rows a model was fitted to, all or by session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.values import UnseenLevels, known_rows, labels_of, numbers_of, shown
from glminfer.data.values import distinct as distinct_values
from glminfer.errors import DataError, FormulaError, counted, every

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """What is subtracted, and by what the rest is divided; one number per column."""

    shift: Floats
    scale: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ScalingBySession:
    """A `Scaling` for each session: ``shift`` and ``scale`` have one row for each of the levels."""

    levels: tuple[Any, ...]
    shift: Floats
    scale: Floats


def learn_center(x: Any, *, by: Any = None) -> Scaling | ScalingBySession:
    """Mean of each column."""
    return _each(x, by, lambda known, _: _centred(known))


def learn_standardize(
    x: Any, center: bool = True, rescale: bool = True, ddof: int = 0, *, by: Any = None
) -> Scaling | ScalingBySession:
    """Mean and standard deviation of each column; ``ddof=1`` divides by n − 1, as R does."""
    return _each(x, by, lambda known, where: _standardized(known, where, center, rescale, ddof))


def _centred(known: Floats) -> Scaling:
    mean = known.mean(axis=0)
    return Scaling(mean, np.ones_like(mean))


def _standardized(known: Floats, where: str, center: bool, rescale: bool, ddof: int) -> Scaling:
    mean = known.mean(axis=0)
    scale = _standard_deviation(known, mean, ddof, where) if rescale else np.ones_like(mean)
    return Scaling(mean if center else np.zeros_like(mean), scale)


def _each(x: Any, by: Any, learn: Callable[[Floats, str], Scaling]) -> Scaling | ScalingBySession:
    """Learn from all rows, or from those of each session."""
    values = numbers_of(x)
    if by is None:
        return learn(known_rows(values), "")
    codes, levels = _sessions(by)
    order = np.argsort(codes, kind="stable")
    parts = np.split(values[order], np.flatnonzero(np.diff(codes[order])) + 1)
    used = [levels[code] for code in np.unique(codes)]
    found = [
        learn(known_rows(part), f" where by= is {shown([level])}") for level, part in zip(used, parts, strict=True)
    ]
    return ScalingBySession(tuple(used), np.array([s.shift for s in found]), np.array([s.scale for s in found]))


def _sessions(by: Any) -> tuple[NDArray[Any], tuple[Any, ...]]:
    if not hasattr(by, "codes") and np.ndim(by) != 1:
        raise FormulaError(f"by={by!r} is no column; write its name without quotes, by=session.")
    return labels_of(by) or distinct_values(np.asarray(by))


def _standard_deviation(x: Floats, mean: Floats, ddof: int, where: str) -> Floats:
    _refuse_constant(x, where)
    if len(x) <= ddof:
        raise DataError(f"ddof={ddof} needs more than {counted(ddof, 'row')}{where}, and was given {len(x)}.")
    return np.asarray(np.sqrt(np.sum((x - mean) ** 2, axis=0) / (len(x) - ddof)))


def _refuse_constant(x: Floats, where: str) -> None:
    """Compare the extremes: rounding gives the standard deviation of a constant some tiny value."""
    constant = np.atleast_1d(x.min(axis=0) == x.max(axis=0))
    if constant.any():
        value = np.atleast_1d(x[0])[constant][:1].tolist()
        raise DataError(
            f"the column is {shown(value)} in {every(len(x), 'row')}{where} and has no standard deviation. "
            + ("Leave these rows out with subset=." if where else "Leave it out.")
        )


def apply_scaling(scaling: Scaling | ScalingBySession, x: Any, *_: Any, by: Any = None, **__: Any) -> Floats:
    """The columns in learned units."""
    values = numbers_of(x)
    if isinstance(scaling, Scaling):
        return (values - scaling.shift) / scaling.scale
    at = _learned_places(scaling, by)
    return (values - scaling.shift[at]) / scaling.scale[at]


def _learned_places(scaling: ScalingBySession, by: Any) -> NDArray[np.intp]:
    codes, levels = _sessions(by)
    place = {level: i for i, level in enumerate(scaling.levels)}
    at: NDArray[np.intp] = np.array([place.get(level, -1) for level in levels], dtype=np.intp)[codes]
    if (at < 0).any():
        found = [levels[code] for code in np.unique(codes[at < 0])]
        raise UnseenLevels(
            f"by= is {shown(found)} in {counted(int((at < 0).sum()), 'row')} of the new data, which was not there when "
            "the model was fitted, so its mean and standard deviation are not known. Leave these rows out, use "
            "unseen='nan' to get NaN for them, or standardize within sessions in the frame before fitting.",
            at < 0,
        )
    return at
