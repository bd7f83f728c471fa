"""Tests after selection by splitting the rows again and again: select on one part, test on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.progress import progress
from glminfer.data.values import whole_number
from glminfer.errors import InputError, Status, counted, one_of
from glminfer.fit.parts import Units, checked_seed, selected, units
from glminfer.fit.path_records import PathRecord
from glminfer.fit.second_half import HalfTests, half_tests
from glminfer.inference.distributions import chi2_tail
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array
from glminfer.numerics.entering import aggregated, splits
from glminfer.numerics.threads import one_blas_thread, one_by_one

METHODS = ("LR", "Wald")
_KEPT = {"LR": "their likelihood-ratio tests are valid", "Wald": "they count as p = 1; method='LR' has tests"}
_EVENTS = 10  # of the rarer outcome in the second part for each column selected on the first

Columns = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Splitting:
    """How rows are split and p-values joined.

    Attributes
    ----------
    n_splits : int
    share : float
        Part of the rows on which terms are selected.
    most : int
        Largest number of columns selected.
    method : str
    gamma_min : float
    """

    n_splits: int
    share: float
    most: int
    method: str
    gamma_min: float


@dataclass(frozen=True, slots=True)
class Split:
    """One split: p-values (terms,) times the number of selected terms, which terms those are, how the test ended."""

    p_values: Array
    selected: NDArray[np.bool_]
    status: Status


def splitting(
    path: PathRecord, n_splits: int, share: float, max_selected: int | None, method: str, gamma_min: float
) -> Splitting:
    """Check how rows are to be split."""
    one_of(method, METHODS, "method")
    for name, value in (("share", share), ("gamma_min", gamma_min)):
        if not 0 < value < 1:
            raise InputError(f"{name}={value!r} must lie between 0 and 1.")
    count = whole_number("n_splits", n_splits, 1)
    most = _most(path, share) if max_selected is None else whole_number("max_selected", max_selected, 1)
    return Splitting(count, float(share), most, method, float(gamma_min))


def _most(path: PathRecord, share: float) -> int:
    """As many columns as the rarer outcome of the second part allows."""
    rows = path.with_rows()[0]
    events = float(rows.weights @ rows.y)
    rarer = min(events, float(rows.weights.sum()) - events)
    return max(int((1 - share) * rarer / _EVENTS), 1)


def split_tests(path: PathRecord, how: Splitting, by: Any, seed: int) -> Table:
    """Select and test on every split, and join the p-values of each term (82)."""
    drawn, rng = units(path, by), checked_seed(seed)
    parts = splits(drawn.count, how.n_splits, how.share, rng)
    entered = selected(path, parts, drawn, how.most, "selections")
    names, terms = _terms(path)
    rows = path.with_rows()[0]

    def one(k: int) -> Split:
        second = (drawn.weighing(~parts[k], rows.weights) > 0) & (drawn.codes >= 0)
        chosen = np.array([bool(np.any(np.isfinite(entered[k, at]) & (entered[k, at] > 0))) for at in terms])
        return _split(path, second, terms, chosen, how.method)

    with one_blas_thread():
        found = list(progress(one_by_one(one, range(how.n_splits)), how.n_splits, "splits"))
    return headed(_table(path, names, terms, found, how), _heading(drawn, found, how))


def _terms(path: PathRecord) -> tuple[list[str], list[Columns]]:
    """The terms of the formula and the covariates beside it, with their columns."""
    first = int(path.design.has_intercept)
    named = {
        name: np.arange(where.start - first, where.stop - first)
        for name, where in path.design.terms.items()
        if name != "Intercept"
    }
    begin = len(path.names) - len(path.covariates)
    named |= {name: np.array([begin + k]) for k, name in enumerate(path.covariates)}
    return list(named), [columns.astype(np.intp) for columns in named.values()]


def _split(path: PathRecord, second: NDArray[np.bool_], terms: Sequence[Columns], chosen: Any, method: str) -> Split:
    p_values = np.ones(len(terms))
    if not chosen.any():
        return Split(p_values, chosen, Status.CONVERGED)
    at = np.flatnonzero(chosen)
    free = path.mixture.factor == 0
    penalised = [columns[~free[columns]] for columns, taken in zip(terms, chosen, strict=True) if taken]
    found = half_tests(path, second, penalised, method)
    p_values[at] = np.minimum(1.0, len(at) * _p_values(found))
    return Split(p_values, chosen, found.status)


def _p_values(found: HalfTests) -> Array:
    """p-values; 1 where a test cannot be made."""
    pairs = zip(found.statistic, found.df, strict=True)
    return np.array([chi2_tail(statistic, df) if df > 0 else 1.0 for statistic, df in pairs])


def _table(
    path: PathRecord, names: list[str], terms: list[Columns], found: Sequence[Split], how: Splitting
) -> pd.DataFrame:
    joined = aggregated(np.array([split.p_values for split in found]), how.gamma_min)
    free = np.array([bool((path.mixture.factor[at] == 0).all()) for at in terms])
    counts = np.sum([split.selected for split in found], axis=0)
    return pd.DataFrame(
        {
            "term": names,
            "n_selected": np.where(free, 0, counts),
            "p_value": np.where(free, np.nan, joined),
            "status": np.where(free, "no penalty", np.where(counts > 0, "tested", "never selected")),
        }
    )


def _heading(drawn: Units, found: Sequence[Split], how: Splitting) -> list[str]:
    mean = float(np.mean([split.selected.sum() for split in found]))
    test = "likelihood-ratio" if how.method == "LR" else "Wald"
    lines = [
        f"Split test: {counted(how.n_splits, 'split')} of {drawn.told}, {how.share:.0%} to select",
        f"Selected by the lasso: at most the first {counted(how.most, 'column')} to enter; {mean:.1f} terms on average",
        f"p_value: {test} tests on the other rows, times the number of terms selected, joined over splits",
        f"(γ from {how.gamma_min:g}). Adjusted for the choice among all terms: do not adjust again",
        "Assumes independent "
        + ("rows" if drawn.told.endswith(("row", "rows")) else "groups")
        + ", the logistic model, and that every column that matters is among the selected",
    ]
    separated = sum(split.status is Status.SEPARATED for split in found)
    lost = sum(split.status is Status.CONSTANT for split in found)
    if separated:
        lines.append(f"Note: {counted(separated, 'second part')} separated by the selected terms: {_KEPT[how.method]}")
    if lost:
        lines.append(f"Note: {counted(lost, 'second part')} too small or with one outcome only, which count as p = 1")
    return lines
