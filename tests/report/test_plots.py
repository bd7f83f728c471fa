"""Pictures: what is drawn, where, and what is said on the axes."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pytest

import glminfer as gi

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def fit():
    trials = gi.datasets.simulate_session(n_trials=300, seed=3)
    return gi.logit("choice ~ contrast_left + contrast_right + C(mouse)", trials)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def points(axes):
    return [line for line in axes.get_lines() if line.get_marker() not in ("None", "", None)]


def test_coefficients_are_drawn_at_their_estimates(fit):
    axes = gi.plot_coefficients(fit)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(fit.coef.index[1:])
    np.testing.assert_allclose(points(axes)[0].get_xdata(), fit.coef.to_numpy()[1:])
    assert axes.get_xlabel() == "coefficient (log odds)"
    assert axes.get_legend() is None


def test_intervals_are_drawn_from_end_to_end(fit):
    axes = gi.plot_coefficients(fit, intercept=True)
    segments = np.array(axes.collections[0].get_segments())
    table = fit.tidy()
    np.testing.assert_allclose(segments[:, 0, 0], table.conf_low)
    np.testing.assert_allclose(segments[:, 1, 0], table.conf_high)
    low, high = axes.get_xlim()
    assert low < table.conf_low.min()
    assert high > table.conf_high.max()


def test_several_analyses_share_the_axes_and_get_a_legend(fit):
    axes = gi.plot_coefficients({"Wald": fit.tidy(), "profile": fit.tidy(conf_method="profile")})
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Wald", "profile"]
    first, second = points(axes)
    np.testing.assert_allclose(first.get_xdata(), second.get_xdata())
    assert (np.asarray(first.get_ydata()) < np.asarray(second.get_ydata())).all()


def test_odds_ratios_are_drawn_on_a_logarithmic_axis(fit):
    axes = gi.plot_coefficients(fit, exponentiate=True)
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(points(axes)[0].get_xdata(), np.exp(fit.coef.to_numpy()[1:]))


def test_an_infinite_end_leaves_the_picture_and_the_finite_one_is_in_it():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        data = {"y": [0, 0, 0, 0, 1, 1, 1, 1, 1, 0], "g": list("aaaaaabbba"), "z": [1, 2, 3, 2, 1, 2, 3, 1, 2, 3]}
        fit = gi.logit("y ~ g + z", data)
    axes = gi.plot_coefficients(fit.tidy(conf_method="profile"))
    low, high = axes.collections[0].get_segments()[0][:, 0]
    assert axes.get_xlim()[0] < low < axes.get_xlim()[1]
    assert high > axes.get_xlim()[1]
    assert len(points(axes)[0].get_xdata()) == 1  # no marker for the infinite estimate


def test_axes_given_are_used(fit):
    _, axes = plt.subplots()
    assert gi.plot_coefficients(fit, ax=axes) is axes


def test_nothing_to_draw_is_an_error():
    fit = gi.logit("y ~ 1", {"y": [0, 1, 1, 0, 1]})
    with pytest.raises(gi.InputError, match="no coefficient to draw; with intercept=True"):
        gi.plot_coefficients(fit)


def test_the_profile_shows_its_interval(fit):
    axes = gi.plot_profile(fit, "contrast_left", level=0.9)
    ends = fit.confint(0.9, terms=["contrast_left"])
    assert axes.get_title() == f"90 % profile interval: {ends.conf_low[0]:.4g} to {ends.conf_high[0]:.4g}"
    curve, straight = axes.get_lines()[:2]
    assert (np.diff(curve.get_ydata()) > 0).all()
    middle = len(curve.get_xdata()) // 2
    assert curve.get_xdata()[middle] == pytest.approx(fit.coef["contrast_left"])
    assert straight.get_ydata()[middle] == pytest.approx(0.0, abs=1e-9)
