"""Tests of terms that were selected on other rows: ordinary maximum likelihood on the rows left over."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glminfer.data.rows import memory_rows
from glminfer.errors import Status
from glminfer.fit.nested import Nested, Stage, nested_fits, span, stage
from glminfer.fit.path_records import PathRecord
from glminfer.fit.records import Space
from glminfer.numerics import linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.entering import one_outcome
from glminfer.numerics.families import family
from glminfer.numerics.newton import Control
from glminfer.numerics.objectives import Likelihood
from glminfer.numerics.rank import learn_basis

Columns = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class HalfTests:
    """Tests of some terms beside each other.

    Attributes
    ----------
    statistic : (t,)
    df : (t,)
        Columns of each term that these rows can tell from the others; 0 where there is none.
    status : Status
        Of the model with all the terms; CONSTANT where the rows have one outcome or too few columns are free.
    """

    statistic: Array
    df: Array
    status: Status


def half_tests(path: PathRecord, taken: NDArray[np.bool_], terms: list[Columns], method: str) -> HalfTests:
    """Test each term (its columns) beside the others and the columns without a penalty, on the rows taken."""
    rows = path.with_rows()[0]
    free = np.flatnonzero(path.mixture.factor == 0)
    used = np.concatenate([free, *terms]).astype(np.intp)
    first = int(path.mixture.intercept)
    none = HalfTests(np.full(len(terms), np.nan), np.zeros(len(terms)), Status.CONSTANT)
    if one_outcome(rows.y[taken], rows.weights[taken]) or len(used) + first >= taken.sum():
        return none
    X = np.column_stack([np.ones((int(taken.sum()), first)), rows.X[np.ix_(taken, used)]])
    place = np.cumsum([first + len(free), *map(len, terms)])
    spans = [np.arange(start, stop) for start, stop in itertools.pairwise(place)]
    where = _stage(X, rows.y[taken], rows.weights[taken], rows.offset[taken], first)
    whole = nested_fits(where, [span(where, np.arange(X.shape[1]))])[0]
    return (_ratios if method == "LR" else _walds)(where, whole, spans)


def _stage(X: Array, y: Array, weights: Array, offset: Array, first: int) -> Stage:
    raw = memory_rows(X, y, weights, offset)
    basis = learn_basis(raw, X.shape[1], np.eye(X.shape[1])[0] if first else None)
    return stage(Space(raw.with_X(basis.columns(raw.whole.X)), basis), family("logit"), Control())


def _ratios(where: Stage, whole: Nested, spans: list[Columns]) -> HalfTests:
    """Likelihood-ratio tests (50), which a separated half has as well."""
    p = len(where.space.basis.T)
    small = nested_fits(where, [span(where, np.setdiff1d(np.arange(p), columns)) for columns in spans])
    df = np.array([float(whole.rank - model.rank) for model in small])
    gained = np.array([max(2 * (whole.loglik - model.loglik), 0.0) for model in small])
    return HalfTests(np.where(df > 0, gained, np.nan), df, whole.status)


def _walds(where: Stage, whole: Nested, spans: list[Columns]) -> HalfTests:
    """Wald tests (40); a separated half has none."""
    if whole.status is not Status.CONVERGED:
        return HalfTests(np.full(len(spans), np.nan), np.zeros(len(spans)), whole.status)
    T = where.space.basis.T
    information = Likelihood(where.space.rows, where.family)(whole.coef[None]).information[0]
    inverse = linalg.inverse(information)
    assert inverse is not None  # the maximum exists
    coef, V = T @ whole.coef, T @ inverse @ T.T
    found = [linalg.quadratic_form(coef[columns], V[np.ix_(columns, columns)]) for columns in spans]
    df = np.array([float(df) for _, df in found])
    return HalfTests(np.where(df > 0, [statistic for statistic, _ in found], np.nan), df, whole.status)
