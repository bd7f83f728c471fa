"""Columns of levels in lanes: the sums and systems of the dense columns, entry by entry."""

import numpy as np
import pytest

from glminfer.numerics import batched, bordered_lanes, lanes, levels
from glminfer.numerics.blocks import Block
from glminfer.numerics.mixed import Mixed

N, L, M = 600, 30, 32


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def designs(rng):
    """Dummies, with a reference level and without; with slopes in each level; beside a second factor; alone."""
    g, h, x = rng.integers(0, L, N), rng.integers(0, 4, N), rng.standard_normal((N, 2))
    full, other = (g[:, None] == np.arange(L)).astype(float), (h[:, None] == np.arange(1, 4)).astype(float)
    one, some = np.ones((N, 1)), full[:, 1:]
    return {
        "reference": np.hstack([one, x, some]),
        "two factors": np.hstack([one, x, some, other]),
        "slopes": np.hstack([one, x, some, some * x[:, :1], other]),
        "slopes of all": np.hstack([one, x[:, 1:], some, full * x[:, :1]]),
        "alone": full,
        "shifted order": np.hstack([some[:, ::-1], x, one]),
    }


NAMES = list(designs(np.random.default_rng(0)))


def blocks(Z, rng, own, weights):
    X = levels.leveled(Z)
    assert isinstance(X, Mixed)
    assert np.array_equal(np.asarray(X), Z)
    w = np.ones((N, 1)) if weights == "one" else rng.choice([0.0, 0.5, 1.0, 3.0], (N, M))
    columns = rng.standard_normal((N, 2, M)) if own else None
    fields = (rng.random((N, M)) < 0.5).astype(float), w, 0.1 * rng.standard_normal((N, 1)), rng.integers(0, 9, N)
    return Block(Z, *fields, columns), Block(X, *fields, columns)


@pytest.mark.parametrize("weights", ["one", "own"])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_sums_and_systems_are_those_of_dense_columns(rng, name, own, weights):
    dense, coded = blocks(designs(rng)[name], rng, own, weights)
    coef, score = 0.3 * rng.standard_normal((2, dense.X.shape[1] + 2 * own, M))
    there, here = (batched.whole_sums(block, coef) for block in (dense, coded))
    assert here.upper.shape[0] < there.upper.shape[0]
    for part in ("mean", "information", "loglik", "bound"):
        assert np.allclose(getattr(here, part), getattr(there, part), rtol=1e-11, atol=1e-11)
    assert np.allclose(here.step(score)[0], there.step(score)[0], rtol=1e-9, atol=1e-10)
    found = bordered_lanes.inverted(here.layout, here.upper)
    assert np.allclose(found, lanes.inverted(there.upper), rtol=1e-9, atol=1e-10)
    assert np.array_equal(found[:, [5]], bordered_lanes.inverted(here.layout, here.upper[:, [5]]))
    V = lanes.unpacked(found, len(coef))
    for power in (0, 1, 2):
        assert np.allclose(*(batched.score_moments(block, coef, V, power) for block in (dense, coded)), atol=1e-10)
    assert np.allclose(*(batched.group_scores(block, coef, 9) for block in (dense, coded)), atol=1e-10)
    assert np.allclose(*(batched.outcome_sums(block) for block in (dense, coded)), atol=1e-10)
    turned = batched.turned_sums(coded, coef, score)
    full = bordered_lanes.unpacked(here.layout, turned.upper)
    assert np.allclose(full, lanes.unpacked(batched.turned_sums(dense, coef, score).upper, len(coef)), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_a_lane_is_the_same_to_the_last_bit_wherever_it_stands(rng, name, dtype):
    coded = blocks(designs(rng)[name], rng, True, "own")[1]
    coded = coded.rounded() if dtype is np.float32 else coded
    coef = (0.3 * rng.standard_normal((coded.X.shape[1] + 2, M))).astype(dtype)
    whole = batched.mean_sums(coded, coef)
    assert whole.upper.dtype == dtype
    step = whole.step(coef)
    for which in (np.arange(16), rng.permutation(M), np.repeat([5, 9], 8), rng.integers(0, M, 80)):
        part = batched.mean_sums(coded.models(which), np.ascontiguousarray(coef[:, which]))
        assert np.array_equal(part.upper, whole.upper[:, which])
        assert np.array_equal(part.mean, whole.mean[:, which])
        again = part.step(np.ascontiguousarray(coef[:, which]))
        assert all(np.array_equal(a, b[..., which]) for a, b in zip(again, step, strict=True))


def test_a_model_without_rows_in_a_level_has_no_step_and_changes_no_other(rng):
    dense, coded = blocks(designs(rng)["reference"], rng, False, "own")
    coef = 0.3 * rng.standard_normal((dense.X.shape[1], M))
    weights = coded.weights.copy()
    weights[dense.X[:, -1] == 1, 7] = 0.0
    before, after = (
        batched.mean_sums(Block(coded.X, coded.y, w, coded.offset), coef) for w in (coded.weights, weights)
    )
    (step, pivot), (again, left) = before.step(coef), after.step(coef)
    assert np.isnan(again[:, 7]).all()
    assert left[7] == 0.0
    others = np.arange(M) != 7
    assert np.array_equal(again[:, others], step[:, others])
    assert np.array_equal(left[others], pivot[others])


def test_columns_that_are_no_levels_stay_as_they_are(rng):
    few = (rng.integers(0, 5, N)[:, None] == np.arange(5)).astype(float)
    assert levels.leveled(few) is few
    Z = rng.standard_normal((N, 40))
    assert levels.leveled(Z) is Z
    meeting = (rng.random((N, 40)) < 0.2).astype(float)
    assert levels.leveled(meeting) is meeting


def test_a_row_in_the_columns_of_another_level_keeps_them_apart(rng):
    """A column that meets two levels belongs to none of them."""
    Z = designs(rng)["reference"]
    across = Z[:, 3] + Z[:, 4]
    X = levels.leveled(np.column_stack([Z, across * rng.standard_normal(N)]))
    assert isinstance(X, Mixed)
    assert Z.shape[1] in X.spots
