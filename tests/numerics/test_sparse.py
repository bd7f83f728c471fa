"""Single elastic-net fits: the numbers of scikit-learn, glum, glmnet and of a path; nothing is claimed of them."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import few, some
from reference_cases import NAMES, case, fit_case, formula_of

import glminfer as gi

WITH_GLMNET = [name for name in NAMES if "glmnet" in case(name)["results"]]


def frame(seed: int = 3, n: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({f"x{k}": rng.normal(size=n) for k in range(5)})
    data = data.assign(z=100 + 30 * rng.normal(size=n), g=rng.choice(list("abc"), n))
    data = data.assign(w=rng.integers(0, 4, n).astype(float), o=0.3 * rng.normal(size=n))
    eta = 0.9 * data.x0 - 0.5 * data.x1 - 0.02 * (data.z - 100) + 0.6 * (data.g == "b") + data.o
    return data.assign(y=(rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int))


EVERY = "y ~ x0 + x1 + x2 + x3 + x4 + z + g"


def net(data: object, lambda_: float, l1_ratio: float = 1.0, standardize: bool = False, formula: str = EVERY, **more):
    return gi.logit(formula, data, penalty=gi.ElasticNet(lambda_, l1_ratio, standardize), **more)


# other packages ------------------------------------------------------------------------------------------------------


def spikes() -> tuple[pd.DataFrame, str, list[str]]:
    """The choices of a simulated session, by contrasts and the counts of 30 neurons."""
    data = gi.datasets.simulate_session(n_trials=250, n_neurons=30, seed=4)
    names = ["contrast_left", "contrast_right", *(f"n{k:03d}" for k in range(30))]
    return data.assign(y=(data.choice == "right") * 1), f"y ~ {' + '.join(names)}", names


def births() -> tuple[pd.DataFrame, str, list[str]]:
    data = case("birthwt_logit")["frame"]
    names = ["smoke", "ptl", "ht", "ui", "age", "lwt"]
    units = {"age": (data.age - 23) / 5, "lwt": (data.lwt - 130) / 30}  # whose size suits first-order solvers
    return data.assign(y=data.low, **units), f"y ~ {' + '.join(names)}", names


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("lambda_", [0.03, 0.06])
@pytest.mark.parametrize("source", [births, spikes])
def test_estimates_are_those_of_scikit_learn_and_glum(source, l1_ratio: float, lambda_: float) -> None:
    linear_model, glum = pytest.importorskip("sklearn.linear_model"), pytest.importorskip("glum")
    data, formula, names = source()
    mine = net(data, lambda_, l1_ratio, formula=formula).coef
    X, y, n = data[names].to_numpy(dtype=float), data.y.to_numpy(), len(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"C": 1 / (n * lambda_), "l1_ratio": l1_ratio, "solver": "saga", "tol": 1e-10, "max_iter": 100_000}
        peer = linear_model.LogisticRegression(**options).fit(X, y)
        other = glum.GeneralizedLinearRegressor(
            family="binomial", alpha=lambda_, l1_ratio=l1_ratio, gradient_tol=1e-9, max_iter=1000
        ).fit(X, y)
    np.testing.assert_allclose(mine[names], peer.coef_[0], atol=3e-5)
    np.testing.assert_allclose(mine[names], other.coef_, atol=1e-6)
    assert mine["Intercept"] == pytest.approx(other.intercept_, abs=1e-6)
    assert mine["Intercept"] == pytest.approx(peer.intercept_[0], abs=3e-4)  # which saga takes care of last
    np.testing.assert_array_equal(mine[names] == 0, other.coef_ == 0)
    assert (mine[names] != 0).any()


@pytest.mark.parametrize("name", WITH_GLMNET)
def test_estimates_are_those_of_glmnet(name: str) -> None:
    found = case(name)["results"]["glmnet"]
    paths = [path for path in found["paths"] if path["alpha"] > 0 and path["intercept"]]
    plain = [path for path in paths if not (isinstance(path["weights"], str) or isinstance(path["offset"], str))]
    plain = [path for path in plain if np.ptp(np.asarray(path["penalty_factor"], dtype=float)) == 0]
    assert {path["standardize"] for path in plain} == {True, False}
    for path in plain:
        for k in (3, 9):
            penalty = gi.ElasticNet(float(path["lambda"][k]), float(path["alpha"]), path["standardize"])
            mine = fit_case(name, penalty).coef[["Intercept", *found["columns"]]]
            np.testing.assert_allclose(mine, path["coef"].iloc[k], rtol=1e-7, atol=1e-8)


@few
@given(st.integers(0, 999), st.floats(1e-3, 0.3), st.sampled_from([0.2, 0.7, 1.0]), st.booleans())
def test_a_fit_is_a_path_of_one_penalty(seed: int, lambda_: float, l1_ratio: float, standardize: bool) -> None:
    data = frame(seed)
    fit = net(data, lambda_, l1_ratio, standardize, weights="w", offset="o")
    path = gi.logit_path(
        EVERY, data, lambdas=[lambda_], l1_ratio=l1_ratio, standardize=standardize, weights="w", offset="o"
    )
    np.testing.assert_allclose(fit.coef, path.coef_at(lambda_), rtol=1e-8, atol=1e-10)
    row, one = path.glance().iloc[0], fit.glance().iloc[0]
    for mine, theirs in (("effective_df", "df"), ("deviance", "deviance"), ("aic", "aic"), ("bic", "bic")):
        assert one[mine] == pytest.approx(row[theirs], rel=1e-8)
    assert one.df_resid == pytest.approx(fit.nobs - row.df)


@pytest.mark.parametrize("standardize", [False, True])
def test_the_conditions_of_optimality_hold(standardize: bool) -> None:
    """By the definitions (60) and (61), from the design built by hand."""
    data, lambda_, a = frame(), 0.05, 0.6
    fit = net(data, lambda_, a, standardize, weights="w", offset="o")
    X = np.column_stack([*(data[f"x{k}"] for k in range(5)), data.z, data.g == "b", data.g == "c"]).astype(float)
    w = data.w / data.w.sum()
    size = np.sqrt(np.average((X - w @ X) ** 2, axis=0, weights=w)) if standardize else np.ones(8)
    s = X.T @ (w * (data.y - fit.predict(data)))
    b = fit.coef.to_numpy()[1:]
    slack = s - lambda_ * (1 - a) * size**2 * b
    bound = lambda_ * a * size
    np.testing.assert_allclose(slack[b != 0], (bound * np.sign(b))[b != 0], atol=1e-8)
    assert (np.abs(slack[b == 0]) <= bound[b == 0] + 1e-9).all()
    assert 0 < np.count_nonzero(b) < 8
    assert np.average(fit.predict(data), weights=w) == pytest.approx(np.average(data.y, weights=w), rel=1e-9)


# what it comes to at its ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [False, True])
def test_without_an_l1_part_it_is_a_ridge(standardize: bool) -> None:
    data = frame()
    fit, ridge = net(data, 0.1, 0.0, standardize), gi.logit(EVERY, data, penalty=gi.Ridge(0.1, standardize))
    assert fit.penalty == gi.Ridge(0.1, standardize)
    pd.testing.assert_frame_equal(fit.tidy(cov="bayes"), ridge.tidy(cov="bayes"))
    near = net(data, 0.1, 1e-7, standardize)
    np.testing.assert_allclose(near.coef, ridge.coef, atol=1e-5)
    assert net(data, 0.0).penalty is None
    assert net(data, 0.0, 0.0).penalty is None


def test_a_strong_penalty_leaves_the_null_model() -> None:
    data = frame()
    fit = net(data, 100.0, weights="w")
    mean = np.average(data.y, weights=data.w)
    assert (fit.coef[1:] == 0).all()
    assert fit.coef["Intercept"] == pytest.approx(np.log(mean / (1 - mean)), rel=1e-9)
    assert fit.effective_df == 1
    assert fit.deviance == pytest.approx(fit.null_deviance)
    np.testing.assert_allclose(fit.predict(), mean)


@some
@given(st.integers(0, 999), st.floats(1e-2, 1e2), st.floats(-50, 50))
def test_units_do_not_matter_on_standardised_columns(seed: int, scale: float, shift: float) -> None:
    data = frame(seed)
    fit, other = net(data, 0.03, 0.8, True), net(data.assign(x0=scale * data.x0 + shift), 0.03, 0.8, True)
    np.testing.assert_allclose(other.coef["x0"] * scale, fit.coef["x0"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.coef[2:], fit.coef[2:], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("standardize", [False, True])
def test_a_fold_as_weights_is_a_fold_as_rows(standardize: bool) -> None:
    data = frame()
    kept = np.arange(100) % 5 != 0
    weighted = net(data, 0.05, 0.7, standardize, weights=data.w * kept)
    subset = net(data, 0.05, 0.7, standardize, weights="w", subset=kept)
    np.testing.assert_allclose(weighted.coef, subset.coef, rtol=1e-8, atol=1e-11)
    assert weighted.effective_df == pytest.approx(subset.effective_df, rel=1e-8)


# hard data -----------------------------------------------------------------------------------------------------------


def test_more_columns_than_rows_separated_and_duplicated() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(30, 60))
    data = pd.DataFrame(X, columns=[f"x{k}" for k in range(60)]).assign(y=(X[:, 0] > 0) * 1, copy=X[:, 0], one=3.0)
    fit = net(data, 0.02, 1.0, True, formula="y ~ .")
    assert fit.converged
    assert fit.coef["one"] == 0
    assert 0 < np.count_nonzero(fit.coef) < 30
    assert np.isfinite(fit.augment()[[".fitted", ".prob", ".resid"]].to_numpy()).all()


def test_without_covariates_and_without_an_intercept() -> None:
    data = frame()
    for penalty in (gi.ElasticNet(0.1), gi.Ridge(0.1)):
        fit = gi.logit("y ~ 1", data, penalty=penalty)
        np.testing.assert_allclose(fit.predict(), data.y.mean())
        assert fit.effective_df == 1
    bare = net(data, 0.05, formula="y ~ 0 + x0 + x1 + x2", offset="o")
    p = 1 / (1 + np.exp(-(data[["x0", "x1", "x2"]] @ bare.coef.to_numpy() + data.o)))
    s = data[["x0", "x1", "x2"]].T @ (data.y - p) / 100
    np.testing.assert_allclose(s[bare.coef != 0], 0.05 * np.sign(bare.coef[bare.coef != 0]), atol=1e-8)
    assert (s[bare.coef == 0].abs() <= 0.05 + 1e-9).all()
    assert (bare.coef != 0).any()


def test_grouped_outcomes_are_their_trials() -> None:
    found = case("menarche_grouped")
    single = case("menarche_bernoulli")
    grouped = gi.logit(formula_of(found), found["frame"], penalty=gi.ElasticNet(0.05))
    expanded = gi.logit(formula_of(single), single["frame"], penalty=gi.ElasticNet(0.05))
    np.testing.assert_allclose(grouped.coef, expanded.coef, rtol=1e-7)


def test_an_iteration_limit_is_told() -> None:
    with pytest.warns(gi.ConvergenceWarning):
        fit = net(frame(), 0.01, control=gi.Control(max_iter=1))
    assert not fit.converged


# what is said --------------------------------------------------------------------------------------------------------


def test_tables_have_estimates_and_nothing_else() -> None:
    fit = net(frame(), 0.05)
    table = fit.tidy()
    assert table.estimate.notna().all()
    empty = ["std_error", "statistic", "p_value", "conf_low", "conf_high", "log10_p"]
    assert table[empty].isna().all(axis=None)
    text = fit.summary()
    assert text.startswith("Logistic regression (logit link), lasso (λ = 0.05)")
    zero = int((fit.coef == 0).sum())
    assert f"{9 - zero}.00 effective degrees of freedom of 9 coefficients, {zero} of them zero and not shown" in text
    assert "none (no standard error is valid after selection)" in text
    assert "std_error" not in text
    assert "p_value" not in text
    shown = [line.split()[0] for line in text.splitlines() if line.startswith(("x", "z ", "g["))]
    assert shown == [name for name in fit.columns[1:] if fit.coef[name] != 0]
    assert "path.debias of a gi.logit_path, " in fit.notes[-1]
    assert callable(gi.Path.debias)
    for way in ("stability", "split_test"):
        assert f"gi.{way}, " in fit.notes[-1]
        assert callable(getattr(gi, way))
    assert fit.augment()[".se_fit"].isna().all()
    assert len(fit.trace) == 0


def test_a_pickle_and_its_data() -> None:
    data = frame()
    fit = net(data, 0.05, 0.5)
    again = pickle.loads(pickle.dumps(fit))
    assert again.effective_df == fit.effective_df
    np.testing.assert_array_equal(again.with_data(data).coef, fit.coef)
    assert again.with_data(data).update("~ . - x0").penalty == fit.penalty
    with pytest.raises(gi.DataError, match="These data do not give this fit"):
        again.with_data(data.assign(x0=data.x0 + 0.1 * data.x1))


SELECTS = "This fit has a penalty that selects (lasso (λ = 0.05)), and no covariance of its estimates is valid after"
NO_RATIO = "lasso (λ = 0.05) selects and shrinks the estimates, so that twice a difference of log-likelihoods"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda fit: fit.vcov(), SELECTS),
        (lambda fit: fit.confint(method="wald"), SELECTS),
        (lambda fit: fit.wald_test("x0"), SELECTS),
        (lambda fit: fit.lincom("x0"), SELECTS),
        (lambda fit: fit.simultaneous(), SELECTS),
        (lambda fit: fit.delta("x0"), SELECTS),
        (lambda fit: fit.anova(test="wald"), SELECTS),
        (lambda fit: fit.predict(interval="confidence"), SELECTS),
        (lambda fit: fit.tidy(cov="HC1"), SELECTS),
        (lambda fit: fit.tidy(cov="bayes"), SELECTS),
        (lambda fit: fit.summary(cluster="g"), SELECTS),
        (lambda fit: fit.confint(), NO_RATIO),
        (lambda fit: fit.tidy(conf_method="profile"), NO_RATIO),
        (lambda fit: fit.anova(), NO_RATIO),
        (lambda fit: fit.lr_test("x0"), NO_RATIO),
        (lambda fit: fit.drop1(), NO_RATIO),
        (lambda fit: fit.permutation_test("x0", scheme="free"), "this fit is penalised (lasso (λ = 0.05))"),
        (lambda fit: fit.score_test("o"), "this fit is penalised (lasso (λ = 0.05))"),
        (lambda fit: fit.crosscheck(), "statsmodels has no lasso (λ = 0.05) to compare with"),
    ],
)
def test_what_a_selected_fit_cannot_say(ask, message: str) -> None:
    with pytest.raises(gi.InputError) as caught:
        ask(net(frame(), 0.05))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gi.ElasticNet(-0.1), "lambda_=-0.1 must be a number, 0 or more, such as gi.ElasticNet(0.1)."),
        (lambda: gi.ElasticNet(0.1, 2), "l1_ratio=2 must be a number from 0 (ridge) to 1 (lasso)."),
        (lambda: gi.ElasticNet(0.1, True), "l1_ratio=True must be a number from 0"),
        (lambda: gi.ElasticNet(0.1, 0.5, "yes"), "standardize='yes' must be True or False."),
        (
            lambda: gi.glm(EVERY, frame(), link="probit", penalty=gi.ElasticNet(0.1)),
            "gi.ElasticNet is for the logit link, not for probit; use gi.Ridge, or fit with gi.logit.",
        ),
        (lambda: gi.logit_many("x0", frame(), outcomes=["y"], penalty=gi.ElasticNet(0.1)), "is not known here"),
        (
            lambda: gi.logit(EVERY, frame(), penalty="lasso"),
            "penalty='lasso' is not a penalty; choose one of: gi.Firth, gi.Ridge, gi.ElasticNet, as in",
        ),
    ],
)
def test_what_is_no_penalty_is_refused(make, message: str) -> None:
    with pytest.raises(gi.InputError) as caught:
        make()
    assert message in str(caught.value)
