"""Real recording sessions, where a copy of them is at hand: GLMINFER_STEINMETZ names the folder of session_NN.npz."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

FOLDER = os.environ.get("GLMINFER_STEINMETZ", "")
FILES = sorted(Path(FOLDER).glob("session_*.npz")) if FOLDER else []

pytestmark = pytest.mark.skipif(not FILES, reason="GLMINFER_STEINMETZ names no folder of sessions")

BEHAVIOUR = ("contrast_left", "contrast_right", "feedback")


@pytest.fixture(scope="module")
def sessions():
    return gi.datasets.load_steinmetz(FOLDER)


@pytest.fixture(scope="module")
def trials(sessions):
    """All trials of all sessions."""
    return pd.concat([session.trials for session in sessions], ignore_index=True)


@pytest.fixture(scope="module")
def largest(sessions):
    """The session of most neurons: behaviour and the mean count of each area's neurons."""
    found = max(sessions, key=lambda s: s.spikes.shape[1])
    return pd.concat([found.trials[list(BEHAVIOUR)], found.spikes.T.groupby(found.areas).mean().T], axis=1)


def agrees(fit):
    table = fit.crosscheck()
    return (table[["relative_difference", "std_error_difference"]] < 1e-8).all(axis=None)


def test_feedback_by_contrast_over_all_sessions(trials):
    fit = gi.logit("feedback == 1 ~ contrast_left * contrast_right + C(mouse)", trials)
    assert fit.converged
    assert fit.nobs == len(trials)
    assert fit.event == "feedback == 1"
    assert agrees(fit)
    text = str(fit)
    assert f"Rows              {len(trials):,} used" in text
    assert "Reference levels  C(mouse): " in text
    assert "contrast_left:contrast_right" in text
    assert "Notes" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_sessions_as_a_factor_and_as_an_offset_of_the_mice(trials):
    fit = gi.logit("feedback == 1 ~ contrast_left * contrast_right + session", trials)
    assert fit.converged
    assert agrees(fit)
    assert fit.predict(trials.head(3)).between(0, 1).all()


def test_trials_of_one_kind_grouped_are_the_same_model(trials):
    right = "contrast_left * contrast_right + C(mouse)"
    single = gi.logit(f"feedback == 1 ~ {right}", trials)
    kinds = trials.groupby(["contrast_left", "contrast_right", "mouse"], as_index=False).agg(
        correct=("feedback", lambda f: (f == 1).sum()), n=("feedback", "size")
    )
    grouped = gi.logit(f"cbind(correct, n - correct) ~ {right}", kinds)
    assert np.allclose(grouped.coef, single.coef, rtol=1e-8)
    assert np.allclose(grouped.tidy().std_error, single.tidy().std_error, rtol=1e-8)
    assert "overdispersed" in str(grouped)  # success depends on which contrast is higher, not on their product


def test_decoding_from_area_means(largest):
    fit = gi.logit("feedback == 1 ~ . - contrast_left - contrast_right", largest)
    assert fit.converged
    assert fit.rank == largest.shape[1] - 2
    assert agrees(fit)
    score = fit.score()
    assert score.auc[0] > 0.5
    assert score.n[0] == len(largest)
    table = fit.augment()
    assert table[".hat"].sum() == pytest.approx(fit.rank, rel=1e-9)
    assert max(map(len, str(fit).splitlines())) <= 100


def test_decoding_which_side_was_higher(largest):
    fit = gi.logit(
        "contrast_right > contrast_left ~ . - feedback",
        largest,
        subset="contrast_right != contrast_left",
    )
    assert fit.event == "contrast_right > contrast_left"
    assert agrees(fit)


def test_areas_whose_names_are_not_words_work_too(largest):
    odd = [name for name in largest if not name.isidentifier()]
    frame = largest.rename(columns={name: f"area {name}" for name in largest if name not in BEHAVIOUR})
    plain, renamed = (gi.logit("feedback == 1 ~ . - contrast_left - contrast_right", f) for f in (largest, frame))
    assert np.array_equal(plain.coef, renamed.coef)
    assert all(name in "".join(plain.coef.index) for name in odd)


def test_more_neurons_than_trials_is_refused_clearly(sessions):
    found = min(sessions, key=lambda s: len(s.trials))
    frame = found.spikes.assign(feedback=found.trials.feedback)
    with pytest.raises(gi.DataError, match=rf"There are {frame.shape[1]:,} columns, {len(frame)} rows: .*penalty="):
        gi.logit("feedback == 1 ~ .", frame)


def test_success_depends_on_the_trials_before(trials):
    past = "history(feedback == 1, 4, by=session)"
    fit = gi.logit(f"feedback == 1 ~ contrast_left * contrast_right + session + {past}", trials)
    assert fit.notes == (f"2,707 rows, 160 dropped: 160 missing in {past}",)
    assert fit.lr_test(past).p_value[0] < 1e-6  # mice tire, and sit out
    assert (fit.lag_effects(past).estimate > 0).mean() > 0.8
    assert agrees(fit)


def test_neurons_remember_their_own_spikes(sessions):
    found = sessions[-1]
    names = found.spikes.columns[(found.spikes > 0).mean().between(0.3, 0.7)]
    tests = []
    for name in names[:30]:
        term = f"history({name}, 3, by=session)"
        fit = gi.logit(f"{name} > 0 ~ contrast_left + contrast_right + raised_cosine(trial, 4) + {term}", found.frame)
        assert fit.converged
        tests.append(fit.lr_test(term).p_value[0])
    assert np.mean(np.array(tests) < 0.05) > 0.1
