"""Wald tests of linear hypotheses, and linear combinations of coefficients with standard errors and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import Status, checked_keywords
from glminfer.fit.records import FitRecord
from glminfer.inference.covariance import covariance_for_tests
from glminfer.inference.distributions import critical, f_tail, two_sided
from glminfer.inference.intervals import checked_dof, checked_level
from glminfer.inference.linear import Hypotheses, read
from glminfer.inference.matrix import Covariance, errors_along
from glminfer.inference.quadratic import Joint, quadratic
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array


@checked_keywords
def wald_test(
    fit: FitRecord, hypothesis: Any, cov: str = "model", cluster: Any = None, dof: float | None = None, rhs: Any = None
) -> Table:
    """Do the coefficients satisfy L b = r? Wald's test, W = (L b - r)'(L V L')⁻¹(L b - r) (40).

    Parameters
    ----------
    hypothesis : str, list or matrix
        Equations with coefficient names, ``"x1 = x2"``, ``"age + 2*lwt = -0.1"``, ``"x1 = x2 = 0"``; an expression,
        which is to be zero; a term, ``"C(race)"``, whose coefficients are all to be zero; a list of these; or a matrix
        (q, p) or DataFrame with one row per hypothesis and one column per coefficient.
    cov : str
        The covariance V, as in `vcov`.
    cluster : str, list or array, optional
        Clusters of rows that may depend on each other; the reference is then F with G - 1 denominator df.
    dof : float, optional
        Denominator degrees of freedom; ``inf`` for χ².
    rhs : float or (q,), optional
        The right-hand side r of a matrix; zero by default.

    Returns
    -------
    DataFrame
        One row: hypothesis, statistic (W, or F = W/df when df_denom is finite), df (the rank of the hypotheses, at most
        that of the covariance), df_denom, p_value, test. What was left out is in ``attrs["notes"]``.

    Raises
    ------
    InputError
        If a name is unknown, an equation is not linear, equations contradict each other, or a coefficient is aliased or
        separated. A term is tested by its estimable, finite coefficients.

    References
    ----------
    Wald (1943), Trans. Amer. Math. Soc. 54.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right + C(mouse)", trials)
    >>> int(fit.wald_test("contrast_left = -contrast_right").df[0])
    1
    >>> fit.wald_test("C(mouse)").hypothesis[0]
    'C(mouse) = 0'
    """
    asked = read(fit, hypothesis, rhs)
    chosen = covariance_for_tests(fit, cov, cluster)
    L = asked.L @ fit.T
    found = quadratic(fit, L, asked.rhs, chosen, asked.rows)
    denominator = _denominator(L, chosen, found, dof)
    exact = np.isinf(denominator)
    scaled = found.wald / found.df if found.df else np.nan
    row = {
        "hypothesis": asked.text,
        "statistic": found.wald if exact else scaled,
        "df": found.df,
        "df_denom": denominator,
        "p_value": f_tail(scaled, found.df, denominator),
        "test": "Wald χ²" if exact else "Wald F",
    }
    return with_notes(pd.DataFrame([row]), fit, chosen, [*asked.notes, *_ranks(asked, found)])


@checked_keywords
def lincom(
    fit: FitRecord,
    hypotheses: Any,
    cov: str = "model",
    cluster: Any = None,
    dof: float | None = None,
    level: float = 0.95,
    rhs: Any = None,
) -> Table:
    """How large are combinations of coefficients? L b with standard errors √(l V l') and intervals (41).

    Parameters
    ----------
    hypotheses : str, list or matrix
        As in `wald_test`; each equation is a row of its own, and a term one row per coefficient.
    cov, cluster, dof
        As in `wald_test`; ``dof`` is that of the t reference.
    level : float
        Confidence level of the intervals.
    rhs : float or (q,), optional
        The right-hand side r of a matrix; zero by default.

    Returns
    -------
    DataFrame
        One row per combination: hypothesis, estimate (of l b), rhs, std_error, statistic ((estimate - rhs)/std_error),
        p_value, conf_low, conf_high, df.

    Raises
    ------
    InputError
        As `wald_test`.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, section 4.4.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> fit.lincom(["contrast_left + contrast_right", "contrast_right = 2"]).hypothesis.tolist()
    ['contrast_left + contrast_right = 0', 'contrast_right = 2']
    """
    asked = read(fit, hypotheses, rhs)
    chosen = covariance_for_tests(fit, cov, cluster)
    L = asked.L @ fit.T
    estimate, se, degrees = L @ fit.working, errors_along(fit, L, chosen), reference_dof(L, chosen, dof)
    statistic = (estimate - asked.rhs) / se
    half = critical(checked_level(level), degrees) * se  # (41)
    columns = {
        "hypothesis": asked.rows,
        "estimate": estimate,
        "rhs": asked.rhs,
        "std_error": se,
        "statistic": statistic,
        "p_value": two_sided(statistic, degrees)[0],
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "df": degrees,
    }
    return with_notes(pd.DataFrame(columns), fit, chosen, asked.notes)


# statistics ----------------------------------------------------------------------------------------------------------


def reference_dof(L: Array, chosen: Covariance, dof: float | None) -> Array:
    """Degrees of freedom (q,) of the t reference of each combination: the user's, or the covariance's."""
    if dof is None:
        return chosen.dof_for(L)
    checked_dof(dof)
    return np.full(len(L), float(dof))


def _denominator(L: Array, chosen: Covariance, found: Joint, dof: float | None) -> float:
    """Denominator degrees of freedom: of the one combination, or of the covariance for several."""
    alone = found.independent == 1
    return float(reference_dof(L[:1], chosen, dof if alone or dof is not None else chosen.dof)[0])


# what is said with a table -------------------------------------------------------------------------------------------


def _ranks(asked: Hypotheses, found: Joint) -> list[str]:
    notes, q = [], len(asked.rows)
    if found.independent < q:
        notes.append(f"of {q} hypotheses {found.independent} are independent; the others follow from them")
    if found.df < found.independent:
        notes.append(
            f"the covariance has rank {found.df}, too little for a joint test of {found.independent} hypotheses: df is "
            f"{found.df}"
        )
    return notes


def with_notes(table: pd.DataFrame, fit: FitRecord, chosen: Covariance, notes: Sequence[str]) -> Table:
    """The table with what to know about it in ``attrs`` and above its rows when printed."""
    limit = [Status.LIMIT.sentence] if fit.status is Status.LIMIT else []
    told = (*notes, *chosen.notes, *limit)
    kind = f"{chosen.kind} ({chosen.description})"
    heading = [f"Model: {fit.design.formula.text}", f"Covariance: {kind}", *(f"Note: {note}" for note in told)]
    out = headed(table, heading)
    out.attrs = {"covariance": kind, "notes": told}
    return out
