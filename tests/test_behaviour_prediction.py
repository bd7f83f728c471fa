"""Predictions: new rows of every kind, rows that miss something, intervals, classes, terms, offsets, scores."""

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import glminfer as gi

N = 200


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(13)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.normal(size=N),
            "g": rng.choice(["a", "b", "c"], N),
            "k": rng.integers(1, 4, N),
        }
    )
    frame["y"] = (rng.uniform(size=N) < 1 / (1 + np.exp(-frame.x))).astype(int)
    return frame


@pytest.fixture(scope="module")
def fit(trials):
    return gi.logit("y ~ x * g + z", trials)


# rows ----------------------------------------------------------------------------------------------------------------


def test_the_fitted_rows_are_the_default(fit, trials):
    assert fit.predict().equals(fit.predict(trials))
    assert fit.predict().name == "predicted_response"
    assert np.allclose(fit.predict(type="link"), np.log(fit.predict() / (1 - fit.predict())))
    assert fit.predict().mean() == pytest.approx(trials.y.mean(), rel=1e-9)  # the intercept's score is zero


def test_one_row_one_level_and_no_row(fit, trials):
    for rows in (trials.iloc[[17]], trials[trials.g == "b"], trials.iloc[:0], trials.iloc[[3, 3, 9]]):
        assert np.allclose(fit.predict(rows), fit.predict().loc[rows.index], rtol=1e-12)
        assert fit.predict(rows).index.equals(rows.index)
        assert len(fit.augment(rows)) == len(rows)


def test_only_the_columns_of_the_formula_are_needed(fit, trials):
    fewer = trials[["g", "z", "x"]].head(4)
    assert fit.predict(fewer).equals(fit.predict(trials.head(4)))


def test_scalars_fill_every_row(fit):
    table = fit.predict({"x": [0, 1, 2], "g": "b", "z": 0.5})
    assert len(table) == 3
    assert fit.predict({"x": 0, "g": "b", "z": 0.5})[0] == table[0]


FRAMES = {
    "pandas": lambda f: f,
    "dict of lists": lambda f: f.to_dict("list"),
    "dict of arrays": lambda f: {name: f[name].to_numpy() for name in f},
    "dict of Series": lambda f: dict(f.items()),
    "polars": pl.from_pandas,
    "polars lazy": lambda f: pl.from_pandas(f).lazy(),
    "pyarrow": lambda f: pa.Table.from_pandas(f, preserve_index=False),
    "duckdb": lambda f: duckdb.sql("select * from f"),
    "narwhals": nw.from_native,
    "nullable": lambda f: f.convert_dtypes(),
    "Arrow dtypes": lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    "Categorical": lambda f: f.assign(g=f.g.astype("category")),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_new_rows_of_any_kind_of_frame(fit, trials, kind):
    new = trials.head(6).drop(columns="y")
    given = FRAMES[kind](new)
    assert np.array_equal(fit.predict(given), fit.predict(new))
    assert fit.predict(given, interval="confidence").equals(fit.predict(new, interval="confidence"))
    table = fit.augment(FRAMES[kind](new))
    assert table.columns.tolist() == ["x", "z", "g", "k", ".fitted", ".se_fit", ".prob"]
    assert table.g.tolist() == new.g.tolist()


def test_arrays_have_no_column_names(fit):
    with pytest.raises(gi.DataError, match=r"The data are an array of shape \(3, 3\), which has no named columns"):
        fit.predict(np.zeros((3, 3)))


def test_a_column_that_is_not_there(fit, trials):
    with pytest.raises(gi.InputError, match=r"no column .z.\. The columns are x, g"):
        fit.predict(trials[["x", "g"]])


def test_a_column_of_another_kind(fit):
    with pytest.raises(gi.DataError, match="x was numeric when the model was fitted and holds labels in the new data"):
        fit.predict({"x": ["low", "high"], "z": 0.0, "g": "a"})


# missing and unseen --------------------------------------------------------------------------------------------------


def test_rows_that_miss_a_predictor_keep_their_place(fit):
    new = pd.DataFrame({"x": [0.5, np.nan, 2], "z": [1, 1, 1], "g": ["b", "a", None]}, index=["p", "q", "r"])
    for answer in (
        fit.predict(new),
        fit.predict(new, type="link"),
        fit.predict(new, interval="confidence"),
        fit.predict(new, type="terms"),
        fit.augment(new)[[".fitted", ".se_fit", ".prob"]],
    ):
        assert answer.index.tolist() == ["p", "q", "r"]
        assert answer.loc["p"].notna().all() if answer.ndim == 2 else answer["p"] > 0
        assert answer.loc[["q", "r"]].isna().all(axis=None)


def test_predicted_classes_of_rows_that_miss_a_predictor_are_none(fit):
    new = {"x": [0.5, None, 2], "z": 1, "g": ["b", "a", None]}
    assert fit.predict(new, type="class").tolist() == [1, None, None]


def test_all_rows_missing(fit):
    assert fit.predict({"x": [np.nan, np.nan], "z": 1, "g": "a"}).isna().all()


def test_unseen_levels_are_refused_by_column_level_and_number_of_rows(fit):
    new = {"x": [0.5, 1, 2, 3], "z": 1, "g": ["b", "q", "r", "q"]}
    with pytest.raises(gi.DataError) as caught:
        fit.predict(new)
    assert str(caught.value) == (
        "The new data hold levels that were not there when the model was fitted: g: 'q', 'r' in 3 rows (the fit "
        "knows 'a', "
        "'b', 'c'). Leave these rows out, or use unseen='nan' to get NaN for them."
    )
    for call in (lambda: fit.augment(new), lambda: fit.score({**new, "y": [0, 1, 0, 1]})):
        with pytest.raises(gi.DataError, match="g: 'q', 'r' in 3 rows"):
            call()


def test_unseen_nan_gives_missing_values(fit):
    new = {"x": [0.5, 1, 2, 3], "z": 1, "g": ["b", "q", "r", None]}
    assert fit.predict(new, unseen="nan").isna().tolist() == [False, True, True, True]
    assert fit.predict(new, interval="confidence", unseen="nan").isna().all(axis=1).tolist() == [
        False,
        True,
        True,
        True,
    ]
    known = {name: value if np.isscalar(value) else value[:1] for name, value in new.items()}
    assert fit.predict(new, unseen="nan")[0] == fit.predict(known)[0]


def test_levels_that_were_dropped_at_the_fit_are_unseen(trials):
    fit = gi.logit("y ~ x + g", trials, subset="g != 'c'")
    with pytest.raises(gi.DataError, match=r"g: 'c' in \d+ rows \(the fit knows 'a', 'b'\)"):
        fit.predict(trials)
    assert fit.predict(trials, unseen="nan").isna().equals(trials.g == "c")


def test_numbers_in_a_factor_are_recognised_whatever_their_type(trials):
    fit = gi.logit("y ~ C(k)", trials)
    expected = fit.predict({"k": [1, 3]})
    assert fit.predict({"k": [1.0, 3.0]}).equals(expected)
    assert fit.predict({"k": [1.0, np.nan, 3.0]})[[0, 2]].tolist() == expected.tolist()
    with pytest.raises(gi.DataError, match=r"C\(k\): 7 in 1 row \(the fit knows 1, 2, 3\)"):
        fit.predict({"k": [1, 7]})


def test_bools_and_their_spellings(trials):
    fit = gi.logit("y ~ b + x", trials.assign(b=trials.z > 0))
    new = pd.DataFrame({"b": [True, False], "x": 0.0})
    expected = fit.predict(new)
    for spelling in (new.b.astype("boolean"), new.b.astype("bool[pyarrow]"), new.b.astype(object), [True, False]):
        assert fit.predict(new.assign(b=spelling)).equals(expected)


def test_infinite_new_values_are_refused(fit):
    with pytest.raises(gi.DataError, match=r"x is infinite in 1 row of the new data, .* make the values missing"):
        fit.predict({"x": [0.0, np.inf], "z": 1, "g": "a"})


# intervals -----------------------------------------------------------------------------------------------------------


def test_intervals_are_built_on_the_link_and_stay_inside_the_unit_interval(fit):
    new = {"x": np.linspace(-40, 40, 41), "z": 0.0, "g": "c"}
    link, prob = (fit.predict(new, type=kind, interval="confidence") for kind in ("link", "response"))
    assert link.columns.tolist() == prob.columns.tolist() == ["estimate", "std_error", "conf_low", "conf_high"]
    assert np.allclose(link.conf_high - link.conf_low, 2 * 1.959963984540054 * link.std_error)
    for end in ("estimate", "conf_low", "conf_high"):
        assert prob[end].between(0, 1).all()
        assert np.allclose(prob[end], 1 / (1 + np.exp(-link[end])), rtol=1e-10)
    assert np.allclose(prob.std_error, link.std_error * prob.estimate * (1 - prob.estimate), rtol=1e-8)


def test_the_level_of_an_interval(fit, trials):
    narrow, wide = (fit.predict(trials.head(3), interval="confidence", level=level) for level in (0.5, 0.99))
    assert (narrow.conf_low > wide.conf_low).all()
    assert (narrow.conf_high < wide.conf_high).all()
    assert narrow.estimate.equals(wide.estimate)


def test_the_standard_error_of_a_prediction_is_that_of_the_combination(fit, trials):
    V, row = fit.vcov(), fit.predict({"x": 2.0, "z": 0.0, "g": "b"}, type="link", interval="confidence")
    v = pd.Series({"Intercept": 1.0, "x": 2, "g[T.b]": 1, "x:g[T.b]": 2}).reindex(V.index, fill_value=0)
    assert row.std_error[0] == pytest.approx(np.sqrt(v @ V @ v), rel=1e-10)
    assert row.estimate[0] == pytest.approx(v @ fit.coef, rel=1e-10)
    assert np.allclose(fit.augment()[".se_fit"], fit.predict(type="link", interval="confidence").std_error, rtol=1e-9)


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_intervals_of_other_links_stay_inside_too(trials, link):
    table = gi.glm("y ~ x", trials, link=link).predict({"x": [-50.0, 0, 50]}, interval="confidence")
    assert table.notna().all(axis=None)
    for end in ("estimate", "conf_low", "conf_high"):
        assert table[end].between(0, 1).all()
    assert (table.conf_low <= table.estimate).all()
    assert (table.estimate <= table.conf_high).all()


# class and terms -----------------------------------------------------------------------------------------------------


def test_the_threshold_of_a_class(trials):
    frame = trials.assign(choice=np.where(trials.y == 1, "right", "left"))
    fit = gi.logit("choice ~ x", frame)
    p = fit.predict()
    for threshold in (0.2, 0.5, 0.8):
        assert (fit.predict(type="class", threshold=threshold) == "right").equals(
            (p > threshold).rename("predicted_class")
        )
    assert (fit.predict(type="class", threshold=0) == "right").all()
    assert (fit.predict(type="class", threshold=1) == "left").all()


def test_terms_add_up_to_the_link_and_are_centred(fit, trials):
    table = fit.predict(type="terms")
    assert table.columns.tolist() == ["constant", "x", "g", "z", "x:g"]
    assert np.allclose(table.sum(axis=1), fit.predict(type="link"), rtol=1e-10)
    assert np.allclose(table.iloc[:, 1:].mean(), 0, atol=1e-12)
    assert np.allclose(fit.predict(trials.head(3), type="terms"), table.head(3))
    free = gi.logit("y ~ 0 + x + g", trials).predict(type="terms")
    assert (free.constant == 0).all()


def test_terms_with_an_offset(trials):
    fit = gi.logit("y ~ x + offset(z)", trials)
    table = fit.predict(type="terms")
    assert table.columns.tolist() == ["constant", "x", "offset"]
    assert np.array_equal(table.offset, trials.z)
    assert np.allclose(table.sum(axis=1), fit.predict(type="link"))


# offsets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options"),
    [("y ~ x + offset(z)", {}), ("y ~ x", {"offset": "z"}), ("y ~ x + offset(z / 2)", {"offset": "h"})],
)
def test_offsets_are_honoured_in_new_rows(trials, formula, options):
    fit = gi.logit(formula, trials.assign(h=trials.z / 2), **options)
    new = pd.DataFrame({"x": [0.0, 0.0, 1.0], "z": [0.0, 3.0, np.nan], "h": [0.0, 1.5, 1.0]})
    eta = fit.predict(new, type="link")
    assert eta[0] == fit.coef["Intercept"]
    assert eta[1] - eta[0] == pytest.approx(3, rel=1e-12)
    assert np.isnan(eta[2])
    with pytest.raises(gi.InputError, match="no column 'z'"):
        fit.predict({"x": [0.0], "h": [0.0]})


def test_an_offset_given_as_values_is_not_known_for_new_rows(trials):
    fit = gi.logit("y ~ x", trials, offset=trials.z.to_numpy())
    assert np.allclose(fit.predict(type="link") - trials.z, fit.coef.iloc[0] + fit.coef.iloc[1] * trials.x)
    with pytest.raises(gi.DataError) as caught:
        fit.predict(trials)
    assert str(caught.value) == (
        "The model was fitted with offset= given as values, which are not known for new data. Fit it with "
        "offset='z', or "
        "offset(z) in the formula, so that new data carry the column."
    )


def test_new_rows_need_no_weights_trials_or_outcome(trials):
    fit = gi.logit("y ~ x", trials, weights=trials.k.to_numpy())
    assert fit.predict({"x": [0.0]}).notna().all()
    grouped = gi.logit("cbind(y, k) ~ x", trials)
    assert grouped.predict({"x": [0.0]}).notna().all()


# scores --------------------------------------------------------------------------------------------------------------


def test_scores_of_new_rows(fit, trials):
    table = fit.score(trials.head(50))
    assert table.columns.tolist() == ["accuracy", "auc", "brier", "log_loss", "n"]
    p, y = fit.predict(trials.head(50)), trials.y.head(50)
    assert table.accuracy[0] == pytest.approx(((p > 0.5) == (y == 1)).mean())
    assert table.brier[0] == pytest.approx(((p - y) ** 2).mean())
    assert table.log_loss[0] == pytest.approx(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())
    pairs = (p[y == 1].to_numpy()[:, None] > p[y == 0].to_numpy()).mean()
    assert table.auc[0] == pytest.approx(pairs)
    assert table.n[0] == 50
    assert fit.score().log_loss[0] == pytest.approx(-fit.loglik / N, rel=1e-10)


def test_scores_of_counts_are_those_of_their_trials():
    grouped = pd.DataFrame({"s": [1, 3, 5], "f": [4, 3, 1], "x": [0.0, 1.0, 2.0]})
    single = pd.DataFrame(
        [(x, y) for s, f, x in grouped.to_numpy() for y in [1] * int(s) + [0] * int(f)], columns=["x", "y"]
    )
    one, other = gi.logit("cbind(s, f) ~ x", grouped).score(), gi.logit("y ~ x", single).score()
    assert np.allclose(one, other, rtol=1e-9)


def test_scores_leave_out_rows_that_miss_something(fit, trials):
    assert fit.score(trials.assign(x=trials.x.where(trials.z > 0))).n[0] == (trials.z > 0).sum()


def test_one_outcome_only_has_no_auc(fit, trials):
    table = fit.score(trials[trials.y == 1])
    assert np.isnan(table.auc[0])
    assert table.n[0] == trials.y.sum()


def test_contributions_of_columns_far_from_zero_keep_their_digits():
    """x at 1e9: what a term adds is told about the mean, and all parts add up to the linear predictor."""
    rng = np.random.default_rng(0)
    near = pd.DataFrame({"x": rng.normal(size=400), "z": rng.normal(size=400), "g": rng.choice(list("abc"), 400)})
    near["x"] = (near.x + 1e9) - 1e9  # what can be stored there
    near["y"] = (rng.uniform(size=400) < 1 / (1 + np.exp(-near.x))).astype(int)
    far = near.assign(x=near.x + 1e9)
    one, other = (gi.logit("y ~ x + z + g", data) for data in (near, far))
    for here, there in ((None, None), (near[:50], far[:50])):
        a, b = one.predict(here, type="terms"), other.predict(there, type="terms")
        difference = b.x - a.x  # the mean itself is known to its last digit, 1e-7
        assert np.ptp(difference) < 1e-12
        assert abs(difference).max() < 3e-7
        np.testing.assert_allclose(b[["z", "g"]], a[["z", "g"]], atol=1e-12)
        np.testing.assert_allclose(b.sum(axis=1), other.predict(there, type="link"), atol=1e-12)
        np.testing.assert_allclose(other.predict(there, type="link"), one.predict(here, type="link"), atol=1e-12)
        np.testing.assert_allclose(other.predict(there), one.predict(here), atol=1e-12)
    coded = gi.logit("y ~ x + z + g", near, control=gi.Control(coded=True))
    pd.testing.assert_frame_equal(coded.predict(type="terms"), one.predict(type="terms"), rtol=1e-8, atol=1e-10)
