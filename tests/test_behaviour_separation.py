"""Separation as the user meets it: the warning, the table, the notes, predictions, and what stays finite."""

import warnings

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

ADVICE = (
    "These estimates are infinite, so no Wald statement is made about them; the finite estimates are those of the "
    "limit. "
    "For finite estimates use penalty=gi.Firth()."
)
WALD = ["std_error", "statistic", "p_value", "conf_low", "conf_high", "log10_p"]


def separated(formula, data, link="logit", **options):
    """The fit and the text of the one warning it gives."""
    with pytest.warns(gi.SeparationWarning) as caught:
        fit = gi.glm(formula, data, link=link, **options)
    (warning,) = caught
    return fit, str(warning.message)


@pytest.fixture(scope="module")
def groups():
    """Three groups; in group c every outcome is an event."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=300), "g": rng.choice(["a", "b", "c"], 300)})
    frame["y"] = (rng.uniform(size=300) < 1 / (1 + np.exp(-frame.x))).astype(int)
    frame.loc[frame.g == "c", "y"] = 1
    return frame


# complete ------------------------------------------------------------------------------------------------------------

STEP = {"y": [0, 0, 0, 0, 1, 1, 1, 1], "x": [0, 0, 0, 0, 1, 1, 1, 1]}


def test_complete_separation():
    fit, warning = separated("y ~ x", STEP)
    assert warning == (
        "Complete separation: 8 of 8 rows are predicted perfectly: Intercept goes to -inf; x goes to +inf (y = 1 in "
        "4 of 4 "
        f"where it is 1). {ADVICE}"
    )
    assert fit.notes == (warning,)
    assert fit.coef.tolist() == [-np.inf, np.inf]
    table = fit.tidy()
    assert table[WALD].isna().all(axis=None)
    assert table.status.tolist() == ["separated", "separated"]
    assert fit.status == "separated"
    assert not fit.converged
    assert (fit.nobs, fit.rank, fit.df_resid, fit.df_null) == (8, 2, 6, 7)
    assert (fit.loglik, fit.deviance, fit.aic) == (0, 0, 4)
    assert fit.null_deviance == pytest.approx(16 * np.log(2))


def test_fitted_values_of_separated_rows_are_exact():
    fit, _ = separated("y ~ x", STEP)
    table = fit.augment()
    assert table[".prob"].tolist() == STEP["y"]
    assert table[".fitted"].tolist() == [-np.inf] * 4 + [np.inf] * 4
    assert (table[[".resid", ".std_resid", ".hat", ".cooksd"]] == 0).all(axis=None)
    for kind in ("deviance", "pearson", "response"):
        assert (fit.residuals(kind) == 0).all()
    assert fit.score().iloc[0].to_dict() == {"accuracy": 1, "auc": 1, "brier": 0, "log_loss": 0, "n": 8}
    assert fit.glance().loc[0, ["pearson_chi2", "mcfadden", "tjur", "nagelkerke"]].tolist() == [0, 1, 1, 1]


def test_new_rows_are_certain_on_either_side_and_unknown_in_the_gap():
    fit, _ = separated("y ~ x", {"y": [0] * 4 + [1] * 4, "x": range(8)})
    new = {"x": [-5, 3, 3.5, 4, 9]}
    assert np.array_equal(fit.predict(new), [0, 0, np.nan, 1, 1], equal_nan=True)
    assert np.array_equal(fit.predict(new, type="link"), [-np.inf, -np.inf, np.nan, np.inf, np.inf], equal_nan=True)
    table = fit.predict(new, interval="confidence")
    assert table[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)
    assert fit.predict(new, type="class").tolist() == [0, 0, None, 1, 1]


def test_nothing_finite_is_left_to_crosscheck():
    fit, _ = separated("y ~ x", STEP)
    with pytest.raises(gi.InputError, match="Every row is separated, so no finite estimate is left to compare"):
        fit.crosscheck()


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_every_link_sees_the_same_separation(groups, link):
    fit, warning = separated("y ~ x + g", groups, link=link)
    assert "g[T.c] goes to +inf (y = 1 in 88 of 88 where it is 1)" in warning
    rest = gi.glm("y ~ x + g", groups[groups.g != "c"], link=link)
    assert np.allclose(fit.coef[:3], rest.coef, rtol=1e-8)
    assert fit.loglik == pytest.approx(rest.loglik, rel=1e-12)


@pytest.mark.parametrize("solver", ["newton", "bfgs", "lbfgs", "gradient"])
def test_every_solver_finds_the_limit(groups, solver):
    fit, _ = separated("y ~ x + g", groups, solver=solver, control=gi.Control(max_iter=2000))
    assert fit.coef["g[T.c]"] == np.inf
    assert np.allclose(fit.coef[:3], gi.logit("y ~ x + g", groups[groups.g != "c"]).coef, rtol=1e-6)


# quasi-complete ------------------------------------------------------------------------------------------------------


def test_a_level_with_one_outcome_is_named_and_the_rest_is_the_fit_without_it(groups):
    fit, warning = separated("y ~ x + g", groups)
    assert warning == (
        "Quasi-complete separation: 88 of 300 rows are predicted perfectly: g[T.c] goes to +inf (y = 1 in 88 of 88 "
        "where "
        f"it is 1). {ADVICE}"
    )
    rest = gi.logit("y ~ x + g", groups[groups.g != "c"])
    mine, theirs = fit.tidy(), rest.tidy()
    assert np.allclose(mine.iloc[:3, 1:9], theirs.iloc[:, 1:9], rtol=1e-9)
    assert mine.status.tolist() == ["converged"] * 3 + ["separated"]
    assert mine.estimate[3] == np.inf
    assert mine.loc[3, WALD].isna().all()
    assert (fit.nobs, fit.rank, fit.df_resid) == (300, 4, 296)
    assert (fit.loglik, fit.deviance) == pytest.approx((rest.loglik, rest.deviance), rel=1e-12)
    assert fit.glance().status[0] == "separated"
    assert not fit.converged


def test_separated_rows_are_exact_and_the_others_as_without_them(groups):
    fit, _ = separated("y ~ x + g", groups)
    table, c = fit.augment(), groups.g == "c"
    assert (table[".prob"][c] == 1).all()
    assert (table.loc[c, [".resid", ".hat", ".std_resid", ".cooksd"]] == 0).all(axis=None)
    assert table.loc[c, ".se_fit"].isna().all()
    rest = gi.logit("y ~ x + g", groups[~c])
    assert np.allclose(
        table.loc[~c, [".fitted", ".se_fit", ".prob", ".resid", ".hat"]],
        rest.augment()[[".fitted", ".se_fit", ".prob", ".resid", ".hat"]],
        rtol=1e-8,
    )
    assert fit.glance().pearson_chi2[0] == pytest.approx(rest.glance().pearson_chi2[0], rel=1e-9)


def test_new_rows_of_a_separated_level_and_of_the_others(groups):
    fit, _ = separated("y ~ x + g", groups)
    new = pd.DataFrame({"x": [-9.0, 0, 9, 0], "g": ["c", "a", "b", None]})
    rest = gi.logit("y ~ x + g", groups[groups.g != "c"])
    assert fit.predict(new)[0] == 1.0
    assert np.isnan(fit.predict(new)[3])
    mine = fit.predict(new, interval="confidence")
    assert np.allclose(mine.iloc[1:3], rest.predict(new.iloc[1:3], interval="confidence"), rtol=1e-8)
    assert mine.loc[0].isna().tolist() == [False, True, True, True]
    terms = fit.predict(new, type="terms")
    assert terms.loc[0, "g"] == np.inf
    assert np.allclose(terms.loc[1:2].sum(axis=1), fit.predict(new, type="link")[1:3])


def test_covariances_and_intervals_of_a_separated_coefficient_are_not_stated(groups):
    fit, _ = separated("y ~ x + g", groups)
    V = fit.vcov()
    assert V.index.tolist() == fit.coef.index.tolist()
    assert V["g[T.c]"].isna().all()
    assert V.iloc[:3, :3].notna().all(axis=None)
    assert fit.confint(method="wald").loc[3, ["conf_low", "conf_high"]].isna().all()
    ratios = fit.tidy(exponentiate=True)
    assert ratios.estimate[3] == np.inf
    assert ratios.loc[3, ["conf_low", "conf_high"]].isna().all()


def test_the_summary_says_it_in_words(groups):
    fit, warning = separated("y ~ x + g", groups)
    text = " ".join(str(fit).split())
    assert "separated: some estimates are infinite (see notes)" in text
    assert "g[T.c] inf separated" in text
    assert warning in text


def test_crosscheck_compares_what_is_finite(groups):
    fit, _ = separated("y ~ x + g", groups)
    table = fit.crosscheck()
    assert (table.relative_difference[:3] < 1e-8).all()
    assert table.loc[3, ["statsmodels", "relative_difference"]].isna().all()


@pytest.mark.parametrize(
    ("term", "names"),
    [
        (
            "C(g, Treatment('c'))",
            "y = 1 in 88 of 88 where C(g, Treatment('c')) is at its reference level 'c'; Intercept goes",
        ),
        ("C(g, Sum)", "y = 1 in 88 of 88 where C(g, Sum) is 'c'; Intercept goes to +inf; C(g, Sum)[S.a] goes to -inf"),
        ("C(g, Helmert)", "y = 1 in 88 of 88 where C(g, Helmert) is 'c'; Intercept goes to +inf"),
        ("g + 0", "g[c] goes to +inf (y = 1 in 88 of 88 where it is 1)"),
    ],
)
def test_the_level_is_named_whatever_its_coding(groups, term, names):
    fit, warning = separated(f"y ~ x + {term}", groups)
    assert names in warning
    assert fit.coef["x"] == pytest.approx(gi.logit("y ~ x + g", groups[groups.g != "c"]).coef["x"], rel=1e-9)
    assert (fit.predict()[groups.g == "c"] == 1).all()


def test_directions_that_disagree_are_not_given_a_sign(groups):
    fit, warning = separated("y ~ x * g", groups)
    assert np.isnan(fit.coef["x:g[T.c]"])
    assert fit.tidy().status.tolist() == ["converged"] * 3 + ["separated", "converged", "separated"]
    assert "x:g[T.c] shown as NaN: several directions separate, with either sign" in warning
    assert fit.rank == 6
    assert fit.aliased == {}


def test_long_lists_are_shortened():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 20)), columns=[f"n{i:02}" for i in range(20)])
    frame["y"] = (frame.n00 > 0).astype(int)
    _, warning = separated("y ~ .", frame)
    assert "Complete separation: 30 of 30 rows" in warning
    assert "more" in warning
    assert len(warning) < 1000


def test_aliased_and_separated_columns_are_both_reported():
    data = {"y": [1, 1, 0, 0], "a": [1, 1, 1, 1], "b": [0, 0, 2, 1], "c": [1, 1, 1, 1]}
    fit, warning = separated("y ~ 0 + a + b + c", data)
    assert fit.aliased == {"c": "c = a"}
    assert fit.notes == ("c is aliased and has no estimate: c = a", warning)
    assert fit.tidy().status.tolist() == ["separated", "separated", "aliased: c = a"]
    assert fit.coef.tolist()[:2] == [np.inf, -np.inf]
    assert (fit.rank, fit.df_resid) == (2, 2)
    assert fit.predict().tolist() == [1, 1, 0, 0]


def test_five_ones_in_ten_thousand_rows():
    rng = np.random.default_rng(1)
    y = rng.permutation(np.arange(10_000) % 2)
    dummy = np.zeros(10_000)
    dummy[np.flatnonzero(y)[:5]] = 1
    fit, warning = separated("y ~ x + drug", {"y": y, "x": rng.normal(size=10_000), "drug": dummy})
    assert "5 of 10,000 rows are predicted perfectly: drug goes to +inf (y = 1 in 5 of 5 where it is 1)" in warning
    assert fit.coef["drug"] == np.inf
    assert np.isfinite(fit.coef.iloc[:2]).all()


def test_silent_always_on_and_one_event():
    rng = np.random.default_rng(2)
    x, one = rng.normal(size=10_000), np.zeros(10_000)
    with pytest.raises(gi.ResponseError, match="spike is 0 in all 10,000 rows"):
        gi.logit("spike ~ x", {"spike": one, "x": x})
    with pytest.raises(gi.ResponseError, match="spike is 1 in all 10,000 rows"):
        gi.logit("spike ~ x", {"spike": one + 1, "x": x})
    one[77] = 1
    fit = gi.logit("spike ~ x", {"spike": one, "x": x})
    assert fit.converged
    assert fit.predict().sum() == pytest.approx(1)


def test_events_by_label_and_by_count_are_told_as_such(groups):
    labelled = groups.assign(choice=np.where(groups.y == 1, "right", "left"))
    assert "(choice = 'right' in 88 of 88 where it is 1)" in separated("choice ~ x + g", labelled)[1]
    assert "(choice = 'left' in 0 of 88 where it is 1)" in separated("choice ~ x + g", labelled, event="left")[1]
    grouped = groups.groupby("g", as_index=False).agg(s=("y", "sum"), n=("y", "size"))
    fit, warning = separated("cbind(s, n - s) ~ g", grouped)
    assert "1 of 3 rows is predicted perfectly" in warning
    assert "(successes of cbind(s, n - s) in 88 of 88 where it is 1)" in warning
    assert fit.predict()[2] == 1.0


def test_separation_is_judged_on_rows_that_count(groups):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = gi.logit("y ~ x + g", groups, weights=(groups.g != "c").astype(float))
    assert fit.aliased == {"g[T.c]": "g[T.c] = 0"}
    mixed = groups.copy()
    mixed.loc[mixed.index[mixed.g == "c"][0], "y"] = 0
    assert gi.logit("y ~ x + g", mixed).converged
    zero = (mixed.g == "c") & (mixed.y == 0)
    assert "g[T.c] goes to +inf" in separated("y ~ x + g", mixed, weights=np.where(zero, 0.0, 1.0))[1]


def test_almost_separated_is_not_separated():
    frame = pd.DataFrame({"x": [0.0] * 500 + [1.0] * 500, "y": [0] * 499 + [1] + [1] * 499 + [0]})
    fit = gi.logit("y ~ x", frame)
    assert fit.converged
    assert fit.coef.tolist() == pytest.approx([-np.log(499), 2 * np.log(499)], rel=1e-10)


def test_a_steep_but_finite_slope_is_not_separated():
    x = np.r_[np.linspace(-10, -0.01, 200), 0.02, -0.02, np.linspace(0.01, 10, 200)]
    fit = gi.logit("y ~ x", {"x": x, "y": np.r_[np.zeros(200), 0, 1, np.ones(200)]})
    assert fit.converged
    assert fit.coef["x"] > 20


def test_separation_far_from_the_origin_and_on_tiny_scales():
    for scale, shift in [(1e-8, 0.0), (1e8, 0.0), (1.0, 1e8)]:
        frame = {"x": np.array([1.0, 2, 3, 4, 5, 6]) * scale + shift, "y": [0, 0, 0, 1, 1, 1]}
        assert "Complete separation: 6 of 6" in separated("y ~ x", frame)[1]
        frame["y"] = [0, 0, 1, 0, 1, 1]
        assert gi.logit("y ~ x", frame).converged


def test_endometrial_style_quasi_separation_by_a_count():
    """A covariate that is positive only among events, beside overlapping ones."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"PI": rng.normal(17, 10, 79), "EH": rng.normal(1.6, 0.5, 79)})
    frame["HG"] = (rng.uniform(size=79) < 1 / (1 + np.exp(-4 + 2.9 * frame.EH))).astype(int)
    frame["NV"] = np.where((frame.HG == 1) & (rng.uniform(size=79) < 0.5), 1, 0)
    fit, warning = separated("HG ~ NV + PI + EH", frame)
    count = int(frame.NV.sum())
    assert f"NV goes to +inf (HG = 1 in {count} of {count} where it is 1)" in warning
    rest = gi.logit("HG ~ PI + EH", frame[frame.NV == 0])
    assert np.allclose(fit.coef[["Intercept", "PI", "EH"]], rest.coef, rtol=1e-8)


def test_the_warning_points_at_the_line_of_the_user(groups):
    with pytest.warns(gi.SeparationWarning) as caught:
        fit = gi.logit("y ~ x + g", groups)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(gi.SeparationWarning) as caught:
        fit.update("~ . - x")
    assert [warning.filename for warning in caught] == [__file__]


# not converged -------------------------------------------------------------------------------------------------------


def test_the_iteration_limit_is_said_and_is_not_convergence(groups):
    mixed = groups[groups.g != "c"]
    with pytest.warns(gi.ConvergenceWarning) as caught:
        fit = gi.logit("y ~ x + g", mixed, control=gi.Control(max_iter=2))
    (warning,) = caught
    assert str(warning.message) == (
        "The iteration limit was reached before the maximum of the likelihood (2 iterations of 'newton'). The "
        "estimates "
        "are not the maximum; raise the limit with control=gi.Control(max_iter=...) and look at fit.trace."
    )
    assert warning.filename == __file__
    assert not fit.converged
    assert fit.status == fit.glance().status[0] == "limit reached"
    assert fit.n_iter == fit.glance().n_iter[0] == 2
    assert (fit.tidy().status == "limit reached").all()
    assert "NOT CONVERGED: the iteration limit was reached" in str(fit)
    assert "Nothing in this table should be relied on; see fit.trace." in " ".join(str(fit).split())
    assert len(fit.trace) in (2, 3)


def test_one_iteration_is_not_convergence(groups):
    with pytest.warns(gi.ConvergenceWarning, match=r"\(1 iteration of 'newton'\)"):
        gi.logit("y ~ x", groups, control=gi.Control(max_iter=1))


def test_data_on_which_undamped_newton_diverges():
    times = [50, 1, 50, 1, 5, 10]
    frame = {"y": np.repeat([0, 1, 0, 0, 0, 1], times), "x": np.repeat([0, 0, 0.001, 100, -1, -1], times)}
    fit = gi.logit("y ~ x", frame)
    assert fit.converged
    assert fit.coef.tolist() == pytest.approx([-4.60305022, -5.29634545], rel=2e-9)
    assert fit.loglik == pytest.approx(-15.1552478, rel=1e-8)


def test_saturated_probabilities_give_no_warning_and_no_nan():
    rng = np.random.default_rng(4)
    x = rng.normal(size=400)
    y = (rng.uniform(size=400) < 1 / (1 + np.exp(-30 * x))).astype(int)
    y[np.argmax(x)], y[np.argmin(x)] = 1, 0
    fit = gi.logit("y ~ x", {"x": x, "y": y})
    far = {"x": [-1000.0, -30, 30, 1000]}
    assert fit.predict(far).between(0, 1).all()
    table = fit.predict(far, interval="confidence")
    assert table.notna().all(axis=None)
    assert fit.augment().iloc[:, 2:].notna().all(axis=None)


# nearly separated, and far out ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::glminfer.errors.SeparationWarning")
def test_rows_left_by_separation_that_are_nearly_separated():
    rng = np.random.default_rng(160)
    frame = pd.DataFrame({"x": rng.normal(size=24), "g": np.repeat(list("ab"), 12)})
    frame["y"] = (6 * frame.x + rng.logistic(size=24) > 0).astype(int)
    frame.loc[frame.g == "b", "y"] = 1
    alone = gi.logit("y ~ x", frame[frame.g == "a"])
    for coded in (False, True):
        fit = gi.logit("y ~ x + g", frame, control=gi.Control(coded=coded))
        assert str(fit.status) == "separated"
        assert fit.coef["x"] == pytest.approx(alone.coef["x"], rel=1e-8)


@pytest.mark.parametrize("seed", [8, 58])
def test_the_null_deviance_of_rows_with_large_offsets(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=600), "known": rng.normal(size=600) * rng.choice([1, 5, 30, 100])})
    frame["y"] = (np.arange(600) < rng.choice([1, 5, 100])).astype(int)
    alone = gi.logit("y ~ 1", frame, offset="known").deviance
    assert gi.logit("y ~ x", frame, offset="known").null_deviance == pytest.approx(alone, rel=1e-10)
