"""Which rows are used: missing values, weights, offsets, zero weights, subsets, and the alignment of indexes."""

import decimal
import pickle

import numpy as np
import pandas as pd
import pytest
from trial_cases import N, message, same, simple_trials

import glminfer as gi


@pytest.fixture(scope="module")
def trials():
    return simple_trials()


# missing values ------------------------------------------------------------------------------------------------------


def with_gaps(trials):
    frame = trials.copy()
    frame["w"] = frame.w.astype("Float64")
    frame["o"] = frame.o.astype(object)
    frame.iloc[[2, 3], 0] = np.nan
    frame.iloc[[3, 4], 2] = None
    frame.iloc[5, 3] = pd.NA
    frame.iloc[6, 4] = None
    frame["y"] = frame.y.astype("Int64")
    frame.iloc[7, 5] = pd.NA
    return frame


def test_rows_are_dropped_jointly_and_counted_by_cause(trials):
    frame = with_gaps(trials)
    fit = gi.logit("y ~ x + g", frame, weights="w", offset="o")
    told = (
        "80 rows, 6 dropped: 1 missing in y, 2 missing in x, 2 missing in g, 1 missing in weights, 1 missing in offset"
    )
    assert fit.notes[0] == told
    assert fit.n_dropped == fit.glance().n_dropped[0] == 6
    assert told in " ".join(str(fit).split())
    assert same(fit, gi.logit("y ~ x + g", frame.drop(frame.index[2:8]).convert_dtypes(), weights="w", offset="o"))


def test_dropped_rows_keep_their_place_and_index_in_every_answer(trials):
    frame = with_gaps(trials)
    fit = gi.logit("y ~ x + g", frame, weights="w", offset="o")
    gone = np.isin(np.arange(N), np.arange(2, 8))
    for series in (fit.predict(), fit.residuals(), fit.augment()[".prob"], fit.predict(type="link")):
        assert series.index.equals(frame.index)
        assert np.array_equal(series.isna(), gone)
    table = fit.augment()
    assert table[frame.columns.tolist()].equals(frame)
    assert fit.predict(interval="confidence").isna().all(axis=1).to_numpy()[gone].all()


def test_columns_that_are_not_used_may_be_missing(trials):
    fit = gi.logit("y ~ x", trials.assign(z=np.nan, g=None))
    assert fit.nobs == N
    assert fit.notes == ()


def test_missing_values_that_an_expression_makes_are_counted_by_expression(trials):
    fit = gi.logit("y ~ log(x)", trials)
    negative = int((trials.x < 0).sum())
    assert fit.notes[0] == f"80 rows, {negative} dropped: {negative} missing in log(x)"
    assert same(fit, gi.logit("y ~ log(x)", trials[trials.x > 0]))


def test_a_transform_learns_from_the_used_rows_only(trials):
    frame = trials.assign(z=trials.z.where(trials.x < 1))
    fit = gi.logit("y ~ standardize(x) + z", frame)
    assert same(fit, gi.logit("y ~ standardize(x) + z", frame[frame.x < 1]))


def test_missing_raise(trials):
    frame = trials.assign(z=trials.z.where(trials.x < 1))
    lost = int((trials.x >= 1).sum())
    assert message(gi.DataError, "y ~ x + z", frame, missing="raise") == (
        f"{lost} of 80 rows have missing values ({lost} missing in z) and missing='raise'. Fill them, or leave them "
        "out "
        "with missing='drop'."
    )
    assert gi.logit("y ~ x", frame, missing="raise").nobs == N
    assert "missing 'omit' is not known. Choose one of: drop, raise." in message(
        gi.InputError, "y ~ x", frame, missing="omit"
    )


def test_no_rows_at_all_and_no_rows_left(trials):
    assert message(gi.DataError, "y ~ x", trials.iloc[:0]) == "The data have no rows, so there is nothing to fit."
    assert message(gi.DataError, "y ~ x", trials, subset="x > 100") == (
        "subset= leaves none of the 80 rows, so there is nothing to fit."
    )
    empty = trials.assign(z=np.nan, x=trials.x.where(trials.x > 0))
    lost = int((trials.x <= 0).sum())
    assert message(gi.DataError, "y ~ x + z", empty) == (
        f"No rows are left to fit: all 80 rows have missing values ({lost} missing in x, 80 missing in z). "
        "Leave the emptiest column out of the formula."
    )


def test_a_level_that_vanishes_with_missing_rows_is_noted_and_left_out(trials):
    frame = trials.assign(x=trials.x.where(trials.g != "c"))
    fit = gi.logit("y ~ x + g", frame)
    assert "g: level 'c' has no rows and is left out" in fit.notes
    assert fit.coef.index.tolist() == ["Intercept", "x", "g[T.b]"]
    assert fit.converged


def test_unused_categories_are_noted_and_left_out(trials):
    frame = trials.assign(g=pd.Categorical(trials.g, ["never", "c", "b", "a"]))
    fit = gi.logit("y ~ g", frame)
    assert fit.notes == ("g: level 'never' has no rows and is left out",)
    assert fit.coef.index.tolist() == ["Intercept", "g[T.b]", "g[T.a]"]
    assert fit.design.reference == {"g": "c"}


def test_an_empty_interaction_cell_is_aliased_by_name(trials):
    frame = trials.assign(h=np.where((trials.g == "b") | (trials.z > 0), "u", "v"))
    fit = gi.logit("y ~ g * h", frame)
    assert set(fit.aliased) == {"g[T.b]:h[T.v]"}
    assert fit.tidy().status.tolist()[-2:] == ["aliased: g[T.b]:h[T.v] = 0", "converged"]
    assert "g[T.b]:h[T.v] is aliased and has no estimate: g[T.b]:h[T.v] = 0" in fit.notes
    assert fit.rank == 5


def test_a_factor_with_one_level_has_no_column(trials):
    fit = gi.logit("y ~ x + g", trials.assign(g="a"))
    assert fit.coef.index.tolist() == ["Intercept", "x"]
    assert fit.notes == ("g is 'a' in every row and has no column",)


# infinite values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options", "says"),
    [
        ("y ~ z", {}, "z is infinite in 2 rows;"),
        ("y ~ g + log(p)", {}, "log(p) is infinite in 2 rows;"),
        ("y ~ I(1 / p)", {}, "I(1 / p) is infinite in 2 rows;"),
        ("y ~ x * z", {}, "z is infinite in 2 rows;"),
        ("y ~ standardize(z)", {}, "standardize(z) is infinite in 2 rows;"),
        ("y ~ offset(z)", {}, "offset(z) is infinite in 2 rows;"),
        ("y ~ x", {"offset": "z"}, "offset= is infinite in 2 rows;"),
        ("y ~ x", {"weights": "p_inf"}, "weights= is infinite in 2 rows;"),
    ],
)
def test_infinite_values_are_refused_by_name_and_number(trials, formula, options, says):
    few = np.arange(N) < 2
    frame = trials.assign(
        z=np.where(few, [-np.inf] + [np.inf] * (N - 1), trials.z), p=np.where(few, 0, 2), p_inf=np.where(few, np.inf, 1)
    )
    found = message(gi.DataError, formula, frame, **options)
    assert says in found
    assert "Leave these rows out with subset=, or make the values missing (NaN)" in found
    fit = gi.logit(formula, frame, subset=~few, **options)
    assert fit.nobs == N - 2


# weights and offsets -------------------------------------------------------------------------------------------------


GIVEN = {
    "name": lambda f, v: v,
    "Series": lambda f, v: f[v],
    "shuffled Series": lambda f, v: f[v].sample(frac=1, random_state=1),
    "longer Series": lambda f, v: pd.concat([pd.Series({"another": 9.0}), f[v]]),
    "nullable Series": lambda f, v: f[v].astype("Float64"),
    "array": lambda f, v: f[v].to_numpy(),
    "column of an array": lambda f, v: f[[v]].to_numpy(),
    "list": lambda f, v: f[v].tolist(),
    "tuple": lambda f, v: tuple(f[v]),
    "decimals": lambda f, v: [decimal.Decimal(str(value)) for value in f[v]],
}


@pytest.mark.parametrize("how", GIVEN)
@pytest.mark.parametrize("argument", ["weights", "offset"])
def test_every_way_to_give_a_column_is_the_same(trials, argument, how):
    column = {"weights": "w", "offset": "o"}[argument]
    named = gi.logit("y ~ x", trials, **{argument: column})
    given = gi.logit("y ~ x", trials, **{argument: GIVEN[how](trials, column)})
    assert named.coef.equals(given.coef)
    assert named.loglik == given.loglik
    assert not np.isclose(named.loglik, gi.logit("y ~ x", trials).loglik)


def test_weight_two_is_the_row_twice_and_weight_zero_its_absence(trials):
    fit = gi.logit("y ~ x + g", trials, weights="w")
    twice = gi.logit("y ~ x + g", trials.loc[trials.index.repeat(trials.w)])
    assert same(fit, twice, rel=1e-9)
    assert fit.nobs == int((trials.w > 0).sum())
    assert np.allclose(fit.vcov(), twice.vcov(), rtol=1e-8)


def test_weights_need_not_be_whole(trials):
    half, whole = gi.logit("y ~ x", trials, weights=trials.w / 2), gi.logit("y ~ x", trials, weights="w")
    assert np.allclose(half.coef, whole.coef, rtol=1e-9)
    assert half.loglik == pytest.approx(whole.loglik / 2, rel=1e-12)
    assert np.allclose(half.tidy().std_error, whole.tidy().std_error * np.sqrt(2), rtol=1e-8)


def test_offset_in_the_formula_and_beside_it_add_up(trials):
    inside = gi.logit("y ~ x + offset(o) + offset(z)", trials)
    both = gi.logit("y ~ x + offset(o)", trials, offset="z")
    assert same(inside, both)
    assert same(gi.logit("y ~ x + offset(2 * o)", trials), gi.logit("y ~ x", trials, offset=2 * trials.o))


def test_an_offset_moves_the_intercept_only(trials):
    plain, moved = gi.logit("y ~ x", trials), gi.logit("y ~ x", trials, offset=np.full(N, 1.5))
    assert np.allclose(moved.coef + np.array([1.5, 0]), plain.coef, rtol=1e-10)
    assert moved.null_deviance == pytest.approx(plain.null_deviance, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"weights": np.ones(79)},
            "weights= has 79 values and the data have 80 rows. Give one value for each row of the data as passed, or "
            "put "
            "the values into a column and name it.",
        ),
        ({"offset": [0.0]}, "offset= has 1 value and the data have 80 rows."),
        ({"trials": np.ones(81)}, "trials= has 81 values and the data have 80 rows."),
        ({"subset": np.ones(3, bool)}, "subset= has 3 values and the data have 80 rows."),
        ({"subset": [0, 5, 7]}, "subset= has 3 values and the data have 80 rows."),
        ({"weights": 3}, "weights= is 3; give a column name or one value for each of the 80 rows."),
        ({"offset": "g"}, "offset='g' is a column of labels ('a', 'b', 'c') and cannot be used as offset."),
        (
            {"weights": np.r_[-1, -2.5, np.ones(78)]},
            "weights= is negative in 2 rows (smallest -2.5); a weight is how many",
        ),
        ({"weights": "weigth"}, "The data have no column 'weigth'."),
        ({"offset": "oo"}, "The data have no column 'oo'. Did you mean 'o'?"),
        ({"weights": pd.DataFrame({"w": np.ones(80)})}, "weights= is a DataFrame of 1 columns; give one column"),
        ({"subset": "x"}, "subset='x' gives numbers (float64), but it must be True or False for each of the 80 rows"),
        ({"subset": "xx > 0"}, "The data have no column 'xx' for xx > 0. Did you mean 'x'?"),
    ],
)
def test_columns_beside_the_formula_that_cannot_be_used(trials, options, says):
    assert says in message(gi.InputError, "y ~ x", trials, **options)


def test_a_series_of_other_rows_is_refused_and_never_taken_by_position(trials):
    other = pd.Series(np.ones(N))
    assert message(gi.DataError, "y ~ x", trials, weights=other) == (
        "weights= is a Series of 80 values whose index lacks 80 rows of the data (80 rows), such as 'trial 0'. "
        "A Series goes by its index; for values in row order give an array, weights.to_numpy()."
    )
    assert "lacks 30 rows" in message(gi.DataError, "y ~ x", trials, offset=trials.o.iloc[30:])


def test_the_first_rows_of_a_frame_with_the_weights_of_all_of_them(trials):
    few = trials.iloc[:50]
    assert same(gi.logit("y ~ x", few, weights=trials.w), gi.logit("y ~ x", few, weights="w"))


# zero weights --------------------------------------------------------------------------------------------------------


def test_rows_of_zero_weight_have_fitted_values_and_residuals_but_no_influence(trials):
    fit = gi.logit("y ~ x", trials, weights="w")
    zero = (trials.w == 0).to_numpy()
    table = fit.augment()
    assert table[[".fitted", ".se_fit", ".prob"]].notna().all(axis=None)
    for name in (".hat", ".std_resid", ".cooksd"):
        assert np.array_equal(table[name].isna(), zero)
    assert (table[".resid"][zero] == 0).all()
    assert (fit.residuals("pearson")[zero] == 0).all()
    assert np.allclose(fit.residuals("response")[zero], (trials.y - table[".prob"])[zero])
    assert fit.residuals("working")[zero].notna().all()
    assert np.allclose(table[".prob"], fit.predict(trials))
    assert (fit.df_resid, fit.df_null) == (fit.nobs - 2, fit.nobs - 1)


def test_rows_of_zero_weight_are_noted(trials):
    zero = int((trials.w == 0).sum())
    fit = gi.logit("y ~ x", trials, weights="w")
    assert fit.notes == (f"{zero} rows of zero weight are given fitted values but not counted in nobs",)


def test_rows_without_trials_have_an_outcome_of_zero():
    frame = pd.DataFrame({"s": [0, 2, 3, 0, 4], "f": [0, 5, 4, 3, 1], "x": [1.0, 2, 3, 4, 5]})
    fit, without = gi.logit("cbind(s, f) ~ x", frame), gi.logit("cbind(s, f) ~ x", frame.iloc[1:])
    assert same(fit, without)
    assert fit.nobs == 4
    table = fit.augment()
    assert table[".prob"].notna().all()
    assert fit.residuals("response")[0] == pytest.approx(-table[".prob"][0])
    assert table.loc[0, [".hat", ".std_resid", ".cooksd"]].isna().all()
    assert fit.notes == ("1 row of zero weight or no trials is given fitted values but not counted in nobs",)
    undefined = frame.assign(p=frame.s / (frame.s + frame.f), n=frame.s + frame.f)  # 0 of 0 is missing: a dropped row
    assert same(gi.logit("p ~ x", undefined, trials="n"), without)
    known = undefined.fillna({"p": 0.7})  # any proportion of no trials
    assert same(gi.logit("p ~ x", known, trials="n"), without)


# subset --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subset",
    [
        "x > 0",
        lambda f: f.x > 0,
        lambda f: (f.x > 0).sample(frac=1, random_state=2),
        lambda f: (f.x > 0).to_numpy(),
        lambda f: (f.x > 0).tolist(),
        lambda f: (f.x > 0).astype("boolean"),
        "(x > 0) & (g != 'no such level')",
        "np.isfinite(log(x))",
    ],
)
def test_every_way_to_choose_rows_is_the_same(trials, subset):
    fit = gi.logit("y ~ x + g", trials, subset=subset(trials) if callable(subset) else subset)
    kept = trials[trials.x > 0]
    assert same(fit, gi.logit("y ~ x + g", kept))
    assert fit.notes[0] == f"subset: {len(kept)} of 80 rows"
    assert f"{len(kept)} used; subset: {len(kept)} of 80 rows" in str(fit)
    assert fit.n_dropped == 0  # not for missing values
    assert fit.augment()[".fitted"].notna().to_numpy().tolist() == (trials.x > 0).tolist()


def test_a_missing_value_in_the_condition_leaves_the_row_out(trials):
    frame = trials.assign(x=trials.x.where(trials.z < 1))
    assert gi.logit("y ~ z", frame, subset="x > 0").nobs == int(((trials.x > 0) & (trials.z < 1)).sum())


def test_rows_outside_the_subset_are_not_counted_as_missing(trials):
    frame = trials.assign(z=trials.z.where(trials.x > 0))
    fit = gi.logit("y ~ z", frame, subset="x > 0")
    assert fit.n_dropped == 0
    assert gi.logit("y ~ z", frame, subset="x > 0", missing="raise").nobs == int((trials.x > 0).sum())


def test_the_data_are_never_changed(trials):
    frame = with_gaps(trials)
    before, columns = frame.copy(deep=True), frame.columns.tolist()
    fit = gi.logit("y ~ x + g", frame, weights="w", offset="o", subset="z < 1")
    fit.augment()
    fit.predict(frame, interval="confidence")
    assert frame.equals(before)
    assert frame.columns.tolist() == columns


def test_a_frame_changed_after_the_fit_does_not_change_the_fit(trials):
    frame = trials.copy()
    fit = gi.logit("y ~ x", frame)
    expected = fit.predict()
    frame["new"] = 1
    frame["x"] = 0.0
    assert fit.predict().equals(expected)
    assert np.allclose(fit.crosscheck().relative_difference, 0, atol=1e-8)
    assert "new" not in fit.augment()


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 60)), columns=[f"n{i:02}" for i in range(60)])
    frame["y"] = np.arange(30) % 2
    says = message(gi.DataError, "y ~ .", frame)
    assert says.startswith("There are 61 columns, 30 rows: ")
    assert "penalty=" in says
    assert "gi.logit_path" in says
    assert "There are 41 columns, 25 rows" in message(gi.DataError, "y ~ .", frame.iloc[:25, [*range(40), 60]])


def test_more_columns_than_rows_of_low_rank_are_aliased():
    rng = np.random.default_rng(1)
    base = rng.normal(size=(30, 3))
    frame = pd.DataFrame(base @ rng.normal(size=(3, 40)), columns=[f"c{i}" for i in range(40)])
    frame["y"] = rng.permutation(np.arange(30) % 2)
    fit = gi.logit("y ~ .", frame)
    assert (fit.rank, fit.nobs, len(fit.aliased)) == (4, 30, 37)
    assert fit.converged


# what becomes of the data later --------------------------------------------------------------------------------------

ASKED = {
    "cluster": lambda fit: fit.tidy(cluster="cl"),
    "augment": lambda fit: fit.augment(),
    "update": lambda fit: fit.update("~ . + z").tidy(),
    "add1": lambda fit: fit.add1("z"),
    "score_test": lambda fit: fit.score_test("z"),
    "type III": lambda fit: fit.anova(type="III"),
    "profile": lambda fit: fit.confint(),
    "permutation": lambda fit: fit.permutation_test("x", scheme="within", by="cl", n=20, seed=1),
}


def changing(kind):
    """Columns as arrays that can be written to, a weight for each row, and the data made of them."""
    rng = np.random.default_rng(3)
    arrays = {"x": rng.normal(size=120), "z": rng.normal(size=120), "cl": np.arange(120) % 15}
    arrays["y"], weights = (rng.random(120) < 0.5).astype(int), rng.integers(1, 3, 120).astype(float)
    if kind == "dict":
        return arrays, weights, dict(arrays)
    if kind == "lists":
        lists = {name: values.tolist() for name, values in arrays.items()}
        return lists, weights, lists
    table = np.zeros(120, dtype=[(name, values.dtype) for name, values in arrays.items()])
    for name, values in arrays.items():
        table[name] = values
    return {name: table[name] for name in arrays}, weights, table


@pytest.mark.parametrize("kind", ["dict", "lists", "structured"])
def test_arrays_that_change_after_the_fit_change_nothing(kind):
    arrays, weights, data = changing(kind)
    frame = pd.DataFrame({name: np.array(values) for name, values in arrays.items()})
    fit, expected = (gi.logit("y ~ x", given, weights=weights) for given in (data, frame))
    again = pickle.loads(pickle.dumps(fit)).with_data(data, weights=weights)
    answers = {name: ask(expected) for name, ask in ASKED.items()}
    fits, path = gi.logit_many("x", data, outcomes=["y"], weights=weights), gi.logit_path("y ~ x + z", data)
    before = fits.tidy(cluster="cl"), fits["y"].tidy(), gi.cross_validate(path, by="cl", folds=3, seed=1).tidy()
    for values in arrays.values():
        values[:] = [1] * 120
    weights[:] = 7.0
    for name, ask in ASKED.items():
        for one in (fit, again):
            columns = list(answers[name].columns)
            np.testing.assert_array_equal(ask(one)[columns].to_numpy(), answers[name].to_numpy(), err_msg=name)
    after = fits.tidy(cluster="cl"), fits["y"].tidy(), gi.cross_validate(path, by="cl", folds=3, seed=1).tidy()
    for one, other in zip(after, before, strict=True):
        pd.testing.assert_frame_equal(one, other)
