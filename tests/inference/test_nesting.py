"""Likelihood ratios belong to nested models, however their columns are written."""

from __future__ import annotations

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import glminfer as gi


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(400, 3)), columns=list("abc")).assign(g=rng.choice(list("uvwx"), 400))
    data["far"], data["w"] = data.a + 1e6, rng.choice([0.0, 1.0, 2.0], 400)
    return data.assign(y=(rng.random(400) < 1 / (1 + np.exp(-data.a))).astype(int))


NOT_NESTED = [
    ("a", "b + c", "a"),
    ("a + b", "g * a", "b"),
    ("ns(a, 3)", "ns(a, 5)", "ns(a, 3)[0], ns(a, 3)[1], ns(a, 3)[2]"),
    ("poly(a, 4)", "g + I(a**2) + b + c", "poly(a, 4)[0], poly(a, 4)[1], poly(a, 4)[2] and 1 more"),
]


@pytest.mark.parametrize(("small", "large", "columns"), NOT_NESTED)
def test_models_that_are_not_nested_are_not_compared(frame, small, large, columns):
    small, large = f"y ~ {small}", f"y ~ {large}"
    fits = [gi.logit(formula, frame) for formula in (small, large)]
    told = (
        f"{small!r} is not nested in {large!r}: no combination of the other's columns makes {columns}, and the "
        "likelihood ratio of such models has no χ² distribution. Compare them by AIC (fit.aic), or each with a model "
        "that contains both."
    )
    for compare in (lambda: fits[0].lr_test(fits[1]), lambda: fits[1].lr_test(fits[0]), lambda: gi.anova(*fits)):
        with pytest.raises(gi.InputError) as error:
            compare()
        assert str(error.value) == told


NESTED = [
    ("1", "a"),
    ("0 + a", "a"),
    ("a + I(a**2)", "poly(a, 2) + b"),
    ("C(g, Sum)", "0 + g + a"),
    ("far + standardize(b)", "a + b + c"),
    ("I(a - b) + g", "a + b + g + g:c"),
    ("a + b", "a * b + far"),
]


@pytest.mark.parametrize(("small", "large"), NESTED)
@pytest.mark.parametrize("weights", [None, "w"])
def test_nested_models_are_compared_however_they_are_written(frame, small, large, weights):
    fits = [gi.logit(f"y ~ {formula}", frame, weights=weights) for formula in (small, large)]
    found = fits[0].lr_test(fits[1]).iloc[0]
    assert found.df == fits[1].rank - fits[0].rank
    assert found.statistic == pytest.approx(fits[0].deviance - fits[1].deviance, abs=1e-9)


def test_on_other_engines_and_with_many_levels(frame, tmp_path):
    data = pd.concat([frame.drop(columns="w")] * 3, ignore_index=True)
    data.to_parquet(tmp_path / "rows.parquet")
    for source in (data, dd.from_pandas(data, npartitions=3), gi.parquet(tmp_path / "rows.parquet")):
        small, other, large = (gi.logit(f"y ~ {rhs}", source) for rhs in ("a + b", "c", "a + b + g"))
        assert small.lr_test(large).df[0] == 3
        with pytest.raises(gi.InputError, match="no combination of the other's columns makes c,"):
            other.lr_test(large)
    data = pd.concat([frame] * 40, ignore_index=True)
    data["level"] = np.random.default_rng(1).permutation(np.arange(len(data)) % 250).astype(str)
    small, other, large = (gi.logit(f"y ~ {rhs}", data) for rhs in ("a", "b", "a + level"))
    assert small.lr_test(large).df[0] == 249
    with pytest.raises(gi.InputError, match="no combination of the other's columns makes b,"):
        other.lr_test(large)
