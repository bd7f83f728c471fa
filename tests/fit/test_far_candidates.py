"""Candidates far from zero beside their spread, such as time stamps: every claim is that of the single fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import glminfer as gi


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=["x", "near", "w"])
    frame["z"], frame["s"] = rng.normal(size=400), rng.integers(0, 20, 400)
    frame["far"], frame["stamp"] = 1e7 + frame.z, 1.7e9 + 100 * frame.z
    return frame.assign(y=(rng.random(400) < 1 / (1 + np.exp(-0.3 * frame.z))).astype(int))


COVS = [{"cov": "HC0"}, {"cov": "HC1"}, {"cov": "HC3"}, {"cluster": "s"}, {"cov": "CR0", "cluster": "s"}]


@pytest.mark.parametrize("options", COVS, ids=str)
@pytest.mark.parametrize(("name", "size"), [("far", 1.0), ("stamp", 100.0), ("near", 1.0)])
def test_robust_errors_do_not_depend_on_the_origin(data, name, size, options):
    table = gi.logit_each("y ~ x", data, covariates=["near", "far", "stamp"]).tidy(**options)
    mine = table[(table.covariate == name) & (table.term == name)].iloc[0]
    other = gi.logit(f"y ~ x + {'near' if name == 'near' else 'z'}", data).tidy(**options).iloc[2]
    assert mine.std_error * size == pytest.approx(other.std_error, rel=1e-6)
    assert mine.statistic == pytest.approx(other.statistic, rel=1e-6)


@pytest.mark.parametrize("options", [{}, *COVS[:1], *COVS[3:]], ids=str)
def test_score_tests_do_not_depend_on_the_origin(data, options):
    fits = gi.logit_each("y ~ x", data, covariates=["near", "far", "stamp"])
    table = fits.score_test(**options).set_index("covariate")
    own = fits.anova(test="score", **options).set_index(["covariate", "term"]).statistic
    expected = gi.logit("y ~ x + z", data).score_test("z", **options).statistic[0]
    for name in ("far", "stamp"):
        assert table.statistic[name] == pytest.approx(expected, rel=1e-6)
        assert own[name, name] == pytest.approx(expected, rel=1e-6)
