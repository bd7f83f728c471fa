"""Pictures of many models: volcano plots, histograms of p-values, effects by area."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glminfer.data.formula import written
from glminfer.errors import InputError, checked_keywords, counted, nearest
from glminfer.fit.panels import FitsRecord
from glminfer.fit.singles import HOLE
from glminfer.report.many_tables import tidy
from glminfer.report.plots import new_axes

if TYPE_CHECKING:
    from glminfer.report.plots import Axes

Tests = FitsRecord | pd.DataFrame
_BELOW, _ABOVE = "0.65", "C3"  # colours of what is not, and what is, below the threshold
_SPREAD = 6.0  # an effect so many interquartile ranges outside the quartiles lies outside the picture


@checked_keywords
def plot_volcano(
    tests: Tests,
    term: str | None = None,
    *,
    threshold: float = 0.05,
    effect: float = 0.0,
    labels: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """Which of many effects are large and certain? Effects against -log10 p, one point per model.

    Parameters
    ----------
    tests : Fits or DataFrame
        Many fits, or a table from their ``tidy`` (with the covariance and the adjustment that are wanted).
    term : str, optional
        The coefficient, ``{x}`` for that of a candidate; by default the only one that is there, or the candidate's.
    threshold : float
        Of the adjusted p-value (89): the models below it are coloured, and a line is drawn at the largest of their
        p-values.
    effect : float
        Coloured are only effects at least as large as this, where two lines are drawn.
    labels : int
        How many of the coloured models are named, the most certain ones.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the term is unknown, or there is nothing to draw.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=30, seed=1)
    >>> fits = gi.logit_many("contrast_left + contrast_right", trials, outcomes=trials.filter(regex="^n") > 0)
    >>> gi.plot_volcano(fits, "contrast_right").get_xlabel()  # doctest: +SKIP
    'contrast_right (log odds)'
    """
    table, name = _rows(tests, term, ("estimate", "log10_p", "p_adjusted"))
    shown = table[np.isfinite(table.estimate) & table.log10_p.notna()]
    if not len(shown):
        raise InputError(f"There is nothing to draw: no model has an estimate of {name} with a p-value.")
    axes = new_axes(ax, 4.8)
    certain = shown.p_adjusted.to_numpy() < threshold
    passed = certain & (shown.estimate.abs().to_numpy() >= effect)
    x, height = _inside(axes, shown.estimate.to_numpy(float)), -shown.log10_p.to_numpy(float)
    for which, colour in ((~passed, _BELOW), (passed, _ABOVE)):
        axes.scatter(x[which], height[which], s=12, color=colour, linewidths=0, alpha=0.8)
    for line in {-effect, effect} if effect else {0.0}:
        axes.axvline(line, color="0.75", linewidth=1, zorder=0)
    if certain.any():
        axes.axhline(height[certain].min(), color="0.5", linewidth=1, linestyle="--", zorder=0)
    _name(axes, shown, x, height, passed, labels)
    axes.set_xlabel(f"{name} (log odds)")
    axes.set_ylabel("-log10 p")
    axes.set_ylim(bottom=0.0)
    what = f"adjusted p < {threshold:g}" + (f", effect of {effect:g} or more" if effect else "")
    axes.set_title(_told(passed, what, len(table) - len(shown)), fontsize="medium")
    return axes


@checked_keywords
def plot_p_values(
    tests: Tests, term: str | None = None, *, column: str = "p_value", bins: int = 20, ax: Axes | None = None
) -> Axes:
    """Is there anything in many tests? A histogram of p-values beside the line they would follow without any effect.

    Without effects p-values are uniform; effects add a peak near zero. A peak elsewhere says that the tests do not suit
    the data (rows that depend on each other, discrete statistics).

    Parameters
    ----------
    tests : Fits or DataFrame
        Many fits (Wald tests of one term), or any table with p-values: from ``tidy``, ``lr_test``, ``score_test`` or
        ``permutation_test``.
    term : str, optional
        As in `plot_volcano`.
    column : str
        The column of p-values.
    bins : int
        Number of bars.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the term or the column is unknown, or there is nothing to draw.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=30, seed=1)
    >>> fits = gi.logit_each("choice ~ contrast_left", trials, covariates=trials.filter(regex="^n"))
    >>> gi.plot_p_values(fits.lr_test()).get_xlabel()  # doctest: +SKIP
    'p-value'
    """
    table, name = _rows(tests, term, (column,))
    p = table[column].dropna().to_numpy(float)
    if not p.size:
        raise InputError(f"There is nothing to draw: no model has a value of {column}.")
    axes = new_axes(ax, 3.6)
    axes.hist(p, bins=bins, range=(0.0, 1.0), color="C0", alpha=0.75, edgecolor="white", linewidth=0.5)
    axes.axhline(
        len(p) / bins, color="C3", linestyle="--", label=f"no effect anywhere: {len(p) / bins:.4g} in each bar"
    )
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("p-value" if column == "p_value" else column)
    axes.set_ylabel("models")
    lost = len(table) - len(p)
    without = f"; {lost:,} without a p-value" if lost else ""
    axes.set_title(f"{name}: {counted(len(p), 'model')}{without}", fontsize="medium")
    axes.legend(frameon=False)
    return axes


@checked_keywords
def plot_by_area(
    tests: Tests,
    areas: pd.Series | Mapping[str, Any],
    term: str | None = None,
    *,
    threshold: float = 0.05,
    at_least: int = 5,
    ax: Axes | None = None,
) -> Axes:
    """Where are the effects? Estimates by area (or any other group of models), areas sorted by their median.

    Parameters
    ----------
    tests : Fits or DataFrame
        Many fits, or a table from their ``tidy``.
    areas : Series or dict
        The area of each model, by its outcome or covariate.
    term : str, optional
        As in `plot_volcano`.
    threshold : float
        Of the adjusted p-value: the models below it are coloured.
    at_least : int
        Areas with fewer estimates are left out, and said.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the term is unknown, a model has no area, or there is nothing to draw.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=30, seed=1)
    >>> fits = gi.logit_many("contrast_left + contrast_right", trials, outcomes=trials.filter(regex="^n") > 0)
    >>> areas = {name: "VISp" if name < "n015" else "MOs" for name in fits}
    >>> axes = gi.plot_by_area(fits, areas, "contrast_right")  # doctest: +SKIP
    """
    if not hasattr(areas, "keys"):
        raise InputError("areas= is a Series or dict from models to their areas; it comes before the term.")
    table, name = _rows(tests, term, ("estimate", "p_adjusted"))
    area = table.iloc[:, _place(table)].map(dict(areas))
    if area.isna().all():
        raise InputError("areas= names no area of these models; give a Series or dict from their names to areas.")
    shown = table.assign(area=area)[np.isfinite(table.estimate) & area.notna()]
    sizes = shown.groupby("area").size()
    kept = sizes[sizes >= at_least].index
    if not len(kept):
        raise InputError(f"There is nothing to draw: no area has {counted(at_least, 'estimate')} of {name}.")
    middle = shown[shown.area.isin(kept)].groupby("area").estimate.median().sort_values()
    axes = new_axes(ax, 1.2 + 0.26 * len(middle))
    _strips(axes, shown[shown.area.isin(kept)], middle, threshold)
    axes.set_yticks(range(len(middle)), [f"{label} ({sizes[label]:,})" for label in middle.index])
    axes.set_ylim(-0.6, len(middle) - 0.4)
    axes.axvline(0.0, color="0.6", linewidth=1, zorder=0)
    axes.set_xlabel(f"{name} (log odds); lines: medians, coloured: adjusted p < {threshold:g}")
    few = len(sizes) - len(kept)
    if few:
        axes.set_title(f"{counted(few, 'area')} with fewer than {at_least} estimates left out", fontsize="medium")
    return axes


def _strips(axes: Any, shown: pd.DataFrame, middle: pd.Series, threshold: float) -> None:
    """A strip of points per area, spread evenly across it in the order of the models, and a line at the median."""
    row = shown.area.map({label: k for k, label in enumerate(middle.index)}).to_numpy(float)
    order = shown.groupby("area").cumcount().to_numpy()
    y = row + 0.6 * (np.mod(order * 0.618033988749895, 1.0) - 0.5)  # the golden ratio spreads any number of points
    x, passed = _inside(axes, shown.estimate.to_numpy(float)), shown.p_adjusted.to_numpy() < threshold
    for which, colour in ((~passed, _BELOW), (passed, _ABOVE)):
        axes.scatter(x[which], y[which], s=7, color=colour, linewidths=0, alpha=0.8)
    axes.vlines(middle, np.arange(len(middle)) - 0.38, np.arange(len(middle)) + 0.38, color="black", linewidth=2)


# rows and labels -----------------------------------------------------------------------------------------------------


def _rows(tests: Tests, term: str | None, needed: tuple[str, ...]) -> tuple[pd.DataFrame, str]:
    """The rows of one coefficient, and what it is called."""
    table = tests if isinstance(tests, pd.DataFrame) else tidy(tests)
    for name in needed:
        if name not in table.columns:
            raise InputError(f"The table has no column {name!r}. Its columns are {', '.join(map(str, table.columns))}.")
    if "term" not in table.columns:
        return table, _hypothesis(table)
    label = pd.Series(np.where(_own(table), HOLE, table["term"]), index=table.index)
    chosen = _chosen(term, [str(name) for name in dict.fromkeys(label)])
    return table[label == chosen], "the candidate" if chosen == HOLE else chosen


def _chosen(term: str | None, terms: list[str]) -> str:
    """The term to draw: as given, that of candidates, or the only one."""
    if term in terms:
        return str(term)
    known = [name for name in terms if name != "Intercept"]
    if term is None and (HOLE in known or len(known) == 1):
        return HOLE if HOLE in known else known[0]
    said = (
        "Say which term to draw" if term is None else f"There is no coefficient {term!r}.{nearest(term, known)} Choose"
    )
    raise InputError(f"{said}: {', '.join(known)}.")


def _hypothesis(table: pd.DataFrame) -> str:
    """What the tests of a table are about, where it is the same for all."""
    texts = set(table["hypothesis"]) if "hypothesis" in table.columns else set()
    return str(texts.pop()) if len(texts) == 1 else "tests"


def _own(table: pd.DataFrame) -> Any:
    """Rows of the candidate's own coefficient."""
    if "covariate" not in table.columns:
        return np.zeros(len(table), dtype=bool)
    return (table["term"] == table["covariate"].map(lambda name: written(str(name)))).to_numpy()


def _place(table: pd.DataFrame) -> int:
    """The column of the models' names."""
    for name in ("outcome", "covariate"):
        if name in table.columns:
            return int(table.columns.get_loc(name))  # type: ignore[arg-type]
    return 0


def _inside(axes: Any, values: np.ndarray) -> np.ndarray:
    """Values moved to the edge of the picture where they lie far outside the others, and the limits set."""
    low, high = np.quantile(values, [0.25, 0.75])
    reach = _SPREAD * ((high - low) or 1.0)
    clipped: np.ndarray = np.clip(values, low - reach, high + reach)
    margin = 0.04 * (np.ptp(clipped) or 1.0)
    axes.set_xlim(clipped.min() - margin, clipped.max() + margin)
    return clipped


def _name(axes: Any, shown: pd.DataFrame, x: np.ndarray, height: np.ndarray, passed: np.ndarray, labels: int) -> None:
    """The names of the most certain models, towards the middle, those that would cover another left out."""
    names, (left, right) = shown.iloc[:, _place(shown)].to_numpy(), axes.get_xlim()
    told: list[int] = []
    for k in [k for k in np.argsort(-height, kind="stable") if passed[k]][:labels]:
        near = [j for j in told if abs(x[j] - x[k]) < 0.2 * (right - left)]
        if any(abs(height[j] - height[k]) < 0.03 * height.max() for j in near):
            continue
        told.append(k)
        offset, side = (4, "left") if x[k] < (left + right) / 2 else (-4, "right")
        where = {"xytext": (offset, 0), "textcoords": "offset points", "ha": side, "va": "center"}
        axes.annotate(str(names[k]), (x[k], height[k]), fontsize="x-small", **where)


def _told(passed: np.ndarray, what: str, lost: int) -> str:
    more = f"; {lost:,} without an estimate" if lost else ""
    return f"{int(passed.sum()):,} of {counted(len(passed), 'model')}: {what}{more}"
