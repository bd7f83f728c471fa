"""Pictures of stability selections: the share of halves that have selected each column, along the penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glminfer.errors import InputError, checked_keywords
from glminfer.inference.stability import StabilityRecord
from glminfer.report.plots import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 200  # of λ
_NAMED = 12  # columns named at most
_APART = 0.035  # of the axis: names are at least so far from each other


@checked_keywords
def plot_stability(stability: StabilityRecord, *, ax: Axes | None = None) -> Axes:
    """Which columns enter on most halves, and how early? The share of halves in which each column has entered, by λ.

    Columns above the threshold (dashed) at the right are stable: drawn in colour and named.

    Parameters
    ----------
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1, n_neurons=20)
    >>> path = gi.logit_path("choice ~ . - mouse - session - reaction_time - feedback", trials)
    >>> gi.stability(path, n_pairs=10).plot().get_ylabel()  # doctest: +SKIP
    'share of halves'
    """
    seen = stability.entered[np.isfinite(stability.entered) & (stability.entered > 0)]
    if not seen.size:
        raise InputError("No half selected a column, so there is nothing to draw.")
    lambdas = np.geomspace(seen.max() * 1.02, seen.min(), _POINTS)
    shares = stability.probabilities_at(lambdas)
    axes = new_axes(ax, 4.2)
    stable = [j for j in np.argsort(-shares[-1], kind="stable") if stability.names[j] in stability.selected]
    others = np.setdiff1d(np.flatnonzero(stability.penalised), stable)
    axes.plot(lambdas, shares[:, others], color="0.8", linewidth=0.6, zorder=1)
    for k, j in enumerate(stable):
        axes.plot(lambdas, shares[:, j], color=f"C{k % 10}", linewidth=1.5, zorder=2)
    axes.axhline(stability.threshold, color="0.4", linewidth=1, linestyle="--", zorder=0)
    _name(axes, [(stability.names[j], shares[-1, j], f"C{k % 10}") for k, j in enumerate(stable[:_NAMED])])
    axes.set_xscale("log")
    axes.set_xlim(lambdas[0], lambdas[-1])
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("λ")
    axes.set_ylabel("share of halves")
    told = f"first {stability.q} to enter on each half; at most {stability.pfer:.2g} false ones expected above the line"
    axes.set_title(told, fontsize="medium")
    return axes


def _name(axes: Any, lines: list[tuple[str, float, str]]) -> None:
    """Names at the right end of their lines, from the top, moved down where they would overlap."""
    at = np.inf
    for name, height, colour in lines:
        at = min(height, at - _APART)
        axes.annotate(
            name,
            (1.0, at),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize="small",
            annotation_clip=False,
        )
