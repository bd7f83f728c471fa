"""Permutation tests of a term in many models: the same arrangements for all of them, matrix products where possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.outcomes import Outcomes
from glminfer.data.progress import progress
from glminfer.data.rows import MemoryRows
from glminfer.data.sessions import Sessions, sessions
from glminfer.errors import InputError, counted, one_of
from glminfer.fit.batch import rows_of
from glminfer.fit.panels import FitsRecord, Models, Panel, Stock
from glminfer.fit.singles import refitted
from glminfer.fit.subpanels import fitted, refuse_reduced, substock, without
from glminfer.inference import exchange, rearranged, schemes
from glminfer.inference.exchange import Request
from glminfer.inference.many_labels import first_columns, labels
from glminfer.inference.many_tests import chosen, columns_of, comparable
from glminfer.inference.multiplicity import METHODS
from glminfer.inference.multiplicity import adjust as adjusted
from glminfer.inference.rearranged import Arrangements
from glminfer.inference.schemes import Labels, Linear, Plan, Weights
from glminfer.inference.table import Table, headed
from glminfer.numerics import permutations
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import FAMILIES
from glminfer.numerics.newton import Control
from glminfer.numerics.permutations import NullScores
from glminfer.numerics.threads import one_blas_thread, one_by_one

_LOGIT = FAMILIES["logit"]
_TOGETHER = 512  # models whose scores are held at once


@dataclass(frozen=True, slots=True)
class Question:
    """What is tested in a panel, and how its rows move.

    Attributes
    ----------
    panel : Panel
    terms : list of str
        By the names of the panel.
    found : Sessions
        Its rows of positive weight.
    lots : Arrangements
        As many in all panels.
    """

    panel: Panel
    terms: list[str]
    found: Sessions
    lots: Arrangements

    @property
    def plan(self) -> Plan:
        """How the rows move."""
        return self.lots.plan

    @property
    def columns(self) -> list[int]:
        """Positions of the tested columns."""
        return columns_of(self.panel, self.terms)

    @property
    def used(self) -> Models:
        """Positions of the rows of positive weight."""
        return np.flatnonzero(self.panel.stock.sample.weights > 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """The tests of a panel: vectors over models, NaN and df 0 where nothing could be tested.

    Attributes
    ----------
    statistic, df, as_large : (m,)
        ``as_large`` counts the arrangements that reach the observed statistic.
    largest : (1 + n,)
        The largest statistic of each arrangement over the models, on the scale of a normal deviate (99).
    error : InputError or None
        Why the first model that was refused was.
    """

    statistic: Array
    df: NDArray[np.intp]
    as_large: NDArray[np.intp]
    largest: Array
    error: InputError | None


def tested(fits: FitsRecord, term: str | Sequence[str] | None, asked: Request, adjust: str | None) -> Table:
    """One row per model; see `permutation_test`."""
    refuse_reduced(fits, "permutation_test")
    if adjust is not None:
        one_of(adjust, ("maxT", *METHODS), "adjust")
    questions, asked = _questions(fits, term, asked)
    with one_blas_thread():
        answers = [_answer(fits, question, asked) for question in questions]
    errors = [answer.error for answer in answers if answer.error is not None]
    if errors and not any((answer.df > 0).any() for answer in answers):
        raise errors[0]
    return _table(fits, questions, answers, asked, adjust)


# questions -----------------------------------------------------------------------------------------------------------


def _questions(fits: FitsRecord, term: Any, asked: Request) -> tuple[list[Question], Request]:
    """One question for each panel, with as many arrangements; linear shifts are as far in all of them."""
    found = [_question(fits, panel, chosen(panel, term), asked) for panel in fits.panels]
    far = [question.plan.most for question in found if isinstance(question.plan, Linear)]
    if far:
        asked = replace(asked, max_shift=min(far))
        if min(far) < max(far):
            return _questions(fits, term, asked)
    if len({question.plan.count for question in found}) > 1:
        random = (replace(question.lots, n=asked.n, complete=False) for question in found)
        found = [replace(question, lots=lots) for question, lots in zip(found, random, strict=True)]
    return [replace(question, lots=question.lots.remembered()) for question in found], asked


def _question(fits: FitsRecord, panel: Panel, terms: list[str], asked: Request) -> Question:
    sample, tested = panel.stock.sample, columns_of(panel, terms)
    used = sample.weights > 0
    found = sessions(fits.call["data"], sample.used[used], asked.order, asked.by)
    own = () if panel.stock.candidates is None else panel.stock.candidates.places
    shared = np.empty((int(used.sum()), 0)) if set(tested) & set(own) else sample.X[used][:, tested]
    exchange.refuse_idle(asked, shared, " + ".join(terms), found)
    plan = Weights(found.count) if asked.scheme.name == "sign_flip" else exchange.plan_for(asked, found, shared)
    return Question(panel, terms, found, rearranged.arrangements(plan, asked.n, asked.seed))


# answers -------------------------------------------------------------------------------------------------------------


def _answer(fits: FitsRecord, question: Question, asked: Request) -> Answer:
    m = len(question.panel)
    statistic, largest = np.full(m, np.nan), np.full(question.lots.n + 1, -np.inf)
    df, as_large = np.zeros(m, dtype=np.intp), np.zeros(m, dtype=np.intp)

    def enter(which: Models, every: Array, degrees: NDArray[np.intp]) -> None:
        statistic[which], df[which] = every[0], degrees
        as_large[which] = permutations.reached(every[1:], every[0]).sum(axis=0)
        np.maximum(largest, permutations.normal_scale(every, degrees).max(axis=1), out=largest)

    for which, every, degrees in _together(fits, question, asked):
        enter(which, every, np.full(len(which), degrees))
    left = np.flatnonzero(comparable(question.panel) & (df == 0))
    error = None
    for k, one in zip(left.tolist(), _one_by_one(fits, question, asked, left), strict=True):
        if isinstance(one, InputError):
            error = error or one
        else:
            enter(np.array([k]), one[0][:, None], np.array([one[1]]))
    return Answer(statistic, df, as_large, largest, error)


def _one_by_one(
    fits: FitsRecord, question: Question, asked: Request, which: Models
) -> Iterator[tuple[Array, int] | InputError]:
    """Statistics (1 + n,) and df of models as single fits, or why there are none."""

    def alone(k: int) -> tuple[Array, int] | InputError:
        fit = refitted(fits, question.panel, k)
        columns = set(question.columns)
        terms = [name for name, where in fit.design.terms.items() if set(range(where.start, where.stop)) <= columns]
        try:
            found = exchange.sessions_of(fit, asked)
            exchange.refuse_idle(asked, exchange.columns_of(fit, terms), " + ".join(terms), found)
            plan, statistics, size, df = exchange.prepared(fit, asked, terms, found)
        except InputError as error:
            return error
        return rearranged.distribution(_same(question, plan), statistics, size), df

    return progress(one_by_one(alone, which.tolist()), len(which), "models")


def _same(question: Question, plan: Plan) -> Arrangements:
    """The arrangements of the panel; as many of a model's own rows where it misses some."""
    lots = question.lots
    if len(plan.arrangement(0)) == len(lots.plan.arrangement(0)) and type(plan) is type(lots.plan):
        return lots
    return Arrangements(plan, lots.n, lots.seed, lots.complete and plan.count == lots.n + 1)


# many at once --------------------------------------------------------------------------------------------------------


def _together(fits: FitsRecord, question: Question, asked: Request) -> Iterator[tuple[Models, Array, int]]:
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
    small = substock(replace(_at(panel.stock, used[plan.targets]), candidates=None), space)
    found = fitted(small, control)
    if not found.regular[0]:
        return
    Z = small.rows.whole.X
    null = _null(small, np.array([0]), found.coef, Z)
    Q = np.linalg.qr(panel.stock.rows.whole.X[used] @ space.shared)[0]
    known = np.ones(len(panel), dtype=bool)
    if candidates.values.dtype.kind == "f":
        known = ~np.isnan(candidates.values).any(axis=0)
    regular = np.flatnonzero(_whole_rank(panel) & known)
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
    return replace(stock, sample=stock.sample.at(rows), rows=kept, outcomes=outcomes, candidates=candidates)


# the table -----------------------------------------------------------------------------------------------------------


def _table(
    fits: FitsRecord,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    asked: Request,
    adjust: str | None,
) -> Table:
    lots = questions[0].lots
    statistic, df = (np.concatenate([getattr(one, name) for one in answers]) for name in ("statistic", "df"))
    as_large = np.concatenate([one.as_large for one in answers])
    p = np.where(df > 0, schemes.p_values(lots.plan, as_large, lots.n), np.nan)
    texts = [labels(question.panel, [f"{' = '.join(question.terms)} = 0"]) for question in questions]
    columns = {
        **first_columns(fits, [1] * len(answers)),
        "hypothesis": np.concatenate(texts),
        "statistic": statistic,
        "df": df,
        "p_value": p,
        "n": lots.n,
        "mc_error": np.where(df > 0, 0.0 if lots.complete else np.sqrt(p * (1 - p) / lots.n), np.nan),
        "scheme": asked.scheme.name,
        "test": f"permutation {asked.statistic}",
        "status": np.concatenate([question.panel.found.status for question in questions]),
    }
    table = pd.DataFrame(columns)
    if adjust == "maxT":
        table.insert(list(table).index("p_value") + 1, "p_adjusted", _family_wise(lots, statistic, df, answers))
    elif adjust is not None:
        table = adjusted(table, adjust)
    largest = np.maximum.reduce([answer.largest for answer in answers])
    return headed(table, _heading(fits, questions, asked, int((df > 0).sum()), adjust), largest)


def _family_wise(lots: Arrangements, statistic: Array, df: NDArray[np.intp], answers: Sequence[Answer]) -> Array:
    """p-values by the largest statistic of each arrangement over all models (99)."""
    largest = np.sort(np.maximum.reduce([answer.largest for answer in answers])[1:])
    reaching = permutations.reaching(largest, permutations.normal_scale(statistic, df))
    return np.where(df > 0, schemes.p_values(lots.plan, reaching, lots.n), np.nan)


def _heading(
    fits: FitsRecord, questions: Sequence[Question], asked: Request, tested: int, adjust: str | None
) -> list[str]:
    lots, found = questions[0].lots, questions[0].found if len(questions) == 1 else None
    lines = [exchange.title(asked, lots), f"Models: {fits.formula}; {tested:,} of {counted(len(fits), 'model')} tested"]
    if adjust is not None:
        lines.append(f"p_adjusted: {_ADJUSTED if adjust == 'maxT' else adjust}, over {counted(tested, 'model')}")
    return [*lines, *exchange.told(asked, found, lots)]


_ADJUSTED = "chance of any false positive, by the largest statistic of each arrangement (maxT)"
