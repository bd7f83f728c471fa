"""Functions inside formulas: R's and patsy's numbers, the same treatment for later rows, errors in words."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import patsy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glminfer as gi
from glminfer.data.bsplines import basis, derivative
from glminfer.data.splines import learn_ns
from glminfer.data.transforms import FUNCTIONS, C, CategoricalSpec, Stateful
from glminfer.errors import DataError, FormulaError

FROM_R = json.loads((Path(__file__).parents[1] / "reference" / "transforms.json").read_text())

# the inputs of tests/reference/transforms.R
X = np.arange(1, 21) ** 2 / 10
TIED = np.array([1.0, 1, 1, 2, 2, 3, 5, 8, 8, 13])
NEW = np.array([-3, 0.1, 0.25, 7.3, 22.5, 40, 47])
INSIDE = np.array([0.1, 0.25, 7.3, 22.5, 40])


def arguments(call):
    """Function, arguments and options of a call written as text, such as ``poly(x, 3)``."""
    name = call.split("(")[0]
    args, options = eval(call, {name: lambda *args, **options: (args, options), "x": X, "tied": TIED})
    return FUNCTIONS[name], args, options


def applied(call, new=None):
    """The columns a call gives on its own rows and, learned there, on new ones."""
    function, args, options = arguments(call)
    state = function.learn(*args, **options)
    return function.apply(state, *args[:1] if new is None else [new], *args[1:], **options)


def refused(call, message, new=None, error=DataError):
    with pytest.raises(error, match=re.escape(message)):
        applied(call, new)


# R -------------------------------------------------------------------------------------------------------------

CASES = [call for call, value in FROM_R.items() if isinstance(value, dict)]


@pytest.mark.parametrize("call", CASES)
def test_equals_r_on_the_rows_learned_from(call):
    np.testing.assert_allclose(applied(call), FROM_R[call]["fit"], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("call", CASES)
def test_equals_r_on_new_rows(call):
    expected = np.array(FROM_R[call]["new"])
    np.testing.assert_allclose(applied(call, NEW if len(expected) == 7 else INSIDE), expected, rtol=1e-10, atol=1e-13)


def test_knots_are_r_quantiles_of_type_7():
    np.testing.assert_allclose(np.quantile(TIED, [0.1, 0.25, 1 / 3, 0.5, 0.9]), FROM_R["quantile"], rtol=1e-14)
    np.testing.assert_allclose(learn_ns(TIED, 3, boundary_knots=[0, 15]).knots[4:-4], np.quantile(TIED, [1 / 3, 2 / 3]))


def test_scale_equals_r():
    np.testing.assert_allclose(applied("scale(x, ddof=1)"), FROM_R["scale(x, ddof=1)"], rtol=1e-14)


# patsy ---------------------------------------------------------------------------------------------------------

PATSY = [
    "center(x)",
    "standardize(x)",
    "standardize(x, center=False)",
    "standardize(x, rescale=False)",
    "scale(x, ddof=1)",
    "bs(x, df=3)",
    "bs(x, 7)",
    "bs(x, df=7, include_intercept=True)",
    "bs(x, df=4, degree=1)",
    "bs(x, df=3, degree=0)",
    "bs(x, knots=[4, 9, 9, 25], degree=2)",
    "bs(x, df=5, lower_bound=0, upper_bound=100)",
    "cr(x, df=4)",
    "cr(x, df=4, constraints='center')",
    "cr(x, knots=[3, 9])",
    "cc(x, df=4)",
    "cc(x, 4, lower_bound=0, upper_bound=50)",
]


@pytest.mark.parametrize("call", PATSY)
def test_equals_patsy(call):
    frame = pd.DataFrame({"x": X})
    design = patsy.dmatrix(f"0 + {call}", frame)
    np.testing.assert_allclose(np.atleast_2d(applied(call).T).T, np.asarray(design), rtol=1e-12, atol=1e-14)
    (again,) = patsy.build_design_matrices([design.design_info], {"x": INSIDE})
    np.testing.assert_allclose(np.atleast_2d(applied(call, INSIDE).T).T, np.asarray(again), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"constraints": "center"}])
def test_tensor_products_equal_patsy(options):
    z, te = np.cos(X), FUNCTIONS["te"]
    first, second = (np.asarray(b) for b in (patsy.cr(X, df=4), patsy.cc(z, df=3)))
    state = te.learn(first, second, **options)
    expected = np.asarray(patsy.te(first, second, **options))
    np.testing.assert_allclose(te.apply(state, first, second, **options), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(te.apply(state, first[3:5], second[3:5], **options), expected[3:5], atol=1e-14)


# what the functions promise ------------------------------------------------------------------------------------


def test_shapes():
    assert applied("center(x)").shape == (20,)
    assert FUNCTIONS["standardize"].apply(FUNCTIONS["standardize"].learn(np.c_[X, -X]), np.c_[X, -X]).shape == (20, 2)
    for call in ["poly(x, 2)", "ns(x, 2)", "bs(x, 3)"]:
        assert applied(call).shape[0] == 20
        assert applied(call, np.array([7.0])).shape == (1, applied(call).shape[1])
        assert applied(call, np.empty(0)).shape == (0, applied(call).shape[1])


@pytest.mark.parametrize("dtype", [int, bool, np.float32, np.int8])
def test_any_number_is_computed_in_double_precision(dtype):
    x = np.array([0, 1, 1, 0, 1]).astype(dtype)
    assert FUNCTIONS["standardize"].apply(FUNCTIONS["standardize"].learn(x), x).dtype == np.float64
    assert FUNCTIONS["poly"].apply(FUNCTIONS["poly"].learn(x, 1), x).dtype == np.float64


def test_a_column_of_shape_n_by_1_is_a_column():
    np.testing.assert_array_equal(
        FUNCTIONS["poly"].apply(FUNCTIONS["poly"].learn(X[:, None], 2), X), applied("poly(x, 2)")
    )


columns = st.lists(st.integers(-1000, 1000), min_size=12, max_size=60, unique=True).map(lambda v: np.array(v) / 7.0)


@given(columns, st.integers(1, 5))
def test_orthogonal_polynomials_are_orthonormal_and_centred(x, degree):
    poly = FUNCTIONS["poly"]
    values = poly.apply(poly.learn(x, degree), x)
    np.testing.assert_allclose(values.T @ values, np.eye(degree), atol=1e-8)
    np.testing.assert_allclose(values.sum(axis=0), 0, atol=1e-8)
    assert (np.polyfit(x, values[:, -1], degree)[0]) > 0


@given(columns, st.floats(1e-9, 1e9), st.integers(1, 4))
def test_orthogonal_polynomials_do_not_depend_on_the_unit(x, unit, degree):
    poly = FUNCTIONS["poly"]
    expected = poly.apply(poly.learn(x, degree), x)
    np.testing.assert_allclose(poly.apply(poly.learn(x * unit, degree), x * unit), expected, atol=1e-9)


@given(columns, st.integers(0, 4), st.integers(0, 4))
def test_b_splines_sum_to_one_and_differentiate(x, degree, inner):
    ends = [x.min(), x.max()]
    knots = np.sort(np.concatenate([np.repeat(ends, degree + 1), np.linspace(*ends, inner + 2)[1:-1]]))
    values = basis(knots, degree, x)
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-12)
    assert values.min() >= -1e-12
    if degree:
        np.testing.assert_allclose(derivative(knots, degree, x, 1).sum(axis=1), 0, atol=1e-6)


@given(columns, st.integers(1, 6))
def test_natural_splines_are_linear_beyond_their_range_and_smooth_at_its_ends(x, df):
    ns = FUNCTIONS["ns"]
    low, high = x.min(), x.max()
    step = (high - low) / 10
    state = ns.learn(x, df)
    for end in (low - 2 * step, high):
        line = ns.apply(state, end + step * np.arange(3))
        np.testing.assert_allclose(line[0] - 2 * line[1] + line[2], 0, atol=1e-9)
    h = 1e-6 * (high - low)
    for end in (low, high):
        before, at, after = ns.apply(state, end + h * np.array([-1, 0, 1]))
        np.testing.assert_allclose(after - at, at - before, atol=1e-9)


def test_natural_and_b_splines_span_straight_lines():
    for call in ["ns(x, 4)", "bs(x, 5)", "ns(x, df=4, intercept=True)"]:
        columns = np.c_[np.ones(20), applied(call)]
        coef = np.linalg.lstsq(columns, X, rcond=None)[0]
        np.testing.assert_allclose(columns @ coef, X, atol=1e-10)


def test_missing_values_are_passed_on_and_nothing_is_learned_from_them():
    holed = np.append(X, np.nan)
    for call in ["standardize", "poly", "ns", "bs", "center"]:
        function = FUNCTIONS[call]
        args = () if call in ("standardize", "center") else (3,)
        values = function.apply(function.learn(holed, *args), holed)
        np.testing.assert_array_equal(values[:-1], function.apply(function.learn(X, *args), X))
        assert np.isnan(values[-1]).any()


def test_learned_states_are_small_and_work_in_another_process(tmp_path):
    first, second = applied("cr(x, df=4)"), applied("cc(x, df=3)")
    calls = [*CASES, *PATSY]
    states, expected = {}, {}
    for call in calls:
        function, args, options = arguments(call)
        states[call] = (function.name, function.learn(*args, **options))
        expected[call] = function.apply(states[call][1], INSIDE)
    te = FUNCTIONS["te"]
    states["te"] = ("te", te.learn(first, second, constraints="center"))
    expected["te"] = te.apply(states["te"][1], first, second)
    stored = pickle.dumps((states, INSIDE, first, second))
    assert len(pickle.dumps(states["ns(x, 4)"])) < 2000
    (tmp_path / "states").write_bytes(stored)
    script = (
        "import pickle, sys\n"
        "from glminfer.data.transforms import FUNCTIONS\n"
        "states, x, a, b = pickle.load(open(sys.argv[1] + '/states', 'rb'))\n"
        "out = {c: FUNCTIONS[n].apply(s, *((a, b) if n == 'te' else (x,))) for c, (n, s) in states.items()}\n"
        "pickle.dump(out, open(sys.argv[1] + '/out', 'wb'))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=Path(__file__).parents[2])
    found = pickle.loads((tmp_path / "out").read_bytes())
    assert found.keys() == expected.keys()
    for call in expected:
        np.testing.assert_array_equal(found[call], expected[call])


def test_stateful_records_pickle():
    assert all(pickle.loads(pickle.dumps(f)) == f for f in FUNCTIONS.values() if isinstance(f, Stateful))


def test_splines_need_no_scipy_interpolate():
    script = "import sys, glminfer.data.transforms; print({'scipy.interpolate', 'scipy.stats'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert run.stdout.strip() == "set()"


# errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "poly(tied, 6)",
            "poly(): degree=6 needs 7 distinct values, and the column has 6 (1, 2, 3, 5, 8 and 13). Lower",
        ),
        ("poly(tied > 1, 2)", "poly(): degree=2 needs 3 distinct values, and the column has 2 (0 and 1)."),
        ("poly(x, 0)", "poly(): degree=0 must be a whole number, 1 or more."),
        ("poly(x, 1.5)", "poly(): degree=1.5 must be a whole number, 1 or more."),
        ("poly(x, x)", "must be a whole number, 1 or more."),
        ("poly([[1, 2], [3, 4]], 1)", "poly(): takes one column, and was given an array of shape (2, 2)."),
        ("poly(['a', 'b'], 1)", "poly(): needs numbers, and was given labels ('a' and 'b')."),
        ("standardize([1j, 2])", "standardize(): needs numbers, and was given a column of complex128."),
        ("center(['a', 'b'])", "center(): needs numbers, and was given labels ('a' and 'b')."),
        ("cr(['a', 'b'], 3)", "cr(): needs numbers, and was given labels ('a' and 'b')."),
        ("te(['a', 'b'])", "te(): needs numbers, and was given labels ('a' and 'b')."),
        (
            "standardize(0 * x + 5)",
            "standardize(): the column is 5 in all 20 rows and has no standard deviation. Leave it",
        ),
        ("scale([5.5])", "scale(): the column is 5.5 in the only row and has no standard deviation."),
        ("standardize([1, 2], ddof=2)", "standardize(): ddof=2 needs more than 2 rows, and was given 2."),
        (
            "center([1, float('inf'), -float('inf')])",
            "center(): was given inf in 2 rows; look for a logarithm of 0 or a",
        ),
        ("poly([float('nan')], 1)", "poly(): was given no rows to learn from."),
        ("ns(x)", "ns(): needs df=, the number of columns (1 or more), or knots=."),
        ("bs(x)", "bs(): needs df=, the number of columns (3 or more), or knots=."),
        ("ns(x, 0)", "ns(): df=0 must be a whole number, 1 or more."),
        ("ns(x, 1, intercept=True)", "ns(): df=1 must be a whole number, 2 or more."),
        ("bs(x, 2)", "bs(): df=2 must be a whole number, 3 or more."),
        ("bs(x, 3, include_intercept=True)", "bs(): df=3 must be a whole number, 4 or more."),
        ("bs(x, 3, degree=-1)", "bs(): degree=-1 must be a whole number, 0 or more."),
        ("bs(x, '4')", "bs(): df='4' must be a whole number, 3 or more."),
        ("ns(x, float('inf'))", "ns(): df=inf must be a whole number, 1 or more."),
        ("bs(x, 5, knots=[3])", "bs(): df=5 implies 2 knots, and knots= has 1. Give one of the two."),
        ("ns(0 * x, 2)", "ns(): the column is 0 in all 20 rows. Leave it out."),
        ("bs(0 * x, 4)", "bs(): the column is 0 in all 20 rows. Leave it out."),
        ("bs(x, 4, lower_bound=50)", "bs(): the lower bound 50 is not below the upper bound 40."),
        ("ns(x, 4, boundary_knots=[3])", "ns(): boundary_knots needs two numbers, and was given 1."),
        (
            "ns(x, 4, boundary_knots=[50, 60])",
            "ns(): has no rows between its bounds to take quantiles of. Give knots=, or",
        ),
        (
            "ns(x, knots=[5, 50, 60])",
            "ns(): 2 knots (50 and 60) fell on or beyond the ends 0.1 and 40, where they change",
        ),
        (
            "ns([0] * 6 + [1, 2, 3, 4], 3)",
            "ns(): 1 knot (0) fell on or beyond the ends 0 and 4, because many rows share one value. Lower df, or give "
            "knots= inside the range.",
        ),
        ("cr(x)", "cr(): Must specify either 'df' or 'knots'."),
    ],
)
def test_unusable_columns_and_options_are_refused(call, message):
    refused(call, message)


def test_bs_refuses_to_extrapolate_unless_told_to():
    message = (
        "bs(): 2 rows (-3 and 47) fell outside the range 0.1 to 40 that the spline was learned on, where nothing is "
        "known about the curve. Leave them out, fit with lower_bound= and upper_bound=, use ns() (linear beyond its "
        "range), or extrapolate=True to continue the end pieces."
    )
    refused("bs(x, 5)", message, new=NEW)
    refused("bs(x, 5, lower_bound=1)", "bs(): 3 rows (0.1, 0.4 and 0.9) fell outside the range 1 to 40")
    assert applied("bs(x, 5, extrapolate=True)", NEW).shape == (7, 5)


def test_new_labels_where_numbers_were_learned_are_refused():
    refused("poly(x, 2)", "poly(): needs numbers, and was given labels ('a' and 'b').", new=pd.Categorical(["a", "b"]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "poly(x, dgree=2)",
            "poly(): got an unexpected keyword argument 'dgree'. Did you mean 'degree'? It is called as "
            "poly(x, degree=1, raw=False).",
        ),
        ("center()", "center(): missing a required argument: 'x'. It is called as center(x, *, by=None)."),
        ("center(x, 2)", "center(): too many positional arguments. It is called as center(x, *, by=None)."),
        ("te(x, df=3)", "It is called as te(*bases, constraints=None)."),
    ],
)
def test_wrong_calls_are_answered_with_the_right_one(call, message):
    refused(call, message, error=FormulaError)


# markers -------------------------------------------------------------------------------------------------------


def test_c_is_a_plain_record_and_nests():
    spec = C(C(X, FUNCTIONS["Sum"]), levels=[1, 2])
    assert isinstance(spec, CategoricalSpec)
    assert spec.values is X
    assert spec.contrast is patsy.Sum
    assert spec.levels == [1, 2]
    assert C(C(X, "first"), "second").contrast == "second"
    assert (C(X).contrast, C(X).levels) == (None, None)


def test_identity_and_quoting():
    assert FUNCTIONS["I"](X) is X
    with pytest.raises(
        FormulaError, match=re.escape('Q() quotes the name of one column, as in Q("my column"); it was given')
    ):
        FUNCTIONS["Q"](3)


def test_the_list_is_the_documented_one():
    documented = (
        "log log2 log10 log1p exp expm1 sqrt abs sin cos I Q C Treatment Sum Poly Helmert Diff "
        "bs cr cc te center scale standardize poly ns raised_cosine lag history"
    )
    assert set(FUNCTIONS) == set(documented.split())


# raised cosines, and scaling within sessions -------------------------------------------------------------------


def test_raised_cosines_join_the_levels_at_evenly_spaced_points():
    peaks = np.linspace(0.1, 40, 5)
    whole = applied("raised_cosine(x, 5, include_intercept=True)", peaks)
    np.testing.assert_allclose(whole, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(applied("raised_cosine(x, 4)", peaks), np.eye(5)[:, 1:], atol=1e-12)
    between = np.linspace(0.1, 40, 321)
    values = applied("raised_cosine(x, 5, True)", between)
    np.testing.assert_allclose(values.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(values[20], [np.cos(np.pi / 8) ** 2, np.sin(np.pi / 8) ** 2, 0, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(applied("raised_cosine(x, 4)", between), values[:, 1:])


@given(columns, st.integers(1, 8), st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
def test_raised_cosines_do_not_depend_on_unit_origin_and_direction(x, n, unit, shift):
    f = FUNCTIONS["raised_cosine"]
    values = f.apply(f.learn(x, n), x)
    assert values.shape == (x.size, n)
    moved = unit * (x + shift)
    np.testing.assert_allclose(f.apply(f.learn(moved, n), moved), values, atol=1e-7)
    both = np.c_[np.ones(x.size), values, f.apply(f.learn(-x, n), -x)]
    assert np.linalg.matrix_rank(both, tol=1e-8 * x.size) <= n + 1  # the same curves from right to left


def test_raised_cosines_keep_their_range():
    assert applied("raised_cosine(x, 4, upper_bound=50, lower_bound=-5)", NEW).shape == (7, 4)
    assert applied("raised_cosine(x, 1)", INSIDE).shape == (5, 1)
    refused(
        "raised_cosine(x, 4)",
        "raised_cosine(): 2 rows (-3 and 47) fell outside the range 0.1 to 40 that the bumps were learned on, where "
        "nothing is known about the curve. Leave them out, fit with lower_bound= and upper_bound=, or use ns(), which "
        "is linear beyond its range.",
        new=NEW,
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("raised_cosine(tied, 6)", "n=6 needs 7 distinct values, and the column has 6 (1, 2, 3, 5, 8 and 13). Lower n"),
        ("raised_cosine(x, 0)", "raised_cosine(): n=0 must be a whole number, 1 or more."),
        ("raised_cosine(x, 1, include_intercept=True)", "n=1 must be a whole number, 2 or more."),
        ("raised_cosine(x, 3, lower_bound=50)", "the lower bound 50 is not below the upper bound 40."),
        ("standardize(x, by='session')", "by='session' is no column; write its name without quotes, by=session."),
        (
            "standardize([3, 3, 1, 2], by=['u', 'u', 'v', 'v'])",
            "standardize(): the column is 3 in all 2 rows where by= is 'u' and has no standard deviation. Leave these "
            "rows out with subset=.",
        ),
        ("scale([3, 1, 2], ddof=1, by=[1, 2, 2])", "scale(): the column is 3 in the only row where by= is 1 and has"),
    ],
)
def test_bumps_and_sessions_that_cannot_be_used(call, message):
    refused(call, message)


SESSIONS = {
    "text": np.repeat(["p", "q"], 10),
    "categorical": pd.Categorical(np.repeat(["q", "p"], 10), categories=["unused", "q", "p"]),
    "numbers": np.resize([7.0, 3.0], 20),
    "bools": np.resize([True, False], 20),
}


@pytest.mark.parametrize("by", SESSIONS.values(), ids=SESSIONS)
def test_standardized_within_sessions(by):
    f = FUNCTIONS["standardize"]
    state = f.learn(X, by=by)
    groups = pd.Series(X).groupby(np.asarray(by))
    expected = (X - groups.transform("mean")) / groups.transform(lambda v: v.std(ddof=0))
    np.testing.assert_allclose(f.apply(state, X, by=by), expected, rtol=1e-13)
    np.testing.assert_allclose(f.apply(state, X[[3]], by=by[[3]]), expected[3], rtol=1e-13)
    assert len(f.apply(state, X[:0], by=by[:0])) == 0
    two = f.learn(np.c_[X, -X], ddof=1, by=by)
    np.testing.assert_allclose(f.apply(two, np.c_[X, -X], by=by)[:, 1], -expected * np.sqrt(0.9), rtol=1e-13)
    np.testing.assert_allclose(f.apply(FUNCTIONS["center"].learn(X, by=by), X, by=by), X - groups.transform("mean"))


def test_sessions_that_were_not_there():
    frame = pd.DataFrame({"y": [0, 1, 1, 0] * 5, "x": X, "s": SESSIONS["text"]})
    fit = gi.logit("y ~ standardize(x, by=s)", frame)
    new = frame.iloc[[0, 12, 3]].assign(s=["p", "r", "p"])
    with pytest.raises(gi.DataError) as error:
        fit.predict(new)
    assert str(error.value) == (
        "standardize(): by= is 'r' in 1 row of the new data, which was not there when the model was fitted, so its "
        "mean and standard deviation are not known. Leave these rows out, use unseen='nan' to get NaN for them, or "
        "standardize within sessions in the frame before fitting."
    )
    assert fit.predict(new, unseen="nan").isna().tolist() == [False, True, False]
    assert pickle.loads(pickle.dumps(fit)).predict(new.iloc[:1])[0] == fit.predict()[0]
    assert gi.logit("y ~ standardize(x, by=s)", frame.assign(s=frame.s.where(frame.index > 3))).nobs == 16
