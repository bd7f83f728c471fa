"""Pictures of cross-validations and decoding tests."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

import glminfer as gi

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def path():
    trials = gi.datasets.simulate_session(n_trials=200, n_neurons=20, seed=3)
    return gi.logit_path("choice ~ . - mouse - session - feedback - reaction_time", trials, n_lambdas=12)


@pytest.fixture(scope="module")
def cv(path):
    return gi.cross_validate(path, folds=5)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_the_curve_has_its_means_and_one_standard_error(cv):
    axes = cv.plot()
    points, _, (bars,) = axes.containers[0]
    table = cv.tidy()
    np.testing.assert_array_equal(points.get_xdata(), table["lambda"])
    np.testing.assert_array_equal(points.get_ydata(), table.estimate)
    ends = np.array(bars.get_segments())[:, :, 1]
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 2 * table.std_error)
    assert axes.xaxis_inverted()
    assert axes.get_ylabel() == "deviance of a trial (held out)"


def test_the_choices_are_marked_and_counted(path, cv):
    axes = cv.plot()
    marks = {line.get_linestyle(): line.get_xdata()[0] for line in axes.get_lines() if line.get_color() == "C1"}
    assert marks == {"-": cv.lambda_min, "--": cv.lambda_1se}
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"best: λ = {cv.lambda_min:.3g}, {path.n_nonzero[cv.curve.best]} coefficients" in labels
    counts = [int(label.get_text()) for label in axes.child_axes[0].get_xticklabels()]
    assert (counts[0], counts[-1]) == (path.n_nonzero[0], path.n_nonzero[-1])


def test_one_penalty_is_no_curve():
    trials = gi.datasets.simulate_session(seed=1)
    one = gi.cross_validate(gi.logit_path("choice ~ contrast_left", trials, lambdas=[0.1]), folds=3)
    with pytest.raises(gi.InputError, match="A curve needs two penalties greater than 0"):
        one.plot()


def test_a_decoding_score_stands_beside_its_permutations(path):
    test = gi.decoding_test(path, folds=3, measure="auc", scheme="free", n=9)
    _, axes = plt.subplots()
    assert test.plot(ax=axes) is axes
    assert sum(patch.get_height() for patch in axes.patches) == 9
    assert [line.get_xdata()[0] for line in axes.get_lines()] == [0.5, test.estimate]
    assert axes.get_title() == "p = 0.100"
