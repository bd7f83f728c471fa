"""Several tests at once: adjusted p-values of a table, and simultaneous statements about one fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords, counted, nearest, one_of
from glminfer.fit.records import FitRecord
from glminfer.inference.covariance import covariance_for_tests
from glminfer.inference.hypotheses import lincom
from glminfer.inference.linear import read
from glminfer.numerics.blocks import Array
from glminfer.numerics.largest import Largest, largest

METHODS = ("bonferroni", "sidak", "holm", "holm-sidak", "simes-hochberg", "hommel", "fdr_bh", "fdr_by")
_IN_R = {"BH": "fdr_bh", "fdr": "fdr_bh", "BY": "fdr_by", "hochberg": "simes-hochberg"}


@checked_keywords
def adjust(table: pd.DataFrame, method: str = "holm", family: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Which of many results still stand? The table with p-values adjusted for the number of tests (38).

    Parameters
    ----------
    table : DataFrame
        Any table with a column ``p_value``. Rows without a p-value are left out of the count.
    method : str
        For the chance of any false positive: "holm" (valid always), "bonferroni", "sidak", "holm-sidak",
        "simes-hochberg", "hommel". For the expected share of false positives among the positives: "fdr_bh"
        (independent or positively dependent tests), "fdr_by" (any dependence). R's names "BH", "BY" and "hochberg"
        are understood.
    family : str or list of str, optional
        Columns whose values separate families of tests, each adjusted by itself; by default the table is one family.

    Returns
    -------
    DataFrame
        The table with the column ``p_adjusted`` after ``p_value``; ``attrs["adjustment"]`` says what was done.

    Raises
    ------
    InputError
        If the table has no p-values, or the method or a column is unknown.

    References
    ----------
    Holm (1979), Scand. J. Stat. 6; Benjamini & Hochberg (1995), JRSS B 57; Benjamini & Yekutieli (2001),
    Ann. Stat. 29.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right + C(mouse)", trials)
    >>> table = gi.adjust(fit.tidy(), method="holm")
    >>> table.attrs["adjustment"]
    'holm over 5 tests'
    """
    method = _IN_R.get(method, method)
    one_of(method, METHODS, "method")
    p = _p_values(table)
    families = _families(table, family)
    known = ~np.isnan(p)
    adjusted = np.full(len(p), np.nan)
    for rows in families:
        tested = rows[known[rows]]
        adjusted[tested] = _adjusted(p[tested], method)
    out = table.drop(columns="p_adjusted", errors="ignore")
    out.insert(list(out.columns).index("p_value") + 1, "p_adjusted", adjusted)
    out.attrs = {
        **table.attrs,
        "adjustment": _told(method, family, [int(known[rows].sum()) for rows in families], known),
    }
    return out


def _p_values(table: Any) -> Array:
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"gi.adjust takes a table with a column p_value, and was given a {type(table).__name__}.")
    if "p_value" not in table.columns:
        raise InputError(f"The table has no column p_value to adjust; its columns are {_listed(table)}.")
    p = table["p_value"].to_numpy(dtype=float, na_value=np.nan)
    wrong = int(np.count_nonzero((p < 0) | (p > 1)))
    if wrong:
        raise InputError(f"p_value lies outside [0, 1] in {counted(wrong, 'row')}, so it is no p-value.")
    return np.asarray(p)


def _listed(table: pd.DataFrame) -> str:
    return ", ".join(map(str, table.columns))


def _families(table: pd.DataFrame, family: str | Sequence[str] | None) -> list[np.ndarray]:
    """Positions of the rows of each family."""
    names = [] if family is None else [family] if isinstance(family, str) else list(family)
    for name in names:
        if name not in table.columns:
            near = nearest(str(name), map(str, table.columns))
            raise InputError(f"family: the table has no column {name!r}.{near} Its columns are {_listed(table)}.")
    if not names:
        return [np.arange(len(table))]
    codes = pd.DataFrame({name: pd.factorize(table[name], use_na_sentinel=False)[0] for name in names})
    family_of = codes.groupby(names, sort=False).ngroup().to_numpy()
    order = np.argsort(family_of, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(family_of[order])) + 1)


def _adjusted(p: Array, method: str) -> Array:
    if not len(p):
        return p
    if method not in _STEPS:
        from statsmodels.stats.multitest import multipletests

        return np.asarray(multipletests(p, method=method)[1])
    order = np.argsort(p)
    out = np.empty(len(p))
    with np.errstate(divide="ignore"):  # p = 1 in the Šidák methods
        out[order] = np.minimum(_STEPS[method](p[order], np.arange(float(len(p)), 0.0, -1.0)), 1.0)
    return out


def _above(p: Array) -> Array:
    """No smaller than those of smaller p-values."""
    return np.asarray(np.maximum.accumulate(p))


def _below(p: Array) -> Array:
    """No larger than those of larger p-values."""
    return np.asarray(np.minimum.accumulate(p[::-1])[::-1])


def _rates(p: Array, left: Array) -> Array:
    return _below(p / (left[::-1] / len(p)))


# of p-values in ascending order, and the number of those that are not smaller (38); hommel's are statsmodels'
_STEPS: dict[str, Callable[[Array, Array], Array]] = {
    "bonferroni": lambda p, left: p * len(left),
    "sidak": lambda p, left: -np.expm1(len(left) * np.log1p(-p)),
    "holm": lambda p, left: _above(p * left),
    "holm-sidak": lambda p, left: _above(-np.expm1(left * np.log1p(-p))),
    "simes-hochberg": lambda p, left: _below(p * left),
    "fdr_bh": _rates,
    "fdr_by": lambda p, left: _below(p / ((left[::-1] / len(p)) / np.sum(1.0 / left[::-1]))),
}


def _told(method: str, family: str | Sequence[str] | None, sizes: list[int], known: np.ndarray) -> str:
    """``fdr_bh over 300 tests in each of 4 families (term), 7 rows without a p-value left out``."""
    fewest, most = min(sizes, default=0), max(sizes, default=0)
    tests = counted(most, "test") if fewest == most else f"{fewest:,} to {counted(most, 'test')}"
    if family is not None:
        names = family if isinstance(family, str) else ", ".join(family)
        tests += f" in each of {len(sizes):,} families ({names})"
    lost = int(np.count_nonzero(~known))
    without = f", {counted(lost, 'row')} without a p-value left out" if lost else ""
    return f"{method} over {tests}{without}"


@checked_keywords
def simultaneous(
    fit: FitRecord,
    hypotheses: Any = None,
    *,
    cov: str = "model",
    cluster: Any = None,
    dof: float | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Which of several combinations differ from zero, all taken together? Single-step adjustment (39).

    The adjusted p-value of a combination is the chance that the largest of all correlated statistics would be as large
    as its own; the intervals all hold at once with probability ``level``. Less strict than Bonferroni, because the
    correlation of the estimates is used.

    Parameters
    ----------
    hypotheses : str, list or matrix, optional
        As in `lincom`: equations such as ``"C(g)[T.b] - C(g)[T.c]"``, terms, or a matrix with one row for each. By
        default every coefficient that has a finite estimate but the intercept.
    cov, cluster, dof
        As in `tidy`. The joint reference is the multivariate normal, with clusters the multivariate t; where each
        combination has degrees of freedom of its own ("CR2") the smallest.
    level : float
        Probability that all intervals hold.
    seed : int
        Seed of the numerical integral, which is good to about three digits however small the p-value.

    Returns
    -------
    DataFrame
        hypothesis, estimate, rhs, std_error, statistic, p_value, p_adjusted, conf_low, conf_high (simultaneous), df.

    References
    ----------
    Hothorn, Bretz & Westfall (2008), Biometrical Journal 50; Genz & Bretz (2009), Computation of Multivariate Normal
    and t Probabilities.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right + C(mouse)", trials)
    >>> bool((fit.simultaneous("C(mouse)").p_adjusted >= fit.simultaneous("C(mouse)").p_value).all())
    True
    """
    asked = _all_but_the_intercept(fit) if hypotheses is None else hypotheses
    chosen = covariance_for_tests(fit, cov, cluster)
    table = lincom(fit, asked, cov=chosen, dof=dof, level=level)  # type: ignore[arg-type]
    L = read(fit, asked).L @ fit.T
    known = np.flatnonzero(table["std_error"].notna())
    joint = _joint(L[known] @ chosen.matrix @ L[known].T, float(table["df"].min()), seed) if known.size else None
    return _with_joint(table, joint, known, level)


def _all_but_the_intercept(fit: FitRecord) -> Array:
    rows = [j for j, name in enumerate(fit.columns) if fit.finite[j] and name != "Intercept"]
    if not rows:
        raise InputError("The fit has no coefficient with a finite estimate but the intercept, so nothing to compare.")
    return np.asarray(np.array(rows)[:, None] == np.arange(len(fit.columns)), dtype=float)


def _joint(V: Array, dof: float, seed: int) -> Largest:
    scale = np.sqrt(np.diagonal(V))
    return largest(V / np.outer(scale, scale), dof, seed)


def _with_joint(table: pd.DataFrame, joint: Largest | None, known: np.ndarray, level: float) -> pd.DataFrame:
    p_adjusted = np.full(len(table), np.nan)
    if joint is not None:
        size = table["statistic"].abs().to_numpy()
        p = table["p_value"].to_numpy()
        for k in known:  # between the test alone and Šidák's bound, whatever the error of the integral
            p_adjusted[k] = np.clip(joint.tail(size[k]), p[k], -np.expm1(len(known) * np.log1p(-p[k])))
        half = joint.quantile(level) * table["std_error"]
        table["conf_low"], table["conf_high"] = table["estimate"] - half, table["estimate"] + half
    table.insert(list(table.columns).index("p_value") + 1, "p_adjusted", p_adjusted)
    table.attrs["adjustment"] = f"single-step over {counted(len(known), 'test')}"
    return table
