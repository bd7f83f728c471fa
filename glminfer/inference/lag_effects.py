"""What the past does, lag by lag: the coefficients of a basis turned back into a curve over lags."""

from __future__ import annotations

from typing import Any

import numpy as np

from glminfer.data.expressions import expression
from glminfer.data.sequential import Codes, lag_weights
from glminfer.errors import InputError, checked_keywords
from glminfer.fit.records import FitRecord
from glminfer.inference.hypotheses import lincom
from glminfer.inference.table import Table, headed
from glminfer.inference.terms import chosen, names
from glminfer.numerics.blocks import Array


@checked_keywords
def lag_effects(
    fit: FitRecord, term: str, cov: str = "model", cluster: Any = None, dof: float | None = None, level: float = 0.95
) -> Table:
    """How does a unit of x, so many rows ago, change the linear predictor now? h(lag) = Σ b_j B_j(lag) (103).

    Parameters
    ----------
    term : str
        A term of the fit that is a call of ``history`` or of ``lag``, such as ``"history(spikes, 5, by=session)"``.
    cov, cluster, dof
        As in `wald_test`.
    level : float
        Confidence level of the intervals, each for its own lag.

    Returns
    -------
    DataFrame
        One row per lag: lag (rows back), estimate (h, on the link scale), std_error, statistic, p_value, conf_low,
        conf_high, df.

    Raises
    ------
    InputError
        If the term is none of the fit, or is not numeric lags or a history.

    References
    ----------
    Pillow et al. (2008), Nature 454.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + history(feedback, 3, by=session)", trials)
    >>> fit.lag_effects("history(feedback, 3, by=session)").lag.tolist()
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    """
    lags, L = _weights(fit, term)
    table = lincom(fit, L, cov=cov, cluster=cluster, dof=dof, level=level)
    made = table.drop(columns=["hypothesis", "rhs"])
    made.insert(0, "lag", lags)
    made.attrs = table.attrs
    return headed(made, getattr(table, "heading", ()))


def _weights(fit: FitRecord, term: str) -> tuple[Codes, Array]:
    """The lags and the combination of coefficients (lags, p) at each."""
    found = chosen(fit, term)
    factor = fit.design.factors.get(found[0]) if len(found) == 1 else None
    calls = expression(found[0], fit.design.used).sequences if factor is not None and factor.width else ()
    if not calls or calls[0].text != found[0]:
        usable = [name for name in names(fit) if name.startswith(("history(", "lag("))]
        told = f"; this fit has {', '.join(usable)}" if usable else ""
        raise InputError(
            f"{term!r} is not one call of history() or lag() on numbers{told}. The coefficients of other terms are in "
            "fit.tidy()."
        )
    lags, weights = lag_weights(calls[0].function, dict(calls[0].options))
    L = np.zeros((len(lags), len(fit.columns)))
    L[:, fit.design.terms[found[0]]] = weights  # (103)
    return lags, L
