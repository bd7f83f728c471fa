"""Residuals, leverage and influence of the rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import glminfer as gi
from glminfer.inference.diagnostics import leverage


def simulated(n, seed, link="logit"):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "g": rng.choice(["a", "b", "c"], n), "w": rng.integers(0, 4, n)})
    inverse = {"logit": stats.logistic.cdf, "probit": stats.norm.cdf, "cloglog": lambda e: -np.expm1(-np.exp(e))}[link]
    p = inverse(0.3 + 0.8 * frame.x - 0.5 * (frame.g == "b"))
    frame["y"] = (rng.uniform(size=n) < p).astype(int)
    frame["n"] = rng.integers(1, 20, n)
    frame["s"] = rng.binomial(frame.n, p)
    return frame


@pytest.fixture(scope="module")
def trials():
    return simulated(300, 31)


@pytest.fixture(scope="module")
def fit(trials):
    return gi.logit("y ~ x * g", trials)


# residuals -----------------------------------------------------------------------------------------------------------


def test_residuals_follow_their_definitions(fit, trials):
    y, p = trials.y, fit.predict()
    assert np.allclose(fit.residuals("response"), y - p, rtol=1e-12)
    assert np.allclose(fit.residuals("pearson"), (y - p) / np.sqrt(p * (1 - p)), rtol=1e-10)
    assert np.allclose(fit.residuals("working"), (y - p) / (p * (1 - p)), rtol=1e-10)
    expected = np.sign(y - p) * np.sqrt(-2 * np.log(np.where(y == 1, p, 1 - p)))
    assert np.allclose(fit.residuals(), expected, rtol=1e-10)
    assert fit.residuals().equals(fit.residuals("deviance"))
    assert fit.residuals("pearson").name == "residual_pearson"


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_squares_add_up_to_deviance_and_pearson_chi2(trials, link):
    for formula, options in [("y ~ x + g", {"weights": "w"}), ("cbind(s, n - s) ~ x + g", {})]:
        fit = gi.glm(formula, trials, link=link, **options)
        assert (fit.residuals() ** 2).sum() == pytest.approx(fit.deviance, rel=1e-10)
        assert (fit.residuals("pearson") ** 2).sum() == pytest.approx(fit.glance().pearson_chi2[0], rel=1e-10)


def test_residuals_are_orthogonal_to_the_columns(fit, trials):
    raw = fit.residuals("response")
    assert raw.sum() == pytest.approx(0, abs=1e-9)
    assert (raw * trials.x).sum() == pytest.approx(0, abs=1e-9)
    assert raw.groupby(trials.g).sum().abs().max() < 1e-9


def test_residuals_of_extreme_rows_are_finite():
    frame = pd.DataFrame({"x": [-800.0, *np.linspace(-3, 3, 41), 800.0]})
    frame["y"] = (np.sin(frame.x * 2.1) + frame.x > 0).astype(int)
    frame.loc[[20, 22], "y"] = [1, 0]
    fit = gi.logit("y ~ x", frame)
    for kind in ("deviance", "pearson", "response", "working"):
        assert fit.residuals(kind).notna().all()
    assert fit.augment().notna().all(axis=None)


# quantile residuals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "link", "options"),
    [
        ("y ~ x + g", "logit", {}),
        ("y ~ x + g", "cloglog", {}),
        ("cbind(s, n - s) ~ x + g", "logit", {}),
        ("cbind(s, n - s) ~ x + g", "probit", {}),
        ("p ~ x + g", "logit", {"trials": "n"}),
    ],
)
def test_quantile_residuals_are_normal_under_the_model(formula, link, options):
    frame = simulated(3000, 37, link)
    frame["p"] = frame.s / frame.n
    fit = gi.glm(formula, frame, link=link, **options)
    found = fit.residuals("quantile", seed=5)
    assert stats.kstest(found, "norm").pvalue > 0.01
    assert abs(stats.pearsonr(found, frame.x).statistic) < 0.06
    assert found.groupby(frame.g).mean().abs().max() < 0.12


def test_quantile_residuals_show_a_wrong_model():
    frame = simulated(3000, 41)
    wrong = gi.logit("cbind(s, n - s) ~ g", frame).residuals("quantile", seed=5)
    assert stats.kstest(wrong, "norm").pvalue < 1e-6
    assert stats.pearsonr(wrong, frame.x).statistic > 0.5


def test_a_seed_repeats_quantile_residuals(fit):
    one, same, other = (fit.residuals("quantile", seed=seed) for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)
    assert not fit.residuals("quantile").equals(fit.residuals("quantile"))  # no seed: fresh draws
    assert np.array_equal(np.sign(one - other) == 0, one == other)


def test_quantile_residuals_lie_between_the_steps_of_the_distribution(trials):
    fit = gi.logit("cbind(s, n - s) ~ x", trials)
    p, found = fit.predict(), fit.residuals("quantile", seed=3)
    low = stats.norm.ppf(stats.binom.cdf(trials.s - 1, trials.n, p))
    high = stats.norm.ppf(stats.binom.cdf(trials.s, trials.n, p))
    assert ((found >= low - 1e-9) & (found <= high + 1e-9)).all()


# leverage and influence ----------------------------------------------------------------------------------------------


def hat_matrix(fit):
    _, sample = fit.with_rows()
    eta = fit.predict(type="link").to_numpy()
    p = 1 / (1 + np.exp(-eta))
    W = np.sqrt(sample.weights * p * (1 - p))
    Q, _ = np.linalg.qr(sample.X * W[:, None])
    return np.einsum("ij,ij->i", Q, Q)


@pytest.mark.parametrize(
    ("formula", "options"),
    [("y ~ x * g", {}), ("y ~ x + g", {"weights": "w"}), ("cbind(s, n - s) ~ x * g", {}), ("y ~ 0 + g", {})],
)
def test_leverages_are_the_diagonal_of_the_hat_matrix_and_add_up_to_the_rank(trials, formula, options):
    fit = gi.logit(formula, trials, **options)
    h = fit.augment()[".hat"]
    assert h.sum() == pytest.approx(fit.rank, rel=1e-10)
    assert np.allclose(h.fillna(0), hat_matrix(fit), rtol=1e-8, atol=1e-12)
    assert h.dropna().between(0, 1).all()
    assert np.array_equal(leverage(fit), h, equal_nan=True)


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_leverages_of_other_links_add_up_too(trials, link):
    assert gi.glm("y ~ x * g", trials, link=link).augment()[".hat"].sum() == pytest.approx(6, rel=1e-9)


def test_leverages_with_aliased_columns_count_the_rank(trials):
    fit = gi.logit("y ~ x + g + twice", trials.assign(twice=2 * trials.x))
    assert fit.rank == 4
    assert fit.augment()[".hat"].sum() == pytest.approx(4, rel=1e-10)
    assert np.allclose(fit.augment()[".hat"], gi.logit("y ~ x + g", trials).augment()[".hat"], rtol=1e-9)


def test_leverages_of_a_separated_fit_are_those_of_the_rows_that_are_not(trials):
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g", trials.assign(y=trials.y.where(trials.g != "c", 1)))
    h = fit.augment()[".hat"]
    assert (h[trials.g == "c"] == 0).all()
    assert h.sum() == pytest.approx(3, rel=1e-10)


def test_rows_of_zero_weight_have_no_leverage(trials):
    table = gi.logit("y ~ x + g", trials, weights="w").augment()
    zero = trials.w == 0
    for name in (".hat", ".std_resid", ".cooksd"):
        assert table[name].isna().equals(zero.rename(name))
    assert table[[".fitted", ".prob", ".se_fit", ".resid"]].notna().all(axis=None)


def test_cooks_distance_is_that_of_r(trials):
    fit = gi.logit("y ~ x * g", trials, weights="w")
    table, pearson = fit.augment(), fit.residuals("pearson")
    h = table[".hat"]
    assert np.allclose(table[".cooksd"].dropna(), ((pearson / (1 - h)) ** 2 * h / fit.rank).dropna(), rtol=1e-10)
    assert np.allclose(table[".std_resid"].dropna(), (fit.residuals() / np.sqrt(1 - h)).dropna(), rtol=1e-10)


def test_the_row_that_was_moved_has_the_largest_cooks_distance(trials):
    frame = trials.copy()
    frame.loc[17, ["x", "y"]] = [6.0, 0]
    table = gi.logit("y ~ x", frame).augment()
    assert table[".cooksd"].idxmax() == 17
    assert table[".resid"].idxmin() == 17


def test_cooks_distance_approximates_the_change_without_the_row(trials):
    fit = gi.logit("y ~ x", trials)
    for row in fit.augment()[".cooksd"].nlargest(3).index:
        moved = fit.coef - gi.logit("y ~ x", trials.drop(index=row)).coef
        exact = moved @ np.linalg.solve(fit.vcov(), moved) / 2
        assert fit.augment()[".cooksd"][row] == pytest.approx(exact, rel=0.25)


def test_a_row_of_leverage_one_is_fitted_exactly_and_breaks_nothing():
    frame = pd.DataFrame({"s": [3, 4, 5, 6, 2], "f": [4, 4, 3, 5, 7], "x": [0.0, 1, 2, 3, 0], "d": [0, 0, 0, 0, 1]})
    table = gi.logit("cbind(s, f) ~ x + d", frame).augment()
    assert table[".hat"][4] == pytest.approx(1, rel=1e-10)
    assert table[".prob"][4] == pytest.approx(2 / 9, rel=1e-9)
    assert table[".cooksd"].iloc[:4].notna().all()
