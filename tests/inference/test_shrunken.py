"""What is claimed from ridge fits: two covariances, effective degrees of freedom, no p-value without a name."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import glminfer as gi


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    n = 90
    data = pd.DataFrame({"x": rng.normal(size=n), "z": 50 + 5 * rng.normal(size=n), "g": rng.choice(list("abc"), n)})
    data["w"] = rng.integers(0, 3, n).astype(float)
    eta = 0.7 * data.x - 0.1 * (data.z - 50) + 0.5 * (data.g == "b")
    return data.assign(y=(rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int), c=np.arange(n) // 9)


LAMBDA = 0.08
COLUMNS = ["Intercept", "x", "z", "g[T.b]", "g[T.c]"]


@pytest.fixture(scope="module", params=[False, True], ids=["raw", "standardised"])
def fitted(request, frame: pd.DataFrame) -> tuple[gi.Fit, np.ndarray, np.ndarray]:
    """A fit, and information and penalty of its columns, from the definitions (58)."""
    fit = gi.logit("y ~ x + z + g", frame, weights="w", penalty=gi.Ridge(LAMBDA, request.param))
    X = np.column_stack([np.ones(len(frame)), frame.x, frame.z, frame.g == "b", frame.g == "c"]).astype(float)
    w, p = frame.w.to_numpy(), fit.predict(frame).to_numpy()
    variance = np.average((X - np.average(X, axis=0, weights=w)) ** 2, axis=0, weights=w)
    P = LAMBDA * w.sum() * np.r_[0.0, np.ones(4) if not request.param else variance[1:]]
    return fit, (X * (w * p * (1 - p))[:, None]).T @ X, np.diag(P)


# covariances ---------------------------------------------------------------------------------------------------------


def test_both_covariances_are_those_of_the_definition(fitted) -> None:
    fit, H, P = fitted
    assert list(fit.columns) == COLUMNS
    bread = np.linalg.inv(H + P)
    np.testing.assert_allclose(fit.vcov("bayes"), bread, rtol=1e-7)
    np.testing.assert_allclose(fit.vcov("sandwich"), bread @ H @ bread, rtol=1e-7)
    pd.testing.assert_frame_equal(fit.vcov(), fit.vcov("bayes"))
    assert fit.effective_df == pytest.approx(np.trace(bread @ H), rel=1e-9)


def test_their_difference_is_the_mean_squared_bias_under_the_prior(fitted) -> None:
    fit, H, P = fitted
    bread = np.linalg.inv(H + P)
    np.testing.assert_allclose(fit.vcov("bayes") - fit.vcov("sandwich"), bread @ P @ bread, rtol=1e-6, atol=1e-9)


def test_the_sandwich_is_the_variance_over_samples() -> None:
    """Estimates of 400 samples of 250 rows; the standard deviation has a Monte Carlo error of 3.5 %."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(250, 2))
    p = 1 / (1 + np.exp(-(0.1 + X @ [0.5, -0.3])))
    found, error = [], []
    for _ in range(400):
        data = {"y": (rng.random(250) < p) * 1, "a": X[:, 0], "b": X[:, 1]}
        fit = gi.logit("y ~ a + b", data, penalty=gi.Ridge(0.05))
        found.append(fit.coef.to_numpy())
        error.append([fit.tidy(cov=kind).std_error.to_numpy()[1:] for kind in ("sandwich", "bayes")])
    spread, (sandwich, bayes) = np.std(found, axis=0)[1:], np.mean(error, axis=0)
    np.testing.assert_allclose(sandwich, spread, rtol=0.12)
    assert (bayes > 1.1 * spread).all()


# tables --------------------------------------------------------------------------------------------------------------


def test_there_is_no_p_value_until_a_covariance_is_named(fitted) -> None:
    fit = fitted[0]
    table = fit.tidy()
    assert table[["statistic", "p_value", "log10_p"]].isna().all(axis=None)
    assert table[["estimate", "std_error", "conf_low", "conf_high"]].notna().all(axis=None)
    assert "p-values if you name one: cov='bayes' or cov='sandwich'" in table.attrs["covariance"]
    for kind in ("bayes", "sandwich"):
        named = fit.tidy(cov=kind)
        se = np.sqrt(np.diagonal(fit.vcov(kind)))
        np.testing.assert_allclose(named.std_error, se)
        np.testing.assert_allclose(named.p_value, 2 * norm.sf(np.abs(fit.coef / se)), rtol=1e-9)
        assert named.attrs["covariance"].startswith(f"{kind} (")
    np.testing.assert_allclose(table.std_error, fit.tidy(cov="bayes").std_error)


def test_glance_counts_effective_degrees_of_freedom(fitted) -> None:
    fit, df = fitted[0], fitted[0].effective_df
    row = fit.glance().iloc[0]
    assert row.effective_df == df
    assert 1 < df < 5
    assert row.df_resid == pytest.approx(fit.nobs - df)
    assert row.aic == pytest.approx(-2 * fit.loglik + 2 * df)
    assert row.bic == pytest.approx(-2 * fit.loglik + np.log(fit.nobs) * df)
    assert fit.augment()[".hat"].sum() == pytest.approx(df)


def test_ordinary_fits_have_no_such_column(frame: pd.DataFrame) -> None:
    assert "effective_df" not in gi.logit("y ~ x", frame).glance()
    assert "effective_df" not in gi.logit("y ~ x", frame, penalty=gi.Firth()).glance()
    assert isinstance(gi.logit("y ~ x", frame).df_resid, int)


def test_the_summary_names_penalty_and_covariance(fitted) -> None:
    fit = fitted[0]
    text = fit.summary()
    assert text.splitlines()[0].startswith("Logistic regression (logit link), ridge (λ = 0.08")
    assert f"{fit.effective_df:,.2f} effective degrees of freedom of 5 coefficients" in text
    assert "p_value" not in text
    assert "tests" not in text
    named = fit.summary(cov="sandwich")
    assert "sandwich (variance of the shrunken estimates over samples; their bias is left out)" in " ".join(
        named.split()
    )
    assert "p_value" in named
    assert "Likelihood ratio" not in named


def test_wald_tests_take_a_named_covariance(fitted) -> None:
    fit = fitted[0]
    V, b = fit.vcov("sandwich").loc[COLUMNS[3:], COLUMNS[3:]].to_numpy(), fit.coef[COLUMNS[3:]].to_numpy()
    expected = b @ np.linalg.solve(V, b)
    assert fit.wald_test("g", cov="sandwich").statistic[0] == pytest.approx(expected)
    table = fit.anova(test="wald", cov="sandwich")
    assert table.set_index("term").statistic["g"] == pytest.approx(expected)
    assert "sandwich" in repr(table)
    assert fit.lincom("x - z", cov="bayes").p_value[0] < 1
    assert fit.simultaneous("g", cov="bayes").p_adjusted.notna().all()


def test_intervals_and_predictions_take_the_posterior_by_default(fitted, frame: pd.DataFrame) -> None:
    fit = fitted[0]
    se = fit.tidy().std_error
    np.testing.assert_allclose(fit.confint(method="wald").conf_high, fit.coef.to_numpy() + norm.ppf(0.975) * se)
    X = np.column_stack([np.ones(3), frame.x[:3], frame.z[:3], frame.g[:3] == "b", frame.g[:3] == "c"]).astype(float)
    for options, V in (({}, fit.vcov("bayes")), ({"cov": "sandwich"}, fit.vcov("sandwich"))):
        found = fit.predict(frame.head(3), type="link", interval="confidence", **options)
        np.testing.assert_allclose(found.std_error, np.sqrt(np.einsum("ij,jk,ik->i", X, V, X)), rtol=1e-6)
    assert fit.delta("-Intercept / x").std_error[0] > 0


def test_a_pickle_keeps_the_penalty(fitted, frame: pd.DataFrame) -> None:
    fit = pickle.loads(pickle.dumps(fitted[0]))
    pd.testing.assert_frame_equal(fit.tidy(cov="sandwich"), fitted[0].tidy(cov="sandwich"))
    assert fit.effective_df == fitted[0].effective_df
    assert fit.with_data(frame).update("~ . - g").penalty == fitted[0].penalty


# refusals ------------------------------------------------------------------------------------------------------------

UNNAMED = "p-values depend on which covariance its estimates are given. Name it: cov='bayes' or cov='sandwich'."
NO_RATIO = "shrinks the estimates, so that twice a difference of log-likelihoods has no χ² distribution."
ROBUST = "Use cov='bayes' or cov='sandwich', or fit without a penalty."


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda fit: fit.wald_test("x"), UNNAMED),
        (lambda fit: fit.lincom("x"), UNNAMED),
        (lambda fit: fit.simultaneous(), UNNAMED),
        (lambda fit: fit.anova(test="wald"), UNNAMED),
        (lambda fit: fit.anova(), NO_RATIO),
        (lambda fit: fit.drop1(), NO_RATIO),
        (lambda fit: fit.lr_test("x"), NO_RATIO),
        (lambda fit: fit.confint(), NO_RATIO),
        (lambda fit: fit.profile("x"), NO_RATIO),
        (lambda fit: fit.tidy(conf_method="profile"), NO_RATIO),
        (lambda fit: fit.score_test("c"), "this fit is penalised (ridge (λ = 0.08"),
        (lambda fit: fit.permutation_test("x", scheme="free"), "this fit is penalised (ridge (λ = 0.08"),
        (lambda fit: fit.wild_bootstrap_test("x", cluster="c"), "this fit is penalised (ridge (λ = 0.08"),
        (lambda fit: fit.crosscheck(), "statsmodels has no ridge (λ = 0.08"),
        (lambda fit: fit.tidy(cov="HC1"), ROBUST),
        (lambda fit: fit.vcov(cluster="c"), ROBUST),
        (lambda fit: fit.tidy(cov="bays"), "Did you mean 'bayes'? Choose one of: model, bayes, sandwich."),
    ],
)
def test_what_a_ridge_fit_cannot_say(fitted, ask, message: str) -> None:
    with pytest.raises((gi.InputError, gi.DataError)) as caught:
        ask(fitted[0])
    assert message in str(caught.value)


def test_only_ridge_fits_have_these_covariances(frame: pd.DataFrame) -> None:
    for penalty in (None, gi.Firth()):
        with pytest.raises(gi.InputError, match="cov='bayes' is a covariance of ridge estimates, and this fit has no"):
            gi.logit("y ~ x", frame, penalty=penalty).tidy(cov="bayes")
