"""Pictures of stability selections: what is drawn, what is named, where nothing can be drawn."""

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from selection_cases import sparse

import glminfer as gi

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def found():
    X, y = sparse(160, 40, seed=1, slopes=(1.5, -1.5, 1.5))
    path = gi.logit_path("y ~ 1", {"y": y}, covariates=X, penalty_factor={"x9": 0})
    return gi.stability(path, n_pairs=10, q=5, threshold=0.8)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_lines_end_at_the_shares_of_the_table(found):
    axes = found.plot()
    lines = axes.get_lines()
    table = found.tidy().set_index("term")
    ends = sorted(line.get_ydata()[-1] for line in lines[:-1])
    np.testing.assert_allclose(ends, np.sort(table.probability.dropna()))  # x9, without a penalty, has no line
    assert set(lines[-1].get_ydata()) == {0.8}
    for line in lines[:-1]:
        assert (np.diff(line.get_ydata()) >= 0).all()


def test_stable_columns_are_named(found):
    axes = found.plot()
    assert {text.get_text() for text in axes.texts} == set(found.selected) == {"x0", "x1", "x2"}
    assert f"first {found.q} to enter on each half; at most {found.pfer:.2g} false" in axes.get_title()
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("λ", "share of halves", "log")
    low, high = axes.get_xlim()
    assert low > high  # large penalties on the left


def test_it_draws_where_asked(found):
    _, axes = plt.subplots()
    assert found.plot(ax=axes) is axes


def test_nothing_selected_is_nothing_to_draw(found):
    empty = replace(found, entered=np.zeros_like(found.entered))
    with pytest.raises(gi.InputError, match="No half selected a column, so there is nothing to draw"):
        empty.plot()
