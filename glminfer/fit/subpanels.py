"""Models nested in those of a panel: some columns left out, all models of the panel at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.progress import progress
from glminfer.errors import InputError
from glminfer.fit.batch import Chunk, beginning, chunks, count_terms, joined, null_loglik, rows_of, solved
from glminfer.fit.nested import Nested, nested_fits, span, stage_of
from glminfer.fit.panels import FitsRecord, Models, Panel, Stock
from glminfer.fit.singles import refitted
from glminfer.numerics import batched
from glminfer.numerics.blocks import Array
from glminfer.numerics.levels import leveled, some_of
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.newton import Control
from glminfer.numerics.rank_coded import without_rounding
from glminfer.numerics.threads import one_by_one

_DEPENDENT = 1e-8  # what may be left of an aliased column in the span of others


@dataclass(frozen=True, slots=True)
class Subspace:
    """What is left of the working coordinates of a panel when columns are dropped.

    Attributes
    ----------
    shared : (r, s) array
        Basis of the part in the shared columns Z.
    own : tuple of int
        Own columns that stay.
    """

    shared: Array
    own: tuple[int, ...]

    def embedding(self, stock: Stock) -> Array:
        """(R, s + own): its coordinates in those of the panel."""
        r, s = self.shared.shape
        out = np.zeros((stock.estimable, s + len(self.own)))
        out[:r, :s] = self.shared
        out[[r + a for a in self.own], s + np.arange(len(self.own))] = 1.0
        return out


@dataclass(frozen=True, slots=True)
class Smaller:
    """The nested model of each model of a panel.

    Attributes
    ----------
    loglik : (m,)
        Without the binomial coefficients.
    rank : (m,) int
    working : (R, m)
        Coefficients in the coordinates of the panel; NaN where a single fit had to find them.
    """

    loglik: Array
    rank: NDArray[np.intp]
    working: Array


def without(stock: Stock, columns: Sequence[int]) -> Subspace:
    """The subspace of all columns of the design but these."""
    gone = set(columns)
    kept = [j for j in range(len(stock.T)) if j not in gone]
    r = stock.rows.whole.X.shape[1]
    M = stock.coordinates
    own = tuple(a for a in range(stock.estimable - r) if M[r + a, kept].any())
    scale = np.sqrt((stock.rows.whole.X**2).sum(axis=0))
    made = _made_of_others(stock, M[:r], scale)
    return Subspace(_independent(M[:r, kept], made[:, kept], scale), own)


def _made_of_others(stock: Stock, M: Array, scale: Array) -> Array:
    """What each aliased column is made of (r, p), in shared working coordinates; zeros for the other columns."""
    own = () if stock.candidates is None else stock.candidates.places
    shared, out = np.setdiff1d(np.arange(M.shape[1]), own), np.zeros_like(M)
    for j, relation in stock.basis.relations.items():
        out[:, shared[j]] = without_rounding(M[:, shared] @ relation, scale)
    return out


def _independent(directions: Array, made: Array, scale: Array) -> Array:
    """Basis of the span of some directions and of those that aliased columns make.

    The directions that are coordinates themselves, and combinations of the others.
    """
    both = np.hstack([directions, made])
    alone = (both != 0).sum(axis=0) == 1
    places = np.flatnonzero(both[:, alone].any(axis=1))
    size = np.linalg.norm(made * scale[:, None], axis=0)
    others = both[:, ~alone]
    others[places] = 0.0
    least = np.concatenate([np.zeros(directions.shape[1]), _DEPENDENT * size])[~alone]
    left = np.linalg.norm(others * scale[:, None], axis=0) > least
    return np.hstack([np.eye(len(directions))[:, places], _combinations(others[:, left], scale)])


def _combinations(directions: Array, scale: Array) -> Array:
    if not directions.shape[1]:
        return directions
    weighted = directions * scale[:, None]
    left, singular, _ = np.linalg.svd(weighted / np.linalg.norm(weighted, axis=0), full_matrices=False)
    return np.asarray(left[:, singular > 1e-8 * singular.max(initial=0.0)] / scale[:, None])


def substock(stock: Stock, space: Subspace) -> Stock:
    """The same models with the columns of a subspace."""
    Z, columns = _columns(stock, space.shared)
    candidates = stock.candidates
    if candidates is not None:
        candidates = replace(candidates, factors=candidates.factors[:, list(space.own)])
    T = np.eye(space.shared.shape[1] + len(space.own))
    return replace(stock, rows=stock.rows.with_X(Z), columns=columns, T=T, candidates=candidates)


def _columns(stock: Stock, shared: Array) -> tuple[Array, Array | Mixed]:
    """The columns of a subspace as numbers, and as the sums take them."""
    X, places = stock.rows.whole.X, np.flatnonzero(shared.any(axis=1))
    if shared.shape != (X.shape[1], len(places)) or not np.array_equal(shared[places], np.eye(len(places))):
        Z = np.ascontiguousarray(X @ shared)
        return Z, leveled(Z)
    Z = np.ascontiguousarray(X[:, places])
    return Z, some_of(stock.columns, places, Z)


def smaller(fits: FitsRecord, panel: Panel, columns: Sequence[int]) -> Smaller:
    """Fit every model of a panel without some columns of the design."""
    stock, space = panel.stock, without(panel.stock, columns)
    small = substock(stock, space)
    found = fitted(small, fits.call["control"] or Control())
    working = space.embedding(stock) @ found.coef
    rank = np.full(len(panel), small.estimable)
    loglik = found.loglik - found.constant
    singular = np.flatnonzero(~found.regular & ~found.one_class & np.isfinite(panel.found.loglik))
    loglik[~found.regular], working[:, ~found.regular] = np.nan, np.nan
    for k, one in zip(singular, progress(_alone(fits, panel, singular, columns), len(singular), "models"), strict=True):
        loglik[k], rank[k] = one.loglik, one.rank
    return Smaller(loglik, rank, working)


def without_all(panel: Panel, columns: Sequence[int]) -> Smaller | None:
    """The constant, whose likelihood is known already, when it is all that is left; no coefficients."""
    small = substock(panel.stock, without(panel.stock, columns))
    if not _is_constant(small):
        return None
    found = panel.found
    return Smaller(found.null_loglik - found.constant, np.ones(len(panel), dtype=np.intp), np.full((1, 1), np.nan))


def _alone(fits: FitsRecord, panel: Panel, which: Models, columns: Sequence[int]) -> Any:
    """Nested models of single fits, for those whose maximum may not exist."""

    def work(k: int) -> Nested:
        where = stage_of(refitted(fits, panel, k))
        kept = [j for j in range(len(panel.columns)) if j not in set(columns)]
        return nested_fits(where, [span(where, kept)])[0]

    return one_by_one(work, which.tolist())


def fitted(small: Stock, control: Control) -> Chunk:
    """Every model of a smaller stock; one for all where nothing tells them apart."""
    if not small.estimable:
        return _nothing(small)
    if _is_constant(small):
        return _constant(small)
    begun = beginning(small, control)
    models = np.arange(small.count)
    alike = small.outcomes is None and small.candidates is not None and not _differs(small)
    parts = chunks(small.rows.whole.n, models[:1] if alike else models)
    done = list(
        progress(one_by_one(lambda which: solved(small, begun, control, which), parts), len(parts), "batches of models")
    )
    if not alike:
        return joined(done, small.count)
    one = joined(done, 1)
    repeated = {name: np.repeat(getattr(one, name), small.count, axis=-1) for name in Chunk.__dataclass_fields__}
    return Chunk(**repeated)


def _differs(small: Stock) -> bool:
    """Whether models without own columns differ, because candidates have missing values."""
    assert small.candidates is not None
    values = small.candidates.values
    return bool(small.candidates.factors.shape[1]) or (values.dtype.kind == "f" and bool(np.isnan(values).any()))


def _is_constant(small: Stock) -> bool:
    """Whether a constant is all the models have, so that their maximum is known."""
    whole = small.rows.whole
    plain = small.estimable == 1 and small.outcomes is not None and small.sample.design.has_intercept
    return plain and not whole.offset.any() and np.ptp(whole.X) == 0.0


def _constant(small: Stock) -> Chunk:
    """Models of a constant: the log-odds of the mean (27)."""

    def work(which: Models) -> tuple[Array, ...]:
        block = small.block(which)
        tally = rows_of(block).sum(batched.tallies)
        saturated, constant = count_terms(small, block, len(which))
        return tally, null_loglik(small, block, tally) + constant, saturated + constant, constant

    parts = chunks(small.rows.whole.n, np.arange(small.count))
    found = zip(*one_by_one(work, parts), strict=True)
    tally, loglik, saturated, constant = (np.concatenate(values, axis=-1)[..., : small.count] for values in found)
    (total, events, nobs), column = tally, small.rows.whole.X[0, 0]
    varied = (events > 0) & (events < total)
    mean = np.where(varied, events / np.where(total > 0, total, 1.0), 0.5)
    return Chunk(
        coef=np.log(mean / (1 - mean))[None] / column,
        step=np.zeros((1, small.count)),
        covariance=1.0 / (column**2 * np.maximum(total, 1e-300) * mean * (1 - mean))[None],
        loglik=loglik,
        null_loglik=loglik,
        saturated=saturated,
        constant=constant,
        n_iter=np.zeros(small.count, dtype=np.intp),
        nobs=nobs.astype(np.intp),
        regular=varied,
        one_class=~varied,
    )


def _nothing(small: Stock) -> Chunk:
    """Models without any column: the offset alone."""
    empty = np.zeros((small.rows.whole.n, 1))
    flat = replace(small, rows=small.rows.with_X(empty), columns=empty, T=np.eye(1))

    def work(which: Models) -> Array:
        block = flat.block(which)
        return np.asarray(batched.closing_sums(replace(block, own=None), np.zeros((1, len(which))))[0])

    parts = chunks(small.rows.whole.n, np.arange(small.count))
    loglik = np.concatenate([np.broadcast_to(work(which), (len(which),)) for which in parts])[: small.count]
    m, zero = small.count, np.zeros(small.count)
    yes, no = np.ones(m, dtype=bool), np.zeros(m, dtype=bool)
    counts = np.zeros(m, dtype=np.intp)
    nothing = np.zeros((0, m))
    return Chunk(nothing, nothing, nothing, loglik, zero, zero, zero, counts, counts, yes, no)


def refuse_reduced(fits: FitsRecord, what: str) -> None:
    """Comparisons of likelihoods are of maxima of the likelihood."""
    if not isinstance(fits.penalty, str) and fits.penalty is not None:
        raise InputError(
            f"{what} compares maxima of the likelihood, and these fits are penalised ({fits.penalty.name}); fit "
            "without penalty=, or use the Wald statements of tidy()."
        )
