"""lag() and history(): rows of the same session only, earlier rows only, and rows that the model does not use."""

import contextlib
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.data.design import learn
from glminfer.data.raised_cosines import past_bumps
from glminfer.errors import DataError, FormulaError

RNG = np.random.default_rng(5)
N = 60
TRIALS = pd.DataFrame(
    {
        "y": RNG.integers(0, 2, N),
        "x": RNG.normal(size=N),
        "count": RNG.poisson(2.0, N),
        "choice": RNG.choice(["left", "right"], N),
        "right": RNG.random(N) > 0.5,
        "session": np.repeat(["b", "a", "c"], [15, 25, 20]),
        "number": np.repeat([3, 1, 2], [15, 25, 20]),
        "my session": np.repeat(["b", "a", "c"], [15, 25, 20]),
    }
)


def column(term, frame=TRIALS, **options):
    """The columns of one term, NaN where a row is not used."""
    sample = learn(f"y ~ {term}", frame, **options)
    values = np.full((sample.n_given, sample.X.shape[1] - 1), np.nan)
    values[sample.used] = sample.X[:, 1:]
    return values[:, 0] if values.shape[1] == 1 else values


def raised(term, frame=TRIALS, error=gi.InputError):
    with pytest.raises(error) as caught:
        learn(f"y ~ {term}", frame)
    return str(caught.value)


# lag -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["session", "number", "`my session`", "Q('my session')", "number * 10"])
@pytest.mark.parametrize("k", [1, 3, 14])
def test_lags_equal_pandas_shift_by_group(by, k):
    expected = TRIALS.groupby("session", sort=False).x.shift(k)
    np.testing.assert_array_equal(column(f"lag(x, {k}, by={by})"), expected)


def test_without_sessions_the_data_are_one():
    np.testing.assert_array_equal(column("lag(x)"), TRIALS.x.shift(1))
    np.testing.assert_array_equal(column("lag(x, 2, by=None)"), TRIALS.x.shift(2))


@pytest.mark.parametrize("k", ["[1, 2, 5]", "(1, 2, 5)"])
def test_several_lags_are_several_columns(k):
    expected = np.column_stack([TRIALS.groupby("session").x.shift(step) for step in (1, 2, 5)])
    expected[np.isnan(expected).any(axis=1)] = np.nan
    np.testing.assert_array_equal(column(f"lag(x, {k}, by=session)"), expected)
    design = learn(f"y ~ lag(x, {k}, session)", TRIALS).design
    assert design.columns[1:] == tuple(f"lag(x, {k}, session)[{j}]" for j in range(3))


def test_ranges_of_lags():
    np.testing.assert_array_equal(column("lag(x, range(1, 4))"), column("lag(x, [1, 2, 3])"))
    np.testing.assert_array_equal(column("lag(x, [2])"), column("lag(x, 2)"))
    np.testing.assert_array_equal(column("lag(right, [1, 2])")[2:, 1], TRIALS.right[:-2])


def test_the_first_rows_of_each_session_are_dropped_and_counted():
    sample = learn("y ~ x + lag(count, 2, by = session)", TRIALS)
    assert sample.notes == ("60 rows, 6 dropped: 6 missing in lag(count, 2, by=session)",)
    assert sample.design.columns == ("Intercept", "x", "lag(count, 2, by=session)")
    assert list(sample.design.terms) == ["Intercept", "x", "lag(count, 2, by=session)"]
    message = "6 of 60 rows have missing values (6 missing in lag(count, 2, by=session)) and missing='raise'."
    with pytest.raises(DataError) as error:
        learn("y ~ x + lag(count, 2, by = session)", TRIALS, missing="raise")
    assert message in str(error.value)


def test_the_row_before_counts_even_if_it_is_not_used():
    frame = TRIALS.assign(z=RNG.normal(size=N))
    frame.loc[[20, 30], "z"] = np.nan
    sample = learn("y ~ z + lag(x, 1, by=session)", frame, subset="count > 1")
    assert set(sample.used) & {21, 31}
    np.testing.assert_array_equal(sample.X[:, 2], TRIALS.groupby("session").x.shift(1)[sample.used])
    subset = frame["count"] > 1
    first = np.array([0, 15, 40])
    assert sample.dropped["lag(x, 1, by=session)"] == subset[first].sum()


def test_a_missing_value_before_is_a_missing_lag():
    frame = TRIALS.assign(x=TRIALS.x.where(TRIALS.index != 10), session=TRIALS.session.where(TRIALS.index != 30))
    gone = np.flatnonzero(np.isnan(column("lag(x, 1, by=session)", frame)))
    assert gone.tolist() == [0, 11, 15, 30, 40]  # row 31 looks past row 30, which belongs to no known session
    assert column("lag(x, 1, by=session)", frame)[31] == TRIALS.x[29]
    conditions = column("lag(x > 0, 1)", frame)
    assert np.isnan(conditions[11])  # to NumPy, NaN > 0 is False
    assert np.isnan(column("lag(log(abs(x) - .2), 1)", frame)[np.r_[11, 1 + np.flatnonzero(abs(TRIALS.x) < 0.2)]]).all()


def test_sessions_need_not_be_in_one_piece():
    frame = TRIALS.assign(session=np.resize(["a", "b", "c"], N))
    np.testing.assert_array_equal(column("lag(x, 1, by=session)", frame), TRIALS.x.shift(3))


def test_lags_of_labels_are_labels():
    sample = learn("y ~ lag(choice, 1, by=session)", TRIALS)
    assert sample.design.columns[1] == "lag(choice, 1, by=session)[T.right]"
    before = TRIALS.groupby("session").choice.shift(1)
    np.testing.assert_array_equal(sample.X[:, 1], (before == "right")[sample.used])
    assert learn("y ~ lag(right)", TRIALS).design.columns[1] == "lag(right)[T.True]"
    assert learn("y ~ C(lag(number))", TRIALS).design.columns[1:] == ("C(lag(number))[T.2]", "C(lag(number))[T.3]")
    assert learn("y ~ C(lag(choice), Sum)", TRIALS).design.columns[1:] == ("C(lag(choice), Sum)[S.left]",)


def test_lags_inside_expressions_and_of_expressions():
    x, c = TRIALS.groupby("session").x.shift(1), TRIALS.groupby("session")["count"].shift(1)
    np.testing.assert_allclose(column("I(lag(x, 1, by=session) * log(1 + lag(count, 1, session)))"), x * np.log(1 + c))
    np.testing.assert_allclose(column("lag(x * log(1 + count), 1, by=session)"), x * np.log(1 + c))
    np.testing.assert_array_equal(column("lag(lag(x, 1), 1)"), TRIALS.x.shift(2))
    assert np.nanmean(column("center(lag(x))")) == pytest.approx(0)
    assert learn("y ~ lag(f(x))", TRIALS, env={"f": np.sign}).X[:, 1].tolist() == np.sign(TRIALS.x[:-1]).tolist()
    again = pickle.loads(pickle.dumps(learn("y ~ lag(f(x))", TRIALS, env={"f": np.sign}).design))
    assert len(again.block(TRIALS).X) == N - 1


def test_lags_of_the_outcome_explain_it():
    assert column("lag(y, 1, by=session)")[1] == TRIALS.y[0]


def test_lags_on_the_left_in_offsets_and_in_subset():
    sample = learn("lag(choice) ~ x + offset(lag(x))", TRIALS, subset="lag(count, 1, by=session) > 1")
    rows = np.flatnonzero(TRIALS.groupby("session")["count"].shift(1) > 1)
    np.testing.assert_array_equal(sample.used, rows)
    np.testing.assert_array_equal(sample.offset, TRIALS.x.shift(1)[rows])
    np.testing.assert_array_equal(sample.y, (TRIALS.choice.shift(1) == "right")[rows])


def test_a_column_of_that_name_is_a_column():
    frame = TRIALS.assign(**{"lag(x, 1)": TRIALS.x})
    np.testing.assert_array_equal(column("lag(x, 1)", frame), TRIALS.x)
    np.testing.assert_array_equal(column("I(lag(x, 1))", frame), TRIALS.x)


def test_any_frame_will_do():
    expected = column("lag(choice, 1, by=session)")
    np.testing.assert_array_equal(column("lag(choice, 1, by=session)", pl.from_pandas(TRIALS)), expected)
    np.testing.assert_array_equal(column("lag(choice, 1, by=session)", dict(TRIALS.items())), expected)
    holed = TRIALS.convert_dtypes()
    holed.loc[4, "count"] = pd.NA
    lagged = column("lag(count, 1, by=session)", holed)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(lagged)), [0, 5, 15, 40])


# history -------------------------------------------------------------------------------------------------------------


def by_hand(x, session, weights, before=np.nan):
    """Sums over the past, one row and one lag at a time (101)."""
    result = np.zeros((len(x), weights.shape[1]))
    for i in range(len(x)):
        earlier = [j for j in range(i) if session[j] == session[i]][::-1]
        for lag in range(len(weights)):
            result[i] += weights[lag] * (x[earlier[lag]] if lag < len(earlier) else before)
    return result


@pytest.mark.parametrize("before", [None, 0, 1.5])
def test_histories_equal_sums_by_hand(before):
    expected = by_hand(TRIALS["count"], TRIALS.session, past_bumps(3), np.nan if before is None else before)
    found = column(f"history(count, 3, by=session, before={before})")
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(found).any() == (before is None)


def test_a_single_bump_is_one_column():
    design = learn("y ~ history(count, 1, last=3)", TRIALS).design
    assert design.columns[1:] == ("history(count, 1, last=3)",)
    expected = by_hand(TRIALS["count"], np.zeros(N), past_bumps(1, 3))
    np.testing.assert_allclose(column("history(count, 1, last=3)"), expected[:, 0], rtol=1e-12)


def test_bumps_are_those_of_pillow_and_others():
    """The basis of the code that came with Pillow et al. (2008), transcribed, for the peaks that ours has."""
    n, last, offset = 5, 30, 0.7
    ours = past_bumps(n, last, offset)
    step = (np.log(last + 1 + offset) - np.log(1 + offset)) / (n + 1)
    peaks = np.array([1.0, np.exp(np.log(1 + offset) + (n - 1) * step) - offset])
    ends = np.log(peaks + offset)
    between = np.diff(ends)[0] / (n - 1)
    centres = np.linspace(*ends, n)
    longest = np.exp(ends[1] + 2 * between) - offset
    lags = np.arange(1, round(longest))
    argument = (np.log(lags + offset)[:, None] - centres) * np.pi / between / 2
    theirs = (np.cos(np.maximum(-np.pi, np.minimum(np.pi, argument))) + 1) / 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)
    assert len(ours) == last


@given(st.integers(1, 10), st.integers(1, 60), st.floats(0.5, 50))
def test_bumps_begin_at_the_first_lag_and_can_be_told_apart(n, last, offset):
    if last < 4 * n and n > 1:
        with contextlib.suppress(DataError):  # "cannot be told apart"
            assert np.linalg.matrix_rank(past_bumps(n, last, offset)) == n
        return
    weights = past_bumps(n, last, offset)
    assert weights.shape == (last, n)
    assert weights[0, 0] == 1
    assert (weights.max(axis=1) > 0).all()
    assert np.linalg.matrix_rank(weights) == n
    assert ((weights >= 0) & (weights <= 1)).all()


def test_rows_without_a_whole_past_are_dropped():
    sample = learn("y ~ history(count, 2, by=session, last=4)", TRIALS)
    assert sample.notes == ("60 rows, 12 dropped: 12 missing in history(count, 2, by=session, last=4)",)
    assert learn("y ~ history(count, 2, by=session, before=0)", TRIALS).n_dropped == 0
    holed = TRIALS.assign(count=TRIALS["count"].where(TRIALS.index != 20))
    gone = np.isnan(column("history(count, 2, by=session, last=4, before=0)", holed)).any(axis=1)
    assert np.flatnonzero(gone).tolist() == [21, 22, 23, 24]


# what must hold whatever the data ------------------------------------------------------------------------------------

TERMS = ["lag(x, 2, by=session)", "lag(x, [1, 3], session)", "history(x, 2, by=session, last=4)"]


@st.composite
def recordings(draw):
    """Rows of a few sessions, in blocks or interleaved, some values missing."""
    n = draw(st.integers(8, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    session = rng.integers(0, draw(st.integers(1, 4)), n)
    if draw(st.booleans()):
        session = np.sort(session)
    x = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    return pd.DataFrame({"y": np.resize([0, 1], n), "x": x, "session": session})


def every_row(term, frame):
    """The values on every row, as new data to a design learned elsewhere."""
    new = learn(f"y ~ {term}", pd.DataFrame({"y": [0, 1] * 30, "x": RNG.normal(size=60), "session": 0})).design.block(
        frame.assign(y=0)
    )
    values = np.full((len(frame), new.X.shape[1] - 1), np.nan)
    values[new.keep] = new.X[:, 1:]
    return values


@settings(deadline=None, max_examples=40)
@given(recordings(), st.sampled_from(TERMS))
def test_sessions_know_nothing_of_each_other(frame, term):
    together = every_row(term, frame)
    for _, rows in frame.reset_index(drop=True).groupby("session"):
        np.testing.assert_array_equal(together[rows.index], every_row(term, rows))


@settings(deadline=None, max_examples=40)
@given(recordings(), st.sampled_from(TERMS), st.integers(0, 39))
def test_the_past_does_not_depend_on_the_future(frame, term, at):
    changed = frame.assign(x=frame.x.where(frame.index < at, -77.0))
    np.testing.assert_array_equal(every_row(term, frame)[: at + 1], every_row(term, changed)[: at + 1])
    np.testing.assert_array_equal(every_row(term, frame)[:at], every_row(term, frame[:at]))


@settings(deadline=None, max_examples=40)
@given(recordings(), st.sampled_from(TERMS), st.randoms())
def test_the_order_of_sessions_does_not_matter(frame, term, random):
    sessions = list(frame.session.unique())
    random.shuffle(sessions)
    order = np.concatenate([np.flatnonzero(frame.session == s) for s in sessions])
    np.testing.assert_array_equal(every_row(term, frame.iloc[order]), every_row(term, frame)[order])


# later rows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", [*TERMS, "lag(choice, 1, by=session)"])
def test_new_rows_are_treated_as_the_fitted_ones(term):
    sample = learn(f"y ~ {term}", TRIALS)
    again = sample.design.block(TRIALS)
    np.testing.assert_array_equal(again.keep, sample.used)
    np.testing.assert_array_equal(again.X, sample.X)


def test_first_rows_of_new_sessions_are_nan_and_keep_their_place():
    fit = gi.logit("choice ~ x + lag(choice, 1, by=session)", TRIALS)
    new = pd.DataFrame({"x": 0.5, "choice": ["left", "right", "left", "right"], "session": ["q", "q", "r", "q"]})
    for answer in (fit.predict(new), fit.predict(new, interval="confidence").estimate, fit.augment(new)[".prob"]):
        assert np.isnan(answer).tolist() == [True, False, True, False]
        assert answer[3] != answer[1]
    assert fit.predict(new.head(1)).isna().all()
    assert len(fit.predict(new.head(0))) == 0
    with pytest.raises(gi.InputError, match="no column 'session'"):
        fit.predict(new.drop(columns="session"))


# tests ---------------------------------------------------------------------------------------------------------------


def test_one_joint_test_for_each_basis():
    trials = gi.datasets.simulate_session(n_trials=600, n_neurons=1, seed=4)
    fit = gi.logit(
        "choice ~ contrast_left + lag(choice, 1, by=session) + history(n000, 5, by=session) "
        "+ raised_cosine(trial, 4) + standardize(reaction_time, by=session)",
        trials,
    )
    terms = list(fit.design.terms)[1:]
    table = fit.anova()
    assert table.term.tolist() == terms
    assert table.df.tolist() == [1, 1, 5, 4, 1]
    for term, df in zip(terms, table.df, strict=True):
        assert fit.wald_test(term).df[0] == df
        lr, anova = fit.lr_test(term), table[table.term == term]
        assert lr.statistic[0] == pytest.approx(anova.statistic.iloc[0], rel=1e-8)
    assert fit.crosscheck().relative_difference.max() < 1e-8


# errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("lag(xx, 1)", "The data have no column 'xx'. Did you mean 'x'?"),
        ("lag(x, 1, by=sesion)", "The data have no column 'sesion'. Did you mean 'session'?"),
        ("lag(x, 1, by='session')", "by='session' in lag(x, 1, by='session') is no column; write its name without"),
        ("lag(x, count)", "k=count in lag(x, count) must be written as a number, or numbers as [1, 2] or range(1, 4)"),
        ("lag(x, 0)", "lag(): k=0 must be a whole number, 1 or more."),
        ("lag(x, -1)", "lag(): k=-1 must be a whole number, 1 or more."),
        ("lag(x, [])", "lag(): k= holds no lag; give a whole number, or several as [1, 2] or range(1, 4)."),
        ("lag(x, 1, group=session)", "'group'. It is called as lag(x, k=1, by=None)."),
        ("lag()", "lag(): missing a required argument: 'x'. It is called as lag(x, k=1, by=None)."),
        ("lag(choice, [1, 2])", "lag(): several lags at once need numbers, and was given labels ('left' and 'right')."),
        ("lag(center(x))", "functions that learn from the rows of the fit, and codings of factors, go outside of it"),
        ("lag(np.c_[x, x])", "np.c_[x, x] in lag(np.c_[x, x]) is a matrix; write one term for each of its columns."),
        ("lag(x, 100)", "No rows are left to fit: all 60 rows have missing values (60 missing in lag(x, 100))."),
        ("lag(log(count))", "lag(log(count)) is infinite in 12 rows"),
        ("lga(choice)", "There is no function 'lga' for lga(choice)."),
        ("histroy(x, 5)", "There is no function 'histroy' for histroy(x, 5). Did you mean 'history'?"),
        (
            "history(x)",
            "history(): missing a required argument: 'n_basis'. It is called as history(x, n_basis, by=None",
        ),
        ("history(choice, 5)", "history(): needs numbers, and was given labels ('left' and 'right')."),
        ("history(log(count), 2)", "history(): was given inf in 12 rows; look for a logarithm of 0"),
        ("history(x, 8, last=9)", "history(): n_basis=8 bumps cannot be told apart on last=9 lags with offset=1."),
        ("history(x, 3, offset=-1)", "history(): offset=-1 must be a number, 0 or more."),
        ("history(x, 3, before='0')", "history(): before='0' must be the number to assume before a session began"),
        ("history(x, 3, last=2.5)", "history(): last=2.5 must be a whole number, 1 or more."),
    ],
)
def test_calls_that_cannot_be_understood(term, message):
    assert message in raised(term, error=(DataError, FormulaError))


def test_a_column_of_missing_values_has_no_lag():
    assert "60 missing in lag(e)" in raised("lag(e)", TRIALS.assign(e=np.nan))
