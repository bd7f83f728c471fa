"""Pictures of cross-validations: the curve along the path, a score beside its permutations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glminfer.errors import InputError, checked_keywords, counted
from glminfer.fit.validation import ValidationRecord
from glminfer.inference.decoding import DecodingRecord
from glminfer.inference.numbers import p_equation
from glminfer.report.plots import new_axes
from glminfer.report.plots_path import count_above

if TYPE_CHECKING:
    from glminfer.report.plots import Axes


@checked_keywords
def plot_cross_validation(cv: ValidationRecord, *, ax: Axes | None = None) -> Axes:
    """Which penalty predicts held-out rows best? The measure against log λ, one standard error to either side.

    The axis above counts the coefficients that are not zero. Vertical lines mark the best λ and the largest within one
    standard error of it (72); the horizontal line is the constant alone.

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
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=20)
    >>> gi.cross_validate(path, folds=5).plot().get_xlabel()  # doctest: +SKIP
    'λ'
    """
    path, found = cv.path, cv.curve
    positive = path.lambdas > 0
    if positive.sum() < 2:
        raise InputError("A curve needs two penalties greater than 0; fit the path at more of them.")
    lambdas, mean, error = path.lambdas[positive], found.mean[positive], found.std_error[positive]
    axes = new_axes(ax, 4.4)
    axes.errorbar(lambdas, mean, error, fmt="o", color="C0", ecolor="0.75", markersize=3, elinewidth=1, zorder=2)
    axes.axhline(found.null, color="0.5", linewidth=1, linestyle=":", label=f"constant alone: {found.null:.3g}")
    for name, at, style in (("best", found.best, "-"), ("within 1 SE", found.one_se, "--")):
        label = f"{name}: λ = {path.lambdas[at]:.3g}, {counted(int(path.n_nonzero[at]), 'coefficient')}"
        axes.axvline(path.lambdas[at], color="C1", linewidth=1.2, linestyle=style, label=label, zorder=1)
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_xlabel("λ")
    axes.set_ylabel(f"{cv.measure.label} (held out)")
    count_above(axes, lambdas, path.n_nonzero[positive])
    axes.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    return axes


@checked_keywords
def plot_decoding(test: DecodingRecord, *, ax: Axes | None = None) -> Axes:
    """Is the score more than chance? It stands beside the scores of rearranged outcomes.

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
    >>> trials = gi.datasets.simulate_session(n_trials=150, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=5)
    >>> gi.decoding_test(path, folds=4, scheme="free", n=19).plot().get_ylabel()  # doctest: +SKIP
    'arrangements of the outcome'
    """
    axes = new_axes(ax, 3.4)
    axes.hist(test.null, bins=min(30, max(5, len(test.null) // 8)), color="0.75", label="rearranged outcomes")
    axes.axvline(test.constant, color="0.4", linewidth=1, linestyle=":", label="constant alone")
    axes.axvline(test.estimate, color="C1", linewidth=1.6, label=f"the data: {test.estimate:.3g}")
    axes.set_xlabel(f"best {test.measure.label} along the path (held out)")
    axes.set_ylabel("arrangements of the outcome")
    axes.set_title(p_equation(test.p_value), fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
    return axes
