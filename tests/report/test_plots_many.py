"""Pictures of many models: which points are drawn, where, and in what colour."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

import glminfer as gi

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def trials():
    return gi.datasets.simulate_session(n_trials=300, n_neurons=40, seed=3)


@pytest.fixture(scope="module")
def fits(trials):
    spiked = trials.filter(regex="^n") > 0
    spiked["n005"] = trials.contrast_right > 0.1  # separated
    return gi.logit_many("contrast_left + contrast_right", trials, outcomes=spiked)


@pytest.fixture(scope="module")
def each(trials):
    return gi.logit_each("choice ~ contrast_left", trials, covariates=trials.filter(regex="^n"))


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(axes):
    """Points below and above the threshold: arrays (k, 2)."""
    return [np.asarray(collection.get_offsets()) for collection in axes.collections[:2]]


def test_a_volcano_shows_each_effect_with_its_certainty(fits):
    table = fits.tidy()
    rows = table[(table.term == "contrast_right") & np.isfinite(table.estimate)]
    axes = fits.plot_volcano("contrast_right")
    below, above = drawn(axes)
    passed = rows.p_adjusted < 0.05
    np.testing.assert_allclose(np.sort(above[:, 1]), np.sort(-rows.log10_p[passed]))
    np.testing.assert_allclose(np.sort(below[:, 1]), np.sort(-rows.log10_p[~passed]))
    np.testing.assert_allclose(np.sort(above[:, 0]), np.sort(rows.estimate[passed]))
    assert np.allclose(axes.collections[1].get_facecolor()[0][:3], to_rgba("C3")[:3])
    assert axes.get_title() == f"{passed.sum()} of 38 models: adjusted p < 0.05; 2 without an estimate"
    dashed = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert dashed[0].get_ydata()[0] == pytest.approx(-rows.log10_p[passed].max())


def test_large_effects_only_and_names_of_the_most_certain(fits):
    table = fits.tidy().query("term == 'contrast_right' and abs(estimate) < 50")
    axes = fits.plot_volcano("contrast_right", effect=1.5, threshold=0.5, labels=3)
    rows = table[(table.p_adjusted < 0.5) & (table.estimate.abs() >= 1.5)]
    assert len(drawn(axes)[1]) == len(rows) > 0
    named = [text.get_text() for text in axes.texts]
    assert named[0] == rows.outcome.iloc[int(rows.p_value.argmin())]
    assert len(named) <= 3
    assert sorted(line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == "-") == [-1.5, 1.5]
    assert "effect of 1.5 or more" in axes.get_title()


def test_the_candidate_is_drawn_by_default(each):
    own = each.tidy().query("term == covariate")
    axes = each.plot_volcano()
    assert axes.get_xlabel() == "the candidate (log odds)"
    assert sum(map(len, drawn(axes))) == np.isfinite(own.estimate).sum()
    assert gi.plot_volcano(each.tidy()).get_xlabel() == axes.get_xlabel()
    assert each.plot_volcano("contrast_left").get_xlabel() == "contrast_left (log odds)"


def test_effects_far_outside_stand_at_the_edge():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"outcome": [f"n{k}" for k in range(50)], "term": "x", "estimate": rng.standard_normal(50)})
    table = table.assign(log10_p=-rng.random(50), p_adjusted=1.0)
    table.loc[7, "estimate"] = 400.0
    axes = gi.plot_volcano(table)
    assert axes.get_xlim()[1] < 15
    assert sum(map(len, drawn(axes))) == 50


def test_terms_are_named_or_the_only_ones(fits):
    with pytest.raises(gi.InputError, match="Say which term to draw: contrast_left, contrast_right"):
        fits.plot_volcano()
    with pytest.raises(gi.InputError, match=r"no coefficient 'contrast_rigt'. Did you mean 'contrast_right'"):
        fits.plot_p_values("contrast_rigt")
    with pytest.raises(gi.InputError, match=r"no column 'estimate'\. Its columns are outcome, hypothesis"):
        gi.plot_volcano(fits.lr_test())
    silent = fits.tidy().assign(estimate=np.nan)
    with pytest.raises(gi.InputError, match="nothing to draw: no model has an estimate of contrast_right"):
        gi.plot_volcano(silent, "contrast_right")


def test_p_values_beside_the_line_of_no_effect(fits, each):
    tests = each.lr_test()
    axes = gi.plot_p_values(tests, bins=10)
    heights = [patch.get_height() for patch in axes.patches]
    assert heights == np.histogram(tests.p_value.dropna(), np.linspace(0, 1, 11))[0].tolist()
    assert axes.get_lines()[0].get_ydata()[0] == pytest.approx(tests.p_value.notna().sum() / 10)
    assert axes.get_title().startswith(f"tests: {tests.p_value.notna().sum()} models")
    joint = gi.plot_p_values(fits.lr_test())
    assert joint.get_title() == "contrast_left = contrast_right = 0: 39 models; 1 without a p-value"  # one is silent
    assert fits.plot_p_values("contrast_left").get_title() == "contrast_left: 37 models; 3 without a p-value"
    with pytest.raises(gi.InputError, match="no column 'p'"):
        gi.plot_p_values(tests, column="p")


def test_areas_are_sorted_by_their_median(fits):
    areas = {name: ["VISp", "MOs", "CA1"][k % 3] if k < 37 else "tiny" for k, name in enumerate(fits)}
    table = fits.tidy().query("term == 'contrast_right'")
    table = table[np.isfinite(table.estimate)]
    medians = table.groupby(table.outcome.map(areas)).estimate.median().drop("tiny").sort_values()
    axes = fits.plot_by_area(areas, "contrast_right")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label.split()[0] for label in labels] == medians.index.tolist()
    assert labels[0].endswith(")")
    lines = axes.collections[2].get_segments()
    np.testing.assert_allclose([line[0, 0] for line in lines], medians)
    points = np.concatenate(drawn(axes))
    for k, area in enumerate(medians.index):
        inside = points[np.abs(points[:, 1] - k) < 0.31, 0]
        np.testing.assert_allclose(np.sort(inside), np.sort(table.estimate[table.outcome.map(areas) == area]))
    assert axes.get_title() == "1 area with fewer than 5 estimates left out"
    series = pd.Series(areas)
    assert gi.plot_by_area(fits, series, "contrast_right", at_least=1).get_title() == ""


def test_areas_of_other_models_are_refused(fits):
    with pytest.raises(gi.InputError, match="names no area of these models"):
        fits.plot_by_area({"m1": "VISp"}, "contrast_right")
    with pytest.raises(gi.InputError, match="no area has 50 estimates"):
        fits.plot_by_area(dict.fromkeys(fits, "VISp"), "contrast_right", at_least=50)
    with pytest.raises(gi.InputError, match="it comes before the term"):
        fits.plot_by_area("contrast_right", dict.fromkeys(fits, "VISp"))


def test_axes_given_are_used(fits):
    _, axes = plt.subplots()
    assert fits.plot_volcano("contrast_left", ax=axes) is axes
    assert fits.plot_p_values("contrast_left", ax=axes) is axes
