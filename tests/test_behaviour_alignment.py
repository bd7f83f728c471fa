"""Indexes of every kind: predictions, tables and columns given beside the frame stay aligned with the rows."""

import numpy as np
import pandas as pd
import pytest
from trial_cases import N, message, same, simple_trials

import glminfer as gi


@pytest.fixture(scope="module")
def trials():
    return simple_trials()


# indexes -------------------------------------------------------------------------------------------------------------

INDEXES = {
    "duplicated": lambda n: np.arange(n) % 7,
    "all the same": lambda n: np.zeros(n, int),
    "MultiIndex": lambda n: pd.MultiIndex.from_product([range(n // 4), list("abcd")], names=["session", "trial"]),
    "dates": lambda n: pd.date_range("2026-01-01", periods=n),
    "strings, shuffled": lambda n: np.random.default_rng(0).permutation([f"t{i}" for i in range(n)]),
    "missing labels": lambda n: [np.nan, *range(1, n)],
    "named": lambda n: pd.RangeIndex(5, 5 + n, name="trial"),
}


@pytest.mark.parametrize("index", INDEXES)
def test_any_index_with_missing_rows_stays_aligned(trials, index):
    plain = trials.reset_index(drop=True)
    plain.loc[[1, 5, 20], "x"] = np.nan
    frame = plain.set_axis(INDEXES[index](N))
    expected, fit = gi.logit("y ~ x + g", plain, weights="w"), gi.logit("y ~ x + g", frame, weights="w")
    assert expected.coef.equals(fit.coef)
    for mine, theirs in [
        (fit.predict(), expected.predict()),
        (fit.predict(frame), expected.predict(plain)),
        (fit.residuals("pearson"), expected.residuals("pearson")),
        (fit.augment(), expected.augment()),
        (fit.augment(frame), expected.augment(plain)),
        (fit.predict(frame, interval="confidence"), expected.predict(plain, interval="confidence")),
    ]:
        assert mine.index.equals(frame.index)
        assert mine.reset_index(drop=True).equals(theirs)
    assert fit.augment().columns.tolist()[: frame.shape[1]] == frame.columns.tolist()


@pytest.mark.parametrize("index", INDEXES)
def test_a_series_with_the_index_of_the_data_is_used_as_it_is(trials, index):
    frame = trials.set_axis(INDEXES[index](N))
    assert gi.logit("y ~ x", frame, weights=frame.w).coef.equals(gi.logit("y ~ x", frame, weights="w").coef)


def test_a_series_with_a_shuffled_multiindex_is_aligned(trials):
    frame = trials.set_axis(INDEXES["MultiIndex"](N))
    shuffled = frame.w.sample(frac=1, random_state=3)
    assert gi.logit("y ~ x", frame, weights=shuffled).coef.equals(gi.logit("y ~ x", frame, weights="w").coef)


def test_a_duplicated_index_that_differs_cannot_be_aligned(trials):
    frame = trials.set_axis(np.arange(N) % 7)
    assert message(gi.DataError, "y ~ x", frame, weights=frame.w.iloc[::-1]) == (
        "The index of weights= has labels that occur more than once, such as 2, so the weights cannot be aligned "
        "with the "
        "rows. Put them into a column, or call reset_index(drop=True) on both."
    )
    assert "The index of the data has labels that occur more than once, such as 0" in message(
        gi.DataError, "y ~ x", frame, offset=trials.o
    )


def test_the_order_of_the_rows_does_not_matter(trials):
    frame = trials.sample(frac=1, random_state=5)
    one, other = gi.logit("y ~ x * g", trials), gi.logit("y ~ x * g", frame)
    assert same(one, other, rel=1e-10)
    assert np.allclose(other.predict().reindex(trials.index), one.predict(), rtol=1e-9)
    assert np.allclose(other.augment().reindex(trials.index)[".cooksd"], one.augment()[".cooksd"], rtol=1e-7)
