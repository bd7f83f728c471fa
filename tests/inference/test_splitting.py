"""Split tests: what is selected where, tests on the other rows, joined p-values, groups, separation, error control."""

import numpy as np
import pandas as pd
import pytest
from selection_cases import sparse

import glminfer as gi
from glminfer.numerics import threads
from glminfer.numerics.entering import aggregated, entering, splits

NAMES = [f"x{j}" for j in range(30)]


@pytest.fixture(scope="module")
def frame():
    X, y = sparse(200, 30, seed=1, slopes=(1.3, -1.3))
    return pd.DataFrame(X, columns=NAMES).assign(y=y, session=np.repeat(np.arange(25), 8), g=np.tile(list("abcd"), 50))


@pytest.fixture(scope="module")
def table(frame):
    return gi.split_test("y ~ . - session - g", frame, n_splits=12, max_selected=4, seed=3)


def by_hand(frame, parts, most, p_value):
    """Select by the lasso on each part, fit the others with gi.logit, and multiply; also how often each is selected."""
    X, y = frame[NAMES].to_numpy(), frame["y"].to_numpy()
    mixture = gi.logit_path("y ~ . - session - g", frame, lambdas=[1.0]).mixture
    found, counts = np.ones((len(parts), len(NAMES))), np.zeros(len(NAMES), dtype=int)
    for k, part in enumerate(parts):
        n = int(part.sum())
        chosen = np.flatnonzero(entering(X[part], y[part], np.ones(n), np.zeros(n), mixture, most))
        fit = gi.logit("y ~ " + " + ".join(NAMES[j] for j in chosen), frame[~part])
        counts[chosen] += 1
        found[k, chosen] = [min(1.0, len(chosen) * p_value(fit, NAMES[j])) for j in chosen]
    return found, counts


@pytest.mark.parametrize(
    ("method", "p_value"),
    [
        ("LR", lambda fit, name: float(fit.lr_test(name).p_value.iloc[0])),
        ("Wald", lambda fit, name: float(fit.tidy().set_index("term").p_value[name])),
    ],
)
def test_it_is_selection_on_one_part_and_ordinary_tests_on_the_other(frame, method, p_value):
    table = gi.split_test("y ~ . - session - g", frame, n_splits=5, max_selected=4, seed=3, method=method)
    parts = splits(200, 5, 0.5, np.random.default_rng(3))
    found, counts = by_hand(frame, parts, 4, p_value)
    np.testing.assert_allclose(table.p_value, aggregated(found, 0.05), rtol=1e-6)
    np.testing.assert_array_equal(table.n_selected, counts)


def test_terms_that_matter_are_found(table):
    assert table.columns.tolist() == ["term", "n_selected", "p_value", "status"]
    assert table.term.tolist() == NAMES
    assert table.term[table.p_value < 0.05].tolist() == ["x0", "x1"]
    never = table[table.n_selected == 0]
    assert len(never)
    assert (never.p_value == 1).all()
    assert (never.status == "never selected").all()
    assert (table.status[table.n_selected > 0] == "tested").all()


def test_what_it_says(table):
    said = "\n".join(table.heading)
    for part in (
        "12 splits of 200 rows, 50% to select",
        "at most the first 4 columns to enter",
        "likelihood-ratio tests on the other rows, times the number of terms selected",
        "(γ from 0.05). Adjusted for the choice among all terms: do not adjust again",
        "Assumes independent rows, the logistic model, and that every column that matters is among the selected",
    ):
        assert part in said
    assert said in repr(table)


def test_a_tenth_of_the_rarer_outcome_is_selected_by_default(frame):
    rarer = int(min(frame.y.sum(), (1 - frame.y).sum()))
    said = "\n".join(gi.split_test("y ~ . - session - g", frame, n_splits=2, share=0.4).heading)
    assert f"at most the first {int(0.6 * rarer / 10)} columns" in said
    assert "40% to select" in said


def test_seeds_and_threads(frame, table, monkeypatch):
    again = gi.split_test("y ~ . - session - g", frame, n_splits=12, max_selected=4, seed=4)
    assert not np.array_equal(again.p_value, table.p_value)
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    again = gi.split_test("y ~ . - session - g", frame, n_splits=12, max_selected=4, seed=3)
    pd.testing.assert_frame_equal(pd.DataFrame(again), pd.DataFrame(table))


def test_a_factor_is_one_term_with_one_test(frame):
    effect = frame.assign(y=(frame.y + (frame.g == "a")).clip(upper=1))
    table = gi.split_test("y ~ x0 + x1 + g", effect, n_splits=8, max_selected=5, seed=1).set_index("term")
    assert table.index.tolist() == ["x0", "x1", "g"]
    assert table.p_value["g"] < 0.05
    assert table.n_selected["g"] == 8


def test_covariates_beside_the_formula(frame, table):
    beside = gi.split_test("y ~ 1", frame[["y"]], covariates=frame[NAMES], n_splits=12, max_selected=4, seed=3)
    pd.testing.assert_frame_equal(pd.DataFrame(beside), pd.DataFrame(table))


def test_scale_order_and_the_event_do_not_matter(frame, table):
    turned = frame.assign(**{name: 3 + frame[name] * (k + 1) for k, name in enumerate(NAMES)}, y=1 - frame.y)
    formula = "y ~ " + " + ".join(reversed(NAMES))
    other = gi.split_test(formula, turned, n_splits=12, max_selected=4, seed=3).set_index("term").loc[NAMES]
    np.testing.assert_allclose(other.p_value, table.p_value, rtol=1e-6)


def test_groups_stay_together(frame):
    grouped = gi.split_test("y ~ . - g", frame, n_splits=4, by="session", seed=2)
    said = "\n".join(grouped.heading)
    assert "4 splits of 25 groups of session" in said
    assert "Assumes independent groups" in said


def test_columns_without_a_penalty_are_in_every_model_and_are_not_tested(frame):
    free = gi.split_test("y ~ . - session - g", frame, n_splits=6, max_selected=3, penalty_factor={"x0": 0}, seed=3)
    assert np.isnan(free.p_value[0])
    assert free.status[0] == "no penalty"
    assert free.n_selected[0] == 0
    # beside x0 the error of x1 is another one: its test is that of a model with x0
    assert free.p_value[1] < 0.05


def test_rows_of_weight_zero_are_absent(frame):
    weights = np.ones(200)
    weights[150:] = 0
    weighted = gi.split_test("y ~ . - session - g", frame.assign(w=weights), weights="w", n_splits=5, seed=1)
    alone = gi.split_test("y ~ . - session - g", frame[:150], n_splits=5, seed=1)
    np.testing.assert_allclose(weighted.p_value, alone.p_value, rtol=1e-6)


def test_separated_second_parts_have_likelihood_ratios_but_no_wald_tests():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    frame = pd.DataFrame({"y": (x > 0).astype(float), "x": x, "z": rng.normal(size=60)})
    ratios = gi.split_test("y ~ x + z", frame, n_splits=6, max_selected=1)
    assert ratios.p_value[0] < 1e-4
    assert "6 second parts separated by the selected terms: their likelihood-ratio tests are valid" in repr(ratios)
    walds = gi.split_test("y ~ x + z", frame, n_splits=6, max_selected=1, method="Wald")
    assert walds.p_value[0] == 1
    assert "they count as p = 1; method='LR' has tests" in repr(walds)


def test_second_parts_with_one_outcome_count_as_nothing():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": [1.0, 1.0] + [0.0] * 38, "x": rng.normal(size=40), "z": rng.normal(size=40)})
    table = gi.split_test("y ~ x + z", frame, n_splits=20)
    assert "too small or with one outcome only, which count as p = 1" in repr(table)


def test_p_values_keep_their_level_where_nothing_matters():
    rng = np.random.default_rng(5)
    false = 0
    for seed in range(30):
        X = rng.normal(size=(80, 40))
        table = gi.split_test("y ~ 1", {"y": rng.integers(0, 2, 80)}, covariates=X, n_splits=10, seed=seed)
        false += bool((table.p_value < 0.05).any())
    assert false <= 4  # P(more than 4 of 30) at 5 % is 0.01


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"share": 1.0}, "share=1.0 must lie between 0 and 1"),
        ({"gamma_min": 0}, "gamma_min=0 must lie between 0 and 1"),
        ({"n_splits": 0}, "n_splits=0 must be"),
        ({"max_selected": 0}, "max_selected=0 must be"),
        ({"method": "score"}, "method 'score' is not known"),
        ({"seed": -1}, "seed=-1 must be"),
        ({"by": "mouse"}, "The data have no column 'mouse'"),
    ],
)
def test_what_cannot_be_is_refused(frame, given, words):
    with pytest.raises(gi.InputError, match=words):
        gi.split_test("y ~ x0 + x1", frame, **given)


def test_an_unknown_argument_is_named(frame):
    with pytest.raises(TypeError, match=r"split_test\(\) has no argument 'nsplits'.*n_splits"):
        gi.split_test("y ~ x0", frame, nsplits=3)
