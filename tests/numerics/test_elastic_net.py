"""Elastic-net paths as arrays: glmnet's numbers, optimality on every kind of design, weights as folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_cases import case, formula_of

from glminfer.data.design import learn
from glminfer.errors import DataError
from glminfer.numerics.elastic_net import Mixture, Near, default_lambdas, elastic_net_path
from glminfer.numerics.newton import Control

CASES = ("birthwt_logit", "spector", "titanic")
RATIOS = (1.0, 0.5, 0.05, 0.0)


def events(rng, eta):
    return (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)


def ones(n):
    return np.ones(n), np.zeros(n)


def path(X, y, l1_ratio=1.0, lambdas=None, weights=None, offset=None, factor=None, **options):
    """A default path, or one at given λ."""
    weights = np.ones(len(y)) if weights is None else weights
    offset = np.zeros(len(y)) if offset is None else offset
    mixture = Mixture(l1_ratio, np.ones(X.shape[1]) if factor is None else factor, **options)
    if lambdas is None:
        lambdas = default_lambdas(X, y, weights, offset, mixture)
    return elastic_net_path(X, y, weights, offset, mixture, lambdas)


def violation(found, X, y, l1_ratio, standardize=True, weights=None):
    """The conditions of optimality, written out here for standardised columns."""
    w = np.ones(len(y)) if weights is None else weights
    w = w / w.sum()
    mean = w @ X
    deviation = np.sqrt(w @ (X - mean) ** 2)
    varies = deviation > 1e-9 * (1 + np.abs(mean))
    Z = (X[:, varies] - mean[varies]) / deviation[varies]
    unit = 1.0 if standardize else 1 / deviation[varies]
    worst = 0.0
    for constant, coef, lambda_ in zip(found.intercept, found.coef, found.lambdas, strict=True):
        assert not coef[~varies].any()
        residual = w * (y - 1 / (1 + np.exp(-(constant + X @ coef))))
        b = coef[varies] * deviation[varies]
        l1, l2 = lambda_ * l1_ratio * unit, lambda_ * (1 - l1_ratio) * unit**2
        score = residual @ Z - l2 * b
        off = np.where(b != 0, np.abs(score - l1 * np.sign(b)), np.maximum(np.abs(score) - l1, 0))
        worst = max(worst, off.max(), abs(residual.sum()))
    return worst


# glmnet ---------------------------------------------------------------------------------------------------------------


def reference_paths():
    return [
        pytest.param(name, k, id=f"{name}-{k}")
        for name in CASES
        for k in range(len(case(name)["results"]["glmnet"]["paths"]))
    ]


def sample_of(name):
    found = case(name)
    sample = learn(formula_of(found), found["frame"])
    names = list(sample.design.columns)
    return sample.X[:, [names.index(column) for column in found["results"]["glmnet"]["columns"]]], sample.y


@pytest.mark.parametrize(("name", "k"), reference_paths())
def test_glmnet_at_fixed_lambdas(name, k):
    (X, y), rows = sample_of(name), case(name)["frame"].iloc[case(name)["rows_used"]]
    expected = case(name)["results"]["glmnet"]["paths"][k]
    given = {
        option: rows[expected[option]].to_numpy(float)
        for option in ("weights", "offset")
        if isinstance(expected[option], str)
    }
    found = path(
        X,
        y,
        expected["alpha"],
        np.array(expected["lambda"])[::-1],  # any order
        factor=np.array(expected["penalty_factor"], dtype=float),
        standardize=expected["standardize"],
        intercept=expected["intercept"],
        **given,
    )
    coef = expected["coef"].to_numpy()
    assert found.intercept == pytest.approx(coef[:, 0], rel=1e-7, abs=1e-7)
    assert found.coef == pytest.approx(coef[:, 1:], rel=1e-7, abs=1e-8)
    assert np.array_equal(found.coef != 0, coef[:, 1:] != 0)
    assert found.kkt.max() <= 1e-9
    assert 1 - found.loglik / found.null_loglik == pytest.approx(np.array(expected["dev_ratio"]), abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_glmnet_default_sequence(name):
    X, y = sample_of(name)
    for expected in case(name)["results"]["glmnet"]["default_sequence"]:
        found = default_lambdas(X, y, *ones(len(y)), Mixture(expected["alpha"], np.ones(X.shape[1])))
        assert len(found) == 100
        assert found[0] == pytest.approx(expected["lambda_first"], rel=1e-9)
        assert found[expected["length"] - 1] == pytest.approx(expected["lambda_last"], rel=1e-9)


# optimality -----------------------------------------------------------------------------------------------------------


def correlated(rng, n, p, rho):
    return np.sqrt(rho) * rng.standard_normal((n, 1)) + np.sqrt(1 - rho) * rng.standard_normal((n, p))


def rare(rng):
    X = rng.standard_normal((5000, 20))
    y = np.zeros(5000)
    y[np.argsort(X[:, 0] + 2 * rng.standard_normal(5000))[-5:]] = 1
    return X, y


def duplicated(rng, n, p):
    X = rng.standard_normal((n, p))
    return np.column_stack([X, X, X[:, 0] + X[:, 1], np.ones(n)]), events(rng, X[:, :5].sum(axis=1))


def designs():
    rng = np.random.default_rng(11)
    wide, tall = rng.standard_normal((60, 300)), rng.standard_normal((1500, 30))
    near, near_wide = correlated(rng, 300, 60, 0.9), correlated(rng, 60, 200, 0.9)
    counts, apart = rng.poisson(0.2, (150, 400)).astype(float), rng.standard_normal((80, 5))
    scales = rng.standard_normal((200, 30)) * 10.0 ** rng.integers(-6, 6, 30)
    return {
        "wide": (wide, events(rng, wide[:, :5].sum(axis=1))),
        "tall": (tall, events(rng, tall[:, :5].sum(axis=1))),
        "correlated": (near, events(rng, 2 * near[:, 0] - near[:, 1])),
        "correlated and wide": (near_wide, events(rng, 2 * near_wide[:, 0] - near_wide[:, 1])),
        "rare events": rare(rng),
        "duplicated": duplicated(rng, 150, 20),
        "duplicated and wide": duplicated(rng, 50, 60),
        "counts": (counts, events(rng, counts[:, :20].sum(axis=1) - 3)),
        "separated": (apart, (apart[:, 0] > 0).astype(float)),
        "scales": (scales, events(rng, scales[:, 0] / scales[:, 0].std())),
    }


DESIGNS = designs()


@pytest.mark.parametrize("l1_ratio", RATIOS)
@pytest.mark.parametrize("name", DESIGNS)
def test_every_lambda_is_optimal(name, l1_ratio):
    X, y = DESIGNS[name]
    found = path(X, y, l1_ratio)
    assert found.kkt.max() <= 1e-9
    assert violation(found, X, y, l1_ratio) <= 1e-9
    assert np.all(np.diff(found.loglik) > -1e-9 * np.abs(found.loglik[0]))  # training deviance never rises
    if l1_ratio > 0:
        assert not found.coef[0].any()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", CASES)
def test_every_lambda_of_the_reference_sets_is_optimal(name, l1_ratio):
    X, y = sample_of(name)
    factor = np.arange(X.shape[1]) % 3 / 2  # some without a penalty
    for options in ({}, {"standardize": False}, {"factor": factor}, {"intercept": False}):
        found = path(X, y, l1_ratio, **options)
        assert found.kkt.max() <= 1e-10
        assert np.all(np.diff(found.loglik) > -1e-9 * np.abs(found.loglik[0]))
        if set(options) <= {"standardize"}:
            assert violation(found, X, y, l1_ratio, **options) <= 1e-9


def test_twenty_thousand_columns():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((100, 20_000))
    y = events(rng, 3 * X[:, :10].sum(axis=1))
    for l1_ratio in (1.0, 0.5):
        found = path(X, y, l1_ratio)
        assert found.kkt.max() <= 1e-10
        assert violation(found, X, y, l1_ratio) <= 1e-9


@pytest.mark.parametrize("name", ["wide", "counts", "scales"])
def test_every_lambda_is_optimal_on_raw_columns(name):
    X, y = DESIGNS[name]
    for l1_ratio in (1.0, 0.3, 0.0):
        assert violation(path(X, y, l1_ratio, standardize=False), X, y, l1_ratio, False) <= 1e-9


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("part", [1e-4, 0.03, 0.3, 0.99])
def test_one_lambda_is_found_without_the_path(part, l1_ratio):
    X, y = DESIGNS["wide"]
    top = default_lambdas(X, y, *ones(len(y)), Mixture(l1_ratio, np.ones(X.shape[1])))[0]
    found = path(X, y, l1_ratio, np.array([part * top]))
    assert violation(found, X, y, l1_ratio) <= 1e-9
    along = path(X, y, l1_ratio, top * np.geomspace(1, part, 30))
    assert found.coef[0] == pytest.approx(along.coef[-1], abs=1e-5 if part < 1e-3 else 1e-7)


def test_lambdas_above_the_largest_give_the_null_model():
    X, y = DESIGNS["tall"]
    top = default_lambdas(X, y, *ones(len(y)), Mixture(1.0, np.ones(X.shape[1])))[0]
    found = path(X, y, 1.0, np.array([0.5, 1, 1 + 1e-9, 2, 50, 50]) * top)
    assert found.lambdas.tolist() == sorted(found.lambdas, reverse=True)
    assert not found.coef[:5].any()
    assert found.coef[5].any()
    assert found.intercept[:5] == pytest.approx(np.log(y.mean() / (1 - y.mean())), rel=1e-12)
    assert found.loglik[:5] == pytest.approx(found.null_loglik, rel=1e-14)


def test_the_largest_lambda_is_exact():
    X, y = DESIGNS["tall"]
    top = default_lambdas(X, y, *ones(len(y)), Mixture(0.7, np.ones(X.shape[1])))[0]
    below = path(X, y, 0.7, np.array([top * (1 - 1e-6)]))
    assert np.count_nonzero(below.coef) == 1


def test_free_columns_have_no_penalty():
    X, y = DESIGNS["tall"]
    factor = np.ones(X.shape[1])
    factor[:2] = 0.0
    found = path(X, y, 1.0, factor=factor)
    assert found.coef[0, :2].all()
    assert not found.coef[0, 2:].any()
    alone = path(X[:, :2], y, 1.0, np.array([1.0]), factor=np.zeros(2))
    assert found.coef[0, :2] == pytest.approx(alone.coef[0], rel=1e-8)


def test_duplicated_columns_share_their_weight():
    X, y = DESIGNS["tall"]
    found, single = path(np.column_stack([X, X]), y), path(X, y)
    assert found.coef[:, :30] + found.coef[:, 30:] == pytest.approx(single.coef, abs=1e-6)
    assert np.all(found.coef[:, :30] * found.coef[:, 30:] >= 0)


def test_no_penalty_is_maximum_likelihood():
    X, y = DESIGNS["tall"]
    for l1_ratio in (1.0, 0.0):
        found = path(X, y, l1_ratio, np.array([0.0]))
        residual = y - 1 / (1 + np.exp(-(found.intercept[0] + X @ found.coef[0])))
        assert np.abs(residual @ X / len(y)).max() < 1e-9


def test_ridge_without_end_is_the_null_model():
    X, y = DESIGNS["rare events"]
    found = path(X, y, 0.0, np.array([1e8]))
    assert np.abs(found.coef).max() < 1e-8
    assert found.intercept[0] == pytest.approx(np.log(y.mean() / (1 - y.mean())), rel=1e-8)


# folds and weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3, 0.0])
@pytest.mark.parametrize("name", ["wide", "tall"])
def test_weight_zero_is_absence(name, l1_ratio):
    X, y = DESIGNS[name]
    kept = np.arange(len(y)) % 5 > 0
    X = np.where(kept[:, None], X, 1e6)  # whatever those rows hold
    part = path(X[kept], y[kept], l1_ratio)
    whole = path(X, y, l1_ratio, part.lambdas, weights=kept.astype(float))
    assert whole.coef == pytest.approx(part.coef, abs=1e-7)
    assert whole.loglik == pytest.approx(part.loglik, rel=1e-9)
    assert whole.kkt.max() <= 1e-9


def test_weight_two_is_the_row_twice():
    X, y = DESIGNS["wide"]
    weights = 1.0 + (np.arange(len(y)) % 3 == 0)
    twice = np.repeat(np.arange(len(y)), weights.astype(int))
    weighted, repeated = path(X, y, 0.5, weights=weights), path(X[twice], y[twice], 0.5)
    assert weighted.lambdas[0] == pytest.approx(repeated.lambdas[0], rel=1e-12)
    same = path(X[twice], y[twice], 0.5, weighted.lambdas)
    assert weighted.coef == pytest.approx(same.coef, abs=1e-7)


def test_orders_of_memory_and_rows_do_not_matter():
    X, y = DESIGNS["counts"]
    plain = path(X, y)
    assert path(np.asfortranarray(X), y).coef == pytest.approx(plain.coef, abs=1e-8)
    order = np.random.default_rng(1).permutation(len(y))
    assert path(X[order], y[order]).coef == pytest.approx(plain.coef, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(10, 60),
    p=st.integers(1, 80),
    l1_ratio=st.sampled_from(RATIOS),
    scale=st.floats(-5, 5),
)
def test_scaling_a_column_scales_its_coefficient(seed, n, p, l1_ratio, scale):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = events(rng, X[:, 0])
    y[:2] = 0, 1
    unit = np.ones(p)
    unit[0] = 10.0**scale
    found = path(X, y, l1_ratio)
    scaled = path(X * unit, y, l1_ratio, found.lambdas)
    assert found.kkt.max() <= 1e-9
    assert scaled.coef * unit == pytest.approx(found.coef, abs=1e-5 * np.abs(found.coef).max(initial=1e-3))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), a=st.floats(-4, 4).filter(lambda a: abs(a) > 0.1), part=st.floats(1e-3, 1))
def test_raw_ridge_weights_of_proportional_columns_are_proportional(seed, a, part):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((40, 3))
    X = np.column_stack([a * z[:, 0], z])
    y = events(rng, z[:, 0])
    y[:2] = 0, 1
    found = path(X, y, 0.0, np.array([part]), standardize=False)
    assert found.coef[0, 0] == pytest.approx(a * found.coef[0, 1], rel=1e-6, abs=1e-9)


def test_an_outcome_of_one_value_is_refused():
    X, y = DESIGNS["tall"]
    with pytest.raises(DataError, match="one outcome only"):
        path(X, np.ones_like(y), 1.0, np.array([0.1]))


def test_tolerance_and_limit_are_the_callers():
    X, y = DESIGNS["counts"]
    mixture, lambdas = Mixture(1.0, np.ones(X.shape[1])), np.array([1e-3])
    loose = elastic_net_path(X, y, *ones(len(y)), mixture, lambdas, Control(tol=1e-4))
    tight = elastic_net_path(X, y, *ones(len(y)), mixture, lambdas, Control(tol=1e-13))
    short = elastic_net_path(X, y, *ones(len(y)), mixture, 10 * lambdas, Control(max_iter=1))
    assert 1e-9 < loose.kkt[0] <= 1e-4
    assert tight.kkt[0] <= 1e-13
    assert short.kkt[0] > 1e-6


def test_lambdas_that_hardly_differ_foretell_nothing():
    X, y = DESIGNS["counts"]
    top = default_lambdas(X, y, *ones(len(y)), Mixture(1.0, np.ones(X.shape[1])))[0]
    close = top * np.array([0.3, 0.3 * (1 - 1e-16), np.nextafter(0.3, 0), 0.2999999, 0.15, 0.1499999, 0.07])
    found = path(X, y, lambdas=close)
    assert found.kkt.max() <= 1e-10
    alone = path(X, y, lambdas=close[-1:])
    assert found.coef[-1] == pytest.approx(alone.coef[0], abs=1e-7)
    assert found.n_iter.max() < 30


# a ridge with more columns than rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_a_wide_ridge_is_that_of_all_columns(standardize, intercept, monkeypatch):
    rng = np.random.default_rng(5)
    X = rng.poisson(2.0, (50, 130)) * rng.uniform(0.1, 3.0, 130)
    X[:, 7] = X[:, 8]
    X[:, 9] = 4.0  # does not vary where there is an intercept
    y = events(rng, X[:, 0] - X[:, 1])
    factor = np.where(np.arange(130) < 2, 0.0, rng.uniform(0.5, 2.0, 130))
    weights, offset = np.where(np.arange(50) % 7, rng.uniform(0.5, 2.0, 50), 0.0), rng.normal(0, 0.3, 50)
    lambdas = np.geomspace(3.0, 1e-3, 12)
    options = {"weights": weights, "offset": offset, "factor": factor, "lambdas": lambdas}
    found = path(X, y, 0.0, **options, standardize=standardize, intercept=intercept)
    assert found.kkt.max() <= 1e-10
    assert found.converged.all()
    monkeypatch.setattr("glminfer.numerics.elastic_net.rotation_of", lambda problem: None)
    expected = path(X, y, 0.0, **options, standardize=standardize, intercept=intercept)
    scale = np.abs(expected.coef).max()
    assert found.coef == pytest.approx(expected.coef, abs=1e-6 * scale)
    assert found.intercept == pytest.approx(expected.intercept, abs=1e-6 * scale)
    assert found.loglik == pytest.approx(expected.loglik, abs=1e-7)


def test_a_wide_ridge_from_a_solution_near_it():
    rng = np.random.default_rng(6)
    X = rng.standard_normal((40, 90))
    y, mixture, lambdas = events(rng, X[:, 0]), Mixture(0.0, np.ones(90)), np.array([0.3, 0.2])
    whole = elastic_net_path(X, y, *ones(40), mixture, lambdas)
    near = Near(0.3, whole.intercept[0], whole.coef[0])
    found = elastic_net_path(X, y, *ones(40), mixture, lambdas[1:], near=near)
    assert found.coef[0] == pytest.approx(whole.coef[1], abs=1e-9)
    assert violation(found, X, y, 0.0) <= 1e-10
