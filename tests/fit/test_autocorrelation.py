"""The alarm in ``fit.notes``: residuals that follow each other in the order of recording."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.special import expit

import glminfer as gi
from glminfer.fit import autocorrelation

SAID = "residuals follow each other"


def autoregressive(rng: np.random.Generator, rho: float, n: int, k: int = 1) -> np.ndarray:
    """k stationary series (n, k) of variance 1."""
    noise = rng.standard_normal((n, k)) * np.sqrt(1 - rho**2)
    noise[0] /= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=0)


def recorded(seed: int = 1, n: int = 2000, rho: float = 0.99, sessions: int = 1) -> pd.DataFrame:
    """A covariate, and an outcome that drifts without it, as in behaviour.md."""
    rng = np.random.default_rng(seed)
    x, state = autoregressive(rng, rho, n, 2).T
    y = (rng.random(n) < expit(1.5 * state)).astype(int)
    session = np.arange(n) * sessions // n
    return pd.DataFrame({"y": y, "x": x, "z": rng.standard_normal(n), "trial": np.arange(n), "session": session})


def alarm(fit: gi.Fit) -> str:
    said = [note for note in fit.notes if SAID in note]
    assert len(said) < 2
    return said[0] if said else ""


def test_a_drifting_outcome_is_noted_with_the_factor_of_the_worst_variance():
    text = alarm(gi.logit("y ~ z + x", recorded()))
    assert text.startswith("residuals follow each other within session: correlation 0.")
    assert "on average with the next 45 (z = " in text
    assert "The variance of x is roughly " in text
    assert text.endswith(" times what cov='model' says; see cluster= and permutation_test.")


def test_the_factor_is_roughly_the_true_one():
    """The variance of the estimate over 150 samples, against the factor's median and the model's variance."""
    estimates, variances, factors = [], [], []
    for seed in range(150):
        fit = gi.logit("y ~ x", recorded(seed, 800, 0.9))
        estimates.append(fit.coef["x"])
        variances.append(fit.vcov().loc["x", "x"])
        text = alarm(fit)
        factors.append(float(text.split("roughly ")[1].split(" times")[0]) if "roughly" in text else 1.0)
    truth = np.var(estimates) / np.mean(variances)
    assert 2.5 < truth < 8
    assert 0.6 < np.mean(factors) / truth < 1.5


def test_independent_rows_are_not_noted():
    rng = np.random.default_rng(0)
    for seed in range(100):
        rows = recorded(seed, int(rng.choice([50, 200, 1000])), 0.0, sessions=int(rng.choice([1, 5])))
        assert not alarm(gi.logit("y ~ x + z", rows))


def test_drift_that_covariates_do_not_share_matters_little():
    rows = recorded()
    text = alarm(gi.logit("y ~ z", rows))
    assert "It matters little here: no variance is too small with cov='model' (z: " in text
    assert alarm(gi.logit("y ~ 1", rows)).endswith("Standard errors with cov='model' assume independent rows.")


def test_sessions_that_differ_are_noted_by_the_next_many_rows():
    """Each session has its own level and nothing else: a small correlation with all rows of the session."""
    rng = np.random.default_rng(2)
    session = np.repeat(np.arange(40), 100)
    y = (rng.random(4000) < expit(0.5 * rng.standard_normal(40)[session])).astype(int)
    rows = pd.DataFrame({"y": y, "x": rng.standard_normal(40)[session], "session": session})
    assert not alarm(gi.logit("y ~ x", rows))
    text = alarm(gi.logit("y ~ x", rows, by="session"))
    assert "within session" in text
    assert "The variance of x is roughly" in text


# where the order comes from ------------------------------------------------------------------------------------------


def test_the_order_may_be_given_or_be_that_of_the_frame():
    rows = recorded(sessions=4)
    expected = alarm(gi.logit("y ~ x", rows))
    assert "within session" in expected
    mixed = rows.sample(frac=1, random_state=3)
    renamed = mixed.rename(columns={"trial": "t", "session": "s"})
    assert alarm(gi.logit("y ~ x", mixed)) == expected
    assert not alarm(gi.logit("y ~ x", renamed))
    told = expected.replace("session", "s")
    assert alarm(gi.logit("y ~ x", renamed, order="t", by="s")) == told
    assert alarm(gi.logit("y ~ x", renamed, order=renamed.t.to_numpy(), by=renamed.s)) == told
    whole = alarm(gi.logit("y ~ x", renamed, order="t"))
    assert "follow each other: correlation" in whole
    times = rows.drop(columns=["trial", "session"]).set_index(
        pd.Timestamp("2026-01-01") + pd.to_timedelta(rows.trial, "s")
    )
    assert alarm(gi.logit("y ~ x", times.sample(frac=1, random_state=1))) == whole


def test_frames_of_other_kinds_have_their_order():
    polars = pytest.importorskip("polars")
    rows = recorded(sessions=4)
    expected = alarm(gi.logit("y ~ x", rows))
    assert alarm(gi.logit("y ~ x", polars.from_pandas(rows))) == expected
    assert alarm(gi.logit("y ~ x", {name: rows[name].to_numpy() for name in rows})) == expected


def test_a_column_called_trial_that_is_no_order_is_left_alone():
    rows = recorded()
    for trial in (rows.trial // 2, np.where(rows.trial % 2, "a", "b"), np.where(rows.trial == 5, np.nan, rows.trial)):
        assert not alarm(gi.logit("y ~ x", rows.assign(trial=trial)))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "ties": ({"order": "half"}, "order: half is 0 in more than one row of the data, so their order is not known"),
    "labels": ({"order": "label"}, r"label is a column of labels.*order=, which needs numbers"),
    "unknown": ({"by": "sesion"}, "The data have no column 'sesion'. Did you mean 'session'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_order_that_is_given_must_be_one(name):
    rows = recorded(n=40).assign(half=np.arange(40) // 2, label="a")
    options, message = WRONG[name]
    with pytest.raises(gi.InputError, match=message):
        gi.logit("y ~ x", rows, **options)


# what must not matter ------------------------------------------------------------------------------------------------


def test_missing_rows_and_rows_of_zero_weight_are_as_if_they_had_not_been_there():
    rows = recorded(sessions=4)
    holes = rows.assign(x=np.where(rows.trial % 5 == 0, np.nan, rows.x), w=np.where(rows.trial % 7 == 0, 0, 1))
    left = holes[(holes.w > 0) & holes.x.notna()]
    expected = alarm(gi.logit("y ~ x", left))
    assert alarm(gi.logit("y ~ x", holes, weights="w")) == expected != ""


def test_the_first_of_many_rows_are_looked_at(monkeypatch):
    rows = recorded()
    monkeypatch.setattr(autocorrelation, "_MOST", 900)
    text = alarm(gi.logit("y ~ x", rows))
    assert "with the next 30 (z = " in text
    calm = rows.assign(y=np.where(rows.trial < 900, np.random.default_rng(0).integers(0, 2, len(rows)), rows.y))
    assert not alarm(gi.logit("y ~ 1", calm))


def test_two_rare_rows_beside_each_other_are_no_alarm():
    y = np.zeros(400, dtype=int)
    y[[200, 201]] = 1
    data = {"y": y, "trial": np.arange(400)}
    fit = gi.logit("y ~ 1", data)
    assert not alarm(fit)
    r = np.asarray(fit.residuals("pearson"))
    assert (r[1:] * r[:-1]).sum() / np.mean(r**2) / np.sqrt(399) > 4  # which it would be with both


def test_fits_of_every_kind():
    rows = recorded()
    rows["k"], rows["m"] = 3 * rows.y, 4
    expected = alarm(gi.logit("y ~ x", rows))
    assert alarm(gi.glm("y ~ x", rows, link="probit")) != ""
    assert alarm(gi.logit("y ~ x", rows, penalty=gi.Firth())) != ""
    assert "The variance of x" in alarm(gi.logit("cbind(k, m - k) ~ x", rows))
    assert alarm(gi.logit("y ~ x + u", rows.assign(u=2 * rows.x))) == expected
    with pytest.warns(gi.SeparationWarning):
        quasi = gi.logit(
            "y ~ x + c", rows.assign(c=(rows.trial < 9).astype(int), y=np.where(rows.trial < 9, 1, rows.y))
        )
    assert "The variance of x" in alarm(quasi)
    with pytest.warns(gi.SeparationWarning):
        assert not alarm(gi.logit("y ~ x", rows.assign(y=(rows.x > 0).astype(int))))


def test_the_note_survives_a_pickle_an_update_and_the_return_of_the_data():
    rows = recorded(sessions=4)
    fit = gi.logit("y ~ x", rows.drop(columns="trial"), order=rows.trial.to_numpy())
    expected = alarm(fit)
    again = pickle.loads(pickle.dumps(fit))
    assert alarm(again) == expected != ""
    assert alarm(again.with_data(rows)) == expected
    assert alarm(fit.update("~ . + z").update("~ . - z")) == expected


def test_one_of_many_models_is_noted_as_the_single_fit_is():
    rows = recorded(sessions=4)
    fits = gi.logit_many("x", rows, outcomes=rows[["y"]])
    assert alarm(fits["y"]) == alarm(gi.logit("y ~ x", rows)) != ""


def test_long_factors_are_looked_at_last_and_what_is_not_is_said(monkeypatch):
    frame = recorded().assign(g=lambda f: (np.arange(len(f)) * 7919 % 60).astype(str))
    full = gi.logit("y ~ g + x", frame, control=gi.Control(coded=False))
    assert "were not looked at" not in alarm(full)
    monkeypatch.setattr("glminfer.fit.autocorrelation._COEFFICIENTS", 5)
    for coded in (True, False):
        said = alarm(gi.logit("y ~ g + x", frame, control=gi.Control(coded=coded)))
        assert "The variance of x is roughly" in said
        assert said.endswith(" 55 more coefficients, of the longest terms, were not looked at.")
