"""Models nested in a fit: the same rows, coefficients held to affine subspaces of the working coordinates.

Dropping terms, fixing a coefficient and holding a linear combination are all of this kind, so nothing is ever rebuilt:
the models of a table or of a profile advance together from the fit's own estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.rows import MemoryRows, in_memory
from glminfer.errors import InputError, Status
from glminfer.fit.records import FitRecord, Space
from glminfer.fit.single import climb, in_basis
from glminfer.fit.solving import Method
from glminfer.fit.starts import flat_start
from glminfer.numerics import kernels, linalg
from glminfer.numerics.blocks import Array, Terms
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Objective, Solution, Spaces, maximise, newton_step
from glminfer.numerics.objectives import Likelihood, bias_reduction
from glminfer.numerics.penalties import NO_PROGRESS, AnyPenalty, unhurried
from glminfer.numerics.rank import coordinate_basis
from glminfer.numerics.selection import Selection
from glminfer.numerics.subspaces import Coordinates, Held
from glminfer.numerics.threads import one_blas_thread

_APART = 1e-4  # smallest singular value of directions that are used as they are
_DEPENDENT = 1e-8  # what may be left of an aliased column in the span of others
_ROUNDING = 1e-14  # a difference of two numbers that is nothing beside them
_SAME = 1e-9  # of the squared norm of a column: what may be left of a combination of others


@dataclass(frozen=True, slots=True)
class Nested:
    """The maximum of the likelihood, or of the penalised likelihood, over an affine subspace.

    Attributes
    ----------
    loglik : float
        Log-likelihood there, without binomial coefficients; the supremum where it is not attained.
    coef : (r,)
        Working coefficients of the whole space (their finite part under separation).
    rank : int
        Free coefficients.
    status : Status
    separated : (n,) bool or None
        Rows fitted exactly in the limit: they carry neither score nor information.
    penalty : float
        What a penalised log-likelihood adds there (54).
    """

    loglik: float
    coef: Array
    rank: int
    status: Status
    separated: NDArray[np.bool_] | None = None
    penalty: float = 0.0

    @property
    def height(self) -> float:
        """What was maximised, and is compared."""
        return self.loglik + self.penalty


@dataclass(frozen=True, slots=True)
class Stage:
    """Where nested models are fitted: rows in working coordinates, and the estimate to start from.

    Attributes
    ----------
    space : Space
    family : Family
    control : Control
    estimate : (r,)
        A point to start from.
    metric : (r, r)
        Information near it: what "nearest" means.
    scale : (r,)
        Sizes of the working columns.
    penalty : a penalty or None
        Whose penalised likelihood is maximised; None is the likelihood.
    """

    space: Space
    family: Family
    control: Control
    estimate: Array
    metric: Array
    scale: Array
    penalty: AnyPenalty | None = None

    def objective(self, within: Spaces = None) -> Objective:
        """What is maximised; a penalty is that of the models whose columns span the subspaces ``within`` (54)."""
        rows = self.space.rows
        if self.penalty is None:
            return Likelihood(rows, self.family)
        return bias_reduction(rows, self.family, len(self.estimate), within)

    def maximise(
        self, start: Array, control: Control, spaces: Spaces, within: Spaces = None, patient: bool = False
    ) -> Solution:
        """Climb from ``start`` (m, r) along the subspaces."""
        objective = self.objective(within)
        if self.penalty is None:
            return maximise(objective, start, control, patient=patient, spaces=spaces)
        return maximise(objective, start, unhurried(control), patient=True, spaces=spaces, no_progress=NO_PROGRESS)


def stage_of(fit: FitRecord) -> Stage:
    """The stage of a fit's own columns."""
    fit.with_rows()
    assert fit.space is not None
    if fit.recession is None:
        return stage(fit.space, fit.family, fit.control, fit.working, fit.information, fit.penalty)
    return stage(fit.space, fit.family, fit.control)


def stage(
    space: Space,
    family: Family,
    control: Control,
    estimate: Array | None = None,
    metric: Array | None = None,
    penalty: AnyPenalty | None = None,
) -> Stage:
    """A stage; without an estimate it starts at zero, in the metric of the columns themselves."""
    if estimate is None or metric is None:
        estimate, metric = np.zeros(space.basis.rank), space.rows.sum(kernels.column_products)
    sizes = np.sqrt(metric.diagonal())
    plain = Control(tol=control.tol, max_halvings=control.max_halvings)
    return Stage(space, family, plain, estimate, metric, np.where(sizes > 0, sizes, 1.0), penalty)


def span(where: Stage, columns: NDArray[np.intp] | Sequence[int]) -> Array:
    """Basis (r, q) of the subspace that some design columns span, in working coordinates."""
    found = _coordinates(where.space, np.asarray(columns, dtype=np.intp))
    if found is not None:
        return cast(Array, found)
    chosen = list(columns)
    clear = np.array([j not in where.space.basis.relations for j in chosen], dtype=bool)
    return spanning(where, where.space.coordinates()[:, chosen], clear)


def spanning(where: Stage, directions: Array, clear: NDArray[np.bool_]) -> Array:
    """A basis of the span of some directions (r, k), of which the ``clear`` ones are known to be independent.

    The directions themselves, so that their zeros stay zeros; nearly parallel ones less what they share.
    """
    if not directions.shape[1]:
        return np.zeros((len(where.scale), 0))
    weighted = directions * where.scale[:, None]
    size = np.linalg.norm(weighted, axis=0)
    if clear.all() and np.linalg.svd(weighted / size, compute_uv=False).min() > _APART:
        return directions
    found: list[tuple[Array, int]] = []
    for k in np.argsort(~clear, kind="stable"):
        d = _reduced(directions[:, k].copy(), found)
        left = np.abs(d * where.scale)
        if left.any() and (clear[k] or np.linalg.norm(left) > _DEPENDENT * size[k]):
            found.append((d, int(left.argmax())))
    return np.array([d for d, _ in found]).reshape(-1, len(where.scale)).T


def _reduced(d: Array, found: Sequence[tuple[Array, int]]) -> Array:
    """A direction less multiples of those found, so that it is zero at their largest places."""
    for other, place in found:
        if d[place]:
            taken = other * (d[place] / other[place])
            d = np.where(np.abs(d - taken) > _ROUNDING * (np.abs(d) + np.abs(taken)), d - taken, 0.0)
            d[place] = 0.0
    return d


def in_full(where: Stage) -> Stage:
    """The same stage with every column as numbers: for work on matrices of rows."""
    if not isinstance(where.space.basis.T, Selection):
        return where
    basis = replace(where.space.basis, T=np.asarray(where.space.basis.T))
    space = Space(in_memory(where.space.rows), basis)
    return replace(where, space=space, metric=np.asarray(where.metric))


def everything(where: Stage) -> Array:
    """Basis of all working coefficients."""
    r = where.space.basis.rank
    return cast(Array, Coordinates(r, np.arange(r))) if isinstance(where.space.basis.T, Selection) else np.eye(r)


def _coordinates(space: Space, columns: NDArray[np.intp]) -> Coordinates | None:
    """The same as coordinates, where factors are coded; None where the columns span other directions too."""
    T, relations = space.basis.T, space.basis.relations
    if not isinstance(T, Selection):
        return None
    chosen = np.zeros(T.height, dtype=bool)
    chosen[columns] = True
    made = [T.combinations[:, k] for k in np.flatnonzero(chosen[T.places[T.mixed]])]
    made += [relations[j] for j in columns.tolist() if j in relations]
    if any(bool((one != 0)[~chosen].any()) for one in made):
        return None
    return Coordinates(len(T.places), np.flatnonzero(chosen[T.places]))


def independent(where: Stage, directions: Array) -> Array:
    """Basis (r, q) of the span of some directions (r, k), rank decided on scaled columns."""
    if not directions.shape[1]:
        return np.zeros((len(where.scale), 0))
    weighted = directions * where.scale[:, None]
    size = np.linalg.norm(weighted, axis=0)
    left, singular, _ = np.linalg.svd(weighted / np.where(size > 0, size, 1.0), full_matrices=False)
    return np.asarray(left[:, singular > 1e-8 * singular.max(initial=0.0)] / where.scale[:, None])


def combinations(rows: MemoryRows, others: Array) -> Array | None:
    """Coefficients (r, k) that make other columns (n, k) of those of the rows; None when a column is no combination."""
    r = rows.whole.X.shape[1]
    products = rows.with_X(np.hstack([rows.whole.X, others])).sum(kernels.column_products)
    factored = linalg.factor(products[:r, :r])
    if factored is None:
        return None
    found, size = linalg.solve(factored, products[:r, r:]), np.diagonal(products)[r:]
    left = size - np.einsum("rk,rk->k", products[:r, r:], found)
    return found if (left <= _SAME * size).all() else None


def complement(where: Stage, functionals: Array) -> Array:
    """Basis (r, r - q) of the directions that leave q functionals (q, r) of the working coefficients unchanged."""
    if isinstance(where.space.basis.T, Selection):
        if (np.count_nonzero(functionals, axis=1) == 1).all():
            return cast(Array, Coordinates(functionals.shape[1], np.flatnonzero(~functionals.any(axis=0))))
        return cast(Array, Held(functionals))
    _, _, right = np.linalg.svd(functionals / where.scale, full_matrices=True)
    return np.asarray(right[len(functionals) :].T / where.scale[:, None])


def refuse_penalised(fit: FitRecord, what: str) -> None:
    """Refuse what is known of maximum-likelihood fits only, and fits that did not reach their maximum."""
    if fit.penalty is not None:
        raise InputError(
            f"{what} compares maxima of the likelihood, and this fit is penalised ({fit.penalty.name}); refit without "
            "penalty=, or use the statements of tidy()."
        )
    _refuse_unfinished(fit, what)


def refuse_without_likelihood(fit: FitRecord, what: str) -> None:
    """Refuse to compare maxima where the fit is the maximum of no likelihood, penalised or not."""
    if fit.penalty is not None and (why := fit.penalty.no_likelihood(fit.family.link)):
        raise InputError(f"{what} compares maxima of a likelihood, and {why}")
    _refuse_unfinished(fit, what)


def _refuse_unfinished(fit: FitRecord, what: str) -> None:
    if fit.status is Status.LIMIT:
        raise InputError(
            f"{what} compares maxima of the likelihood, and this fit stopped before its maximum; see fit.trace, and "
            "refit with more iterations, such as control=gi.Control(max_iter=1000), or with solver='newton'."
        )


def whole(fit: FitRecord) -> Nested:
    """The fit itself, as the largest of its nested models."""
    penalty = 0.0 if fit.penalty is None else 0.5 * float(linalg.inverses(fit.information[None])[1][0])
    return Nested(fit.loglik - fit.count_constant, fit.working, fit.rank, fit.status, fit.separated_rows, penalty)


def nested_fits(where: Stage, spaces: Sequence[Array], at: Array | None = None, within: Spaces = None) -> list[Nested]:
    """Maximise over each subspace (plus the points ``at`` (m, r)), as one batch.

    A penalised likelihood is that of the subspace ``within`` which contains the one that is maximised over; by default
    of the whole space. The likelihood is the same within all of them.
    """
    if not spaces:
        return []
    points = np.zeros((len(spaces), len(where.scale))) if at is None else at
    with one_blas_thread():
        return _batch(where, spaces, points) if where.penalty is None else _penalised(where, spaces, points, within)


def _batch(where: Stage, spaces: Sequence[Array], points: Array) -> list[Nested]:
    start = np.array([_start(where, B, point) for B, point in zip(spaces, points, strict=True)])
    solution = where.maximise(start, where.control, spaces)
    sure = _certified(where, solution.coef, solution.terms, spaces)
    found = []
    for k, B in enumerate(spaces):
        if sure[k] and solution.status[k] is Status.CONVERGED:
            found.append(Nested(float(solution.terms.loglik[k]), solution.coef[k], B.shape[1], Status.CONVERGED))
        else:
            found.append(alone(where, B, points[k], solution.coef[k]))
    return found


def _penalised(where: Stage, spaces: Sequence[Array], points: Array, within: Spaces) -> list[Nested]:
    """The same for a penalised likelihood, whose maximum exists whatever the data."""
    start = np.array([_start(where, B, point) for B, point in zip(spaces, points, strict=True)])
    solution = where.maximise(start, where.control, spaces, within)
    loglik = Likelihood(where.space.rows, where.family)(solution.coef).loglik
    added = solution.terms.loglik - loglik
    return [
        Nested(float(loglik[k]), solution.coef[k], B.shape[1], solution.status[k], None, float(added[k]))
        for k, B in enumerate(spaces)
    ]


def _start(where: Stage, B: Array, point: Array) -> Array:
    """The point of the subspace nearest to the estimate in the metric of the information."""
    if isinstance(B, Coordinates | Held):
        step = B.step(where.metric, where.metric @ (where.estimate - point))
        return point if step is None else point + step
    factored = linalg.factor(linalg.symmetric(B.T @ where.metric @ B))
    if factored is None or not B.shape[1]:
        return point
    return np.asarray(point + B @ linalg.solve(factored, B.T @ where.metric @ (where.estimate - point)))


def _certified(where: Stage, coef: Array, terms: Terms, spaces: Sequence[Array]) -> NDArray[np.bool_]:
    """Which maxima are certain to exist (16), the decrement taken within each subspace."""
    expected = Terms(terms.loglik, terms.score, terms.information, terms.information)
    decrement = newton_step(expected, spaces)[1]
    bound = where.space.rows.sum(kernels.existence, coef, where.family)
    with np.errstate(invalid="ignore"):
        return np.asarray(bound * np.maximum(decrement, 1e-14) ** 2 < 0.5)


def alone(where: Stage, B: Array, point: Array, near: Array) -> Nested:
    """One model by itself, separation included: columns Z B, the held part in the offset."""
    rows = where.space.rows
    held = rows.with_offset(rows.map(kernels.eta, point[None]))
    if isinstance(B, Coordinates):
        held = in_basis(held, coordinate_basis(B.r, B.kept))
    else:
        B = np.asarray(B)
        held = held.with_columns(kernels.combined_clearly, B)
    usable = bool(np.isfinite(near).all()) and np.abs(near).max(initial=0.0) < 1e3
    nearest = _nearest(B, near - point) if usable else None
    start = flat_start(held, where.family) if nearest is None else nearest
    summit = climb(held, where.family, Method(where.family.link, control=where.control), start)
    free = summit.solution.coef[0] if summit.inner is None else summit.inner.T @ summit.solution.coef[0]
    status = summit.solution.status[0] if summit.recession is None else Status.SEPARATED
    return Nested(float(summit.solution.terms.loglik[0]), point + _put(B, free), B.shape[1], status, summit.separated)


def _nearest(B: Array | Coordinates, point: Array) -> Array:
    """Coordinates in the subspace of the point nearest to another."""
    if isinstance(B, Coordinates):
        return point[B.kept]
    return np.asarray(np.linalg.lstsq(B, point, rcond=None)[0], float)


def _put(B: Array | Coordinates, free: Array) -> Array:
    """The point with some coordinates in the subspace."""
    if not isinstance(B, Coordinates):
        return np.asarray(B @ free)
    out = np.zeros(B.r)
    out[B.kept] = free
    return out
