"""Arrangements of rows: the first leaves all in place, all differ, random ones are drawn evenly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import some

import glminfer as gi
from glminfer.data.sessions import Sessions, sessions
from glminfer.inference import schemes


def in_sessions(lengths: list[int], seed: int = 0) -> Sessions:
    """Sessions of these lengths whose rows are mixed in the frame."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"s": np.repeat(np.arange(len(lengths)), lengths)})
    frame["t"] = np.arange(len(frame))
    frame = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    return sessions(frame, np.arange(len(frame)), order="t", by="s")


SMALL = {
    "within": (schemes.rows_within(in_sessions([3, 2])), 12),
    "free": (schemes.rows_within(in_sessions([4])), 24),
    "blocks": (schemes.blocks_within(in_sessions([5, 3]), 2), 12),
    "circular_shift": (schemes.Circular(in_sessions([4, 3])), 12),
    "linear_shift": (schemes.linear_plan(in_sessions([9, 8]), 3, 99), 7),
    "swap": (schemes.whole_sessions(in_sessions([2, 3, 2])), 6),
    "labels": (schemes.Labels(in_sessions([1, 3, 2])), 6),
    "signs": (schemes.Weights(3), 8),
    "six points": (schemes.Weights(2, schemes.SIX_POINTS), 36),
}


@pytest.mark.parametrize("name", SMALL)
def test_all_arrangements_are_counted_and_different(name):
    plan, count = SMALL[name]
    assert plan.count == count
    every = [tuple(plan.arrangement(k)) for k in range(count)]
    assert len(set(every)) == count
    if name in ("signs", "six points"):
        assert set(every[0]) == {1.0}
    elif name == "labels":  # a value of the session itself
        found = in_sessions([1, 3, 2])
        assert (found.codes[list(every[0])] == found.codes[plan.targets]).all()
    else:
        assert every[0] == tuple(plan.targets)


@pytest.mark.parametrize("sizes", [[300_000], [200, 299_800], [1] * 5 + [40] * 5_000])
def test_orders_of_many_rows_are_neither_counted_nor_searched(sizes):
    """The factorial of 300,000 has a million and a half digits."""
    found = in_sessions(sizes)
    for plan in (schemes.rows_within(found), schemes.Labels(in_sessions([1] * 200_000))):
        assert plan.count > 1e30
        np.testing.assert_array_equal(plan.arrangement(0), plan.targets)


@pytest.mark.parametrize("name", SMALL)
def test_random_arrangements_are_drawn_evenly(name):
    plan, count = SMALL[name]
    places = {tuple(plan.arrangement(k)): k for k in range(count)}
    rng, draws = np.random.default_rng(1), 200 * count
    seen = np.bincount([places[tuple(plan.draw(rng))] for _ in range(draws)], minlength=count)
    assert abs(((seen - 200) ** 2 / 200).sum() - (count - 1)) < 5 * np.sqrt(2 * (count - 1))  # χ²(count - 1)


@some
@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 1000), st.integers(1, 6))
def test_rows_never_cross_a_session_and_none_is_lost(lengths, seed, block):
    found = in_sessions(lengths, seed)
    rng = np.random.default_rng(seed)
    for plan in (schemes.rows_within(found), schemes.blocks_within(found, block), schemes.Circular(found)):
        sources = plan.draw(rng)
        assert (found.codes[sources] == found.codes[plan.targets]).all()
        assert sorted(sources) == sorted(plan.targets) == list(range(len(found.rows)))


@some
@given(st.lists(st.integers(9, 30), min_size=1, max_size=4), st.integers(0, 1000), st.integers(1, 4))
def test_a_linear_shift_is_the_same_in_all_sessions_and_stays_inside(lengths, seed, most):
    found = in_sessions(lengths, seed)
    plan = schemes.linear_plan(found, most, 99)
    place = np.argsort(found.rows)
    for k in range(plan.count):
        sources = plan.arrangement(k)
        assert (found.codes[sources] == found.codes[plan.targets]).all()
        assert len(set(place[sources] - place[plan.targets])) == 1
    assert len(plan.targets) == sum(length - 2 * most for length in lengths)


@some
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 1000), st.integers(1, 6))
def test_blocks_stay_together(lengths, seed, block):
    found = in_sessions(lengths, seed)
    sources = schemes.blocks_within(found, block).draw(np.random.default_rng(seed))
    place = np.argsort(found.rows)[sources]
    starts = np.concatenate([np.arange(a, b, block) for a, b in zip(found.starts[:-1], found.starts[1:], strict=True)])
    torn = np.flatnonzero(np.diff(place) != 1)
    assert np.isin(place[torn + 1], starts).all()


def test_circular_shifts_keep_the_order_around_the_circle():
    found = in_sessions([7])
    place = np.argsort(found.rows)
    for k in range(7):
        assert (np.diff(place[schemes.Circular(found).arrangement(k)]) % 7 == 1).all()


def test_sessions_of_different_length_are_cut_to_the_shortest():
    found = in_sessions([5, 3, 4])
    plan = schemes.whole_sessions(found)
    assert np.bincount(found.codes[plan.targets]).tolist() == [3, 3, 3]
    assert schemes.unused(plan, 12) == 3


def test_how_far_a_linear_shift_goes():
    assert schemes.linear_plan(in_sessions([40, 60]), None, 999).most == 10
    assert schemes.linear_plan(in_sessions([40]), None, 12).most == 6
    with pytest.raises(gi.InputError, match=r"max_shift=5 needs sessions of more than 10 rows.*s = 1 has 8 rows"):
        schemes.linear_plan(in_sessions([40, 8]), 5, 999)
    with pytest.raises(gi.InputError, match="max_shift=20 makes 40 shifts, and all of them are used: n=30"):
        schemes.linear_plan(in_sessions([60]), 20, 30)


def test_the_six_points_have_mean_zero_and_variance_one():
    values = np.array(schemes.SIX_POINTS)
    assert values.sum() == pytest.approx(0)
    assert (values**2).mean() == pytest.approx(1)


def test_p_values():
    linear, signs = schemes.linear_plan(in_sessions([9]), 3, 99), schemes.Weights(3)
    assert [schemes.p_value(linear, b, 6) for b in (0, 2, 6)] == [0.25, 0.75, 1.0]
    assert [schemes.p_value(signs, b, 7) for b in (0, 1, 7)] == [0.125, 0.25, 1.0]
    assert (schemes.smallest_p(signs, 7), schemes.smallest_p(signs, 5)) == (0.25, 1 / 6)
