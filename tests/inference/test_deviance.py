"""Analysis of deviance: R's anova and car's Anova number by number, and what the tables promise."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from reference_cases import NAMES, case, fit_case, fitted
from scipy import stats

import glminfer as gi
from glminfer.data.rows_coded import CodedRows

RTOL = 1e-8
SEPARATED = [name for name in NAMES if any("separated" in flag for flag in case(name)["flags"])]

# R's table, the column of its statistic, and how it is asked for here
TABLES = {
    "sequential LR": ("anova_sequential", "LRT", "Deviance", {"type": "I"}),
    "sequential score": ("anova_sequential", "Rao_exact", "Rao", {"type": "I", "test": "score"}),
    "II LR": ("anova_II", "LR", "LR Chisq", {"type": "II"}),
    "II Wald": ("anova_II", "Wald", "Chisq", {"type": "II", "test": "wald"}),
    "II Wald HC3": ("anova_II", "Wald_HC3", "Chisq", {"type": "II", "test": "wald", "cov": "HC3"}),
    "III LR": ("anova_III", "LR", "LR Chisq", {"type": "III"}),
    "III Wald": ("anova_III", "Wald", "Chisq", {"type": "III", "test": "wald"}),
}


def theirs(name: str, table: str) -> pd.DataFrame | None:
    """R's rows, one per term; None where R has no such table (it refuses aliased coefficients in some)."""
    group, key, column, _ = TABLES[table]
    found = case(name)["results"][group].get(key)
    if (name, table) == (
        "birthwt_scaled",
        "II Wald HC3",
    ):  # R's direct HC3 is good to 1e-5 there: from well-scaled columns
        exact = case(name)["results"]["exact_transform"]
        V = exact["vcovHC"]["HC3"]
        found[column] = [exact["coef"][term] ** 2 / V.loc[term, term] for term in found.index]
    return found.drop(index=["NULL", "Residuals"], errors="ignore") if isinstance(found, pd.DataFrame) else None


@functools.cache
def mine(name: str, table: str) -> pd.DataFrame:
    return fitted(name).anova(**TABLES[table][3]).set_index("term")


PAIRS = [(name, table) for table in TABLES for name in NAMES if theirs(name, table) is not None]


def test_every_table_of_r_is_compared():
    found = pd.Series([table for _, table in PAIRS]).value_counts()
    assert len(NAMES) == 25
    assert found.to_dict() == {
        "sequential LR": 25,
        "sequential score": 23,  # the separated ones have the plain table only
        "II LR": 25,
        "II Wald": 24,  # R stops at aliased coefficients here and in type III
        "II Wald HC3": 23,
        "III LR": 24,
        "III Wald": 24,
    }


@pytest.mark.parametrize(("name", "table"), PAIRS)
def test_statistics_are_those_of_r(name, table):
    expected, found = theirs(name, table), mine(name, table)
    order = [term for term in found.index if term in expected.index]  # car leaves out aliased terms, some with HC3
    assert order == list(expected.index)
    assert found.statistic.drop(index=order).isna().all()
    statistic = expected[TABLES[table][2]].where(expected.Df > 0)
    found = found.loc[expected.index]
    if name in SEPARATED and "Wald" in table:  # no Wald statement about infinite coefficients
        lost = found.p_value.isna()
        assert lost.any()
        assert found.statistic[lost].isna().all()
        found, statistic = found[~lost], statistic[~lost]
    np.testing.assert_allclose(found.statistic, statistic, rtol=RTOL)
    assert found.df.tolist() == expected.Df[found.index].tolist()
    np.testing.assert_allclose(found.p_value, stats.chi2.sf(statistic, found.df), rtol=RTOL * (1 + statistic.max()))


FACTORS = [name for name in NAMES if any(f.levels and f.reduced for f in fitted(name).design.factors.values())]


@pytest.mark.parametrize("table", ["III LR", "III Wald"])
@pytest.mark.parametrize("name", FACTORS)
def test_type_iii_of_coded_factors_is_that_of_r(name, table):
    expected = theirs(name, table)
    if expected is None or name in SEPARATED:
        pytest.skip("R has no such table")
    fit = fit_case(name, control=gi.Control(coded=True))
    assert isinstance(fit.with_rows()[1].rows, CodedRows)
    found = fit.anova(**TABLES[table][3]).set_index("term").loc[expected.index]
    np.testing.assert_allclose(found.statistic, expected[TABLES[table][2]].where(expected.Df > 0), rtol=RTOL)
    assert found.df.tolist() == expected.Df.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_sequential_tables_end_at_the_fit(name):
    expected, found = theirs(name, "sequential LR"), mine(name, "sequential LR")
    # R's deviances of separated models have not reached their limit
    np.testing.assert_allclose(found.deviance, expected["Resid. Dev"], rtol=RTOL, atol=1e-8)
    assert found.df_resid.tolist() == expected["Resid. Df"].tolist()
    assert found.deviance.iloc[-1] == pytest.approx(fitted(name).deviance, rel=1e-12, abs=1e-12)
    assert found.df_resid.iloc[-1] == fitted(name).df_resid


@pytest.mark.parametrize("name", SEPARATED)
def test_sequential_score_tests_of_separated_models(name):
    """R's plain Rao table: its fits stop on the way to infinity, where scores are good to 1e-7 only."""
    expected = case(name)["results"]["anova_sequential"]["Rao"].drop(index="NULL").Rao
    np.testing.assert_allclose(mine(name, "sequential score").statistic[expected.index], expected, rtol=1e-7)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SEPARATED])
def test_chain_of_two_fits(name):
    found = case(name)["results"]["lrtest"]
    assert isinstance(found, dict)
    options = {key: case(name)["options"].get(key) for key in ("weights", "offset")}
    if case(name)["response"]["kind"] == "proportion":
        options = {"trials": options["weights"]}
    left = fitted(name).formula.split("~")[0]
    right = found["sub_formula"].split("~", 1)[1]
    used = case(name)["frame"].iloc[case(name)["rows_used"]]
    small, large = (
        gi.glm(f"{left} ~ {rhs}", used, link=case(name)["link"], **options)
        for rhs in (right, fitted(name).formula.split("~", 1)[1])
    )
    table, expected = gi.anova(small, large), found["anova_Chisq"]
    np.testing.assert_allclose(table.deviance, expected["Resid. Dev"], rtol=1e-9)
    assert table.df_resid.tolist() == expected["Resid. Df"].tolist()
    np.testing.assert_allclose(table[["df", "statistic"]], expected[["Df", "Deviance"]], rtol=RTOL)
    np.testing.assert_allclose(table.p_value, expected["Pr(>Chi)"], rtol=1e-7)  # 1e-8 of a statistic of 10


# a small frame -------------------------------------------------------------------------------------------------------


def simulated(n: int = 400, seed: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(1, 1, n)})
    frame["g"], frame["h"] = rng.choice(["a", "b", "c"], n), rng.choice(["u", "v"], n)
    frame["mouse"] = rng.choice([f"m{k}" for k in range(12)], n)
    eta = 0.2 + 0.7 * frame.x - 0.4 * frame.z + 0.5 * (frame.g == "b") - 0.6 * (frame.h == "v") * (frame.g == "c")
    frame["y"] = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int)
    return frame


@pytest.fixture(scope="module")
def frame():
    return simulated()


@pytest.fixture(scope="module")
def fit(frame):
    return gi.logit("y ~ x * g + h", frame)


def gained(small: gi.Fit, large: gi.Fit) -> float:
    return 2 * (large.loglik - small.loglik)


# columns and order ---------------------------------------------------------------------------------------------------


def test_columns_and_one_row_per_term(fit):
    assert list(fit.anova().columns) == ["term", "df", "statistic", "p_value"]
    assert list(fit.anova(type="I").columns) == ["term", "df", "statistic", "p_value", "deviance", "df_resid"]
    terms = ["x", "g", "h", "x:g"]
    for kind, test in [("I", "LR"), ("I", "score"), ("II", "LR"), ("II", "wald"), ("II", "score"), ("III", "LR")]:
        table = fit.anova(type=kind, test=test)
        assert table.term.tolist() == terms
        assert table.df.tolist() == [1, 2, 1, 2]
        assert np.isfinite(table.drop(columns="term").to_numpy(dtype=float)).all()


def test_only_type_iii_wald_has_a_row_of_the_intercept(fit, frame):
    assert fit.anova(type="III", test="wald").term.tolist() == ["Intercept", "x", "g", "h", "x:g"]
    assert fit.anova(type="III").term.tolist() == ["x", "g", "h", "x:g"]
    without = gi.logit("y ~ 0 + g + x", frame)
    assert without.anova(type="III", test="wald").term.tolist() == ["g", "x"]
    assert gi.logit("y ~ 1", frame).anova().empty


def test_types_may_be_numbers_and_type_ii_lr_is_the_default(fit):
    for number, name in ((1, "I"), (2, "II"), ("3", "III")):
        pd.testing.assert_frame_equal(fit.anova(type=number), fit.anova(type=name))
    pd.testing.assert_frame_equal(fit.anova(), fit.anova(type="II", test="LR"))


def test_the_method_and_the_function_are_one(fit):
    pd.testing.assert_frame_equal(gi.anova(fit, type="III"), fit.anova(type="III"))


# what each type compares ---------------------------------------------------------------------------------------------


def test_type_i_adds_terms_in_order(fit, frame):
    models = [gi.logit(f"y ~ {rhs}", frame) for rhs in ("1", "x", "x + g", "x + g + h", "x*g + h")]
    table = fit.anova(type="I")
    expected = [gained(a, b) for a, b in itertools.pairwise(models)]
    np.testing.assert_allclose(table.statistic, expected, rtol=1e-9)
    np.testing.assert_allclose(table.deviance, [m.deviance for m in models[1:]], rtol=1e-12)
    assert table.df_resid.tolist() == [m.df_resid for m in models[1:]]
    assert table.statistic.sum() == pytest.approx(fit.null_deviance - fit.deviance, rel=1e-10)


def test_type_i_without_an_intercept_starts_from_nothing(frame):
    fit = gi.logit("y ~ x + z - 1", frame)
    table = fit.anova(type="I")
    assert table.statistic.sum() == pytest.approx(2 * (fit.loglik + len(frame) * np.log(2)), rel=1e-9)
    assert table.df_resid.tolist() == [399, 398]


def test_type_ii_leaves_out_the_relatives(fit, frame):
    additive, everything = gi.logit("y ~ x + g + h", frame), fit
    expected = {
        "x": gained(gi.logit("y ~ g + h", frame), additive),
        "g": gained(gi.logit("y ~ x + h", frame), additive),
        "h": gained(gi.logit("y ~ x * g", frame), everything),
        "x:g": gained(additive, everything),
    }
    assert dict(fit.anova().set_index("term").statistic) == pytest.approx(expected, rel=1e-8)


def test_types_agree_where_there_are_no_interactions(frame):
    fit = gi.logit("y ~ x + g + h", frame)
    for test in ("LR", "wald", "score"):
        second = fit.anova(test=test).set_index("term")
        third = fit.anova(type="III", test=test).set_index("term").loc[second.index]
        np.testing.assert_allclose(third, second, rtol=1e-9)
        last = fit.anova(type="I", test=test).iloc[-1] if test != "wald" else None
        assert last is None or last.statistic == pytest.approx(second.statistic["h"], rel=1e-9)


def test_wald_rows_are_wald_tests_of_the_terms(frame):
    fit = gi.logit("y ~ x + g + h", frame)
    for options in ({}, {"cov": "HC1"}, {"cluster": "mouse"}, {"cov": "CR0", "cluster": "mouse"}):
        table = fit.anova(test="wald", **options)
        for row in table.itertuples():
            single = fit.wald_test(row.term, **options).iloc[0]
            assert row.statistic == pytest.approx(single.statistic, rel=1e-9)
            assert row.p_value == pytest.approx(single.p_value, rel=1e-7)
            assert row.df == single.df
            assert getattr(row, "df_denom", np.inf) == single.df_denom


def test_score_rows_are_score_tests_from_the_smaller_model(frame):
    fit = gi.glm("y ~ x + g + h", frame, link="cloglog")
    for options in ({}, {"cov": "HC0"}, {"cov": "CR0", "cluster": "mouse"}, {"cluster": "mouse"}):
        table = fit.anova(test="score", **options)
        for row in table.itertuples():
            single = fit.update(f"~ . - {row.term}").score_test(row.term, **options).iloc[0]
            assert (row.statistic, row.p_value) == pytest.approx((single.statistic, single.p_value), rel=1e-8)
            assert row.df == single.df


def test_interaction_order_does_not_change_the_tests(frame):
    one, other = gi.logit("y ~ x * g", frame), gi.logit("y ~ g * x", frame)
    assert one.anova().term.tolist() == ["x", "g", "x:g"]
    assert other.anova().term.tolist() == ["g", "x", "g:x"]
    renamed = {"g:x": "x:g"}
    for kind, test in [("II", "LR"), ("II", "wald"), ("II", "score"), ("III", "LR"), ("III", "wald")]:
        a = one.anova(type=kind, test=test).set_index("term")
        b = other.anova(type=kind, test=test).set_index("term").rename(index=renamed).loc[a.index]
        np.testing.assert_allclose(a, b, rtol=1e-8)


# type III ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", ["LR", "wald", "score"])
@pytest.mark.parametrize("coding", ["C(g, Sum)", "C(g, Helmert)", "C(g, Treatment('c'))"])
def test_type_iii_does_not_depend_on_the_coding(frame, fit, test, coding):
    other = gi.logit(f"y ~ x * {coding} + C(h, Sum)", frame)
    a, b = fit.anova(type="III", test=test), other.anova(type="III", test=test)
    np.testing.assert_allclose(a.drop(columns="term"), b.drop(columns="term"), rtol=1e-8)
    assert a.df.tolist() == b.df.tolist()


def test_type_iii_is_the_test_of_sum_coded_columns(frame):
    coded = frame.assign(g1=0.0, g2=0.0, h1=np.where(frame.h == "u", 1.0, -1.0))
    coded.loc[frame.g == "a", "g1"], coded.loc[frame.g == "b", "g2"] = 1.0, 1.0
    coded.loc[frame.g == "c", ["g1", "g2"]] = -1.0
    products = "I(g1*h1) + I(g2*h1)"
    whole = gi.logit(f"y ~ g1 + g2 + h1 + {products}", coded)
    expected = {
        "g": gained(gi.logit(f"y ~ h1 + {products}", coded), whole),
        "h": gained(gi.logit(f"y ~ g1 + g2 + {products}", coded), whole),
        "g:h": gained(gi.logit("y ~ g1 + g2 + h1", coded), whole),
    }
    fit = gi.logit("y ~ g * h", frame)
    assert dict(fit.anova(type="III").set_index("term").statistic) == pytest.approx(expected, rel=1e-8)
    wald = whole.wald_test(["h1 = 0"]).statistic[0]
    assert fit.anova(type="III", test="wald").set_index("term").statistic["h"] == pytest.approx(wald, rel=1e-8)


def test_type_iii_heading_notes_numeric_columns_in_interactions(frame, fit):
    told = "Main effects of interactions with numeric columns are tested where those columns are 0: centre them"
    assert told in repr(fit.anova(type="III"))
    assert told not in repr(gi.logit("y ~ g * h + x", frame).anova(type="III"))
    assert told not in repr(fit.anova(type="II"))


# robust and clustered ------------------------------------------------------------------------------------------------


def test_clusters_give_f_tests(frame, fit):
    table = fit.anova(test="wald", cluster="mouse")
    assert list(table.columns) == ["term", "df", "df_denom", "statistic", "p_value"]
    assert (table.df_denom == 11).all()
    expected = stats.f.sf(table.statistic, table.df, 11)
    np.testing.assert_allclose(table.p_value, expected, rtol=1e-10)


def test_robust_likelihood_ratios_are_refused(fit):
    text = "A likelihood ratio has no robust form; use test='wald' or test='score' with cov= or cluster=."
    for options in ({"cov": "HC1"}, {"cluster": "mouse"}):
        with pytest.raises(gi.InputError) as caught:
            fit.anova(**options)
        assert str(caught.value) == text


def test_refusals_say_the_way_out(fit, frame):
    with pytest.raises(gi.InputError, match="Wald tests have no sequential form; use type='II' or 'III', or test='LR'"):
        fit.anova(type="I", test="wald")
    with pytest.raises(gi.InputError, match=r"type '4' is not known. Choose one of: I, II, III"):
        fit.anova(type=4)
    with pytest.raises(gi.InputError, match=r"test 'F' is not known. Choose one of: LR, wald, score"):
        fit.anova(test="F")
    with pytest.raises(gi.InputError, match=r"cov of a score test 'HC3' is not known. Did you mean 'HC0'"):
        fit.anova(test="score", cov="HC3")
    with pytest.raises(TypeError, match=r"anova\(\) has no argument 'typ'. Did you mean 'type'\?"):
        fit.anova(typ="II")
    with pytest.raises(gi.InputError, match=r"anova\(test='score'\) compares maxima of the likelihood, and this fit"):
        gi.logit("y ~ x", frame, penalty=gi.Firth()).anova(test="score")


# several fits --------------------------------------------------------------------------------------------------------


def test_chain_has_one_row_per_model_in_the_order_given(frame, fit):
    small, middle = gi.logit("y ~ x", frame), gi.logit("y ~ x + g", frame)
    table = gi.anova(small, middle, fit)
    assert list(table.columns) == ["formula", "df_resid", "deviance", "df", "statistic", "p_value"]
    assert table.formula.tolist() == ["y ~ x", "y ~ x + g", "y ~ x * g + h"]
    assert table.loc[0, ["df", "statistic", "p_value"]].isna().all()
    assert table.df.tolist()[1:] == [2, 3]
    np.testing.assert_allclose(table.statistic[1:], [gained(small, middle), gained(middle, fit)], rtol=1e-9)
    np.testing.assert_allclose(table.p_value[1:], stats.chi2.sf(table.statistic[1:], table.df[1:]), rtol=1e-12)
    backwards = gi.anova(fit, middle, small)
    assert backwards.formula.tolist() == table.formula.tolist()[::-1]
    np.testing.assert_allclose(backwards.statistic[1:], table.statistic[1:][::-1], rtol=1e-12)
    assert backwards.df.tolist()[1:] == [3, 2]


def test_chain_does_not_test_models_of_equal_rank(frame):
    table = gi.anova(gi.logit("y ~ x", frame), gi.logit("y ~ z", frame))
    assert table.loc[1, ["df", "statistic", "p_value"]].isna().all()
    assert np.isfinite(table.deviance).all()


def test_chain_refuses_what_cannot_be_compared(frame, fit):
    with pytest.raises(gi.InputError, match=r"'y ~ x' has 400 .100 of its own., 'y ~ x' has 300 .0 of its own., so"):
        gi.anova(gi.logit("y ~ x", frame), gi.logit("y ~ x", frame[:300]))
    with pytest.raises(gi.InputError, match=r"The fits have different links, logit and probit."):
        gi.anova(fit, gi.glm("y ~ x", frame, link="probit"))
    with pytest.raises(gi.InputError, match="Several fits are compared by test='LR'; test='wald' belongs to the terms"):
        gi.anova(gi.logit("y ~ x", frame), fit, test="wald")
    with pytest.raises(gi.InputError, match=r"different penalties, gi.Firth\(.*\) and none"):
        gi.anova(gi.logit("y ~ x", frame, penalty=gi.Firth()), fit)


# known numbers -------------------------------------------------------------------------------------------------------


def test_mtcars_sequential():
    frame = case("mtcars_am")["frame"]
    fit = gi.logit("am ~ mpg + hp + C(cyl)", frame)
    table = fit.anova(type="I")
    assert table.term.tolist() == ["mpg", "hp", "C(cyl)"]
    assert table.df.tolist() == [1, 1, 2]
    assert table.statistic.round(4).tolist() == [13.5546, 10.4426, 8.7456]
    assert round(fit.null_deviance, 3) == 43.230
    assert round(table.deviance.iloc[-1], 3) == 10.487


# aliased and separated -----------------------------------------------------------------------------------------------


def test_aliased_columns_do_not_count(frame):
    doubled = frame.assign(copy=2 * frame.x, total=frame.x + frame.z, one=1.0)
    fit, clean = gi.logit("y ~ x + z + copy + g + total + one", doubled), gi.logit("y ~ x + z + g", frame)
    table = fit.anova(type="I").set_index("term")
    assert table.df.to_dict() == {"x": 1, "z": 1, "copy": 0, "g": 2, "total": 0, "one": 0}
    assert table.loc[["copy", "total", "one"], ["statistic", "p_value"]].isna().all(axis=None)
    np.testing.assert_allclose(table.loc[["x", "z", "g"]], clean.anova(type="I").set_index("term"), rtol=1e-9)
    for kind in ("II", "III"):  # x is replaced by its copy, z by the total less x
        table = fit.anova(type=kind).set_index("term")
        assert table.df.to_dict() == {"x": 0, "z": 0, "copy": 0, "g": 2, "total": 0, "one": 0}
        expected = clean.anova().set_index("term").statistic["g"]
        assert table.statistic["g"] == pytest.approx(expected, rel=1e-8)


def test_empty_cells_of_an_interaction_do_not_count(frame):
    kept = frame[~((frame.g == "c") & (frame.h == "v"))]
    fit = gi.logit("y ~ g * h", kept)
    assert list(fit.aliased) == ["g[T.c]:h[T.v]"]
    for test in ("LR", "wald", "score"):
        table = fit.anova(test=test).set_index("term")
        assert table.df.to_dict() == {"g": 2, "h": 1, "g:h": 1}
        assert np.isfinite(table.to_numpy(dtype=float)).all()
    by_hand = gained(gi.logit("y ~ g + h", kept), fit)
    assert fit.anova().set_index("term").statistic["g:h"] == pytest.approx(by_hand, rel=1e-8)


@pytest.fixture(scope="module")
def separated(frame):
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g + h", changed)
    return fit, changed


def test_separated_terms_keep_their_likelihood_ratio(separated):
    fit, changed = separated
    rest = changed[changed.g != "c"]
    limit = gi.logit("y ~ x + g + h", rest).loglik
    table = fit.anova().set_index("term")
    assert table.statistic["g"] == pytest.approx(2 * (limit - gi.logit("y ~ x + h", changed).loglik), rel=1e-9)
    assert table.df["g"] == 2
    for term, without in (("x", "g + h"), ("h", "x + g")):
        expected = 2 * (limit - gi.logit(f"y ~ {without}", rest).loglik)
        assert table.statistic[term] == pytest.approx(expected, rel=1e-8)
    sequential = fit.anova(type="I")
    assert sequential.deviance.iloc[-1] == pytest.approx(fit.deviance, rel=1e-12)
    assert sequential.statistic.sum() == pytest.approx(fit.null_deviance - fit.deviance, rel=1e-9)


def test_separated_terms_have_no_wald_statement_and_the_others_have(separated):
    fit, changed = separated
    rest = gi.logit("y ~ x + g + h", changed[changed.g != "c"])
    for options in ({}, {"cov": "HC0"}):
        table = fit.anova(test="wald", **options).set_index("term")
        assert table.loc["g", ["statistic", "p_value"]].isna().all()
        expected = rest.anova(test="wald", **options).set_index("term")
        np.testing.assert_allclose(table.loc[["x", "h"]], expected.loc[["x", "h"]], rtol=1e-7)
    third = fit.anova(type="III", test="wald").set_index("term")
    assert third.loc[["Intercept", "g"], "p_value"].isna().all()
    np.testing.assert_allclose(third.loc[["x", "h"]], fit.anova(test="wald").set_index("term").loc[["x", "h"]])


def test_score_tests_of_separated_models(separated):
    """Rows fitted exactly carry neither score nor information, so the other terms are tested on the other rows."""
    fit, changed = separated
    rest = gi.logit("y ~ x + g + h", changed[changed.g != "c"])
    table, expected = (f.anova(test="score").set_index("term") for f in (fit, rest))
    np.testing.assert_allclose(table.loc[["x", "h"]], expected.loc[["x", "h"]], rtol=1e-7)
    full = gi.logit("y ~ x + h", changed).score_test("g").iloc[0]
    assert table.statistic["g"] == pytest.approx(full.statistic, rel=1e-8)


# grouped, weights, offsets, links ------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_grouped_rows_and_their_trials_give_the_same_tests(link):
    rng = np.random.default_rng(3)
    cells = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 4), "d": np.tile(np.arange(4.0), 3), "n": 12})
    cells["s"] = rng.binomial(12, 0.3 + 0.1 * cells.d)
    grouped = gi.glm("cbind(s, n - s) ~ d * g", cells, link=link)
    proportion = gi.glm("p ~ d * g", cells.assign(p=cells.s / 12), link=link, trials="n")
    weighted = pd.concat([cells.assign(y=1, w=cells.s), cells.assign(y=0, w=cells.n - cells.s)])
    weighted = gi.glm("y ~ d * g", weighted, link=link, weights="w")
    for kind, test in [("I", "LR"), ("II", "LR"), ("II", "score"), ("II", "wald"), ("III", "LR")]:
        expected = grouped.anova(type=kind, test=test)[["df", "statistic", "p_value"]]
        for other in (proportion, weighted):
            found = other.anova(type=kind, test=test)[["df", "statistic", "p_value"]]
            np.testing.assert_allclose(found, expected, rtol=1e-7)  # through p-values of statistics near 10


def test_offsets_stay_in_every_model(frame):
    shifted = frame.assign(o=0.5 * frame.z)
    fit = gi.logit("y ~ x + g + offset(o)", shifted)
    expected = [gained(gi.logit(f"y ~ {rhs} + offset(o)", shifted), fit) for rhs in ("g", "x")]
    np.testing.assert_allclose(fit.anova().statistic, expected, rtol=1e-8)
    keyword = gi.logit("y ~ x + g", shifted, offset="o")
    np.testing.assert_allclose(keyword.anova().statistic, expected, rtol=1e-8)


def few_clusters() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": rng.choice(list("abcd"), 600), "h": rng.choice(list("pqrs"), 600)})
    return data.assign(c=rng.integers(0, 6, 600), x=rng.normal(size=600), y=rng.integers(0, 2, 600))


def test_type_ii_wald_with_fewer_clusters_than_relatives_is_no_test():
    """Six clusters and nine coefficients of g:h: nothing is uncorrelated with them but what has no variance at all."""
    fit = gi.logit("y ~ x + g*h", few_clusters())
    table = fit.anova(test="wald", cluster="c").set_index("term")
    assert table.loc[["g", "h"], ["statistic", "p_value"]].isna().all(axis=None)
    expected = fit.wald_test("g:h", cluster="c").iloc[0]
    assert table.loc["g:h", ["df", "statistic", "p_value"]].tolist() == pytest.approx(
        [expected.df, expected.statistic, expected.p_value], rel=1e-8
    )
    assert table.p_value["x"] == pytest.approx(fit.wald_test("x", cluster="c").p_value[0], rel=1e-8)
    told = repr(fit.anova(test="wald", cluster="c"))
    why = "no type II test of g: the covariance, of rank 5 at most, cannot tell it from g:h (9 coefficients), which"
    assert why in told
    assert "Use more clusters, test='score', or type='III'" in told


def test_score_tests_of_as_many_columns_as_clusters_are_no_tests():
    """u'(Σ u_g u_g')⁻u is the number of clusters as soon as their scores span the space, whatever the outcome."""
    data = few_clusters().assign(c=lambda d: d.c % 3)
    fit = gi.logit("y ~ x + g", data)
    table = fit.anova(test="score", cov="CR0", cluster="c").set_index("term")
    assert np.isnan(table.statistic["g"])
    assert table.p_value["x"] > 0
    fits = gi.logit_many("x + g", data, outcomes=["y"])
    many = fits.score_test("g", cov="CR0", cluster="c").iloc[0]
    assert np.isnan(many.statistic)
    assert many.df == table.df["g"] == 3
