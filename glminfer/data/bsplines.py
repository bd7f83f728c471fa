"""B-spline basis functions and their derivatives, by the Cox–de Boor recursion (de Boor 1978, chapter X)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def basis(knots: Floats, degree: int, x: Floats) -> Floats:
    """All B-splines of one degree at x.

    Parameters
    ----------
    knots : (m,) array
        Increasing, each end repeated ``degree + 1`` times.
    degree : int
        3 for cubic splines.
    x : (n,) array
        Beyond the ends the first and the last polynomial piece go on.

    Returns
    -------
    (n, m - degree - 1) array
        One column per B-spline; each row sums to 1.
    """
    interval = _interval(knots, x)
    values = np.zeros((x.size, knots.size - degree - 1))
    columns = (interval - degree)[:, None] + np.arange(degree + 1)
    np.put_along_axis(values, columns, _nonzero(knots, degree, x, interval), axis=1)
    return values


def _interval(knots: Floats, x: Floats) -> NDArray[np.intp]:
    """Index i with knots[i] ≤ x < knots[i + 1], never an empty interval; the last one is closed."""
    first = np.searchsorted(knots, knots[0], side="right") - 1
    last = np.searchsorted(knots, knots[-1], side="left") - 1
    return np.clip(np.searchsorted(knots, x, side="right") - 1, first, last)


def _nonzero(knots: Floats, degree: int, x: Floats, interval: NDArray[np.intp]) -> Floats:
    """The degree + 1 B-splines that do not vanish on the interval of each x."""
    values = np.zeros((degree + 1, x.size))
    values[0] = 1.0
    for d in range(1, degree + 1):
        carried = np.zeros_like(x)
        for r in range(d):
            left, right = knots[interval + r + 1 - d], knots[interval + r + 1]
            share = values[r] / (right - left)
            values[r] = carried + (right - x) * share
            carried = (x - left) * share
        values[d] = carried
    return values.T


def derivative(knots: Floats, degree: int, x: Floats, order: int) -> Floats:
    """Derivatives of all B-splines at x.

    B′_{i,d} = d·B_{i,d−1} / (t_{i+d} − t_i) − d·B_{i+1,d−1} / (t_{i+d+1} − t_{i+1}), and so on for higher orders.
    """
    if order == 0:
        return basis(knots, degree, x)
    span = knots[degree:] - knots[:-degree]
    weight = np.divide(degree, span, out=np.zeros_like(span), where=span > 0)
    terms = derivative(knots, degree - 1, x, order - 1) * weight
    return terms[:, :-1] - terms[:, 1:]
