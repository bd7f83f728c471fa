"""Penalised likelihood of Firth fits: tests and profile intervals, against R's numbers and firthmodels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import few
from reference_cases import NAMES, case, fit_case
from scipy.special import chdtri

import glminfer as gi
from glminfer.fit.nested import nested_fits, span, stage_of, whole

WITH_FIRTH = [name for name in NAMES if "firth" in case(name)["results"]]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 60
    data = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "g": rng.choice(list("abc"), size=n)})
    eta = 0.8 * data.x - 0.5 * data.z + 0.6 * (data.g == "b")
    return data.assign(y=(rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int))


def firth(formula: str, data: object) -> gi.Fit:
    return gi.logit(formula, data, penalty=gi.Firth())


def penalised(fit: gi.Fit, free: list[str]) -> float:
    """The maximum of the fit's penalised log-likelihood with only these coefficients free, by brute force."""
    from scipy.optimize import minimize

    X = fit.sample.X[:, : len(fit.columns)]
    y, w = fit.sample.y, fit.sample.weights
    where = [fit.columns.index(name) for name in free]

    def height(part: np.ndarray) -> float:
        b = np.zeros(X.shape[1])
        b[where] = part
        eta = X @ b
        mu = 1 / (1 + np.exp(-eta))
        information = (X * (w * mu * (1 - mu))[:, None]).T @ X
        return -float(w @ (y * eta - np.logaddexp(0, eta)) + 0.5 * np.linalg.slogdet(information)[1])

    found = minimize(height, np.zeros(len(where)), method="BFGS", options={"gtol": 1e-9})
    return -found.fun


# numbers of R --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_FIRTH)
def test_profile_limits_are_those_of_r(name: str) -> None:
    theirs = case(name)["results"]["firth"]
    fit = fit_case(name, gi.Firth())
    known = [term for term in theirs["profile_ci_95"].index if theirs["coef"].get(term) is not None]
    mine = fit.confint().set_index("term").loc[known].to_numpy()
    error = pd.Series(theirs["se"])[known].astype(float).to_numpy()[:, None]
    assert (np.abs(mine - theirs["profile_ci_95"].loc[known].to_numpy()) / error).max() < 1e-8


@pytest.mark.parametrize("name", WITH_FIRTH)
def test_penalised_ratios_of_single_coefficients_are_those_of_r(name: str) -> None:
    theirs = case(name)["results"]["firth"]["penalized_lr_chisq"]
    fit = fit_case(name, gi.Firth())
    kept = [j for j, column in enumerate(fit.columns) if column not in fit.aliased]
    where = stage_of(fit)
    terms = [fit.columns[j] for j in kept]
    spaces = [span(where, [k for k in kept if k != j]) for j in kept]
    mine = [2 * (whole(fit).height - small.height) for small in nested_fits(where, spaces)]
    np.testing.assert_allclose(mine, [float(theirs[term]) for term in terms], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in WITH_FIRTH if "grouped" not in name])
def test_tests_of_terms_with_one_column_are_those_of_r(name: str) -> None:
    fit = fit_case(name, gi.Firth())
    theirs = case(name)["results"]["firth"]
    table = fit.drop1().set_index("term")
    for term in table.index[table.df == 1]:
        names = fit.columns[fit.design.terms[term]]
        if len(names) == 1 and names[0] not in fit.aliased and not fit.aliased:
            np.testing.assert_allclose(table.p_value[term], float(theirs["penalized_lr_p"][names[0]]), rtol=1e-8)


# firthmodels ---------------------------------------------------------------------------------------------------------


def test_firthmodels_gives_the_same_tests_and_intervals(frame: pd.DataFrame) -> None:
    firthmodels = pytest.importorskip("firthmodels")
    exact = {"gtol": 1e-8, "xtol": 1e-8, "max_iter": 200}
    X = np.column_stack([frame.x, frame.z, frame.g == "b", frame.g == "c"]).astype(float)
    peer = firthmodels.FirthLogisticRegression(backend="numpy", **exact).fit(X, frame.y.to_numpy())
    fit = firth("y ~ x + z + g", frame)
    order = ["x", "z", "g[T.b]", "g[T.c]", "Intercept"]
    np.testing.assert_allclose(fit.coef[order], [*peer.coef_, peer.intercept_], rtol=1e-8)
    limits = fit.confint().set_index("term").loc[order].to_numpy()
    np.testing.assert_allclose(limits, peer.conf_int(method="pl", max_iter=200, tol=1e-11), rtol=1e-8)
    peer.lrt([0, 1])
    np.testing.assert_allclose(fit.drop1().p_value[:2], peer.lrt_pvalues_[:2], rtol=1e-8)


# what each table compares --------------------------------------------------------------------------------------------


def test_all_tables_hold_the_smaller_model_in_the_larger_one(frame: pd.DataFrame) -> None:
    fit, small = firth("y ~ x + z + g", frame), firth("y ~ x + z", frame)
    expected = 2 * (penalised(fit, list(fit.columns)) - penalised(fit, ["Intercept", "x", "z"]))
    found = [
        fit.lr_test("g").statistic[0],
        fit.lr_test(small).statistic[0],
        small.lr_test(fit).statistic[0],
        fit.anova().set_index("term").statistic["g"],
        fit.anova(type="III").set_index("term").statistic["g"],
        fit.anova(type="I").set_index("term").statistic["g"],
        fit.drop1().set_index("term").statistic["g"],
        small.add1("g").statistic[0],
        gi.anova(small, fit).statistic[1],
        gi.anova(fit, small).statistic[1],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(found, found[0], rtol=1e-9)
    assert fit.lr_test("g").df[0] == 2


def test_added_terms_do_not_feel_each_other(frame: pd.DataFrame) -> None:
    """The penalty is that of the model with the one term, whatever else is in the scope."""
    small = firth("y ~ x", frame)
    both, one = small.add1("z + g").set_index("term"), small.add1("z").set_index("term")
    np.testing.assert_allclose(both.loc["z", ["statistic", "deviance"]], one.loc["z", ["statistic", "deviance"]])
    wider = firth("y ~ x + z", frame)
    np.testing.assert_allclose(one.deviance["z"], wider.deviance, rtol=1e-10)
    np.testing.assert_allclose(one.aic["z"], wider.aic, rtol=1e-10)


def test_a_sequence_is_the_chain_of_its_fits(frame: pd.DataFrame) -> None:
    table = firth("y ~ x + z + g", frame).anova(type="I")
    fits = [firth(f"y ~ {right}", frame) for right in ("1", "x", "x + z", "x + z + g")]
    chain = gi.anova(*fits)
    np.testing.assert_allclose(table.statistic, chain.statistic[1:], rtol=1e-8)
    np.testing.assert_allclose(table.deviance, chain.deviance[1:], rtol=1e-8)
    assert table.df_resid.tolist() == chain.df_resid[1:].tolist()


def test_type_two_tests_are_those_of_the_models_without_the_relatives(frame: pd.DataFrame) -> None:
    table = firth("y ~ x * g + z", frame).anova(type="II").set_index("term")
    without = firth("y ~ x + g + z", frame).drop1().set_index("term")
    np.testing.assert_allclose(table.statistic[["x", "g"]], without.statistic[["x", "g"]], rtol=1e-8)


def test_type_three_does_not_depend_on_the_coding(frame: pd.DataFrame) -> None:
    treatment = firth("y ~ x * g", frame).anova(type="III")
    summed = firth("y ~ x * C(g, Sum)", frame).anova(type="III")
    np.testing.assert_allclose(treatment.statistic, summed.statistic, rtol=1e-8)


def test_headings_name_the_penalty(frame: pd.DataFrame) -> None:
    fit = firth("y ~ x + z", frame)
    prior = "Jeffreys prior of the larger model"
    shown = [fit.lr_test("x"), fit.anova(), fit.drop1(), firth("y ~ x", frame).add1("z")]
    shown.append(gi.anova(firth("y ~ x", frame), fit))
    for table in shown:
        assert prior in repr(table)
        assert "enalised likelihood-ratio test" in repr(table)
    assert fit.lr_test("x").test[0] == "penalised LR"


def test_wald_tables_are_those_of_any_fit(frame: pd.DataFrame) -> None:
    fit = firth("y ~ x + g", frame)
    np.testing.assert_allclose(fit.anova(test="wald").statistic[0], fit.wald_test("x").statistic[0])


# intervals -----------------------------------------------------------------------------------------------------------


def held(fit: gi.Fit, term: str, value: float) -> float:
    """The penalised log-likelihood lost, twice, with one coefficient held at a value: Firth's fit with an offset has
    another penalty, so this maximises by brute force."""
    from scipy.optimize import minimize

    X, y = fit.sample.X, fit.sample.y
    j = fit.columns.index(term)
    rest = [k for k in range(X.shape[1]) if k != j]

    def height(part: np.ndarray) -> float:
        b = np.empty(X.shape[1])
        b[j], b[rest] = value, part
        eta = X @ b
        mu = 1 / (1 + np.exp(-eta))
        information = (X * (mu * (1 - mu))[:, None]).T @ X
        return -float(y @ eta - np.logaddexp(0, eta).sum() + 0.5 * np.linalg.slogdet(information)[1])

    found = minimize(height, fit.coef.to_numpy()[rest], method="BFGS", options={"gtol": 1e-9})
    return 2 * (found.fun + whole(fit).height)


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.8, 0.95, 0.99]), st.sampled_from([0.0, 3.0]))
def test_profile_ends_have_the_right_penalised_deviance(seed: int, level: float, slope: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=25)
    y = (rng.random(25) < 1 / (1 + np.exp(-slope * x))).astype(float)
    y[:2] = 0.0, 1.0
    fit = firth("y ~ x", {"x": x, "y": y})
    low, high = fit.confint(level=level, terms=["x"]).loc[0, ["conf_low", "conf_high"]]
    target = float(chdtri(1, 1 - level))
    np.testing.assert_allclose([held(fit, "x", low), held(fit, "x", high)], target, rtol=1e-5)
    assert low < fit.coef["x"] < high


def test_the_profile_curve_is_that_of_the_interval(frame: pd.DataFrame) -> None:
    fit = firth("y ~ x + z", frame)
    curve = fit.profile("x")
    low, high = fit.confint(level=0.999, terms=["x"]).loc[0, ["conf_low", "conf_high"]]
    np.testing.assert_allclose(curve.value.iloc[[0, -1]], [low, high], rtol=1e-7)
    lost = [held(fit, "x", value) for value in curve.value]
    np.testing.assert_allclose(curve.zeta**2, lost, atol=1e-5)
    np.testing.assert_allclose(curve.deviance - fit.deviance, lost, atol=1e-5)
    difference = fit.profile("x - z")
    np.testing.assert_allclose(difference.value[10], fit.coef["x"] - fit.coef["z"], rtol=1e-8)


def test_profile_is_the_default_and_tidy_takes_it(frame: pd.DataFrame) -> None:
    fit = firth("y ~ x + g", frame)
    both = fit.confint().equals(fit.confint(method="profile"))
    table = fit.tidy(conf_method="profile")
    assert both
    np.testing.assert_array_equal(table.conf_low, fit.confint().conf_low)
    wald = fit.tidy()
    np.testing.assert_allclose(wald.conf_high - wald.estimate, wald.estimate - wald.conf_low)


# hard data -----------------------------------------------------------------------------------------------------------


def separated() -> pd.DataFrame:
    return pd.DataFrame({"y": [0, 0, 0, 0, 1, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6, 7, 8]})


def test_complete_separation_has_two_finite_ends() -> None:
    fit = firth("y ~ x", separated())
    table = fit.confint().set_index("term")
    assert np.isfinite(table.to_numpy()).all()
    assert table.conf_low["x"] > 0
    assert fit.lr_test("x").p_value[0] < 0.02


def test_the_separable_sample_of_76_rows_and_22_columns() -> None:
    rng = np.random.default_rng(76)
    X = rng.standard_normal((76, 22))
    data = pd.DataFrame(X, columns=[f"x{k}" for k in range(22)]).assign(y=(X @ rng.standard_normal(22) > 0) * 1)
    fit = firth("y ~ .", data)
    table = fit.confint(terms=["x0", "x1", "x2"])
    assert np.isfinite(table[["conf_low", "conf_high"]].to_numpy()).all()
    tests = fit.drop1().set_index("term")
    assert np.isfinite(tests.statistic).all()
    for term, low, high in table.itertuples(index=False):
        assert (low > 0 or high < 0) == (tests.p_value[term] < 0.05)


def test_swapping_the_event_flips_the_interval(frame: pd.DataFrame) -> None:
    fit, swapped = firth("y ~ x + g", frame), firth("y ~ x + g", frame.assign(y=1 - frame.y))
    np.testing.assert_allclose(swapped.coef, -fit.coef, rtol=1e-8)
    mine, theirs = fit.confint(), swapped.confint()
    np.testing.assert_allclose(theirs.conf_low, -mine.conf_high, rtol=1e-8)
    np.testing.assert_allclose(swapped.anova().statistic, fit.anova().statistic, rtol=1e-8)


@few
@given(st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_units_of_a_column_change_nothing_else(scale: float, shift: float) -> None:
    data = separated().assign(z=[0.3, -1.2, 0.8, 0.1, -0.4, 1.1, 0.2, -0.7])
    fit, other = firth("y ~ x + z", data), firth("y ~ x + z", data.assign(x=scale * data.x + shift))
    np.testing.assert_allclose(other.coef["x"] * scale, fit.coef["x"], rtol=1e-7)
    np.testing.assert_allclose(other.coef["z"], fit.coef["z"], rtol=1e-7, atol=1e-9)
    mine, theirs = fit.confint(terms=["x"]), other.confint(terms=["x"])
    np.testing.assert_allclose(theirs.conf_high * scale, mine.conf_high, rtol=1e-6)
    np.testing.assert_allclose(other.drop1().statistic, fit.drop1().statistic, rtol=1e-7, atol=1e-9)


def test_firth_tends_to_maximum_likelihood() -> None:
    """The gap falls as 1/n for estimates, intervals and tests."""
    gaps = []
    for n in (500, 5_000, 50_000):
        rng = np.random.default_rng(5)
        x = rng.normal(size=n)
        data = {"x": x, "y": (rng.random(n) < 1 / (1 + np.exp(-0.5 * x))) * 1}
        ml, fit = gi.logit("y ~ x", data), firth("y ~ x", data)
        ends = fit.confint(terms=["x"]).conf_high[0] - ml.confint(terms=["x"]).conf_high[0]
        gaps.append([abs(fit.coef["x"] - ml.coef["x"]), abs(ends), abs(fit.coef["Intercept"] - ml.coef["Intercept"])])
    for wide, narrow in pairwise(gaps):
        assert (np.array(narrow) < 0.3 * np.array(wide)).all()


def test_aliased_columns_count_nothing(frame: pd.DataFrame) -> None:
    data = frame.assign(w=2 * frame.x + 1)
    fit, plain = firth("y ~ x + w + z", data), firth("y ~ x + z", data)
    table = fit.anova().set_index("term")
    assert table.df["w"] == 0
    assert np.isnan(table.statistic["w"])
    np.testing.assert_allclose(table.statistic["z"], plain.anova().set_index("term").statistic["z"], rtol=1e-9)
    assert np.isnan(fit.confint(terms=["w"]).conf_low[0])


# refusals ------------------------------------------------------------------------------------------------------------


def test_other_links_have_no_penalised_likelihood(frame: pd.DataFrame) -> None:
    fit = gi.glm("y ~ x + z", frame, link="probit", penalty=gi.Firth())
    text = r"compares maxima of a likelihood, and Firth's bias reduction has a penalised likelihood for the logit link"
    small = gi.glm("y ~ x", frame, link="probit", penalty=gi.Firth())
    calls = [
        fit.confint,
        lambda: fit.tidy(conf_method="profile"),
        lambda: fit.profile("x"),
        lambda: fit.lr_test("x"),
        lambda: fit.lr_test(small),
        lambda: gi.anova(small, fit),
        fit.anova,
        fit.drop1,
        lambda: small.add1("z"),
    ]
    for call in calls:
        with pytest.raises(gi.InputError, match=text) as caught:
            call()
        assert "confint(method='wald')" in str(caught.value)
    assert np.isfinite(fit.confint(method="wald").conf_low).all()
    assert np.isfinite(fit.anova(test="wald").p_value).all()


def test_fits_that_are_not_nested_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(gi.InputError, match=r"'y ~ x' is not nested in 'y ~ z \+ g': some of its columns are no"):
        firth("y ~ z + g", frame).lr_test(firth("y ~ x", frame))


def test_an_unfinished_fit_is_not_compared(frame: pd.DataFrame) -> None:
    with pytest.warns(gi.ConvergenceWarning):
        fit = gi.logit("y ~ x", frame, penalty=gi.Firth(), control=gi.Control(max_iter=1))
    with pytest.raises(gi.InputError, match="this fit stopped before its maximum"):
        fit.confint()
