"""Confidence intervals of chosen coefficients in many models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from glminfer.data.progress import progress
from glminfer.errors import InputError, checked_keywords, nearest, one_of
from glminfer.fit.panels import FitsRecord, Panel
from glminfer.fit.singles import HOLE, refitted
from glminfer.inference.distributions import critical
from glminfer.inference.intervals import METHODS, check_likelihood_based, checked_dof, checked_level
from glminfer.inference.limits import limits
from glminfer.inference.many_covariance import spreads, standard_errors
from glminfer.inference.many_labels import first_columns, labels
from glminfer.inference.many_tests import columns_of, comparable, of_candidate
from glminfer.numerics.blocks import Array
from glminfer.numerics.threads import one_by_one

Ends = tuple[Array, Array]


@checked_keywords
def confint(
    fits: FitsRecord,
    terms: str | Sequence[str] | None = None,
    level: float = 0.95,
    method: str = "profile",
    cov: str = "model",
    cluster: Any = None,
    dof: float | None = None,
) -> pd.DataFrame:
    """Which values of a coefficient are compatible with the data, in each model? Profile, score or Wald intervals.

    Parameters
    ----------
    terms : str or list of str, optional
        Names of terms or coefficients, ``{x}`` for the candidate; all by default.
    level, method, cov, cluster, dof
        As in `confint` of a single fit. Profile and score intervals refit every model, one after another.

    Returns
    -------
    DataFrame
        One row per model and coefficient: its group, outcome or covariate, term, conf_low, conf_high.

    Raises
    ------
    InputError
        If a term is unknown, or a likelihood-based method is asked for with another covariance than "model".

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=3, seed=1)
    >>> fits = gi.logit_each("choice ~ contrast_left", trials, covariates=trials.filter(regex="^n"))
    >>> fits.confint("{x}").term.tolist()
    ['n000', 'n001', 'n002']
    """
    one_of(method, METHODS, "method")
    checked_level(level)
    checked_dof(dof)
    chosen = [_positions(panel, terms) for panel in fits.panels]
    if method == "wald":
        found = _wald(fits, chosen, level, (cov, cluster), dof)
    else:
        check_likelihood_based(method, cov, cluster, dof)
        found = [_by_likelihood(fits, p, j, method, level) for p, j in zip(fits.panels, chosen, strict=True)]
    parts = zip(fits.panels, chosen, strict=True)
    named = labels(fits.panels, [[panel.columns[j] for j in where] for panel, where in parts])
    first = first_columns(fits, [len(where) for where in chosen])
    low, high = (np.concatenate([ends[k].ravel() for ends in found]) for k in (0, 1))
    return pd.DataFrame({**first, "term": named, "conf_low": low, "conf_high": high})


def _positions(panel: Panel, terms: str | Sequence[str] | None) -> list[int]:
    """Positions of the coefficients that terms or coefficient names stand for."""
    if terms is None:
        return list(range(len(panel.columns)))
    found: list[int] = []
    for name in [terms] if isinstance(terms, str) else terms:
        if name in panel.terms:
            found += panel.terms[name]
        elif name in panel.columns:
            found.append(panel.columns.index(name))
        elif name == HOLE and of_candidate(panel):
            found += columns_of(panel, of_candidate(panel))
        else:
            known = [*panel.terms, *panel.columns]
            raise InputError(
                f"{name!r} is no term or coefficient of these models.{nearest(name, known)} "
                f"Their coefficients are: {', '.join(panel.columns)}."
            )
    return list(dict.fromkeys(found))


def _wald(
    fits: FitsRecord, chosen: Sequence[Sequence[int]], level: float, how: tuple[str, Any], dof: float | None
) -> list[Ends]:
    """b ± q·SE (21)."""
    found = []
    for panel, spread, where in zip(fits.panels, spreads(fits, *how)[0], chosen, strict=True):
        degrees = spread.dof if dof is None else np.full(spread.dof.shape, float(dof))
        half = critical(level, degrees) * standard_errors(panel, spread, fits.call["control"])
        found.append((panel.found.values[:, where] - half[:, where], panel.found.values[:, where] + half[:, where]))
    return found


def _by_likelihood(fits: FitsRecord, panel: Panel, where: Sequence[int], method: str, level: float) -> Ends:
    low, high = np.full((2, len(panel), len(where)), np.nan)
    have = np.flatnonzero(comparable(panel) | panel.found.firth).tolist()

    def work(k: int) -> Ends:
        return limits(refitted(fits, panel, k), method, level, where)

    for k, ends in zip(have, progress(one_by_one(work, have), len(have), "models"), strict=True):
        low[k], high[k] = ends
    return low, high
