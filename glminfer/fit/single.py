"""One model: from a sample of rows to the record of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glminfer.data.design import Design, Sample
from glminfer.data.rows import Rows
from glminfer.data.rows_coded import in_codes
from glminfer.errors import DataError, Status
from glminfer.fit import existence, separation, separation_coded
from glminfer.fit.approach import subsample
from glminfer.fit.dense import coded_or_in_full
from glminfer.fit.narrative import alias_texts, notes_of, separation_text
from glminfer.fit.null_model import Totals, null_loglik
from glminfer.fit.records import FitRecord, Space
from glminfer.fit.solving import Method, finished, left_of, scouting, solve
from glminfer.fit.starts import cooled_start, flat_start
from glminfer.numerics import kernels
from glminfer.numerics.binomial import count_constant, saturated_loglik
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family, family
from glminfer.numerics.newton import Solution, unit_of
from glminfer.numerics.posing import Columns, Peak
from glminfer.numerics.rank import Basis, learn_basis, subset_basis, working_columns


@dataclass(frozen=True, slots=True)
class Summit:
    """The maximum over rows, or its limit under separation.

    Attributes
    ----------
    rows : Rows
        What the solution was found on; separated rows weigh nothing there.
    solution : Solution
    inner : Basis or None
        How the solution's coordinates make those of the rows; None when they are the same.
    recession : Recession or None
        In the coordinates of the rows.
    separated : (n,) bool or None
    shrinkage : (r,) or None
        Curvature that a quadratic penalty adds.
    """

    rows: Rows
    solution: Solution
    inner: Basis | None = None
    recession: separation.Recession | None = None
    separated: separation.Mask | None = None
    shrinkage: Array | None = None


def fit_single(sample: Sample, method: Method, call: Mapping[str, Any], moves: Array | None = None) -> FitRecord:
    """Fit one model by maximum likelihood.

    A step that has been seen to run away is told by ``moves`` (n,), what it does to the linear predictor of each row.

    Raises
    ------
    DataError
        If there are more columns than rows and as many independent ones as rows.
    """
    return coded_or_in_full(sample, lambda given: _fitted(given, method, call, moves))


def _fitted(sample: Sample, method: Method, call: Mapping[str, Any], moves: Array | None) -> FitRecord:
    raw = sample.rows
    totals = Totals(*map(float, raw.sum(kernels.totals)))
    if method.penalty is None:
        refuse_saturated(sample, raw.n - int(totals.silent))
    chosen, constant = family(method.link), sample.design.constant
    method = replace(method, unit=unit_of(totals.weight, raw.n - int(totals.silent)))
    posed = None if method.penalty is None else method.penalty.pose(raw, _columns(sample.design, method.link))
    few = subsample(raw) if posed is None else None
    sums = None if totals.silent else sample.sums
    basis = learn_basis(raw, len(sample.design.columns), constant, few, sums) if posed is None else posed.basis
    rows, few = in_basis(raw, basis), None if few is None else in_basis(few, basis)
    if posed is None:
        summit = climb(rows, chosen, method, _start(rows, basis, chosen, constant, totals), few, moves)
    else:
        start = flat_start(rows, chosen) if totals.shifted else np.zeros(basis.rank)
        summit = _summit(rows, posed.maximise(rows, chosen, start[None], method.control))
    return _record(sample, rows, basis, summit, totals, method, call)


def _summit(rows: Rows, peak: Peak) -> Summit:
    """The maximum of a penalised likelihood, on the columns that have a coefficient."""
    if peak.active is None:
        return Summit(rows, peak.solution, shrinkage=peak.shrinkage)
    inner = subset_basis(rows.width, peak.active)
    return Summit(in_basis(rows, inner), peak.solution, inner, shrinkage=peak.shrinkage)


def in_basis(rows: Rows, basis: Basis) -> Rows:
    """The rows in working columns."""
    return rows if basis.plain else rows.with_columns(working_columns, basis)


def _columns(design: Design, link: str) -> Columns:
    intercept = design.terms.get("Intercept", slice(0, 0))
    at = np.arange(len(design.columns))
    return Columns((at >= intercept.start) & (at < intercept.stop), design.constant, link)


def refuse_saturated(sample: Sample, n: int) -> None:
    """With as many independent columns as the n rows that weigh something nothing can be claimed: all is perfect."""
    p = sample.rows.width
    if p <= n or sample.trials is not None:
        return
    rank = int(np.linalg.matrix_rank(sample.X[sample.weights > 0]))
    if rank >= n:
        raise DataError(
            f"There are {p:,} columns, {n:,} rows: every outcome would be fitted perfectly and nothing could be "
            "claimed. Use fewer covariates, a penalised fit (penalty=), or gi.logit_path for a regularization path."
        )


def climb(
    rows: Rows,
    fam: Family,
    method: Method,
    start: Array,
    few: Rows | None = None,
    moves: Array | None = None,
) -> Summit:
    """Maximise; if the maximum may not exist, decide whether it does, and if not fit the rows that stay finite.

    With ``moves``, what a step does to each row, rows that it separates are looked for first. Where offsets lie so far
    apart that no step was possible, the climb begins anew from where they were nearer.
    """
    summit = _climb(rows, fam, method, start, few, moves)
    left = left_of(method, summit.solution)
    if summit.solution.status[0] is not Status.LIMIT or left is None:
        return summit
    cooled = cooled_start(rows, fam)
    again = None if cooled is None else _climb(rows, fam, left, cooled, None, None)
    return summit if again is None or again.solution.status[0] is Status.LIMIT else again


def _climb(rows: Rows, fam: Family, method: Method, start: Array, few: Rows | None, moves: Array | None) -> Summit:
    """The same from one start."""
    if rows.coded is not None and (mask := separation_coded.levels_apart(rows)) is not None:
        return _without_levels(rows, fam, method, mask)
    apart = None if moves is None else existence.along_moves(rows, moves)
    summit = _proved_limit(rows, fam, method, apart)
    if summit is not None:
        return summit
    scout = solve(rows, fam, scouting(method), start, few)
    if existence.exists(rows, fam, scout, method.unit):
        return Summit(rows, _finished(rows, fam, method, scout, start))
    if rows.coded is not None and (mask := separation_coded.slopes_apart(rows)) is not None:
        return _without_levels(rows, fam, method, mask)
    summit = _proved_limit(rows, fam, method, existence.along_step(rows, scout))
    if summit is not None:
        return summit
    flat = flat_start(rows, fam)
    if scout.status[0] is Status.LIMIT and (few is not None or not np.allclose(start, flat)):  # a bad start, perhaps
        again = solve(rows, fam, scouting(method), flat)
        if existence.exists(rows, fam, again, method.unit):
            return Summit(rows, _finished(rows, fam, method, again, flat))
    apart = existence.by_programme(rows, fam, scout)
    if apart is None:
        return Summit(rows, _finished(rows, fam, method, scout, start))
    return _settled(_limit(rows, fam, method, apart), fam, method)


def _finished(rows: Rows, fam: Family, method: Method, scout: Solution, start: Array) -> Solution:
    """The maximum, which exists, by the solver asked for."""
    return finished(rows, fam, method, scout) if method.solver == "newton" else solve(rows, fam, method, start)


def _limit(rows: Rows, fam: Family, method: Method, apart: existence.Apart) -> Summit:
    """The fit of the rows that are not separated, in the directions that are left."""
    mask, cone = apart
    kept = rows.without(mask)
    inner = learn_basis(kept, rows.width, None)
    kept = in_basis(kept, inner)
    return Summit(kept, solve(kept, fam, method, flat_start(kept, fam)), inner, cone, mask)


def _proved_limit(rows: Rows, fam: Family, method: Method, apart: existence.Apart | None) -> Summit | None:
    """The fit of the rows left, if their maximum exists, which proves that no more are separated; else None."""
    if apart is None:
        return None
    summit = _limit(rows, fam, method, apart)
    proved = not summit.rows.width or existence.exists(summit.rows, fam, summit.solution, method.unit)
    return _settled(summit, fam, method) if proved else None


def _settled(summit: Summit, fam: Family, method: Method) -> Summit:
    """The rows left have a maximum, however far out: let Newton reach it."""
    return replace(summit, solution=finished(summit.rows, fam, method, summit.solution))


def _without_levels(rows: Rows, fam: Family, method: Method, mask: separation.Mask) -> Summit:
    """The same without rows that are separated within their levels; more of the others may be separated, too."""
    kept = rows.without(mask)
    inner = learn_basis(kept, rows.width, None)
    beyond = climb(in_basis(kept, inner), fam, method, flat_start(in_basis(kept, inner), fam))
    if beyond.separated is not None:
        mask = mask | beyond.separated
        inner = learn_basis(rows.without(mask), rows.width, None)
        left = in_basis(rows.without(mask), inner)
        beyond = _settled(Summit(left, solve(left, fam, method, flat_start(left, fam))), fam, method)
    cone = separation_coded.recession(in_codes(rows), mask)
    return Summit(beyond.rows, beyond.solution, inner, cone, mask)


def _start(rows: Rows, basis: Basis, fam: Family, constant: Array | None, totals: Totals) -> Array:
    """The constant at the link of the overall mean, zero without one; with an offset, what makes eta flattest."""
    if totals.shifted:
        return flat_start(rows, fam)
    start = np.zeros(basis.rank)
    if constant is None:
        return start
    where = np.flatnonzero(constant[basis.kept])
    if where.size == np.count_nonzero(constant):
        start[where] = constant[basis.kept[where]] * fam.quantile(np.array(totals.mean))
    return start


def _record(
    sample: Sample,
    rows: Rows,
    basis: Basis,
    summit: Summit,
    totals: Totals,
    method: Method,
    call: Mapping[str, Any],
) -> FitRecord:
    design, solution, fam = sample.design, summit.solution, family(method.link)
    aliased = _aliased(sample, basis)
    T = basis.T if summit.inner is None else basis.T @ summit.inner.T
    recession = _named_recession(summit, basis, sample)
    linear = T @ solution.coef[0]
    values = _values(linear, recession, list(basis.relations))
    # an unfinished fit of the finite part is worse news than the separation
    status = (
        Status.SEPARATED if recession is not None and solution.status[0] is Status.CONVERGED else solution.status[0]
    )
    text = separation_text(sample, values, summit.separated, aliased)
    constant, saturated = _of_counts(sample)
    nobs = rows.n - int(totals.silent)
    return FitRecord(
        design=design,
        family=fam,
        solver=method.solver,
        penalty=method.penalty,
        control=method.control,
        values=values,
        linear=linear,
        T=T,
        working=solution.coef[0],
        means=basis.means,
        information=solution.terms.information[0],
        rank=basis.rank,
        nobs=nobs,
        n_dropped=sample.n_dropped,
        loglik=float(solution.terms.loglik[0]) + constant,
        null_loglik=null_loglik(rows, fam, design.has_intercept, totals) + constant,
        count_constant=constant,
        n_trials=totals.weight if sample.trials is not None else nobs,
        saturated_loglik=saturated + constant,
        status=status,
        n_iter=int(solution.n_iter[0]),
        aliased=aliased,
        recession=recession,
        separated_rows=summit.separated,
        separation=text,
        notes=(
            *notes_of(sample, aliased, text, status, int(totals.silent)),
            *(method.penalty.notes if method.penalty is not None else ()),
        ),
        steps=solution.trace,
        grouped=sample.trials is not None,
        rows=summit.rows,
        space=Space(rows, basis),
        sample=sample,
        call=call,
        shrinkage=summit.shrinkage,
    )


def _of_counts(sample: Sample) -> tuple[float, float]:
    """The binomial coefficients, and the log-likelihood of one mean per row; zero for single trials."""
    if sample.trials is None:
        return 0.0, 0.0
    return tuple(f(sample.y, sample.weights, sample.trials) for f in (count_constant, saturated_loglik))


def _aliased(sample: Sample, basis: Basis) -> dict[str, str]:
    """``{"c": "c = a + b"}`` for each aliased column."""
    if not basis.relations:
        return {}
    norms = np.sqrt(sample.rows.sum(kernels.column_products).diagonal())
    return alias_texts(basis.relations, sample.design.columns, norms)


def _named_recession(summit: Summit, basis: Basis, sample: Sample) -> separation.Recession | None:
    """The cone in the coefficients of the columns."""
    if summit.recession is None:
        return None
    scale = separation.largest(sample.rows.map(kernels.sizes), axis=0)
    return separation.Recession(basis.T @ summit.recession.null, summit.recession.cone, scale)


def _values(linear: Array, recession: separation.Recession | None, aliased: list[int]) -> Array:
    values = linear.copy()
    if recession is not None:
        signs = recession.of_columns()
        values = np.where(
            signs == 0, values, np.where(np.isnan(signs), np.nan, np.inf * np.where(signs < 0, -1.0, 1.0))
        )
    values[aliased] = np.nan
    return values
