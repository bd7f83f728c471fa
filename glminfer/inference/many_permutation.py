"""Permutation tests of a term in many models: the same arrangements for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.progress import progress
from glminfer.errors import InputError, counted, one_of
from glminfer.fit.panels import FitsRecord, Models
from glminfer.fit.singles import refitted
from glminfer.fit.subpanels import refuse_reduced
from glminfer.inference import exchange, rearranged, schemes
from glminfer.inference.exchange import Request
from glminfer.inference.many_labels import first_columns, labels
from glminfer.inference.many_questions import Question, questions_of
from glminfer.inference.many_tests import chosen, comparable
from glminfer.inference.moved_together import together
from glminfer.inference.multiplicity import METHODS
from glminfer.inference.multiplicity import adjust as adjusted
from glminfer.inference.rearranged import Arrangements
from glminfer.inference.schemes import Plan
from glminfer.inference.table import Table, headed
from glminfer.numerics import permutations, step_down
from glminfer.numerics.blocks import Array
from glminfer.numerics.step_down import Covered
from glminfer.numerics.threads import one_blas_thread, one_by_one

STEP_DOWN = "maxT_step_down"
_ADJUSTED = {
    "maxT": "chance of any false positive, by the largest statistic of each arrangement (maxT)",
    STEP_DOWN: "chance of any false positive, by the largest statistic over models that are no more certain (maxT)",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The tests of a panel: vectors over models, NaN and df 0 where nothing could be tested.

    Attributes
    ----------
    statistic, df, as_large : (m,)
        ``as_large`` counts the arrangements that reach the observed statistic.
    largest : (1 + n,)
        The largest statistic of each arrangement over the models, on the scale of a normal deviate (99).
    covered : Covered
        The observed statistics that each arrangement reaches (157), if that is asked for.
    error : InputError or None
        Why the first model that was refused was.
    """

    statistic: Array
    df: NDArray[np.intp]
    as_large: NDArray[np.intp]
    largest: Array
    covered: Covered
    error: InputError | None


def tested(fits: FitsRecord, term: str | Sequence[str] | None, asked: Request, adjust: str | None) -> Table:
    """One row per model; see `permutation_test`."""
    refuse_reduced(fits, "permutation_test")
    if adjust is not None:
        one_of(adjust, (*_ADJUSTED, *METHODS), "adjust")
    terms = [chosen(panel, term) for panel in fits.panels]
    found, asked = questions_of(fits, terms, asked)
    questions = [one for one in found if isinstance(one, Question)]
    refused = [one for one in found if isinstance(one, InputError)]
    if not questions:
        raise refused[0]
    with one_blas_thread():
        answers = [
            _answer(fits, one, asked, adjust == STEP_DOWN)
            if isinstance(one, Question)
            else _nothing(len(panel), questions[0].lots.n, one)
            for panel, one in zip(fits.panels, found, strict=True)
        ]
    errors = [answer.error for answer in answers if answer.error is not None]
    if errors and not any((answer.df > 0).any() for answer in answers):
        raise errors[0]
    tested = sum(int((answer.df > 0).sum()) for answer in answers)
    heading = _heading(fits, questions, refused, asked, tested, adjust)
    largest = np.maximum.reduce([answer.largest for answer in answers])
    return headed(_table(fits, terms, answers, questions[0].lots, asked, adjust), heading, largest)


# answers -------------------------------------------------------------------------------------------------------------


def _answer(fits: FitsRecord, question: Question, asked: Request, by_steps: bool) -> Answer:
    m = len(question.panel)
    statistic, largest = np.full(m, np.nan), np.full(question.lots.n + 1, -np.inf)
    df, as_large = np.zeros(m, dtype=np.intp), np.zeros(m, dtype=np.intp)
    covered = [step_down.nothing()]

    def enter(which: Models, every: Array, degrees: NDArray[np.intp]) -> None:
        statistic[which], df[which] = every[0], degrees
        as_large[which] = permutations.reached(every[1:], every[0]).sum(axis=0)
        scaled = permutations.normal_scale(every, degrees)
        np.maximum(largest, scaled.max(axis=1), out=largest)
        if by_steps:
            covered.append(step_down.covered(scaled))

    for which, every, degrees in together(fits, question, asked):
        enter(which, every, np.full(len(which), degrees))
    left = np.flatnonzero(comparable(question.panel) & (df == 0))
    error = None
    for k, one in zip(left.tolist(), _one_by_one(fits, question, asked, left), strict=True):
        if isinstance(one, InputError):
            error = error or one
        else:
            enter(np.array([k]), one[0][:, None], np.array([one[1]]))
    return Answer(statistic, df, as_large, largest, reduce(add, covered), error)


def _nothing(m: int, n: int, error: InputError) -> Answer:
    """The answer of a panel whose rows cannot be arranged as asked."""
    none = np.zeros(m, dtype=np.intp)
    return Answer(np.full(m, np.nan), none, none, np.full(n + 1, -np.inf), step_down.nothing(), error)


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


# the table -----------------------------------------------------------------------------------------------------------


def _table(
    fits: FitsRecord,
    terms: Sequence[list[str]],
    answers: Sequence[Answer],
    lots: Arrangements,
    asked: Request,
    adjust: str | None,
) -> pd.DataFrame:
    statistic, df = (np.concatenate([getattr(one, name) for one in answers]) for name in ("statistic", "df"))
    as_large = np.concatenate([one.as_large for one in answers])
    p = np.where(df > 0, schemes.p_values(lots.plan, as_large, lots.n), np.nan)
    columns = {
        **first_columns(fits, [1] * len(answers)),
        "hypothesis": labels(fits.panels, [[f"{' = '.join(own)} = 0"] for own in terms]),
        "statistic": statistic,
        "df": df,
        "p_value": p,
        "n": lots.n,
        "mc_error": np.where(df > 0, 0.0 if lots.complete else np.sqrt(p * (1 - p) / lots.n), np.nan),
        "scheme": asked.scheme.name,
        "test": f"permutation {asked.statistic}",
        "status": np.concatenate([panel.found.status for panel in fits.panels]),
    }
    table = pd.DataFrame(columns)
    if adjust in _ADJUSTED:
        family_wise = _by_steps if adjust == STEP_DOWN else _family_wise
        table.insert(list(table).index("p_value") + 1, "p_adjusted", family_wise(lots, statistic, df, answers))
    return table if adjust is None or adjust in _ADJUSTED else adjusted(table, adjust)


def _family_wise(lots: Arrangements, statistic: Array, df: NDArray[np.intp], answers: Sequence[Answer]) -> Array:
    """p-values by the largest statistic of each arrangement over all models (99)."""
    largest = np.sort(np.maximum.reduce([answer.largest for answer in answers])[1:])
    reaching = permutations.reaching(largest, permutations.normal_scale(statistic, df))
    return np.where(df > 0, schemes.p_values(lots.plan, reaching, lots.n), np.nan)


def _by_steps(lots: Arrangements, statistic: Array, df: NDArray[np.intp], answers: Sequence[Answer]) -> Array:
    """The same by the largest statistic over the models whose own is no larger (157)."""
    tested, out = df > 0, np.full(len(df), np.nan)
    observed = permutations.normal_scale(statistic[tested], df[tested])
    reaching = step_down.counts(reduce(add, [answer.covered for answer in answers]), observed)
    out[tested] = step_down.in_order(schemes.p_values(lots.plan, reaching, lots.n), observed)
    return out


def _heading(
    fits: FitsRecord,
    questions: Sequence[Question],
    refused: Sequence[InputError],
    asked: Request,
    tested: int,
    adjust: str | None,
) -> list[str]:
    lots, found = questions[0].lots, questions[0].found if len(questions) == 1 else None
    lines = [exchange.title(asked, lots), f"Models: {fits.formula}; {tested:,} of {counted(len(fits), 'model')} tested"]
    if adjust is not None:
        lines.append(f"p_adjusted: {_ADJUSTED.get(adjust, adjust)}, over {counted(tested, 'model')}")
    lines += exchange.told(asked, found, lots)
    if refused:
        lines.append(f"Note: {len(refused):,} of {counted(len(fits.panels), 'group')} not tested: {refused[0]}")
    return lines
