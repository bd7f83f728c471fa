"""Formula and frame to numbers: patsy's matrices, R's coding, rows, scope, later data."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import patsy
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glminfer.data.design import learn
from glminfer.errors import DataError, FormulaError, InputError, ResponseError


def made(n=60, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.integers(0, 2, n),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n) + 5,
            "i": rng.integers(-3, 4, n),
            "k": rng.integers(1, 4, n),
            "g": rng.permutation(np.resize(list("abc"), n)),
            "h": rng.permutation(np.resize(["u", "v"], n)),
            "b": rng.random(n) > 0.4,
            "o": pd.Categorical(np.resize(["mid", "lo", "hi"], n), categories=["lo", "mid", "hi"], ordered=True),
            "my x": rng.normal(size=n),
        }
    )


FRAME = made()
PATSY_SCOPE = patsy.EvalEnvironment([{"np": np, "log": np.log, "abs": np.abs, "exp": np.exp, "sqrt": np.sqrt}])


def raised(*args, kind=InputError, **options):
    with pytest.raises(kind) as error:
        learn(*args, **options)
    return str(error.value)


# the numbers are patsy's ---------------------------------------------------------------------------------------------

FORMULAS = """
1 | x | x + z | 0 + x | x - 1 | g | 0 + g | g - 1 | x + g | g + x | g + h | 0 + g + h | h*g | g*h | x*g | g*x | x:g
x + x:g | 0 + x + g | x*z | x:z | (x + z + i)**2 | x*z*i | g*h*b | x*g*h | g/x | g/h | (g + h)**2 | x:z:i | i
b | 0 + b | b*x | C(k) | C(k)*x | C(k, Sum) | C(g, Sum) | 0 + C(g, Sum) | C(g, Helmert) | C(g, Poly) | C(k, Diff)
C(g, Treatment("b")) | C(g, Treatment(2)) | C(g, levels=["c", "b", "a"]) | C(g, Sum("a")) | C(g, Treatment) | o | o*x
C(o, Poly) | log(z) | np.log(z)*b | I(x**2) | I(x*z) | I(i**2) | x > 0 | (x > 0)*g | abs(x) + exp(i) + sqrt(z)
center(x)*g | standardize(z) | bs(x, df=4) | bs(x, df=5, degree=2)*g | cr(z, df=4) | cc(z, df=4) | Q("my x")*g
te(cr(x, df=3), cr(z, df=3)) | C(g, Sum)*h | C(g, Sum)*C(k, Helmert)*x | bs(center(x), df=4) | C(b) | C(x > 0)
C(np.round(x)) | C(i):x | g:h + g + h | x + g + g:x:z | I(g == "a") | C(k)*C(i) | o:g + o + g | C(C(k), Sum) | scale(x)
"""


def same_as_patsy(formula, frame=FRAME):
    ours = learn(f"y ~ {formula}", frame)
    theirs = patsy.dmatrix(formula, frame, PATSY_SCOPE)
    names = theirs.design_info.column_names
    assert sorted(ours.design.columns) == sorted(names)
    for j, name in enumerate(ours.design.columns):
        np.testing.assert_allclose(ours.X[:, j], theirs[:, names.index(name)], rtol=1e-13, atol=1e-14, err_msg=name)
    return ours


@pytest.mark.parametrize("formula", [f.strip() for line in FORMULAS.strip().split("\n") for f in line.split("|")])
def test_same_columns_as_patsy(formula):
    sample = same_as_patsy(formula)
    design = sample.design
    assert sample.X.flags.c_contiguous
    assert sample.X.dtype == np.float64
    assert [j for where in design.terms.values() for j in range(where.start, where.stop)] == [
        *range(len(design.columns))
    ]
    again = design.block(FRAME)
    np.testing.assert_array_equal(again.X, sample.X)
    one = design.block(FRAME.iloc[[7]])
    np.testing.assert_allclose(one.X[0], sample.X[7], rtol=1e-13, atol=1e-15)
    if design.constant is not None:
        np.testing.assert_allclose(sample.X @ design.constant, 1, rtol=1e-13)


@st.composite
def formulas(draw):
    """Sums of interactions in which every interaction has its margins, so that patsy codes as R does."""
    factors = draw(st.permutations(["x", "z", "g", "h", "b", "C(k)", "C(g, Sum)", "I(i ** 2)"]))[:4]
    terms = draw(
        st.lists(st.lists(st.sampled_from(factors), min_size=1, max_size=3, unique=True), min_size=1, max_size=4)
    )
    return draw(st.sampled_from(["", "0 + "])) + " + ".join("*".join(term) for term in terms)


@settings(max_examples=60, deadline=None)
@given(formulas(), st.integers(0, 5), st.sampled_from([0, 2, 4]))
def test_same_columns_as_patsy_on_random_formulas(formula, seed, n_dropped):
    frame = made(40, seed)
    assume(not (formula.startswith("0") and formula.count("*") > 1))  # where patsy's rule without intercept differs
    complete = frame.drop(index=range(n_dropped))
    frame.loc[: n_dropped - 1, ["x", "z"]] = np.nan
    if "x" not in formula.replace("my x", "") and "z" not in formula:
        complete = frame
    np.testing.assert_array_equal(learn(f"y ~ {formula}", frame).used, complete.index)
    same_as_patsy(formula, complete)


def test_large_frames_are_filled_in_threads():
    frame = made(120_001)
    sample = same_as_patsy("x*g + z + C(k)", frame)
    assert sample.X.shape == (120_001, 9)


# the coding is R's ---------------------------------------------------------------------------------------------------

FROM_R = [  # formula, columns of each term (intercept left out) in R 4.2, factors of 3, 2 and 3 levels
    ("g:h", [6]),
    ("0 + g:h", [6]),
    ("g + g:h", [2, 3]),
    ("h + g:h", [1, 4]),
    ("g*h - h", [2, 3]),
    ("0 + x + x:g", [1, 3]),
    ("0 + x + g", [1, 3]),
    ("0 + x:g", [3]),
    ("x:g + x", [1, 2]),
    ("x:z:g + x:z", [1, 2]),
    ("0 + g + h + k", [3, 1, 2]),
    ("g:h:k", [18]),
    ("g:h + g:h:k", [6, 12]),
    ("g + h + k + g:h:k", [2, 1, 2, 18]),
    ("x + g:k + g:x", [1, 9, 2]),
    ("0 + g:x + h", [2, 3]),
]


@pytest.mark.parametrize(("formula", "widths"), FROM_R)
def test_full_or_reduced_coding_follows_r(formula, widths):
    frame = FRAME.assign(k=FRAME.k.map({1: "p", 2: "q", 3: "r"}))
    terms = learn(f"y ~ {formula}", frame).design.terms
    assert [where.stop - where.start for term, where in terms.items() if term != "Intercept"] == widths


def test_terms_and_names_in_order():
    design = learn("y ~ g:x + x + C(h) + poly(z, 2)", FRAME).design
    assert list(design.terms) == ["Intercept", "x", "C(h)", "poly(z, 2)", "g:x"]
    assert design.columns[-3:] == ("poly(z, 2)[1]", "g[T.b]:x", "g[T.c]:x")
    assert design.terms["g:x"] == slice(5, 7)
    assert design.reference == {"g": "a", "C(h)": "u"}
    assert design.factors["g"].kind == "categorical"
    assert design.factors["poly(z, 2)"].width == 2


def test_constant_without_intercept():
    assert learn("y ~ 0 + x", FRAME).design.constant is None
    np.testing.assert_array_equal(learn("y ~ 0 + x + g", FRAME).design.constant, [0, 1, 1, 1])
    np.testing.assert_allclose(learn("y ~ 0 + C(g, Sum)", FRAME).design.constant, [1, 0, 0], atol=1e-15)


def test_a_contrast_of_ones_own():
    class Halves:
        def code_without_intercept(self, levels):
            return patsy.ContrastMatrix(np.arange(len(levels))[:, None] / 2, ["[half]"])

        code_with_intercept = code_without_intercept

    sample = learn("y ~ C(g, halves)", FRAME, env={"halves": Halves()})
    assert sample.design.columns == ("Intercept", "C(g, halves)[half]")
    assert set(sample.X[:, 1]) == {0, 0.5, 1}
    matrix = learn("y ~ C(g, m)", FRAME, env={"m": np.eye(3)[:, 1:] * 2})
    assert set(matrix.X[:, 1]) == {0, 2}
    assert "the contrast matrix has 2 rows for the 3 levels" in raised("y ~ C(g, m)", FRAME, env={"m": np.ones((2, 1))})


# levels --------------------------------------------------------------------------------------------------------------


def test_unused_levels_are_dropped_with_a_note():
    frame = FRAME.assign(g=pd.Categorical(FRAME.g, categories=["c", "unused", "b", "a"]))
    sample = learn("y ~ g", frame)
    assert sample.design.columns == ("Intercept", "g[T.b]", "g[T.a]")
    assert sample.notes == ("g: level 'unused' has no rows and is left out",)


def test_levels_that_vanish_with_missing_rows():
    frame = FRAME.assign(x=FRAME.x.where(FRAME.g != "c"), k=FRAME.g.map({"a": 1, "b": 2, "c": 3}))
    sample = learn("y ~ x + g + C(k)", frame)
    assert sample.design.columns == ("Intercept", "x", "g[T.b]", "C(k)[T.2]")
    assert sample.notes == (
        "60 rows, 20 dropped: 20 missing in x",
        "g: level 'c' has no rows and is left out",
        "C(k): level 3 has no rows and is left out",
    )


def test_a_factor_of_one_level_has_no_column():
    sample = learn("y ~ x*g", FRAME[FRAME.g == "a"])
    assert sample.design.columns == ("Intercept", "x")
    assert sample.notes == ("g is 'a' in every row and has no column",)
    assert learn("y ~ 0 + g", FRAME[FRAME.g == "a"]).design.columns == ("g[a]",)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (
            "C(g, Treatment('zz'))",
            "C(g, Treatment('zz')): the reference level 'zz' has no rows; the levels are 'a', 'b', 'c'.",
        ),
        ("C(g, levels=['a', 'b'])", "'c' in 20 rows is not among levels=['a', 'b']; add it, or leave these rows out"),
        ("C(g, summ)", "'summ' in C(g, summ) is no contrast: use Treatment, Sum, Helmert, Poly or Diff"),
        ("C(g, Sum('q'))", "C(g, Sum('q')): specified level 'q' not found. Its levels are 'a', 'b', 'c'."),
    ],
)
def test_contrasts_that_do_not_fit(formula, message):
    assert message in raised(f"y ~ {formula}", FRAME)


# scope ---------------------------------------------------------------------------------------------------------------

C, I, Q, caller_data = 5, 3, None, np.arange(60)


def double(v):
    return 2 * v


def test_columns_with_the_names_of_functions():
    names = ["C", "I", "Q", "class", "my x", "a.b", "b-foo", "1B", "x[5]", "log", "np"]
    frame = FRAME[["y"]].assign(**{name: FRAME.z + j for j, name in enumerate(names)})
    sample = learn(
        "y ~ C + I + Q + class + `my x` + a.b + `b-foo` + `1B` + x[5] + log + np "
        "+ log(log) + I(I) + np.log(np) + I(class^2)",
        frame,
        caller=globals(),
    )
    np.testing.assert_array_equal(sample.X[:, 1:12], frame[names])
    np.testing.assert_array_equal(sample.X[:, -4], np.log(frame["log"]))
    np.testing.assert_array_equal(sample.X[:, -2], np.log(frame["np"]))
    np.testing.assert_array_equal(sample.X[:, -1], frame["class"] ** 2)
    assert learn("y ~ .", frame).design.columns[5] == 'Q("my x")'


def test_a_call_is_a_function_though_a_column_be_called_like_it():
    frame = FRAME[["y", "x"]].assign(**{"exp(x)": FRAME.z, "I(x ** 2)": FRAME.z + 1})
    sample = learn("y ~ exp(x) + I(x ** 2) + `exp(x)`", frame)
    np.testing.assert_array_equal(sample.X[:, 1:], np.column_stack([np.exp(FRAME.x), FRAME.x**2, FRAME.z]))
    assert sample.design.columns[1:] == ("exp(x)", "I(x ** 2)", 'Q("exp(x)")')


def test_functions_of_env_and_caller():
    expected = FRAME.x * 2
    assert np.array_equal(learn("y ~ double(x)", FRAME, caller=globals()).X[:, 1], expected)
    assert np.array_equal(learn("y ~ twice(x)", FRAME, env={"twice": double}).X[:, 1], expected)
    assert np.array_equal(learn("y ~ double(x)", FRAME, env={"double": abs}, caller=globals()).X[:, 1], abs(FRAME.x))
    assert np.array_equal(learn("y ~ pd.Series(x)", FRAME, caller=globals()).X[:, 1], FRAME.x)
    assert np.array_equal(learn("y ~ I(x * np.pi)", FRAME).X[:, 1], FRAME.x * np.pi)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ xx", "The data have no column 'xx'. Did you mean 'x'? The columns are y, x, z, i, k, g, h, b, o, my x."),
        ("y ~ log(zz)", "The data have no column 'zz' for log(zz). Did you mean 'z'?"),
        ("y ~ caller_data", "A variable 'caller_data' of the calling code is never used as data"),
        ("y ~ caller_data(x)", "There is no function 'caller_data' for caller_data(x)."),
        ("y ~ lgo(x)", "There is no function 'lgo' for lgo(x). Did you mean 'log'?"),
        ("y ~ np.lgo(x)", "np.lgo in np.lgo(x) does not exist. Did you mean 'log'?"),
        ("y ~ factor(g)", "factor() in factor(g) is R's; here it is written C(g)."),
        ("y ~ ifelse(x > 0, 1, 0)", "is R's; here it is written np.where(condition, a, b)."),
        ("y ~ x.clip(0)", "x.clip() in x.clip(0): methods of columns cannot be called in a formula"),
        ("y ~ x.values", "There is no column 'x.values', and 'x' is no module."),
        ("y ~ I(g + 1)", "I(g + 1) cannot be computed: TypeError: "),
        ("y ~ I(g + 1)", "g holds labels, not numbers."),
        ("y ~ x if x > 0 else z", "'if' decides once, not row by row. Write np.where(x > 0, a, b)."),
        ("y ~ np.ones(3)", "np.ones(3) gives 3 values for 60 rows; it must give one for each."),
        ("y ~ offset(g)", "offset(g) must be one column of numbers."),
        ("y ~ x + y", "'y' is on both sides of 'y ~ x + y': the outcome cannot explain itself."),
        ("y > 0 ~ x*y", "'y' is on both sides"),
        ("y ~ x + I(y)", "I(y), a function of the outcome, is on both sides of 'y ~ x + I(y)': the outcome cannot"),
        ("y ~ C(y):x", "C(y), a function of the outcome, is on both sides"),
        ("z > 5 ~ log(z)", "log(z), a function of the outcome, is on both sides"),
        ("y ~ 0", "'y ~ 0' has no terms and no intercept, so there is nothing to estimate."),
        ("x + z", "'x + z' has no outcome; write it on the left, 'choice ~ contrast'."),
    ],
)
def test_names_that_mean_nothing(formula, message):
    assert message in raised(formula, FRAME, caller=globals(), kind=(FormulaError, DataError))


def test_integers_do_not_overflow():
    frame = pd.DataFrame({"y": [0, 1, 1], "x": np.array([100, 2, -1], np.int8)})
    assert learn("y ~ I(x**3)", frame).X[:, 1].tolist() == [1e6, 8, -1]


# rows ----------------------------------------------------------------------------------------------------------------


def test_missing_rows_are_dropped_jointly_and_counted_by_cause():
    frame = FRAME.assign(w=1.0, r=FRAME.z)
    frame.loc[:2, "x"] = np.nan
    frame.loc[2:3, "g"] = None
    frame.loc[5, "w"] = np.nan
    frame.loc[[0, 7], "r"] = -1
    sample = learn("y ~ x + g + log(r)", frame, weights="w")
    assert sample.dropped == {"x": 3, "g": 2, "weights": 1, "log(r)": 1}
    assert sample.used.tolist() == [4, 6, *range(8, 60)]
    assert (sample.n_given, sample.n_rows, sample.n_dropped, sample.n_subset_out) == (60, 60, 6, 0)
    assert sample.notes == (
        "60 rows, 6 dropped: 3 missing in x, 2 missing in g, 1 missing in weights, 1 missing in log(r)",
    )
    assert sample.columns.n == 60
    assert set(sample.columns.data) == {"y", "x", "g", "r", "w"}


def test_what_is_missing_is_said():
    frame = FRAME.assign(x=FRAME.x.where(FRAME.index > 2), r=FRAME.z.where(FRAME.index > 0, -1))
    sample = learn("y ~ x + log(r)", frame)
    assert sample.notes == ("60 rows, 3 dropped: 3 missing in x",)
    assert sample.dropped == {"x": 3}
    sample = learn("y ~ g + center(log(r))", frame)
    assert sample.notes == ("60 rows, 1 dropped: 1 missing in center(log(r))",)
    assert sample.n_dropped == 1
    np.testing.assert_array_equal(sample.used, np.arange(1, 60))
    assert sample.X[:, -1].sum() == pytest.approx(0)  # learned on the used rows only
    message = "3 of 60 rows have missing values (3 missing in x) and missing='raise'."
    assert message in raised("y ~ x", frame, missing="raise")


def test_nullable_columns_give_the_same_design():
    frame = FRAME[["y", "x", "k", "g", "b"]].astype(object)
    frame.loc[3, "k"] = frame.loc[4, "b"] = frame.loc[5, "y"] = None
    expected = learn("y ~ x + C(k) + g + b", FRAME.drop(index=[3, 4, 5]))
    for same in (
        frame,
        frame.convert_dtypes(),
        frame.convert_dtypes(dtype_backend="pyarrow"),
        pl.from_pandas(frame.convert_dtypes()),
    ):
        sample = learn("y ~ x + C(k) + g + b", same)
        assert sample.design.columns == expected.design.columns
        np.testing.assert_array_equal(sample.X, expected.X)
        np.testing.assert_array_equal(sample.y, expected.y)
        assert sample.dropped == {"y": 1, "k": 1, "b": 1}


def test_subset():
    mask = FRAME.x > 0
    by_text = learn("y ~ z", FRAME, subset="x > 0")
    for subset in (mask, mask.to_numpy(), mask.sample(frac=1, random_state=0), mask.astype("boolean")):
        np.testing.assert_array_equal(learn("y ~ z", FRAME, subset=subset).used, by_text.used)
    np.testing.assert_array_equal(by_text.used, np.flatnonzero(mask))
    assert (by_text.n_given, by_text.n_rows, by_text.n_dropped) == (60, mask.sum(), 0)
    assert by_text.notes == (f"subset: {mask.sum()} of 60 rows",)
    frame = FRAME.assign(x=FRAME.x.where(mask))
    assert learn("y ~ z", frame, subset="x > 0").n_rows == mask.sum()  # a missing condition is not fulfilled
    assert learn("y ~ z", FRAME, subset="(`my x`^2 < 100) & (g == 'a')").n_rows == 20
    both = ((FRAME.x > -1) & (FRAME.x < 1)).sum()
    assert (
        learn("y ~ z", FRAME, subset="-1 < x < 1").n_rows
        == learn("y ~ z", FRAME, subset="x > -1 and x < 1").n_rows
        == both
    )
    assert learn("y ~ z", FRAME, subset="not (x > -1 and x < 1)").n_rows == 60 - both
    for few in ("g == 'a' or g == 'b'", "g in ['a', 'b']", "g not in ['c']"):
        assert learn("y ~ z", FRAME, subset=few).n_rows == 40
    assert learn("y ~ z", FRAME, subset="b").n_rows == FRAME.b.sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subset": "x > 100"}, "subset= leaves none of the 60 rows, so there is nothing to fit."),
        ({"subset": "k"}, "subset='k' gives numbers (int64), but it must be True or False for each of the 60 rows"),
        ({"subset": "q > 1"}, "The data have no column 'q' for q > 1."),
        (
            {"subset": "x < 1 & z > 2"},
            "x < 1 & z > 2 compares with 1 & z, because & and | bind tighter than comparisons",
        ),
        ({"subset": [True]}, "subset= has 1 value and the data have 60 rows."),
        ({"missing": "omit"}, "missing 'omit' is not known."),
        (
            {"weights": -FRAME.k},
            "weights= is negative in 60 rows (smallest -3); a weight is how many times a row counts",
        ),
        ({"weights": np.full(60, np.inf)}, "weights= is infinite in 60 rows"),
        (
            {"weights": np.full(60, np.nan)},
            "No rows are left to fit: all 60 rows have missing values (60 missing in weights).",
        ),
        ({"offset": "g"}, "offset='g' is a column of labels ('a', 'b', 'c') and cannot be used as offset."),
        ({"offset": np.full(60, np.inf)}, "offset= is infinite in 60 rows"),
        ({"weights": np.ones(3)}, "weights= has 3 values and the data have 60 rows."),
        ({"trials": "xx"}, "The data have no column 'xx'."),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    assert message in raised("y ~ z", FRAME, **options)


def test_no_data():
    assert raised("y ~ x", FRAME.iloc[:0]) == "The data have no rows, so there is nothing to fit."
    empty = FRAME.assign(x=np.nan)
    assert "all 60 rows have missing values (60 missing in x). Leave the emptiest column out" in raised("y ~ x", empty)


def test_one_class_left_says_what_was_lost():
    frame = FRAME.assign(x=FRAME.x.where(FRAME.y == 1))
    lost = int((FRAME.y == 0).sum())
    message = raised("y ~ x", frame, kind=ResponseError)
    assert f"y is 1 in all {60 - lost} rows ({lost} of 60 rows were dropped: {lost} missing in x)" in message


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ bad", "bad is infinite in 2 rows"),
        ("y ~ `bad one`", "bad one is infinite in 2 rows"),
        ("y ~ log(zero)", "log(zero) is infinite in 3 rows"),
        ("y ~ standardize(log(zero))", "The argument of standardize(log(zero)) is infinite in 3 rows"),
        ("y ~ offset(bad)", "offset(bad) is infinite in 2 rows"),
    ],
)
def test_infinite_values(formula, message):
    frame = FRAME.assign(bad=FRAME.x, zero=FRAME.z)
    frame.loc[:1, "bad"] = [np.inf, -np.inf]
    frame.loc[:2, "zero"] = 0
    frame["bad one"] = frame.bad
    assert message in raised(formula, frame, kind=DataError)


def test_huge_values_are_not_infinite():
    frame = FRAME.assign(x=1e140, i=np.float32(3e38))
    assert np.isfinite(learn("y ~ x + i", frame).X).all()


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (1e308, "x is as large as 1e+308 (in absolute value), and its squares overflow double precision."),
        (-3e160, "x is as large as 3e+160 (in absolute value), and its squares overflow double precision. Rescale the"),
        (2e-170, "x is no larger than 2e-170 (in absolute value), and its squares vanish in double precision. Rescale"),
        (2e-170, "Rescale the column: divide it by 1e-170."),
    ],
)
def test_columns_beyond_double_precision_are_refused(unit, message):
    frame = FRAME.assign(x=unit * np.linspace(0.1, 1, 60))
    assert message in raised("y ~ z + x", frame)
    rescaled = learn(f"y ~ z + I(x / {unit})", frame).X[:, 2]
    np.testing.assert_allclose(rescaled, np.linspace(0.1, 1, 60))
    assert "x:x2 is a product too large for double precision" in raised(
        "y ~ x:x2", FRAME.assign(x=1e200, x2=1e200 * FRAME.z)
    )


def test_columns_of_zeros_are_not_extreme():
    assert learn("y ~ x + z", FRAME.assign(x=0.0)).X[:, 1].any() == np.False_


# weights, trials, offset ---------------------------------------------------------------------------------------------


def test_weights_trials_and_offset():
    frame = FRAME.assign(n=FRAME.k, p=0.0, w=FRAME.z)
    frame["p"] = np.where(frame.y == 1, 1 / frame.n, 0)
    sample = learn("p ~ x + offset(z)", frame, weights="w", trials="n", offset=frame.i.sample(frac=1, random_state=0))
    np.testing.assert_array_equal(sample.trials, frame.n)
    np.testing.assert_allclose(sample.weights, frame.w * frame.n)
    np.testing.assert_array_equal(sample.offset, frame.z + frame.i)
    assert learn("p ~ .", frame[["p", "x", "w", "n", "i"]], weights="w", trials="n", offset="i").design.columns == (
        "Intercept",
        "x",
    )


def test_grouped_response():
    sample = learn("cbind(k, k + 1) ~ x", FRAME)
    np.testing.assert_allclose(sample.y, FRAME.k / (2 * FRAME.k + 1))
    np.testing.assert_array_equal(sample.weights, 2 * FRAME.k + 1)
    assert sample.design.response.kind == "counts"


# later data ----------------------------------------------------------------------------------------------------------


def test_training_values_are_kept():
    train, later = FRAME.iloc[:40], FRAME.iloc[40:50]
    sample = learn("y ~ center(x) + standardize(log(z)) + poly(i, 2) + ns(z, 3) + C(k, Sum)*g", train)
    whole = learn("y ~ I(x - m(x)) + C(k, Sum)*g", FRAME, env={"m": lambda x: train.x.mean()})
    block = sample.design.block(later)
    np.testing.assert_allclose(block.X[:, 1], later.x - train.x.mean())
    logs = np.log(train.z)
    np.testing.assert_allclose(block.X[:, 2], (np.log(later.z) - logs.mean()) / logs.std(ddof=0))
    np.testing.assert_allclose(block.X[:, -6:], whole.X[40:50, -6:])


def test_one_row_of_any_kind():
    design = learn("y ~ x*g + C(k) + b", FRAME).design
    for row in ({"x": 2, "g": "b", "k": 3, "b": True}, pl.DataFrame({"x": [2], "g": ["b"], "k": [3], "b": [True]})):
        block = design.block(row)
        assert dict(zip(design.columns, block.X[0], strict=True)) == {
            "Intercept": 1, "x": 2, "g[T.b]": 1, "g[T.c]": 0, "C(k)[T.2]": 0, "C(k)[T.3]": 1, "b[T.True]": 1,
            "x:g[T.b]": 2, "x:g[T.c]": 0,
        }  # fmt: skip


def test_missing_rows_keep_their_place():
    later = FRAME.set_index("my x").iloc[:5].assign(x=[1, np.nan, 2, 3, 4], g=["a", "b", None, "c", "a"])
    block = learn("y ~ x + g", FRAME).design.block(later)
    assert block.keep.tolist() == [0, 3, 4]
    assert block.n == 5
    assert block.index.equals(later.index)
    assert learn("y ~ x", FRAME).design.block(later.iloc[:0]).X.shape == (0, 2)
    nothing = learn("y ~ bs(x, df=4) + g + offset(z)", FRAME).design.block({"x": [np.nan], "g": ["a"], "z": [1.0]})
    assert nothing.X.shape == (0, 7)
    assert learn("y ~ 1", FRAME).design.block({"anything": [1, 2]}).X.tolist() == [[1], [1]]


def test_unseen_levels():
    design = learn("y ~ g + C(k) + x", FRAME).design
    later = FRAME.iloc[:6].assign(g=["a", "q", "b", "r", "c", "a"], k=[1, 1, 9, 1, 2, 3])
    with pytest.raises(DataError) as error:
        design.block(later)
    message = str(error.value)
    assert "g: 'q', 'r' in 2 rows (the fit knows 'a', 'b', 'c'); C(k): 9 in 1 row (the fit knows 1, 2, 3)" in message
    assert "use unseen='nan' to get NaN for them" in message
    assert design.block(later, unseen="nan").keep.tolist() == [0, 4, 5]
    assert design.block(later.iloc[[0]].assign(g=pd.Categorical(["a"], ["z", "a"]))).X[0, 1] == 0
    with pytest.raises(InputError, match="unseen 'drop' is not known"):
        design.block(later, unseen="drop")


def test_later_columns_of_another_kind():
    design = learn("y ~ x + C(k) + b", FRAME).design
    np.testing.assert_array_equal(
        design.block(FRAME.assign(k=FRAME.k.astype(float), b=FRAME.b.astype(int))).X, design.block(FRAME).X
    )
    for later, message in [
        (FRAME.assign(x="a"), "x was numeric when the model was fitted and holds labels in the new data."),
        (FRAME.assign(x=np.inf), "x is infinite in 60 rows of the new data, which gives no finite prediction"),
        (FRAME.assign(k="1"), "C(k): '1' in 60 rows (the fit knows 1, 2, 3)"),
        (FRAME.drop(columns="x"), "The new data have no column 'x'."),
    ]:
        with pytest.raises(InputError) as error:
            design.block(later)
        assert message in str(error.value)


def test_offsets_in_later_data():
    later = FRAME.iloc[:3]
    for sample in (
        learn("y ~ x + offset(log(z))", FRAME),
        learn("y ~ x", FRAME.assign(lz=np.log(FRAME.z)), offset="lz"),
    ):
        np.testing.assert_allclose(sample.design.block(later.assign(lz=np.log(later.z))).offset, np.log(later.z))
    with pytest.raises(DataError) as error:
        learn("y ~ x", FRAME, offset=FRAME.z).design.block(later)
    assert "fitted with offset= given as values, which are not known for new data" in str(error.value)
    assert "offset(z) in the formula" in str(error.value)
    with pytest.raises(FormulaError, match="no column 'z'"):
        learn("y ~ x", FRAME, offset="z").design.block(later[["x"]])


def test_outcome_of_later_data():
    frame = FRAME.assign(choice=np.where(FRAME.y == 1, "right", "left"), w=FRAME.z)
    block = learn("choice ~ x", frame, weights="w").design.block(frame.iloc[:9], response=True)
    np.testing.assert_array_equal(block.y, frame.y[:9])
    np.testing.assert_array_equal(block.weights, frame.w[:9])
    block = learn("cbind(k, k) ~ x", frame).design.block(frame.iloc[:9], response=True)
    np.testing.assert_array_equal(block.weights, 2 * frame.k[:9])
    frame.loc[0, "choice"] = None
    assert learn("choice ~ x", frame).design.block(frame, response=True).keep[0] == 1
    with pytest.raises(DataError, match="fitted with weights= given as values"):
        learn("choice ~ x", frame, weights=frame.w).design.block(frame, response=True)


# pickling ------------------------------------------------------------------------------------------------------------


def test_a_design_works_in_a_fresh_process(tmp_path):
    formula = "y ~ standardize(np.log(z))*g + bs(x, df=4) + cr(z, df=4) + poly(i, 2) + ns(x, 3) + C(k, Sum) + offset(x)"
    sample = learn(formula, FRAME)
    (tmp_path / "design.pickle").write_bytes(pickle.dumps(sample.design))
    FRAME.to_pickle(tmp_path / "frame.pickle")
    np.save(tmp_path / "X.npy", sample.X)
    code = (
        "import pickle, sys, pathlib, numpy, pandas; folder = pathlib.Path(sys.argv[1]);"
        "design = pickle.loads((folder / 'design.pickle').read_bytes());"
        "block = design.block(pandas.read_pickle(folder / 'frame.pickle'));"
        "numpy.testing.assert_array_equal(block.X, numpy.load(folder / 'X.npy'))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_design_is_small():
    large = learn("y ~ x*g + bs(z, df=5) + C(k)", made(20_000)).design
    assert len(pickle.dumps(large)) < 6_000
    many = FRAME.assign(g=[f"mouse {i}" for i in range(60)])
    assert len(pickle.dumps(learn("y ~ g", many).design)) < 6_000


def test_functions_that_cannot_be_pickled_are_missed_when_needed():
    design = pickle.loads(
        pickle.dumps(learn("y ~ f(x) + double(z)", FRAME, env={"f": lambda v: v, "double": double}).design)
    )
    with pytest.raises(FormulaError) as error:
        design.block(FRAME)
    assert "The formula calls the function 'f', which did not come along with the pickled fit" in str(error.value)
    modules = pickle.loads(pickle.dumps(learn("y ~ pd.Series(x)", FRAME, caller=globals()).design))
    assert modules.block(FRAME).X.shape == (60, 2)


# weight of the import ------------------------------------------------------------------------------------------------


def test_import_is_light():
    code = (
        "import sys, pandas; before = set(sys.modules); import glminfer.data.design;"
        "new = set(sys.modules) - before;"
        "print([m for m in ('statsmodels', 'scipy.stats', 'matplotlib', 'pyarrow', 'narwhals') if m in new])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# dates that only tell rows apart -------------------------------------------------------------------------------------

DAYS = pd.date_range("2016-12-14", periods=3)
DATES = {
    "datetime": DAYS.repeat(20),
    "with time zone": DAYS.tz_localize("Europe/London").repeat(20),
    "python dates": [day.date() for day in DAYS.repeat(20)],
    "period": DAYS.to_period("D").repeat(20),
    "arrow": pd.array([day.date() for day in DAYS.repeat(20)], dtype=pd.ArrowDtype(pa.date32())),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_may_be_labels(kind):
    frame = FRAME.assign(day=DATES[kind], text=np.repeat(["p", "q", "r"], 20))
    for term in ("lag(x, 1, by={})", "history(x, 2, {}, before=0)", "standardize(x, by={})", "0 + C({})"):
        expected, found = (learn(f"y ~ {term.format(name)}", frame).X for name in ("text", "day"))
        np.testing.assert_array_equal(found, expected)
    for name in ("day", "C(day) + day", "lag(day)", "lag(x, 1, by=day) + day"):
        assert "day holds dates or times" in raised(f"y ~ {name}", frame)
    missing = frame.assign(day=frame.day.where(frame.index != 3))
    assert learn("y ~ C(day)", missing).dropped == {"day": 1}


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas, lambda f: {k: f[k].to_numpy() for k in f}])
def test_dates_of_any_frame_may_be_labels(make):
    frame = FRAME.assign(day=DATES["datetime"])
    sample = learn("y ~ lag(x, 1, by=day) + C(day)", make(frame))
    assert sample.n_dropped == 3
    assert sample.design.columns[-1].startswith("C(day)[T.2016-12-16")
    assert "day holds dates or times" in raised("y ~ day", make(frame))


@pytest.mark.parametrize("formula", ["y ~ .", "y ~ x + Intercept"])
def test_a_column_called_intercept_beside_the_constant(formula):
    frame = FRAME[["y", "x"]].assign(Intercept=1.0)
    told = (
        "The formula has a column Intercept beside its own constant, which has that name. Write '- 1' to leave the "
        "constant out, '- Intercept' to leave the column out, or rename the column."
    )
    with pytest.raises(FormulaError) as error:
        learn(formula, frame)
    assert str(error.value) == told
    for way_out in ("- 1", "- Intercept"):
        sample = learn(f"{formula} {way_out}", frame)
        assert sorted(sample.design.columns) == ["Intercept", "x"]
        np.testing.assert_array_equal(sample.X[:, sample.design.columns.index("Intercept")], 1.0)
