"""Score statistics of many models under the same arrangements, as matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.outcomes import Outcomes
from glminfer.data.rows import MemoryRows
from glminfer.fit.batch import rows_of
from glminfer.fit.panels import FitsRecord, Models, Panel, Stock
from glminfer.fit.subpanels import fitted, substock, without
from glminfer.inference import rearranged
from glminfer.inference.exchange import Request
from glminfer.inference.many_questions import Question
from glminfer.inference.many_tests import comparable
from glminfer.inference.schemes import Labels, Weights
from glminfer.numerics import permutations
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import FAMILIES
from glminfer.numerics.newton import Control
from glminfer.numerics.permutations import NullScores

_LOGIT = FAMILIES["logit"]
_TOGETHER = 512  # models whose scores are held at once


def together(fits: FitsRecord, question: Question, asked: Request) -> Iterator[tuple[Models, Array, int]]:
    """Models, their score statistics (1 + n, k) and df, for those of which the null model has a certain maximum."""
    if asked.statistic != "score" or isinstance(question.plan, Weights):
        return
    stock, control = question.panel.stock, fits.call["control"] or Control()
    if stock.candidates is None:
        yield from _outcomes(question, control)
    elif set(question.columns) == set(stock.candidates.places.tolist()) and asked.scheme.name != "swap":
        yield from _candidates(question, control)


def _outcomes(question: Question, control: Control) -> Iterator[tuple[Models, Array, int]]:
    """One set of moved columns against the scores of many outcomes."""
    panel, plan = question.panel, question.plan
    space, columns = without(panel.stock, question.columns), _shared_columns(question)
    if isinstance(plan, Weights) or not len(columns):
        return
    small = substock(_at(panel.stock, question.used[plan.targets]), space)
    found = fitted(small, control)
    regular = np.flatnonzero(found.regular & _whole_rank(panel))
    Z = small.rows.whole.X
    for start in range(0, len(regular), _TOGETHER):
        which = regular[start : start + _TOGETHER]
        null = _null(small, which, found.coef, Z)

        def statistics(sources: NDArray[Any], null: NullScores = null) -> Array:
            return permutations.moved_statistics(null, columns[:, sources])

        numbers = len(columns) * (len(Z) + len(which) * (Z.shape[1] + 2))
        yield which, _drawn(question, statistics, numbers), len(columns)


def _candidates(question: Question, control: Control) -> Iterator[tuple[Models, Array, int]]:
    """The scores of one null model, moved back, against many candidates."""
    panel, plan, used = question.panel, question.plan, question.used
    candidates, space = panel.stock.candidates, without(panel.stock, question.columns)
    if isinstance(plan, Weights) or candidates is None:
        return
    known = np.ones(len(panel), dtype=bool)
    if candidates.values.dtype.kind == "f":
        known = ~np.isnan(candidates.values).any(axis=0)
    regular = np.flatnonzero(_whole_rank(panel) & known)
    one = replace(panel.stock, candidates=replace(candidates, values=candidates.values[:, regular[:1]]))
    small = substock(_at(one, used[plan.targets]), space)
    if not len(regular) or not (found := fitted(small, control)).regular[0]:
        return
    Z = small.rows.whole.X
    null = _null(small, np.array([0]), found.coef, Z)
    Q = np.linalg.qr(panel.stock.rows.whole.X[used] @ space.shared)[0]
    for start in range(0, len(regular), _TOGETHER):
        which = regular[start : start + _TOGETHER]
        left = _left(Q, candidates.take(which)[0][used])

        def statistics(sources: NDArray[Any], left: Array = left) -> Array:
            return permutations.moved_statistics(permutations.scattered(null, sources, len(used)), left).T

        numbers = (len(used) + left.shape[0] * left.shape[1]) * (Z.shape[1] + 2)
        yield which, _drawn(question, statistics, numbers), len(left)


def _left(Q: Array, own: Array) -> Array:
    """What projecting on the orthonormal Q (n, q) leaves of own columns (n, d, k), as (d, k, n) of length one."""
    n, d, k = own.shape
    columns = own.reshape(n, d * k) / np.linalg.norm(own, axis=0).reshape(d * k)
    for _ in range(2):  # once more for what rounding left
        columns = columns - Q @ (Q.T @ columns)
    return np.ascontiguousarray(columns.T).reshape(d, k, n)


def _drawn(question: Question, statistics: rearranged.Statistics, numbers: int) -> Array:
    return rearranged.distribution(question.lots, statistics, rearranged.at_once(numbers))


def _shared_columns(question: Question) -> Array:
    """The moved columns (d, n) that all models of a panel share; none where they cannot be told apart."""
    stock, used, tested = question.panel.stock, question.used, question.columns
    space = without(stock, tested)
    if isinstance(question.plan, Labels):
        X = stock.sample.X[used]
        others = [j for j in range(X.shape[1]) if j not in set(tested)]
        return np.ascontiguousarray(rearranged.session_values(X[:, tested], X[:, others], question.found).T)
    Z = stock.rows.whole.X[used]
    left = rearranged.left_over(Z @ stock.coordinates[:, tested], Z @ space.shared)
    return np.ascontiguousarray(left.T if left.shape[1] == stock.estimable - space.shared.shape[1] else left.T[:0])


def _whole_rank(panel: Panel) -> NDArray[np.bool_]:
    """Models that are fitted with all columns the panel can tell apart."""
    return np.asarray(comparable(panel) & (panel.found.rank == panel.stock.estimable))


def _null(small: Stock, which: Models, coef: Array, Z: Array) -> NullScores:
    """Scores and weights of some null models at their estimates (q, m)."""
    both = rows_of(small.block(which)).map(permutations.contributions, np.ascontiguousarray(coef[:, which].T), _LOGIT)
    return permutations.null_scores(Z, both[:, : len(which)], both[:, len(which) :])


def _at(stock: Stock, rows: Models) -> Stock:
    """The same models on some of the rows."""
    outcomes, candidates = stock.outcomes, stock.candidates
    if outcomes is not None:
        outcomes = Outcomes(outcomes.names, outcomes.values[rows])
    if candidates is not None:
        candidates = replace(candidates, values=candidates.values[rows], factors=candidates.factors[rows])
    kept = MemoryRows(stock.rows.whole.rows(rows))
    sample, columns = stock.sample.at(rows), stock.columns[rows]
    return replace(stock, sample=sample, rows=kept, columns=columns, outcomes=outcomes, candidates=candidates)
