"""Statistics of a tested term after its columns were moved to other rows, or its scores changed sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.progress import progress
from glminfer.data.rows import MemoryRows, in_memory
from glminfer.data.sessions import Sessions
from glminfer.errors import InputError, Status
from glminfer.fit.nested import Nested, Stage, in_full, nested_fits, span, stage_of
from glminfer.fit.records import FitRecord
from glminfer.fit.single import climb
from glminfer.fit.solving import Method
from glminfer.fit.starts import flat_start
from glminfer.inference import schemes
from glminfer.inference import terms as term_names
from glminfer.inference.likelihood import efficient, informed
from glminfer.inference.rearranged_codes import CodedTested, coded_ratio_statistics, tested_codes
from glminfer.inference.schemes import Plan
from glminfer.numerics import kernels, permutations, permutations_coded
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.newton import maximise
from glminfer.numerics.permutations import GroupScores, MovedLikelihood, NullScores
from glminfer.numerics.permutations_coded import CodedScores
from glminfer.numerics.room import refuse_without_room
from glminfer.numerics.selection import Selection
from glminfer.numerics.threads import one_by_one

LEVEL = 0.05  # a table says when no p-value can be as small as this
_AT_ONCE = 1 << 19  # numbers of moved columns one thread holds at once: four megabytes
_REMEMBERED = 1 << 23  # numbers of arrangements kept for several models: 64 megabytes
_COPIES = 5  # of the matrix, at most, while a coded factor is made dense
_OTHERS = "Leave the long factor out, test within its levels one by one, or use score_test(…, cluster=…)."
_ALIKE = 1e-9  # values of a session this close, relative to the column's size, are one value

Codes = NDArray[np.intp]
Statistics = Callable[[NDArray[Any]], Array]


@dataclass(frozen=True, slots=True)
class Tested:
    """The tested part of a model on all rows of positive weight (n), and the null model on some of them (t).

    Attributes
    ----------
    stage : Stage
        The t rows; rows that the null model separates weigh nothing.
    null : Nested
        The null model's estimate.
    smaller : (r, k)
        Basis of those that say something, in working coordinates.
    Z : (n, q)
        The nuisance columns, also those that say nothing on the t rows.
    X : (n, d)
        The tested columns, orthogonal to the nuisance columns in the metric of the null model.
    """

    stage: Stage
    null: Nested
    smaller: Array
    Z: Array
    X: Array

    def scores(self) -> NullScores:
        """Scores and weights of the null model on its t rows."""
        rows = self.stage.space.rows
        found = rows.map(permutations.contributions, self.null.coef[None], self.stage.family)
        return permutations.null_scores(rows.values("X") @ self.smaller, found[:, :1], found[:, 1:])

    def residual(self) -> Array:
        """What is left of the tested columns after least squares on the nuisance columns, all rows alike (90)."""
        Q = np.linalg.qr(self.Z)[0]
        left = self.X - Q @ (Q.T @ self.X)
        return np.asarray((left - Q @ (Q.T @ left)) / np.linalg.norm(self.X, axis=0))


def tested_part(fit: FitRecord, terms: list[str], targets: Codes) -> Tested | CodedTested:
    """The tested part of a fit; the null model is fitted on ``targets`` (t,) of its n rows of positive weight.

    Raises
    ------
    InputError
        If the other columns leave nothing of the tested ones.
    """
    where = stage_of(fit)
    if isinstance(where.space.basis.T, Selection):
        found = tested_codes(where, term_names.columns_without(fit, terms), targets)
        if found is not None:
            _refuse_unfinished(found.summit.solution.status[0], terms)
            _refuse_explained(found.X, terms)
            return found
        n, r = where.space.rows.n, where.space.basis.rank
        refuse_without_room((_COPIES, n, r), f"Dense columns of {n:,} rows, {r:,} columns, to move,", _OTHERS)
    where = in_full(where)
    everything = in_memory(where.space.rows).whole
    used = np.flatnonzero(everything.weights[:, 0] > 0)
    here = _on(where, used[targets])
    nuisance = span(here, term_names.columns_without(fit, terms))
    spaces = nuisance, np.eye(where.space.basis.rank)
    if len(targets) < len(used):  # a level may have no rows there
        products = here.space.rows.sum(kernels.column_products)
        spaces = informed(here, products, spaces[0]), informed(here, products, spaces[1])
    null = nested_fits(here, [spaces[0]])[0]
    _refuse_unfinished(null.status, terms)
    here, _, smaller, A = efficient(here, null, spaces)
    _refuse_explained(A, terms)
    X = everything.X[used]
    return Tested(here, null, smaller, X @ nuisance, X @ A)


def _on(where: Stage, rows: Codes) -> Stage:
    return replace(where, space=replace(where.space, rows=MemoryRows(in_memory(where.space.rows).whole.rows(rows))))


def _refuse_explained(directions: Array, terms: list[str]) -> None:
    if not directions.shape[1]:
        raise InputError(
            f"{' + '.join(terms)} is a combination of the other columns of the model, so nothing of it is left to test."
        )


def _refuse_unfinished(status: Status, terms: list[str]) -> None:
    if status is Status.LIMIT:
        raise InputError(f"The model without {' + '.join(terms)} did not reach its maximum, so it has no scores.")


# distributions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrangements:
    """The observed arrangement of a plan and ``n`` others: random ones, or ``complete``, all there are.

    Each random arrangement has a generator of its own, so that nothing depends on chunks or threads.
    """

    plan: Plan
    n: int
    seed: int
    complete: bool
    known: NDArray[Any] | None = None

    def at(self, places: range) -> NDArray[Any]:
        """Some of them, stacked; number 0 is the observed one."""
        if self.known is not None:
            return self.known[places.start : places.stop]
        return np.stack([self._one(k) for k in places])

    def _one(self, k: int) -> Any:
        if self.complete or k == 0:
            return self.plan.arrangement(k)
        return self.plan.draw(np.random.default_rng([self.seed, k]))

    def remembered(self) -> Arrangements:
        """The same, kept for several uses unless they are too large."""
        if (self.n + 1) * len(self.plan.arrangement(0)) > _REMEMBERED:
            return self
        return replace(self, known=self.at(range(self.n + 1)))


def arrangements(plan: Plan, n: int, seed: int) -> Arrangements:
    """``n`` random arrangements of a plan, or all others if there are no more than that."""
    complete = plan.count - 1 <= n
    return Arrangements(plan, plan.count - 1 if complete else n, seed, complete)


def distribution(lots: Arrangements, statistics: Statistics, at_once: int) -> Array:
    """The statistics of all arrangements, the observed one first: (1 + n, …)."""
    total = lots.n + 1
    chunks = [range(first, min(first + at_once, total)) for first in range(0, total, at_once)]
    done = one_by_one(lambda places: statistics(lots.at(places)), chunks)
    return np.concatenate(list(progress(done, len(chunks), "arrangements")))


def summary_row(terms: list[str], df: int, lots: Arrangements, every: Array) -> dict[str, Any]:
    """What a table says of a distribution: hypothesis, statistic, df, p_value, n, mc_error (94)."""
    p = schemes.p_value(lots.plan, int(permutations.reached(every[1:], every[0]).sum()), lots.n)
    return {
        "hypothesis": f"{' = '.join(terms)} = 0",
        "statistic": float(every[0]),
        "df": df,
        "p_value": p,
        "n": lots.n,
        "mc_error": 0.0 if lots.complete else float(np.sqrt(p * (1 - p) / lots.n)),
    }


def at_once(numbers: int) -> int:
    """How many arrangements are worked on together, if each takes so many numbers."""
    return int(np.clip(_AT_ONCE // max(numbers, 1), 1, 256))


def score_statistics(null: NullScores | CodedScores, moved: Array) -> Statistics:
    """Rao's statistic of arrangements (B, t) of the columns ``moved`` (n, d) (91)."""
    columns = np.ascontiguousarray(moved.T)
    if isinstance(null, CodedScores):
        return lambda sources: permutations_coded.moved_statistics(null, columns[:, sources])
    return lambda sources: permutations.moved_statistics(null, columns[:, sources])[:, 0]


def ratio_statistics(part: Tested | CodedTested, moved: Array) -> Statistics:
    """Likelihood ratios of arrangements of the columns ``moved`` (n, d), refitted together (92)."""
    separated = part.null.separated if isinstance(part, Tested) else part.summit.separated
    if separated is not None:
        raise InputError(
            "The model without the tested term is separated, and its refits with moved columns are not comparable; "
            "use statistic='score', which leaves the separated rows out."
        )
    return _ratios(part, moved) if isinstance(part, Tested) else coded_ratio_statistics(part, moved)


def _ratios(part: Tested, moved: Array) -> Statistics:
    whole = in_memory(part.stage.space.rows).whole
    rows = replace(whole, X=np.ascontiguousarray(whole.X @ part.smaller))
    known = np.linalg.lstsq(part.smaller, part.null.coef, rcond=None)[0]
    columns = np.ascontiguousarray(moved.T)

    def statistics(sources: NDArray[Any]) -> Array:
        objective = MovedLikelihood(rows, part.stage.family, columns[:, sources])
        start = np.tile(np.append(known, np.zeros(len(columns))), (len(sources), 1))
        solution = maximise(objective, start, part.stage.control)
        loglik = solution.terms.loglik.copy()
        for k, status in enumerate(solution.status):
            if status is not Status.CONVERGED:
                loglik[k] = _alone(part.stage, rows, objective.moved[:, k])
        return np.maximum(2 * (loglik - part.null.loglik), 0.0)

    return statistics


def _alone(where: Stage, rows: Block, columns: Array) -> float:
    """Log-likelihood of one refit that did not converge in the batch; its limit under separation."""
    both = MemoryRows(replace(rows, X=np.column_stack([rows.X, columns.T])))
    method = Method(where.family.link, control=where.control)
    return float(climb(both, where.family, method, flat_start(both, where.family)).solution.terms.loglik[0])


def flip_statistics(part: Tested | CodedTested, found: Sessions) -> Statistics:
    """Standardised statistics of signs (B, G) of the sessions' effective scores (93)."""
    groups = sums_of_groups(part, found.codes, found.count)
    return lambda signs: permutations.flipped_statistics(groups, signs)


def sums_of_groups(part: Tested | CodedTested, codes: Codes, count: int) -> GroupScores:
    """The sums over groups with codes (n,) that signs or weights are applied to, all rows being the null model's."""
    if isinstance(part, CodedTested):
        return permutations_coded.group_scores(part.scores(), part.X, codes, count)
    return permutations.group_scores(part.scores(), part.X, codes, count)


# values of whole sessions --------------------------------------------------------------------------------------------


def constant_within(columns: Array | Mixed, found: Sessions) -> NDArray[np.bool_]:
    """Which columns (n, k) have one value in each session."""
    at = found.rows[found.starts[:-1]][found.codes]
    if isinstance(columns, Mixed):
        return np.asarray(columns.farthest(columns[at]) <= _ALIKE * columns.largest())
    first = columns[at]
    size = np.abs(columns).max(axis=0, initial=0.0)
    return np.asarray(np.abs(columns - first).max(axis=0, initial=0.0) <= _ALIKE * size)


def session_values(columns: Array, nuisance: Array | Mixed, found: Sessions) -> Array:
    """What is left of columns (n, k) that are constant within sessions after least squares over sessions (n, d).

    Only nuisance columns that are constant within sessions as well are regressed on; all stay in the model.
    """
    one = found.rows[found.starts[:-1]]
    return left_over(columns[one], np.asarray(nuisance[one])[:, constant_within(nuisance, found)])[found.codes]


def left_over(columns: Array, nuisance: Array) -> Array:
    """Orthonormal basis (n, d) of what least squares on the nuisance columns (n, q) leaves of columns (n, k)."""
    left = _unit(columns)
    basis, size, _ = np.linalg.svd(_unit(nuisance), full_matrices=False)
    Q = basis[:, size > _ALIKE * size.max(initial=0.0)]
    for _ in range(2):  # once more for what rounding left
        left = left - Q @ (Q.T @ left)
    U, size, _ = np.linalg.svd(left, full_matrices=False)
    return np.asarray(U[:, size > _ALIKE])


def _unit(columns: Array) -> Array:
    size = np.linalg.norm(columns, axis=0)
    return np.asarray(columns / np.where(size > 0, size, 1.0))
