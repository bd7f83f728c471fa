"""Pictures of permutation tests: the observed statistic beside those of all other arrangements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy

from glminfer.errors import InputError, checked_keywords, counted
from glminfer.inference.numbers import p_equation
from glminfer.inference.table import Table
from glminfer.numerics import permutations
from glminfer.numerics.blocks import Array
from glminfer.report.plots import new_axes

if TYPE_CHECKING:
    from glminfer.report.plots import Axes

_BINS = 40
_LEVEL = 0.05


@checked_keywords
def plot_permutation(table: Table, *, ax: Axes | None = None) -> Axes:
    """Where does the observed statistic lie among those of the other arrangements? Their histogram, with it marked.

    The dashed line is what χ² predicts, on which the ordinary test relies: where the histogram reaches further to the
    right, that test rejects too often. For many models the histogram is that of the largest statistic of each
    arrangement, on the scale of a normal deviate (99), with a tick for each model, red where its adjusted p-value is
    5 % or less.

    Parameters
    ----------
    table : DataFrame
        As `permutation_test` or `wild_bootstrap_test` returned it.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the table does not carry a distribution, because it is another one or was changed.

    Examples
    --------
    >>> import glminfer as gi
    >>> fit = gi.logit("choice ~ contrast_right", gi.datasets.simulate_session(seed=1))
    >>> found = fit.permutation_test("contrast_right", scheme="free", n=199)
    >>> gi.plot_permutation(found).get_ylabel()  # doctest: +SKIP
    'arrangements'
    """
    every = getattr(table, "distribution", None)
    if every is None:
        raise InputError(
            "plot_permutation draws a table as permutation_test or wild_bootstrap_test returned it, and this one does "
            "not carry the statistics of the arrangements. Give the table itself, not a part or a copy of it."
        )
    axes = new_axes(ax, 3.4)
    if "status" in table:
        _many(axes, table, every)
    else:
        _one(axes, table, every)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _one(axes: Axes, table: pd.DataFrame, every: Array) -> None:
    row = table.iloc[0]
    edges = _histogram(axes, every[1:], every[0])
    expected = len(every[1:]) * np.diff(scipy.special.chdtr(row.df, edges))
    axes.stairs(expected, edges, color="0.35", linestyle="--", label=f"χ²({row.df:g})")
    axes.axvline(every[0], color="C3", linewidth=2, label=f"observed, {p_equation(row.p_value)}")
    kind = (
        "likelihood ratio" if row.test.endswith("LR") else f"{row.test.split()[-1]} statistic".replace("wald", "Wald")
    )
    axes.set_xlabel(f"{kind} of {row.hypothesis}")
    axes.set_ylabel("draws" if row.test.startswith("wild") else "arrangements")
    axes.legend(frameon=False)


def _many(axes: Axes, table: pd.DataFrame, largest: Array) -> None:
    tested = table[table["df"] > 0]
    observed = permutations.normal_scale(tested["statistic"].to_numpy(), tested["df"].to_numpy())
    _histogram(axes, largest[1:], float(observed.max()), label="largest of each arrangement")
    found = tested.get("p_adjusted", tested["p_value"]).to_numpy() <= _LEVEL
    ticks: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "markersize": 9}  # a share of the height
    for chosen, colour in ((~found, "0.4"), (found, "C3")):
        told = f"{counted(int(chosen.sum()), 'model')}, adjusted p {'≤' if colour == 'C3' else '>'} {_LEVEL:g}"
        axes.plot(observed[chosen], np.full(int(chosen.sum()), 0.95), "|", color=colour, label=told, **ticks)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    axes.set_xlabel("statistic, as a normal deviate")
    axes.set_ylabel("arrangements")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, 0.9))


def _histogram(axes: Any, values: Array, observed: float, label: str | None = None) -> Array:
    """Draw the values with bins that reach to the observed one; their edges."""
    low, high = min(values.min(), 0.0), max(float(values.max()), observed)
    edges = np.linspace(low, high + 0.02 * (high - low), _BINS + 1)
    axes.hist(values, edges, color="C0", alpha=0.55, label=label)
    return edges
