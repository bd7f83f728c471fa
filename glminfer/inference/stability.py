"""Stability selection: which columns are selected again and again, with a bound on how many of them are false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.values import whole_number
from glminfer.errors import InputError, counted, is_number, one_of, told
from glminfer.fit.parts import checked_seed, refuse_ridge, selected, units
from glminfer.fit.path_records import PathRecord
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array
from glminfer.numerics.entering import complementary_pairs
from glminfer.numerics.stability_bounds import BOUNDS, Plan

_BELOW, _LEAST_SHOWN = 5, 10  # columns printed below the stable ones, and in all
_THRESHOLD, _PFER = 0.75, 1.0  # where not two of three are given
_TOLD = {
    "unimodal": "Shah & Samworth 2013, unimodal shares",
    "r-concave": "Shah & Samworth 2013, r-concave shares",
    "none": "Meinshausen & Bühlmann 2010, q²/((2π - 1)p)",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """Threshold π, number of columns q selected on each half, and the bound on false selections (PFER)."""

    threshold: float
    q: int
    pfer: float


@dataclass(frozen=True, eq=False)
class StabilityRecord:
    """How often each column was among the first q on half of the rows (2B halves, p columns).

    Attributes
    ----------
    names : (p,) tuple of str
    entered : (2B, p)
        The λ at which a column entered; zero where it was not among the first q, infinite without a penalty.
    goal : Goal
    bound : str
    n_pairs : int
    drawn : str
        What was halved: ``276 rows``, ``12 groups of session``.
    selector : str
        What selects: ``lasso``, ``elastic net with l1_ratio 0.5``.
    """

    names: tuple[str, ...]
    entered: Array
    goal: Goal
    bound: str
    n_pairs: int
    drawn: str
    selector: str

    @property
    def threshold(self) -> float:
        """The share of halves from which on a column is stable."""
        return self.goal.threshold

    @property
    def q(self) -> int:
        """The largest number of columns selected on each half."""
        return self.goal.q

    @property
    def pfer(self) -> float:
        """The bound on the expected number of false selections (per-family error rate)."""
        return self.goal.pfer

    @property
    def penalised(self) -> NDArray[np.bool_]:
        """The columns that can be selected, (p,)."""
        return np.asarray(np.isfinite(self.entered).all(axis=0))

    @property
    def probability(self) -> Array:
        """The share of halves that select each column, (p,); NaN without a penalty."""
        return np.where(self.penalised, (self.entered > 0).mean(axis=0), np.nan)

    @property
    def selected(self) -> tuple[str, ...]:
        """The stable columns."""
        return tuple(self.names[j] for j in np.flatnonzero(self._stable))

    @property
    def _stable(self) -> NDArray[np.bool_]:
        return np.asarray(self.probability >= self.threshold - 1e-9)

    def probabilities_at(self, lambdas: Array) -> Array:
        """The share of halves in which each column has entered at some λ or before, (L, p)."""
        return np.asarray([(self.entered >= lambda_).mean(axis=0) for lambda_ in lambdas])


def stable(
    path: PathRecord,
    threshold: float | None,
    q: int | None,
    pfer: float | None,
    n_pairs: int,
    bound: str,
    by: Any,
    seed: int,
) -> StabilityRecord:
    """Stability selection with complementary pairs on the columns of a path."""
    refuse_ridge(path, "Stability selection")
    one_of(bound, BOUNDS, "bound")
    pairs = whole_number("n_pairs", n_pairs, 2)
    plan = Plan(int(np.count_nonzero((path.mixture.factor > 0) & path.solution.varies)), pairs, bound)
    goal = goal_of(plan, threshold, q, pfer)
    drawn, rng = units(path, by), checked_seed(seed)
    halves = complementary_pairs(drawn.count, pairs, rng)
    entered = selected(path, halves, drawn, goal.q, "halves")
    ratio = path.mixture.l1_ratio
    selector = "lasso" if ratio == 1 else f"elastic net with l1_ratio {ratio:g}"
    return StabilityRecord(path.names, entered, goal, bound, pairs, drawn.told, selector)


def goal_of(plan: Plan, threshold: float | None, q: int | None, pfer: float | None) -> Goal:
    """Two of threshold, q and pfer decide the third."""
    given = [name for name, value in (("threshold", threshold), ("q", q), ("pfer", pfer)) if value is not None]
    if len(given) == 3:
        raise InputError("threshold=, q= and pfer= decide each other; give two of them (or fewer).")
    if q is not None and threshold is None:
        return _from_q(plan, _checked_q(plan, q), pfer)
    wanted = _checked_threshold(plan, _THRESHOLD if threshold is None else threshold)
    if q is not None:
        count = _checked_q(plan, q)
        return Goal(wanted, count, plan.errors(wanted, count))
    count = plan.q(wanted, _checked_pfer(_PFER if pfer is None else pfer))
    if count < 1:
        raise InputError(
            f"Even with one column selected on each half the bound is {plan.errors(wanted, 1):.3g}, more than the pfer "
            f"asked for; raise pfer or threshold ({wanted:g})."
        )
    return Goal(wanted, count, plan.errors(wanted, count))


def _from_q(plan: Plan, q: int, pfer: float | None) -> Goal:
    if pfer is None:
        usual = _checked_threshold(plan, _THRESHOLD)
        return Goal(usual, q, plan.errors(usual, q))
    share = plan.threshold(q, _checked_pfer(pfer))
    if share is None:
        raise InputError(
            f"With q={q} of {plan.p:,} columns on each half the bound is {plan.errors(1.0, q):.3g} even for columns "
            f"that are selected on every half, more than pfer={pfer:g}; use a smaller q."
        )
    return Goal(share, q, plan.errors(share, q))


def _checked_threshold(plan: Plan, threshold: float) -> float:
    if not (is_number(threshold) and 0.5 < threshold <= 1):
        raise InputError(f"threshold={told(threshold)} must be more than 0.5, at most 1: a share of the halves.")
    halves = 2 * plan.pairs
    return float(np.ceil(threshold * halves - 1e-9) / halves)  # shares are multiples of one over the halves


def _checked_q(plan: Plan, q: int) -> int:
    count = whole_number("q", q, 1)
    if count > plan.p:
        raise InputError(f"q={count} columns are to be selected on each half, and {plan.p:,} can be.")
    return count


def _checked_pfer(pfer: float) -> float:
    if not (is_number(pfer) and pfer > 0):
        raise InputError(f"pfer={told(pfer)} must be more than 0: the expected number of false selections allowed.")
    return float(pfer)


def tidy(record: StabilityRecord) -> Table:
    """Which columns are stable? One row per column, in the order of the path.

    Returns
    -------
    DataFrame
        term, probability (the share of halves that select it), selected, status.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1, n_neurons=20)
    >>> path = gi.logit_path("choice ~ . - mouse - session - reaction_time - feedback", trials)
    >>> gi.stability(path, n_pairs=10).tidy().columns.tolist()
    ['term', 'probability', 'selected', 'status']
    """
    status = np.where(record.penalised, "penalised", "no penalty")
    table = {"term": list(record.names), "probability": record.probability, "selected": record._stable}
    return headed(pd.DataFrame({**table, "status": status}), heading(record))


def shown(record: StabilityRecord) -> Table:
    """The stable columns and the next ones, the most probable first: what is printed."""
    count = max(len(record.selected) + _BELOW, _LEAST_SHOWN)
    table = pd.DataFrame(tidy(record)).sort_values("probability", ascending=False, kind="stable").head(count)
    more = len(record.names) - len(table)
    said = [f"{counted(more, 'column')} with a smaller probability not shown; tidy() has all"] if more > 0 else []
    return headed(table, [*heading(record), *said])


def heading(record: StabilityRecord) -> list[str]:
    """What was done, what it bounds, and what it assumes."""
    p, stable_ones = int(record.penalised.sum()), len(record.selected)
    empty = int((record.entered[:, record.penalised] == 0).all(axis=1).sum())
    lines = [
        f"Stability selection: {record.n_pairs} complementary pairs of halves of {record.drawn}, {record.selector}",
        f"{counted(stable_ones, 'column')} of {p:,} stable: selected on a share of {record.threshold:.4g} of the "
        f"halves or more, where the first {record.q} to enter are selected on each",
        f"Expected number of false ones among them: at most {record.pfer:.3g} ({_TOLD[record.bound]})",
        "Assumes exchangeable noise columns, and a selection no worse than guessing"
        + ("" if record.bound == "none" else "; shares with a distribution of that shape"),
    ]
    if empty:
        lines.append(f"Note: {empty:,} of {len(record.entered):,} halves selected nothing")
    return lines
