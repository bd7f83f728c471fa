"""Columns whose squares double precision cannot hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import DataError
from glminfer.numerics.mixed import Mixed

_LEAST, _MOST = 1e-290, 1e290  # sums of squares between these leave room for weights and products of columns
_PIECES = 1e10  # more than there are


def refuse_extreme(X: NDArray[np.float64], squares: NDArray[np.float64], names: Sequence[str]) -> None:
    """Raise when the sum of squares of a column overflows, or vanishes although the column is not zero."""
    if not ordinary(squares).all():
        refuse_sizes(squares, np.abs(X).max(axis=0, initial=0.0), names)


def largest_of(X: NDArray[np.float64] | Mixed, squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest absolute value of each column of a piece where the sums of squares leave any doubt, else zeros."""
    if ((squares >= _LEAST) & (squares <= _MOST / _PIECES)).all():
        return np.zeros(X.shape[1])
    if isinstance(X, Mixed):
        return X.largest()
    return np.asarray(np.abs(X).max(axis=0, initial=0.0))


def refuse_sizes(squares: NDArray[np.float64], largest: NDArray[np.float64], names: Sequence[str]) -> None:
    """The same from the sum of squares and the largest absolute value of each column."""
    for j in np.flatnonzero(~ordinary(squares) & (largest > 0)).tolist():
        raise _extreme(names[j], float(largest[j]))


def ordinary(squares: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which sums of squares leave room for weights and products of columns."""
    return (squares >= _LEAST) & (squares <= _MOST)


def _extreme(name: str, largest: float) -> DataError:
    if np.isinf(largest):
        return DataError(
            f"{name} is a product too large for double precision (above 1.8e+308). Rescale the columns it is made of: "
            "divide them by a power of ten."
        )
    size, verb = ("as large as", "overflow") if largest > 1 else ("no larger than", "vanish in")
    return DataError(
        f"{name} is {size} {largest:.3g} (in absolute value), and its squares {verb} double precision. Rescale the "
        f"column: divide it by 1e{np.floor(np.log10(largest)):+04.0f}."
    )
