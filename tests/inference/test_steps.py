"""Dropping and adding single terms: R's drop1 and add1, marginality, and the forms of a scope."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from reference_cases import FOLDER, NAMES, case, fitted
from scipy import stats

import glminfer as gi

RTOL = 1e-8
SEPARATED = [name for name in NAMES if any("separated" in flag for flag in case(name)["flags"])]
NON_INTEGER = "birthwt_weights"  # R rounds w·y in its AIC there: differences of AIC are the same
COLUMNS = ["term", "df", "deviance", "aic", "statistic", "p_value"]


def simulated(n: int = 300, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "u": rng.uniform(size=n)})
    frame["g"], frame["my col"] = rng.choice(["a", "b", "c"], n), rng.normal(size=n)
    frame["w"], frame["o"] = rng.integers(0, 4, n), 0.4 * rng.normal(size=n)
    frame["y"] = (rng.uniform(size=n) < 1 / (1 + np.exp(-(0.7 * frame.x + 0.5 * (frame.g == "b"))))).astype(int)
    return frame


@pytest.fixture(scope="module")
def frame():
    return simulated()


@pytest.fixture(scope="module")
def fit(frame):
    return gi.logit("y ~ x * g + z", frame)


def gained(small: gi.Fit, large: gi.Fit) -> float:
    return 2 * (large.loglik - small.loglik)


# R -------------------------------------------------------------------------------------------------------------------


@functools.cache
def dropped(name: str, test: str) -> pd.DataFrame:
    return fitted(name).drop1(test=test).set_index("term")


@pytest.mark.parametrize("name", NAMES)
def test_drop1_likelihood_ratios(name):
    expected = case(name)["results"]["drop1"]["LRT"]
    found, terms = dropped(name, "LR"), list(expected.index[1:])
    assert list(found.index) == terms
    rows = expected.loc[terms]
    tested = rows.Df > 0
    np.testing.assert_allclose(found.statistic, rows.LRT.where(tested), rtol=RTOL)
    assert found.df.tolist() == rows.Df.tolist()
    # R's fits of separated models end 1e-10 above the limit of the deviance
    np.testing.assert_allclose(found.deviance, rows.Deviance, rtol=RTOL, atol=1e-8)
    shift = fitted(name).aic - expected.AIC["<none>"]
    assert abs(shift) < (1 if name == NON_INTEGER else 1e-8)
    np.testing.assert_allclose(found.aic - shift, rows.AIC, rtol=RTOL)
    p = stats.chi2.sf(rows.LRT, rows.Df)
    np.testing.assert_allclose(found.p_value[tested], p[tested], rtol=RTOL * (1 + rows.LRT.max()))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SEPARATED])
def test_drop1_score_tests(name):
    expected = case(name)["results"]["drop1"]["Rao_exact"]
    found = dropped(name, "score")
    assert list(found.index) == list(expected.index)
    np.testing.assert_allclose(found.statistic, expected.Rao.where(expected.Df > 0), rtol=RTOL)
    assert found.df.tolist() == expected.Df.tolist()


@pytest.mark.parametrize("name", SEPARATED)
def test_drop1_score_tests_of_separated_models(name):
    """R's own Rao, good to 1e-6 only: its fit of the smaller model stops on the way to infinity."""
    expected = case(name)["results"]["drop1"]["Rao"]["Rao score"].iloc[1:]
    found = dropped(name, "score")
    tested = found.df > 0
    np.testing.assert_allclose(found.statistic[tested], expected[tested], rtol=1e-6)
    # iris: without Sepal_Length every row is still separated, so none is left to say anything
    assert found.index[~tested].tolist() == (["Sepal_Length"] if name == "iris_separated" else [])
    assert (expected[~tested] < 1e-12).all()
    assert found.statistic[~tested].isna().all()


ADDED = [name for name in NAMES if isinstance(case(name)["results"].get("add1"), dict)]


@functools.cache
def base(name: str) -> gi.Fit:
    found, options = case(name), {key: case(name)["options"].get(key) for key in ("weights", "offset")}
    if found["response"]["kind"] == "proportion":
        options = {"trials": options["weights"]}
    left, right = fitted(name).formula.split("~")[0], found["results"]["add1"]["base_formula"].split("~", 1)[1]
    return gi.glm(f"{left} ~ {right}", found["frame"].iloc[found["rows_used"]], link=found["link"], **options)


@pytest.mark.parametrize("name", ADDED)
def test_add1(name):
    reference, fit = case(name)["results"]["add1"], base(name)
    scope, expected = list(reference["scope"]), reference["LRT"].iloc[1:]
    found = fit.add1(scope).set_index("term")
    assert list(found.index) == list(expected.index) == scope
    np.testing.assert_allclose(found.statistic, expected.LRT, rtol=RTOL)
    np.testing.assert_allclose(found.deviance, expected.Deviance, rtol=RTOL)
    np.testing.assert_allclose(found.aic - fit.aic, expected.AIC - reference["LRT"].AIC.iloc[0], rtol=RTOL, atol=1e-8)
    assert found.df.tolist() == expected.Df.tolist()
    score = fit.add1(scope, test="score").set_index("term")
    np.testing.assert_allclose(score.statistic, pd.Series(reference["Rao_exact"])[scope], rtol=RTOL)
    pd.testing.assert_frame_equal(score[["df", "deviance", "aic"]], found[["df", "deviance", "aic"]])


def test_how_many_cases_there_are():
    assert len(NAMES) == 25
    assert len(ADDED) == 15


# drop1 ---------------------------------------------------------------------------------------------------------------


def test_terms_inside_an_interaction_stay(fit, frame):
    table = fit.drop1()
    assert list(table.columns) == COLUMNS
    assert table.term.tolist() == ["z", "x:g"]
    assert gi.logit("y ~ x * z * u", frame).drop1().term.tolist() == ["x:z:u"]
    assert gi.logit("y ~ x * z + z * u", frame).drop1().term.tolist() == ["x:z", "z:u"]
    assert gi.logit("y ~ x + I(x**2)", frame).drop1().term.tolist() == ["x", "I(x ** 2)"]
    assert gi.logit("y ~ 1", frame).drop1().empty
    assert list(gi.logit("y ~ 1", frame).drop1().columns) == COLUMNS


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
@pytest.mark.parametrize("options", [{}, {"weights": "w", "offset": "o"}], ids=["plain", "weights and offset"])
def test_each_row_is_a_refit(frame, link, options):
    fit = gi.glm("y ~ x * g + z", frame, link=link, **options)
    table = fit.drop1().set_index("term")
    for term, rest in (("z", "x * g"), ("x:g", "x + g + z")):
        small = gi.glm(f"y ~ {rest}", frame, link=link, **options)
        row = table.loc[term]
        assert row.statistic == pytest.approx(gained(small, fit), rel=1e-8)
        assert (row.deviance, row.aic) == pytest.approx((small.deviance, small.aic), rel=1e-10)
        assert row.df == fit.rank - small.rank
        assert row.p_value == pytest.approx(stats.chi2.sf(row.statistic, row.df), rel=1e-10)
        score = fit.drop1(test="score").set_index("term").loc[term]
        assert score.statistic == pytest.approx(small.score_test(term).statistic[0], rel=1e-8)
        assert (score.deviance, score.aic) == (row.deviance, row.aic)


def test_aic_of_counts_has_the_binomial_coefficients(frame):
    cells = pd.DataFrame({"d": np.arange(8.0), "e": np.tile([0.0, 1], 4), "s": [1, 2, 4, 5, 7, 6, 9, 10], "n": 12})
    fit = gi.logit("cbind(s, n - s) ~ d + e", cells)
    small = gi.logit("cbind(s, n - s) ~ d", cells)
    row = fit.drop1().set_index("term").loc["e"]
    assert (row.deviance, row.aic) == pytest.approx((small.deviance, small.aic), rel=1e-12)
    added = small.add1("e").iloc[0]
    assert (added.deviance, added.aic) == pytest.approx((fit.deviance, fit.aic), rel=1e-12)


def test_drop1_is_lr_test_and_type_ii_of_the_same_terms(fit):
    table = fit.drop1().set_index("term")
    second = fit.anova().set_index("term")
    for term in table.index:
        assert table.statistic[term] == pytest.approx(fit.lr_test(term).statistic[0], rel=1e-10)
        assert table.statistic[term] == pytest.approx(second.statistic[term], rel=1e-10)


def test_aliased_terms_have_no_test(frame):
    fit = gi.logit("y ~ x + z + twice + total", frame.assign(twice=2 * frame.x, total=frame.x + frame.z + frame.u))
    table = fit.drop1().set_index("term")
    assert table.df.to_dict() == {"x": 0, "z": 1, "twice": 0, "total": 1}
    assert table.loc[["x", "twice"], ["statistic", "p_value"]].isna().all(axis=None)
    np.testing.assert_allclose(table.loc[["x", "twice"], "aic"], fit.aic, rtol=1e-12)


def test_separated_fits_can_lose_terms(frame):
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g", changed)
    rest = changed[changed.g != "c"]
    table = fit.drop1().set_index("term")
    limit, without = gi.logit("y ~ x + g", rest), gi.logit("y ~ g", rest)
    assert table.statistic["x"] == pytest.approx(gained(without, limit), rel=1e-8)
    assert table.deviance["x"] == pytest.approx(without.deviance, rel=1e-10)
    assert table.aic["x"] == pytest.approx(without.deviance + 2 * 3, rel=1e-10)
    assert table.statistic["g"] == pytest.approx(gained(gi.logit("y ~ x", changed), limit), rel=1e-8)
    score = fit.drop1(test="score").set_index("term")
    assert score.statistic["x"] == pytest.approx(without.score_test("x").statistic[0], rel=1e-7)
    assert score.df.to_dict() == {"x": 1, "g": 2}


# add1 ----------------------------------------------------------------------------------------------------------------


def test_forms_of_a_scope(frame):
    fit = gi.logit("y ~ x", frame)
    table = fit.add1("z + g")
    assert list(table.columns) == COLUMNS
    assert table.term.tolist() == ["z", "g"]
    for scope in (["z", "g"], ("z", "g"), "~ . + z + g", ". ~ . + z + g", "x + z + g", "~ x + z + g"):
        pd.testing.assert_frame_equal(fit.add1(scope), table)
    assert fit.add1("~ . + z").term.tolist() == ["z"]
    assert fit.add1("z*u").term.tolist() == ["z", "u", "z:u"]
    assert fit.add1("I(x**2) + `my col`").term.tolist() == ["I(x ** 2)", 'Q("my col")']


SCOPES = {  # add1 of R 4.2 on birthwt with a formula for a scope, epsilon = 1e-14
    ("low ~ age", "~ . + lwt*smoke"): {"lwt": 4.78857002435, "smoke": 4.63566685865},
    ("low ~ smoke*ht + age", "~ .^2"): {"smoke:age": 1.34911490069, "ht:age": 2.30780528762},
    ("low ~ smoke + age", "~ . + lwt*ht*age + ui:lwt"): {"lwt": 4.39693862731, "ht": 3.99495291011},
    ("low ~ smoke*ht", "~ ht*smoke + age"): {"age": 2.50272855494},
    ("low ~ smoke + age", "~ . + age:lwt"): {"age:lwt": 4.18711833398},
}


@pytest.mark.parametrize(("formula", "scope"), SCOPES)
def test_of_a_formula_what_contains_no_other_new_term_is_added(formula, scope):
    births = pd.read_csv(FOLDER / "data" / "birthwt.csv")
    fit, expected = gi.logit(formula, births), SCOPES[formula, scope]
    table = fit.add1(scope)
    assert table.term.tolist() == list(expected)
    np.testing.assert_allclose(table.statistic, list(expected.values()), rtol=1e-9)
    assert fit.add1(f"low {scope}", test="score").term.tolist() == list(expected)
    named = fit.add1(["smoke:lwt", "age:lwt", "lwt"])
    assert named.term.tolist() == ["lwt", "smoke:lwt", "age:lwt"]  # terms that are named are all tested


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        (
            "~ z",
            "The scope '~ z' lacks x, g of the fit, and add1 takes no term away. Begin it with '~ . +', where '.' "
            "stands for the terms of the fit.",
        ),
        ("~ x + g", "'~ x + g' adds no term: the fit has Intercept, x, g already."),
        ("", "No term is named; give the terms to test, such as 'x' or ['x', 'g']."),
        ([], "No term is named; give the terms to test, such as 'x' or ['x', 'g']."),
        (5, "Terms are named by text, such as 'x' or ['x', 'g']; this is 5 (int)."),
        (None, "Terms are named by text, such as 'x' or ['x', 'g']; this is None."),
        (["z", 2], "Terms are named by text, such as 'x' or ['x', 'g']; this is 2 (int)."),
        ("z +", "There is nothing after this '+'.\n    z +\n      ^"),
        (["z", "u)"], "This ')' closes nothing.\n    u)\n     ^"),
    ],
)
def test_scopes_that_cannot_be(frame, scope, says):
    fit = gi.logit("y ~ x + g", frame)
    for call in (fit.add1, fit.score_test):
        if not (call == fit.score_test and scope == "~ z"):
            with pytest.raises(gi.InputError) as caught:
                call(scope)
            assert str(caught.value) == says


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
@pytest.mark.parametrize("options", [{}, {"weights": "w", "offset": "o"}], ids=["plain", "weights and offset"])
def test_each_added_term_is_a_refit(frame, link, options):
    fit = gi.glm("y ~ x", frame, link=link, **options)
    table, score = fit.add1("z + g + x:z").set_index("term"), fit.add1("z + g + x:z", test="score").set_index("term")
    for term in table.index:
        large = gi.glm(f"y ~ x + {term}", frame, link=link, **options)
        row = table.loc[term]
        assert row.statistic == pytest.approx(gained(fit, large), rel=1e-8)
        assert (row.deviance, row.aic) == pytest.approx((large.deviance, large.aic), rel=1e-10)
        assert row.df == large.rank - fit.rank
        assert score.statistic[term] == pytest.approx(fit.score_test(term).statistic[0], rel=1e-8)


def test_adding_undoes_dropping(frame):
    fit = gi.logit("y ~ x + g + z", frame)
    down = fit.drop1().set_index("term")
    for term in ("x", "g", "z"):
        up = fit.update(f"~ . - {term}").add1(term).iloc[0]
        assert up.statistic == pytest.approx(down.statistic[term], rel=1e-8)
        assert (up.deviance, up.aic) == pytest.approx((fit.deviance, fit.aic), rel=1e-10)


def test_terms_without_a_new_column_have_no_test(frame):
    row = gi.logit("y ~ x + z", frame).add1("I(x - 2*z) + u").iloc[0]
    assert row.df == 0
    assert np.isnan(row.statistic)
    assert np.isnan(row.p_value)
    assert row.aic == pytest.approx(gi.logit("y ~ x + z", frame).aic, rel=1e-12)


def test_a_term_that_separates_can_be_added(frame):
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y))
    fit = gi.logit("y ~ x", changed)
    row = fit.add1("g").iloc[0]
    with pytest.warns(gi.SeparationWarning):
        large = gi.logit("y ~ x + g", changed)
    assert (row.deviance, row.aic) == pytest.approx((large.deviance, large.aic), rel=1e-10)
    assert row.statistic == pytest.approx(gained(fit, large), rel=1e-9)


def test_rows_that_miss_a_value_are_refused(frame):
    holes = frame.assign(z=frame.z.where(np.arange(300) >= 40), u=frame.u.where(np.arange(300) < 290))
    fit = gi.logit("y ~ x", holes)
    with pytest.raises(gi.InputError) as caught:
        fit.add1("z + u")
    assert str(caught.value) == (
        "50 rows of the fit miss a value needed for z, u (missing: 40 in z, 10 in u), and models on different rows "
        "cannot be compared. Refit on the rows complete in all columns, for example data.dropna(subset=[...])."
    )
    complete = gi.logit("y ~ x", holes.dropna(subset=["z", "u"]))
    assert complete.add1("z + u").term.tolist() == ["z", "u"]
    dropped_already = gi.logit("y ~ x + z", holes)
    with pytest.raises(
        gi.InputError, match=r"10 rows of the fit miss a value needed for u \(missing: 40 in z, 10 in u\)"
    ):
        dropped_already.add1("u")


def test_nothing_new_is_refused(frame):
    fit = gi.logit("y ~ x + g", frame)
    with pytest.raises(gi.InputError) as caught:
        fit.add1("g + x")
    assert str(caught.value) == "'g + x' adds no term: the fit has Intercept, x, g already."


def test_a_margin_that_changes_the_coding_is_refused(frame):
    """x:g without x has a slope for every level; with x beside it, one fewer: the fit is not nested by columns."""
    fit = gi.logit("y ~ x:g", frame)
    with pytest.raises(gi.InputError) as caught:
        fit.add1("x")
    assert str(caught.value) == (
        "Adding x changes how the terms of the fit are coded, so the fit is not nested in the wider model. Add the "
        "terms in a formula of your own and compare the fits by gi.anova(fit, wider)."
    )


def test_weights_offset_and_subset_of_the_fit_are_kept(frame):
    shuffled = frame.o.sample(frac=1, random_state=1)
    fit = gi.logit("y ~ x", frame, offset=shuffled, weights=frame.w.to_numpy(), subset="u < 0.8")
    large = gi.logit("y ~ x + z", frame, offset="o", weights="w", subset="u < 0.8")
    assert fit.add1("z").statistic[0] == pytest.approx(gained(fit, large), rel=1e-9)


def test_functions_of_the_caller_are_found_again(frame):
    def twisted(values):
        return np.sin(3 * values)

    fit = gi.logit("y ~ twisted(x)", frame)
    large = gi.logit("y ~ twisted(x) + z", frame)
    assert fit.add1("z").statistic[0] == pytest.approx(gained(fit, large), rel=1e-9)
    given = gi.logit("y ~ bent(x)", frame, env={"bent": twisted})
    assert given.add1("bent(z)").term.tolist() == ["bent(z)"]


# both ----------------------------------------------------------------------------------------------------------------


def test_printed(fit, frame):
    lines = repr(fit.drop1()).splitlines()
    assert lines[0] == "Each term dropped: likelihood-ratio tests, χ² reference"
    assert lines[1] == f"Model: y ~ x * g + z (AIC {fit.aic:.2f})"
    assert lines[2].split() == COLUMNS
    assert repr(fit.add1("u", test="score")).splitlines()[0] == "Each term added: score tests, χ² reference"


def test_refusals(fit, frame):
    for call in (fit.drop1, lambda test: fit.add1("u", test=test)):
        with pytest.raises(gi.InputError, match=r"test 'wald' is not known. Choose one of: LR, score"):
            call(test="wald")
    firth = gi.logit("y ~ x", frame, penalty=gi.Firth())
    with pytest.raises(gi.InputError, match="drop1 compares maxima of the likelihood, and this fit is penalised"):
        firth.drop1(test="score")
    with pytest.raises(gi.InputError, match="add1 compares maxima of the likelihood, and this fit is penalised"):
        firth.add1("z", test="score")
    with pytest.raises(TypeError, match=r"drop1\(\) has no argument 'tests'. Did you mean 'test'\?"):
        fit.drop1(tests="LR")


@pytest.mark.filterwarnings("ignore::glminfer.SeparationWarning")
@pytest.mark.parametrize("seed", [3, 11, 23, 37, 59])
def test_dropped_terms_of_a_separated_fit_with_aliased_columns(seed):
    """A relation between columns must not turn their zeros into rounding, which would look like a column."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=90), "s": rng.integers(0, 10, 90), "b": rng.random(90) < 0.3})
    frame["m"] = frame.s // 2
    chance = 1 / (1 + np.exp(-(frame.x + rng.normal(size=10)[frame.s])))
    frame["y"] = (rng.random(90) < chance).astype(int)
    for control in (gi.Control(coded=False), gi.Control(coded=True)):
        fit = gi.logit("y ~ C(m) + b:C(s) + x", frame, control=control)
        assert fit.aliased
        assert fit.recession is not None
        dropped = fit.drop1().set_index("term").deviance
        assert dropped["x"] == pytest.approx(gi.logit("y ~ C(m) + b:C(s)", frame).deviance, abs=1e-8)
        assert dropped["C(m)"] == pytest.approx(gi.logit("y ~ b:C(s) + x", frame).deviance, abs=1e-8)
