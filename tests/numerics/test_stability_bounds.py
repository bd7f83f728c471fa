"""Error bounds of stability selection against R's stabs, and the identities they must satisfy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_cases import REFERENCE

from glminfer.numerics.stability_bounds import BOUNDS, Plan, tail

GRID = pd.DataFrame(REFERENCE["bounds"]).astype(float)
ASKED = pd.DataFrame(REFERENCE["asked"])


@pytest.mark.parametrize(("bound", "column", "rtol"), [("none", "none", 1e-12), ("unimodal", "unimodal", 1e-12)])
def test_bounds_equal_stabs(bound, column, rtol):
    known = GRID[GRID[column].notna()]
    assert len(known) > 80
    ours = [Plan(int(r.p), int(r.B), bound).errors(r.cutoff, r.q) for r in known.itertuples()]
    np.testing.assert_allclose(ours, np.minimum(known[column], known["p"]), rtol=rtol)


def test_r_concave_bound_is_that_of_stabs_but_for_its_coarse_maximum():
    known = GRID[GRID["r_concave"].notna() & GRID["B"].isin([20, 50])].iloc[::3]
    ours = np.array([Plan(int(r.p), int(r.B), "r-concave").errors(r.cutoff, r.q) for r in known.itertuples()])
    theirs = known["r_concave"].to_numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0.04)
    assert (ours >= theirs).all()  # the maximum lies at an end of an interval of which R looks at the inside only


@pytest.mark.parametrize("row", list(ASKED.itertuples()), ids=lambda r: f"{r.p}-{r.B}-{r.assumption}")
def test_threshold_and_q_are_those_of_stabs(row):
    plan = Plan(row.p, row.B, row.assumption)
    if row.cutoff > 0.5:
        assert plan.threshold(10, 0.5) == pytest.approx(row.cutoff)
    if row.assumption == "unimodal" or row.B == 50:
        assert plan.q(0.8, 1.0) == row.q


def brute_tail(mean, count, steps, power):
    """The largest tail by searching all (a + i)^power up to k with the rest at k + 1, on a fine grid of a."""
    best = 0.0
    for log_a in np.linspace(-3, 6, 4000):
        for k in range(count - 1, steps):
            i = np.arange(k + 1)
            mass = (1 + i / np.exp(log_a)) ** power
            height = (k + 1 - mean * steps) / ((k + 1 - i) @ mass)
            last = 1 - height * mass.sum()
            if -1e-12 <= last <= height * (1 + (k + 1) / np.exp(log_a)) ** power + 1e-12:
                best = max(best, 1 - height * mass[:count].sum())
    return best


@pytest.mark.parametrize(
    ("mean", "count", "steps", "r"), [(0.05, 6, 12, -0.5), (0.1, 7, 10, -0.25), (0.02, 4, 15, -0.5)]
)
def test_tail_is_the_largest_of_its_family(mean, count, steps, r):
    found, searched = tail(mean, count, steps, r), brute_tail(mean, count, steps, 1 / r)
    assert searched <= found * (1 + 1e-9)
    assert searched == pytest.approx(found, rel=0.01)


def test_tail_of_small_counts_is_one_and_of_a_mean_of_zero_nothing():
    assert tail(0.3, 3, 10, -0.5) == 1.0
    assert tail(0.0, 3, 10, -0.5) == 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 2000), st.integers(2, 100), st.integers(1, 15), st.sampled_from(["unimodal", "none"]))
def test_bounds_rise_with_q_fall_with_the_threshold_and_never_exceed_p(p, pairs, q, bound):
    plan = Plan(p, pairs, bound)
    errors = np.array([plan.errors(threshold, q) for threshold in plan.thresholds])
    more = np.array([plan.errors(threshold, q + 1) for threshold in plan.thresholds])
    assert ((errors > 0) & (errors <= p) & (more >= errors)).all()
    assert (np.diff(errors) <= 1e-9 * p).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20, 2000),
    st.integers(5, 100),
    st.floats(0.55, 0.95),
    st.floats(0.05, 5.0),
    st.sampled_from(["unimodal", "none"]),
)
def test_the_third_number_is_the_best_that_the_other_two_allow(p, pairs, threshold, errors, bound):
    plan = Plan(p, pairs, bound)
    q = plan.q(threshold, errors)
    assert q == 0 or plan.errors(threshold, q) <= errors * (1 + 1e-9)
    assert q == p or plan.errors(threshold, q + 1) > errors
    share = plan.threshold(max(q, 1), errors)
    if share is not None:
        assert plan.errors(share, max(q, 1)) <= errors * (1 + 1e-9)
        below = share - 1 / (2 * pairs)
        assert below <= 0.5 + 1e-9 or plan.errors(below, max(q, 1)) > errors


def test_every_bound_is_at_most_that_of_any_procedure():
    for bound in BOUNDS:
        plan, any_one = Plan(500, 50, bound), Plan(500, 50, "none")
        for threshold in (0.6, 0.75, 0.9):
            for q in (3, 20, 60):
                assert plan.errors(threshold, q) <= any_one.errors(threshold, q) * (1 + 1e-9)
