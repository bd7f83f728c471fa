"""Tests over many models: each row is what the single fit says."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

N = 260
NAMES = ["y0", "y1", "y3", "y5", "y7", "y11"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    return pd.DataFrame(
        {
            "x": rng.standard_normal(N),
            "z": rng.standard_normal(N),
            "g": rng.choice(list("abc"), N),
            "m": np.arange(N) % 20,
        }
    )


@pytest.fixture(scope="module")
def outcomes(data):
    """y3 silent, y5 separated by x, y7 with missing values, y11 separated by a level of g."""
    rng = np.random.default_rng(12)
    Y = pd.DataFrame((rng.random((N, 12)) < 0.5).astype(float), columns=[f"y{k}" for k in range(12)])
    Y["y3"], Y["y5"] = 0.0, (data.x > 0).astype(float)
    Y.loc[20:70, "y7"] = np.nan
    Y["y11"] = np.where(data.g == "c", 1.0, Y["y11"])
    return Y[NAMES]


@pytest.fixture(scope="module")
def fits(data, outcomes):
    return gi.logit_many("x * z + C(g)", data, outcomes=outcomes)


@pytest.fixture(scope="module")
def each(data, outcomes):
    rng = np.random.default_rng(13)
    candidates = pd.DataFrame(rng.poisson(2, (N, 5)).astype(float), columns=list("pqrst"))
    candidates["q"], candidates["r"] = 1 + data.x, outcomes.y0 * 2.0
    candidates.loc[:30, "s"] = np.nan
    return gi.logit_each("y0 ~ x * {x} + C(g)", data.assign(y0=outcomes.y0), covariates=candidates)


def agree(row, expected):
    df = int(expected.df)
    assert int(row.df) == df
    if df:
        assert np.isclose(row.statistic, expected.statistic, rtol=1e-8, atol=1e-8, equal_nan=True)
        assert np.isclose(row.p_value, expected.p_value, rtol=1e-7, atol=1e-12, equal_nan=True)
    else:
        assert np.isnan(row.p_value)


@pytest.mark.parametrize("terms", ["x + x:z", "C(g)", ["z", "x:z"], "x + z + C(g) + z:x"])
@pytest.mark.parametrize("test", ["lr_test", "score_test"])
def test_tests_of_terms(fits, terms, test):
    table = getattr(fits, test)(terms).set_index("outcome")
    assert np.isnan(table.p_value["y3"])
    for name in ["y0", "y5", "y7", "y11"]:
        if test == "lr_test":
            agree(table.loc[name], fits[name].lr_test(terms).iloc[0])
        elif name in ("y0", "y7"):
            kept = [t for t in ("x", "z", "x:z", "C(g)") if t not in _terms(terms)]
            small = fits[name].update(f"~ {' + '.join(kept) or '1'}")
            agree(table.loc[name], small.score_test(_terms(terms)).iloc[0])


def _terms(terms):
    return list(terms) if isinstance(terms, list) else [t.replace("z:x", "x:z") for t in terms.split(" + ")]


@pytest.mark.parametrize("options", [{"cov": "HC0"}, {"cluster": "m"}, {"cov": "CR0", "cluster": "m"}])
def test_robust_score_tests(fits, each, options):
    table = fits.score_test("x:z", **options).set_index("outcome")
    for name in ["y0", "y7"]:
        small = fits[name].update("~ . - x:z")
        agree(table.loc[name], small.score_test("x:z", **options).iloc[0])
    table = each.score_test("x:{x}", **options).set_index("covariate")
    for name in ["p", "s"]:
        small = each[name].update(f"~ . - x:{name}")
        agree(table.loc[name], small.score_test(f"x:{name}", **options).iloc[0])


def test_by_default_everything_is_tested_that_a_model_has_of_its_own(fits, each):
    everything = fits.lr_test()
    assert everything.hypothesis[0] == "x = z = C(g) = x:z = 0"
    for name in ["y0", "y7"]:
        fit = fits[name]
        row = everything[everything.outcome == name].iloc[0]
        assert np.isclose(row.statistic, fit.null_deviance - fit.deviance, rtol=1e-8)
    table = each.lr_test().set_index("covariate")
    assert table.hypothesis["p"] == "p = x:p = 0"
    assert table.p_adjusted.notna().sum() == table.p_value.notna().sum()
    for name in each:
        agree(table.loc[name], each[name].lr_test([name, f"x:{name}"]).iloc[0])
    scores = each.score_test().set_index("covariate")
    for name in ["p", "s"]:
        fit = each[name]
        small = gi.logit("y0 ~ x + C(g)", fit.frame().dropna(subset=[name]))
        agree(scores.loc[name], small.score_test([name, f"x:{name}"]).iloc[0])


@pytest.mark.parametrize("kind", ["I", "II", "III"])
@pytest.mark.parametrize("test", ["LR", "score", "wald"])
def test_analysis_of_deviance(fits, each, kind, test):
    if (kind, test) == ("I", "wald"):
        with pytest.raises(gi.InputError, match="no sequential form"):
            fits.anova(type=kind, test=test)
        return
    for many, names in ((fits, ["y0", "y5", "y7", "y11"]), (each, ["p", "q", "s"])):
        table = many.anova(type=kind, test=test)
        first = table.columns[0]
        for name in names:
            rows, expected = table[table[first] == name], many[name].anova(type=kind, test=test)
            assert rows.term.tolist() == expected.term.tolist()
            for k in range(len(rows)):
                agree(rows.iloc[k], expected.iloc[k])
        assert table.attrs["adjustment"].startswith("fdr_bh")
    assert (table.groupby("covariate").size() == len(expected)).all()


def test_score_anova_without_interactions_is_batched(data, outcomes):
    fits = gi.logit_many("x + z + C(g)", data, outcomes=outcomes)
    table = fits.anova(test="score")
    for name in ["y0", "y7", "y11"]:
        rows, expected = table[table.outcome == name], fits[name].anova(test="score")
        for k in range(3):
            agree(rows.iloc[k], expected.iloc[k])


def test_groups_of_candidates(data, outcomes):
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(rng.poisson(2, (N, 6)), columns=[f"n{k}" for k in range(6)])
    frame = data.join(outcomes).join(counts)
    areas = {"A": ["n0", "n1", "n2"], "B": ["n3", "n4"]}
    fits = gi.logit_each("y0 ~ x", frame, covariates=areas)
    table = fits.lr_test().set_index("covariate")
    assert table.df.tolist() == [3, 2]
    for area, members in areas.items():
        agree(table.loc[area], fits[area].lr_test(members).iloc[0])
    assert fits.lr_test("{x}").p_value.tolist() == table.p_value.tolist()


def test_penalised_fits_have_no_likelihood_ratio(data, outcomes):
    fits = gi.logit_many("x", data, outcomes=outcomes, penalty=gi.Firth())
    with pytest.raises(gi.InputError, match="these fits are penalised"):
        fits.lr_test("x")


def test_unknown_terms(fits):
    with pytest.raises(gi.InputError, match="'w' is not a term of this fit"):
        fits.lr_test("w")


@pytest.mark.parametrize("method", ["profile", "score", "wald"])
def test_intervals_of_chosen_terms(fits, each, method):
    table = fits.confint(["x", "x:z"], method=method, level=0.9)
    assert table.columns.tolist() == ["outcome", "term", "conf_low", "conf_high"]
    for name in ["y0", "y5", "y7"]:
        rows, expected = table[table.outcome == name], fits[name].confint(method=method, terms=["x", "x:z"], level=0.9)
        assert np.allclose(
            rows[["conf_low", "conf_high"]], expected[["conf_low", "conf_high"]], rtol=1e-6, equal_nan=True
        )
    assert table[table.outcome == "y3"].conf_low.isna().all()
    rows = each.confint("{x}", method=method)
    assert rows.term.tolist() == list("pqrst")
    expected = each["s"].confint(method=method, terms=["s"])
    assert np.allclose(rows.iloc[3, 2:].astype(float), expected.iloc[0, 1:].astype(float), rtol=1e-6)


def test_intervals_refuse_what_they_cannot_do(fits):
    with pytest.raises(gi.InputError, match="comes from the likelihood"):
        fits.confint("x", cov="HC1")
    with pytest.raises(gi.InputError, match=r"'xx' is no term or coefficient of these models. Did you mean 'x'"):
        fits.confint("xx")


def test_a_term_without_columns_is_not_tested(data, outcomes):
    frame = data.assign(same="u", twice=2 * data.x)
    fits = gi.logit_many("x + same + twice", frame, outcomes=outcomes)
    plain = gi.logit_many("x", frame, outcomes=outcomes)
    for test in (fits.lr_test, fits.score_test):
        for term in ("same", "twice"):
            table = test(term)
            assert table.df.tolist() == [0] * len(NAMES)
            assert table[["statistic", "p_value", "p_adjusted"]].isna().all(axis=None)
            assert table.status.tolist() == fits.status.tolist()
    for test in ("LR", "score"):
        table = fits.anova(test=test).query("term == 'same'")
        assert table.df.tolist() == [0] * len(NAMES)
    together = fits.score_test(["x", "same", "twice"], adjust=None).statistic
    assert np.allclose(together, plain.score_test("x", adjust=None).statistic, rtol=1e-10, equal_nan=True)


def test_models_of_a_constant_have_nothing_to_test(data, outcomes):
    fits = gi.logit_many("1", data, outcomes=outcomes)
    for ask in (fits.lr_test, fits.score_test):
        with pytest.raises(gi.InputError) as caught:
            ask()
        assert str(caught.value) == "The models have no term but the intercept, so there is nothing to test."


@pytest.mark.parametrize(
    ("formula", "asked"),
    [
        ("a + b + c + e + z", ["a", "e", "z", "a + b", "a + e", "a + b + c + e"]),
        ("e + z + a + b + c", ["e", "c", "a + b", "c + e"]),
        ("a + z + I(2 * a)", ["a", "z", "I(2 * a)"]),
        ("far + z + I(2 * far)", ["far", "z", "far + I(2 * far)"]),
        ("C(g) + nest", ["C(g)", "nest"]),
        ("z + nest + C(g)", ["nest", "C(g)", "z"]),
        ("0 + C(g) + nest + z", ["C(g)", "nest", "z"]),
    ],
)
@pytest.mark.parametrize("of", ["outcomes", "candidates"])
def test_aliased_columns_stay_when_those_they_are_made_of_are_dropped(formula, asked, of):
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(rng.normal(size=(400, 6)), columns=["a", "b", "c", "z", "n0", "n1"])
    levels = rng.integers(0, 20, 400)
    made = {"e": 0.1 * frame.a + 0.7 * frame.b - 0.3 * frame.c, "far": 1e6 + frame.b}
    labels = {"g": pd.Categorical(levels.astype(str)), "nest": pd.Categorical((levels // 4).astype(str))}
    frame = frame.assign(**made, **labels, y=rng.integers(0, 2, 400), y2=rng.integers(0, 2, 400))
    if of == "outcomes":
        fits = gi.logit_many(formula, frame, outcomes=["y", "y2"])
    else:
        fits = gi.logit_each(f"y ~ {formula}", frame, covariates=["n0", "n1"])
    fit = fits[fits.names[1]]
    for terms in asked:
        for test in ("lr_test", "score_test"):
            table = getattr(fits, test)(terms, adjust=None)
            _same_df_and_statistic(table.iloc[[1]], getattr(fit, test)(terms))
    for test in ("LR", "score"):
        table = fits.anova(test=test, adjust=None)
        _same_df_and_statistic(
            table[table[of[:-1].replace("candidate", "covariate")] == fits.names[1]], fit.anova(test=test)
        )


def _same_df_and_statistic(table, single):
    assert table.df.tolist() == single.df.tolist()
    assert np.allclose(table.statistic, single.statistic, rtol=1e-7, atol=1e-9, equal_nan=True)
