"""Fitting a panel: all models together, and one by one those whose maximum needs a closer look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.extremes import ordinary
from glminfer.data.progress import progress
from glminfer.data.rows import MemoryRows
from glminfer.errors import InputError, Status
from glminfer.fit.null_model import shifted_null_loglik
from glminfer.fit.panels import Estimates, Models, Stock, own_squares
from glminfer.fit.records import FitRecord
from glminfer.numerics import batched, batched_newton, bordered_lanes, lanes, levels, linalg
from glminfer.numerics.binomial import count_constant, saturated_loglik
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.families import family
from glminfer.numerics.mixed import Mixed
from glminfer.numerics.newton import Control
from glminfer.numerics.threads import one_by_one

Refit = Callable[[int, Array | None], FitRecord]  # a model, and how a step that ran away moves its rows

# What is summed in which order depends on the number of rows alone. An array of the rows and lanes of a block fills
# less than half a megabyte, so that a few of them stay in the cache.
_ROWS = 100
_MANY_ROWS = 1 << 13  # from here on chunks have few models, and blocks more rows
_NUMBERS = 1 << 21  # outcomes of a chunk: 16 megabytes as floats
_LANES = 64, 1008
_PER_ENTRY = 4  # rows of a block for each number that is kept for levels: adding up sums must not be the work


def width(n: int) -> int:
    """Models in a chunk over n rows."""
    return int(np.clip(_NUMBERS // max(1, n), *_LANES)) // lanes.WIDTH * lanes.WIDTH


def chunks(n: int, models: Models) -> list[Models]:
    """The models in chunks of full width; the last one is padded by repeating its last model."""
    step = width(n)
    return [batched_newton.padded(models[k : k + step]) for k in range(0, len(models), step)]


def rows_of(block: Block) -> MemoryRows:
    """The rows of a chunk, in blocks that do not depend on the number of models."""
    size = _ROWS * 8 // block.y.itemsize
    return MemoryRows(block, max(size if block.n < _MANY_ROWS else 5 * size, _PER_ENTRY * _entries(block.X)))


def _entries(X: Array | Mixed) -> int:
    """Numbers that a sum over a block has for the levels of each model."""
    return int(X.layout.levels.size * (len(X.spots) + 2)) if isinstance(X, Mixed) else 0


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the climb of every model of a panel starts from.

    Attributes
    ----------
    inverse : (r, r)
        Inverse of Z'WZ over the rows of the panel.
    total : (r,)
        Z'w.
    constant : (r,)
        Regression of 1 on Z; exactly the constant where Z has one.
    has_constant : bool
    offset : (r,)
        Regression of the offset on Z.
    weights : (n, 1)
    base : (r,) or None
        Estimate of the model without candidates, where there are any: empty when they have all the columns.
    unit : float
        What the weights are measured in (156).
    """

    inverse: Array
    total: Array
    constant: Array
    has_constant: bool
    offset: Array
    weights: Array
    base: Array | None
    unit: float = 1.0


def beginning(stock: Stock, control: Control) -> Beginning:
    """Prepare the starts of a panel."""
    whole, columns = stock.rows.whole, stock.columns
    weighted = whole.X * whole.weights
    products = columns.gram(whole.weights)[0] if isinstance(columns, Mixed) else linalg.symmetric(weighted.T @ whole.X)
    inverse = linalg.inverse(cast(Array, products))
    r = whole.X.shape[1]
    if inverse is None:  # so few rows that the columns are dependent: every model goes its own way
        zero = np.zeros(r)
        return Beginning(np.zeros((r, r)), zero, zero, False, zero, whole.weights, None, stock.unit)
    total = weighted.sum(axis=0)
    constant = inverse @ total
    used = whole.weights[:, 0] > 0
    exact = bool(np.abs(whole.X[used] @ constant - 1.0).max(initial=0.0) < 1e-9)
    offset = inverse @ (weighted.T @ whole.offset[:, 0])
    begun = Beginning(inverse, total, constant, exact, offset, whole.weights, None, stock.unit)
    if stock.candidates is None or not stock.candidates.factors.shape[1]:
        return begun
    if not r:
        return replace(begun, base=np.zeros(0))
    shared = Block(cast(Array, columns), np.repeat(whole.y, lanes.WIDTH, axis=1), whole.weights, whole.offset)
    climbed = _climbed(shared, begun, control)[0]
    return replace(begun, base=climbed.coef[:, 0] if climbed.done[0] else None)


def starts(block: Block, begun: Beginning, target: Array, tally: Array) -> tuple[Array, bool]:
    """Where to start, all models alike or each, and whether that is one Newton step from the constant already."""
    r = block.X.shape[1]
    mean = np.clip(tally[1] / np.where(tally[0] > 0, tally[0], 1.0), 1e-6, 1 - 1e-6)
    if begun.base is not None:
        return np.pad(begun.base, (0, len(target) - r))[:, None], False
    start = np.zeros_like(target)
    start[:r] = np.outer(begun.constant, np.log(mean / (1 - mean))) - begun.offset[:, None]
    if block.offset.any() or not begun.has_constant or block.own is not None:
        return start, False
    total = begun.total[:, None]
    if block.weights.shape[1] > 1:  # less what rows with missing values would add: exactly nothing where there are none
        total = total - levels.totals(block.X, begun.weights - block.weights)
    pull = (target[:r] - mean * total) / (mean * (1 - mean))
    step = begun.inverse @ pull
    spread = (pull * step).sum(axis=0) / np.maximum(tally[0], 1e-300)  # variance of the linear predictor
    start[:r] = (start[:r] + step) / np.sqrt(1 - np.clip(np.pi / 8 * spread, 0.0, 0.5))  # (112)
    return start, True


def _climbed(block: Block, begun: Beginning, control: Control) -> tuple[batched_newton.Climbed, Array]:
    rows = rows_of(block)
    target, tally = rows.sum(batched.outcome_sums), rows.sum(batched.tallies)
    m = max(target.shape[1], tally.shape[1])
    target, tally = (np.broadcast_to(values, (len(values), m)) for values in (target, tally))
    start, stepped = starts(block, begun, target, tally)
    rough = rows_of(replace(block, y=np.zeros((block.n, 1))).rounded())  # the outcome is in the target
    found = batched_newton.climb(rows, target, start, control.tol, control.limit(100), rough, begun.unit)
    return (replace(found, n_iter=found.n_iter + 1) if stepped else found), tally


@dataclass(frozen=True, slots=True)
class Chunk:
    """Results of some models, before those without a certain maximum are looked at."""

    coef: Array
    step: Array
    covariance: Array
    loglik: Array
    null_loglik: Array
    saturated: Array
    constant: Array
    n_iter: NDArray[np.intp]
    nobs: NDArray[np.intp]
    regular: NDArray[np.bool_]
    one_class: NDArray[np.bool_]


def solved(stock: Stock, begun: Beginning, control: Control, which: Models) -> Chunk:
    """Fit some models of a panel together."""
    block, sound = _sound(stock.block(which))
    found, tally = _climbed(block, begun, control)
    with np.errstate(invalid="ignore"):
        certain = found.bound * np.maximum(found.decrement, 1e-14 * np.sqrt(begun.unit)) ** 2 < 0.5  # (16)
    one_class = (tally[1] == 0) | (tally[1] == tally[0])
    regular = (
        found.done & certain & (found.pivot > batched_newton.CLEAR) & np.isfinite(found.loglik) & sound & ~one_class
    )
    counts = count_terms(stock, block, len(which))
    return Chunk(
        coef=found.coef,
        step=found.step,
        covariance=_covariances(found, regular),
        loglik=found.loglik + counts[1],
        null_loglik=null_loglik(stock, block, tally) + counts[1],
        saturated=counts[0] + counts[1],
        constant=counts[1],
        n_iter=found.n_iter,
        nobs=tally[2].astype(np.intp),
        regular=regular,
        one_class=one_class,
    )


def _sound(block: Block) -> tuple[Block, NDArray[np.bool_] | bool]:
    """Which models have own columns whose squares numbers hold; zeros for the others, which are refused one by one."""
    if block.own is None:
        return block, True
    sound = np.asarray(ordinary(own_squares(block.own)).all(axis=0))
    return block if sound.all() else replace(block, own=np.where(sound, block.own, 0.0)), sound


def _covariances(found: batched_newton.Climbed, regular: NDArray[np.bool_]) -> Array:
    """Upper triangles (R(R+1)/2, m) of the inverse information; NaN where there is no certain maximum."""
    R, m = found.coef.shape
    out = np.full((R * (R + 1) // 2, m), np.nan)
    if regular.any():
        upper, layout = found.upper[:, regular], found.layout
        out[:, regular] = lanes.inverted(upper) if layout is None else bordered_lanes.inverted(layout, upper)
    return out


def count_terms(stock: Stock, block: Block, m: int) -> tuple[Array, Array]:
    """Saturated log-likelihood without, and the sum of, the binomial coefficients of each model."""
    if stock.sample.trials is None:
        return np.zeros(m), np.zeros(m)
    trials = stock.sample.trials[:, None]
    both = (f(block.y, block.weights, trials) for f in (saturated_loglik, count_constant))
    saturated, constant = (np.broadcast_to(values, (m,)).copy() for values in both)
    return saturated, constant


def null_loglik(stock: Stock, block: Block, tally: Array) -> Array:
    """Log-likelihood of a constant and the offset (of the offset alone without an intercept) of each model (27)."""
    m = tally.shape[1]
    if not stock.sample.design.has_intercept:
        alone = replace(block, X=np.zeros((block.n, 1)), own=None)
        return np.asarray(rows_of(alone).sum(batched.closing_sums, np.zeros((1, m)))[0])
    total, events = tally[0], tally[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        if not block.offset.any():
            parts = [np.where(part > 0, part * np.log(part / total), 0.0) for part in (events, total - events)]
            return np.asarray(parts[0] + parts[1])
    flat = replace(block, X=np.ones((block.n, 1)), own=None)
    shift = np.average(block.offset[:, 0], weights=stock.rows.whole.weights[:, 0])
    mean = np.clip(events / total, 1e-6, 1 - 1e-6)
    start = (np.log(mean / (1 - mean)) - shift)[None]
    found = batched_newton.climb(rows_of(flat), events[None], start, Control().tol, 100)
    out = found.loglik
    for k in np.flatnonzero(~found.done & (events > 0) & (events < total)):
        out[k] = shifted_null_loglik(MemoryRows(flat.models(np.array([k]))), family("logit"))
    return out


# a whole panel -------------------------------------------------------------------------------------------------------


def estimated(stock: Stock, refit: Refit, control: Control, alone: bool = False) -> Estimates:
    """Fit every model of a panel; those without a certain maximum, or all with ``alone``, go through ``refit``."""
    begun = beginning(stock, control)
    parts = chunks(stock.rows.whole.X.shape[0], np.arange(stock.count))
    done = one_by_one(lambda which: solved(stock, begun, control, which), parts)
    whole = joined(list(progress(done, len(parts), "batches of models")), stock.count)
    out = _estimates(stock, whole)
    if alone:
        return with_singles(stock, out, np.flatnonzero(~whole.one_class), lambda k: refit(k, None))
    singles = np.flatnonzero(~whole.regular & ~whole.one_class)
    return with_singles(stock, out, singles, lambda k: refit(k, stock.moves(k, whole.step[:, k])))


def joined(parts: Sequence[Chunk], m: int) -> Chunk:
    """All chunks in one, without padding."""
    names = Chunk.__dataclass_fields__
    if not parts:
        raise InputError("There is no model to fit.")
    sizes = [len(part.loglik) for part in parts]
    keep = [size if k + 1 < len(parts) else m - sum(sizes[:-1]) for k, size in enumerate(sizes)]
    joined = {
        name: np.concatenate([getattr(part, name)[..., :n] for part, n in zip(parts, keep, strict=True)], axis=-1)
        for name in names
    }
    return Chunk(**joined)


def _estimates(stock: Stock, whole: Chunk) -> Estimates:
    m = stock.count
    values = whole.coef.T @ stock.T.T
    values[:, ~stock.T.any(axis=1)] = np.nan
    values[~whole.regular] = np.nan
    status = np.full(m, str(Status.CONVERGED), dtype=object)
    status[whole.one_class] = str(Status.CONSTANT)
    lost, constant = np.where(whole.regular, 0.0, np.nan), np.flatnonzero(whole.one_class).tolist()
    return Estimates(
        working=whole.coef.T + lost[:, None],
        covariance=np.ascontiguousarray(whole.covariance.T),
        values=values,
        loglik=whole.loglik + lost,
        null_loglik=whole.null_loglik,
        saturated=whole.saturated,
        constant=whole.constant,
        rank=np.where(whole.regular, stock.estimable, 0),
        nobs=whole.nobs,
        n_iter=np.where(whole.regular, whole.n_iter, 0),
        n_missing=_missing(stock),
        status=status,
        words=dict.fromkeys(constant, (str(Status.CONSTANT),) * values.shape[1]),
        notes={k: _of_constant(int(whole.nobs[k])) for k in constant},
        separated={},
        firth=np.zeros(m, dtype=bool),
    )


def _of_constant(n: int) -> str:
    if not n:
        return "No row has all values that this model needs, so there is nothing to fit."
    return f"The outcome is the same in all {n:,} rows used." if n > 1 else "There is one row."


def _missing(stock: Stock) -> NDArray[np.intp]:
    """Rows in which each model misses its outcome or covariate."""
    if stock.outcomes is not None:
        return np.asarray((~(stock.outcomes.values >= 0)).sum(axis=0))
    if stock.candidates is not None and stock.candidates.values.dtype.kind == "f":
        return np.asarray(np.isnan(stock.candidates.values).sum(axis=0))
    return np.zeros(stock.count, dtype=np.intp)


# models one by one ---------------------------------------------------------------------------------------------------


def with_singles(stock: Stock, found: Estimates, which: Models, refit: Callable[[int], FitRecord]) -> Estimates:
    """The estimates with some models fitted one by one, and said so where that is worth saying."""
    if not which.size:
        return found
    M = stock.coordinates
    fits = progress(one_by_one(lambda k: _attempt(refit, int(k)), list(which)), len(which), "models")
    arrays = {name: getattr(found, name).copy() for name in _ARRAYS}
    texts: dict[str, Any] = {name: dict(getattr(found, name)) for name in ("words", "notes", "separated")}
    for k, fit in zip(which.tolist(), fits, strict=True):
        if isinstance(fit, InputError):
            for name in ("working", "covariance", "values", "loglik"):
                arrays[name][k] = np.nan
            arrays["rank"][k], arrays["n_iter"][k] = 0, 0
            arrays["status"][k], texts["notes"][k] = str(Status.REFUSED), str(fit)
            texts["words"][k] = (str(Status.REFUSED),) * arrays["values"].shape[1]
        else:
            _put(stock, M, arrays, texts, k, fit)
    return replace(found, **arrays, **texts)


_ARRAYS = ("working", "covariance", "values", "loglik", "rank", "nobs", "n_iter", "status", "firth")


def _attempt(refit: Callable[[int], FitRecord], k: int) -> FitRecord | InputError:
    try:
        return refit(k)
    except InputError as error:
        return error


def _put(stock: Stock, M: Array, arrays: dict[str, Any], texts: dict[str, Any], k: int, fit: FitRecord) -> None:
    """Write one fit into the arrays over models."""
    first, second = lanes.pairs(stock.estimable)
    turned = M @ fit.T
    arrays["working"][k] = M @ fit.linear
    arrays["covariance"][k] = (turned @ fit.working_covariance @ turned.T)[first, second]
    arrays["values"][k] = fit.values
    for name in ("loglik", "rank", "nobs", "n_iter"):
        arrays[name][k] = getattr(fit, name)
    arrays["status"][k], note = _ending(stock, fit)
    arrays["firth"][k] = fit.penalty is not None
    texts["words"][k] = tuple(fit.coefficient_status)
    if note:
        texts["notes"][k] = note
    if fit.separated_rows is not None:
        known = stock.known(k)
        mask = np.zeros(stock.rows.whole.n, dtype=bool)
        mask[slice(None) if known is None else known] = fit.separated_rows
        texts["separated"][k] = mask


def _ending(stock: Stock, fit: FitRecord) -> tuple[str, str]:
    """The status of a model, and the sentence that explains it."""
    if fit.status is not Status.CONVERGED:
        return str(fit.status), fit.separation or fit.status.sentence
    more = {name: relation for name, relation in fit.aliased.items() if name not in stock.aliased}
    if more:
        return str(Status.ALIASED), "; ".join(f"{name} is aliased: {relation}" for name, relation in more.items())
    return str(Status.CONVERGED), ""
