"""Ridge fits: glmnet's and scikit-learn's numbers, limits, invariances, hard data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import LINKS, few, some
from reference_cases import NAMES, case, fit_case

import glminfer as gi
from glminfer.numerics.families import family

WITH_GLMNET = [name for name in NAMES if "glmnet" in case(name)["results"]]


def frame(seed: int = 3, n: int = 80, link: str = "logit") -> pd.DataFrame:
    """Three covariates, one of them in large units, a factor, weights and an offset."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=n), "z": 100 + 30 * rng.normal(size=n), "g": rng.choice(list("abc"), n)})
    data = data.assign(w=rng.integers(0, 4, n).astype(float), o=0.3 * rng.normal(size=n))
    eta = 0.8 * data.x - 0.02 * (data.z - 100) + 0.6 * (data.g == "b") + data.o
    return data.assign(y=(rng.random(n) < family(link).mean(eta.to_numpy())).astype(int))


def ridge(formula: str, data: object, lambda_: float, standardize: bool = False, **options: object) -> gi.Fit:
    return gi.glm(formula, data, penalty=gi.Ridge(lambda_, standardize), **options)


# other packages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_GLMNET)
def test_estimates_are_those_of_glmnet(name: str) -> None:
    found = case(name)["results"]["glmnet"]
    paths = [path for path in found["paths"] if path["alpha"] == 0 and path["intercept"]]
    plain = [path for path in paths if not (isinstance(path["weights"], str) or isinstance(path["offset"], str))]
    plain = [path for path in plain if np.ptp(np.asarray(path["penalty_factor"], dtype=float)) == 0]
    assert {path["standardize"] for path in plain} == {True, False}
    for path in plain:
        for k in (0, 6, 11):
            fit = fit_case(name, gi.Ridge(float(path["lambda"][k]), path["standardize"]))
            mine = fit.coef[["Intercept", *found["columns"]]]
            np.testing.assert_allclose(mine, path["coef"].iloc[k], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("standardize", [False, True])
def test_estimates_are_those_of_scikit_learn(standardize: bool) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = frame()
    X = np.column_stack([data.x, data.z, data.g == "b", data.g == "c"]).astype(float)
    w = data.w.to_numpy()
    size = np.sqrt(np.average((X - np.average(X, axis=0, weights=w)) ** 2, axis=0, weights=w)) if standardize else 1.0
    peer = linear_model.LogisticRegression(C=1 / (0.05 * w.sum()), solver="newton-cholesky", tol=1e-12, max_iter=1000)
    peer.fit((X - np.average(X, axis=0, weights=w)) / size, data.y, sample_weight=w)
    fit = ridge("y ~ x + z + g", data, 0.05, standardize, weights="w")
    np.testing.assert_allclose(fit.coef[["x", "z", "g[T.b]", "g[T.c]"]], peer.coef_[0] / size, rtol=1e-7)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("standardize", [False, True])
def test_the_estimate_is_the_maximum_of_the_penalised_likelihood(link: str, standardize: bool) -> None:
    """By the definition (58), with the design built by hand and the maximum found by a general optimiser."""
    from scipy.optimize import minimize

    data, lambda_ = frame(link=link), 0.03
    fit = ridge("y ~ x + z + g", data, lambda_, standardize, link=link, weights="w", offset="o")
    X = np.column_stack([np.ones(80), data.g == "b", data.g == "c", data.x, data.z]).astype(float)
    names = ["Intercept", "g[T.b]", "g[T.c]", "x", "z"]
    y, w, o, fam = (*(data[v].to_numpy(dtype=float) for v in "ywo"), family(link))
    means = np.average(X, axis=0, weights=w)
    variance = np.average((X - means) ** 2, axis=0, weights=w)
    P = lambda_ * w.sum() * np.r_[0.0, (variance if standardize else np.ones(5))[1:]]
    unit = np.r_[1.0, np.sqrt(variance[1:])]  # of the optimiser
    Z = (X - np.r_[0.0, means[1:]]) / unit

    def minus(u: np.ndarray) -> tuple[float, np.ndarray]:
        loglik, score = fam.pointwise(y, Z @ u + o)[:2]
        b = u / unit
        return -float(w @ loglik) + 0.5 * float(P @ b**2), -(Z.T @ (w * score)) + P * b / unit

    starts = [np.zeros(5), fit.coef[names].to_numpy() * unit]
    found = min(
        (minimize(minus, at, jac=True, method="BFGS", options={"gtol": 1e-8}) for at in starts), key=lambda s: s.fun
    )
    np.testing.assert_allclose(fit.coef[names[1:]] * unit[1:], found.x[1:], atol=1e-6)
    np.testing.assert_allclose(fit.coef["Intercept"] + fit.coef[names[1:]] @ means[1:], found.x[0], atol=1e-6)


# limits and invariances ----------------------------------------------------------------------------------------------


@some
@given(st.integers(0, 2**32 - 1), st.floats(-20, 20).filter(lambda a: abs(a) > 0.05), st.floats(1e-4, 10))
def test_proportional_columns_have_proportional_coefficients(seed: int, a: float, lambda_: float) -> None:
    """w1 = a w2 where x1 = a x2, on raw columns (14)."""
    data = frame(seed % 1000, 50)
    fit = ridge("y ~ x1 + x + z", data.assign(x1=a * data.x), lambda_)
    assert not fit.aliased
    np.testing.assert_allclose(fit.coef["x1"], a * fit.coef["x"], rtol=1e-8, atol=1e-12)
    b = ridge("y ~ x + z", data.assign(x=np.sqrt(a**2 + 1) * data.x), lambda_).coef["x"] * np.sqrt(a**2 + 1)
    np.testing.assert_allclose(a * fit.coef["x1"] + fit.coef["x"], b, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("standardize", [False, True])
def test_no_penalty_is_approached_as_maximum_likelihood(link: str, standardize: bool) -> None:
    data = frame(5, 300, link)
    ml = gi.glm("y ~ x + z + g", data, link=link, offset="o")
    error = ml.tidy().std_error.to_numpy()
    gaps = [
        np.abs((ridge("y ~ x + z + g", data, t, standardize, link=link, offset="o").coef - ml.coef) / error).max()
        for t in (1e-4, 1e-6, 1e-8)
    ]
    assert gaps[1] < 0.02 * gaps[0]
    assert gaps[2] < 0.02 * gaps[1]
    none = ridge("y ~ x + z + g", data, 0.0, standardize, link=link, offset="o")
    assert none.penalty is None
    pd.testing.assert_frame_equal(none.tidy(), ml.tidy())


@pytest.mark.parametrize("link", LINKS)
def test_a_strong_penalty_leaves_the_null_model(link: str) -> None:
    data = frame(5, 300)
    data = data.assign(y=(np.random.default_rng(1).random(300) < 0.95) * 1)
    fit = ridge("y ~ x + z + g", data, 1e9, link=link, weights="w")
    mean = np.average(data.y, weights=data.w)
    np.testing.assert_allclose(fit.predict(), mean, rtol=1e-6)
    np.testing.assert_allclose(fit.coef["Intercept"], family(link).quantile(np.array(mean)), rtol=1e-6)
    assert fit.effective_df == pytest.approx(1.0, abs=1e-4)
    assert fit.deviance == pytest.approx(fit.null_deviance, rel=1e-6)


@few
@given(st.integers(0, 999), st.floats(1e-4, 10), st.booleans())
def test_the_mean_probability_is_the_share_of_events(seed: int, lambda_: float, standardize: bool) -> None:
    data = frame(seed)
    fit = ridge("y ~ x + z + g", data, lambda_, standardize, weights="w", offset="o")
    probability = fit.predict(data)
    assert np.average(probability, weights=data.w) == pytest.approx(np.average(data.y, weights=data.w), rel=1e-9)


@few
@given(st.integers(0, 999), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_units_do_not_matter_on_standardised_columns(seed: int, scale: float, shift: float) -> None:
    data = frame(seed)
    fit = ridge("y ~ x + z + g", data, 0.1, True)
    other = ridge("y ~ x + z + g", data.assign(x=scale * data.x + shift), 0.1, True)
    np.testing.assert_allclose(other.coef["x"] * scale, fit.coef["x"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(other.coef[["z", "g[T.b]"]], fit.coef[["z", "g[T.b]"]], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(other.effective_df, fit.effective_df, rtol=1e-8)
    np.testing.assert_allclose(other.tidy().std_error[1] * scale, fit.tidy().std_error[1], rtol=1e-7)


def test_units_matter_on_raw_columns() -> None:
    data = frame()
    fit, other = ridge("y ~ x + z", data, 0.1), ridge("y ~ x + z", data.assign(x=10 * data.x), 0.1)
    assert abs(other.coef["x"] * 10) > 1.2 * abs(fit.coef["x"])


@pytest.mark.parametrize("standardize", [False, True])
def test_a_fold_as_weights_is_a_fold_as_rows(standardize: bool) -> None:
    data = frame()
    kept = np.arange(80) % 5 != 0
    weighted = ridge("y ~ x + z + g", data, 0.05, standardize, weights=data.w * kept)
    subset = ridge("y ~ x + z + g", data, 0.05, standardize, weights="w", subset=kept)
    np.testing.assert_allclose(weighted.coef, subset.coef, rtol=1e-9)
    np.testing.assert_allclose(weighted.vcov("sandwich"), subset.vcov("sandwich"), rtol=1e-9)
    assert weighted.effective_df == pytest.approx(subset.effective_df, rel=1e-10)
    assert weighted.nobs == subset.nobs


@pytest.mark.parametrize("standardize", [False, True])
def test_a_weight_of_two_is_the_row_twice(standardize: bool) -> None:
    data = frame()
    twice = pd.concat([data, data[::3]], ignore_index=True)
    fit = ridge("y ~ x + z + g", twice, 0.05, standardize)
    weighted = ridge("y ~ x + z + g", data, 0.05, standardize, weights=1.0 + (np.arange(80) % 3 == 0))
    np.testing.assert_allclose(weighted.coef, fit.coef, rtol=1e-9)
    np.testing.assert_allclose(weighted.vcov(), fit.vcov(), rtol=1e-9)


@pytest.mark.parametrize("penalty", [gi.Ridge(0.05), gi.Ridge(0.05, True), gi.ElasticNet(0.02, 0.6, True)], ids=repr)
def test_rows_of_few_kinds_are_their_counts(penalty: object) -> None:
    """From 50,000 rows on alike rows are summed once."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"a": rng.integers(0, 4, 60_000), "b": rng.integers(0, 3, 60_000) / 3})
    data = data.assign(y=(rng.random(60_000) < 1 / (1 + np.exp(-0.3 * data.a + data.b))) * 1.0)
    counts = data.groupby(["a", "b"], as_index=False).y.agg(s="sum", n="count").eval("f = n - s")
    fit, few = gi.logit("y ~ a + b", data, penalty=penalty), gi.logit("cbind(s, f) ~ a + b", counts, penalty=penalty)
    np.testing.assert_allclose(fit.coef, few.coef, rtol=1e-9)
    assert fit.effective_df == pytest.approx(few.effective_df, rel=1e-9)


def test_swapping_the_event_flips_the_signs() -> None:
    data = frame()
    fit, swapped = ridge("y ~ x + g", data, 0.1), ridge("y ~ x + g", data.assign(y=1 - data.y), 0.1)
    np.testing.assert_allclose(swapped.coef, -fit.coef, rtol=1e-9)


# hard data -----------------------------------------------------------------------------------------------------------


def test_separated_data_have_a_finite_estimate() -> None:
    data = {"y": [0, 0, 0, 0, 1, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6, 7, 8]}
    fit = gi.logit("y ~ x", data, penalty=gi.Ridge(0.01))
    assert fit.converged
    np.testing.assert_allclose(fit.coef["Intercept"], -4.5 * fit.coef["x"], rtol=1e-9)
    assert 0.5 < fit.coef["x"] < 5


@pytest.mark.parametrize("standardize", [False, True])
def test_more_columns_than_rows(standardize: bool) -> None:
    """30 rows and 60 columns: by the identity of the dual, the coefficients lie in the span of the rows."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(30, 60))
    data = pd.DataFrame(X, columns=[f"x{k}" for k in range(60)]).assign(y=(X[:, 0] > 0) * 1)
    fit = gi.logit("y ~ .", data, penalty=gi.Ridge(0.05, standardize))
    assert fit.converged
    assert 1 < fit.effective_df < 30
    s = (data.y - fit.predict()).to_numpy()
    size = X.var(axis=0) if standardize else 1.0
    np.testing.assert_allclose(fit.coef.to_numpy()[1:], X.T @ s / (30 * 0.05 * size), rtol=1e-8)
    assert (fit.vcov().to_numpy().diagonal() > 0).all()


def test_dependent_and_constant_columns() -> None:
    data = frame()
    data = data.assign(twice=data.x + data.z, one=7.0)
    fit = ridge("y ~ x + z + twice + one", data, 0.1, True)
    assert fit.converged
    assert not fit.aliased
    assert fit.coef["one"] == 0
    assert any(line.startswith("one ") for line in fit.summary().splitlines())
    assert "not shown" not in fit.summary()
    assert np.isfinite(fit.tidy().estimate).all()


def test_columns_far_from_zero_keep_their_digits() -> None:
    data = frame()
    fit, far = ridge("y ~ x + z", data, 0.01), ridge("y ~ x + z", data.assign(x=data.x + 1e7), 0.01)
    np.testing.assert_allclose(far.coef[["x", "z"]], fit.coef[["x", "z"]], rtol=1e-7)


def test_without_an_intercept_everything_is_shrunk() -> None:
    data = frame()
    fit = ridge("y ~ 0 + x + z", data, 1e9, offset="o")
    np.testing.assert_allclose(fit.coef, 0, atol=1e-5)
    peer = pytest.importorskip("sklearn.linear_model").LogisticRegression(
        C=1 / (80 * 0.2), solver="newton-cholesky", fit_intercept=False, tol=1e-12, max_iter=1000
    )
    mine = ridge("y ~ 0 + x + z", data, 0.2).coef
    np.testing.assert_allclose(mine, peer.fit(data[["x", "z"]], data.y).coef_[0], rtol=1e-6)


# arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gi.Ridge(-1), gi.InputError, "lambda_=-1 must be a number, 0 or more, such as gi.Ridge(0.1)."),
        (lambda: gi.Ridge("a"), gi.InputError, "lambda_='a' must be a number, 0 or more"),
        (lambda: gi.Ridge(True), gi.InputError, "lambda_=True must be a number"),
        (lambda: gi.Ridge(np.inf), gi.InputError, "lambda_=inf must be a number"),
        (lambda: gi.Ridge(0.1, 1), gi.InputError, "standardize=1 must be True or False."),
        (lambda: gi.Ridge(0.1, standardise=True), TypeError, "Did you mean 'standardize'?"),
        (
            lambda: gi.logit("y ~ x", frame(), penalty="ridge"),
            gi.InputError,
            "penalty='ridge' is not a penalty; choose one of: gi.Firth, gi.Ridge",
        ),
        (
            lambda: gi.logit("y ~ x", frame(), penalty=gi.Ridge(0.1), solver="bfgs"),
            gi.InputError,
            "solver='bfgs' is for maximum likelihood; leave it out with penalty=.",
        ),
        (
            lambda: gi.logit_many("x", frame(), outcomes=["y"], penalty=gi.Ridge(0.1)),
            gi.InputError,
            "penalty=Ridge(lambda_=0.1, standardize=False) is not known here; use gi.Firth()",
        ),
    ],
)
def test_what_is_no_penalty_is_refused(make, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
