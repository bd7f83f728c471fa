"""Pictures of paths and weights: which columns are named, and what stands on the axes."""

from __future__ import annotations

import pickle

import matplotlib
import numpy as np
import pytest

import glminfer as gi

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def trials():
    return gi.datasets.simulate_session(n_trials=200, n_neurons=50, seed=3)


@pytest.fixture(scope="module")
def neurons(trials):
    return trials[[name for name in trials if name[0] == "n" and name[1:].isdigit()]]


@pytest.fixture(scope="module")
def path(trials, neurons):
    return gi.logit_path("choice ~ 1", trials, covariates=neurons, n_lambdas=30)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def named(axes):
    return [text.get_text() for text in axes.texts]


def test_the_columns_that_enter_first_are_named(path):
    alive = path.solution.coef != 0
    first = alive[np.flatnonzero(alive.any(axis=1))[1]]  # the columns of the second step that has any
    assert set(named(path.plot(labels=first.sum()))) == set(np.array(path.names)[first])
    assert named(path.plot(labels=0)) == []


def test_curves_are_the_coefficients(path):
    axes = path.plot(labels=3)
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == (path.lambdas[0], path.lambdas[-1])
    for text in axes.texts:
        curve = next(line for line in axes.get_lines() if line.get_color() == text.get_color())
        np.testing.assert_array_equal(curve.get_ydata(), path.solution.coef[:, path.names.index(text.get_text())])
    alive = int((path.solution.coef != 0).any(axis=0).sum())
    assert len(axes.get_lines()) == alive + 1  # and the line at zero


def test_coefficients_per_standard_deviation(path, neurons):
    axes = path.plot(labels=1, per_sd=True)
    name = named(axes)[0]
    curve = next(line for line in axes.get_lines() if line.get_color() == "C0")
    expected = path.solution.coef[:, path.names.index(name)] * neurons[name].std(ddof=0)
    np.testing.assert_allclose(curve.get_ydata(), expected, rtol=1e-9)
    assert axes.get_ylabel() == "coefficient (log odds per standard deviation)"


def test_a_ridge_names_the_largest_per_standard_deviation(trials, neurons):
    ridge = gi.logit_path("choice ~ 1", trials, covariates=neurons, l1_ratio=0, n_lambdas=5)
    size = ridge.coef_at(ridge.lambdas[0]).drop("Intercept").mul(neurons.std()).abs()
    assert set(named(ridge.plot(labels=4))) == set(size.nlargest(4).index)


def test_names_do_not_run_into_each_other(path):
    axes = path.plot(labels=10)
    heights = np.sort([text.xyann[1] for text in axes.texts])
    assert len(heights) == 10
    assert np.diff(heights).min() > 0.049


def test_the_axis_above_counts_coefficients(path):
    axes = path.plot()
    above = axes.child_axes[0]
    counts = [int(label.get_text()) for label in above.get_xticklabels()]
    assert (counts[0], counts[-1]) == (0, path.n_nonzero[-1])


def test_what_cannot_be_drawn_as_a_path(trials, path):
    one = gi.logit_path("choice ~ contrast_left", trials, lambdas=[0.1, 0.0])
    with pytest.raises(gi.InputError, match="through two penalties greater than 0 or more"):
        one.plot()
    with pytest.raises(gi.InputError, match="labels=-1 must be a whole number, 0 or more"):
        path.plot(labels=-1)
    with pytest.raises(gi.RowsNeededError):
        pickle.loads(pickle.dumps(path)).plot()


# weights side by side ------------------------------------------------------------------------------------------------


def test_weights_stand_side_by_side_in_one_order(trials, path):
    weights = {"weak": path.coef_at(path.lambdas[-1]), "strong": path.coef_at(path.lambdas[5])}
    panels = gi.plot_weights(weights)
    assert [axes.get_title().split(":")[0] for axes in panels] == ["weak", "strong"]
    for axes, coef in zip(panels, weights.values(), strict=True):
        stems = axes.collections[0].get_segments()
        shown = coef.drop("Intercept").to_numpy()
        np.testing.assert_array_equal([top[1] for _, top in stems], shown[shown != 0])
        np.testing.assert_array_equal([top[0] for _, top in stems], np.flatnonzero(shown))
        assert axes.get_title().endswith(f"{np.count_nonzero(shown)} of 50 not zero")


def test_few_columns_are_all_named_and_many_only_the_largest(trials, path):
    fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    small = gi.plot_weights({"ML": fit, "other": fit.coef / 2})
    assert [label.get_text() for label in small[0].get_xticklabels()] == ["contrast_left", "contrast_right"]
    coef = path.coef_at(path.lambdas[-1])
    (axes,) = gi.plot_weights({"lasso": coef})
    assert named(axes)[0] == coef.drop("Intercept").abs().idxmax()
    assert 1 < len(named(axes)) <= 6


def test_weights_per_standard_deviation(neurons, path):
    coef = path.coef_at(path.lambdas[10])
    (axes,) = gi.plot_weights({"lasso": coef}, sd=neurons.std(ddof=0))
    expected = (coef.drop("Intercept") * neurons.std(ddof=0)).to_numpy()
    np.testing.assert_allclose([top[1] for _, top in axes.collections[0].get_segments()], expected[expected != 0])
    assert axes.get_ylabel() == "weight (log odds per standard deviation)"
    with pytest.raises(gi.InputError, match="sd= has no value for 49 columns, 'n001' the first"):
        gi.plot_weights({"lasso": coef}, sd={"n000": 1.0})


def test_infinite_weights_are_not_drawn():
    data = {"y": [0, 0, 0, 0, 1, 1, 1, 1, 1, 0], "g": list("aaaaaabbba"), "z": [1, 2, 3, 2, 1, 2, 3, 1, 2, 3]}
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ g + z", data)
    (axes,) = gi.plot_weights({"ML": fit})
    assert axes.get_title() == "ML: 1 of 2 not zero"


def test_axes_given_are_used_and_counted(path):
    _, panels = plt.subplots(1, 2)
    coef = path.coef_at(0.05)
    assert gi.plot_weights({"a": coef, "b": coef}, ax=panels) == list(panels)
    with pytest.raises(gi.InputError, match="ax= has 2 Axes for 1 fit"):
        gi.plot_weights({"a": coef}, ax=panels)


def test_what_has_no_weights_is_refused(path):
    with pytest.raises(gi.InputError, match="no weight to draw: give a dict"):
        gi.plot_weights({})
    with pytest.raises(gi.InputError, match=r"'lasso' is Path; give a fit, or coefficients by name"):
        gi.plot_weights({"lasso": path})
