"""Pictures: coefficients with their intervals, profile curves. The only module that imports matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.records import FitRecord
from glminfer.inference.distributions import critical
from glminfer.inference.limits import profile, profile_ends
from glminfer.report.tables import tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes  # for the other modules of pictures

_MARKERS = "osD^vP"
_FAR = 600.0  # where infinite ends are drawn to: outside any picture, and its exponential is still a number


def new_axes(ax: Axes | None, height: float, width: float = 6.4, panels: int = 1) -> Axes:
    """The axes given, or those of a new figure; of several panels side by side, the first."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("Pictures need matplotlib: pip install 'glminfer[plot]'.") from None
    if ax is not None:
        return ax
    figure = plt.subplots(1, panels, figsize=(width, height), layout="constrained")[0]
    made: Axes = figure.axes[0]
    return made


@checked_keywords
def plot_coefficients(
    tables: FitRecord | pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    intercept: bool = False,
    exponentiate: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """How large are the effects, and how sure are they? Estimates with intervals, one or several analyses side by side.

    Parameters
    ----------
    tables : Fit, DataFrame or dict of DataFrame
        A fit, a table from ``tidy``, or several with their labels, such as the same fit with different covariances.
    intercept : bool
        Whether to show the intercept.
    exponentiate : bool
        Draw odds ratios on a logarithmic axis, from tables on the log scale.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there is nothing to draw.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> tables = {"model": fit.tidy(), "robust": fit.tidy(cov="HC1")}
    >>> gi.plot_coefficients(tables).get_xlabel()  # doctest: +SKIP
    'coefficient (log odds)'
    """
    named = _named(tables)
    terms = _terms(named, intercept)
    axes = new_axes(ax, 1.2 + 0.34 * len(terms) * max(1.0, 0.6 * len(named)))
    gap = 0.6 / len(named)
    for k, (label, table) in enumerate(named.items()):
        at = np.arange(len(terms)) + gap * (k - (len(named) - 1) / 2)
        style = label, _MARKERS[k % len(_MARKERS)], f"C{k % 10}"
        _draw(axes, table.set_index("term").reindex(terms), at, style, exponentiate)
    axes.axvline(1.0 if exponentiate else 0.0, color="0.6", linewidth=1, zorder=0)
    axes.set_yticks(range(len(terms)), terms)
    axes.set_ylim(len(terms) - 0.5, -0.5)
    if exponentiate:
        axes.set_xscale("log")
    _frame(axes, named, terms, exponentiate)
    axes.set_xlabel("odds ratio" if exponentiate else "coefficient (log odds)")
    if len(named) > 1:
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(named))
    return axes


def _named(tables: Any) -> dict[str, pd.DataFrame]:
    if isinstance(tables, FitRecord):
        return {"": tidy(tables)}
    return {"": tables} if isinstance(tables, pd.DataFrame) else dict(tables)


def _terms(named: Mapping[str, pd.DataFrame], intercept: bool) -> list[str]:
    terms = list(dict.fromkeys(term for table in named.values() for term in table["term"]))
    terms = [term for term in terms if intercept or term != "Intercept"]
    if not terms:
        raise InputError("There is no coefficient to draw; with intercept=True the intercept is shown.")
    return terms


def _draw(axes: Any, table: pd.DataFrame, at: Any, style: tuple[str, str, str], exponentiate: bool) -> None:
    """Points and intervals of one analysis; an end or an estimate that does not exist lies outside the picture."""
    label, marker, colour = style
    scale = np.exp if exponentiate else np.asarray
    estimate, low, high = (table[name].to_numpy(float) for name in ("estimate", "conf_low", "conf_high"))
    known = ~np.isnan(low)
    ends = [scale(np.clip(values[known], -_FAR, _FAR)) for values in (low, high)]
    axes.hlines(at[known], *ends, color=colour, linewidth=1.5)
    shown = np.isfinite(estimate)
    axes.plot(scale(estimate[shown]), at[shown], marker, color=colour, label=label or None, markersize=5)


def _frame(axes: Any, named: Mapping[str, pd.DataFrame], terms: list[str], exponentiate: bool) -> None:
    """Limits that show every finite end."""
    ends = pd.concat([table.set_index("term").reindex(terms) for table in named.values()])
    numbers = ends[["estimate", "conf_low", "conf_high"]].to_numpy(float)
    values = np.append(numbers[np.isfinite(numbers)], 0.0)
    margin = 0.06 * (np.ptp(values) or 1.0)
    low, high = values.min() - margin, values.max() + margin
    axes.set_xlim((np.exp(low), np.exp(high)) if exponentiate else (low, high))


@checked_keywords
def plot_profile(fit: FitRecord, term: str, *, level: float = 0.95, ax: Axes | None = None) -> Axes:
    """Is the Wald interval trustworthy? The signed root of the likelihood ratio against the coefficient (53).

    A straight curve means that Wald and profile intervals agree.

    Parameters
    ----------
    fit : Fit
    term : str
        A coefficient or a linear combination.
    level : float
        Level of the profile interval marked.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import glminfer as gi
    >>> fit = gi.logit("choice ~ contrast_right", gi.datasets.simulate_session(seed=1))
    >>> gi.plot_profile(fit, "contrast_right").get_xlabel()  # doctest: +SKIP
    'contrast_right'
    """
    curve = profile(fit, term)
    axes = new_axes(ax, 3.6)
    q = float(critical(level, np.array(np.inf)))
    low, high = profile_ends(fit, term, level)
    value, zeta, half = curve["value"], curve["zeta"], len(curve) // 2
    axes.plot(value, zeta, color="C0", label="profile")
    slope = np.gradient(zeta, value)[half]
    axes.plot(value, slope * (value - value[half]), color="0.5", linestyle="--", label="Wald")
    bottom = -1.05 * zeta.abs().max()
    for z, end in ((-q, low), (q, high)):
        axes.plot([end, end, value.min()], [bottom, z, z], color="0.75", linewidth=1)
    axes.set_ylim(bottom, -bottom)
    axes.set_xlim(value.min(), value.max())
    axes.set_xlabel(term)
    axes.set_ylabel("ζ, signed root of the likelihood ratio")
    axes.set_title(f"{100 * level:g} % profile interval: {low:.4g} to {high:.4g}", fontsize="medium")
    axes.legend(frameon=False)
    return axes
