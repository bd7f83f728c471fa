"""Nested cross-validation: nothing of a row reaches the fit that predicts it, and null data give chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.fit.nested_validation import OuterFold, spread


def frame_of(seed, n=80, p=15, effect=0.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = (rng.random(n) < 1 / (1 + np.exp(-effect * X[:, 0]))).astype(int)
    return pd.DataFrame(X).add_prefix("x").assign(y=y, group=np.arange(n) // 8)


def path_of(frame, **options):
    options = {"n_lambdas": 10, "lambda_min_ratio": 0.05} | options
    return gi.logit_path("y ~ . - group", frame, **options)


@pytest.fixture(scope="module")
def frame():
    return frame_of(1, effect=1.5)


@pytest.fixture(scope="module")
def nested(frame):
    return gi.nested_cross_validate(path_of(frame), outer=5, inner=4)


def test_a_row_for_each_outer_fold(nested):
    table = nested.tidy()
    expected = ["repeat", "fold", "n_train", "n_test", "lambda", "C", "n_nonzero", "estimate", "null"]
    assert table.columns.tolist() == expected
    assert (table.n_train + table.n_test == 80).all()
    assert table.n_test.sum() == 80
    np.testing.assert_allclose(table.C, 1 / (table.n_train * table["lambda"]))
    assert table.estimate.between(0, 1).all()


def test_a_fold_is_a_cross_validation_of_the_other_rows(frame, nested):
    """The choice and the score of one outer fold, made again by hand."""
    held = nested.found[0].rows
    rest = frame.drop(index=held)
    path = path_of(rest)
    assert np.isclose(path.lambdas, nested.tidy()["lambda"][0], rtol=1e-9).any()
    expected = path.predict(frame.loc[held], lambda_=nested.tidy()["lambda"][0])
    np.testing.assert_allclose(nested.held_out().loc[held], expected, atol=1e-8)
    accuracy = np.mean((expected > 0.5) == (frame.y[held] == 1))
    assert nested.tidy().estimate[0] == pytest.approx(accuracy)


def test_outcomes_of_a_fold_do_not_reach_its_fit(frame):
    """With given outer folds, changed outcomes inside one leave its penalty and its predictions alone."""
    ids = np.arange(80) % 5
    changed = frame.assign(y=np.where(ids == 2, 1 - frame.y, frame.y))
    one, other = (gi.nested_cross_validate(path_of(f), outer=ids, inner=4) for f in (frame, changed))
    assert one.tidy()["lambda"][2] == other.tidy()["lambda"][2]
    assert np.array_equal(one.held_out()[ids == 2], other.held_out()[ids == 2])
    assert not np.array_equal(one.held_out()[ids != 2], other.held_out()[ids != 2])
    assert one.tidy().estimate[2] == pytest.approx(1 - other.tidy().estimate[2])


def test_groups_stay_together_outside_and_inside(frame):
    nested = gi.nested_cross_validate(path_of(frame), outer=4, inner=3, by="group")
    for fold in nested.found:
        inside = frame.group.iloc[fold.rows].unique()
        assert not frame.drop(index=fold.rows).group.isin(inside).any()


def test_seeds_and_repeats(frame, nested):
    path = path_of(frame)
    again = gi.nested_cross_validate(path, outer=5, inner=4)
    assert again.tidy().equals(nested.tidy())
    assert not gi.nested_cross_validate(path, outer=5, inner=4, seed=1).tidy().equals(nested.tidy())
    several = gi.nested_cross_validate(path, outer=5, inner=4, repeats=2)
    assert several.tidy()["repeat"].tolist() == [1] * 5 + [2] * 5
    assert several.glance().repeats[0] == 2
    assert several.held_out().notna().all()


def test_rules_and_measures(frame):
    path = path_of(frame)
    options = {"outer": 4, "inner": 4, "seed": 3}
    best, sparse = (gi.nested_cross_validate(path, rule=rule, **options) for rule in ("min", "1se"))
    assert (sparse.tidy()["lambda"] >= best.tidy()["lambda"]).all()
    assert (sparse.tidy()["lambda"] > best.tidy()["lambda"]).any()
    auc = gi.nested_cross_validate(path, measure="auc", select="auc", **options)
    assert auc.glance().null[0] == 0.5
    assert "auc" in str(auc)


def test_given_penalties_are_kept(frame):
    path = path_of(frame, lambdas=[0.2, 0.1], n_lambdas=100, lambda_min_ratio=None)
    nested = gi.nested_cross_validate(path, outer=4, inner=4)
    assert set(nested.tidy()["lambda"]) <= {0.2, 0.1}


def test_the_standard_error_is_that_of_repeated_k_fold_cross_validation():
    scores = [0.7, 0.8, 0.6, 0.9]
    folds = [
        OuterFold(1, k, np.arange(20), 60, 20.0, 0.1, 3, score, 0.5, np.zeros(20), sampling=0.01)
        for k, score in enumerate(scores)
    ]
    found = spread(folds)
    assert found.mean == pytest.approx(0.75)
    assert found.sd == pytest.approx(np.std(scores, ddof=1))
    assert found.std_error == pytest.approx(np.sqrt((1 / 4 + 1 / 3) * np.var(scores, ddof=1)))
    assert found.dof == 3


def test_the_standard_error_is_no_less_than_that_of_independent_rows():
    """Folds that score alike do not make a score of 40 rows certain; nor do repeats, which bring no new rows."""
    for repeats in (1, 3):
        folds = [
            OuterFold(r, k, np.arange(10), 30, 10.0, 0.1, 3, 0.7, 0.5, np.zeros(10), sampling=0.7 * 0.3 / 10)
            for r in range(repeats)
            for k in range(4)
        ]
        assert spread(folds).std_error == pytest.approx(np.sqrt(0.7 * 0.3 / 40))


def test_the_accuracy_of_a_constant_is_as_sure_as_its_rows(frame):
    """A path of the constant alone scores the same in all stratified folds."""
    even = frame.assign(y=np.arange(len(frame)) % 2)
    path = path_of(even, lambdas=[1e6], n_lambdas=100, lambda_min_ratio=None)
    found = gi.nested_cross_validate(path, outer=5, inner=4, measure="accuracy").glance()
    assert found.estimate[0] == pytest.approx(0.5)
    assert found.std_error[0] == pytest.approx(np.sqrt(0.25 / len(frame)), rel=0.1)


def test_null_data_are_predicted_at_chance_while_the_best_of_the_path_is_above():
    nested, best = [], []
    for seed in range(15):
        balanced = frame_of(100 + seed, n=60, p=10).assign(y=np.arange(60) % 2)
        path = path_of(balanced, n_lambdas=6)
        nested.append(gi.nested_cross_validate(path, outer=4, inner=3, seed=seed).glance().estimate[0])
        best.append(gi.cross_validate(path, folds=4, measure="accuracy", seed=seed).glance().estimate_min[0])
    assert abs(np.mean(nested) - 0.5) < 3 * np.std(nested, ddof=1) / np.sqrt(15)
    assert np.mean(best) > np.mean(nested)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "2se"}, "rule '2se' is not known"),
        ({"repeats": 0}, "repeats=0 must be a whole number, 1 or more"),
        ({"outer": "group", "repeats": 2}, "repeats=2 deals the outer folds again each time"),
        ({"inner": 1}, "folds=1 must be 2 or more"),
        (
            {"measure": "auc", "outer": 80},
            "auc needs both outcomes in a fold, and fewer than two of the 80 outer folds",
        ),
    ],
)
def test_what_cannot_be_is_refused(frame, options, message):
    with pytest.raises(gi.InputError, match=message):
        gi.nested_cross_validate(path_of(frame), **({"outer": 4, "inner": 3} | options))
