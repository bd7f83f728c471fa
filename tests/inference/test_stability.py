"""Stability selection: complementary pairs, two of three numbers decide the third, groups, seeds, what it prints."""

import numpy as np
import pandas as pd
import pytest
from selection_cases import sparse

import glminfer as gi
from glminfer.inference.stability import Goal, goal_of
from glminfer.numerics import threads
from glminfer.numerics.entering import complementary_pairs, entering
from glminfer.numerics.stability_bounds import Plan


@pytest.fixture(scope="module")
def path():
    X, y = sparse(160, 100, seed=1, slopes=(1.5, -1.5, 1.5))
    session = np.repeat(np.arange(20), 8)
    return gi.logit_path("y ~ 1", pd.DataFrame({"y": y, "session": session}), covariates=X)


@pytest.fixture(scope="module")
def found(path):
    return gi.stability(path, n_pairs=15, seed=4)


def test_columns_that_matter_are_stable(found):
    assert found.selected == ("x0", "x1", "x2")
    assert found.q == Plan(100, 15, "unimodal").q(found.threshold, 1.0)
    assert found.pfer <= 1.0


def test_it_is_the_first_q_on_each_half(path, found):
    halves = complementary_pairs(160, 15, np.random.default_rng(4))
    rows = path.with_rows()[0]
    for k in (0, 1, 29):
        alone = entering(rows.X[halves[k]], rows.y[halves[k]], np.ones(80), np.zeros(80), path.mixture, found.q)
        np.testing.assert_allclose(found.entered[k], alone, rtol=1e-7)
        assert 0 < np.count_nonzero(alone) <= found.q


def test_the_table(found):
    table = found.tidy()
    assert table.columns.tolist() == ["term", "probability", "selected", "status"]
    assert table.term.tolist() == [f"x{j}" for j in range(100)]
    np.testing.assert_allclose(table.probability, (found.entered > 0).mean(axis=0))
    assert table.term[table.selected].tolist() == list(found.selected)
    np.testing.assert_array_equal(table.selected, table.probability >= found.threshold - 1e-9)


def test_what_is_printed(found):
    text = str(found)
    for part in (
        "15 complementary pairs of halves of 160 rows, lasso",
        "3 columns of 100 stable: selected on a share of 0.7667 of the halves or more",
        f"at most {found.pfer:.3g} (Shah & Samworth 2013, unimodal shares)",
        "Assumes exchangeable noise columns, and a selection no worse than guessing; shares with a distri",
        "90 columns with a smaller probability not shown",
    ):
        assert part in text
    assert repr(found) == text
    assert "<table" in found._repr_html_()


def test_other_bounds_and_selectors_say_so():
    X, y = sparse(60, 20, seed=8)
    net = gi.logit_path("y ~ 1", {"y": y}, covariates=X, l1_ratio=0.5)
    text = str(gi.stability(net, n_pairs=4, q=3, threshold=0.9, bound="none"))
    for part in ("elastic net with l1_ratio 0.5", "at most 0.45 (Meinshausen & Bühlmann 2010", "worse than guessing\n"):
        assert part in text


def test_seeds_and_threads(path, found, monkeypatch):
    assert not np.array_equal(gi.stability(path, n_pairs=15, seed=5).entered, found.entered)
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    np.testing.assert_array_equal(gi.stability(path, n_pairs=15, seed=4).entered, found.entered)


def test_groups_stay_together(path):
    grouped = gi.stability(path, n_pairs=10, by="session", seed=2)
    assert "halves of 20 groups of session" in str(grouped)
    halves = np.repeat(complementary_pairs(20, 10, np.random.default_rng(2)), 8, axis=1)
    rows = path.with_rows()[0]
    alone = entering(rows.X, rows.y, halves[3].astype(float), np.zeros(160), path.mixture, grouped.q)
    np.testing.assert_array_equal(grouped.entered[3], alone)


def test_order_and_scale_of_columns_do_not_matter():
    X, y = sparse(100, 40, seed=2)
    order, names = np.random.default_rng(0).permutation(40), [f"x{j}" for j in range(40)]
    frame = pd.DataFrame(X, columns=names)
    one = gi.stability(gi.logit_path("y ~ 1", {"y": y}, covariates=frame), n_pairs=6).tidy().set_index("term")
    turned = (frame * np.exp(np.arange(40) / 20)).iloc[:, order]
    other = gi.stability(gi.logit_path("y ~ 1", {"y": y}, covariates=turned), n_pairs=6).tidy().set_index("term")
    pd.testing.assert_series_equal(other.probability.loc[names], one.probability)


def test_columns_without_a_penalty_or_variation():
    X, y = sparse(100, 30, seed=3)
    X[:, 8] = 1.0
    path = gi.logit_path("y ~ 1", {"y": y}, covariates=X, penalty_factor={"x4": 0})
    found = gi.stability(path, n_pairs=8, q=5)
    table = found.tidy().set_index("term")
    assert np.isnan(table.probability["x4"])
    assert table.status["x4"] == "no penalty"
    assert not table.selected["x4"]
    assert table.probability["x8"] == 0
    assert found.pfer == Plan(28, 8, "unimodal").errors(found.threshold, 5)  # neither counts among the p columns


def test_halves_with_one_outcome_select_nothing():
    X, _ = sparse(40, 10, seed=4)
    y = np.zeros(40)
    y[:3] = 1
    found = gi.stability(gi.logit_path("y ~ 1", {"y": y}, covariates=X), n_pairs=20, q=2)
    empty = (found.entered == 0).all(axis=1).sum()
    assert empty > 0
    assert f"{empty} of 40 halves selected nothing" in str(found)


# two of three --------------------------------------------------------------------------------------------------------

PLAN = Plan(200, 50, "unimodal")


def test_threshold_and_pfer_decide_q():
    assert goal_of(PLAN, 0.8, None, 1.0) == Goal(0.8, PLAN.q(0.8, 1.0), PLAN.errors(0.8, PLAN.q(0.8, 1.0)))


def test_q_and_pfer_decide_the_threshold():
    goal = goal_of(PLAN, None, 10, 0.4)
    assert goal.threshold == PLAN.threshold(10, 0.4)
    assert goal.pfer <= 0.4 < PLAN.errors(goal.threshold - 0.01, 10)


def test_threshold_and_q_decide_pfer():
    assert goal_of(PLAN, 0.9, 12, None) == Goal(0.9, 12, PLAN.errors(0.9, 12))


@pytest.mark.parametrize("given", [{}, {"threshold": 0.75}, {"pfer": 1.0}])
def test_what_is_not_given_is_a_threshold_of_three_quarters_and_one_false_selection(given):
    full = {"threshold": None, "q": None, "pfer": None} | given
    assert goal_of(PLAN, **full) == goal_of(PLAN, 0.75, None, 1.0)


def test_a_threshold_is_a_share_of_the_halves():
    plan = Plan(200, 5, "unimodal")
    assert goal_of(plan, 0.72, 3, None).threshold == 0.8
    assert [goal_of(plan, None, q, None).threshold for q in (3, None)] == [0.8, 0.8]  # 0.75 is none


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"threshold": 0.8, "q": 5, "pfer": 1}, "threshold=, q= and pfer= decide each other; give two"),
        ({"threshold": 0.5}, "threshold=0.5 must be more than 0.5, at most 1"),
        ({"threshold": 1.2}, "threshold=1.2 must be more than 0.5, at most 1"),
        ({"pfer": 0}, "pfer=0 must be more than 0"),
        ({"q": 0}, "q=0 must be"),
        ({"q": 101}, "q=101 columns are to be selected on each half, and 100 can be"),
        ({"q": 90, "pfer": 0.01}, "With q=90 of 100 columns on each half the bound is .* use a smaller q"),
        ({"pfer": 1e-9}, "Even with one column selected on each half the bound is .* raise pfer or threshold"),
        ({"bound": "unimod"}, "bound 'unimod' is not known. Did you mean 'unimodal'"),
        ({"n_pairs": 1}, "n_pairs=1 must be"),
        ({"by": "mouse"}, "The data have no column 'mouse'"),
    ],
)
def test_what_cannot_be_is_refused(path, given, words):
    with pytest.raises(gi.InputError, match=words):
        gi.stability(path, **given)


def test_a_ridge_selects_nothing_and_three_groups_cannot_be_halved(path):
    frame = pd.DataFrame({"y": [0, 1] * 6, "x": np.arange(12.0) % 5, "g": np.repeat([1, 2, 3], 4)})
    with pytest.raises(gi.InputError, match=r"a ridge \(l1_ratio=0\) keeps all of them"):
        gi.stability(gi.logit_path("y ~ x", frame, l1_ratio=0))
    with pytest.raises(gi.InputError) as caught:
        gi.stability(gi.logit("y ~ x", frame))
    assert str(caught.value) == "stability() is asked of what gi.logit_path returns, and this is a Fit."
    with pytest.raises(gi.DataError, match="3 groups of g: too few to be cut into halves"):
        gi.stability(gi.logit_path("y ~ x", frame), by="g")
