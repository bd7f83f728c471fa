"""Step-down p-values by intervals are those of Westfall and Young's algorithm on all statistics."""

from functools import reduce
from operator import add

import numpy as np
import pytest

from glminfer.numerics import step_down


def by_hand(statistics):
    """Algorithm 2.8 of Westfall and Young (1993), with the observed arrangement counted: p-values (m,)."""
    observed, n = statistics[0], len(statistics) - 1
    order = np.argsort(-observed, kind="stable")
    successive = np.maximum.accumulate(statistics[1:, order][:, ::-1], axis=1)[:, ::-1]
    p = (1 + (successive >= observed[order] - 1e-8 * np.maximum(np.abs(observed[order]), 1)).sum(axis=0)) / (1 + n)
    out = np.empty(len(observed))
    out[order] = np.maximum.accumulate(p)
    return out


def by_intervals(statistics, cuts):
    parts = [step_down.covered(part) for part in np.split(statistics, cuts, axis=1) if part.shape[1]]
    count = step_down.counts(reduce(add, parts, step_down.nothing()), statistics[0])
    return step_down.in_order((1 + count) / len(statistics), statistics[0])


@pytest.mark.parametrize("seed", range(30))
def test_intervals_give_what_all_statistics_give(seed):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 60), rng.integers(1, 80)
    statistics = rng.standard_normal((n + 1, m)) + 0.8 * rng.standard_normal((n + 1, 1))
    statistics[0, : m // 3] += 3.0
    if seed % 3 == 0:
        statistics = np.round(statistics, 1)  # ties, also between models
    expected = by_hand(statistics)
    for cuts in ([], [m // 2], sorted(rng.integers(0, m, 5))):
        np.testing.assert_array_equal(by_intervals(statistics, cuts), expected)
    largest = (1 + (statistics[1:].max(axis=1)[:, None] >= statistics[0] - 1e-7).sum(axis=0)) / (n + 1)
    assert (expected <= largest + 1e-12).all()
    assert expected[np.argmax(statistics[0])] == largest[np.argmax(statistics[0])]


def test_few_intervals_are_kept():
    rng = np.random.default_rng(0)
    statistics = rng.standard_normal((200, 4000))
    assert len(step_down.covered(statistics).low) < 8 * 200
