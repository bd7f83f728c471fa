"""Tests of terms beside columns that are nearly the same, or far from zero: what is kept counts as a column."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi


def rows(seed=1, n=400):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "g": rng.choice(list("abcd"), n)})
    frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-0.5 * frame.x - 0.4 * frame.z))).astype(int)
    frame["single"] = frame.x.astype("float32")
    frame["rest"] = (frame.single - frame.x) * 1e8
    frame["far"] = 3e7 + frame.x
    return frame


def statistic(fit, term):
    return float(fit.lr_test(term).statistic.iloc[0])


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_in_single_precision_is_a_column(seed):
    frame = rows(seed)
    found, clear = gi.logit("y ~ x + single + z + g", frame), gi.logit("y ~ x + rest + z + g", frame)
    assert found.deviance == pytest.approx(clear.deviance, abs=1e-6)
    for term in ("z", "g"):
        assert statistic(found, term) == pytest.approx(statistic(clear, term), abs=1e-5)
    assert statistic(found, "single") == pytest.approx(statistic(clear, "rest"), abs=1e-4)


@pytest.mark.parametrize("kind", ["I", "II", "III"])
def test_a_column_far_from_zero_is_a_column(kind):
    frame = rows()
    found, clear = (gi.logit(f"y ~ {name} + z + g", frame).anova(type=kind) for name in ("far", "x"))
    assert found.statistic.to_numpy() == pytest.approx(clear.statistic.to_numpy(), abs=1e-4)
    assert found.df.tolist() == clear.df.tolist()


def test_penalised_ratios_beside_a_column_far_from_zero():
    frame = rows()
    found, clear = (gi.logit(f"y ~ {name} + z", frame, penalty=gi.Firth()) for name in ("far", "x"))
    assert statistic(found, "z") == pytest.approx(statistic(clear, "z"), abs=1e-5)


@pytest.mark.parametrize("seed", [12, 25, 6, 30])
@pytest.mark.filterwarnings("ignore::glminfer.errors.SeparationWarning")
def test_type_iii_of_the_highest_terms_of_separated_rows_is_type_ii(seed):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 10, 150)
    frame = pd.DataFrame({"g": [f"g{i:02d}" for i in levels], "x": rng.normal(size=150)})
    frame["z"] = rng.integers(0, 3, 150) * 1.0
    drawn, own = rng.random(150), rng.normal(size=10) * 3
    frame["y"] = (drawn < 1 / (1 + np.exp(-own[levels] - 0.3 * frame.x))).astype(int)
    fit = gi.logit("y ~ x + z + g + g:z + g:x", frame)
    second, third = (fit.anova(type=kind).set_index("term").statistic for kind in ("II", "III"))
    for term in ("g:z", "g:x"):
        assert third[term] == pytest.approx(second[term], abs=1e-5)


def test_aliased_columns_add_nothing_to_what_spans_them():
    frame = rows().assign(twice=lambda d: 2 * d.x, sum=lambda d: d.x + d.z)
    found, clear = gi.logit("y ~ x + twice + z + sum + g", frame), gi.logit("y ~ x + z + g", frame)
    assert statistic(found, "g") == pytest.approx(statistic(clear, "g"), abs=1e-8)
    alone = gi.logit("y ~ x + g", frame)
    dropped = found.lr_test(["z", "sum"]).iloc[0]
    assert dropped.statistic == pytest.approx(alone.deviance - clear.deviance, abs=1e-8)
    assert dropped.df == 1
