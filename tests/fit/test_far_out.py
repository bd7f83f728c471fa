"""Estimates that Newton reaches late: one row far from all others, and weights so small that errors say nothing."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

# 60 digits, mpmath 1.4.1: intercept, slope, standard error of the slope
EXACT = {
    "with": (0.42126569887064196471, 1.0526605094906179673, 0.1561695162092383026),
    "against": (0.3032955999086539942, -0.000076523414975114682616, 0.00039455129377556812019),
}


def outlier(kind, far=1e5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    x[7] = far
    y = (rng.random(300) < 1 / (1 + np.exp(-(0.5 + 0.8 * np.where(np.arange(300) == 7, 0, x))))).astype(int)
    y[7] = {"with": 1, "against": 0}[kind]
    return pd.DataFrame({"x": x, "y": y})


@pytest.mark.parametrize("max_iter", [None, 25, 300])
@pytest.mark.parametrize("kind", EXACT)
def test_one_row_far_from_all_others(kind, max_iter):
    control = gi.Control(max_iter=max_iter)
    fit = gi.logit("y ~ x", outlier(kind), control=control)
    assert fit.status is gi.Status.CONVERGED
    assert np.allclose([*fit.coef, fit.tidy().std_error[1]], EXACT[kind], rtol=1e-10)
    assert fit.n_iter == len(fit.trace) - 1 <= (max_iter or 100)
    assert (np.diff(fit.trace.loglik) >= -1e-9).all()
    for far in (1e8, 1e12):
        assert gi.logit("y ~ x", outlier(kind, far), control=gi.Control(max_iter=300)).converged


@pytest.mark.parametrize("kind", EXACT)
def test_the_limit_counts_all_steps(kind):
    needed = gi.logit("y ~ x", outlier(kind)).n_iter
    assert gi.logit("y ~ x", outlier(kind), control=gi.Control(max_iter=needed)).converged
    for max_iter in (needed - 1, needed // 2, 2):
        with pytest.warns(gi.ConvergenceWarning, match="The iteration limit was reached"):
            fit = gi.logit("y ~ x", outlier(kind), control=gi.Control(max_iter=max_iter))
        assert not fit.converged
        assert fit.n_iter == max_iter


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {"x": rng.standard_normal(300), "z": rng.standard_normal(300), "c": rng.integers(0, 20, 300), "one": 1.0}
    )
    return frame.assign(y=(rng.random(300) < 1 / (1 + np.exp(-0.5 - 0.8 * frame.x))).astype(int))


@pytest.mark.parametrize("weight", [1 / 300, 1e-6, 1e-18, 1e-100, 1e12])
def test_the_size_of_the_weights_changes_no_estimate_and_no_robust_error(data, weight):
    plain, light = (gi.logit("y ~ x + z", data.assign(w=w), weights="w") for w in (1.0, weight))
    assert np.allclose(light.coef, plain.coef, rtol=1e-11)
    assert np.isclose(light.loglik, weight * plain.loglik, rtol=1e-12)
    assert np.allclose(light.tidy().std_error * np.sqrt(weight), plain.tidy().std_error, rtol=1e-11)
    kinds = [{"cov": "HC0"}, {"cov": "HC3"}, {"cluster": "c"}, {"cov": "CR2", "cluster": "c"}]
    for how in [*kinds, {"cov": "jackknife", "cluster": "c"}]:
        assert np.allclose(light.tidy(**how).std_error, plain.tidy(**how).std_error, rtol=1e-9)


@pytest.mark.parametrize("solver", ["bfgs", "lbfgs", "gradient"])
def test_first_order_methods_as_well(data, solver):
    plain, light = (gi.logit("y ~ x", data.assign(w=w), weights="w", solver=solver) for w in (1.0, 1e-9))
    assert light.converged
    assert np.allclose(light.coef, plain.coef, rtol=1e-6)


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_other_links_as_well(data, link):
    plain, light = (gi.glm("y ~ x", data.assign(w=w), link=link, weights="w") for w in (1.0, 1e-12))
    assert np.allclose(light.coef, plain.coef, rtol=1e-9)


@pytest.mark.parametrize("weight", [1 / 300, 1e-18])
def test_many_models_as_well(data, weight):
    rng = np.random.default_rng(4)
    values = (rng.random((300, 20)) < 0.4).astype(float)
    for ask in (
        lambda frame: gi.logit_many("x + z", frame, outcomes=values, weights="w"),
        lambda frame: gi.logit_each("y ~ x", frame, covariates=values, weights="w"),
    ):
        plain, light = (ask(data.assign(w=w)) for w in (1.0, weight))
        assert np.allclose(light.coef, plain.coef, rtol=1e-10)
        assert light.glance().n_iter.tolist() == plain.glance().n_iter.tolist()
        for how in ({"cov": "HC0"}, {"cluster": "c"}):
            assert np.allclose(light.tidy(**how).std_error, plain.tidy(**how).std_error, rtol=1e-10)


def test_rows_of_next_to_no_weight_have_no_say(data):
    """Fifteen clusters of ordinary weight beside five of 1e-18."""
    light = gi.logit("y ~ x", data.assign(w=np.where(data.c < 5, 1e-18, 1.0)), weights="w")
    without = gi.logit("y ~ x", data[data.c >= 5])
    assert np.allclose(light.coef, without.coef, rtol=1e-10)
    for how in ({}, {"cov": "HC0"}, {"cov": "CR0", "cluster": "c"}):
        assert np.allclose(light.tidy(**how).std_error, without.tidy(**how).std_error, rtol=1e-10)
