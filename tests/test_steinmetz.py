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
    (note,) = fit.notes  # mice have better and worse hours
    assert note.startswith("residuals follow each other within session: correlation 0.15 with the next row")
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


# many models ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoding(sessions):
    """For each session: does each neuron fire by the contrasts and the outcome?"""
    rhs = "contrast_left + contrast_right + C(feedback)"
    return [gi.logit_many(rhs, session.trials, outcomes=session.spikes > 0) for session in sessions]


@pytest.fixture(scope="module")
def decoding(sessions):
    """For each session: does each neuron tell the outcome, beyond the contrasts?"""
    formula = "feedback == 1 ~ contrast_left * contrast_right"
    return [gi.logit_each(formula, session.trials, covariates=session.spikes) for session in sessions]


def drawn(all_fits, count=50):
    """Some of the models that converged, the same ones each time."""
    found = [(k, name) for k, fits in enumerate(all_fits) for name in fits.status.index[fits.status == "converged"]]
    return [found[j] for j in np.random.default_rng(1).choice(len(found), count, replace=False)]


def by_statsmodels(y, X):
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    return GLM(y, X, family=Binomial()).fit(tol=1e-14, maxiter=100)


def shared(trials):
    left, right = trials.contrast_left.to_numpy(), trials.contrast_right.to_numpy()
    return np.column_stack([np.ones(len(trials)), left, right])


def test_every_neuron_has_its_row(sessions, encoding, decoding):
    for session, many, each in zip(sessions, encoding, decoding, strict=True):
        silent = (session.spikes == 0).all()
        always = (session.spikes > 0).all()
        assert len(many.glance()) == len(each.lr_test()) == session.spikes.shape[1]
        assert ((many.status == "constant outcome") == (silent | always)).all()
        assert (each.status[silent] == "aliased").all()
        assert set(many.status) | set(each.status) <= {"converged", "separated", "aliased", "constant outcome"}


def test_fifty_encoding_models_are_those_of_statsmodels(sessions, encoding):
    tables = [fits.tidy(adjust=None).set_index("outcome") for fits in encoding]
    tests = [fits.lr_test("C(feedback)").set_index("outcome") for fits in encoding]
    for k, name in drawn(encoding):
        trials, y = sessions[k].trials, (sessions[k].spikes[name] > 0).astype(float)
        X = np.column_stack([shared(trials), trials.feedback == 1])
        whole, small = by_statsmodels(y, X), by_statsmodels(y, X[:, :3])
        np.testing.assert_allclose(tables[k].loc[name].estimate, whole.params, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(tables[k].loc[name].std_error, whole.bse, rtol=1e-7)
        np.testing.assert_allclose(tests[k].statistic[name], 2 * (whole.llf - small.llf), rtol=1e-7, atol=1e-9)


def test_fifty_contributions_are_those_of_statsmodels(sessions, decoding):
    tables = [fits.lr_test().set_index("covariate") for fits in decoding]
    for k, name in drawn(decoding):
        X = shared(sessions[k].trials)
        X = np.column_stack([X, X[:, 1] * X[:, 2], sessions[k].spikes[name]])
        y = (sessions[k].trials.feedback == 1).astype(float)
        expected = 2 * (by_statsmodels(y, X).llf - by_statsmodels(y, X[:, :4]).llf)
        np.testing.assert_allclose(tables[k].statistic[name], expected, rtol=1e-7, atol=1e-8)
        assert tables[k].df[name] == 1


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_every_penalty_of_a_path_of_a_thousand_neurons_is_at_its_optimum(sessions, l1_ratio):
    found = max(sessions, key=lambda s: s.spikes.shape[1])
    assert found.spikes.shape[1] > 1000
    path = gi.logit_path("feedback == 1 ~ 1", found.trials, covariates=found.spikes, l1_ratio=l1_ratio)
    assert len(path.lambdas) == 100
    assert path.kkt.max() <= 1e-10
    assert (np.diff(path.deviance) < 1e-9).all()
    X, y = found.spikes.to_numpy(float), (found.trials["feedback"] == 1).to_numpy(float)
    deviation = X.std(axis=0)
    X, deviation = X[:, deviation > 0], deviation[deviation > 0]
    Z = (X - X.mean(axis=0)) / deviation
    for step in (1, 50, 99):  # the conditions, once more and by hand
        lambda_ = path.lambdas[step]
        b = path.solution.coef[step][found.spikes.to_numpy().std(axis=0) > 0] * deviation
        score = (y - path.predict(lambda_=lambda_).to_numpy()) @ Z / len(y) - lambda_ * (1 - l1_ratio) * b
        off = np.where(b != 0, score - lambda_ * l1_ratio * np.sign(b), np.abs(score).clip(lambda_ * l1_ratio))
        assert np.abs(off - np.where(b != 0, 0, lambda_ * l1_ratio)).max() <= 1e-9
