"""The permutation test of a decoding score: its identity, its schemes, and p-values on null data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.numerics import threads


def frame_of(seed, n=60, p=5, effect=0.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = (rng.random(n) < 1 / (1 + np.exp(-effect * X[:, 0]))).astype(int)
    return pd.DataFrame(X).add_prefix("x").assign(y=y, session=np.arange(n) // 12, t=np.arange(n))


def path_of(frame, **options):
    return gi.logit_path("y ~ . - session - t", frame, **({"n_lambdas": 6, "lambda_min_ratio": 0.1} | options))


@pytest.fixture(scope="module")
def path():
    return path_of(frame_of(1, effect=2.0))


@pytest.mark.parametrize("measure", ["accuracy", "deviance", "auc"])
def test_the_score_is_the_best_of_the_cross_validation(path, measure):
    test = gi.decoding_test(path, folds=4, measure=measure, scheme="free", n=9, seed=7)
    cv = gi.cross_validate(path, folds=4, measure=measure, seed=7)
    assert test.estimate == pytest.approx(cv.glance().estimate_min[0], abs=1e-6)
    assert test.lambda_ == cv.lambda_min
    assert test.constant == cv.glance().null[0]


@pytest.mark.parametrize("measure", ["accuracy", "deviance", "brier"])
def test_a_strong_effect_has_the_smallest_p(path, measure):
    test = gi.decoding_test(path, folds=4, measure=measure, scheme="free", n=19)
    assert test.p_value == 0.05
    row = test.tidy().iloc[0]
    assert row.n == len(test.null) == 19
    assert row.null_mean == pytest.approx(test.null.mean())
    better = test.estimate < test.null.min() if measure != "accuracy" else test.estimate > test.null.max()
    assert better


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "within", "by": "session"},
        {"scheme": "blocks", "block": 5},
        {"scheme": "circular_shift", "by": "session", "order": "t"},
        {"scheme": "linear_shift", "max_shift": 6},
        {"scheme": "swap", "by": "session"},
    ],
)
def test_every_scheme_of_exchanging_rows(path, options):
    test = gi.decoding_test(path, folds=3, n=12, **options)
    assert 0 < test.p_value <= 1
    assert f"Scheme: {options['scheme']}" in str(test)
    assert "Valid if" in str(test)


def test_labels_of_whole_sessions_are_swapped():
    frame = frame_of(3).assign(y=lambda f: f.session % 2)
    path = path_of(frame)
    with pytest.raises(gi.InputError, match="The outcome has one value in each group of session, so scheme"):
        gi.decoding_test(path, folds=3, scheme="within", by="session")
    test = gi.decoding_test(path, folds=frame.session.to_numpy() // 2, scheme="swap", by="session", n=5)
    assert len(test.null) == 5


def test_threads_and_seeds(path, monkeypatch):
    def null(seed):
        return gi.decoding_test(path, folds=3, scheme="free", n=8, seed=seed).null

    first = null(0)
    assert not np.array_equal(first, null(1))
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    assert np.array_equal(first, null(0))


def test_p_values_are_uniform_without_an_effect():
    """Sixty null samples: the mean is that of 0.1, 0.2, …, 1, and small values are as rare as they should be."""
    paths = [gi.logit_path("y ~ x0 + x1", frame_of(200 + k, n=30, p=2), lambdas=[0.1]) for k in range(60)]
    options = {"folds": 2, "measure": "deviance", "scheme": "free", "n": 9}
    p = [gi.decoding_test(path, seed=k, **options).p_value for k, path in enumerate(paths)]
    assert set(np.round(10 * np.array(p), 9)) <= set(range(1, 11))
    assert abs(np.mean(p) - 0.55) < 3 * 0.29 / np.sqrt(60)
    assert np.mean(np.array(p) <= 0.2) < 0.2 + 3 * 0.4 / np.sqrt(60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "scheme= is needed: which rows could have changed places"),
        ({"scheme": "sign_flip", "by": "session"}, "outcomes have none"),
        ({"scheme": "free", "n": 0}, "n=0 must be a whole number, 1 or more"),
        ({"scheme": "free", "by": "session"}, "by= has no part in scheme='free'"),
        ({"scheme": "swap", "by": np.ones(60)}, "and there is 1 only"),
    ],
)
def test_what_cannot_be_is_refused(path, options, message):
    with pytest.raises(gi.InputError, match=message):
        gi.decoding_test(path, folds=3, **options)


def test_outcomes_that_cannot_change_places_are_refused():
    frame = frame_of(2).assign(hits=lambda f: f.y * 2, others=lambda f: 2 - f.hits, known=lambda f: f.x0)
    grouped = gi.logit_path("cbind(hits, others) ~ x1 + x2", frame, n_lambdas=3)
    with pytest.raises(gi.InputError, match="outcome of this path counts trials"):
        gi.decoding_test(grouped, scheme="free")
    shifted = gi.logit_path("y ~ x1 + x2", frame, offset="known", n_lambdas=3)
    with pytest.raises(gi.InputError, match="This path has an offset"):
        gi.decoding_test(shifted, scheme="free")


def test_columns_without_a_penalty_are_told():
    free = path_of(frame_of(2), penalty_factor={"x0": 0})
    assert "1 column without penalty may be what decodes" in str(gi.decoding_test(free, folds=3, scheme="free", n=4))
