"""The simulator: reproducible, shaped as promised, plausible, and true to its own coefficients."""

import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import glminfer as gi
from glminfer.datasets import simulate_session, simulated_neurons, true_coefficients
from glminfer.errors import InputError

BEHAVIOUR = ["choice", "contrast_left", "contrast_right", "feedback", "mouse", "session", "trial", "reaction_time"]


@pytest.fixture(scope="module")
def session():
    """One session as long and as wide as a real recording."""
    return simulate_session(271, 1000, n_mice=1, seed=3)


@pytest.fixture(scope="module")
def counts(session):
    return session.filter(regex=r"^n\d+$").to_numpy()


def test_the_same_seed_gives_the_same_frame():
    pd.testing.assert_frame_equal(simulate_session(60, 3, seed=5), simulate_session(60, 3, seed=5))
    assert not simulate_session(60, 3, seed=5).equals(simulate_session(60, 3, seed=6))


def test_behaviour_does_not_depend_on_the_neurons():
    pd.testing.assert_frame_equal(simulate_session(60, 0, seed=5), simulate_session(60, 3, seed=5)[BEHAVIOUR])


def test_columns_and_values():
    trials = simulate_session(90, 3, seed=0)
    assert list(trials.columns) == [*BEHAVIOUR, "n000", "n001", "n002"]
    assert set(trials["choice"]) == {"left", "right"}
    assert set(trials["contrast_left"]) == set(trials["contrast_right"]) == {0.0, 0.25, 0.5, 1.0}
    assert set(trials["feedback"]) == {-1, 1}
    assert (trials["reaction_time"] > 0.1).all()
    assert trials[["feedback", "trial", "n000", "n001", "n002"]].dtypes.map(pd.api.types.is_integer_dtype).all()
    assert (trials["n000"] >= 0).all()


def test_the_higher_contrast_is_rewarded():
    trials = simulate_session(400, 0, seed=2).query("contrast_left != contrast_right")
    correct = (trials["choice"] == "right") == (trials["contrast_right"] > trials["contrast_left"])
    assert (correct == (trials["feedback"] == 1)).all()


def test_sessions_and_mice():
    trials = simulate_session(100, 0, n_mice=2, n_sessions=3, seed=0)
    assert list(trials["session"].unique()) == ["Ada-1", "Ada-2", "Ada-3", "Bea-1", "Bea-2", "Bea-3"]
    assert trials.groupby("session")["mouse"].nunique().eq(1).all()
    assert trials["session"].value_counts().between(16, 17).all()
    for _, rows in trials.groupby("session"):
        assert rows["trial"].tolist() == list(range(1, len(rows) + 1))
    assert simulate_session(30, 0, n_mice=15)["mouse"].nunique() == 15


def test_more_than_a_thousand_neurons_have_names_of_one_length():
    assert simulated_neurons(1001)["neuron"].iloc[[0, -1]].tolist() == ["n0000", "n1000"]
    assert simulated_neurons(0).shape == (0, 8)


def test_the_truth_travels_with_the_frame():
    trials = simulate_session(60, 1, n_mice=2)
    truth = true_coefficients(2).to_dict()
    assert trials.attrs["true_coefficients"] == truth
    assert pickle.loads(pickle.dumps(trials)).attrs["true_coefficients"] == truth
    assert len(pd.concat([trials, simulate_session(60, 1, n_mice=2, seed=1)])) == 120


def test_choices_recover_the_true_coefficients():
    trials = simulate_session(100_000, 0, n_mice=4, seed=11)
    truth = true_coefficients(4)
    X = pd.DataFrame(index=trials.index)
    X["Intercept"] = 1.0
    X[["contrast_left", "contrast_right"]] = trials[["contrast_left", "contrast_right"]]
    X["contrast_left:contrast_right"] = X["contrast_left"] * X["contrast_right"]
    for name in truth.index[truth.index.str.startswith("C(mouse)")]:
        X[name] = (trials["mouse"] == name[len("C(mouse)[T.") : -1]).astype(float)
    X = X[truth.index]
    fit = sm.Logit((trials["choice"] == "right").astype(float), X).fit(disp=0)
    assert (((fit.params - truth) / fit.bse).abs() < 4).all()


def test_counts_recover_the_true_coefficients():
    trials, neurons = simulate_session(60_000, 6, n_mice=1, n_sessions=40, seed=4), simulated_neurons(6, seed=4)
    X = np.column_stack(
        [np.ones(len(trials)), trials[["contrast_left", "contrast_right"]], trials["choice"] == "right"]
    )
    for neuron in neurons.itertuples():
        fit = sm.GLM(trials[neuron.neuron], X.astype(float), family=sm.families.Poisson()).fit(
            cov_type="cluster", cov_kwds={"groups": pd.factorize(trials["session"])[0]}
        )
        truth = [neuron.contrast_left, neuron.contrast_right, neuron.choice]  # the drift moves the intercept
        assert (np.abs(np.asarray(fit.params)[1:] - truth) < 4 * np.asarray(fit.bse)[1:]).all(), neuron.neuron


def test_success_rates_are_those_of_a_trained_mouse(session):
    easy = (session["contrast_left"] - session["contrast_right"]).abs() == 1
    assert 0.6 < (session["feedback"] == 1).mean() < 0.75
    assert 0.7 < (session.loc[easy, "feedback"] == 1).mean() < 0.97


def test_firing_rates_are_those_of_a_recording(counts):
    mean = counts.mean(axis=0)
    assert 0.7 < mean.mean() < 2.2
    assert 0.33 < np.median(mean) < 0.83
    assert 0.005 < (mean == 0).mean() < 0.04
    assert 0.15 < (mean < 0.1).mean() < 0.27
    assert 7 < np.quantile(mean, 0.99) < 16


def test_variability_is_that_of_a_recording(counts):
    mean, var = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    active = mean > 0.05
    z = (counts - mean)[:, active]
    lag1 = (z[1:] * z[:-1]).mean(axis=0) / var[active]
    assert 1.2 < np.median(var[active] / mean[active]) < 1.8
    assert 0.02 < np.median(lag1) < 0.08
    assert 0.19 < np.quantile(lag1, 0.9) < 0.33


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_trials": 2}, "n_trials = 2 is too small: every session needs a trial; give at least 3."),
        ({"n_trials": 10.5}, "n_trials = 10.5 is not a whole number; give an int of at least 3."),
        ({"n_neurons": -1}, "n_neurons = -1 is too small; give at least 0."),
        ({"n_mice": 0}, "n_mice = 0 is too small; give at least 1."),
        ({"n_sessions": "2"}, "n_sessions = '2' is not a whole number; give an int of at least 1."),
        ({"seed": None}, "seed = None is not a whole number; give an int of at least 0."),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError) as error:
        simulate_session(**arguments)
    assert str(error.value) == message


def test_mice_may_repeat_their_choices():
    assert simulate_session(60, 2, seed=5, repetition=0.0).equals(simulate_session(60, 2, seed=5))
    trials = simulate_session(40_000, 0, n_sessions=100, seed=7, repetition=-0.8)
    truth = true_coefficients(repetition=-0.8)
    assert trials.attrs["true_coefficients"] == truth.to_dict()
    fit = gi.logit("choice ~ contrast_left * contrast_right + C(mouse) + lag(choice, 1, by=session)", trials)
    assert fit.columns == tuple(truth.index)
    assert (np.abs(fit.coef - truth) < 4 * fit.tidy().std_error.to_numpy()).all()
    assert abs((trials.choice == "right").mean() - (simulate_session(40_000, 0).choice == "right").mean()) < 0.02
