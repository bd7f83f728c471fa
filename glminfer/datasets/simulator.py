"""A mouse sees two gratings and turns a wheel: choices, reaction times and spike counts with known coefficients."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords

_NAMES = ("Ada", "Bea", "Cleo", "Dora", "Emil", "Fritz", "Gus", "Hanna", "Ida", "Jon", "Kaj", "Lena")
_MOUSE_EFFECTS = (0.0, 0.5, -0.4, 0.3, -0.2, 0.1)  # logits, on the side of "right"; the reference mouse comes first
_CHOICE = {"Intercept": 0.1, "contrast_left": -1.7, "contrast_right": 2.0, "contrast_left:contrast_right": -0.5}

_CONTRASTS = (0.0, 0.25, 0.5, 1.0)
# How often a pair of contrasts is shown: rows are the left one, columns the right one.
_PAIRS = np.array([[264, 40, 67, 92], [40, 23, 34, 67], [67, 34, 24, 33], [92, 67, 33, 23]]) / 1000

# In each area, the spread over its neurons of the effects on the log rate of a contrast and of the choice.
_AREAS = np.array(["VISp", "VISl", "LGd", "LP", "SCm", "ACA", "MOs", "CP", "CA1", "DG"])
_STIMULUS_SPREAD = np.array([0.7, 0.6, 0.6, 0.4, 0.4, 0.25, 0.25, 0.2, 0.1, 0.1])
_CHOICE_SPREAD = np.array([0.1, 0.1, 0.1, 0.15, 0.3, 0.25, 0.35, 0.35, 0.1, 0.1])


@checked_keywords
def simulate_session(
    n_trials: int = 800,
    n_neurons: int = 20,
    *,
    n_mice: int = 3,
    n_sessions: int = 1,
    repetition: float = 0.0,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Simulate trials of a two-choice visual task, with the spike counts of neurons recorded during it.

    On each trial a grating of contrast 0, 0.25, 0.5 or 1 appears on the left and on the right; the mouse chooses a
    side and is rewarded for the higher contrast (at random when they are equal). The choice follows a logit model,

    .. math:: \operatorname{logit} P(\text{right}) = \beta_0 + \beta_L c_L + \beta_R c_R + \beta_{LR} c_L c_R
              + \mu_{\text{mouse}} + \rho\,(1[\text{right before}] - \tfrac12),

    whose coefficients :func:`true_coefficients` gives; the last part is left out on the first trial of a session.
    The spikes in the 0.4 s after the gratings appear have the mean

    .. math:: \log \lambda = b + b_L c_L + b_R c_R + b_C 1[\text{right}] + s\,d + 0.12\,g

    with a row of :func:`simulated_neurons` for each neuron, d its own slow drift (a random walk over the session,
    centred, of mean square 1) and g a gain that all neurons share (standard normal, fresh on each trial). The
    variance around this mean is :math:`(1 + f)\lambda`; given d and g, "at least one spike" follows a cloglog model
    with the same :math:`b_L, b_R, b_C`.

    Parameters
    ----------
    n_trials : int
        Rows of the frame, shared out evenly over the sessions.
    n_neurons : int
        Neurons, the same ones in every session; 0 gives behaviour only.
    n_mice : int
        Mice; they differ in their preference for a side.
    n_sessions : int
        Sessions of each mouse.
    repetition : float
        The tendency ρ to choose as on the trial before, in logits; negative for one to alternate.
    seed : int
        The same seed gives the same frame. The behaviour does not depend on ``n_neurons``.

    Returns
    -------
    pandas.DataFrame
        One row per trial: choice ("left", "right"), contrast_left, contrast_right, feedback (1 rewarded, -1 not),
        mouse, session ("Ada-1"), trial (from 1 in each session), reaction_time (seconds), and one column of counts
        per neuron: n000, n001, ... The dict ``frame.attrs["true_coefficients"]`` is what :func:`true_coefficients`
        gives.

    Raises
    ------
    InputError
        An argument is not a whole number, or is too small.

    Examples
    --------
    >>> from glminfer.datasets import simulate_session
    >>> trials = simulate_session(n_trials=300, n_neurons=3, seed=1)
    >>> trials.shape
    (300, 11)
    >>> list(trials.columns)
    ['choice', 'contrast_left', 'contrast_right', 'feedback', 'mouse', 'session', 'trial', 'reaction_time',
     'n000', 'n001', 'n002']
    """
    n_mice, n_sessions = _whole("n_mice", n_mice, 1), _whole("n_sessions", n_sessions, 1)
    n_trials = _whole("n_trials", n_trials, n_mice * n_sessions)
    neurons = simulated_neurons(n_neurons, seed=seed)
    task, spikes = _streams(seed)[1:]
    sessions = np.arange(n_trials) * (n_mice * n_sessions) // n_trials
    trials = _behaviour(task, sessions, n_mice, n_sessions, repetition)
    frame = pd.concat([trials, _counts(spikes, trials, sessions, neurons)], axis=1)
    frame.attrs["true_coefficients"] = true_coefficients(n_mice, repetition=repetition).to_dict()
    return frame


def true_coefficients(n_mice: int = 3, *, repetition: float = 0.0) -> pd.Series:
    """Coefficients behind the choices of :func:`simulate_session`.

    They are named as in a fit of ``choice ~ contrast_left * contrast_right + C(mouse)``, on the logit scale, with
    "right" as the event; with a tendency to repeat, of the same formula ``+ lag(choice, 1, by=session)``.

    Parameters
    ----------
    n_mice, repetition
        As given to :func:`simulate_session`.

    Returns
    -------
    pandas.Series
        The true coefficients, indexed by the names of the columns.

    Examples
    --------
    >>> from glminfer.datasets import true_coefficients
    >>> float(true_coefficients(n_mice=2)["C(mouse)[T.Bea]"])
    0.5
    """
    n_mice = _whole("n_mice", n_mice, 1)
    mice = {f"C(mouse)[T.{_mouse(k)}]": _mouse_effect(k) for k in range(1, n_mice)}
    past = {"lag(choice, 1, by=session)[T.right]": repetition} if repetition else {}
    interaction = "contrast_left:contrast_right"  # comes last, as in a fit: terms are ordered by degree
    main = {name: value for name, value in _CHOICE.items() if name != interaction}
    main["Intercept"] -= repetition / 2
    return pd.Series(main | mice | past | {interaction: _CHOICE[interaction]}, name="estimate")


def simulated_neurons(n_neurons: int = 20, *, seed: int = 0) -> pd.DataFrame:
    """Brain areas and true coefficients of the neurons of :func:`simulate_session`.

    Parameters
    ----------
    n_neurons, seed : int
        As given to :func:`simulate_session`.

    Returns
    -------
    pandas.DataFrame
        One row per neuron: neuron (its column), area, and the parameters of its counts: log_rate (b), contrast_left,
        contrast_right, choice (effects on the log of the mean), drift (s), excess (f).

    Examples
    --------
    >>> from glminfer.datasets import simulated_neurons
    >>> simulated_neurons(4, seed=1)["area"].tolist()
    ['VISp', 'LGd', 'ACA', 'CP']
    """
    n_neurons = _whole("n_neurons", n_neurons, 0)
    rng = _streams(seed)[0]
    area = np.arange(n_neurons) * len(_AREAS) // max(n_neurons, 1)
    stimulus, choice = _STIMULUS_SPREAD[area], _CHOICE_SPREAD[area]
    both = rng.normal(0.25, 0.6, n_neurons)
    width = max(3, len(str(n_neurons - 1)))
    return pd.DataFrame(
        {
            "neuron": pd.Series([f"n{k:0{width}d}" for k in range(n_neurons)], dtype="str"),
            "area": pd.Series(_AREAS[area], dtype="str"),
            "log_rate": 2.65 - rng.gamma(4.3, 0.85, n_neurons),  # skewed to the left: many neurons hardly fire
            "contrast_left": stimulus * (both + rng.normal(0.0, 0.4, n_neurons)),
            "contrast_right": stimulus * (both + rng.normal(0.1, 0.5, n_neurons)),
            "choice": choice * rng.standard_normal(n_neurons),
            "drift": rng.gamma(2.0, 0.17, n_neurons),
            "excess": rng.lognormal(-1.25, 1.15, n_neurons),
        }
    )


def _whole(name: str, value: Any, least: int) -> int:
    try:
        number = index(value)
    except TypeError:
        raise InputError(f"{name} = {value!r} is not a whole number; give an int of at least {least}.") from None
    if number < least:
        reason = ": every session needs a trial" if name == "n_trials" else ""
        raise InputError(f"{name} = {number} is too small{reason}; give at least {least}.")
    return number


def _streams(seed: int) -> list[np.random.Generator]:
    """Independent generators of the neurons, the behaviour and the spikes, so that one leaves the others alone."""
    return np.random.default_rng(_whole("seed", seed, 0)).spawn(3)


def _mouse(k: int) -> str:
    return _NAMES[k % len(_NAMES)] + (str(k // len(_NAMES) + 1) if k >= len(_NAMES) else "")


def _mouse_effect(k: int) -> float:
    return _MOUSE_EFFECTS[k % len(_MOUSE_EFFECTS)]


def _behaviour(
    rng: np.random.Generator, sessions: np.ndarray, n_mice: int, n_sessions: int, repetition: float
) -> pd.DataFrame:
    n, mouse = len(sessions), sessions // n_sessions
    left, right = np.array(_CONTRASTS)[np.stack(np.divmod(rng.choice(16, n, p=_PAIRS.ravel()), 4))]
    b0, b_left, b_right, b_both = _CHOICE.values()
    side = np.array([_mouse_effect(k) for k in range(n_mice)])[mouse]
    eta = b0 + b_left * left + b_right * right + b_both * left * right + side
    chose_right = _choices(rng.random(n), eta, sessions, repetition)
    rewarded = np.where(left == right, rng.random(n) < 0.5, chose_right == (right > left))
    names = [f"{_mouse(k // n_sessions)}-{k % n_sessions + 1}" for k in range(n_mice * n_sessions)]
    return pd.DataFrame(
        {
            "choice": np.where(chose_right, "right", "left"),
            "contrast_left": left,
            "contrast_right": right,
            "feedback": np.where(rewarded, 1, -1),
            "mouse": np.array([_mouse(k) for k in range(n_mice)])[mouse],
            "session": np.array(names)[sessions],
            "trial": np.arange(n) - np.searchsorted(sessions, sessions) + 1,
            "reaction_time": 0.1 + rng.lognormal(-1.2 - 0.4 * np.abs(left - right), 0.5),
        }
    )


def _choices(u: np.ndarray, eta: np.ndarray, sessions: np.ndarray, repetition: float) -> np.ndarray:
    """Whether right was chosen, trial after trial, each drawn with its own uniform number."""
    alone, after = (u < 1 / (1 + np.exp(-(eta + shift))) for shift in (0.0, repetition * np.array([[-0.5], [0.5]])))
    chosen = alone.copy()
    if repetition:
        for i in np.flatnonzero(np.diff(sessions) == 0) + 1:
            chosen[i] = after[int(chosen[i - 1]), i]
    return chosen


def _counts(
    rng: np.random.Generator, trials: pd.DataFrame, sessions: np.ndarray, neurons: pd.DataFrame
) -> pd.DataFrame:
    contrasts = trials[["contrast_left", "contrast_right"]].to_numpy(float)
    right = (trials["choice"] == "right").to_numpy(float)
    gain = 0.12 * rng.standard_normal(len(trials))
    counts = {}
    for name, numbers in zip(neurons["neuron"], neurons.iloc[:, 2:].to_numpy(float), strict=True):
        log_rate, b_left, b_right, b_choice, drift, excess = numbers
        slow = drift * _drift(rng, sessions)
        mean = np.exp(log_rate + contrasts @ [b_left, b_right] + b_choice * right + slow + gain)
        # Poisson counts of a gamma mean: variance (1 + excess) times the mean, P(0) = (1 + excess)^(-mean / excess).
        counts[name] = rng.poisson(rng.gamma(mean / excess, excess))
    return pd.DataFrame(counts, index=trials.index)


def _drift(rng: np.random.Generator, sessions: np.ndarray) -> np.ndarray:
    """Random walk in each session, centred and scaled so that its mean square is about 1."""
    walk = np.cumsum(rng.standard_normal(len(sessions)))
    length = np.bincount(sessions)
    centre = np.bincount(sessions, walk) / length
    return np.asarray((walk - centre[sessions]) * np.sqrt(6 / length)[sessions])
