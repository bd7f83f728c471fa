"""Sums and Newton steps of many models in lanes: the numbers of one model, whatever stands beside it."""

from dataclasses import replace

import numpy as np
import pytest

from glminfer.data.rows import MemoryRows
from glminfer.numerics import batched, batched_newton, lanes
from glminfer.numerics.blocks import Block

N, P, M = 90, 4, 32


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def block(rng, own=False, weights="shared"):
    X = np.column_stack([np.ones(N), rng.standard_normal((N, P - 1))])
    y = (rng.random((N, M)) < 0.4).astype(float)
    w = {"shared": np.ones((N, 1)), "prior": rng.choice([0.0, 0.5, 1.0, 3.0], (N, 1))}.get(weights)
    if w is None:
        w = (rng.random((N, M)) < 0.9).astype(float)  # rows that some models miss
    return Block(X, y, w, 0.3 * rng.standard_normal((N, 1)), None, rng.standard_normal((N, 2, M)) if own else None)


def one(rows, coef, k):
    """Mean sums, information, log-likelihood and certificate of one model, written out."""
    X = rows.X if rows.own is None else np.hstack([rows.X, rows.own[:, :, k]])
    eta = X @ coef[:, k] + rows.offset[:, 0]
    mean, w = 1 / (1 + np.exp(-eta)), np.broadcast_to(rows.weights, (N, M))[:, k]
    loglik = w @ (rows.y[:, k] * eta - np.logaddexp(0, eta))
    bound = (np.exp(np.abs(eta))[w > 0] / w[w > 0]).sum()
    return X.T @ (w * mean), (X.T * (w * mean * (1 - mean))) @ X, loglik, bound


@pytest.mark.parametrize("weights", ["shared", "prior", "own"])
@pytest.mark.parametrize("own", [False, True])
def test_sums(rng, own, weights):
    rows = block(rng, own, weights)
    coef = rng.standard_normal((P + 2 * own, M))
    found = MemoryRows(rows, 16).sum(batched.whole_sums, coef)
    rough = MemoryRows(rows.rounded(), 16).sum(batched.mean_sums, coef.astype(np.float32))
    assert rough.upper.dtype == np.float32
    for k in (0, 7, 31):
        for got, expected in zip(
            (found.mean, found.information, found.loglik, found.bound), one(rows, coef, k), strict=True
        ):
            assert np.allclose(got[..., k], expected, rtol=1e-12, atol=1e-12)
        assert np.allclose(rough.information[..., k], found.information[..., k], rtol=1e-4, atol=1e-4)
        assert np.allclose(rough.mean[..., k], found.mean[..., k], rtol=1e-4, atol=1e-4)


def test_likelihoods_of_predictions_far_from_the_middle(rng):
    rows, coef = block(rng), 30 * rng.standard_normal((P, M))
    found = batched.closing_sums(rows, coef)
    assert np.allclose(found[0], [one(rows, coef, k)[2] for k in range(M)], rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("own", [False, True])
def test_a_lane_is_the_same_to_the_last_bit_wherever_it_stands(rng, dtype, own):
    rows, coef = block(rng, own, "own"), rng.standard_normal((P + 2 * own, M)).astype(dtype)
    rows = rows.rounded() if dtype is np.float32 else rows
    whole = MemoryRows(rows, 40).sum(batched.mean_sums, coef)
    for which in (np.arange(16), rng.permutation(M), np.repeat([5, 9], 8), rng.integers(0, M, 80)):
        part = MemoryRows(rows.models(which), 40).sum(batched.mean_sums, np.ascontiguousarray(coef[:, which]))
        assert np.array_equal(part.mean, whole.mean[:, which])
        assert np.array_equal(part.upper, whole.upper[:, which])


def test_inverses(rng):
    A = np.array([(B := rng.standard_normal((9, 5)) * [1, 1e4, 1e-3, 1, 7]).T @ B for _ in range(M)])
    first, second = lanes.pairs(5)
    found = lanes.unpacked(lanes.inverted(A[:, first, second].T), 5)
    scale = np.sqrt(np.einsum("kaa->ka", A))
    for k in range(M):
        assert np.allclose(
            found[..., k] * np.outer(scale[k], scale[k]) @ (A[k] / np.outer(scale[k], scale[k])), np.eye(5)
        )


@pytest.mark.parametrize("weights", ["shared", "prior", "own"])
@pytest.mark.parametrize("own", [False, True])
def test_how_the_information_turns_along_a_step(rng, own, weights):
    rows, shape = block(rng, own, weights), (P + 2 * own, M)
    coef, step = 0.5 * rng.standard_normal(shape), 1e-4 * rng.standard_normal(shape)
    whole, rough = MemoryRows(rows, 16), MemoryRows(rows.rounded(), 16)
    change = whole.sum(batched.mean_sums, coef + step).upper - whole.sum(batched.mean_sums, coef - step).upper
    found = whole.sum(batched.turned_sums, coef, step)
    assert np.allclose(2 * found.upper, change, atol=1e-9)
    single = rough.sum(batched.turned_sums, coef.astype(np.float32), step.astype(np.float32))
    assert single.upper.dtype == np.float32
    assert np.allclose(single.upper, found.upper, rtol=1e-4, atol=1e-7)
    for k in (0, 7, 31):
        X = rows.X if rows.own is None else np.hstack([rows.X, rows.own[:, :, k]])
        used = np.broadcast_to(rows.weights, (N, M))[:, k] > 0
        assert np.isclose(found.squares[k], ((X[used] @ step[:, k]) ** 2).sum())


@pytest.mark.parametrize("weights", ["shared", "prior", "own"])
def test_the_same_coefficients_for_all_models_are_summed_as_those_of_each(rng, weights):
    rows = block(rng, own=True, weights=weights).rounded()
    alike = np.pad(rng.standard_normal(P), (0, 2)).astype(np.float32)[:, None]
    one = MemoryRows(rows, 40).sum(batched.alike_sums, alike)
    each = MemoryRows(rows, 40).sum(batched.mean_sums, np.repeat(alike, M, axis=1))
    assert np.allclose(one.mean, each.mean, rtol=1e-5, atol=1e-5)
    assert np.allclose(one.upper, each.upper, rtol=1e-5, atol=1e-5)


def test_rows_missed_by_some_models_leave_the_sums_of_others_the_same_to_the_last_bit(rng):
    rows = block(rng, own=True).rounded()
    alike = np.pad(rng.standard_normal(P), (0, 2)).astype(np.float32)[:, None]
    weights = np.ones((N, M), dtype=np.float32)
    weights[:30, 5] = 0.0
    one = MemoryRows(rows, 40).sum(batched.alike_sums, alike)
    other = MemoryRows(replace(rows, weights=weights), 40).sum(batched.alike_sums, alike)
    kept = np.arange(M) != 5
    assert np.array_equal(one.mean[:, kept], other.mean[:, kept])
    assert np.array_equal(one.upper[:, kept], other.upper[:, kept])
    assert not np.allclose(one.upper[:, 5], other.upper[:, 5])


def climbed(rows, rough):
    bare = MemoryRows(rows, 40)
    target = bare.sum(batched.outcome_sums)
    return batched_newton.climb(bare, target, np.zeros_like(target), 1e-10, 100, rough)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("weights", ["shared", "prior", "own"])
def test_the_last_step_ends_where_it_was_said_to(rng, own, weights):
    """Sums corrected to first order (110) are those at the estimate, and the decrement is below its bound (111)."""
    rows = block(rng, own, weights)
    found = climbed(rows, MemoryRows(rows.rounded(), 40))
    exact = MemoryRows(rows, 40).sum(batched.whole_sums, found.coef)
    score = MemoryRows(rows, 40).sum(batched.outcome_sums) - exact.mean
    left = np.sqrt((lanes.solved(exact.information, score)[0] * score).sum(axis=0))
    foretold = found.done & (found.decrement > 1e-13)
    assert foretold.sum() > M / 2
    assert (left[foretold] < found.decrement[foretold] + 1e-13).all()
    assert np.allclose(found.upper, exact.upper, rtol=1e-11, atol=1e-10)
    assert np.allclose(found.loglik, exact.loglik, rtol=1e-13)


@pytest.mark.parametrize("own", [False, True])
def test_the_way_through_single_precision_ends_in_the_same_place(rng, own):
    rows = block(rng, own)
    plain, short = climbed(rows, None), climbed(rows, MemoryRows(rows.rounded(), 40))
    assert plain.done.all()
    assert short.done.all()
    assert np.allclose(short.coef, plain.coef, rtol=1e-10, atol=1e-10)
    assert np.allclose(short.upper, plain.upper, rtol=1e-9, atol=1e-9)
    assert np.allclose(short.loglik, plain.loglik, rtol=1e-13)
    assert (short.decrement < 1e-10).all()


def test_where_single_precision_cannot_tell_columns_apart_the_way_is_made_in_double(rng):
    rows = block(rng)
    rows.X[:, 1] = 1 + 1e-9 * rows.X[:, 1]  # rounds to the constant
    rough = MemoryRows(rows.rounded(), 40)
    plain, short = climbed(rows, None), climbed(rows, rough)
    assert np.array_equal(short.done, plain.done)
    assert np.allclose(short.coef[:, short.done], plain.coef[:, plain.done], rtol=1e-6)


def test_models_without_a_maximum_are_left(rng):
    rows = block(rng)
    rows.y[:, 3] = rows.X[:, 1] > 0
    rows.y[:, 9] = 0.0
    found = climbed(rows, MemoryRows(rows.rounded(), 40))
    certain = found.done & (found.bound * np.maximum(found.decrement, 1e-14) ** 2 < 0.5)
    assert np.flatnonzero(~certain).tolist() == [3, 9]
