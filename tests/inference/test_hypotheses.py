"""Wald tests and linear combinations: R's numbers, statsmodels, invariances, few clusters."""

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_cases import NAMES, case, fitted
from scipy.stats import chi2, f

import glminfer as gi
from glminfer.inference.linear import read

FINITE = [name for name in NAMES if not any("separated" in flag for flag in case(name)["flags"])]
HYPOTHESES = [(name, k) for name in FINITE for k in range(len(case(name)["results"].get("linear_hypotheses", ())))]
TIGHT = {"rtol": 1e-8, "atol": 0}


def of_exact_covariance(name, L, rhs, cov):
    """R's robust covariance of ill-scaled columns lost digits; the one of well-scaled columns, transformed, did not."""
    exact = case(name)["results"]["exact_transform"]
    n, k = fitted(name).nobs, fitted(name).rank
    coef, V = pd.Series(exact["coef"]), exact["vcovHC"]["HC0"] * n / (n - k) if cov == "HC1" else exact["vcovHC"][cov]
    L = L[list(coef.index)]
    gap, variance = L.to_numpy() @ coef.to_numpy() - rhs, L.to_numpy() @ V.loc[coef.index, coef.index].to_numpy() @ L.T
    size = np.sqrt(np.diagonal(variance))
    scaled = variance.to_numpy() / np.outer(size, size)
    statistic = float(gap / size @ np.linalg.solve(scaled, gap / size))
    return {"chisq": statistic, "df": len(L), "p": chi2.sf(statistic, len(L)), "se": size}


@pytest.mark.parametrize(("name", "k"), HYPOTHESES)
@pytest.mark.parametrize("cov", ["model", "HC3"])
def test_hypotheses_of_r(name, k, cov):
    theirs = case(name)["results"]["linear_hypotheses"][k]
    numbers = theirs if cov == "model" else theirs["HC3"]
    if name == "birthwt_scaled" and cov == "HC3":
        numbers = of_exact_covariance(name, theirs["L"], theirs["rhs"], cov)
    mine = fitted(name).wald_test(theirs["hypothesis"], cov=cov).iloc[0]
    np.testing.assert_allclose(mine.statistic, numbers["chisq"], **TIGHT)
    assert mine.df == numbers["df"]
    np.testing.assert_allclose(mine.p_value, numbers["p"], rtol=1e-8 * (1 + numbers["chisq"]))
    rows = fitted(name).lincom(theirs["hypothesis"], cov=cov)
    np.testing.assert_allclose(rows.std_error, numbers["se"], **TIGHT)
    np.testing.assert_allclose(rows.estimate - rows.rhs, theirs["estimate_minus_rhs"], **TIGHT)


@pytest.mark.parametrize(("name", "k"), HYPOTHESES)
def test_texts_give_the_matrix_of_r(name, k):
    theirs = case(name)["results"]["linear_hypotheses"][k]
    fit = fitted(name)
    asked = read(fit, theirs["hypothesis"])
    np.testing.assert_array_equal(asked.L, theirs["L"][list(fit.columns)])
    np.testing.assert_array_equal(asked.rhs, theirs["rhs"])
    by_matrix = fit.wald_test(theirs["L"], rhs=theirs["rhs"])
    np.testing.assert_allclose(by_matrix.statistic, fit.wald_test(theirs["hypothesis"]).statistic, rtol=1e-14)


def dropped_terms(name):
    found, fit = case(name), fitted(name)
    right = found["results"]["lrtest"]["sub_formula"].split("~")[1]
    smaller = {term.strip() for term in right.split("+")}
    return [term for term in fit.design.terms if term not in smaller | {"Intercept"}]


def waldtest(name, cov):
    return case(name)["results"]["lrtest"]["waldtest_Chisq" + ("" if cov == "model" else "_HC1")]


NESTED = [(name, cov) for name in FINITE for cov in ("model", "HC1") if "_error" not in waldtest(name, cov)]


@pytest.mark.parametrize(("name", "cov"), NESTED)
def test_terms_of_nested_models(name, cov):
    """lmtest's waldtest: the joint test of the terms that the smaller model leaves out."""
    theirs = waldtest(name, cov)
    statistic = theirs["Chisq"].iloc[1]
    if name == "birthwt_scaled" and cov == "HC1":
        columns = list(fitted(name).columns)
        L = pd.DataFrame(np.eye(len(columns)), columns=columns).loc[[columns.index(t) for t in dropped_terms(name)]]
        statistic = of_exact_covariance(name, L, 0.0, cov)["chisq"]
    mine = fitted(name).wald_test(dropped_terms(name), cov=cov).iloc[0]
    np.testing.assert_allclose(mine.statistic, statistic, **TIGHT)
    assert mine.df == theirs["Df"].iloc[1]


def test_hypotheses_about_finite_coefficients_of_a_separated_fit():
    theirs = case("endometrial")["results"]["linear_hypotheses"][0]
    mine = fitted("endometrial").wald_test(theirs["hypothesis"]).iloc[0]
    np.testing.assert_allclose(mine.statistic, theirs["chisq"], rtol=1e-6)  # R's other coefficient is finite


# statsmodels ---------------------------------------------------------------------------------------------------------


@functools.cache
def trials(n=300):
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": rng.normal(size=n),
            "g": rng.choice(["u", "v", "w"], n),
            "session": rng.integers(0, 12, n),
        }
    )
    eta = 0.3 + 0.8 * frame.a - 0.5 * frame.b + 0.4 * (frame.g == "v")
    frame["y"] = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int)
    return frame


@functools.cache
def fit():
    return gi.logit("y ~ a * b + g", trials())


@functools.cache
def statsmodels_fit():
    return sm.GLM.from_formula("y ~ a * b + g", trials(), family=sm.families.Binomial()).fit(tol=1e-14, maxiter=100)


@pytest.mark.parametrize(
    "texts", [["a = b"], ["a - 2*b = 1.5", "Intercept = 0.1"], ["g[T.v] = 0", "g[T.w] = 0"], ["a + a:b = 0"]]
)
def test_statsmodels(texts):
    L = read(fit(), texts)
    order = [fit().columns.index(name) for name in statsmodels_fit().params.index]
    theirs = statsmodels_fit().wald_test((L.L[:, order], L.rhs), use_f=False, scalar=True)
    rows = statsmodels_fit().t_test((L.L[:, order], L.rhs))
    mine, lines = fit().wald_test(texts).iloc[0], fit().lincom(texts, level=0.9)
    np.testing.assert_allclose([mine.statistic, mine.p_value], [theirs.statistic, theirs.pvalue], rtol=1e-8)
    np.testing.assert_allclose(lines.estimate, np.ravel(rows.effect), rtol=1e-9)
    np.testing.assert_allclose(lines.std_error, np.ravel(rows.sd), rtol=1e-8)
    np.testing.assert_allclose(lines.statistic, np.ravel(rows.tvalue), rtol=1e-8)
    np.testing.assert_allclose(lines.p_value, np.ravel(rows.pvalue), rtol=1e-7)
    np.testing.assert_allclose(lines[["conf_low", "conf_high"]], rows.conf_int(0.1), rtol=1e-8)


# the table -----------------------------------------------------------------------------------------------------------


def test_columns_and_the_square_of_one_statistic():
    table = fit().wald_test("a = b")
    assert table.columns.tolist() == ["hypothesis", "statistic", "df", "df_denom", "p_value", "test"]
    row = table.iloc[0]
    assert (row.hypothesis, row.df, row.df_denom, row.test) == ("a = b", 1, np.inf, "Wald χ²")
    line = fit().lincom("a = b").iloc[0]
    np.testing.assert_allclose([line.statistic**2, line.p_value], [row.statistic, row.p_value], rtol=1e-12)


def test_one_coefficient_agrees_with_tidy():
    tidy = fit().tidy(cov="HC3", level=0.8)
    lines = fit().lincom(list(fit().columns), cov="HC3", level=0.8)
    for name in ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "df"):
        np.testing.assert_allclose(lines[name], tidy[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("a=b", "a = b"),
        ("a - b", "a - b = 0"),
        ("g", "g = 0"),
        (["g", "a"], "g = 0, a = 0"),
        ("a = b = 0", "a = b = 0"),
        ([[0, 0, 0, 1, -1, 0]], "g[T.v] - g[T.w] = 0"),
    ],
)
def test_the_hypothesis_is_told(asked, told):
    assert fit().wald_test(asked).hypothesis[0] == told


def test_functions_and_methods_are_the_same():
    pd.testing.assert_frame_equal(gi.wald_test(fit(), "g"), fit().wald_test("g"))
    pd.testing.assert_frame_equal(gi.lincom(fit(), "g"), fit().lincom("g"))


def test_finite_denominators():
    row = fit().wald_test("g", dof=20).iloc[0]
    plain = fit().wald_test("g").iloc[0]
    assert (row.df_denom, row.test) == (20, "Wald F")
    np.testing.assert_allclose(row.statistic, plain.statistic / 2, rtol=1e-12)
    np.testing.assert_allclose(row.p_value, f.sf(row.statistic, 2, 20), rtol=1e-10)


def test_clusters_give_f_and_t():
    row = fit().wald_test("g", cluster="session").iloc[0]
    assert (row.df, row.df_denom, row.test) == (2, 11, "Wald F")
    same = fit().wald_test("g", cluster="session", dof=np.inf).iloc[0]
    np.testing.assert_allclose(row.statistic * 2, same.statistic, rtol=1e-12)
    assert same.test == "Wald χ²"
    assert fit().lincom("a = b", cluster="session").df.tolist() == [11]


def test_cr2_has_degrees_of_freedom_for_each_combination():
    lines = fit().lincom(["a", "a = b"], cov="CR2", cluster="session")
    assert lines.df.between(1, 11).all()
    assert lines.df.nunique() == 2
    np.testing.assert_allclose(lines.df[0], fit().tidy(cov="CR2", cluster="session").df[1], rtol=1e-12)
    row = fit().wald_test("a = b", cov="CR2", cluster="session").iloc[0]
    np.testing.assert_allclose([row.df_denom, row.p_value], [lines.df[1], lines.p_value[1]], rtol=1e-9)


@pytest.mark.parametrize("dof", [0, -1, np.nan])
def test_impossible_dof(dof):
    with pytest.raises(gi.InputError, match="is not a number of degrees of freedom"):
        fit().wald_test("a", dof=dof)
    with pytest.raises(gi.InputError, match="is not a number of degrees of freedom"):
        fit().lincom("a", dof=dof)


def test_unknown_keyword():
    with pytest.raises(TypeError, match=r"no argument 'clusters'\. Did you mean 'cluster'\?"):
        fit().wald_test("a", clusters="session")


def test_without_rows():
    light = pickle.loads(pickle.dumps(fit()))
    pd.testing.assert_frame_equal(light.wald_test("g"), fit().wald_test("g"))
    with pytest.raises(gi.RowsNeededError):
        light.wald_test("g", cov="HC3")


# rank ----------------------------------------------------------------------------------------------------------------


def test_repeated_hypotheses_count_once():
    table = fit().wald_test(["a = b", "2*b = 2*a", "a", "b = 0"])
    once = fit().wald_test(["a", "b"])
    np.testing.assert_allclose(table.statistic, once.statistic, rtol=1e-10)
    assert table.df[0] == 2
    assert table.attrs["notes"] == ("of 4 hypotheses 2 are independent; the others follow from them",)


def test_contradictions():
    with pytest.raises(gi.InputError) as caught:
        fit().wald_test(["a = 0", "g[T.v] = 2", "3*a = 1"])
    assert str(caught.value) == (
        "The hypotheses contradict each other: 'a = 0' and '3*a = 1' cannot hold together. Leave one of them out."
    )
    with pytest.raises(gi.InputError, match="'a = b' and 'b = 1' and 'a = 2' cannot hold"):
        fit().wald_test(["a = b", "b = 1", "a = 2"])


def test_few_clusters():
    """4 clusters, 7 coefficients: the covariance has rank 3, and so has the joint test."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(200, 6)), columns=list("abcdef"))
    frame["mouse"] = np.repeat(["A", "B", "C", "D"], 50)
    frame["y"] = rng.integers(0, 2, 200)
    small = gi.logit("y ~ a + b + c + d + e + f", frame)
    table = small.wald_test(list("abcdef"), cluster="mouse")
    assert (table.df[0], table.df_denom[0]) == (3, 3)
    assert "the covariance has rank 3, too little for a joint test of 6 hypotheses: df is 3" in table.attrs["notes"]
    scaled = frame.assign(a=frame.a * 1e6, b=frame.b / 1e6, c=frame.c + 5)
    again = gi.logit("y ~ a + b + c + d + e + f", scaled).wald_test(list("abcdef"), cluster="mouse")
    np.testing.assert_allclose(again.statistic, table.statistic, rtol=1e-6)


# invariances ---------------------------------------------------------------------------------------------------------

SETTINGS = settings(max_examples=25, deadline=None)
NUMBERS = st.floats(-4, 4).filter(lambda x: abs(x) > 0.1)


@SETTINGS
@given(st.lists(NUMBERS, min_size=9, max_size=9), st.sampled_from(["model", "HC0"]))
def test_rewriting_hypotheses_changes_nothing(numbers, cov):
    """Lb = r and ALb = Ar are one hypothesis, whatever the regular A."""
    L, rhs = np.eye(6)[[1, 2, 5]], np.array([0.5, -0.2, 0.0])
    A = np.array(numbers).reshape(3, 3) + 5 * np.eye(3)
    A *= np.array([[1e-5], [1.0], [1e6]])
    if np.linalg.cond(A / np.linalg.norm(A, axis=1, keepdims=True)) > 1e3:
        return
    first = fit().wald_test(L, rhs=rhs, cov=cov)
    second = fit().wald_test(A @ L, rhs=A @ rhs, cov=cov)
    np.testing.assert_allclose(second.statistic, first.statistic, rtol=1e-8)


@SETTINGS
@given(st.integers(0, 10_000), st.sampled_from(["v", "w"]), st.sampled_from(["model", "HC1"]))
def test_a_new_reference_level_leaves_the_joint_test(seed, reference, cov):
    frame = trials().sample(250, random_state=seed)
    old = gi.logit("y ~ a + g", frame).wald_test("g", cov=cov)
    new = gi.logit(f"y ~ a + C(g, Treatment({reference!r}))", frame)
    again = new.wald_test(next(name for name in new.design.terms if name.startswith("C(g")), cov=cov)
    np.testing.assert_allclose(again.statistic, old.statistic, rtol=1e-8)


@SETTINGS
@given(st.sampled_from([1e-6, 1e-3, 1.0, 1e5]), st.sampled_from([0.0, 10.0, 1e4]), st.sampled_from(["model", "HC0"]))
def test_units_of_a_column_leave_joint_tests(scale, shift, cov):
    """All coefficients are zero or not in any units, even where shift makes intercept and slope almost collinear."""
    moved = gi.logit("y ~ a + b", trials().assign(a=lambda d: (d.a + shift) * scale))
    plain = gi.logit("y ~ a + b", trials())
    for asked in (["Intercept", "a", "b"], ["a", "b"]):
        mine, theirs = (one.wald_test(asked, cov=cov).iloc[0] for one in (moved, plain))
        assert mine.df == theirs.df == len(asked)
        np.testing.assert_allclose(mine.statistic, theirs.statistic, rtol=1e-7)


def test_the_order_of_factors_in_a_formula_is_no_matter():
    one, other = gi.logit("y ~ a * g", trials()), gi.logit("y ~ g * a", trials())
    for term in ("a:g", "g:a"):
        np.testing.assert_allclose(one.wald_test(term).statistic, other.wald_test(term).statistic, rtol=1e-9)
