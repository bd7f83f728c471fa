"""Pictures of permutation tests."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

import glminfer as gi

mpl.use("Agg")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    x = rng.normal(size=120)
    y = (rng.random(120) < 1 / (1 + np.exp(-x))).astype(int)
    return {"y": y, "x": x, "z": rng.normal(size=120), "g": np.arange(120) // 10}


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def heights(axes) -> np.ndarray:
    return np.array([bar.get_height() for bar in axes.patches if hasattr(bar, "get_height")])


def test_all_arrangements_are_in_the_histogram_and_the_observed_one_is_marked(data):
    table = gi.logit("y ~ x + z", data).permutation_test("x", scheme="free", n=199)
    axes = gi.plot_permutation(table)
    assert heights(axes).sum() == 199
    line = next(line for line in axes.get_lines() if "observed" in str(line.get_label()))
    assert line.get_xdata()[0] == table.statistic[0] == table.distribution[0]
    assert line.get_label() == "observed, p = 0.0050"
    assert axes.get_xlim()[1] > table.statistic[0]
    assert axes.get_xlabel() == "score statistic of x = 0"
    p = (1 + np.sum(table.distribution[1:] >= table.distribution[0])) / 200
    assert p == table.p_value[0]


def test_the_dashed_steps_are_the_counts_that_chi_squared_predicts(data):
    axes = gi.plot_permutation(gi.logit("y ~ z + x", data).permutation_test("z", scheme="free", n=999))
    steps = next(patch for patch in axes.patches if "χ²(1)" in str(patch.get_label()))
    expected, drawn = steps.get_data().values, heights(axes)
    assert expected.sum() == pytest.approx(999, rel=0.01)
    assert np.abs(drawn - expected).max() < 5 * np.sqrt(expected.max())


def test_likelihood_ratios_and_bootstraps_say_what_they_are(data):
    fit = gi.logit("y ~ x", data)
    ratio = gi.plot_permutation(fit.permutation_test("x", scheme="free", n=19, statistic="LR"))
    assert ratio.get_xlabel() == "likelihood ratio of x = 0"
    wild = gi.plot_permutation(fit.wild_bootstrap_test("x", cluster="g", n=99))
    assert (wild.get_xlabel(), wild.get_ylabel()) == ("Wald statistic of x = 0", "draws")


def test_many_models_are_ticks_beside_the_largest_statistics(data):
    rng = np.random.default_rng(3)
    y = (rng.random((120, 20)) < 1 / (1 + np.exp(-np.outer(data["x"], np.arange(20) < 3) * 1.5))).astype(int)
    y[:, 19] = 0  # silent: no tick
    table = gi.logit_many("x", data, outcomes=y).permutation_test("x", scheme="free", n=99)
    axes = gi.plot_permutation(table)
    assert heights(axes).sum() == 99
    quiet, found = axes.get_lines()
    assert len(quiet.get_xdata()) + len(found.get_xdata()) == 19
    assert len(found.get_xdata()) == (table.p_adjusted <= 0.05).sum() >= 3
    assert quiet.get_xdata().max() < found.get_xdata().min()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[1] == f"{len(quiet.get_xdata())} models, adjusted p > 0.05"


def test_one_of_many_models_is_drawn_as_many_are(data):
    table = gi.logit_many("x", data, outcomes=data["y"][:, None]).permutation_test("x", scheme="free", n=49)
    assert gi.plot_permutation(table).get_xlabel() == "statistic, as a normal deviate"


def test_axes_may_be_given_and_other_tables_are_refused(data):
    import matplotlib.pyplot as plt

    fit = gi.logit("y ~ x", data)
    table = fit.permutation_test("x", scheme="free", n=9)
    mine = plt.subplots()[1]
    assert gi.plot_permutation(table, ax=mine) is mine
    for other in (fit.tidy(), table.round(3), fit.anova()):
        with pytest.raises(gi.InputError, match="draws a table as permutation_test or wild_bootstrap_test returned it"):
            gi.plot_permutation(other)
