"""Pictures of paths: coefficients against the penalty, weights of several fits side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glminfer.data.values import whole_number
from glminfer.errors import InputError, checked_keywords, counted
from glminfer.fit.path_records import PathRecord
from glminfer.fit.records import FitRecord
from glminfer.numerics.blocks import Array
from glminfer.report.plots import new_axes

if TYPE_CHECKING:
    from glminfer.report.plots import Axes

_TICKS = 10  # numbers of coefficients shown above a curve
_LINE = 0.05  # of the height, for a name
_NAMED = 40  # columns up to which a stem plot names them
_ROOM = 0.12  # of the width, for a name
_MARKED = 6  # of the largest weights, named where not all are


@checked_keywords
def plot_path(path: PathRecord, *, labels: int = 8, per_sd: bool = False, ax: Axes | None = None) -> Axes:
    """Which coefficients survive a strong penalty? All of them against λ, on a log scale that weakens to the right.

    The columns that keep a coefficient longest, as the penalty grows, are coloured and named; the others are grey. The
    axis above counts the coefficients that are not zero.

    Parameters
    ----------
    labels : int
        How many columns are named. Of those that survive equally long (all, in a ridge) the largest at that λ come
        first, per standard deviation of their column.
    per_sd : bool
        Draw coefficients per standard deviation of their column instead of per unit: comparable where units are not.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are fewer than two penalties above zero.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> path.plot(labels=1).get_xlabel()  # doctest: +SKIP
    'λ'
    """
    positive = path.lambdas > 0
    if positive.sum() < 2:
        raise InputError("A path is drawn through two penalties greater than 0 or more; fit it at more of them.")
    lambdas, coef, sd = path.lambdas[positive], path.solution.coef[positive], _spread(path)
    named = _survivors(coef * sd)[: whole_number("labels", labels, 0)]
    coef = coef * sd if per_sd else coef
    axes = new_axes(ax, 4.2)
    others = np.setdiff1d(np.flatnonzero(coef.any(axis=0)), named)
    axes.plot(lambdas, coef[:, others], color="0.8", linewidth=0.7, zorder=1)
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    for k, j in enumerate(named):
        axes.plot(lambdas, coef[:, j], color=f"C{k % 10}", linewidth=1.4, zorder=2)
    axes.set_xscale("log")
    axes.set_xlim(lambdas[0], lambdas[-1])
    axes.set_xlabel("λ")
    axes.set_ylabel(f"coefficient (log odds per {'standard deviation' if per_sd else 'unit'})")
    _name_at_the_end(axes, [path.names[j] for j in named], coef[-1, named])
    count_above(axes, lambdas, path.n_nonzero[positive])
    return axes


def _spread(path: PathRecord) -> Array:
    """Standard deviations of the columns (p,)."""
    rows, _ = path.with_rows()
    share = rows.weights / rows.weights.sum()
    return np.asarray(np.sqrt(share @ (rows.X - share @ rows.X) ** 2))


def _survivors(coef: Array) -> np.ndarray:
    """Columns of a path (L, p) by the largest penalty at which they have a coefficient, then by its size there."""
    alive = coef != 0
    first = np.where(alive.any(axis=0), alive.argmax(axis=0), len(coef))
    size = np.abs(coef[np.minimum(first, len(coef) - 1), np.arange(coef.shape[1])])
    order = np.lexsort((-size, first))
    return order[first[order] < len(coef)]


def _name_at_the_end(axes: Any, names: Sequence[str], ends: Array) -> None:
    """Names beside the ends of their curves, moved apart where they would run into each other."""
    low, high = axes.get_ylim()
    heights = (ends - low) / (high - low)
    for k, (name, y) in enumerate(zip(names, _apart(heights, _LINE), strict=True)):
        style = {"color": f"C{k % 10}", "fontsize": "small", "va": "center"}
        line = {"arrowstyle": "-", "color": f"C{k % 10}", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
        line["relpos"] = (0.0, 0.5)  # from the middle of its left side
        axes.annotate(name, (1.0, heights[k]), (1.03, y), "axes fraction", "axes fraction", arrowprops=line, **style)


def _apart(heights: Array, gap: float) -> Array:
    """Heights at least a gap from each other, in the same order, as near as one sweep up and one down leaves them."""
    moved, order = heights.copy(), np.argsort(heights, kind="stable")
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    moved[order] -= np.mean(moved - heights) if len(order) else 0.0
    return moved


def count_above(axes: Any, lambdas: np.ndarray, n_nonzero: np.ndarray) -> None:
    """The number of coefficients on the axis above, at some of the penalties."""
    at = np.unique(np.linspace(0, len(lambdas) - 1, _TICKS).round().astype(int))
    above = axes.secondary_xaxis("top")
    above.set_xticks(lambdas[at], [str(k) for k in n_nonzero[at]])
    above.minorticks_off()
    above.set_xlabel("coefficients different from zero", fontsize="small")
    above.tick_params(labelsize="small")


@checked_keywords
def plot_weights(
    weights: Mapping[str, Any], *, sd: Mapping[str, float] | pd.Series | None = None, ax: Sequence[Axes] | None = None
) -> list[Axes]:
    """How do several fits weigh the same columns? One stem plot for each, side by side, in one order of columns.

    Parameters
    ----------
    weights : dict
        Label to a fit, or to coefficients by name, such as ``path.coef_at(0.1)``. Intercepts are left out; infinite
        and missing weights are not drawn.
    sd : Series or dict, optional
        Standard deviations of the columns by name: weights are drawn per standard deviation instead of per unit, so
        that columns of different units compare.
    ax : sequence of Axes, optional
        Where to draw, one for each; a new figure by default.

    Returns
    -------
    list of Axes

    Raises
    ------
    InputError
        If there is nothing to draw, a standard deviation is missing, or there is not one Axes for each.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> len(gi.plot_weights({"weak": path.coef_at(0.01), "strong": path.coef_at(0.1)}))  # doctest: +SKIP
    2
    """
    table = _weights(weights)
    if sd is not None:
        table = table.mul(_known(pd.Series(sd), table.index), axis=0)
    panels = _panels(ax, len(table.columns))
    for axes, label in zip(panels, table, strict=True):
        _stems(axes, str(label), table[label])
    panels[0].set_ylabel(f"weight (log odds per {'unit' if sd is None else 'standard deviation'})")
    return panels


def _weights(weights: Mapping[str, Any]) -> pd.DataFrame:
    """One column for each fit, one row for each coefficient."""
    named = {label: _coefficients(value, label) for label, value in weights.items()}
    terms = list(dict.fromkeys(term for one in named.values() for term in one.index))
    if not terms:
        raise InputError("There is no weight to draw: give a dict of fits or of coefficients by name.")
    return pd.DataFrame({label: one.reindex(terms) for label, one in named.items()}, index=terms)


def _known(sd: pd.Series, terms: pd.Index) -> pd.Series:
    gone = terms.difference(sd.index, sort=False)
    if len(gone):
        raise InputError(f"sd= has no value for {counted(len(gone), 'column')}, {gone[0]!r} the first; give them all.")
    return sd[terms].astype(float)


def _coefficients(value: Any, label: str) -> pd.Series:
    found = pd.Series(value.values, value.columns) if isinstance(value, FitRecord) else value
    if not isinstance(found, pd.Series):
        raise InputError(
            f"{label!r} is {type(value).__name__}; give a fit, or coefficients by name such as path.coef_at(0.1)."
        )
    return found[[name for name in found.index if name != "Intercept"]].astype(float)


def _panels(ax: Sequence[Axes] | None, count: int) -> list[Axes]:
    if ax is not None:
        panels = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(panels) != count:
            raise InputError(f"ax= has {len(panels)} Axes for {counted(count, 'fit')}; give one for each.")
        return panels
    first = new_axes(None, 3.2, width=3.4 * count, panels=count)
    return list(first.figure.axes)


def _stems(axes: Any, label: str, values: pd.Series) -> None:
    """Stems of one fit; the largest are named where there are too many to name all."""
    found = values.to_numpy()
    at = np.flatnonzero(np.isfinite(found) & (found != 0))
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    axes.vlines(at, 0.0, found[at], color="C0", linewidth=1.0 if len(found) <= 4 * _NAMED else 0.6)
    axes.plot(at, found[at], "o", color="C0", markersize=3.5 if len(found) <= _NAMED else 2.0)
    axes.set_title(f"{label}: {len(at):,} of {len(found):,} not zero", fontsize="medium")
    axes.set_xlim(-0.5, len(found) - 0.5)
    axes.margins(y=0.12)
    if len(found) <= _NAMED:
        axes.set_xticks(range(len(found)), list(values.index), rotation=90, fontsize="small")
        return
    axes.set_xlabel("column")
    for j in _distant(at[np.argsort(-np.abs(found[at]), kind="stable")], found):
        place = (0, 3) if found[j] > 0 else (0, -10)
        axes.annotate(values.index[j], (j, found[j]), place, textcoords="offset points", ha="center", fontsize=7)


def _distant(ordered: np.ndarray, found: np.ndarray) -> list[int]:
    """The first few columns whose names do not run into each other."""
    chosen: list[int] = []
    for j in ordered:
        near = [k for k in chosen if abs(k - j) < _ROOM * len(found) and found[k] * found[j] > 0]
        chosen += [] if near else [int(j)]
        if len(chosen) == _MARKED:
            break
    return chosen
