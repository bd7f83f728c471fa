"""What is foreseen along a path saves steps and decides nothing, however far off it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.numerics import path_walk


def _path() -> gi.Path:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 12))
    y = (rng.random(80) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(float)
    return gi.logit_path("y ~ 1", pd.DataFrame({"y": y}), covariates=X, n_lambdas=10)


@pytest.mark.parametrize("times", [-1.0, 0.0, 30.0, 1e4])
def test_a_point_foreseen_far_off_is_not_gone_to(monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    """Rows about to separate bend the path: parabolas through the last solutions once led to a deviance of 1,000."""
    usual, foreseen = _path(), path_walk._along_tangent
    monkeypatch.setattr(path_walk, "_extrapolated", lambda *_: None)
    monkeypatch.setattr(path_walk, "_along_tangent", lambda walk, lambda_: times * foreseen(walk, lambda_))
    misled = _path()
    assert misled.status == "converged"
    assert misled.kkt.max() <= 1e-8
    assert (np.diff(misled.deviance) < 1e-9).all()
    np.testing.assert_allclose(misled.tidy().estimate, usual.tidy().estimate, rtol=1e-6, atol=1e-7)
