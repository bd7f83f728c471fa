"""What a formula may say: names, functions, scope; and what is said about mistakes."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

N = 150


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.normal(size=N),
            "g": rng.choice(["u", "v", "w"], N),
            "k": rng.integers(1, 4, N),
            "age": rng.integers(20, 60, N),
        }
    )
    frame["y"] = (rng.uniform(size=N) < 1 / (1 + np.exp(-frame.x))).astype(int)
    return frame


def message(error, formula, frame, **options):
    with pytest.raises(error) as caught:
        gi.logit(formula, frame, **options)
    return str(caught.value)


def slopes(formula, frame, **options):
    return gi.logit(formula, frame, **options).coef.to_numpy()


# odd column names ----------------------------------------------------------------------------------------------------

ODD = [
    "C",
    "I",
    "Q",
    "class",
    "my x",
    "a.b",
    "b-foo",
    "1B",
    "x[5]",
    "np",
    "log",
    "offset",
    "x:z",
    "a*b",
    "é",
    "it's",
    " s ",
]
PLAIN = ["C", "I", "Q", "class", "a.b", "np", "log", "offset", "é"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_in_backticks_and_in_Q(trials, name):
    C, I, Q = 5, 3, None  # noqa: F841
    frame = trials.rename(columns={"x": name})
    expected = gi.logit("y ~ x + z", trials)
    for written in [f"`{name}`", f"Q({name!r})"]:
        fit = gi.logit(f"y ~ {written} + z", frame)
        assert np.array_equal(fit.coef, expected.coef)
        assert fit.predict(frame.head(3)).equals(expected.predict(trials.head(3)))
        assert fit.update(f"~ . - {written}").coef.index.tolist() == ["Intercept", "z"]


@pytest.mark.parametrize("name", PLAIN)
def test_names_that_are_words_need_no_quotes(trials, name):
    C, I, Q, np_, log = 5, 3, None, 1, 2  # noqa: F841
    fit = gi.logit(f"y ~ {name} + z", trials.rename(columns={"x": name}))
    assert fit.coef.index.tolist() == ["Intercept", name, "z"]


def test_functions_are_found_in_call_position_whatever_columns_are_called(trials):
    C, I, Q = 5, 3, None  # noqa: F841
    frame = trials.assign(C=trials.x, I=trials.z, Q=trials.x + trials.z, log=trials.age, np=trials.x)
    fit = gi.logit("y ~ C(k) + C + I(C ** 2) + I + log(log) + np.exp(np) + Q('age')", frame)
    expected = gi.logit("y ~ C(k) + x + I(x ** 2) + z + log(age) + np.exp(x) + age", trials)
    assert np.array_equal(fit.coef, expected.coef)
    assert fit.coef.index[1:3].tolist() == ["C(k)[T.2]", "C(k)[T.3]"]


def test_odd_names_as_response_weights_offset_and_in_subset(trials):
    frame = trials.rename(columns={"y": "low.bwt", "z": "my z", "age": "b-age"})
    fit = gi.logit("Q('low.bwt') ~ x", frame, weights="b-age", offset="my z", subset="`my z` < 1")
    assert np.array_equal(fit.coef, gi.logit("y ~ x", trials, weights="age", offset="z", subset="z < 1").coef)
    assert fit.event == "low.bwt = 1"
    assert gi.logit("`low.bwt` ~ x", frame).coef.equals(gi.logit("low.bwt ~ x", frame).coef)


def test_columns_named_by_numbers_and_tuples(trials):
    frame = trials.rename(columns={"x": 7, "z": ("stim", 1)})
    assert np.array_equal(gi.logit("y ~ `7` + Q(\"('stim', 1)\")", frame).coef, gi.logit("y ~ x + z", trials).coef)


def test_two_columns_of_one_name(trials):
    frame = pd.concat([trials, trials[["x"]]], axis=1)
    assert gi.logit("y ~ z", frame).nobs == N
    assert message(gi.DataError, "y ~ x", frame) == (
        "2 columns are called 'x', so the formula cannot tell them apart; rename them."
    )


# scope ---------------------------------------------------------------------------------------------------------------


def test_data_never_come_from_the_caller(trials):
    elsewhere = np.arange(N)
    with pytest.raises(gi.FormulaError) as caught:
        gi.logit("y ~ x + elsewhere", trials)
    assert str(caught.value) == (
        "The data have no column 'elsewhere'. The columns are x, z, g, k, age, y. A variable 'elsewhere' of the "
        "calling "
        "code is never used as data: make it a column of the frame."
    )
    for term in ["I(x + elsewhere)", "log(elsewhere)", "offset(elsewhere)", "x:elsewhere", "C(elsewhere)"]:
        with pytest.raises(gi.FormulaError, match="A variable 'elsewhere' of the calling code is never used as data"):
            gi.logit(f"y ~ {term}", trials)
    assert len(elsewhere) == N


def test_the_column_wins_over_a_variable_of_the_caller(trials):
    x = z = np.zeros(N)
    fit = gi.logit("y ~ x + z", trials)
    assert fit.coef["x"] > 0.5
    assert fit.converged
    assert not (x + z).any()


def squared(values):
    return values**2


def test_functions_of_the_caller(trials):
    def third(values):
        return values**3

    expected = slopes("y ~ I(x ** 2) + I(x ** 3)", trials)
    fit = gi.logit("y ~ squared(x) + third(x)", trials)
    assert np.array_equal(fit.coef, expected)
    assert fit.predict(trials.head(2)).equals(fit.predict().head(2))


def fitted_elsewhere(trials):
    def third(values):
        return values**3

    return gi.logit("y ~ third(x) + z", trials)


def test_a_fit_remembers_the_functions_of_its_formula(trials):
    fit = fitted_elsewhere(trials)
    assert np.array_equal(fit.update("~ . - z").coef, slopes("y ~ I(x ** 3)", trials))
    assert np.allclose(fit.predict(trials), fit.predict())


def test_env_comes_before_the_caller_and_after_our_own_functions(trials):
    def half(values):
        return values * 0

    env = {"half": lambda v: v / 2, "log": lambda v: v * 0}
    fit = gi.logit("y ~ half(x) + log(age)", trials, env=env)
    assert np.array_equal(fit.coef, slopes("y ~ I(x / 2) + log(age)", trials))
    assert np.array_equal(fit.update("~ . - log(age)").coef, slopes("y ~ I(x / 2)", trials))
    assert not half(1)


def test_a_function_that_does_not_exist(trials):
    assert message(gi.FormulaError, "y ~ lgo(age)", trials).startswith(
        "There is no function 'lgo' for lgo(age). Did you mean 'log'?"
    )
    assert "np.lgo in np.lgo(age) does not exist. Did you mean 'log'?" in message(
        gi.FormulaError, "y ~ np.lgo(age)", trials
    )


@pytest.mark.parametrize(
    ("formula", "advice"),
    [
        ("y ~ factor(k)", "factor() in factor(k) is R's; here it is written C(k)."),
        ("y ~ as.factor(k)", "as.factor is R's; here it is written C(k)."),
        ("y ~ ifelse(x > 0, 1, 0)", "here it is written np.where(condition, a, b)."),
        ("y ~ x + (1 | g)", "'|' is the grammar of mixed models"),
        ("y ~ x %in% g", "%in% and other %…% operators are R's; write a:b for an interaction."),
        ("y ~ x.abs()", "methods of columns cannot be called in a formula"),
        ("y ~ trials.x", "Attributes of columns cannot be used in a formula"),
        ("y ~ log(g)", "log(g) cannot be computed"),
        ("y ~ x +", "There is nothing after this '+'.\n    y ~ x +\n          ^"),
        ("y ~ ", "There is nothing to the right of '~'; write '~ 1' for an intercept only."),
        ("y ~ x ~ z", "A formula has one '~'; this is the second."),
        ("y ~ 0", "'y ~ 0' has no terms and no intercept, so there is nothing to estimate."),
        ("", "The formula is empty"),
        ("y = x", "'=' has no meaning in a formula; a comparison is written '=='."),
        ("y ~ `my x", "This backtick is not closed"),
        ("~ x", "'~ x' has no outcome; write it on the left, 'choice ~ contrast'."),
        ("y ~ x / 2", "A number is not a term"),
        ("y ~ C(g, Treatment('q'))", "the reference level 'q' has no rows; the levels are 'u', 'v', 'w'."),
        ("y ~ x:offset(z)", "offset"),
        ("y ~ poly(k, 3)", "poly"),
    ],
)
def test_mistakes_are_named_with_the_way_out(trials, formula, advice):
    assert advice in message(gi.InputError, formula, trials)


def test_arguments_in_the_wrong_order(trials):
    assert "which has no named columns; give a DataFrame" in message(gi.DataError, trials, "y ~ x")
    assert "A formula is a string such as 'choice ~ contrast'; this is int." in message(gi.FormulaError, 5, trials)


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("y ~ contrats_left", "The data have no column 'contrats_left'. Did you mean 'contrast_left'?"),
        ("y ~ log(contrats_left)", "no column 'contrats_left' for log(contrats_left). Did you mean 'contrast_left'?"),
        ("y ~ contrast_left * ag", "The data have no column 'ag'. Did you mean 'age'?"),
        ("y ~ C(mose)", "no column 'mose' for C(mose). Did you mean 'mouse'?"),
        ("Y ~ age", "The data have no column 'Y'."),
        (
            "y ~ Q('contrast left')",
            "The data have no column 'contrast left' for Q('contrast left'). Did you mean 'contrast_left'?",
        ),
        ("y ~ offset(agee)", "The data have no column 'agee'. Did you mean 'age'?"),
    ],
)
def test_misspelt_columns(formula, says):
    frame = pd.DataFrame({"y": [0, 1] * 5, "contrast_left": range(10), "age": 3.0, "mouse": 1})
    found = message(gi.FormulaError, formula, frame)
    assert says in found
    assert "The columns are y, contrast_left, age, mouse." in found


# terms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("x * z", ["Intercept", "x", "z", "x:z"]),
        ("z:x + x + z", ["Intercept", "x", "z", "z:x"]),
        ("x:z + z:x", ["Intercept", "x:z"]),
        ("(x + z + k)^2 - z:k", ["Intercept", "x", "z", "k", "x:z", "x:k"]),
        ("(x + z)**2", ["Intercept", "x", "z", "x:z"]),
        ("0 + x", ["x"]),
        ("x - 1", ["x"]),
        ("g - 1", ["g[u]", "g[v]", "g[w]"]),
        ("1", ["Intercept"]),
        ("x + x", ["Intercept", "x"]),
        ("x + g", ["Intercept", "x", "g[T.v]", "g[T.w]"]),
        ("C(k)", ["Intercept", "C(k)[T.2]", "C(k)[T.3]"]),
        ("C(g, Sum)", ["Intercept", "C(g, Sum)[S.u]", "C(g, Sum)[S.v]"]),
        ("C(g, Treatment('v'))", ["Intercept", "C(g, Treatment('v'))[T.u]", "C(g, Treatment('v'))[T.w]"]),
        ("x:g", ["Intercept", "x:g[u]", "x:g[v]", "x:g[w]"]),
        ("g * x", ["Intercept", "g[T.v]", "g[T.w]", "x", "g[T.v]:x", "g[T.w]:x"]),
        ("I(x > 0)", ["Intercept", "I(x > 0)[T.True]"]),
        ("poly(x, 2)", ["Intercept", "poly(x, 2)[0]", "poly(x, 2)[1]"]),
        ("`x` + age", ["Intercept", 'Q("x")', "age"]),
        ("I( x**2 )", ["Intercept", "I(x ** 2)"]),
        ("x + offset(z)", ["Intercept", "x"]),
        (". - age - k", ["Intercept", "x", "z", "g[T.v]", "g[T.w]"]),
    ],
)
def test_columns_and_their_order(trials, formula, columns):
    assert gi.logit(f"y ~ {formula}", trials).coef.index.tolist() == columns


def test_the_dot_leaves_out_weights_offset_trials_and_the_response(trials):
    fit = gi.logit("y == 1 ~ .", trials.drop(columns="g"), weights="age", offset="z")
    assert fit.coef.index.tolist() == ["Intercept", "x", "k"]
    grouped = pd.DataFrame({"s": [1, 2, 3, 4], "f": [3, 4, 3, 2], "x": [1, 2, 3, 5]})
    assert gi.logit("cbind(s, f) ~ .", grouped).coef.index.tolist() == ["Intercept", "x"]


@pytest.mark.parametrize(
    ("formula", "columns"), [("y ~ .", 1501), ("y ~ . - n0003 - n0005 + n0003:n0005", 1500), ("y ~ 0 + .", 1500)]
)
def test_more_terms_than_a_recursion_could_read(formula, columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(20, 1500)), columns=[f"n{i:04}" for i in range(1500)])
    frame["y"] = np.arange(20) % 2
    assert f"There are {columns:,} columns, 20 rows" in message(gi.DataError, formula, frame)


def test_some_hundred_terms_are_fitted():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 500)), columns=[f"n{i:04}" for i in range(500)])
    frame["y"] = rng.integers(0, 2, 3000)
    typed = gi.logit("y ~ " + " + ".join(frame.columns[:-1]), frame)
    assert typed.converged
    assert typed.rank == 501
    assert typed.coef.equals(gi.logit("y ~ .", frame).coef)


def test_update_changes_either_side(trials):
    fit = gi.logit("y ~ x + z", trials, subset="age > 30", weights="k")
    assert fit.update("~ . - z").coef.equals(gi.logit("y ~ x", trials, subset="age > 30", weights="k").coef)
    assert fit.update(". ~ . + g").coef.index.tolist()[-1] == "g[T.w]"
    assert fit.update("1 - . ~ .").coef["x"] == pytest.approx(-fit.coef["x"], rel=1e-9)
    with pytest.raises(gi.FormulaError, match=r"'x \+ z' has no '~'; to change the terms of a fit write"):
        fit.update("x + z")


# functions -----------------------------------------------------------------------------------------------------------


def test_integer_columns_are_computed_with_as_floats(trials):
    big = trials.assign(big=trials.age.astype("int32") * 1_000_000, tiny=trials.age.astype("int8"))
    for formula, expected in [
        ("y ~ I(big ** 2)", (big.big.astype(float) ** 2)),
        ("y ~ I(tiny * tiny)", big.age.astype(float) ** 2),
        ("y ~ I(age ** 12)", big.age.astype(float) ** 12),
        ("y ~ big:big", None),
    ]:
        fit = gi.logit(formula, big)
        assert fit.converged
        if expected is not None:
            assert np.allclose(fit.predict(), gi.logit("y ~ v", big.assign(v=expected)).predict(), rtol=1e-8)


def test_integer_division_and_negative_powers_of_integers(trials):
    assert np.allclose(slopes("y ~ I(age ** -1)", trials), slopes("y ~ I(1 / age)", trials))


@pytest.mark.parametrize(
    "formula",
    [
        "log(age)",
        "log2(age)",
        "log10(age)",
        "log1p(age)",
        "exp(x)",
        "expm1(x)",
        "sqrt(age)",
        "abs(x)",
        "sin(x)",
        "cos(x)",
    ],
)
def test_functions_of_the_list_are_numpys(trials, formula):
    assert np.array_equal(slopes(f"y ~ {formula}", trials), slopes(f"y ~ np.{formula}", trials))


@pytest.mark.parametrize(
    "term",
    ["center(x)", "scale(x)", "standardize(x)", "poly(x, 2)", "ns(x, 3)", "bs(x, df=4)", "cr(x, df=4)", "cc(x, df=4)",
     "standardize(log(age))", "te(cr(x, df=3), cr(z, df=3))", "poly(x, 2):g", "center(x) * g"],
)  # fmt: skip
def test_transforms_keep_their_training_values(trials, term):
    fit = gi.logit(f"y ~ {term}", trials)
    inside = trials[trials.x.between(-1, 1)]
    for rows in [inside, inside.iloc[[3]], inside[inside.g == "v"], inside.assign(g="u")[::-1]]:
        part = fit.predict(rows, type="link")
        if rows.index.isin(trials.index).all() and rows.g.equals(trials.g[rows.index]):
            assert np.allclose(part, fit.predict(type="link")[rows.index], rtol=1e-9, atol=1e-9)
        assert part.notna().all()


def test_equivalent_bases_give_one_fit(trials):
    raw = gi.logit("y ~ x + I(x ** 2)", trials)
    for other in ["poly(x, 2)", "poly(x, 2, raw=True)", "center(x) + I(center(x) ** 2)", "standardize(x) + I(x ** 2)"]:
        fit = gi.logit(f"y ~ {other}", trials)
        assert fit.loglik == pytest.approx(raw.loglik, rel=1e-10)
        assert np.allclose(fit.predict(trials.head()), raw.predict(trials.head()), rtol=1e-7)


def test_a_spline_outside_its_training_range(trials):
    far = {"x": [0.0, 50.0, -50.0]}
    with pytest.raises(gi.InputError, match=r"bs\(\): 2 rows \(-50 and 50\) fell outside the range .*extrapolate=True"):
        gi.logit("y ~ bs(x, df=4)", trials).predict(far)
    assert gi.logit("y ~ bs(x, df=4, extrapolate=True)", trials).predict(far).notna().all()
    eta = gi.logit("y ~ ns(x, 3)", trials).predict({"x": [10.0, 20.0, 30.0]}, type="link")
    assert eta[1] - eta[0] == pytest.approx(eta[2] - eta[1])  # natural splines go on in a straight line


def test_formulas_on_several_lines(trials):
    fit = gi.logit(
        """y ~ x
             + g
             + I(z ** 2)""",
        trials,
    )
    assert fit.coef.index.tolist() == ["Intercept", "x", "g[T.v]", "g[T.w]", "I(z ** 2)"]
    assert "Formula           y ~ x + g + I(z ** 2)" in str(fit)


def test_intervals_as_categories(trials):
    frame = trials.assign(bin=pd.cut(trials.x, [-9, 0, 1, 9]))
    fit = gi.logit("y ~ bin", frame)
    assert fit.coef.index.tolist() == ["Intercept", "bin[T.(0, 1]]", "bin[T.(1, 9]]"]
    assert fit.predict(frame.head(3)).equals(fit.predict().head(3))


def test_lambdas_and_conditionals_are_plain_python(trials):
    assert np.array_equal(slopes("y ~ np.where(x > 0, x, 0)", trials), slopes("y ~ I(x * (x > 0))", trials))


# columns that cannot be used -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            lambda n: pd.date_range("2026-01-01", periods=n),
            "t holds dates or times (datetime64[us]), which have no natural unit in a model. Add a column of "
            "numbers, such "
            "as (t - t.min()).dt.total_seconds(), or of labels, and use that.",
        ),
        (lambda n: pd.date_range("2026-01-01", periods=n, tz="UTC"), "t holds dates or times (datetime64[us, UTC])"),
        (
            lambda n: pd.to_timedelta(np.arange(n), unit="s"),
            "t holds time spans (timedelta64[us]), which have no natural unit in a model. Add a column of numbers, "
            "such as "
            "t.dt.total_seconds()",
        ),
        (lambda n: [datetime.date(2026, 1, 1)] * n, "t holds dates or times (date)"),
        (lambda n: pd.period_range("2026-01", periods=n, freq="M"), "t holds dates or times (period[M])"),
        (lambda n: np.ones(n) * 1j, "t holds complex numbers; use its real and imaginary parts, or abs, as columns."),
        (
            lambda n: ["a", 1] * (n // 2),
            "t holds str (such as 'a') and int (such as 1); a column is numbers or labels.",
        ),
        (lambda n: [[1, 2]] * n, "t holds list (such as [1, 2]); a column is numbers or labels."),
    ],
    ids=["datetime", "time zone", "timedelta", "dates", "periods", "complex", "mixed", "lists"],
)
def test_columns_without_numbers_or_labels(trials, values, says):
    frame = trials.assign(t=values(N))
    assert says in message(gi.DataError, "y ~ x + t", frame).replace("64[ns", "64[us")  # pandas 2 has another unit
    assert gi.logit("y ~ x", frame).nobs == N  # unless they are used


def test_dates_inside_a_function_and_as_weights(trials):
    frame = trials.assign(t=pd.date_range("2026-01-01", periods=N))
    assert "t holds dates or times" in message(gi.DataError, "y ~ I(t)", frame)
    assert "t holds dates or times" in message(gi.DataError, "y ~ x", frame, weights="t")
    advice = frame.assign(t=(frame.t - frame.t.min()).dt.total_seconds())
    assert gi.logit("y ~ t", advice).converged


def test_decimals_are_numbers(trials):
    frame = trials.assign(x=[decimal.Decimal(repr(v)) for v in trials.x])
    assert np.array_equal(slopes("y ~ x", frame), slopes("y ~ x", trials))


@pytest.mark.parametrize("formula", ["y ~ x + y", "y == 1 ~ x + y", "y ~ x * y", "`y` ~ x + y", "y ~ x + Q('y')"])
def test_the_response_on_the_right_hand_side(trials, formula):
    says = message(gi.FormulaError, formula, trials)
    assert says == f"'y' is on both sides of {formula!r}: the outcome cannot explain itself. Take it out on the right."


def test_counts_of_the_response_on_the_right_hand_side():
    frame = pd.DataFrame({"s": [1, 2, 3], "f": [2, 2, 2], "x": [1, 2, 3]})
    assert "'s' is on both sides" in message(gi.FormulaError, "cbind(s, f) ~ x + s", frame)


# same tests, any coding ----------------------------------------------------------------------------------------------


def test_a_new_reference_level_leaves_fit_and_predictions_unchanged(trials):
    fits = [
        gi.logit(f"y ~ x * {g}", trials)
        for g in ("g", "C(g, Treatment('w'))", "C(g, Sum)", "C(g, Helmert)", "C(g, Poly)")
    ]
    for other in fits[1:]:
        assert other.loglik == pytest.approx(fits[0].loglik, rel=1e-11)
        assert np.allclose(other.predict(), fits[0].predict(), rtol=1e-8)
        assert np.allclose(
            other.predict(interval="confidence"), fits[0].predict(interval="confidence"), rtol=1e-7, atol=1e-12
        )


def test_the_order_of_factors_and_terms_does_not_change_the_fit(trials):
    one, other = gi.logit("y ~ x * g", trials), gi.logit("y ~ g * x", trials)
    assert one.coef["x:g[T.v]"] == pytest.approx(other.coef["g[T.v]:x"], rel=1e-9)
    assert one.loglik == pytest.approx(other.loglik, rel=1e-12)


ABSENT = {  # what a formula takes away, and what is said of it
    "y ~ x + z - zz": "The data have no column 'zz'. Did you mean 'z'? The columns are x, z, g, k, age, y.",
    "y ~ . - agee": "The data have no column 'agee'. Did you mean 'age'? The columns are x, z, g, k, age, y.",
    "y ~ x * z - x:zz": "The data have no column 'zz'. Did you mean 'z'? The columns are x, z, g, k, age, y.",
    "y ~ x - log(kk)": (
        "The data have no column 'kk' for log(kk). Did you mean 'k'? The columns are x, z, g, k, age, y."
    ),
    "y ~ x - factor(g)": "factor() in factor(g) is R's; here it is written C(g).",
}


@pytest.mark.parametrize("formula", ABSENT)
def test_a_misspelt_name_cannot_be_taken_away(trials, formula):
    assert message(gi.FormulaError, formula, trials) == ABSENT[formula]
    with pytest.raises(gi.FormulaError) as caught:
        gi.logit_many(formula.split("~")[1], trials, outcomes=["y"])
    assert str(caught.value) == ABSENT[formula]
    if "." not in formula:
        with pytest.raises(gi.FormulaError) as caught:
            gi.logit("y ~ x * z", trials).update(f"~ . -{formula.split(' - ')[1]}")
        assert str(caught.value) == ABSENT[formula]


@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("y ~ x + z - age", ["Intercept", "x", "z"]),  # as in R, what is no term but could be one
        ("y ~ x + z - x:z - log(k) - offset(z)", ["Intercept", "x", "z"]),
        ("y ~ x * z - z:x - (z + age)", ["Intercept", "x"]),
        ("y ~ x + z - (z + 1)", ["x"]),
        ("y ~ x - 1 - 0", ["Intercept", "x"]),
        ("y ~ x + 0 - z", ["x"]),
    ],
)
def test_what_could_be_a_term_can_be_taken_away(trials, formula, columns):
    assert list(gi.logit(formula, trials).columns) == columns


@pytest.mark.parametrize(
    "call",
    [
        lambda formula, frame: gi.logit(formula, frame),
        lambda formula, frame: gi.logit_many(formula, frame, outcomes=["y"]),
        lambda formula, frame: gi.logit_each(formula, frame, covariates=["z"]),
        lambda formula, frame: gi.logit_each(formula, frame, by="g"),
        lambda formula, frame: gi.logit_path(formula, frame),
        lambda formula, frame: gi.logit("y ~ x", frame).update(formula),
    ],
)
def test_a_formula_is_text(trials, call):
    for formula, kind in ((["y", "x"], "list"), (5, "int"), (None, "NoneType")):
        with pytest.raises(gi.FormulaError) as caught:
            call(formula, trials)
        assert str(caught.value) == f"A formula is a string such as 'choice ~ contrast'; this is {kind}."
