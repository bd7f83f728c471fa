"""Folds: even, stratified, whole groups, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.fit.folds import Dealer, Folds, refuse_one_class

seeds = st.integers(0, 100_000)


def outcome(rng, n, rate=0.4):
    return (rng.random(n) < rate).astype(float)


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 80), st.integers(2, 12), st.booleans())
def test_folds_are_even_and_stratified_ones_share_the_events(seed, n, K, stratify):
    rng = np.random.default_rng(seed)
    y = outcome(rng, n)
    folds = Dealer(K, stratify).deal(y, np.ones(n, dtype=bool), rng)
    assert folds.count == min(K, n)
    sizes, events = np.bincount(folds.codes), np.bincount(folds.codes, y)
    assert np.ptp(sizes) <= 1
    assert not stratify or np.ptp(events) <= 1


def test_rows_of_zero_weight_do_not_make_folds_uneven():
    rng = np.random.default_rng(3)
    y, counts = outcome(rng, 97), rng.random(97) < 0.5
    folds = Dealer(5, True).deal(y, counts, rng)
    assert np.ptp(np.bincount(folds.codes[counts], minlength=5)) <= 1
    assert np.ptp(np.bincount(folds.codes[counts], y[counts], minlength=5)) <= 1


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 25), st.integers(2, 12), st.booleans())
def test_groups_are_never_split_and_no_fold_is_empty(seed, groups, K, stratify):
    rng = np.random.default_rng(seed)
    codes = np.append(np.arange(groups), rng.integers(0, groups, 100))
    y = outcome(rng, len(codes))
    folds = Dealer(K, stratify, codes, "session").deal(y, np.ones(len(y), dtype=bool), rng)
    assert folds.count == min(K, groups)
    assert (np.bincount(folds.codes, minlength=folds.count) > 0).all()
    for group in range(groups):
        assert len(np.unique(folds.codes[codes == group])) == 1


def test_stratified_groups_share_events_better_than_groups_by_size():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(40), 25)
    y = (rng.random(1000) < np.repeat(rng.choice([0.05, 0.6], 40), 25)).astype(float)
    counts = np.ones(1000, dtype=bool)

    def unevenness(stratify):
        dealt = [Dealer(5, stratify, codes).deal(y, counts, np.random.default_rng(s)).codes for s in range(20)]
        return np.mean([np.std(np.bincount(found, y)) for found in dealt])

    assert unevenness(True) < unevenness(False) / 2


def test_folds_follow_their_seed():
    y, counts = outcome(np.random.default_rng(1), 50), np.ones(50, dtype=bool)

    def dealt(seed):
        return Dealer(5, True).deal(y, counts, np.random.default_rng(seed)).codes

    assert np.array_equal(dealt(1), dealt(1))
    assert not np.array_equal(dealt(1), dealt(2))


def test_a_fold_with_all_events_is_refused_by_name():
    y = np.array([0.0, 0, 0, 1, 1, 0])
    folds = Folds(np.array([0, 0, 0, 1, 1, 1]), ("Mon", "Tue"), "given")
    with pytest.raises(gi.DataError, match=r"Outside fold 'Tue' each of 3 rows is no event, .* Deal the folds diff"):
        refuse_one_class(folds, y, np.ones(6))
    refuse_one_class(folds, 1 - np.array([0.0, 1, 0, 1, 1, 0]), np.ones(6))
