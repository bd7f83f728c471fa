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


def session(path):
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def trials():
    """All trials of all sessions."""
    frames = []
    for path in FILES:
        found = session(path)
        frames.append(
            pd.DataFrame({name: found[name] for name in BEHAVIOUR}).assign(mouse=str(found["mouse"]), session=path.stem)
        )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def largest():
    """The session of most neurons: behaviour and the mean count of each area's neurons."""
    found = max(map(session, FILES), key=lambda s: s["counts"].shape[1])
    frame = pd.DataFrame({name: found[name] for name in BEHAVIOUR})
    for area in np.unique(found["area"]):
        frame[str(area)] = found["counts"][:, found["area"] == area].mean(axis=1)
    return frame


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


def test_more_neurons_than_trials_is_refused_clearly():
    found = min(map(session, FILES), key=lambda s: len(s["feedback"]))
    counts = pd.DataFrame(found["counts"], columns=[f"n{i:04}" for i in range(found["counts"].shape[1])])
    frame = counts.assign(feedback=found["feedback"])
    with pytest.raises(
        gi.DataError, match=rf"There are {counts.shape[1] + 1:,} columns, {len(frame)} rows: .*penalty="
    ):
        gi.logit("feedback == 1 ~ .", frame)
