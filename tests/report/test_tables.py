"""The tables: columns and their order, values, and rows that stay where they are."""

import io

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

TIDY = [
    "term",
    "estimate",
    "std_error",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "df",
    "log10_p",
    "status",
]
GLANCE = [
    "nobs",
    "df_resid",
    "df_null",
    "loglik",
    "null_deviance",
    "deviance",
    "aic",
    "bic",
    "pearson_chi2",
    "mcfadden",
    "tjur",
    "nagelkerke",
    "status",
    "n_iter",
    "n_dropped",
]
AUGMENT = [".fitted", ".se_fit", ".prob", ".resid", ".hat", ".std_resid", ".cooksd"]


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(29)
    frame = pd.DataFrame(
        {"x": rng.normal(size=250), "z": rng.normal(size=250), "g": rng.choice(["a", "b", "c"], 250)},
        index=pd.Index(rng.permutation(250), name="trial"),
    )
    frame["y"] = (rng.uniform(size=250) < 1 / (1 + np.exp(-frame.x))).astype(int)
    return frame


@pytest.fixture(scope="module")
def fit(trials):
    return gi.logit("y ~ x * g", trials)


# tidy ----------------------------------------------------------------------------------------------------------------


def test_tidy_has_these_columns_and_one_row_for_each_coefficient(fit):
    table = fit.tidy()
    assert table.columns.tolist() == TIDY
    assert table.term.tolist() == ["Intercept", "x", "g[T.b]", "g[T.c]", "x:g[T.b]", "x:g[T.c]"]
    assert table.index.equals(pd.RangeIndex(6))
    assert table.term.tolist() == fit.coef.index.tolist()
    assert [str(dtype) for dtype in table.dtypes[1:9]] == ["float64"] * 8
    assert (table.status == "converged").all()


def test_tidy_holds_together(fit):
    from scipy import stats

    table = fit.tidy()
    assert np.array_equal(table.estimate, fit.coef)
    assert np.allclose(table.std_error, np.sqrt(np.diag(fit.vcov())), rtol=1e-12)
    assert np.allclose(table.statistic, table.estimate / table.std_error, rtol=1e-12)
    assert np.allclose(table.p_value, 2 * stats.norm.sf(abs(table.statistic)), rtol=1e-10)
    assert np.allclose(table.log10_p, np.log10(table.p_value), rtol=1e-10)
    assert np.isinf(table.df).all()
    half = stats.norm.ppf(0.975) * table.std_error
    assert np.allclose(
        table[["conf_low", "conf_high"]], np.c_[table.estimate - half, table.estimate + half], rtol=1e-12
    )
    assert np.allclose(fit.confint(method="wald").iloc[:, 1:], table[["conf_low", "conf_high"]])


def test_a_t_reference(fit):
    from scipy import stats

    table = fit.tidy(dof=7, level=0.9)
    assert (table.df == 7).all()
    assert np.allclose(table.p_value, 2 * stats.t.sf(abs(table.statistic), 7), rtol=1e-9)
    half = stats.t.ppf(0.95, 7) * table.std_error
    assert np.allclose(table.conf_high - table.estimate, half, rtol=1e-9)
    assert fit.tidy(dof=np.inf).equals(fit.tidy())


def test_odds_ratios_and_their_intervals(fit):
    plain, ratios = fit.tidy(level=0.8), fit.tidy(level=0.8, exponentiate=True)
    for name in ("estimate", "conf_low", "conf_high"):
        assert np.allclose(ratios[name], np.exp(plain[name]), rtol=1e-14)
    same = [name for name in TIDY if name not in ("estimate", "conf_low", "conf_high")]
    assert ratios[same].equals(plain[same])  # the standard error stays on the log scale


def test_odds_ratios_belong_to_the_logit(trials):
    with pytest.raises(
        gi.InputError, match=r"exponentiate=True gives odds ratios, which belong to the logit link; this fit"
    ):
        gi.glm("y ~ x", trials, link="probit").tidy(exponentiate=True)


def test_aliased_rows_stay_with_a_status_that_names_their_partners(trials):
    fit = gi.logit("y ~ x + z + both + g", trials.assign(both=trials.x - trials.z))
    table = fit.tidy()
    assert table.term.tolist() == ["Intercept", "x", "z", "both", "g[T.b]", "g[T.c]"]
    assert table.status[3] == "aliased: both = x - z"
    assert table.iloc[3, 1:7].isna().all()
    assert np.isnan(table.log10_p[3])
    assert fit.tidy(exponentiate=True).iloc[3, 1:7].isna().all()
    assert (fit.rank, fit.df_resid) == (5, 245)
    V = fit.vcov()
    assert V.columns.tolist() == ["Intercept", "x", "z", "g[T.b]", "g[T.c]"]
    assert fit.glance().aic[0] == pytest.approx(2 * 5 - 2 * fit.loglik)


@pytest.mark.parametrize(
    ("term", "status"),
    [
        ("dup", "aliased: dup = x"),
        ("half", "aliased: half = 0.5*x"),
        ("three", "aliased: three = 3"),
        ("zero", "aliased: zero = 0"),
        ("mix", "aliased: mix = 1 + 2*x - z"),
        ("big", "aliased: big = 1e+08*x"),
    ],
)
def test_relations_in_words(trials, term, status):
    frame = trials.assign(
        dup=trials.x, half=trials.x / 2, three=3, zero=0, mix=1 + 2 * trials.x - trials.z, big=1e8 * trials.x
    )
    fit = gi.logit(f"y ~ x + z + {term}", frame)
    assert fit.tidy().status[3] == status
    assert np.allclose(fit.coef.iloc[:3], gi.logit("y ~ x + z", trials).coef, rtol=1e-9)


def test_the_earlier_column_stays(trials):
    frame = trials.assign(both=trials.x + trials.z)
    assert gi.logit("y ~ both + x + z", frame).aliased == {"z": "z = both - x"}
    assert gi.logit("y ~ 0 + g + three", frame.assign(three=3)).aliased == {"three": "three = 3*g[a] + 3*g[b] + 3*g[c]"}


def test_confint_and_vcov_of_some_terms(fit):
    assert fit.confint(terms=["g"]).term.tolist() == ["g[T.b]", "g[T.c]"]
    assert fit.confint(terms=["x", "x:g[T.c]"]).term.tolist() == ["x", "x:g[T.c]"]
    assert fit.confint(0.5, terms="Intercept").shape == (1, 3)
    assert fit.confint().columns.tolist() == ["term", "conf_low", "conf_high"]
    V = fit.vcov()
    assert V.index.tolist() == V.columns.tolist() == fit.coef.index.tolist()
    assert np.allclose(V, V.T, rtol=1e-13)
    with pytest.raises(gi.InputError, match=r"'gg' is not known\."):
        fit.confint(terms=["gg"])


def test_tables_round_trip_through_csv(fit):
    for table in (fit.tidy(), fit.glance(), fit.augment().reset_index(drop=True), fit.crosscheck()):
        again = pd.read_csv(io.StringIO(table.to_csv(index=False)))
        pd.testing.assert_frame_equal(again, table, check_dtype=False, rtol=1e-14)


def test_tables_are_the_users_to_change(fit):
    for make in (fit.tidy, fit.glance, fit.augment, fit.vcov, fit.confint):
        table, before = make(), make()
        for j in [j for j, dtype in enumerate(table.dtypes) if dtype.kind == "f"]:
            table.iloc[:, j] = -7.0
        assert make().equals(before)
    coef = fit.coef
    coef.iloc[:] = 0
    assert (fit.coef != 0).all()


def test_intervals_of_the_budworm_experiment():
    frame = pd.DataFrame(
        {
            "sex": ["M"] * 6 + ["F"] * 6,
            "ldose": [*range(6), *range(6)],
            "dead": [1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16],
        }
    )
    table = gi.logit("cbind(dead, 20 - dead) ~ sex + ldose - 1", frame).tidy()
    assert table.term.tolist() == ["sex[F]", "sex[M]", "ldose"]
    wald = [[-4.3914, -2.5549], [-3.1280, -1.6168], [0.8073, 1.3211]]
    assert np.allclose(table[["conf_low", "conf_high"]], wald, rtol=0, atol=5.1e-5)


# glance --------------------------------------------------------------------------------------------------------------


def test_glance_is_one_row_of_these_columns(fit, trials):
    table = fit.glance()
    assert table.columns.tolist() == GLANCE
    assert len(table) == 1
    row = table.iloc[0]
    assert (row.nobs, row.df_resid, row.df_null, row.n_dropped) == (250, 244, 249, 0)
    assert row.status == "converged"
    p = fit.predict()
    assert row.loglik == pytest.approx(np.log(np.where(trials.y == 1, p, 1 - p)).sum(), rel=1e-12)
    assert row.deviance == pytest.approx(-2 * row.loglik, rel=1e-12)
    mean = trials.y.mean()
    assert row.null_deviance == pytest.approx(-500 * (mean * np.log(mean) + (1 - mean) * np.log(1 - mean)), rel=1e-12)
    assert row.aic == pytest.approx(12 - 2 * row.loglik)
    assert row.bic == pytest.approx(6 * np.log(250) - 2 * row.loglik)
    assert row.pearson_chi2 == pytest.approx(((trials.y - p) ** 2 / (p * (1 - p))).sum(), rel=1e-10)
    assert row.mcfadden == pytest.approx(1 - row.deviance / row.null_deviance, rel=1e-12)
    assert row.tjur == pytest.approx(p[trials.y == 1].mean() - p[trials.y == 0].mean(), rel=1e-10)
    gain = row.null_deviance - row.deviance
    assert row.nagelkerke == pytest.approx(
        (1 - np.exp(-gain / 250)) / (1 - np.exp(-row.null_deviance / 250)), rel=1e-10
    )


def test_attributes_and_glance_agree(fit):
    row = fit.glance().iloc[0]
    for name in (
        "nobs",
        "df_resid",
        "df_null",
        "loglik",
        "null_deviance",
        "deviance",
        "aic",
        "bic",
        "n_iter",
        "n_dropped",
    ):
        assert getattr(fit, name) == row[name]
    assert str(fit.status) == row.status
    assert fit.converged is True
    assert fit.formula == "y ~ x * g"
    assert fit.event == "y = 1"
    assert (fit.rank, fit.aliased, fit.notes) == (6, {}, ())


def test_glance_of_grouped_rows(trials):
    grouped = trials.groupby("g", as_index=False).agg(s=("y", "sum"), n=("y", "size"))
    row = gi.logit("cbind(s, n - s) ~ g", grouped).glance().iloc[0]
    assert np.isnan(row.tjur)
    assert (row.nobs, row.df_resid) == (3, 0)
    single = gi.logit("y ~ g", trials).glance().iloc[0]
    assert row.null_deviance - row.deviance == pytest.approx(single.null_deviance - single.deviance, rel=1e-9)
    for name in ("mcfadden", "nagelkerke"):
        assert row[name] == pytest.approx(single[name], rel=1e-9)


def test_no_intercept_has_all_rows_as_null_degrees_of_freedom(trials):
    row = gi.logit("y ~ 0 + x", trials).glance().iloc[0]
    assert (row.df_null, row.df_resid) == (250, 249)
    assert row.null_deviance == pytest.approx(500 * np.log(2))


# augment -------------------------------------------------------------------------------------------------------------


def test_augment_has_the_data_and_these_columns(fit, trials):
    table = fit.augment()
    assert table.columns.tolist() == [*trials.columns, *AUGMENT]
    assert table.index.equals(trials.index)
    assert table[trials.columns.tolist()].equals(trials)
    assert table[".fitted"].equals(fit.predict(type="link").rename(".fitted"))
    assert table[".prob"].equals(fit.predict().rename(".prob"))
    assert table[".resid"].equals(fit.residuals().rename(".resid"))
    assert np.allclose(table[".std_resid"], table[".resid"] / np.sqrt(1 - table[".hat"]), rtol=1e-12)


def test_augment_of_new_rows(fit, trials):
    new = trials.head(4).drop(columns="y").assign(extra=1)
    table = fit.augment(new)
    assert table.columns.tolist() == ["x", "z", "g", "extra", ".fitted", ".se_fit", ".prob"]
    assert table.index.equals(new.index)
    assert np.allclose(table[AUGMENT[:3]], fit.augment()[AUGMENT[:3]].head(4), rtol=1e-10)


def test_augment_keeps_dropped_rows_in_their_place(trials):
    frame = trials.assign(x=trials.x.where(trials.z < 1), g=trials.g.where(trials.z > -1))
    fit = gi.logit("y ~ x + g", frame, subset="z < 2")
    table = fit.augment()
    used = frame.x.notna() & frame.g.notna()
    assert table.index.equals(frame.index)
    assert table[AUGMENT].notna().all(axis=1).equals(used)
    assert table[AUGMENT].isna().all(axis=1).equals(~used)
    exact = gi.logit("y ~ x + g", frame[used]).augment()
    assert np.allclose(table.loc[used, AUGMENT], exact[AUGMENT], rtol=1e-9)


def test_augment_replaces_the_columns_of_another_fit(trials):
    first = gi.logit("y ~ x", trials).augment()
    second = gi.logit("y ~ z", first)
    fresh = gi.logit("y ~ z", trials)
    assert second.augment().equals(fresh.augment())
    assert second.augment(first).equals(fresh.augment(trials))
    assert first.columns.is_unique


def test_augment_carries_columns_a_model_could_not_use(trials):
    frame = trials.assign(when=pd.date_range("2026-01-01", periods=250), note=[{"a": 1}] * 250)
    table = gi.logit("y ~ x", frame).augment()
    assert table["when"].equals(frame["when"])
    assert table["note"].tolist() == frame["note"].tolist()


def test_the_trace_of_the_solver(fit):
    trace = fit.trace
    assert trace.columns.tolist() == ["step", "loglik", "max_abs_score", "step_size", "seconds"]
    assert trace.step.tolist() == list(range(len(trace)))
    assert (np.diff(trace.loglik) >= 0).all()
    assert trace.loglik.iloc[-1] == pytest.approx(fit.loglik, rel=1e-12)
    assert trace.max_abs_score.iloc[-1] < 1e-6
