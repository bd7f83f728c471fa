"""The debiased lasso: estimates, standard errors and intervals beside a path with any number of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from glminfer.data.progress import progress
from glminfer.errors import InputError, checked_keywords, counted, nearest, one_of
from glminfer.fit.path import coefficients
from glminfer.fit.path_records import PathRecord
from glminfer.fit.validation import validate
from glminfer.inference.distributions import critical, two_sided
from glminfer.inference.intervals import checked_level
from glminfer.inference.multiplicity import METHODS
from glminfer.inference.multiplicity import adjust as with_adjusted
from glminfer.inference.table import Table, headed
from glminfer.numerics import nodewise
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import logit_parts
from glminfer.numerics.nodewise import Node, Rule
from glminfer.numerics.threads import one_blas_thread, one_by_one

_FOLDS = 10
_PART = 0.75  # of the λ with the best cross-validated deviance: where estimates are least biased (decisions.md)


@dataclass(frozen=True, slots=True)
class Initial:
    """The lasso that is debiased.

    Attributes
    ----------
    lambda_ : float
    coef : (p,)
        Of the columns as given.
    score : (p,)
        Gradient of the log-likelihood, for scaled columns.
    design : nodewise.Design
        The columns in the metric of the curvature at this estimate.
    """

    lambda_: float
    coef: Array
    score: Array
    design: nodewise.Design

    def debiased(self, node: Node) -> tuple[float, float]:
        """Estimate (77) and standard error (78) of the coefficient of a column cleared of the others."""
        unit, total = float(self.design.columns.inverse[node.j]), float(self.design.curvature.sum())
        moved = float(node.cleared(self.score)) / (total * node.own)  # (77)
        return float(self.coef[node.j]) + unit * moved, unit * node.noise / float(np.sqrt(total))  # (78)


@dataclass(frozen=True, slots=True)
class Debiased:
    """One coefficient, before and after, with its bias factor (76)."""

    term: str
    lasso: float
    estimate: float = float("nan")
    std_error: float = float("nan")
    bias: float = float("nan")
    status: str = "converged"


@checked_keywords
def debias(
    path: PathRecord,
    terms: str | Sequence[str] | None = None,
    *,
    lambda_: float | None = None,
    level: float = 0.95,
    adjust: str = "holm",
    seed: int = 0,
) -> Table:
    """Which columns matter, and how much, where there are more of them than rows? The debiased lasso (77).

    A lasso shrinks every coefficient and sets most to zero, so it has no standard errors. Here each coefficient is
    moved by what the residuals still say about its column once the column is cleared of all others, by a lasso of its
    own (75). The result is not sparse, is nearly normal around the true coefficient, and has the standard error (78).

    **Assumes** that rows are independent given the columns and that the logistic model holds; that only few columns
    matter, fewer than about √n / log p; and that columns are not so dependent that one cannot be cleared of the others
    (``bias_factor``). Then intervals cover in large samples; what they did in small ones is in docs/calibration.md.

    Parameters
    ----------
    terms : str or list of str, optional
        Columns or terms to estimate; all by default. Each costs one regression on the other columns. Name them before
        looking at the path, or take all: p-values are adjusted for the columns in the table.
    lambda_ : float, optional
        Penalty of the lasso that is debiased. By default three quarters of the one with the best deviance in
        a ten-fold cross-validation.
    level : float
        Confidence level of the intervals, each by itself.
    adjust : str
        How p-values are adjusted for the number of columns in the table, as in `adjust`.
    seed : int
        Deals the folds, where ``lambda_`` is not given.

    Returns
    -------
    DataFrame
        term, estimate, std_error, statistic, p_value, p_adjusted, conf_low, conf_high, lasso (the estimate before),
        bias_factor (76), status. Errors of the other coefficients that sum to 1 (columns of variance 1) move the
        estimate by half of bias_factor standard errors at most. A column whose bias factor cannot be brought below
        √(2 log p) cannot be told from others: it has no test and no interval, and its status names one of them.

    Raises
    ------
    InputError
        If the path is not a lasso, or a term is unknown.

    References
    ----------
    van de Geer, Bühlmann, Ritov & Dezeure (2014), Annals of Statistics 42; Zhang & Zhang (2014), JRSS B 76;
    Javanmard & Montanari (2014), JMLR 15.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1, n_neurons=20)
    >>> path = gi.logit_path("choice ~ . - mouse - session - reaction_time - feedback", trials)
    >>> table = path.debias(["contrast_left", "contrast_right"])
    >>> bool((table.p_value < 0.01).all())
    True
    """
    _refuse_other_than_lasso(path)
    one_of(adjust, METHODS, "adjust")
    q = float(critical(checked_level(level), np.array(np.inf)))
    chosen = positions(path, terms)
    with one_blas_thread():
        penalty, told = _penalty(path, lambda_, seed)
        start = initial(path, penalty)
        cleared = _cleared(path, start, chosen)
    table = with_adjusted(_table(cleared, q), adjust)
    return headed(table, _heading(path, start, told, table))


def _refuse_other_than_lasso(path: PathRecord) -> None:
    if path.mixture.l1_ratio != 1:
        raise InputError(
            "debias starts from a lasso, whose errors are small where few columns matter, and this path has "
            f"l1_ratio={path.mixture.l1_ratio:g}. Fit it with l1_ratio=1."
        )


def positions(path: PathRecord, terms: str | Sequence[str] | None) -> list[int]:
    """The columns named, by their own name or by that of their term, in the order of the path."""
    if terms is None:
        return list(range(len(path.names)))
    wanted = [terms] if isinstance(terms, str) else list(terms)
    if not wanted:
        raise InputError("terms= is empty; name the columns to estimate, or leave it out for all of them.")
    place = {name: [j] for j, name in enumerate(path.names)}
    first = int(path.design.has_intercept)
    for name, where in path.design.terms.items():
        if name != "Intercept":
            place.setdefault(name, list(range(where.start - first, where.stop - first)))
    for name in wanted:
        if name not in place:
            raise InputError(f"{name!r} is no column and no term of this path.{nearest(str(name), place)}")
    return sorted({j for name in wanted for j in place[name]})


# the initial lasso ---------------------------------------------------------------------------------------------------


def _penalty(path: PathRecord, lambda_: float | None, seed: int) -> tuple[float, str]:
    """λ of the initial lasso, and how it was found."""
    if lambda_ is not None:
        return lambda_, "as given"
    folds = min(_FOLDS, path.nobs)
    best = validate(path, folds, None, "deviance", None, seed).lambda_min
    return _PART * best, f"{_PART:g} of that of {folds}-fold cross-validation"


def initial(path: PathRecord, lambda_: float) -> Initial:
    """The lasso at one λ and the columns in the metric of its curvature."""
    rows = path.with_rows()[0]
    constant, coef = coefficients(path, lambda_)
    eta = rows.X @ coef + (constant + coef @ rows.shift) + rows.offset
    _, large, small = logit_parts(eta)
    residual = rows.weights * (rows.y - np.where(eta >= 0, large, small))
    curvature = rows.weights * (large * small)
    free = path.mixture.factor == 0
    design = nodewise.design(rows.X, curvature, float(rows.weights.sum()), free, path.mixture.intercept)
    score = design.columns.products(residual[design.columns.rows])[: len(coef)]
    return Initial(float(lambda_), coef, score, design)


# each column ---------------------------------------------------------------------------------------------------------


def _cleared(path: PathRecord, start: Initial, chosen: Sequence[int]) -> list[Debiased]:
    """Each column cleared of the others, on all threads."""
    most = float(np.sqrt(2.0 * np.log(max(len(path.names), 2))))  # as correlations of p columns with noise are

    def one(j: int) -> Debiased:
        if start.design.columns.inverse[j] == 0:
            return Debiased(path.names[j], 0.0, status="constant")
        return _debiased(path, start, nodewise.node(start.design, j, Rule(most)), most)

    return list(progress(one_by_one(one, chosen), len(chosen), "columns"))


def _debiased(path: PathRecord, start: Initial, node: Node, most: float) -> Debiased:
    name, lasso, bias = path.names[node.j], float(start.coef[node.j]), node.bias(start.design.rows)
    if bias > most:
        return Debiased(name, lasso, bias=bias, status=f"not told from {path.names[node.nearest]}")
    return Debiased(name, lasso, *start.debiased(node), bias)


def _table(rows: Sequence[Debiased], q: float) -> pd.DataFrame:
    estimate, std_error = (np.array([getattr(row, name) for row in rows]) for name in ("estimate", "std_error"))
    statistic = estimate / std_error
    return pd.DataFrame(
        {
            "term": [row.term for row in rows],
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": two_sided(statistic, np.full(len(rows), np.inf))[0],
            "conf_low": estimate - q * std_error,
            "conf_high": estimate + q * std_error,
            "lasso": [row.lasso for row in rows],
            "bias_factor": [row.bias for row in rows],
            "status": [row.status for row in rows],
        }
    )


def _choice(p: int, estimated: int) -> str:
    return " (for columns named before looking at the path)" if estimated < p else ""


def _heading(path: PathRecord, start: Initial, told: str, table: pd.DataFrame) -> list[str]:
    p, nonzero = len(path.names), int(np.count_nonzero(start.coef))
    most = float(np.sqrt(path.nobs) / np.log(max(p, 2)))
    lines = [
        f"Debiased lasso, logit link; event {path.design.response.event}",
        f"{counted(path.nobs, 'row')}, {counted(p, 'column')}; lasso at λ = {start.lambda_:.4g} ({told}), "
        f"{nonzero:,} nonzero",
        f"p_adjusted: {table.attrs['adjustment']}{_choice(p, len(table))}; each interval holds by itself",
        f"Assumes independent rows, the logistic model, and few columns that matter (√n / log p = {most:.2g})",
    ]
    lost = table["status"].str.startswith("not told").sum()
    if lost:
        lines.append(f"Note: {counted(int(lost), 'column')} cannot be told from others (bias_factor) and have no test")
    return lines
