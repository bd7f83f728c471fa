"""Likelihood-ratio tests between fits and of terms, and score tests of terms to add."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
from plain_glm import plain, score_statistic
from reference_cases import NAMES, case, fitted
from scipy import stats

import glminfer as gi

LINKS = ["logit", "probit", "cloglog", "loglog", "cauchit"]
COLUMNS = ["hypothesis", "statistic", "df", "p_value", "test"]


def simulated(n: int = 300, seed: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "u": rng.uniform(size=n)})
    frame["g"], frame["mouse"] = rng.choice(["a", "b", "c"], n), rng.choice(list("ABCDEFGHIJ"), n)
    frame["day"] = rng.integers(0, 8, n)
    frame["w"], frame["o"], frame["m"] = rng.integers(0, 4, n), 0.4 * rng.normal(size=n), rng.integers(1, 9, n)
    p = 1 / (1 + np.exp(-(0.2 + 0.8 * frame.x + 0.5 * (frame.g == "b"))))
    frame["y"], frame["s"] = (rng.uniform(size=n) < p).astype(int), rng.binomial(frame.m, p)
    return frame


@pytest.fixture(scope="module")
def frame():
    return simulated()


@pytest.fixture(scope="module")
def fit(frame):
    return gi.logit("y ~ x + z + g", frame)


def gained(small: gi.Fit, large: gi.Fit) -> float:
    return 2 * (large.loglik - small.loglik)


# R's lrtest ----------------------------------------------------------------------------------------------------------

COMPARED = [name for name in NAMES if "sub_formula" in case(name)["results"]["lrtest"]]
NON_INTEGER = "birthwt_weights"  # R rounds w·y in its logLik there, not in its deviances


@functools.cache
def pair(name: str) -> tuple[gi.Fit, gi.Fit]:
    """The smaller and the larger fit, on the rows of the larger."""
    found, options = case(name), {key: case(name)["options"].get(key) for key in ("weights", "offset")}
    if found["response"]["kind"] == "proportion":
        options = {"trials": options["weights"]}
    left, right = fitted(name).formula.split("~", 1)
    used = found["frame"].iloc[found["rows_used"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        small = gi.glm(
            f"{left} ~ {found['results']['lrtest']['sub_formula'].split('~')[1]}", used, link=found["link"], **options
        )
        return small, gi.glm(f"{left} ~ {right}", used, link=found["link"], **options)


@pytest.mark.parametrize("name", COMPARED)
def test_lrtest(name):
    small, large = pair(name)
    reference, row = case(name)["results"]["lrtest"], large.lr_test(small).iloc[0]
    if name == NON_INTEGER:
        expected = reference["anova_Chisq"].iloc[1].rename({"Deviance": "Chisq", "Pr(>Chi)": "Pr(>Chisq)"})
    else:
        expected = reference["table"].iloc[1]
        assert small.loglik == pytest.approx(reference["table"].LogLik.iloc[0], rel=1e-10)
        assert (small.aic, small.bic) == pytest.approx((reference["sub_aic"], reference["sub_bic"]), rel=1e-10)
    assert row.statistic == pytest.approx(expected.Chisq, rel=1e-8)
    assert row.df == expected.Df
    assert row.p_value == pytest.approx(expected["Pr(>Chisq)"], rel=1e-8 * (1 + expected.Chisq))
    assert small.deviance == pytest.approx(reference["sub_deviance"], rel=1e-10)


@pytest.mark.parametrize("name", COMPARED)
def test_dropping_the_terms_is_comparing_the_fits(name):
    small, large = pair(name)
    dropped = [term for term in large.design.terms if term not in small.design.terms]
    if not set(small.design.terms) < set(large.design.terms):  # budworm without an intercept: nested, not by terms
        return
    row, expected = large.lr_test(dropped).iloc[0], large.lr_test(small).iloc[0]
    assert row.statistic == pytest.approx(expected.statistic, rel=1e-8)
    assert row.df == expected.df


@pytest.mark.parametrize("name", [name for name in COMPARED if name != NON_INTEGER])
def test_score_test_is_rao_of_the_larger_model(name):
    """R's Rao between two models, to what its fit of the smaller one has converged to."""
    small, large = pair(name)
    added = [term for term in large.design.terms if term not in small.design.terms]
    expected = case(name)["results"]["lrtest"]["anova_Rao"].Rao.iloc[1]
    if not set(small.design.terms) < set(large.design.terms):
        return
    row = small.score_test(added).iloc[0]
    assert row.statistic == pytest.approx(expected, rel=1e-6)


# lr_test of terms ----------------------------------------------------------------------------------------------------


def test_one_row_that_names_its_hypothesis(fit):
    table = fit.lr_test("g")
    assert list(table.columns) == COLUMNS
    assert table.loc[0, ["hypothesis", "df", "test"]].tolist() == ["g = 0", 2, "LR"]
    assert table.p_value[0] == pytest.approx(stats.chi2.sf(table.statistic[0], 2), rel=1e-12)
    assert fit.lr_test("x + g").hypothesis[0] == "x = g = 0"
    pd.testing.assert_frame_equal(fit.lr_test(["x", "g"]), fit.lr_test("x + g"))
    pd.testing.assert_frame_equal(gi.lr_test(fit, "g"), table)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"offset": "o"}, {"weights": "w", "offset": "o"}])
def test_terms_against_refits(frame, link, options):
    fit = gi.glm("y ~ x + z + g", frame, link=link, **options)
    for terms, rest in (("g", "x + z"), ("x + z", "g"), ("x + z + g", "1")):
        small = gi.glm(f"y ~ {rest}", frame, link=link, **options)
        for row in (fit.lr_test(terms).iloc[0], fit.lr_test(small).iloc[0], small.lr_test(fit).iloc[0]):
            assert row.statistic == pytest.approx(gained(small, fit), rel=1e-9)
            assert row.df == fit.rank - small.rank


@pytest.mark.parametrize("link", LINKS)
def test_against_plain_numpy(frame, link):
    fit = gi.glm("cbind(s, m - s) ~ x + z + u", frame, link=link, offset="o")
    X = np.column_stack([np.ones(len(frame)), frame[["x", "z", "u"]]])
    model = plain(X, frame.s / frame.m, link, frame.m, frame.o)
    expected = 2 * (model.best() - model.columns([0, 1]).best())
    assert fit.lr_test("z + u").statistic[0] == pytest.approx(expected, rel=1e-8)


def test_exactly_the_named_terms_are_dropped(frame):
    """No marginality here: without z, the columns x and x:z stay."""
    fit = gi.logit("y ~ x * z", frame)
    assert fit.lr_test("z").statistic[0] == pytest.approx(gained(gi.logit("y ~ x + x:z", frame), fit), rel=1e-9)
    assert fit.lr_test("z:x").hypothesis[0] == "x:z = 0"  # factors in any order
    assert fit.lr_test("x*z").hypothesis[0] == "x = z = x:z = 0"


def test_the_intercept_can_be_dropped(frame):
    fit = gi.logit("y ~ x", frame)
    assert fit.lr_test("Intercept").statistic[0] == pytest.approx(gained(gi.logit("y ~ x - 1", frame), fit), rel=1e-9)


def test_everything_can_be_dropped(frame):
    fit = gi.logit("y ~ x + z - 1", frame)
    row = fit.lr_test("x + z").iloc[0]
    assert row.statistic == pytest.approx(2 * (fit.loglik + len(frame) * np.log(2)), rel=1e-9)
    assert row.df == 2


def test_names_that_are_not_terms(fit):
    with pytest.raises(gi.InputError) as caught:
        fit.lr_test("zz")
    assert str(caught.value) == "'zz' is not a term of this fit. Did you mean 'z'? Its terms are: x, z, g."
    with pytest.raises(gi.InputError, match="No term is named; give the terms to test, such as 'x' or"):
        fit.lr_test([])
    with pytest.raises(gi.InputError, match=r"'g\[T.b\]' is not a term of this fit"):
        fit.lr_test(["g[T.b]"])


# lr_test between fits ------------------------------------------------------------------------------------------------


def test_either_fit_may_be_the_larger_and_it_says_what_was_compared(fit, frame):
    small = gi.logit("y ~ x", frame)
    for table in (fit.lr_test(small), small.lr_test(fit), gi.lr_test(fit, small)):
        assert table.hypothesis[0] == "y ~ x in y ~ x + z + g"
        assert table.statistic[0] == pytest.approx(gained(small, fit), rel=1e-12)
        assert (table.df[0], table.test[0]) == (3, "LR")


def test_different_rows_are_refused_with_counts_and_causes(frame):
    holes = frame.assign(z=frame.z.where(np.arange(300) >= 75))
    small, large = gi.logit("y ~ x", holes), gi.logit("y ~ x + z", holes)
    with pytest.raises(gi.InputError) as caught:
        large.lr_test(small)
    assert str(caught.value) == (
        "The fits use different rows: 'y ~ x + z' has 225 (0 of its own), 'y ~ x' has 300 (75 of its own), so their "
        "likelihoods cannot be compared. Rows were lost: 300 rows, 75 dropped: 75 missing in z. Refit both on the rows "
        "complete in all columns, for example data.dropna(subset=[...])."
    )
    complete = holes.dropna(subset=["z"])
    small, large = gi.logit("y ~ x", complete), gi.logit("y ~ x + z", complete)
    expected = gained(small, large)
    assert large.lr_test(small).statistic[0] == pytest.approx(expected, rel=1e-12)
    common = gi.logit("y ~ x", holes, subset=holes.z.notna())
    assert gi.logit("y ~ x + z", holes).lr_test(common).statistic[0] == pytest.approx(expected, rel=1e-9)
    assert gi.logit("y ~ x + z", holes).lr_test("z").statistic[0] == pytest.approx(expected, rel=1e-9)


def test_as_many_rows_but_other_ones_are_refused(frame):
    with pytest.raises(gi.InputError, match=r"'y ~ x' has 200 \(100 of its own\), 'y ~ x \+ z' has 200 \(100 of its"):
        gi.logit("y ~ x", frame, subset=frame.index < 200).lr_test(
            gi.logit("y ~ x + z", frame, subset=frame.index >= 100)
        )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"formula": "s > 2 ~ x + z"}, "outcomes"),
        ({"formula": "y ~ x + z", "event": 0}, "outcomes"),
        ({"formula": "y ~ x + z", "weights": "w"}, "weights"),
        ({"formula": "y ~ x + z", "offset": "o"}, "offsets"),
        ({"formula": "y ~ x + z + offset(o)"}, "offsets"),
    ],
)
def test_fits_of_other_data_are_refused(frame, change, what):
    one = frame.assign(w=frame.w + 1)  # the same rows count
    with pytest.raises(gi.InputError) as caught:
        gi.logit(data=one, **change).lr_test(gi.logit("y ~ x", one))
    assert str(caught.value) == f"The fits have different {what}, so their likelihoods cannot be compared."


def test_other_links_are_refused(frame):
    with pytest.raises(gi.InputError) as caught:
        gi.glm("y ~ x + z", frame, link="probit").lr_test(gi.logit("y ~ x", frame))
    assert str(caught.value) == "The fits have different links, probit and logit."


def test_models_of_equal_rank_are_refused(frame):
    with pytest.raises(gi.InputError) as caught:
        gi.logit("y ~ x", frame).lr_test(gi.logit("y ~ z", frame))
    assert str(caught.value) == (
        "Both models have 2 estimable coefficients, so neither is nested in the other: 'y ~ x' and 'y ~ z'. Compare "
        "them by AIC (fit.aic)."
    )
    aliased = gi.logit("y ~ x + I(2*x)", frame)
    with pytest.raises(gi.InputError, match="Both models have 2 estimable coefficients"):
        aliased.lr_test(gi.logit("y ~ x", frame))


def test_penalised_fits_are_refused(frame, fit):
    firth = gi.logit("y ~ x", frame, penalty=gi.Firth())
    with pytest.raises(gi.InputError, match="score_test compares maxima of the likelihood, and this fit is penalised"):
        firth.score_test("z")
    for call in (lambda: firth.lr_test(fit), lambda: fit.lr_test(firth)):
        with pytest.raises(gi.InputError, match=r"The fits have different penalties, .*none.* so their likelihoods"):
            call()


# rank ----------------------------------------------------------------------------------------------------------------


def test_df_counts_estimable_columns(frame):
    doubled = frame.assign(twice=2 * frame.x, total=frame.x + frame.z)
    fit = gi.logit("y ~ x + z + twice + total + g", doubled)
    assert fit.lr_test("twice").df[0] == 0
    assert fit.lr_test("twice")[["statistic", "p_value"]].isna().all(axis=None)
    assert fit.lr_test("x + twice").df[0] == 0  # z and the total still make x
    expected = gained(gi.logit("y ~ x + g", frame), gi.logit("y ~ x + z + g", frame))
    row = fit.lr_test("z + total").iloc[0]
    assert (row.df, row.statistic) == (1, pytest.approx(expected, rel=1e-8))
    whole = fit.lr_test("x + z + twice + total").iloc[0]
    expected = gained(gi.logit("y ~ g", frame), gi.logit("y ~ x + z + g", frame))
    assert (whole.df, whole.statistic) == (2, pytest.approx(expected, rel=1e-8))


# separation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
def test_separated_fits_have_likelihood_ratios(frame, link):
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y))
    rest = changed[changed.g != "c"]
    with pytest.warns(gi.SeparationWarning):
        fit = gi.glm("y ~ x + z + g", changed, link=link)
    limit = gi.glm("y ~ x + z + g", rest, link=link).loglik
    small = gi.glm("y ~ x + z", changed, link=link)
    for row in (fit.lr_test("g").iloc[0], fit.lr_test(small).iloc[0]):
        assert row.statistic == pytest.approx(2 * (limit - small.loglik), rel=1e-8)
        assert row.df == 2
    without = gi.glm("y ~ z + g", rest, link=link).loglik  # the smaller model is separated as well
    row = fit.lr_test("x").iloc[0]
    assert (row.statistic, row.df) == (pytest.approx(2 * (limit - without), rel=1e-8), 1)


def test_complete_separation():
    data = {"y": [0, 0, 0, 0, 1, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6, 7, 8]}
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x", data)
    row = fit.lr_test("x").iloc[0]
    assert row.statistic == pytest.approx(16 * np.log(2), rel=1e-12)
    assert row.p_value == pytest.approx(stats.chi2.sf(16 * np.log(2), 1), rel=1e-10)
    assert fit.lr_test(gi.logit("y ~ 1", data)).statistic[0] == pytest.approx(16 * np.log(2), rel=1e-12)


# score tests: the model's variance -----------------------------------------------------------------------------------


def plain_of(frame: pd.DataFrame, link: str, grouped: bool, **options: str) -> tuple[gi.Fit, object]:
    """A fit of x and z, and the same model in plain numpy."""
    X = np.column_stack([np.ones(len(frame)), frame[["x", "z"]]])
    weights = frame[options["weights"]] if "weights" in options else 1.0
    offset = frame[options["offset"]] if "offset" in options else None
    if grouped:
        fit = gi.glm("cbind(s, m - s) ~ x + z", frame, link=link, **options)
        return fit, plain(X, frame.s / frame.m, link, frame.m * weights, offset)
    fit = gi.glm("y ~ x + z", frame, link=link, **options)
    return fit, plain(X, frame.y, link, np.ones(len(frame)) * weights, offset)


ADDED = {"u": ["u"], "u + np.sin(3*u)": ["u", "sin"], "C(g)": ["b", "c"]}


def columns(frame: pd.DataFrame, terms: str) -> np.ndarray:
    values = {"u": frame.u, "sin": np.sin(3 * frame.u), "b": frame.g == "b", "c": frame.g == "c"}
    return np.column_stack([values[name] for name in ADDED[terms]]).astype(float)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("grouped", [False, True], ids=["trials", "grouped"])
@pytest.mark.parametrize("options", [{}, {"weights": "w", "offset": "o"}], ids=["plain", "weights and offset"])
def test_score_tests_against_plain_numpy(frame, link, grouped, options):
    fit, model = plain_of(frame, link, grouped, **options)
    for terms in ADDED:
        added = columns(frame, terms)
        row = fit.score_test(terms).iloc[0]
        assert row.statistic == pytest.approx(score_statistic(model, added), rel=1e-8)
        assert row.df == added.shape[1]
        assert row.p_value == pytest.approx(stats.chi2.sf(row.statistic, row.df), rel=1e-10)
        robust = fit.score_test(terms, cov="HC0").iloc[0]
        assert robust.statistic == pytest.approx(score_statistic(model, added, robust=True), rel=1e-8)
        one_row_each = fit.score_test(terms, cov="CR0", cluster=np.arange(len(frame))).iloc[0]
        assert one_row_each.statistic == pytest.approx(robust.statistic, rel=1e-9)
        clustered = fit.score_test(terms, cov="CR0", cluster="mouse").iloc[0]
        expected = score_statistic(model, added, clusters=frame.mouse)
        assert clustered.statistic == pytest.approx(expected, rel=1e-8)


def test_clustered_score_tests_use_cr1_by_default(frame):
    fit, model = plain_of(frame, "logit", False)
    expected = score_statistic(model, columns(frame, "u"), clusters=frame.mouse)
    n, k, G = 300, 3, 10
    table = fit.score_test("u", cluster="mouse")
    assert table.statistic[0] == pytest.approx(expected * (G - 1) / G * (n - k) / (n - 1), rel=1e-8)
    pd.testing.assert_frame_equal(table, fit.score_test("u", cov="CR1", cluster="mouse"))
    for other in (frame.mouse, frame.mouse.to_numpy(), frame.mouse.sample(frac=1, random_state=0)):
        pd.testing.assert_frame_equal(table, fit.score_test("u", cluster=other))


def test_two_ways_of_clustering(frame):
    """The variances add up by inclusion-exclusion, so for one column the reciprocals of the statistics do."""
    fit, model = plain_of(frame, "probit", True)
    both = frame.mouse + frame.day.astype(str)
    one, other, cells = (
        score_statistic(model, columns(frame, "u"), clusters=c) for c in (frame.mouse, frame.day, both)
    )
    row = fit.score_test("u", cov="CR0", cluster=["mouse", "day"]).iloc[0]
    assert 1 / row.statistic == pytest.approx(1 / one + 1 / other - 1 / cells, rel=1e-8)


def test_statsmodels_agrees(frame):
    import statsmodels.api as sm

    X = sm.add_constant(frame[["x", "z"]])
    theirs = sm.GLM(frame.y, X, family=sm.families.Binomial()).fit(tol=1e-14)
    fit, n = gi.logit("y ~ x + z", frame), len(frame)
    for terms in ADDED:
        expected = theirs.score_test(exog_extra=columns(frame, terms), cov_type="nonrobust")
        row = fit.score_test(terms).iloc[0]
        assert row.statistic == pytest.approx(np.squeeze(expected.statistic), rel=1e-8)
        assert row.p_value == pytest.approx(np.squeeze(expected.pvalue), rel=1e-7)
        expected = theirs.score_test(exog_extra=columns(frame, terms), cov_type="HC0").statistic
        S = fit.score_test(terms, cov="HC0").statistic[0]
        centred = (n - 1) / n * S / (1 - S / n)  # statsmodels subtracts the mean score and divides by n - 1
        assert centred == pytest.approx(np.squeeze(expected), rel=1e-8)


def test_score_test_of_a_two_by_two_table_is_pearsons_chi_square():
    table = np.array([[12, 5], [7, 16]])
    data = pd.DataFrame({"x": [0, 0, 1, 1], "y": [0, 1, 0, 1], "w": table.ravel()})
    expected = stats.chi2_contingency(table, correction=False).statistic
    for link in LINKS:
        fit = gi.glm("y ~ 1", data, weights="w", link=link)
        assert fit.score_test("x").statistic[0] == pytest.approx(expected, rel=1e-9)


# score tests: forms and refusals -------------------------------------------------------------------------------------


def test_forms_of_terms_to_add(fit, frame):
    table = fit.score_test("u")
    assert list(table.columns) == COLUMNS
    assert table.loc[0, ["hypothesis", "df", "test"]].tolist() == ["u = 0", 1, "score"]
    several = fit.score_test("u + x:z")
    assert (several.hypothesis[0], several.df[0]) == ("u = x:z = 0", 2)
    for same in (["u", "x:z"], "~ . + u + x:z", ". ~ . + u + x:z"):
        pd.testing.assert_frame_equal(fit.score_test(same), several)
    pd.testing.assert_frame_equal(gi.score_test(fit, "u"), table)
    assert fit.score_test("C(mouse)").df[0] == 9
    assert fit.score_test("x:g").df[0] == 2
    assert fit.score_test("poly(x, 3)").df[0] == 2  # the linear part is in the fit already


def test_rank_aware_degrees_of_freedom(fit, frame):
    nothing = fit.score_test("I(2*x + z)")
    assert nothing.df[0] == 0
    assert nothing[["statistic", "p_value"]].isna().all(axis=None)
    more = fit.score_test(["u", "I(2*u - x)"])
    assert more.df[0] == 1
    assert more.statistic[0] == pytest.approx(fit.score_test("u").statistic[0], rel=1e-8)
    aliased = gi.logit("y ~ x + I(3*x) + z + g", frame)
    assert aliased.score_test("u").statistic[0] == pytest.approx(fit.score_test("u").statistic[0], rel=1e-8)


def test_nothing_to_add(fit):
    with pytest.raises(gi.InputError) as caught:
        fit.score_test("~ . + x + g")
    assert str(caught.value) == "'~ . + x + g' adds no term: the fit has Intercept, x, z, g already."


@pytest.mark.parametrize("options", [{}, {"cov": "HC0"}, {"cov": "CR0", "cluster": "mouse"}])
@pytest.mark.parametrize("terms", ["g", "x + g", ["z", "g"], "x + z + g"])
def test_score_tests_of_terms_of_the_fit_are_those_of_the_fit_without_them(fit, frame, terms, options):
    names = terms.split(" + ") if isinstance(terms, str) else terms
    rest = [name for name in ("x", "z", "g") if name not in names] or ["1"]
    expected = gi.logit(f"y ~ {' + '.join(rest)}", frame).score_test(terms, **options).iloc[0]
    row = fit.score_test(terms, **options).iloc[0]
    assert row.hypothesis == f"{' = '.join(names)} = 0" == expected.hypothesis
    assert (row.df, row.test) == (expected.df, expected.test)
    assert row.statistic == pytest.approx(expected.statistic, rel=1e-8)
    assert row.p_value == pytest.approx(expected.p_value, rel=1e-7)


def test_score_tests_of_terms_are_those_of_the_analysis_of_deviance(fit):
    for options in ({}, {"cluster": "mouse"}):
        table = fit.anova(test="score", **options).set_index("term")
        for term in ("x", "z", "g"):
            assert fit.score_test(term, **options).statistic[0] == pytest.approx(table.statistic[term], rel=1e-9)


def test_rows_that_miss_the_new_column_are_refused(frame):
    holes = frame.assign(u=frame.u.where(np.arange(300) >= 1), z=frame.z.where(np.arange(300) < 280))
    with pytest.raises(gi.InputError) as caught:
        gi.logit("y ~ x", holes).score_test("z")
    assert str(caught.value) == (
        "20 rows of the fit miss a value needed for z (missing: 20 in z), and models on different rows cannot be "
        "compared. Refit on the rows complete in all columns, for example data.dropna(subset=[...])."
    )
    with pytest.raises(
        gi.InputError, match=r"^1 row of the fit misses a value needed for u \(missing: 1 in u\), and mo"
    ):
        gi.logit("y ~ x", holes).score_test("u")
    known = gi.logit("y ~ x + z", holes)  # 20 rows are left out of this fit
    assert known.score_test("g").df[0] == 2


def test_unknown_columns_and_covariances(fit):
    with pytest.raises(gi.FormulaError, match="mousse"):
        fit.score_test("mousse")
    with pytest.raises(gi.InputError, match="cov of a score test 'HC1' is not known"):
        fit.score_test("u", cov="HC1")
    with pytest.raises(gi.InputError, match="cov of a clustered score test 'HC0' is not known"):
        fit.score_test("u", cov="HC0", cluster="mouse")
    with pytest.raises(gi.InputError, match="cov of a score test 'CR1' is not known"):
        fit.score_test("u", cov="CR1")
    with pytest.raises(TypeError, match=r"score_test\(\) has no argument 'clusters'. Did you mean 'cluster'"):
        fit.score_test("u", clusters="mouse")


def test_missing_clusters_are_refused(frame):
    fit = gi.logit("y ~ x", frame.assign(mouse=frame.mouse.where(frame.index > 4)))
    with pytest.raises(gi.DataError, match="mouse is missing in 5 of the 300 rows used"):
        fit.score_test("u", cluster="mouse")


def test_score_tests_of_separated_fits_use_the_rows_that_are_left(frame):
    """Rows fitted exactly have neither score nor information in the limit."""
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g", changed)
    rest = gi.logit("y ~ x + g", changed[changed.g != "c"])
    for terms in ("z", "z + u", "x:z"):
        for options in ({}, {"cov": "HC0"}, {"cov": "CR0", "cluster": "mouse"}):
            row, expected = fit.score_test(terms, **options).iloc[0], rest.score_test(terms, **options).iloc[0]
            assert row.statistic == pytest.approx(expected.statistic, rel=1e-7)  # two routes to the same limit
            assert row.df == expected.df


def test_printed_tests_say_what_they_are(fit, frame):
    assert repr(fit.lr_test("g")).splitlines()[:2] == ["Likelihood-ratio test, χ² reference", "Model: y ~ x + z + g"]
    compared = repr(fit.lr_test(gi.logit("y ~ x", frame))).splitlines()
    assert compared[:3] == ["Likelihood-ratio test, χ² reference", "Model 0: y ~ x", "Model 1: y ~ x + z + g"]
    clustered = f"CR1 ({frame.mouse.nunique()} clusters of mouse)"
    for options, kind in (({}, "model"), ({"cov": "HC0"}, "HC0"), ({"cluster": "mouse"}, clustered)):
        lines = repr(fit.score_test("u", **options)).splitlines()
        assert lines[:3] == [
            "Score test (Rao), χ² reference",
            "Model: y ~ x + z + g, with u to add",
            f"Variance of the scores: {kind}",
        ]
    strong = gi.logit("y ~ x", pd.DataFrame({"x": frame.x, "y": (frame.x + 0.1 * frame.z > 0).astype(int)}))
    assert "<2e-16" in repr(strong.lr_test("x"))
    assert strong.lr_test("x").p_value[0] > 0


def test_few_clusters_and_a_rank_too_small_are_said(frame):
    fit = gi.logit("y ~ x", frame)
    lines = repr(fit.score_test(["z", "u", "g"], cluster=frame.index.to_numpy() % 3)).splitlines()
    assert lines[2] == "Note: the variance of the scores has rank 3, 1 too few for a joint test"
    assert lines[4].startswith("Note: 3 clusters of")
    assert lines[4].endswith("are few for a χ² reference")
    assert lines[5].startswith("Note: no joint test of as many columns as there are clusters (or rows): the statistic")
    assert np.isnan(fit.score_test(["z", "u", "g"], cluster=frame.index.to_numpy() % 3).p_value[0])


def test_a_fit_that_stopped_early_has_no_likelihood_tests(frame):
    with pytest.warns(gi.ConvergenceWarning):
        fit = gi.logit("y ~ x + z", frame, control=gi.Control(max_iter=1))
    with pytest.raises(gi.InputError, match=r"stopped before its maximum; see fit\.trace, and refit with more"):
        fit.lr_test("z")


@pytest.mark.parametrize("penalty", [None, gi.Firth()])
@pytest.mark.parametrize(("name", "owner"), [("C(k)[T.2]", "C(k)"), ("g[T.b]", "g"), ("C(k)[T.2]:x", "C(k):x")])
def test_a_coefficient_is_no_term(name, owner, penalty):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=120), "k": rng.integers(1, 4, 120), "g": rng.choice(list("ab"), 120)})
    frame["y"] = (rng.random(120) < 0.5).astype(int)
    fit = gi.logit("y ~ C(k) * x + g", frame, penalty=penalty)
    asked = [fit.lr_test, lambda terms: fit.lr_test(["x", terms]), lambda terms: fit.lr_test(f"x + {terms}")]
    if penalty is None:
        asked += [fit.score_test, fit.add1, lambda terms: fit.permutation_test(terms, scheme="free")]
    for ask in asked:
        with pytest.raises(gi.InputError) as caught:
            ask(name)
        assert str(caught.value) == (
            f"{name!r} is not a term of this fit but a coefficient of {owner!r}, and terms are tested with all their "
            f"coefficients. One alone is tested by fit.wald_test({name!r}). The terms are: C(k), x, g, C(k):x."
        )
    assert len(fit.wald_test(name)) == 1
